//! The state of a changer, and its view for the SPC commands of scsi-core.

use crate::alert::Alert;
use crate::chassis::{Partition, StationChanges};
use crate::command::volume_tag::VolumeTagSearch;
use crate::element::ElementFault;
use crate::library::{Library, MoveCounts, MoveError};
use crate::profile::{ChangerProfile, VpdNaming};
use crate::robot::lifetime;
use crate::{mode, table};
use scsi_core::alert::{InformationalExceptions, TapeAlert};
use scsi_core::asc::Asc;
use scsi_core::command_spec::CommandSpec;
use scsi_core::fault::{Outcome, Save};
use scsi_core::field::FieldPointer;
use scsi_core::identity::Identity;
use scsi_core::inquiry::InquiryData;
use scsi_core::log::{LogId, LogWriter};
use scsi_core::lu::{Lu, SpcDevice};
use scsi_core::mode::{ModeHeader, ModeHeaderField, PageControl, PageId, informational_exceptions_1c};
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::target::Request;
use scsi_core::time::TimeMode;
use scsi_core::vpd::{DEVICE_ID_83, SERIAL_80};
use scsi_core::writer::PageWriter;
use std::collections::BTreeMap;
use std::time::Duration;

/// The state of a changer without its SPC state.
pub(crate) struct ChangerState {
    pub(crate) profile: &'static ChangerProfile,
    pub(crate) library: Library,
    pub(crate) alerts: TapeAlert,
    /// Reporting of TapeAlert flags (mode page 1Ch).
    pub(crate) exceptions: InformationalExceptions,
    /// The last SEND VOLUME TAG search of each nexus.
    pub(crate) searches: BTreeMap<NexusId, VolumeTagSearch>,
    /// The operator state has changed since the owner last saved it.
    pub(crate) operator_state_changed: bool,
    /// Duration of MOVE MEDIUM and EXCHANGE MEDIUM.
    pub(crate) move_duration: Duration,
    /// Use of the time that hardware would take, by the robot.
    pub(crate) time: TimeMode,
    /// Factor of an injected fault for the time of the present command, in thousandths.
    pub(crate) time_thousandths: u32,
    /// Time that hardware would have taken for the motions of the robot since power-on.
    pub(crate) modelled: Duration,
    pub(crate) moves: MoveCounts,
    /// The last move that a fault has ended, until the owner takes it.
    pub(crate) failed_move: Option<MoveError>,
    /// The last change of the I/O station of the chassis that this partition has followed.
    station_changes: StationChanges,
}

impl ChangerState {
    pub(crate) fn new(profile: &'static ChangerProfile, library: Library) -> Self {
        Self {
            profile,
            library,
            alerts: TapeAlert::default(),
            exceptions: InformationalExceptions::default(),
            searches: BTreeMap::new(),
            operator_state_changed: false,
            move_duration: Duration::ZERO,
            time: TimeMode::Off,
            time_thousandths: 1000,
            modelled: Duration::ZERO,
            moves: MoveCounts::default(),
            failed_move: None,
            station_changes: StationChanges::default(),
        }
    }

    /// Counts the time that hardware would take for a motion. Returns it with the factor of an injected fault; zero if times are not
    /// modelled.
    pub(crate) fn count_time(&mut self, modelled: Duration) -> Duration {
        if !self.time.is_on() {
            return Duration::ZERO;
        }
        let modelled = modelled.saturating_mul(self.time_thousandths) / 1000;
        self.modelled = self.modelled.saturating_add(modelled);
        modelled
    }

    /// Counts a move with this result.
    pub(crate) const fn count_move(&mut self, result: Result<(), MoveError>) {
        self.moves.add(&result);
        if let Err(error) = result
            && error.is_fault()
        {
            self.failed_move = Some(error);
        }
    }

    /// Returns NOT READY 04h/12h while the robot is offline and 04h/18h while the access door is open.
    pub(crate) fn not_ready(&self) -> Option<Sense> {
        let operator_state = self.library.operator_state();
        let asc = match (operator_state.offline, operator_state.door_open) {
            (true, _) => Asc::LOGICAL_UNIT_NOT_READY_OFFLINE,
            (false, true) => Asc::LOGICAL_UNIT_NOT_READY_A_DOOR_IS_OPEN,
            (false, false) => return None,
        };
        Some(Sense::new(SenseKey::NOT_READY, asc))
    }

    /// Opens or closes the I/O station, in a chassis for all partitions. Closing raises UNIT ATTENTION 28h/01h for every nexus.
    pub(crate) fn set_io_station(&mut self, lu: &mut Lu, open: bool) {
        if let Some(partition) = self.library.partition() {
            self.station_changes = partition.set_station(open);
        }
        if self.library.operator_state.station_open == open {
            return;
        }
        self.library.operator_state.station_open = open;
        self.operator_state_changed = true;
        lu.request_save(Save::INVENTORY);
        if open {
            self.library.statistics.add(lifetime::STATION_OPENS, 1);
            self.alerts.raise(Alert::STATION);
        } else {
            self.alerts.clear_flag(Alert::STATION);
            lu.attentions.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        }
    }

