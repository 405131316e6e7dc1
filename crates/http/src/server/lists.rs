//! Lists of objects, a page at a time.

use super::answer::Answer;
use super::objects::{self, InLibrary};
use super::problem::Problem;
use crate::routes::{List, MAX_LIMIT};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use vtl::control::ElementStatus;
use vtl::inventory::Location;
use vtl::{ControlError, ElementType, Site};

/// A page of a list.
#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    /// `after` of the request for the next page; `None` on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T: Serialize> Page<T> {
    /// A list that is always complete.
    fn complete(items: Vec<T>) -> Result<Answer, Problem> {
        Answer::json(&Self { items, next: None })
    }

    /// A page of at most `limit` of these items, which are one more than that if there is a next page.
    fn of(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> &str) -> Result<Answer, Problem> {
        let has_next = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_next).map(|last| name(last).to_owned());
        Answer::json(&Self { items, next })
    }
}

/// The optional members that choose the items of a list.
struct Selection<'a>(&'a Map<String, Value>);

impl<'a> Selection<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    fn limit(&self) -> usize {
        let limit = self.0.get("limit").and_then(Value::as_u64).unwrap_or(MAX_LIMIT);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }
}

pub(super) fn list(site: &Site, list: List, members: &Map<String, Value>) -> Result<Answer, Problem> {
    let selection = Selection(members);
    match list {
        List::Libraries => Page::complete(site.libraries().iter().map(|library| objects::library(library)).collect()),
        List::Drives => drives(site, &selection),
        List::Slots => slots(site, &selection),
        List::Cartridges => cartridges(site, &selection),
        List::Shelves => shelves(site),
    }
}

fn drives(site: &Site, selection: &Selection<'_>) -> Result<Answer, Problem> {
    let libraries = match selection.text("library") {
        name @ Some(_) => vec![site.resolve_library(name)?],
        None => site.libraries(),
    };
    let of = |library: &std::sync::Arc<vtl::Library>| {
        let drives = library.drive_status().into_iter();
        drives.map(|drive| InLibrary::new(library, drive.element.address, drive)).collect::<Vec<_>>()
    };
    Page::complete(libraries.iter().flat_map(of).collect())
}

/// I/O elements, then slots. The cursor is the name of the last element.
fn slots(site: &Site, selection: &Selection<'_>) -> Result<Answer, Problem> {
    let library = site.resolve_library(selection.text("library"))?;
    let (full, limit) = (selection.0.get("full").and_then(Value::as_bool), selection.limit());
    let wanted = |element: &ElementStatus| full.is_none_or(|full| element.cartridge.is_some() == full);
    let after = selection.text("after");
    let number_after = |prefix: &str| after?.strip_prefix(prefix)?.parse::<usize>().ok();
    let (after_io, after_slot) = (number_after("io"), number_after("slot"));
    if let (Some(after), None, None) = (after, after_io, after_slot) {
        let detail = format!("{after:?} is not the `next` of a page, such as slot1000");
        return Err(Problem::invalid("after", detail));
    }
    let kind = selection.text("type");
    let mut items = Vec::new();
    if after_slot.is_none() && kind != Some("slot") {
        items = library.element_page(ElementType::IMPORT_EXPORT, after_io.unwrap_or(0), limit + 1, wanted);
    }
    if kind != Some("io") {
        let rest = (limit + 1).saturating_sub(items.len());
        items.extend(library.element_page(ElementType::STORAGE, after_slot.unwrap_or(0), rest, wanted));
    }
    let items = items.into_iter().map(|element| InLibrary::new(&library, element.address, element)).collect();
    Page::of(items, limit, |item| &item.element)
}

fn cartridges(site: &Site, selection: &Selection<'_>) -> Result<Answer, Problem> {
    let [library, shelf, part] = ["library", "shelf", "barcode"].map(|name| selection.text(name));
    if library.is_some() {
        site.resolve_library(library)?;
    }
    let pool = selection.text("pool").map(|pool| site.pool(pool)).transpose().map_err(ControlError::from)?;
    let wanted = |barcode: &str, location: &Location| {
        let (in_library, on_shelf) = match location {
            Location::Element { library, .. } => (Some(library.as_str()), None),
            Location::Shelf(shelf) => (None, Some(shelf.as_str())),
        };
        (library.is_none() || library == in_library)
            && (shelf.is_none() || shelf == on_shelf)
            && part.is_none_or(|part| barcode.contains(part))
            && pool.as_ref().is_none_or(|pool| pool.pattern.number(barcode).is_some())
    };
    let limit = selection.limit();
    let items = site.cartridge_page(selection.text("after").unwrap_or_default(), limit + 1, wanted);
    Page::of(items, limit, |item| &item.cartridge)
}

fn shelves(site: &Site) -> Result<Answer, Problem> {
    #[derive(Serialize)]
    struct Shelf {
        shelf: String,
        cartridges: usize,
    }
    let mut counts: BTreeMap<String, usize> =
        site.libraries().iter().map(|library| (library.shelf().to_owned(), 0)).collect();
    for entry in site.inventory().into_values() {
        if let Location::Shelf(shelf) = entry.location {
            *counts.entry(shelf).or_default() += 1;
        }
    }
    Page::complete(counts.into_iter().map(|(shelf, cartridges)| Shelf { shelf, cartridges }).collect())
}
