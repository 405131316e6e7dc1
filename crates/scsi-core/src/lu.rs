//! The state that SPC gives each logical unit, the order of checks before a command, and the commands that
//! any device answers.

use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::command::buffer::DataBuffers;
use crate::command::diagnostic::SelfTestLog;
use crate::command::identifying_information::IdentifyingInformation;
use crate::command::{self, SpcCommand};
use crate::command_spec::{Access, AttentionPolicy, CommandSpec};
use crate::data::Data;
use crate::dump::{DumpState, DumpSupport};
use crate::fault::{Completion, Fault, Outcome, Save};
use crate::field::FieldPointer;
use crate::identity::Identity;
use crate::inquiry::InquiryData;
use crate::log::{LogId, LogWriter, Thresholds};
use crate::mode::{self, ModeHeader, ModeHeaderField, ModePageDef, ModePages, PageControl, PageId, SavedPage};
use crate::nexus::{NexusId, TransportId};
use crate::reservation::{self, Reservations};
use crate::sense::{Sense, SenseFormat, SenseKey};
use crate::target::{Request, TransportEvent};
use crate::time::{Now, Timestamp};
use crate::unit_attention::{UnitAttentions, is_reset};
use crate::writer::PageWriter;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The facts and hooks of a device that SPC commands read.
pub trait SpcDevice {
    /// Standard INQUIRY data.
    fn inquiry(&self) -> &InquiryData;
    /// The facts of every command, ascending.
    fn command_specs(&self) -> Vec<CommandSpec>;
    /// Codes of all VPD pages, ascending.
    fn vpd_pages(&self) -> &'static [u8];
    /// Appends the body of a VPD page that SPC does not render.
    fn write_vpd_page(&self, page: u8, identity: &Identity, w: &mut PageWriter);
    /// Appends the body of page 80h or 83h, if the device has a form of its own for it.
    fn override_vpd_page(&self, _page: u8, _identity: &Identity, _w: &mut PageWriter) -> bool {
        false
    }
    /// MEDIUM TYPE and DEVICE-SPECIFIC PARAMETER of the mode parameter header.
    fn mode_header(&self) -> (u8, u8);
    /// The block descriptor, if the device has one.
    fn block_descriptor(&self) -> Option<[u8; 8]>;
    /// Writes live values into a mode page; it already holds the stored ones.
    fn render_mode_page(&self, id: PageId, control: PageControl, page: &mut [u8]);
    /// Whether a mode page may end after so many bytes, header included: some have lists at their end.
    fn accepts_short_page(&self, _id: PageId, _len: usize) -> bool {
        false
    }
    /// Checks a mode page beyond its changeable mask.
    ///
    /// # Errors
    /// The field of the page at fault (5/26/00).
    fn check_mode_page(&self, id: PageId, page: &[u8]) -> Result<(), FieldPointer>;
    /// Whether the device rounds a value of a mode page that passed [`Self::check_mode_page`] to one that it supports. MODE SELECT
    /// then takes the page and ends with 1/37/00 ROUNDED PARAMETER.
    fn rounds_mode(&self, _id: PageId, _page: &[u8]) -> bool {
        false
    }
    /// Checks the header of a MODE SELECT from this nexus. Reserved bits of the block descriptor have been checked.
    ///
    /// # Errors
    /// The field at fault (5/26/00).
    fn check_mode_header(&self, header: &ModeHeader, nexus: NexusId) -> Result<(), ModeHeaderField>;
    /// Takes the header of a MODE SELECT that passed; says whether anything changed.
    fn apply_mode_header(&mut self, header: &ModeHeader) -> bool;
    /// Pages of LOG SENSE, ascending, without the list pages.
    fn log_pages(&self) -> &'static [LogId];
    /// Writes the parameters of one page, as the nexus of a request sees them.
    fn write_log_page(&self, id: LogId, request: &Request<'_>, w: &mut LogWriter);
    /// A page was sent, or reset by LOG SELECT: flags that reading clears go.
    fn log_page_read(&mut self, id: LogId, nexus: NexusId);
    /// Resets the counters of a page (`None`: of all); says whether the page has any.
    fn reset_log_counters(&mut self, id: Option<LogId>) -> bool;
    /// Whether logical blocks carry protection information (VPD page 86h, SPT).
    fn supports_block_protection(&self) -> bool {
        false
    }
    /// WRITE BUFFER brought microcode, which is not for this device.
    fn microcode_rejected(&mut self) {}
    /// How hosts get at its diagnostic dump.
    fn dump_support(&self) -> DumpSupport {
        DumpSupport::NONE
    }
    /// A diagnostic dump of its present state: no keys, no user data.
    fn diagnostic_dump(&self, _identity: &Identity) -> Vec<u8> {
        Vec::new()
    }
    /// The state that REQUEST SENSE reports when nothing is pending: progress of an operation.
    fn pollable_sense(&mut self) -> Option<Sense>;
    /// The default self-test.
    ///
    /// # Errors
    /// The sense of what failed.
    fn self_test(&mut self) -> Outcome;
}

/// One step before a command runs (SPC-5 leaves the order open; makers differ, so it is data).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionCheck {
    /// Unit attentions of power on, resets and nexus loss.
    ResetAttention,
    /// Reservations of other nexuses.
    Reservation,
    /// All other unit attentions.
    Attention,
    /// An error of an earlier command.
    DeferredError,
    /// Opcode, service action and reserved bits.
    Cdb,
}