    /// Whether a host prevents medium removal. In a chassis, one of any partition does it for all.
    pub(crate) fn is_locked(&self, lu: &Lu) -> bool {
        lu.removal_prevented() || self.library.partition().is_some_and(Partition::is_locked_by_another)
    }

    /// Opens or closes the I/O station as another partition of the chassis has done. If it was opened and closed since, there is
    /// only the UNIT ATTENTION. Returns whether there was a change.
    pub(crate) fn follow_io_station(&mut self, lu: &mut Lu) -> bool {
        let changes = self.library.partition().map_or(self.station_changes, Partition::station_changes);
        if changes == self.station_changes {
            return false;
        }
        self.station_changes = changes;
        if self.library.layout().import_export.count == 0 {
            return false;
        }
        let is_same = changes.is_open() == self.library.operator_state.station_open;
        if is_same && !changes.is_open() {
            lu.attentions.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        }
        self.set_io_station(lu, changes.is_open());
        true
    }
}

impl SpcDevice for ChangerState {
    fn inquiry(&self) -> &InquiryData {
        &self.profile.inquiry
    }

    fn command_specs(&self) -> Vec<CommandSpec> {
        table::COMMANDS.specs_without(self.profile.unsupported_commands)
    }

    fn vpd_pages(&self) -> &'static [u8] {
        self.profile.vpd_pages
    }

    fn write_vpd_page(&self, page: u8, _identity: &Identity, w: &mut PageWriter) {
        let known = self.profile.vendor_vpd.iter().find(|(code, _)| *code == page);
        w.bytes(known.map_or(&[], |(_, body)| body));
    }

    fn override_vpd_page(&self, page: u8, identity: &Identity, w: &mut PageWriter) -> bool {
        match (self.profile.vpd_naming, page) {
            (VpdNaming::VendorPrefix, SERIAL_80) => ChangerProfile::serial_page(identity, w),
            (VpdNaming::VendorPrefix, DEVICE_ID_83) => ChangerProfile::designator_page(identity, w),
            (VpdNaming::NaaFirst, DEVICE_ID_83) => ChangerProfile::naa_first(identity, w),
            (VpdNaming::NaaOnly, DEVICE_ID_83) => ChangerProfile::naa_only(identity, w),
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

    fn render_mode_page(&self, id: PageId, control: PageControl, page: &mut [u8]) {
        mode::render(self, id, control, page);
    }

    fn check_mode_page(&self, id: PageId, page: &[u8]) -> Result<(), FieldPointer> {
        if id == informational_exceptions_1c::ID { informational_exceptions_1c::check_page(page) } else { Ok(()) }
    }

    fn check_mode_header(&self, header: &ModeHeader, _nexus: NexusId) -> Result<(), ModeHeaderField> {
        // SMC defines no bit of DEVICE-SPECIFIC PARAMETER and no field of a block descriptor.
        if header.device_specific != 0 {
            return Err(ModeHeaderField::DeviceSpecific(header.device_specific));
        }
        let Some(block) = header.block else { return Ok(()) };
        let wrong = block.iter().position(|byte| *byte != 0);
        match wrong.or((!self.profile.block_descriptor).then_some(0)) {
            Some(byte) => Err(ModeHeaderField::Block(FieldPointer::byte(byte))),
            None => Ok(()),
        }
    }

    fn apply_mode_header(&mut self, _header: &ModeHeader) -> bool {
        false
    }

    fn log_pages(&self) -> &'static [LogId] {
        self.profile.log_pages
    }

    fn write_log_page(&self, id: LogId, request: &Request<'_>, w: &mut LogWriter) {
        crate::log::write(self, id, request.nexus, w);
    }

    fn log_page_read(&mut self, id: LogId, nexus: NexusId) {
        crate::log::mark_read(self, id, nexus);
    }

    fn reset_log_counters(&mut self, id: Option<LogId>) -> bool {
        crate::log::reset(self, id)
    }

    fn pollable_sense(&mut self) -> Option<Sense> {
        self.not_ready().or_else(|| self.exceptions.pollable_sense(&self.alerts))
    }

    fn self_test(&mut self) -> Outcome {
        // Tested without motion: the robot is ready and no element is blocked.
        if let Some(sense) = self.not_ready() {
            return Err(sense.into());
        }
        if self.library.operator_state().element_faults.values().any(|fault| *fault == ElementFault::Blocked) {
            return Err(Sense::new(SenseKey::HARDWARE_ERROR, Asc::MECHANICAL_POSITIONING_ERROR).into());
        }
        Ok(())
    }
}
