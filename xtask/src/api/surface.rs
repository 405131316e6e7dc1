//! The public items of one crate: declarations without bodies, values, private fields and documentation.

use crate::shell::file_error;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Block, Expr, Field, FieldMutability, Fields, File, GenericArgument, ImplItem, Item, ItemImpl, ItemMod,
    PathArguments, ReturnType, Token, Type, Visibility, parse_quote,
};

/// Types of this workspace in a `Result` that are not errors of the program, each with the reason.
const OUTCOMES: &[(&str, &str)] = &[
    ("Fault", "the status with which a command ends, for the initiator"),
    ("FieldPointer", "a part of sense data"),
    ("ModeHeaderField", "a part of sense data"),
];

/// The interface of a crate, and what is wrong with its error types.
pub(super) struct Surface {
    pub(super) text: String,
    pub(super) faults: Vec<String>,
}

/// Reads the interface of a crate from its root file.
pub(super) fn of_crate(name: &str, root: &Path) -> Result<Surface, String> {
    let mut modules = Vec::new();
    read_module(&name.replace('-', "_"), root, &mut modules)?;
    let names = Names::of(&modules);
    let mut faults: Vec<String> =
        names.errors.difference(&names.implemented).map(|error| format!("{name}: {error} is not an Error")).collect();
    let mut text = String::new();
    let mut returned = BTreeSet::new();
    for (path, items) in modules {
        let mut declarations: Vec<String> =
            items.into_iter().filter_map(|item| declaration(item, &names, &path, &mut faults, &mut returned)).collect();
        if declarations.is_empty() {
            continue;
        }
        declarations.sort();
        text.push_str(&format!("// {path}\n{}\n", declarations.concat()));
    }
    faults.extend(names.missing(&returned).map(|error| format!("{name}: {error} is in a Result and is not an Error")));
    Ok(Surface { text, faults })
}

/// A module: its path and its items.
type Module = (String, Vec<Item>);

/// Reads a file and the files of its modules.
fn read_module(path: &str, file: &Path, modules: &mut Vec<Module>) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(file_error(file))?;
    let parsed = syn::parse_file(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    let is_root = file.ends_with("lib.rs") || file.ends_with("mod.rs");
    let directory =
        if is_root { file.parent().map(PathBuf::from).unwrap_or_default() } else { file.with_extension("") };
    read_items(path, &directory, parsed.items, modules)
}

fn read_items(path: &str, directory: &Path, items: Vec<Item>, modules: &mut Vec<Module>) -> Result<(), String> {
    let (inner, items): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| matches!(item, Item::Mod(_)));
    modules.push((path.into(), items));
    for item in inner {
        let Item::Mod(ItemMod { attrs, ident, content, .. }) = item else { continue };
        if is_for_tests(&attrs) {
            continue;
        }
        let (path, directory) = (format!("{path}::{ident}"), directory.join(ident.to_string()));
        match content {
            Some((_, items)) => read_items(&path, &directory, items, modules)?,
            None => {
                let file = directory.with_extension("rs");
                read_module(&path, &if file.exists() { file } else { directory.join("mod.rs") }, modules)?;
            }
        }
    }
    Ok(())
}

/// Whether an item exists only in tests, fuzz targets or documentation tests.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = if attribute.path().is_ident("cfg") { attribute_text(attribute) } else { String::new() };
        ["cfg (test)", "(test ,", "doctest", "\"testing\""].iter().any(|words| condition.contains(words))
    })
}

fn attribute_text(attribute: &Attribute) -> String {
    let syn::Meta::List(list) = &attribute.meta else { return String::new() };
    format!("cfg ({})", list.tokens)
}

/// Names of the types and traits of a crate.
#[derive(Default)]
struct Names {
    public_types: BTreeSet<String>,
    private_traits: BTreeSet<String>,
    /// Public types whose names end with `Error`.
    errors: BTreeSet<String>,
    /// Types that implement `Error`.
    implemented: BTreeSet<String>,
}