/// The order SAM and SPC suggest.
pub const DEFAULT_ORDER: &[AdmissionCheck] = &[
    AdmissionCheck::ResetAttention,
    AdmissionCheck::Reservation,
    AdmissionCheck::Attention,
    AdmissionCheck::DeferredError,
    AdmissionCheck::Cdb,
];
/// HP LTO drives look at the CDB first (HP LTO Ultrium technical reference, volume 3).
pub const HP_ORDER: &[AdmissionCheck] = &[
    AdmissionCheck::Cdb,
    AdmissionCheck::Reservation,
    AdmissionCheck::DeferredError,
    AdmissionCheck::ResetAttention,
    AdmissionCheck::Attention,
];
/// IBM LTO drives look at reservations first (IBM LTO SCSI reference, §4.1).
pub const IBM_ORDER: &[AdmissionCheck] = &[
    AdmissionCheck::Reservation,
    AdmissionCheck::ResetAttention,
    AdmissionCheck::Attention,
    AdmissionCheck::DeferredError,
    AdmissionCheck::Cdb,
];

/// What a loss of power must not take from a unit, as `vtl` keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedState {
    /// Mode pages saved with SP=1.
    #[serde(default)]
    pub mode: Vec<SavedPage>,
    /// Registrations and reservation, if a host set APTPL.
    #[serde(default)]
    pub reservations: reservation::SavedReservations,
    /// What hosts call the unit.
    #[serde(default)]
    pub identifying: IdentifyingInformation,
    /// What a device counts for life, by names of its own.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

/// REPORT TIMESTAMP: what the clock shows and since when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeviceClock {
    /// Added to host wall time; set by SET TIMESTAMP.
    pub(crate) offset: Option<i64>,
}

impl DeviceClock {
    pub(crate) fn timestamp(self, now: Timestamp) -> u64 {
        now.0.saturating_add_signed(self.offset.unwrap_or(0)) & 0xffff_ffff_ffff
    }
}

/// SPC state of one unit, shared by composition: a drive or changer owns one.
#[derive(Debug)]
pub struct Lu {
    /// Who it is.
    pub identity: Identity,
    /// Unit attentions.
    pub attentions: UnitAttentions,
    /// Reservations.
    pub reservations: Reservations,
    /// Mode pages.
    pub mode: ModePages,
    /// LUNs of the target, as REPORT LUNS lists them.
    pub luns: Vec<u64>,
    /// What the device counts for life, by names of its own.
    pub counters: BTreeMap<String, u64>,
    /// It says that it is a device of SCSI-2.
    pub claims_scsi_2: bool,
    pub(crate) clock: DeviceClock,
    pub(crate) identifying: IdentifyingInformation,
    pub(crate) buffers: DataBuffers,
    pub(crate) dumps: DumpState,
    pub(crate) self_tests: SelfTestLog,
    /// Thresholds that LOG SELECT set.
    pub(crate) thresholds: Thresholds,
    pub(crate) save: Save,
    pub(crate) abort_nexuses: Vec<NexusId>,
    check_order: &'static [AdmissionCheck],
    preventing_nexuses: BTreeSet<NexusId>,
    nexuses: BTreeMap<NexusId, TransportId>,
    deferred: Option<(NexusId, Sense)>,
}

