//! Writes `library_contents.N.persist`, which mhvtl's library saves at shutdown for its next start.

use crate::library::Library;
use smc::element::{AddressRange, ElementAddress};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;
use tape_store::backend::file::replace;

/// Saves the contents of a library. Cartridges in drives are listed in their source elements.
///
/// # Errors
/// Fails if the file cannot be written; the previous one then remains.
pub fn save_contents(library: &Library, path: &Path) -> io::Result<()> {
    replace(path, contents_text(library).as_bytes())
}

fn contents_text(library: &Library) -> String {
    let layout = library.layout();
    let contents: BTreeMap<ElementAddress, (String, Option<ElementAddress>)> = library.changer(|changer| {
        let content = |at| Some((at, changer.content(at)?));
        let all = layout.ranges().into_iter().flat_map(|(_, range)| range.addresses());
        all.filter_map(content).map(|(at, content)| (at, (content.barcode.to_string(), content.source))).collect()
    });
    let mut slots: BTreeMap<ElementAddress, &str> = BTreeMap::new();
    let within = |range: AddressRange| {
        move |(at, _): &(&ElementAddress, &(String, Option<ElementAddress>))| range.index(**at).is_some()
    };
    for (at, (label, _)) in contents.iter().filter(within(layout.storage)) {
        slots.insert(*at, label);
    }
    for (_, (label, source)) in contents.iter().filter(within(layout.drives)) {
        let own = source.filter(|at| layout.storage.index(*at).is_some() && !slots.contains_key(at));
        let free = || layout.storage.addresses().find(|at| !slots.contains_key(at));
        if let Some(at) = own.or_else(free) {
            slots.insert(at, label);
        }
    }
    let mut text = String::from("Picker 1: \n");
    let mut group = |name, range: AddressRange, label: &dyn Fn(ElementAddress) -> Option<String>| {
        text.push('\n');
        for (at, number) in range.addresses().zip(1..) {
            let label = label(at).map_or_else(String::new, |label| format!("{label:<16}"));
            let _ = writeln!(text, "{name} {number}: {label}");
        }
    };
    group("MAP", layout.import_export, &|at| contents.get(&at).map(|(label, _)| label.clone()));
    group("Drive", layout.drives, &|_| None);
    group("Slot", layout.storage, &|at| slots.get(&at).map(|label| (*label).to_owned()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Library;

    #[test]
    fn loaded_cartridges_are_listed_in_their_slots() {
        let site = Library::builder()
            .slots(3)
            .import_export(2)
            .drives("ULT3580-TD8", 2)
            .cartridges("E0100#L8", 3, "1MB")
            .open();
        let site = site.unwrap();
        let library = &site.libraries()[0];
        let layout = library.layout();
        let at = |range: AddressRange, index: u16| ElementAddress(range.first + index);
        library.move_medium(at(layout.storage, 0), at(layout.drives, 1)).unwrap();
        library.move_medium(at(layout.storage, 1), at(layout.import_export, 0)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("library_contents.10.persist");
        save_contents(library, &path).unwrap();
        let saved = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = saved.lines().collect();
        assert_eq!(
            lines,
            [
                "Picker 1: ",
                "",
                "MAP 1: E01002L8        ",
                "MAP 2: ",
                "",
                "Drive 1: ",
                "Drive 2: ",
                "",
                "Slot 1: E01001L8        ",
                "Slot 2: ",
                "Slot 3: E01003L8        ",
            ]
        );
    }
}
