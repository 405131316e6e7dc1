//! Mode parameters: pages as constants of a profile, with current, changeable, default and saved values
//! (SPC-5 §7.5). A device renders live fields over the stored page when it is sensed.

pub mod control_0a;
pub mod disconnect_02;
pub mod informational_exceptions_1c;
mod select;
mod sense;

use crate::field::FieldPointer;
use crate::nexus::NexusId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// PAGE CODE and SUBPAGE CODE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageId {
    /// PAGE CODE, six bits.
    pub page: u8,
    /// SUBPAGE CODE; zero for a page without subpages.
    pub subpage: u8,
}

impl PageId {
    /// A page without subpage.
    #[must_use]
    pub const fn page(page: u8) -> Self {
        Self { page, subpage: 0 }
    }
}

/// PAGE CONTROL of MODE SENSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageControl {
    /// 00b.
    Current,
    /// 01b: a mask of ones where MODE SELECT may change a bit.
    Changeable,
    /// 10b.
    Default,
    /// 11b.
    Saved,
}

impl PageControl {
    /// The two bits of the CDB.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Current,
            1 => Self::Changeable,
            2 => Self::Default,
            _ => Self::Saved,
        }
    }
}

/// A page of a profile. Both arrays are whole pages with their header, of the same length.
#[derive(Clone, Copy, Debug)]
pub struct ModePageDef {
    /// Which page.
    pub id: PageId,
    /// Values after power on; PS is added when `saveable`.
    pub default: &'static [u8],
    /// Ones where MODE SELECT may change a bit; the header is ignored.
    pub changeable: &'static [u8],
    /// MODE SELECT with SP=1 saves the page.
    pub saveable: bool,
    /// Each I_T nexus has its own (VPD page 87h); a reset and the end of the nexus bring the default back.
    pub per_nexus: bool,
}

impl ModePageDef {
    /// A page that all nexuses share and that is not saved.
    #[must_use]
    pub const fn new(id: PageId, default: &'static [u8], changeable: &'static [u8]) -> Self {
        Self { id, default, changeable, saveable: false, per_nexus: false }
    }

    /// The page can be saved.
    #[must_use]
    pub const fn saveable(mut self) -> Self {
        self.saveable = true;
        self
    }

    /// Each nexus has its own.
    #[must_use]
    pub const fn per_nexus(mut self) -> Self {
        self.per_nexus = true;
        self
    }

    const fn header_len(&self) -> usize {
        if self.id.subpage == 0 { 2 } else { 4 }
    }

    /// Whether code, subpage and length of the constants agree: the self-check of a profile.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let len = self.default.len();
        let header = match self.default {
            [page, length, ..] if self.id.subpage == 0 => *page == self.id.page && usize::from(*length) + 2 == len,
            [page, subpage, high, low, ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                *page == self.id.page | 0x40 && *subpage == self.id.subpage && length + 4 == len
            }
            _ => false,
        };
        header && self.changeable.len() == len
    }
}

/// A page of saved values, as it is kept through power loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPage {
    id: PageId,
    bytes: Vec<u8>,
}

/// The pages of one unit.
#[derive(Clone, Debug)]
pub struct ModePages {
    defs: &'static [ModePageDef],
    current: Vec<Vec<u8>>,
    saved: Vec<SavedPage>,
    /// Pages of which each nexus has its own, where they differ from the default.
    per_nexus: BTreeMap<(NexusId, PageId), Vec<u8>>,
}

impl ModePages {
    /// The pages of a profile, with saved values in the place of defaults where they fit.
    #[must_use]
    pub fn new(defs: &'static [ModePageDef], saved: Vec<SavedPage>) -> Self {
        let mut pages = Self { defs, current: Vec::new(), saved, per_nexus: BTreeMap::new() };
        pages.saved.retain(|page| {
            defs.iter().any(|def| def.id == page.id && def.saveable && def.default.len() == page.bytes.len())
        });
        pages.reset();
        pages
    }

    /// A reset brings saved or default values back.
    pub fn reset(&mut self) {
        self.per_nexus.clear();
        self.current = self.defs.iter().map(|def| self.stored(def, PageControl::Saved, None)).collect();
    }

    /// The nexus is gone, and with it what was its own.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.per_nexus.retain(|(owner, _), _| *owner != nexus);
    }

    /// Brings the default of one page back: what was selected is done, or of no meaning any more.
    pub fn restore_default(&mut self, id: PageId) {
        if let Some((def, page)) = self.defs.iter().zip(&mut self.current).find(|(def, _)| def.id == id) {
            page.clear();
            page.extend_from_slice(def.default);
        }
    }

    /// Sets or clears bits of a page: what they asked for is done, or holds whatever the page says.
    pub fn set_bits(&mut self, id: PageId, byte: usize, bits: u8, on: bool) {
        let page = self.defs.iter().zip(&mut self.current).find(|(def, _)| def.id == id);
        if let Some(slot) = page.and_then(|(_, page)| page.get_mut(byte)) {
            *slot = if on { *slot | bits } else { *slot & !bits };
        }
    }

    /// Whether any page can be saved.
    pub(crate) fn can_save(&self) -> bool {
        self.defs.iter().any(|def| def.saveable)
    }

    /// The saved pages.
    #[must_use]
    pub fn saved(&self) -> &[SavedPage] {
        &self.saved
    }

    /// The stored bytes of a page, header included; empty if the profile has none.
    #[must_use]
    pub fn current(&self, id: PageId) -> &[u8] {
        let at = self.defs.iter().position(|def| def.id == id);
        at.and_then(|at| self.current.get(at)).map_or(&[], Vec::as_slice)
    }

    /// As [`Self::current`], of a page that each nexus has of its own.
    #[must_use]
    pub fn current_for(&self, id: PageId, nexus: NexusId) -> &[u8] {
        self.per_nexus.get(&(nexus, id)).map_or_else(|| self.current(id), Vec::as_slice)
    }

    /// The facts of the pages, ascending.
    #[must_use]
    pub const fn defs(&self) -> &'static [ModePageDef] {
        self.defs
    }

    fn stored(&self, def: &ModePageDef, control: PageControl, nexus: Option<NexusId>) -> Vec<u8> {
        let bytes = match control {
            PageControl::Current => nexus.map_or_else(|| self.current(def.id), |nexus| self.current_for(def.id, nexus)),
            PageControl::Changeable => def.changeable,
            PageControl::Default => def.default,
            PageControl::Saved => {
                let saved = self.saved.iter().find(|page| page.id == def.id);
                saved.map_or(def.default, |page| page.bytes.as_slice())
            }
        };
        let header = def.default.get(..def.header_len()).unwrap_or_default();
        let mut page = bytes.to_vec();
        for (slot, byte) in page.iter_mut().zip(header) {
            *slot = *byte;
        }
        if let Some(first) = page.first_mut() {
            *first |= if def.saveable { 0x80 } else { 0 };
        }
        page
    }
}

/// The header and block descriptor that a MODE SELECT carries, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeHeader {
    /// DEVICE-SPECIFIC PARAMETER.
    pub device_specific: u8,
    /// The block descriptor.
    pub block: Option<[u8; 8]>,
}

/// The field of a MODE SELECT header at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeHeaderField {
    /// Bits of DEVICE-SPECIFIC PARAMETER.
    DeviceSpecific(u8),
    /// A field of the block descriptor.
    Block(FieldPointer),
}
