//! The page docs/personalities.md: for each device model, what is captured from a real device, what is in a manual, and what
//! is taken from another model. Made from the sources beside the models ([`scsi_core::source`]).

use scsi_core::mode::PageId;
use scsi_core::source::{Item, Part, Source, SourceTable, Sources};
use smc::profile::ChangerProfile;
use ssc::profile::DriveProfile;
use std::fmt::Write as _;

const INTRODUCTION: &str = include_str!("model_sources/introduction.md");

/// A model with the parts for which its sources are stated.
struct Model {
    name: &'static str,
    sources: Sources,
    items: Vec<Item>,
}

impl From<&'static DriveProfile> for Model {
    fn from(profile: &'static DriveProfile) -> Self {
        let mut items = vec![Item::Product, Item::Revision, Item::Inquiry, Item::Media, Item::Commands];
        items.extend(pages(profile.vpd_pages, profile.mode_pages.iter().map(|page| page.id), profile.log_pages));
        Self { name: profile.name(), sources: profile.sources, items }
    }
}

impl From<&'static ChangerProfile> for Model {
    fn from(profile: &'static ChangerProfile) -> Self {
        let mut items = vec![Item::Product, Item::Revision, Item::Inquiry, Item::Commands];
        items.extend([Item::Addresses, Item::ElementCounts, Item::ElementDescriptors, Item::SerialNumber]);
        items.extend(pages(profile.vpd_pages, profile.mode_pages.iter().map(|page| page.id), profile.log_pages));
        Self { name: profile.name, sources: profile.sources, items }
    }
}

fn pages(vpd: &[u8], modes: impl Iterator<Item = PageId>, logs: &[PageId]) -> Vec<Item> {
    let vpd = vpd.iter().filter(|page| **page != 0).map(|page| Item::Vpd(*page));
    let logs = logs.iter().map(|id| Item::Log(*id));
    [Item::VpdList].into_iter().chain(vpd).chain(modes.map(Item::Mode)).chain([Item::LogList]).chain(logs).collect()
}

fn drives() -> Vec<Model> {
    ssc::profile::ALL.iter().copied().map(Model::from).collect()
}

fn libraries() -> Vec<Model> {
    smc::profile::ALL.iter().copied().map(Model::from).collect()
}

impl Model {
    /// The items of the model that come from `source`.
    fn items_from(&self, source: Source, models: &[Self]) -> Vec<Item> {
        let find = |name: &str| models.iter().find(|model| model.name == name).map(|model| model.sources);
        self.items.iter().copied().filter(|item| self.sources.of(*item, &find) == Some(source)).collect()
    }
}

/// The page that states the sources of all device models, as Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    for (heading, models) in [("Drives", drives()), ("Libraries", libraries())] {
        let _ = write!(page, "\n## {heading}\n\n");
        write_models(&models, &mut page);
        for table in tables(&models) {
            write_table(table, &models, &mut page);
        }
    }
    page
}

/// Writes the parts of each model by source; models with the same parts share a row.
fn write_models(models: &[Model], page: &mut String) {
    page.push_str("| model | captured | in a manual | from another model | unknown |\n|---|---|---|---|---|\n");
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    for model in models {
        let columns = columns(model, models);
        match rows.iter_mut().find(|(known, _)| *known == columns) {
            Some((_, names)) => names.push(model.name),
            None => rows.push((columns, vec![model.name])),
        }
    }
    for (columns, names) in rows {
        let _ = writeln!(page, "| {} | {columns} |", names.join(", "));
    }
}

/// The columns of a model after its name.
fn columns(model: &Model, models: &[Model]) -> String {
    if !model.items_from(Source::Own, models).is_empty() {
        return " | | | no real device has this name".into();
    }
    let text = |source| names(&model.items_from(source, models));
    let mut sibling = text(Source::Sibling);
    if let Some(name) = model.sources.sibling {
        let _ = write!(sibling, "{}(see {name})", if sibling.is_empty() { "" } else { " " });
    }
    let (captured, manual, unknown) = (text(Source::Captured), text(Source::Manual), text(Source::Unknown));
    format!("{captured} | {manual} | {sibling} | {unknown}")
}

/// The tables of these models, each once, in the order of the models.
fn tables(models: &[Model]) -> Vec<&'static SourceTable> {
    let mut tables: Vec<&'static SourceTable> = Vec::new();
    for table in models.iter().flat_map(|model| model.sources.tables) {
        if !tables.iter().any(|known| std::ptr::eq(*known, *table)) {
            tables.push(table);
        }
    }
    tables
}

fn write_table(table: &SourceTable, models: &[Model], page: &mut String) {
    let has = |model: &&Model| model.sources.tables.iter().any(|other| std::ptr::eq(*other, table));
    let names: Vec<&str> = models.iter().filter(has).map(|model| model.name).collect();
    let _ =
        write!(page, "\n### {}\n\n{}.\n\n| part | source | remark |\n|---|---|---|\n", table.title, names.join(", "));
    for row in table.rows {
        let parts: Vec<String> = row.parts.iter().map(part_name).collect();
        let _ = writeln!(page, "| {} | {} | {} |", parts.join("; "), mark(row.source), row.remark);
    }
}