impl Names {
    fn of(modules: &[Module]) -> Self {
        let mut names = Self::default();
        for item in modules.iter().flat_map(|(_, items)| items) {
            match item {
                Item::Struct(item) => names.add(&item.vis, &item.ident.to_string(), &item.attrs),
                Item::Enum(item) => names.add(&item.vis, &item.ident.to_string(), &item.attrs),
                Item::Type(item) => names.add(&item.vis, &item.ident.to_string(), &[]),
                Item::Trait(item) if !is_public(&item.vis) => drop(names.private_traits.insert(item.ident.to_string())),
                Item::Impl(item) if trait_of(item).is_some_and(|name| name == "Error") => {
                    names.implemented.extend(name_of(&item.self_ty));
                }
                _ => {}
            }
        }
        names
    }

    /// The types of this crate among the errors of its signatures that do not implement `Error`.
    fn missing<'a>(&self, returned: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
        let is_outcome = |name: &String| OUTCOMES.iter().any(|(outcome, _)| outcome == name);
        returned.iter().filter(move |name| {
            self.public_types.contains(*name) && !self.implemented.contains(*name) && !is_outcome(name)
        })
    }

    fn add(&mut self, visibility: &Visibility, name: &str, attributes: &[Attribute]) {
        if !is_public(visibility) {
            return;
        }
        self.public_types.insert(name.into());
        let derives =
            |attribute: &Attribute| attribute.path().is_ident("derive") && attribute_text(attribute).contains("Error");
        if attributes.iter().any(derives) {
            self.implemented.insert(name.into());
        }
        if name.ends_with("Error") {
            self.errors.insert(name.into());
        }
    }
}

const fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn trait_of(item: &ItemImpl) -> Option<String> {
    item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last()).map(|segment| segment.ident.to_string())
}

fn name_of(of: &Type) -> Option<String> {
    match of {
        Type::Path(of) => of.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Reference(of) => name_of(&of.elem),
        _ => None,
    }
}

/// The declaration of a public item; `None` for an item that is not public.
/// Adds the types of errors in its signatures to `returned`.
fn declaration(
    mut item: Item,
    names: &Names,
    path: &str,
    faults: &mut Vec<String>,
    returned: &mut BTreeSet<String>,
) -> Option<String> {
    let public = match &mut item {
        Item::Const(item) => is_public(&item.vis),
        Item::Enum(item) => is_public(&item.vis),
        Item::Fn(item) => is_public(&item.vis) && !is_for_tests(&item.attrs),
        Item::Static(item) => is_public(&item.vis),
        Item::Struct(item) => is_public(&item.vis),
        Item::Trait(item) => is_public(&item.vis),
        Item::Type(item) => is_public(&item.vis),
        Item::Use(item) => is_public(&item.vis) && !is_for_tests(&item.attrs),
        Item::Impl(item) => is_public_impl(item, names),
        Item::Macro(item) => match &item.ident {
            None => return macro_lines(&item.mac.tokens),
            Some(name) => {
                let exported = item.attrs.iter().any(|attribute| attribute.path().is_ident("macro_export"));
                return exported.then(|| format!("macro {name}!\n"));
            }
        },
        _ => false,
    };
    if !public {
        return None;
    }
    let mut strip = Strip::default();
    strip.visit_item_mut(&mut item);
    returned.append(&mut strip.errors);
    let text = prettyplease::unparse(&File { shebang: None, attrs: Vec::new(), items: vec![item] });
    if strip.string_errors > 0 {
        let first = text.lines().next().unwrap_or_default();
        faults.push(format!("{path}: {first}: a Result has an error of type String"));
    }
    Some(text)
}

/// Keeps the public items of an inherent `impl`, and the associated types of a public trait.
fn is_public_impl(item: &mut ItemImpl, names: &Names) -> bool {
    let known = name_of(&item.self_ty).is_some_and(|name| names.public_types.contains(&name));
    match trait_of(item) {
        Some(name) => {
            item.items.retain(|inner| matches!(inner, ImplItem::Type(_)));
            known && !names.private_traits.contains(&name)
        }
        None => {
            item.items.retain(|inner| match inner {
                ImplItem::Const(inner) => is_public(&inner.vis),
                ImplItem::Fn(inner) => is_public(&inner.vis) && !is_for_tests(&inner.attrs),
                _ => false,
            });
            !item.items.is_empty()
        }
    }
}

