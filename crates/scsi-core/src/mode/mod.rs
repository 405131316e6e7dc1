//! Mode parameters: pages as constants of a profile, with current, changeable, default and saved values (SPC-4 §7.5).
//! MODE SENSE returns the stored page with fields that the device overwrites with its present state.

pub mod control_0a;
pub mod disconnect_02;
pub mod informational_exceptions_1c;
mod select;
mod sense;

use crate::field::FieldPointer;
use crate::identity::Identity;
use crate::nexus::NexusId;
use crate::page_override::{ModeValues, PageOverrides};
use crate::port::ProtocolId;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
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

/// A mode page of one unit: that of its profile, with the overrides of the unit. Both arrays are whole pages with their
/// header and have the same length.
#[derive(Clone, Debug)]
pub struct ModePage {
    /// PAGE CODE and SUBPAGE CODE of the page.
    pub id: PageId,
    /// The default values. MODE SENSE adds PS if the page is `saveable`.
    pub default: Cow<'static, [u8]>,
    /// A mask with ones where MODE SELECT may change a bit; its header is ignored.
    pub changeable: Cow<'static, [u8]>,
    /// MODE SELECT with SP=1 saves the page.
    pub saveable: bool,
    /// Each I_T nexus has separate values (VPD page 87h). A reset and I_T nexus loss restore the default.
    pub per_nexus: bool,
    /// The low four bits of byte 2 are the PROTOCOL IDENTIFIER of the target port.
    pub protocol_specific: bool,
}

impl From<&ModePageDef> for ModePage {
    fn from(def: &ModePageDef) -> Self {
        let &ModePageDef { id, default, changeable, saveable, per_nexus, protocol_specific } = def;
        let (default, changeable) = (Cow::Borrowed(default), Cow::Borrowed(changeable));
        Self { id, default, changeable, saveable, per_nexus, protocol_specific }
    }
}

impl ModePage {
    /// The pages of a profile with the overrides of a unit, ascending.
    fn of_unit(defs: &[ModePageDef], overrides: &PageOverrides) -> Vec<Self> {
        let mut pages: Vec<Self> = defs.iter().map(Self::from).collect();
        for (id, values, bytes) in overrides.whole_mode_pages() {
            match pages.iter_mut().find(|page| page.id == id) {
                Some(page) if values == ModeValues::All => page.replace(bytes),
                Some(_) => {}
                None => pages.push(Self::added(id, bytes)),
            }
        }
        pages.retain(|page| !overrides.removes_mode_page(page.id));
        pages.sort_by_key(|page| page.id);
        for page in &mut pages {
            overrides.patch_mode_page(page.id, PageControl::Default, page.default.to_mut(), |_| 0xff);
            overrides.patch_mode_page(page.id, PageControl::Changeable, page.changeable.to_mut(), |_| 0xff);
        }
        pages
    }

    /// A page that the profile does not have. MODE SELECT can change none of its bits.
    fn added(id: PageId, bytes: &[u8]) -> Self {
        let mut page = Self::from(&ModePageDef::new(id, &[], &[]));
        page.replace(bytes);
        page
    }

    /// Gives the page other bytes, and their length. Bits of a page with another length cannot be changed.
    fn replace(&mut self, bytes: &[u8]) {
        self.saveable = bytes.first().is_some_and(|first| first & 0x80 != 0);
        if bytes.len() != self.changeable.len() {
            self.changeable = Cow::Owned(vec![0; bytes.len()]);
        }
        self.default = Cow::Owned(bytes.to_vec());
    }

    const fn header_len(&self) -> usize {
        if self.id.subpage == 0 { 2 } else { 4 }
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
    pages: Vec<ModePage>,
    overrides: PageOverrides,
    protocol: ProtocolId,
    current: Vec<Vec<u8>>,
    saved: Vec<SavedPage>,
    /// Values of `per_nexus` pages that a nexus has set.
    per_nexus: BTreeMap<(NexusId, PageId), Vec<u8>>,
}

impl ModePages {
    /// The pages of a profile after power-on, with the overrides of the unit. Saved values replace the defaults; saved
    /// pages that do not fit the profile are dropped. Protocol-specific pages contain the protocol of the target port.
    #[must_use]
    pub fn new(defs: &'static [ModePageDef], identity: &Identity, saved: Vec<SavedPage>) -> Self {
        let (overrides, protocol) = (identity.pages.clone(), identity.port.protocol);
        let pages = ModePage::of_unit(defs, &overrides);
        let (current, per_nexus) = (Vec::new(), BTreeMap::new());
        let mut pages = Self { pages, overrides, protocol, current, saved: Vec::new(), per_nexus };
        pages.restore(saved);
        pages
    }

