//! MODE SENSE: selects pages and writes them.

use super::{ModePageDef, ModePages, PageControl, PageId};
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
        let selects = |def: &&ModePageDef| {
            let page = wanted.page == ALL_PAGES || wanted.page == def.id.page;
            page && (wanted.subpage == ALL_SUBPAGES || wanted.subpage == def.id.subpage)
        };
        if wanted.page == ALL_PAGES && !matches!(wanted.subpage, 0 | ALL_SUBPAGES) {
            return Err(Sense::invalid_field_in_cdb(3, None));
        }
        let mut has_page = wanted == NO_PAGE;
        for def in self.defs.iter().filter(selects) {
            let mut page = self.stored(def, control, Some(nexus));
            device.render_mode_page(def.id, control, &mut page);
            w.bytes(&page);
            has_page = true;
        }
        if has_page {
            return Ok(());
        }
        let known_page = self.defs.iter().any(|def| def.id.page == wanted.page);
        Err(if known_page { Sense::invalid_field_in_cdb(3, None) } else { Sense::invalid_field_in_cdb(2, Some(5)) })
    }
}