/// The values that a macro such as `named_values!` or `bitflags!` declares, one on a line.
fn macro_lines(tokens: &TokenStream) -> Option<String> {
    let text = without_attributes(tokens.clone()).to_string();
    let declares = text.contains("pub struct");
    declares.then(|| text.split_inclusive([';', '{']).map(|line| line.trim().to_owned() + "\n").collect())
}

fn without_attributes(tokens: TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => drop(tokens.next()),
            TokenTree::Group(group) => {
                let inner = without_attributes(group.stream());
                kept.push(TokenTree::Group(proc_macro2::Group::new(group.delimiter(), inner)));
            }
            other => kept.push(other),
        }
    }
    kept.into_iter().collect()
}

/// Removes bodies, values, private fields and attributes that are not part of the interface.
#[derive(Default)]
struct Strip {
    /// Types of the errors of all `Result` types in signatures.
    errors: BTreeSet<String>,
    /// Number of `Result` types in signatures whose error is a `String`.
    string_errors: usize,
}

impl VisitMut for Strip {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let kept = ["derive", "non_exhaustive", "must_use", "repr", "cfg", "deprecated"];
        attributes.retain(|attribute| kept.iter().any(|name| attribute.path().is_ident(name)));
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        block.stmts.clear();
    }

    fn visit_expr_mut(&mut self, value: &mut Expr) {
        *value = parse_quote!(_);
    }

    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        let private = |field: &Field| !is_public(&field.vis);
        match &mut item.fields {
            Fields::Named(fields) if fields.named.iter().any(private) => {
                let all = std::mem::take(&mut fields.named).into_iter();
                let mut named: Punctuated<Field, Token![,]> = all.filter(|field| !private(field)).collect();
                named.push(private_field());
                fields.named = named;
            }
            Fields::Unnamed(fields) => {
                for field in fields.unnamed.iter_mut().filter(|field| private(field)) {
                    field.ty = parse_quote!(_);
                }
            }
            _ => {}
        }
        visit_mut::visit_item_struct_mut(self, item);
    }

    fn visit_return_type_mut(&mut self, returned: &mut ReturnType) {
        if let ReturnType::Type(_, of) = returned {
            let error = error_of(of);
            self.string_errors += usize::from(error.as_deref().is_some_and(|name| matches!(name, "String" | "str")));
            self.errors.extend(error);
        }
        visit_mut::visit_return_type_mut(self, returned);
    }
}

/// A private field, whose type is not part of the interface.
fn private_field() -> Field {
    Field {
        attrs: Vec::new(),
        vis: Visibility::Inherited,
        mutability: FieldMutability::None,
        ident: Some(parse_quote!(_private)),
        colon_token: Some(Default::default()),
        ty: parse_quote!(_),
    }
}

/// Name of the error in a `Result`, without its box.
fn error_of(of: &Type) -> Option<String> {
    let Type::Path(of) = of else { return None };
    let last = of.path.segments.last().filter(|segment| segment.ident == "Result")?;
    let error = argument(&last.arguments, 1)?;
    match error {
        Type::Path(boxed) if name_of(error).as_deref() == Some("Box") => {
            name_of(argument(&boxed.path.segments.last()?.arguments, 0)?)
        }
        error => name_of(error),
    }
}