const fn mark(source: Source) -> &'static str {
    match source {
        Source::Captured => "C",
        Source::Manual => "M",
        Source::Sibling => "I",
        Source::Unknown => "U",
        Source::Own => "-",
    }
}

fn part_name(part: &Part) -> String {
    let list = |pages: &[u8]| pages.iter().map(|page| format!("{page:02X}h")).collect::<Vec<_>>().join(" ");
    let subpages = |page: u8, subpages: &[u8]| {
        subpages.iter().map(|subpage| format!("{page:02X}h/{subpage:02X}h")).collect::<Vec<_>>().join(" ")
    };
    match *part {
        Part::One(item) => names(&[item]),
        Part::Vpd(pages) => format!("VPD {}", list(pages)),
        Part::Mode(pages) => format!("mode {}", list(pages)),
        Part::ModeSubpages(page, codes) => format!("mode {}", subpages(page, codes)),
        Part::Log(pages) => format!("log {}", list(pages)),
        Part::LogSubpages(page, codes) => format!("log {}", subpages(page, codes)),
        Part::Other(name) => name.into(),
        Part::Rest => "everything else".into(),
    }
}

/// Items in words, pages of one kind together: "revision, VPD 80h 83h".
fn names(items: &[Item]) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut kind = "";
    for item in items {
        let (prefix, code) = match *item {
            Item::Product => ("vendor and product", String::new()),
            Item::Revision => ("revision", String::new()),
            Item::Inquiry => ("INQUIRY", String::new()),
            Item::Media => ("media", String::new()),
            Item::Commands => ("commands", String::new()),
            Item::Addresses => ("element addresses", String::new()),
            Item::ElementCounts => ("largest numbers of elements", String::new()),
            Item::ElementDescriptors => ("element descriptors", String::new()),
            Item::SerialNumber => ("serial number", String::new()),
            Item::VpdList => ("VPD list", String::new()),
            Item::LogList => ("log list", String::new()),
            Item::Vpd(page) => ("VPD", format!(" {page:02X}h")),
            Item::Mode(id) => ("mode", page_code(id)),
            Item::Log(id) => ("log", page_code(id)),
        };
        match texts.last_mut() {
            Some(last) if prefix == kind && !code.is_empty() => last.push_str(&code),
            _ => texts.push(format!("{prefix}{code}")),
        }
        kind = prefix;
    }
    texts.join(", ")
}

fn page_code(id: PageId) -> String {
    if id.subpage == 0 { format!(" {:02X}h", id.page) } else { format!(" {:02X}h/{:02X}h", id.page, id.subpage) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, regenerate the page: `cargo run -p vtl --all-features --example personalities >
    /// docs/personalities.md`.
    #[test]
    fn personalities_page_is_current() {
        let committed = include_str!("../../../docs/personalities.md");
        assert!(committed == page(), "docs/personalities.md is out of date");
    }

    #[test]
    fn every_part_of_every_model_has_a_source() {
        for models in [drives(), libraries()] {
            let find = |name: &str| models.iter().find(|model| model.name == name).map(|model| model.sources);
            for model in &models {
                let without = model.items.iter().filter(|item| model.sources.of(**item, &find).is_none());
                assert_eq!(without.collect::<Vec<_>>(), Vec::<&Item>::new(), "{}", model.name);
                if let Some(name) = model.sources.sibling {
                    assert!(find(name).is_some(), "{}: {name} is not a model", model.name);
                }
            }
        }
    }

    /// A row about a page that no model of the table has is a mistake, or older than the models.
    #[test]
    fn every_row_is_about_a_part_of_a_model() {
        for models in [drives(), libraries()] {
            for table in tables(&models) {
                let of_table = || {
                    models.iter().filter(|model| {
                        let mut tables = model.sources.tables.iter();
                        tables.any(|other| std::ptr::eq(*other, table))
                    })
                };
                let stated = |part: &Part| {
                    matches!(part, Part::Other(_))
                        || of_table().any(|model| {
                            model
                                .items
                                .iter()
                                .any(|item| model.sources.row(*item).is_some_and(|row| row.parts.contains(part)))
                        })
                };
                for part in table.rows.iter().flat_map(|row| row.parts) {
                    assert!(stated(part), "{}: {part:?}", table.title);
                }
            }
        }
    }

    #[test]
    fn what_is_taken_from_a_sibling_is_named_so() {
        let page = page();
        let row = |name: &str| page.lines().find(|line| line.starts_with(&format!("| {name}"))).unwrap();
        assert!(
            row("Ultrium 9-SCSI")
                .starts_with("| Ultrium 9-SCSI | vendor and product, revision, INQUIRY, VPD list, VPD 80h")
        );
        let of_ibm: Vec<&str> = row("ULT3580-TD9").split(" | ").collect();
        assert!(of_ibm[1].starts_with("vendor and product, revision, INQUIRY"), "{of_ibm:?}");
        assert!(of_ibm[3].ends_with("(see Ultrium 9-SCSI)") && of_ibm[3].contains("VPD 80h 83h"), "{of_ibm:?}");
        assert!(row("Ferric").contains("no real device"));
    }
}
