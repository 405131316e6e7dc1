//! Checks the language of the workspace: lists banned phrases and public items with too little documentation, with file
//! and line.

use crate::shell::{file_error, output, print_line};
use regex::{Regex, RegexBuilder};
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Visibility};

/// Minimum number of words in the documentation of a public item.
const MIN_WORDS: usize = 5;
/// Minimum number of words in the documentation of a public type or trait of a crate, which says what it contains.
const MIN_TYPE_WORDS: usize = 7;
/// One phrase per line: a regular expression, a tab, and the advice for a replacement.
const PHRASES: &str = include_str!("../phrases.tsv");

/// Checks every source, page and configuration of the repository.
pub(crate) fn run() -> Result<(), String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let phrases = phrases()?;
    let mut faults = Vec::new();
    let mut items = 0;
    for file in files(&root)? {
        let path = root.join(&file);
        let text = std::fs::read_to_string(&path).map_err(file_error(&path))?;
        faults.extend(phrases.iter().flat_map(|phrase| phrase.places(&file, &text)));
        if is_of_library(&root, &file) && !is_test(&file) {
            let mut public = PublicItems { file: &file, count: 0, faults: &mut faults };
            public.visit_file(&syn::parse_file(&text).map_err(|error| format!("{file}: {error}"))?);
            items += public.count;
        }
    }
    if faults.is_empty() {
        print_line(&format!("words: {} banned phrases; {items} public items documented", phrases.len()));
        return Ok(());
    }
    faults.push(format!("words: {} faults; {items} public items", faults.len()));
    Err(faults.join("\n"))
}

/// The files under version control that are checked, relative to the root. The list of phrases is not among them.
fn files(root: &Path) -> Result<Vec<String>, String> {
    let root = root.display().to_string();
    let listed = output(
        "git",
        ["-C", &root, "ls-files", "*.rs", "*.md", "*.toml", "*.sh", "*.ts", "*.tsx", "*.mjs", "*.py", "*.c"],
    )?;
    Ok(String::from_utf8_lossy(&listed).lines().map(str::to_owned).collect())
}

/// Whether a file is a source of a library: of a crate in `crates`, or of a program in `examples` that has a library.
fn is_of_library(root: &Path, file: &str) -> bool {
    let Some((directory, source)) = file.split_once("/src/").filter(|(_, source)| source.ends_with(".rs")) else {
        return false;
    };
    file.starts_with("crates/")
        || (file.starts_with("examples/") && source != "main.rs" && root.join(directory).join("src/lib.rs").exists())
}

fn is_test(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("tests.rs")
}

/// A banned phrase.
struct Phrase {
    pattern: Regex,
    instead: &'static str,
}

impl Phrase {
    /// Returns `file:line: phrase: advice` for each match in a text. Line breaks and comment marks count as one blank,
    /// so that a phrase matches across the lines of a comment or paragraph.
    fn places(&self, file: &str, text: &str) -> Vec<String> {
        let place = |found: regex::Match<'_>| {
            let line = text.get(..found.start()).unwrap_or_default().matches('\n').count() + 1;
            let words: Vec<&str> = found.as_str().split_whitespace().filter(|word| !word.starts_with("//")).collect();
            format!("{file}:{line}: {:?}: {}", words.join(" "), self.instead)
        };
        self.pattern.find_iter(text).map(place).collect()
    }
}

fn phrases() -> Result<Vec<Phrase>, String> {
    let lines = PHRASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('\t').ok_or_else(|| format!("phrases.tsv: no tab in {line:?}")))
        .map(parse)
        .collect()
}

fn parse(line: Result<(&'static str, &'static str), String>) -> Result<Phrase, String> {
    let (pattern, instead) = line?;
    let blank = r"(?:[ ]|\s*\n\s*(?:///?!?|\#)?\s*)";
    let pattern = RegexBuilder::new(&pattern.replace(' ', blank)).case_insensitive(true).build();
    Ok(Phrase { pattern: pattern.map_err(|error| format!("phrases.tsv: {error}"))?, instead })
}

/// Counts the public items of a file and lists the items with too few words of documentation.
struct PublicItems<'a> {
    file: &'a str,
    count: usize,
    faults: &'a mut Vec<String>,
}

impl PublicItems<'_> {
    fn item(&mut self, name: &str, at: proc_macro2::Span, attributes: &[Attribute]) {
        self.check(name, at, attributes, MIN_WORDS);
    }

    fn check(&mut self, name: &str, at: proc_macro2::Span, attributes: &[Attribute], least: usize) {
        self.count += 1;
        let words = attributes.iter().filter_map(sentence).map(|text| text.split_whitespace().count()).sum::<usize>();
        if words < least && !is_excused(attributes) {
            let line = at.start().line;
            self.faults.push(format!("{}:{line}: {name}: {words} words of documentation", self.file));
        }
    }

    fn public_type(&mut self, visibility: &Visibility, name: &syn::Ident, attributes: &[Attribute]) {
        if matches!(visibility, Visibility::Public(_)) {
            let least = if self.file.starts_with("crates/") { MIN_TYPE_WORDS } else { MIN_WORDS };
            self.check(&name.to_string(), name.span(), attributes, least);
        }
    }

    fn public(&mut self, visibility: &Visibility, name: &syn::Ident, attributes: &[Attribute]) {
        if matches!(visibility, Visibility::Public(_)) {
            self.item(&name.to_string(), name.span(), attributes);
        }
    }
}

/// Whether the item has no documentation for a reason that its attribute gives, such as a program that prints it.
fn is_excused(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("expect")
            && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string().starts_with("missing_docs"))
    })
}

/// The text of a documentation attribute.
fn sentence(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    match &pair.value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for PublicItems<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let for_tests = |attribute: &Attribute| {
            attribute.path().is_ident("cfg")
                && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "test")
        };
        if !module.attrs.iter().any(for_tests) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.public(&function.vis, &function.sig.ident, &function.attrs);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.public_type(&item.vis, &item.ident, &item.attrs);
        visit::visit_item_struct(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(name) = &field.ident {
            self.public(&field.vis, name, &field.attrs);
        }
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.public_type(&item.vis, &item.ident, &item.attrs);
        if matches!(item.vis, Visibility::Public(_)) && !is_excused(&item.attrs) {
            for variant in &item.variants {
                self.item(&variant.ident.to_string(), variant.span(), &variant.attrs);
            }
        }
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.public_type(&item.vis, &item.ident, &item.attrs);
        if matches!(item.vis, Visibility::Public(_)) {
            visit::visit_item_trait(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.item(&function.sig.ident.to_string(), function.sig.ident.span(), &function.attrs);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.public(&function.vis, &function.sig.ident, &function.attrs);
    }

    fn visit_impl_item_const(&mut self, constant: &'ast syn::ImplItemConst) {
        self.public(&constant.vis, &constant.ident, &constant.attrs);
    }

    fn visit_item_const(&mut self, constant: &'ast syn::ItemConst) {
        self.public(&constant.vis, &constant.ident, &constant.attrs);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.public(&item.vis, &item.ident, &item.attrs);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.public(&item.vis, &item.ident, &item.attrs);
    }
}