impl Lu {
    /// A unit after power on.
    #[must_use]
    pub fn new(
        identity: Identity,
        pages: &'static [ModePageDef],
        order: &'static [AdmissionCheck],
        saved: SavedState,
    ) -> Self {
        Self {
            identity,
            attentions: UnitAttentions::default(),
            reservations: Reservations {
                persistent: reservation::PersistentReservations::from_saved(saved.reservations),
                ..Reservations::default()
            },
            mode: ModePages::new(pages, saved.mode),
            luns: vec![0],
            counters: saved.counters,
            claims_scsi_2: false,
            clock: DeviceClock::default(),
            identifying: saved.identifying,
            buffers: DataBuffers::default(),
            dumps: DumpState::default(),
            self_tests: SelfTestLog::default(),
            thresholds: Thresholds::default(),
            save: Save::empty(),
            abort_nexuses: Vec::new(),
            check_order: order,
            preventing_nexuses: BTreeSet::new(),
            nexuses: BTreeMap::new(),
            deferred: None,
        }
    }

    /// What must be durable when a completion says [`Save::UNIT`].
    #[must_use]
    pub fn saved(&self) -> SavedState {
        SavedState {
            mode: self.mode.saved().to_vec(),
            reservations: self.reservations.persistent.saved(),
            identifying: self.identifying.clone(),
            counters: self.counters.clone(),
        }
    }

