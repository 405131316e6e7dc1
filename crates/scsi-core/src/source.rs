//! Sources of the data of device models, as data beside the models: which part of a model is captured from a real device,
//! which is described in a manual, and which is taken from another model. `docs/personalities.md` is made from it.

use crate::mode::PageId;

/// The source of a part of a device model, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Bytes or decoded fields of such a device in the field agree with the model's.
    Captured,
    /// A manual or a program of the vendor describes it.
    Manual,
    /// Captured from another generation, or from another device with the same mechanism, or in a manual of it.
    Sibling,
    /// Unknown: the layout is that of the standard or of mhvtl, and values without a published meaning are zero.
    Unknown,
    /// No real device has this name.
    Own,
}

/// A part of a device model whose source is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One thing, such as [`Item::Product`].
    One(Item),
    /// Contents of VPD pages, by page code.
    Vpd(&'static [u8]),
    /// Mode pages without subpage, by page code.
    Mode(&'static [u8]),
    /// Subpages of a mode page: page code and subpage codes.
    ModeSubpages(u8, &'static [u8]),
    /// Log pages without subpage, by page code.
    Log(&'static [u8]),
    /// Subpages of a log page: page code and subpage codes.
    LogSubpages(u8, &'static [u8]),
    /// Behaviour or fields with another name.
    Other(&'static str),
    /// Everything that no earlier row has.
    Rest,
}

/// Parts of a model that have the same source and the same remark.
#[derive(Clone, Copy, Debug)]
pub struct SourceRow {
    /// The parts of the model that the row is about.
    pub parts: &'static [Part],
    /// The source of all of these parts.
    pub source: Source,
    /// The documents or devices, and known differences from the real device; empty if there is nothing to add.
    pub remark: &'static str,
}

/// Rows that several models share, with their heading.
#[derive(Debug)]
pub struct SourceTable {
    /// Heading of the table in the documentation.
    pub title: &'static str,
    /// The rows. For a part that several rows have, the first row applies.
    pub rows: &'static [SourceRow],
}

/// The sources of one model: its tables, and the model from which the rest is taken.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    /// Tables of the model. For a part that several tables have, the first one applies.
    pub tables: &'static [&'static SourceTable],
    /// Name of the model from which all other parts are taken; what is captured from that model, or in a manual of it, is
    /// [`Source::Sibling`] for this one.
    pub sibling: Option<&'static str>,
}

/// One thing that a source is stated for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// Vendor identification and product identification.
    Product,
    /// The product revision level of INQUIRY.
    Revision,
    /// Standard INQUIRY data, apart from the identification strings.
    Inquiry,
    /// The supported media of a drive, and which of them it writes.
    Media,
    /// The commands that the model supports.
    Commands,
    /// The first element addresses of a library.
    Addresses,
    /// The largest numbers of elements of a library.
    ElementCounts,
    /// The element descriptors of READ ELEMENT STATUS.
    ElementDescriptors,
    /// The form of the unit serial number.
    SerialNumber,
    /// The list of VPD pages (page 00h).
    VpdList,
    /// One VPD page, by its page code.
    Vpd(u8),
    /// One mode page, by page and subpage code.
    Mode(PageId),
    /// The list of log pages (page 00h).
    LogList,
    /// One log page, by page and subpage code.
    Log(PageId),
}

impl Part {
    /// Whether this part has the item.
    #[must_use]
    pub fn has(&self, item: Item) -> bool {
        match (*self, item) {
            (Self::Rest, _) => true,
            (Self::One(own), item) => own == item,
            (Self::Vpd(pages), Item::Vpd(page)) => pages.contains(&page),
            (Self::Mode(pages), Item::Mode(id)) | (Self::Log(pages), Item::Log(id)) => {
                id.subpage == 0 && pages.contains(&id.page)
            }
            (Self::ModeSubpages(page, subpages), Item::Mode(id))
            | (Self::LogSubpages(page, subpages), Item::Log(id)) => id.page == page && subpages.contains(&id.subpage),
            _ => false,
        }
    }
}

impl Sources {
    /// The row for an item, without those of the sibling.
    #[must_use]
    pub fn row(&self, item: Item) -> Option<&'static SourceRow> {
        self.rows().find(|row| row.parts.iter().any(|part| part.has(item)))
    }

    /// All rows, in the order in which they apply.
    pub fn rows(&self) -> impl Iterator<Item = &'static SourceRow> {
        self.tables.iter().flat_map(|table| table.rows)
    }

    /// Returns the source of an item. `find` returns the sources of a model by its name. `None` if no table has the item.
    pub fn of(&self, item: Item, find: &impl Fn(&str) -> Option<Self>) -> Option<Source> {
        if let Some(row) = self.row(item) {
            return Some(row.source);
        }
        let source = find(self.sibling?)?.of(item, find)?;
        Some(if source < Source::Sibling { Source::Sibling } else { source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: SourceTable = SourceTable {
        title: "real",
        rows: &[
            SourceRow { parts: &[Part::One(Item::Product), Part::Vpd(&[0x80])], source: Source::Captured, remark: "" },
            SourceRow { parts: &[Part::LogSubpages(0x17, &[1])], source: Source::Manual, remark: "" },
            SourceRow { parts: &[Part::Rest], source: Source::Unknown, remark: "" },
        ],
    };
    const RENAMED: SourceTable = SourceTable {
        title: "renamed",
        rows: &[SourceRow { parts: &[Part::One(Item::Product)], source: Source::Manual, remark: "" }],
    };

    #[test]
    fn what_a_sibling_has_captured_is_not_captured_from_the_model() {
        let real = Sources { tables: &[&REAL], sibling: None };
        let other = Sources { tables: &[&RENAMED], sibling: Some("real") };
        let find = |name: &str| (name == "real").then_some(real);
        let log = |page, subpage| Item::Log(PageId { page, subpage });
        for (item, of_real, of_other) in [
            (Item::Product, Source::Captured, Source::Manual),
            (Item::Vpd(0x80), Source::Captured, Source::Sibling),
            (Item::Vpd(0x83), Source::Unknown, Source::Unknown),
            (log(0x17, 1), Source::Manual, Source::Sibling),
            (log(0x17, 0), Source::Unknown, Source::Unknown),
        ] {
            assert_eq!((real.of(item, &find), other.of(item, &find)), (Some(of_real), Some(of_other)), "{item:?}");
        }
        assert_eq!(Sources { tables: &[], sibling: None }.of(Item::Product, &find), None);
        assert_eq!(Sources { tables: &[], sibling: Some("absent") }.of(Item::Product, &find), None);
    }
}
