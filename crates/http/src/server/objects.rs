//! Single objects: libraries and their parts.

use super::answer::Answer;
use super::problem::Problem;
use crate::routes::Object;
use serde::Serialize;
use serde_json::{Map, Value, json};
use vtl::control::{Door, DoorStatus, FoundElement, OnlineStatus};
use vtl::{ControlError, ElementAddress, ElementType, Library, Site};

/// A part of a library, with the name of the library and its own.
#[derive(Serialize)]
pub(super) struct InLibrary<T> {
    library: String,
    pub(super) element: String,
    #[serde(flatten)]
    status: T,
}

impl<T> InLibrary<T> {
    pub(super) fn new(library: &Library, address: u16, status: T) -> Self {
        Self { library: library.name().into(), element: library.element_name(ElementAddress(address)), status }
    }
}

/// A library without its elements, but with their numbers.
pub(super) fn library(library: &Library) -> Value {
    let mut value = serde_json::to_value(library.summary()).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        let layout = library.layout();
        for (list, name, count) in [
            ("drives", "drive_count", layout.drives.count),
            ("io_elements", "io_element_count", layout.import_export.count),
            ("slots", "slot_count", layout.storage.count),
        ] {
            members.remove(list);
            members.insert(name.into(), json!(count));
        }
    }
    value
}

pub(super) fn get(site: &Site, object: Object, members: &Map<String, Value>) -> Result<Answer, Problem> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let in_library = || site.resolve_library(text("library"));
    match object {
        Object::Library => Answer::json(&library(&*in_library()?)),
        Object::Robot => {
            let status = in_library()?.summary();
            Answer::json(&OnlineStatus { drive: None, library: status.name, online: status.online })
        }
        Object::Door => {
            let status = in_library()?.summary();
            let (door, open) = match text("door") {
                Some("access") => (Door::Access, status.door_open),
                _ => (Door::IoStation, status.station_open),
            };
            Answer::json(&DoorStatus { door, library: status.name, open })
        }
        Object::Drive => drive(site, site.find_element(text("library"), text("drive").unwrap_or_default(), true)?),
        Object::Slot => slot(site, site.find_element(text("library"), text("element").unwrap_or_default(), false)?),
    }
}

fn drive(site: &Site, found: FoundElement) -> Result<Answer, Problem> {
    let library = site.resolve_library(Some(&found.library))?;
    let status = library.drive_status().into_iter().find(|drive| drive.element.address == found.address);
    match status {
        Some(status) => Answer::json(&InLibrary::new(&library, found.address, status)),
        None => Err(ControlError::unavailable(format!("{} is served by another process", found.element)).into()),
    }
}

fn slot(site: &Site, found: FoundElement) -> Result<Answer, Problem> {
    let library = site.resolve_library(Some(&found.library))?;
    let layout = library.layout();
    let address = ElementAddress(found.address);
    let of = |kind, index: Option<usize>| library.element_page(kind, index?, 1, |_| true).pop();
    let status = of(ElementType::STORAGE, layout.storage.index(address))
        .or_else(|| of(ElementType::IMPORT_EXPORT, layout.import_export.index(address)));
    match status {
        Some(status) => Answer::json(&InLibrary::new(&library, found.address, status)),
        None => {
            let error = ControlError::not_found(format!("{} is neither a slot nor an I/O element", found.element));
            Err(error.with_library(found.library).with_element(found.element).into())
        }
    }
}