    /// Runs the checks before a command, in the profile's order. `found` is the command's row, or why there is none.
    ///
    /// # Errors
    /// RESERVATION CONFLICT, a unit attention, a deferred error, 5/20/00 or 5/24/00; BUSY for an unknown nexus.
    pub fn admit(&mut self, request: &Request<'_>, cdb: &Cdb, found: Result<&CommandSpec, &Sense>) -> Outcome {
        // A nexus that was lost while its command waited has no say any more.
        if !self.nexuses.contains_key(&request.nexus) {
            return Err(Fault::Busy);
        }
        let access = found.map_or(Access::Write, |spec| spec.access);
        let report = found.map_or(AttentionPolicy::Report, |spec| spec.attention) == AttentionPolicy::Report;
        for check in self.check_order {
            match check {
                AdmissionCheck::ResetAttention if report => self.report(request.nexus, is_reset)?,
                AdmissionCheck::Attention if report => self.report(request.nexus, |_| true)?,
                AdmissionCheck::DeferredError if report => self.report_deferred(request.nexus)?,
                AdmissionCheck::Reservation if found.is_ok() => {
                    let port = self.nexuses.get(&request.nexus);
                    if self.reservations.conflicts(access, cdb, request.nexus, port) {
                        return Err(Fault::ReservationConflict);
                    }
                }
                AdmissionCheck::Cdb => found.map_err(Clone::clone)?.check_reserved_bits(cdb, self.claims_scsi_2)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn report(&mut self, nexus: NexusId, wanted: impl Fn(Asc) -> bool) -> Outcome {
        match self.attentions.take(nexus, wanted) {
            Some(asc) => Err(Sense::new(SenseKey::UNIT_ATTENTION, asc).into()),
            None => Ok(()),
        }
    }

    fn report_deferred(&mut self, nexus: NexusId) -> Outcome {
        match self.take_deferred(nexus) {
            Some(sense) => Err(sense.into()),
            None => Ok(()),
        }
    }

    pub(crate) fn take_deferred(&mut self, nexus: NexusId) -> Option<Sense> {
        self.deferred.take_if(|(owner, _)| *owner == nexus).map(|(_, sense)| sense.into_deferred())
    }

    /// An error of a command that was already answered, for the nexus that sent it.
    pub fn defer_error(&mut self, nexus: NexusId, sense: Sense) {
        self.deferred = Some((nexus, sense));
    }

    /// Runs a command of SPC.
    ///
    /// # Errors
    /// What the command's own file says.
    pub fn run(
        &mut self,
        run: SpcCommand,
        cdb: &Cdb,
        request: &Request<'_>,
        device: &mut dyn SpcDevice,
        data: &mut Data<'_, '_>,
    ) -> Outcome {
        command::run(self, run, cdb, request, device, data)
    }

    /// Builds the answer and takes what is to be saved and aborted.
    pub fn complete(&mut self, outcome: Outcome, data: &Data<'_, '_>) -> Completion {
        let mut completion = Completion::new(outcome, self.sense_format());
        completion.data_in = data.data_in.written();
        completion.data_in_wanted = data.data_in.wanted();
        completion.data_out = data.data_out.consumed();
        completion.data_out_missing = data.data_out.missing();
        completion.save = std::mem::take(&mut self.save);
        completion.abort_nexuses = std::mem::take(&mut self.abort_nexuses);
        completion
    }

    /// Takes what is to be saved and came about without a command.
    pub fn take_save(&mut self) -> Save {
        std::mem::take(&mut self.save)
    }

    /// Notes state that must be durable before the status leaves.
    pub fn request_save(&mut self, what: Save) {
        self.save |= what;
    }

    /// Sense format by D_SENSE of the control page.
    #[must_use]
    pub fn sense_format(&self) -> SenseFormat {
        let page = self.mode.current(mode::control_0a::ID);
        if mode::control_0a::descriptor_sense(page) { SenseFormat::Descriptor } else { SenseFormat::Fixed }
    }

    /// Ports that hold a persistent reservation, logged in or not.
    #[must_use]
    pub fn reservation_holders(&self) -> Vec<TransportId> {
        let persistent = &self.reservations.persistent;
        let ports = persistent.registrations().iter().map(|registration| &registration.port);
        ports.filter(|port| persistent.holds(port)).cloned().collect()
    }

    /// Whether any nexus prevents removal.
    #[must_use]
    pub fn removal_prevented(&self) -> bool {
        !self.preventing_nexuses.is_empty()
    }

    pub(crate) fn prevent(&mut self, nexus: NexusId, prevent: bool) {
        if prevent {
            self.preventing_nexuses.insert(nexus);
        } else {
            self.preventing_nexuses.remove(&nexus);
        }
    }

    /// The initiator port of a nexus.
    #[must_use]
    pub fn port_of(&self, nexus: NexusId) -> Option<TransportId> {
        self.nexuses.get(&nexus).cloned()
    }

    pub(crate) fn nexuses_of(&self, port: &TransportId) -> Vec<NexusId> {
        self.nexuses.iter().filter(|(_, other)| *other == port).map(|(nexus, _)| *nexus).collect()
    }

    pub(crate) fn matching_ports(&self, id: &TransportId) -> Vec<TransportId> {
        self.nexuses.values().filter(|port| id.matches(port)).cloned().collect()
    }

    /// The SPC part of an event. A device reset is [`Event::UnitReset`] or [`Event::TargetReset`].
    pub fn handle_event(&mut self, event: &TransportEvent, _now: Now) {
        match event {
            TransportEvent::NexusEstablished { nexus, port, reestablished: returning } => {
                self.nexuses.insert(*nexus, port.clone());
                self.attentions.add_nexus(*nexus);
                let asc = if *returning {
                    Asc::I_T_NEXUS_LOSS_OCCURRED
                } else {
                    Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED
                };
                self.attentions.raise(*nexus, asc);
            }
            TransportEvent::NexusLost(nexus) => {
                self.nexuses.remove(nexus);
                self.attentions.remove_nexus(*nexus);
                self.preventing_nexuses.remove(nexus);
                self.mode.remove_nexus(*nexus);
                self.buffers.remove_nexus(*nexus);
                self.dumps.remove_nexus(*nexus);
                self.reservations.legacy.release(*nexus);
                self.deferred.take_if(|(owner, _)| owner == nexus);
            }
            TransportEvent::UnitReset => self.reset(Asc::BUS_DEVICE_RESET_FUNCTION_OCCURRED),
            TransportEvent::TargetReset => self.reset(Asc::SCSI_BUS_RESET_OCCURRED),
            TransportEvent::TaskSetCleared(cause) => {
                self.attentions.raise_others(*cause, Asc::COMMANDS_CLEARED_BY_ANOTHER_INITIATOR);
            }
        }
    }

    fn reset(&mut self, asc: Asc) {
        self.reservations.legacy.clear();
        self.preventing_nexuses.clear();
        self.deferred = None;
        self.mode.reset();
        self.buffers.clear();
        self.dumps.error_history_nexus = None;
        self.thresholds.reset_all();
        self.attentions.raise_all(asc);
    }
}
