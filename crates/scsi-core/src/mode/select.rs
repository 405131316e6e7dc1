//! MODE SELECT: every page is checked before any page changes.

use super::{ModePages, PageControl, PageId, SavedPage};
use crate::asc::Asc;
use crate::field::{self, FieldPointer};
use crate::lu::SpcDevice;
use crate::nexus::NexusId;
use crate::sense::Sense;
use std::cmp::Ordering;

/// Pages of a MODE SELECT that passed the check.
pub(crate) struct ValidatedPages {
    pages: Vec<CheckedPage>,
    /// The device rounds a value in one of the pages.
    pub(crate) rounded: bool,
}

struct CheckedPage {
    index: usize,
    bytes: Vec<u8>,
    /// A value differs from the current one.
    differs: bool,
    /// The device rounds a value.
    rounded: bool,
}

impl ModePages {
    /// Checks the pages in `list`, which begins at `offset` of the parameter list.
    ///
    /// # Errors
    /// ILLEGAL REQUEST 1Ah/00h for a truncated list, 26h/00h for an invalid field, 24h/00h for SP=1 with a page that
    /// cannot be saved.
    pub(crate) fn check(
        &self,
        mut list: &[u8],
        mut offset: usize,
        (device, nexus): (&dyn SpcDevice, NexusId),
        save: bool,
    ) -> Result<ValidatedPages, Sense> {
        let mut pages = Vec::new();
        while !list.is_empty() {
            let truncated = || Sense::illegal_request(Asc::PARAMETER_LIST_LENGTH_ERROR);
            let (id, len) = split_page(list).ok_or_else(truncated)?;
            let (page, rest) = list.split_at_checked(len).ok_or_else(truncated)?;
            let at = self.pages.iter().position(|def| def.id == id).ok_or(FieldPointer::bits(offset, 0x3f))?;
            pages.push(self.check_page(at, page, offset, (device, nexus))?);
            if save && !self.pages.get(at).is_some_and(|def| def.saveable) {
                return Err(Sense::invalid_field_in_cdb(1, Some(0)));
            }
            offset += len;
            list = rest;
        }
        let rounded = pages.iter().any(|page| page.rounded);
        Ok(ValidatedPages { pages, rounded })
    }

    fn check_page(
        &self,
        at: usize,
        page: &[u8],
        offset: usize,
        (device, nexus): (&dyn SpcDevice, NexusId),
    ) -> Result<CheckedPage, Sense> {
        let Some(def) = self.pages.get(at) else { return Err(FieldPointer::byte(offset).into()) };
        // PAGE LENGTH: byte 1, or bytes 2 and 3 of a page with a subpage code.
        let wrong_length = || FieldPointer::byte(offset + def.header_len() / 2).into();
        let current = self.render(def, PageControl::Current, (device, nexus));
        // A shorter page keeps the current values and length of the omitted part.
        let whole = match page.len().cmp(&def.default.len()) {
            Ordering::Equal => page.to_vec(),
            Ordering::Less if device.accepts_short_page(def.id, page.len()) => {
                let header = current.get(..def.header_len()).unwrap_or_default();
                let body = page.get(def.header_len()..).unwrap_or_default();
                [header, body, current.get(page.len()..).unwrap_or_default()].concat()
            }
            Ordering::Less | Ordering::Greater => return Err(wrong_length()),
        };
        let page = whole.as_slice();
        // Reserved bits are zero in the current page and not changeable, so this rejects them as well.
        let differing = page.iter().zip(&current).map(|(new, old)| new ^ old).zip(def.changeable.iter().copied());
        if let Some(field) = field::first_undefined(differing.skip(def.header_len())) {
            return Err(field.offset_by(offset + def.header_len()).into());
        }
        device.check_mode_page(def.id, page).map_err(|field| Sense::from(field.offset_by(offset)))?;
        let rounded = device.rounds_mode(def.id, page);
        let differs = page.get(def.header_len()..) != current.get(def.header_len()..);
        // Fields that only show device state (the active partition) are not stored.
        let stored = self.stored(def, PageControl::Current, Some(nexus));
        let bytes = page.iter().zip(&stored).zip(&*def.changeable).map(|((new, old), mask)| new & mask | old & !mask);
        Ok(CheckedPage { index: at, bytes: bytes.collect(), differs, rounded })
    }

    /// Applies checked pages. Returns whether a value changed that other nexuses share. With `save`, all pages that can
    /// be saved are saved, including pages that are not in the list (SPC-4 §6.11).
    pub(crate) fn apply(&mut self, change: ValidatedPages, nexus: NexusId, save: bool) -> bool {
        let mut changed = false;
        for CheckedPage { index: at, bytes, differs, rounded: _ } in change.pages {
            let (Some(def), Some(slot)) = (self.pages.get(at), self.current.get_mut(at)) else { continue };
            if def.per_nexus {
                self.per_nexus.insert((nexus, def.id), bytes);
                continue;
            }
            changed |= differs;
            *slot = bytes;
        }
        if save {
            let pages = self.pages.iter().zip(&self.current).filter(|(def, _)| def.saveable);
            self.saved = pages.map(|(def, bytes)| SavedPage { id: def.id, bytes: bytes.clone() }).collect();
        }
        changed
    }
}

/// The identifier and the length in bytes, header included, of the first page in `list`; `None` if the header is
/// truncated.
fn split_page(list: &[u8]) -> Option<(PageId, usize)> {
    match list {
        [page, subpage, high, low, ..] if page & 0x40 != 0 => {
            let len = usize::from(u16::from_be_bytes([*high, *low])) + 4;
            Some((PageId { page: page & 0x3f, subpage: *subpage }, len))
        }
        [page, len, ..] if page & 0x40 == 0 => Some((PageId::page(page & 0x3f), usize::from(*len) + 2)),
        _ => None,
    }
}