    /// Replaces the saved values, and gives all pages their values after power-on.
    pub(crate) fn restore(&mut self, saved: Vec<SavedPage>) {
        self.saved = saved;
        self.saved.retain(|saved| {
            self.pages
                .iter()
                .any(|page| page.id == saved.id && page.saveable && page.default.len() == saved.bytes.len())
        });
        self.reset();
    }

    /// Restores the saved or default values of all pages, after power-on or a reset.
    pub fn reset(&mut self) {
        self.per_nexus.clear();
        self.current = self.pages.iter().map(|page| self.initial(page)).collect();
    }

    /// The current values of a page after power-on.
    fn initial(&self, page: &ModePage) -> Vec<u8> {
        let mut bytes = self.stored(page, PageControl::Saved, None);
        if !self.has_saved(page.id) {
            self.overrides.patch_mode_page(page.id, PageControl::Saved, &mut bytes, |_| 0xff);
            self.overrides.patch_mode_page(page.id, PageControl::Current, &mut bytes, |_| 0xff);
        }
        bytes
    }

    /// Whether a host has saved a page.
    fn has_saved(&self, id: PageId) -> bool {
        self.saved.iter().any(|page| page.id == id)
    }

    /// Overrides bytes of a page in which the device has written its state: the whole bytes, or only the bits that MODE
    /// SELECT cannot change if a host has set the values.
    fn override_bytes(&self, page: &ModePage, control: PageControl, stored: &[u8], bytes: &mut [u8]) {
        let is_set = match control {
            PageControl::Current => {
                let (initial, header) = (self.initial(page), page.header_len());
                self.has_saved(page.id) || stored.get(header..) != initial.get(header..)
            }
            PageControl::Saved => self.has_saved(page.id),
            PageControl::Changeable | PageControl::Default => false,
        };
        let mask = |at: usize| if is_set { !page.changeable.get(at).copied().unwrap_or(0) } else { 0xff };
        let header = page.header_len();
        self.overrides.patch_mode_page(page.id, control, bytes, |at| if at < header { 0 } else { mask(at) });
    }

    /// Removes the values of a nexus after I_T nexus loss.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.per_nexus.retain(|(owner, _), _| *owner != nexus);
    }

    /// Restores the default of one page, because the selected operation is complete or no longer applies.
    pub fn restore_default(&mut self, id: PageId) {
        if let Some((page, current)) = self.pages.iter().zip(&mut self.current).find(|(page, _)| page.id == id) {
            *current = page.default.to_vec();
        }
    }

    /// Sets or clears bits in byte `byte` of a page, to show device state that MODE SELECT did not set.
    pub fn set_bits(&mut self, id: PageId, byte: usize, bits: u8, on: bool) {
        let page = self.pages.iter().zip(&mut self.current).find(|(page, _)| page.id == id);
        if let Some(slot) = page.and_then(|(_, page)| page.get_mut(byte)) {
            *slot = if on { *slot | bits } else { *slot & !bits };
        }
    }

    /// Returns whether any page can be saved.
    pub(crate) fn can_save(&self) -> bool {
        self.pages.iter().any(|page| page.saveable)
    }

    /// The saved values of all pages that were saved.
    #[must_use]
    pub fn saved(&self) -> &[SavedPage] {
        &self.saved
    }

    /// The stored bytes of a page, header included; empty if the profile has none.
    #[must_use]
    pub fn current(&self, id: PageId) -> &[u8] {
        let at = self.pages.iter().position(|page| page.id == id);
        at.and_then(|at| self.current.get(at)).map_or(&[], Vec::as_slice)
    }

    /// As [`Self::current`], with the values that `nexus` has set for a per-nexus page.
    #[must_use]
    pub fn current_for(&self, id: PageId, nexus: NexusId) -> &[u8] {
        self.per_nexus.get(&(nexus, id)).map_or_else(|| self.current(id), Vec::as_slice)
    }

    /// The pages, in ascending order.
    #[must_use]
    pub fn pages(&self) -> &[ModePage] {
        &self.pages
    }

    fn stored(&self, def: &ModePage, control: PageControl, nexus: Option<NexusId>) -> Vec<u8> {
        let bytes = match control {
            PageControl::Current => nexus.map_or_else(|| self.current(def.id), |nexus| self.current_for(def.id, nexus)),
            PageControl::Changeable => &def.changeable,
            PageControl::Default => &def.default,
            PageControl::Saved => {
                let saved = self.saved.iter().find(|page| page.id == def.id);
                saved.map_or(&*def.default, |page| page.bytes.as_slice())
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
