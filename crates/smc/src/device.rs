//! The facts of a changer as SPC commands read them.

use crate::alert::Alert;
use crate::command::volume_tag::Search;
use crate::element::Trouble;
use crate::library::Library;
use crate::profile::{ChangerProfile, Naming};
use crate::robot::lifetime;
use crate::{mode, table};
use scsi_core::alert::{Exceptions, TapeAlert};
use scsi_core::asc::Asc;
use scsi_core::fault::{Outcome, Save};
use scsi_core::field::Field;
use scsi_core::identity::Identity;
use scsi_core::inquiry::Inquiry;
use scsi_core::log::{LogId, LogWriter};
use scsi_core::lu::{Device, Lu};
use scsi_core::mode::{Header, HeaderField, PageControl, PageId, exceptions_1c};
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::spec::CommandSpec;
use scsi_core::target::Request;
use scsi_core::vpd::{DEVICE_ID_83, SERIAL_80};
use scsi_core::writer::PageWriter;
use std::collections::BTreeMap;

/// A changer without its SPC state.
pub(crate) struct State {
    pub(crate) profile: &'static ChangerProfile,
    pub(crate) library: Library,
    pub(crate) alerts: TapeAlert,
    /// How flags are told of.
    pub(crate) exceptions: Exceptions,
    /// What nexuses have searched for.
    pub(crate) searches: BTreeMap<NexusId, Search>,
    /// What an operator has set differs from what the owner has kept.
    pub(crate) condition_changed: bool,
}

impl State {
    pub(crate) fn new(profile: &'static ChangerProfile, library: Library) -> Self {
        Self {
            profile,
            library,
            alerts: TapeAlert::default(),
            exceptions: Exceptions::default(),
            searches: BTreeMap::new(),
            condition_changed: false,
        }
    }

    /// Why the robot cannot work, if it cannot.
    pub(crate) fn not_ready(&self) -> Option<Sense> {
        let condition = self.library.condition();
        let asc = match (condition.offline, condition.door_open) {
            (true, _) => Asc::LOGICAL_UNIT_NOT_READY_OFFLINE,
            (false, true) => Asc::LOGICAL_UNIT_NOT_READY_A_DOOR_IS_OPEN,
            (false, false) => return None,
        };
        Some(Sense::new(SenseKey::NOT_READY, asc))
    }

    /// Opens or closes the import/export station; every nexus hears 28/01 when it was closed again.
    pub(crate) fn set_station(&mut self, lu: &mut Lu, open: bool) {
        if self.library.condition.station_open == open {
            return;
        }
        self.library.condition.station_open = open;
        self.condition_changed = true;
        lu.save(Save::INVENTORY);
        if open {
            self.library.statistics.add(lifetime::STATION_OPENS, 1);
            self.alerts.raise(Alert::STATION);
        } else {
            self.alerts.lower(Alert::STATION);
            lu.attention.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        }
    }
}

impl Device for State {
    fn inquiry(&self) -> &Inquiry {
        &self.profile.inquiry
    }

    fn commands(&self) -> Vec<CommandSpec> {
        table::COMMANDS.specs().into_iter().filter(|spec| !self.profile.lacks(spec)).collect()
    }

    fn vpd_pages(&self) -> &'static [u8] {
        self.profile.vpd_pages
    }

    fn vpd(&self, page: u8, _identity: &Identity, w: &mut PageWriter) {
        let known = self.profile.vpd_vendor.iter().find(|(code, _)| *code == page);
        w.bytes(known.map_or(&[], |(_, body)| body));
    }

    fn names_itself(&self, page: u8, identity: &Identity, w: &mut PageWriter) -> bool {
        match (self.profile.naming, page) {
            (Naming::VendorBefore, SERIAL_80) => ChangerProfile::serial_page(identity, w),
            (Naming::VendorBefore, DEVICE_ID_83) => ChangerProfile::designator_page(identity, w),
            _ => return false,
        }
        true
    }

    fn mode_header(&self) -> (u8, u8) {
        (0, 0)
    }

    fn block_descriptor(&self) -> Option<[u8; 8]> {
        self.profile.block_descriptor.then_some([0; 8])
    }

    fn render_mode(&self, id: PageId, control: PageControl, page: &mut [u8]) {
        mode::render(self, id, control, page);
    }

    fn check_mode(&self, id: PageId, page: &[u8]) -> Result<(), Field> {
        if id == exceptions_1c::ID { exceptions_1c::check(page) } else { Ok(()) }
    }

    fn check_header(&self, header: &Header, _nexus: NexusId) -> Result<(), HeaderField> {
        // Changers define nothing in DEVICE-SPECIFIC PARAMETER, and no field of a block descriptor.
        if header.device_specific != 0 {
            return Err(HeaderField::DeviceSpecific(header.device_specific));
        }
        let Some(block) = header.block else { return Ok(()) };
        let wrong = block.iter().position(|byte| *byte != 0);
        match wrong.or((!self.profile.block_descriptor).then_some(0)) {
            Some(byte) => Err(HeaderField::Block(Field::byte(byte))),
            None => Ok(()),
        }
    }

    fn apply_header(&mut self, _header: &Header) -> bool {
        false
    }

    fn log_pages(&self) -> &'static [LogId] {
        self.profile.log_pages
    }

    fn log(&self, id: LogId, request: &Request<'_>, w: &mut LogWriter) {
        crate::log::write(self, id, request.nexus, w);
    }

    fn log_read(&mut self, id: LogId, nexus: NexusId) {
        crate::log::was_read(self, id, nexus);
    }

    fn log_reset(&mut self, id: Option<LogId>) -> bool {
        crate::log::reset(self, id)
    }

    fn condition(&mut self) -> Option<Sense> {
        self.not_ready().or_else(|| self.exceptions.condition(&self.alerts))
    }

    fn self_test(&mut self) -> Outcome {
        // What can be tested of a robot without moving: that it can work, and gets everywhere.
        if let Some(sense) = self.not_ready() {
            return Err(sense.into());
        }
        if self.library.condition().troubles.values().any(|trouble| *trouble == Trouble::Blocked) {
            return Err(Sense::new(SenseKey::HARDWARE_ERROR, Asc::MECHANICAL_POSITIONING_ERROR).into());
        }
        Ok(())
    }
}
