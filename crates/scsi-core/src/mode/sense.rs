//! MODE SENSE: selects pages and writes them.

use super::{ModePage, ModePages, PageControl, PageId};
use crate::asc::Asc;
use crate::lu::SpcDevice;
use crate::nexus::NexusId;
use crate::sense::Sense;
use crate::writer::PageWriter;

/// PAGE CODE of all pages, and SUBPAGE CODE of all subpages.
const ALL_PAGES: u8 = 0x3f;
const ALL_SUBPAGES: u8 = 0xff;
/// Page 00h returns only the header and block descriptor; Linux `st` requests it at each open.
const NO_PAGE: PageId = PageId { page: 0, subpage: 0 };

impl ModePages {
    /// Writes the pages that `wanted` selects.
    ///
    /// # Errors
    /// ILLEGAL REQUEST 24h/00h if the device has no such page or subpage, 39h/00h for saved values if no page can be
    /// saved.
    pub(crate) fn sense(
        &self,
        wanted: PageId,
        control: PageControl,
        (device, nexus): (&dyn SpcDevice, NexusId),
        w: &mut PageWriter,
    ) -> Result<(), Sense> {
        if control == PageControl::Saved && !self.can_save() {
            return Err(Sense::illegal_request(Asc::SAVING_PARAMETERS_NOT_SUPPORTED));
        }
        let selects = |page: &&ModePage| {
            let is_wanted = wanted.page == ALL_PAGES || wanted.page == page.id.page;
            is_wanted && (wanted.subpage == ALL_SUBPAGES || wanted.subpage == page.id.subpage)
        };
        if wanted.page == ALL_PAGES && !matches!(wanted.subpage, 0 | ALL_SUBPAGES) {
            return Err(Sense::invalid_field_in_cdb(3, None));
        }
        let mut has_page = wanted == NO_PAGE;
        for page in self.pages.iter().filter(selects) {
            w.bytes(&self.render(page, control, (device, nexus)));
            has_page = true;
        }
        if has_page {
            return Ok(());
        }
        let known_page = self.pages.iter().any(|page| page.id.page == wanted.page);
        Err(if known_page { Sense::invalid_field_in_cdb(3, None) } else { Sense::invalid_field_in_cdb(2, Some(5)) })
    }

    /// A page as MODE SENSE returns it: the stored values, the state that the device writes into them, and the overrides of
    /// the unit.
    pub(super) fn render(
        &self,
        page: &ModePage,
        control: PageControl,
        (device, nexus): (&dyn SpcDevice, NexusId),
    ) -> Vec<u8> {
        let stored = self.stored(page, control, Some(nexus));
        let mut bytes = stored.clone();
        device.render_mode_page(page.id, control, &mut bytes);
        if !self.overrides.is_empty() {
            self.override_bytes(page, control, &stored, &mut bytes);
        }
        bytes
    }
}
