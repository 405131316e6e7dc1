//! Mode parameters: pages as constants of a profile, with current, changeable, default and saved values (SPC-4 §7.5).
//! MODE SENSE returns the stored page with fields that the device overwrites with its present state.

pub mod control_0a;
pub mod disconnect_02;
pub mod informational_exceptions_1c;
mod select;
mod sense;

use crate::field::FieldPointer;
use crate::nexus::NexusId;
use crate::port::ProtocolId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// PAGE CODE and SUBPAGE CODE of a mode page or log page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageId {
    /// PAGE CODE, 00h to 3Fh.
    pub page: u8,
    /// SUBPAGE CODE; zero for a page without subpages.
    pub subpage: u8,
}

impl PageId {
    /// The identifier of a page without subpage.
    #[must_use]
    pub const fn page(page: u8) -> Self {
        Self { page, subpage: 0 }
    }
}

/// PAGE CONTROL (PC) of MODE SENSE: the kind of the values that are returned (SPC-4 §6.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageControl {
    /// 00b: the values in effect.
    Current,
    /// 01b: a mask of ones where MODE SELECT may change a bit.
    Changeable,
    /// 10b: the values of the profile.
    Default,
    /// 11b: the saved values, restored at power-on.
    Saved,
}

impl PageControl {
    /// Decodes the two bits of the PC field.
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

/// A mode page of a profile. Both arrays are whole pages with their header and have the same length.
#[derive(Clone, Copy, Debug)]
pub struct ModePageDef {
    /// PAGE CODE and SUBPAGE CODE of the page.
    pub id: PageId,
    /// The default values. MODE SENSE adds PS if the page is `saveable`.
    pub default: &'static [u8],
    /// A mask with ones where MODE SELECT may change a bit; its header is ignored.
    pub changeable: &'static [u8],
    /// MODE SELECT with SP=1 saves the page.
    pub saveable: bool,
    /// Each I_T nexus has separate values (VPD page 87h). A reset and I_T nexus loss restore the default.
    pub per_nexus: bool,
    /// The low four bits of byte 2 are the PROTOCOL IDENTIFIER of the target port.
    pub protocol_specific: bool,
}

impl ModePageDef {
    /// A page that all I_T nexuses share and that cannot be saved.
    #[must_use]
    pub const fn new(id: PageId, default: &'static [u8], changeable: &'static [u8]) -> Self {
        Self { id, default, changeable, saveable: false, per_nexus: false, protocol_specific: false }
    }

    /// The same page, which MODE SELECT with SP=1 saves.
    #[must_use]
    pub const fn saveable(mut self) -> Self {
        self.saveable = true;
        self
    }

    /// The same page, with separate values for each I_T nexus.
    #[must_use]
    pub const fn per_nexus(mut self) -> Self {
        self.per_nexus = true;
        self
    }

    /// The same page, with the PROTOCOL IDENTIFIER of the target port in byte 2.
    #[must_use]
    pub const fn protocol_specific(mut self) -> Self {
        self.protocol_specific = true;
        self
    }

    const fn header_len(&self) -> usize {
        if self.id.subpage == 0 { 2 } else { 4 }
    }

    /// Returns whether the code, subpage and length in the constants agree, for the test of a profile.
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

/// The saved values of a mode page, which survive power loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPage {
    id: PageId,
    bytes: Vec<u8>,
}

/// The mode pages of one logical unit.
#[derive(Clone, Debug)]
pub struct ModePages {
    defs: &'static [ModePageDef],
    protocol: ProtocolId,
    current: Vec<Vec<u8>>,
    saved: Vec<SavedPage>,
    /// Values of `per_nexus` pages that a nexus has set.
    per_nexus: BTreeMap<(NexusId, PageId), Vec<u8>>,
}

impl ModePages {
    /// The pages of a profile after power-on. Saved values replace the defaults; saved pages that do not fit the
    /// profile are dropped. Protocol-specific pages contain `protocol`.
    #[must_use]
    pub fn new(defs: &'static [ModePageDef], protocol: ProtocolId, saved: Vec<SavedPage>) -> Self {
        let mut pages = Self { defs, protocol, current: Vec::new(), saved: Vec::new(), per_nexus: BTreeMap::new() };
        pages.restore(saved);
        pages
    }

    /// Replaces the saved values, and gives all pages their values after power-on.
    pub(crate) fn restore(&mut self, saved: Vec<SavedPage>) {
        self.saved = saved;
        self.saved.retain(|page| {
            self.defs.iter().any(|def| def.id == page.id && def.saveable && def.default.len() == page.bytes.len())
        });
        self.reset();
    }

    /// Restores the saved or default values of all pages, after power-on or a reset.
    pub fn reset(&mut self) {
        self.per_nexus.clear();
        self.current = self.defs.iter().map(|def| self.stored(def, PageControl::Saved, None)).collect();
    }

    /// Removes the values of a nexus after I_T nexus loss.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.per_nexus.retain(|(owner, _), _| *owner != nexus);
    }

    /// Restores the default of one page, because the selected operation is complete or no longer applies.
    pub fn restore_default(&mut self, id: PageId) {
        if let Some((def, page)) = self.defs.iter().zip(&mut self.current).find(|(def, _)| def.id == id) {
            page.clear();
            page.extend_from_slice(def.default);
        }
    }

    /// Sets or clears bits in byte `byte` of a page, to show device state that MODE SELECT did not set.
    pub fn set_bits(&mut self, id: PageId, byte: usize, bits: u8, on: bool) {
        let page = self.defs.iter().zip(&mut self.current).find(|(def, _)| def.id == id);
        if let Some(slot) = page.and_then(|(_, page)| page.get_mut(byte)) {
            *slot = if on { *slot | bits } else { *slot & !bits };
        }
    }

    /// Returns whether any page can be saved.
    pub(crate) fn can_save(&self) -> bool {
        self.defs.iter().any(|def| def.saveable)
    }

    /// The saved values of all pages that were saved.
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

    /// As [`Self::current`], with the values that `nexus` has set for a per-nexus page.
    #[must_use]
    pub fn current_for(&self, id: PageId, nexus: NexusId) -> &[u8] {
        self.per_nexus.get(&(nexus, id)).map_or_else(|| self.current(id), Vec::as_slice)
    }

    /// The definitions of the pages, in ascending order.
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
        if let (true, Some(byte)) = (def.protocol_specific && control != PageControl::Changeable, page.get_mut(2)) {
            *byte = (*byte & 0xf0) | self.protocol.0;
        }
        page
    }
}

/// The mode parameter header and block descriptor of a MODE SELECT (SPC-4 §7.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModeHeader {
    /// DEVICE-SPECIFIC PARAMETER of the mode parameter header.
    pub device_specific: u8,
    /// The block descriptor; `None` if BLOCK DESCRIPTOR LENGTH is zero.
    pub block: Option<[u8; 8]>,
}

/// An invalid field in the header or block descriptor of a MODE SELECT. As [`FieldPointer`], it is a part of sense data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModeHeaderField {
    /// These bits of DEVICE-SPECIFIC PARAMETER.
    DeviceSpecific(u8),
    /// This field of the block descriptor.
    Block(FieldPointer),
}
