//! Listings for programs: a row for each thing, with the library it is in.

use serde::Serialize;
use serde_json::{Value, json};
use vtl::control::{LibraryStatus, SiteStatus};

fn rows<T: Serialize>(status: &SiteStatus, things: impl Fn(&LibraryStatus) -> Vec<(&'static str, &T)>) -> Value {
    let mut all = Vec::new();
    for library in &status.libraries {
        for (kind, thing) in things(library) {
            let mut row = json!(thing);
            if let Some(row) = row.as_object_mut() {
                row.insert("library".into(), json!(library.name));
                row.insert("kind_of_element".into(), json!(kind));
            }
            all.push(row);
        }
    }
    Value::Array(all)
}

pub(super) fn drives(status: &SiteStatus) -> Value {
    rows(status, |library| library.drives.iter().map(|drive| ("drive", drive)).collect())
}

pub(super) fn slots(status: &SiteStatus) -> Value {
    rows(status, |library| {
        let slots = library.slots.iter().map(|slot| ("slot", slot));
        slots.chain(library.io_elements.iter().map(|port| ("io", port))).collect()
    })
}