/// The type argument of this number.
fn argument(arguments: &PathArguments, number: usize) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    match arguments.args.iter().nth(number)? {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(item: Item) -> (String, usize) {
        let names = Names::of(&[(
            "c".into(),
            vec![parse_quote!(
                pub struct Shown;
            )],
        )]);
        let mut faults = Vec::new();
        let text = declaration(item, &names, "c", &mut faults, &mut BTreeSet::new()).unwrap_or_default();
        (text, faults.len())
    }

    #[test]
    fn bodies_values_and_private_parts_are_omitted() {
        for (item, expected) in [
            (
                parse_quote!(
                    #[doc = "x"]
                    pub const fn f(a: u8) -> u8 {
                        a
                    }
                ),
                "pub const fn f(a: u8) -> u8 {}\n",
            ),
            (
                parse_quote!(
                    pub const A: u8 = 7;
                ),
                "pub const A: u8 = _;\n",
            ),
            (
                parse_quote!(
                    pub struct S {
                        pub a: u8,
                        b: u8,
                        c: u8,
                    }
                ),
                "pub struct S {\n    pub a: u8,\n    _private: _,\n}\n",
            ),
            (
                parse_quote!(
                    pub struct T(u8, pub u8);
                ),
                "pub struct T(_, pub u8);\n",
            ),
            (
                parse_quote!(
                    pub(crate) fn g() {}
                ),
                "",
            ),
            (
                parse_quote!(
                    #[cfg(any(test, feature = "testing"))]
                    pub fn h() {}
                ),
                "",
            ),
            (
                parse_quote!(impl Shown { pub fn a(&self) { todo() } fn b(&self) {} }),
                "impl Shown {\n    pub fn a(&self) {}\n}\n",
            ),
            (parse_quote!(impl Clone for Shown { fn clone(&self) -> Self { Self } }), "impl Clone for Shown {}\n"),
            (parse_quote!(impl Clone for Hidden { fn clone(&self) -> Self { Self } }), ""),
        ] {
            assert_eq!(declared(item), (expected.to_owned(), 0));
        }
    }

    #[test]
    fn an_error_of_type_string_is_a_fault() {
        assert_eq!(
            declared(parse_quote!(
                pub fn f() -> Result<(), String> {
                    a()
                }
            ))
            .1,
            1
        );
        assert_eq!(
            declared(parse_quote!(impl Shown { pub fn f() -> std::result::Result<u8, &'static str> { a() } })).1,
            1
        );
        assert_eq!(
            declared(parse_quote!(
                pub fn f() -> Result<Map<String, String>, Error> {
                    a()
                }
            ))
            .1,
            0
        );
        assert_eq!(
            declared(parse_quote!(
                fn f() -> Result<(), String> {
                    a()
                }
            ))
            .1,
            0
        );
    }

    #[test]
    fn error_types_without_the_trait_are_found() {
        let items = vec![
            parse_quote!(
                pub struct BareError;
            ),
            parse_quote!(
                #[derive(Debug, thiserror::Error)]
                pub enum DerivedError {}
            ),
            parse_quote!(
                pub struct WrittenError;
            ),
            parse_quote!(impl std::error::Error for WrittenError {}),
        ];
        let names = Names::of(&[("c".into(), items)]);
        assert_eq!(names.errors.difference(&names.implemented).collect::<Vec<_>>(), ["BareError"]);
    }

    #[test]
    fn error_types_in_results_implement_the_trait() {
        let items: Vec<Item> = vec![
            parse_quote!(
                pub struct Reason;
            ),
            parse_quote!(
                pub struct Fault;
            ),
            parse_quote!(
                #[derive(thiserror::Error)]
                pub enum Cause {}
            ),
            parse_quote!(
                pub fn f() -> Result<(), Reason> {}
            ),
            parse_quote!(
                pub fn g() -> Result<(), Box<Cause>> {}
            ),
            parse_quote!(
                pub fn h() -> Result<(), Fault> {}
            ),
            parse_quote!(
                pub fn i() -> io::Result<u8> {}
            ),
        ];
        let modules: [Module; 1] = [("c".into(), items)];
        let (names, mut returned) = (Names::of(&modules), BTreeSet::new());
        for item in modules.into_iter().flat_map(|(_, items)| items) {
            declaration(item, &names, "c", &mut Vec::new(), &mut returned);
        }
        assert_eq!(returned.iter().collect::<Vec<_>>(), ["Cause", "Fault", "Reason"]);
        assert_eq!(names.missing(&returned).collect::<Vec<_>>(), ["Reason"]);
    }
}
