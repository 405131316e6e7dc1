//! The facts of a changer as SPC commands read them.

use crate::library::Library;
use crate::profile::ChangerProfile;
use crate::{mode, table};
use scsi_core::fault::Outcome;
use scsi_core::identity::Identity;
use scsi_core::inquiry::Inquiry;
use scsi_core::log::{LogId, LogWriter};
use scsi_core::lu::Device;
use scsi_core::mode::{Header, PageControl, PageId};
use scsi_core::nexus::NexusId;
use scsi_core::sense::Sense;
use scsi_core::spec::CommandSpec;
use scsi_core::target::Request;
use scsi_core::writer::PageWriter;

/// A changer without its SPC state.
pub(crate) struct State {
    pub(crate) profile: &'static ChangerProfile,
    pub(crate) library: Library,
    /// TapeAlert flags, flag 1 in the highest bit.
    pub(crate) alerts: u64,
}

const TAPE_ALERT: LogId = LogId::page(0x2e);
const LOG_PAGES: &[LogId] = &[TAPE_ALERT];

impl Device for State {
    fn inquiry(&self) -> &Inquiry {
        &self.profile.inquiry
    }

    fn commands(&self) -> Vec<CommandSpec> {
        table::COMMANDS.specs()
    }

    fn vpd_pages(&self) -> &'static [u8] {
        self.profile.vpd_pages
    }

    fn vpd(&self, _page: u8, _identity: &Identity, _w: &mut PageWriter) {}

    fn mode_header(&self) -> (u8, u8) {
        (0, 0)
    }

    fn block_descriptor(&self) -> Option<[u8; 8]> {
        None
    }

    fn render_mode(&self, id: PageId, control: PageControl, page: &mut [u8]) {
        mode::render(self, id, control, page);
    }

    fn check_mode(&self, _id: PageId, _page: &[u8]) -> Result<(), usize> {
        Ok(())
    }

    fn check_header(&self, header: &Header) -> Result<(), Option<usize>> {
        if header.block.is_some() { Err(Some(0)) } else { Ok(()) }
    }

    fn apply_header(&mut self, _header: &Header) -> bool {
        false
    }

    fn log_pages(&self) -> &'static [LogId] {
        LOG_PAGES
    }

    fn log(&self, _id: LogId, _request: &Request<'_>, w: &mut LogWriter) {
        for number in 1..=64_u16 {
            let set = self.alerts >> (64 - number) & 1 == 1;
            w.parameter(number, 0x40, &[u8::from(set)]);
        }
    }

    fn log_read(&mut self, _id: LogId, _nexus: NexusId) {
        self.alerts = 0;
    }

    fn log_reset(&mut self, _id: Option<LogId>) -> bool {
        let changed = self.alerts != 0;
        self.alerts = 0;
        changed
    }

    fn condition(&mut self) -> Option<Sense> {
        None
    }

    fn self_test(&mut self) -> Outcome {
        // What can be tested of a robot without moving: that no cartridge lies in its hand.
        let transport = self.library.layout().transport.addresses();
        match transport.into_iter().find_map(|address| self.library.content(address)) {
            None => Ok(()),
            Some(_) => Err(Sense::new(
                scsi_core::sense::SenseKey::HARDWARE_ERROR,
                scsi_core::asc::Asc::MECHANICAL_POSITIONING_OR_CHANGER_ERROR,
            )
            .into()),
        }
    }
}
