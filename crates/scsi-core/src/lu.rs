//! The state that SPC requires of each logical unit, the order of checks before a command, and the commands that every
//! device type supports.

use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::command::buffer::DataBuffers;
use crate::command::diagnostic::SelfTestLog;
use crate::command::identifying_information::IdentifyingInformation;
use crate::command_spec::{Access, AttentionPolicy, CommandSpec};
use crate::data::Data;
use crate::dump::{DumpState, DumpSupport};
use crate::fault::{Completion, Fault, Outcome, Save};
use crate::field::FieldPointer;
use crate::identity::Identity;
use crate::injected_fault::{FaultList, Injected};
use crate::inquiry::InquiryData;
use crate::log::{LogId, LogWriter, Thresholds};
use crate::mode::{self, ModeHeader, ModeHeaderField, ModePageDef, ModePages, PageControl, PageId, SavedPage};
use crate::nexus::{NexusId, TransportId};
use crate::reservation::{self, Reservations};
use crate::sense::{Sense, SenseFormat, SenseKey};
use crate::target::{Request, TransportEvent};
use crate::time::{Instant, Now, Timestamp};
use crate::unit_attention::{UnitAttentions, is_reset};
use crate::writer::PageWriter;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The facts and hooks of a device that the commands of SPC need.
pub trait SpcDevice {
    /// The standard INQUIRY data of the model.
    fn inquiry(&self) -> &InquiryData;
    /// The facts of every command, in ascending order of operation code and service action.
    fn command_specs(&self) -> Vec<CommandSpec>;
    /// The codes of all VPD pages, in ascending order.
    fn vpd_pages(&self) -> &'static [u8];
    /// Appends the body of a VPD page that [`crate::vpd`] does not render.
    fn write_vpd_page(&self, page: u8, identity: &Identity, w: &mut PageWriter);
    /// Appends the body of VPD page 80h or 83h if the device has a vendor-specific format for it. Returns whether it
    /// did.
    fn override_vpd_page(&self, _page: u8, _identity: &Identity, _w: &mut PageWriter) -> bool {
        false
    }
    /// MEDIUM TYPE and DEVICE-SPECIFIC PARAMETER of the mode parameter header (SPC-5 §7.5).
    fn mode_header(&self) -> (u8, u8);
    /// The mode parameter block descriptor; `None` if the device has none.
    fn block_descriptor(&self) -> Option<[u8; 8]>;
    /// Writes current device state into a mode page that holds the stored values, before MODE SENSE returns it.
    fn render_mode_page(&self, id: PageId, control: PageControl, page: &mut [u8]);
    /// Returns whether MODE SELECT accepts a mode page of only `len` bytes, header included: some pages end with a
    /// list.
    fn accepts_short_page(&self, _id: PageId, _len: usize) -> bool {
        false
    }
    /// Checks the values of a mode page; its changeable mask has been checked.
    ///
    /// # Errors
    /// The invalid field of the page; it becomes ILLEGAL REQUEST 26h/00h.
    fn check_mode_page(&self, id: PageId, page: &[u8]) -> Result<(), FieldPointer>;
    /// Returns whether the device rounds a value of a mode page that passed [`Self::check_mode_page`] to one that it
    /// supports. MODE SELECT then applies the page and ends with RECOVERED ERROR 37h/00h (ROUNDED PARAMETER).
    fn rounds_mode(&self, _id: PageId, _page: &[u8]) -> bool {
        false
    }
    /// Checks the header and block descriptor of a MODE SELECT from `nexus`. Reserved bits have been checked.
    ///
    /// # Errors
    /// The invalid field; it becomes ILLEGAL REQUEST 26h/00h.
    fn check_mode_header(&self, header: &ModeHeader, nexus: NexusId) -> Result<(), ModeHeaderField>;
    /// Applies the header and block descriptor of a MODE SELECT that passed the check. Returns whether a value changed.
    fn apply_mode_header(&mut self, header: &ModeHeader) -> bool;
    /// The pages of LOG SENSE, in ascending order, without the pages that list pages.
    fn log_pages(&self) -> &'static [LogId];
    /// Writes the parameters of one log page, as the nexus of `request` sees them.
    fn write_log_page(&self, id: LogId, request: &Request<'_>, w: &mut LogWriter);
    /// Called after LOG SENSE returned a page to `nexus`: clears the flags that a read clears.
    fn log_page_read(&mut self, id: LogId, nexus: NexusId);
    /// Resets the counters of a log page, or of all pages for `None`. Returns whether there are any.
    fn reset_log_counters(&mut self, id: Option<LogId>) -> bool;
    /// Returns whether the device supports logical block protection (SPT field of VPD page 86h).
    fn supports_block_protection(&self) -> bool {
        false
    }
    /// Called when WRITE BUFFER sends microcode, which the device always rejects.
    fn microcode_rejected(&mut self) {}
    /// The ways in which hosts can take and read the diagnostic dump.
    fn dump_support(&self) -> DumpSupport {
        DumpSupport::NONE
    }
    /// A diagnostic dump of the present state. It contains no keys and no user data.
    fn diagnostic_dump(&self, _identity: &Identity) -> Vec<u8> {
        Vec::new()
    }
    /// The pollable sense data (SPC-5): the sense that REQUEST SENSE returns if no other is pending, such as the
    /// progress of an operation. `None` is NO SENSE.
    fn pollable_sense(&mut self) -> Option<Sense>;
    /// Runs the default self-test of SEND DIAGNOSTIC.
    ///
    /// # Errors
    /// The sense of the first failure.
    fn self_test(&mut self) -> Outcome;
}

/// One check before a command runs. SPC-5 leaves the order of the checks open and vendors differ, so a profile sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionCheck {
    /// Reports unit attentions of power-on, resets and I_T nexus loss (29h).
    ResetAttention,
    /// Reports RESERVATION CONFLICT for reservations of other I_T nexuses.
    Reservation,
    /// Reports all other unit attentions.
    Attention,
    /// Reports a deferred error of an earlier command.
    DeferredError,
    /// Rejects unknown operation codes and service actions, and reserved bits that are set.
    Cdb,
}

/// The order of checks that SAM and SPC suggest.
pub const DEFAULT_ORDER: &[AdmissionCheck] = &[
    AdmissionCheck::ResetAttention,
    AdmissionCheck::Reservation,
    AdmissionCheck::Attention,
    AdmissionCheck::DeferredError,
    AdmissionCheck::Cdb,
];
/// HP LTO drives check the CDB first (HP LTO Ultrium technical reference, volume 3).
pub const HP_ORDER: &[AdmissionCheck] = &[
    AdmissionCheck::Cdb,
    AdmissionCheck::Reservation,
    AdmissionCheck::DeferredError,
    AdmissionCheck::ResetAttention,
    AdmissionCheck::Attention,
];
/// IBM LTO drives check reservations first (IBM LTO SCSI reference, §4.1).
pub const IBM_ORDER: &[AdmissionCheck] = &[
    AdmissionCheck::Reservation,
    AdmissionCheck::ResetAttention,
    AdmissionCheck::Attention,
    AdmissionCheck::DeferredError,
    AdmissionCheck::Cdb,
];

/// The state of a unit that survives power loss, in the form in which `vtl` stores it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedState {
    /// Mode pages saved by MODE SELECT with SP=1.
    #[serde(default)]
    pub mode: Vec<SavedPage>,
    /// Registrations and persistent reservation, if a host set APTPL.
    #[serde(default)]
    pub reservations: reservation::SavedReservations,
    /// Identifying information set by hosts (SET IDENTIFYING INFORMATION).
    #[serde(default)]
    pub identifying: IdentifyingInformation,
    /// Lifetime counters by name; the device defines the names.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

/// The device clock of REPORT TIMESTAMP.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DeviceClock {
    /// Milliseconds to add to the caller's wall time; `None` until SET TIMESTAMP sets the clock.
    pub(crate) offset: Option<i64>,
}

impl DeviceClock {
    pub(crate) fn timestamp(self, now: Timestamp) -> u64 {
        now.0.saturating_add_signed(self.offset.unwrap_or(0)) & 0xffff_ffff_ffff
    }
}

/// The SPC state of one logical unit. A drive or changer owns one.
#[derive(Debug)]
pub struct Lu {
    /// Identification of the logical unit.
    pub identity: Identity,
    /// Pending unit attentions of all I_T nexuses.
    pub attentions: UnitAttentions,
    /// Reservations by RESERVE and by PERSISTENT RESERVE OUT.
    pub reservations: Reservations,
    /// Mode pages with current and saved values.
    pub mode: ModePages,
    /// The LUNs of the target that REPORT LUNS lists, 8 bytes each.
    pub luns: Vec<u64>,
    /// Lifetime counters by name; the device defines the names.
    pub counters: BTreeMap<String, u64>,
    /// The device claims SCSI-2 in its INQUIRY data; hosts send the LUN in byte 1 of each CDB.
    pub claims_scsi_2: bool,
    pub(crate) clock: DeviceClock,
    pub(crate) identifying: IdentifyingInformation,
    pub(crate) buffers: DataBuffers,
    pub(crate) dumps: DumpState,
    pub(crate) self_tests: SelfTestLog,
    /// Thresholds set by LOG SELECT.
    pub(crate) thresholds: Thresholds,
    pub(crate) save: Save,
    pub(crate) abort_nexuses: Vec<NexusId>,
    /// When the status of the current command is due because of a motion, if it is GOOD.
    pub(crate) due: Option<Instant>,
    /// Modelled time of the current command, and when its status is due because of it, whatever the status is.
    pub(crate) modelled: (Duration, Option<Instant>),
    /// The effect of an injected fault on the current command.
    pub(crate) injected: Option<Injected>,
    /// Faults that were injected into the commands of the unit; none, unless its owner adds some.
    pub faults: FaultList,
    /// See [`Self::is_faulty`].
    pub(crate) faulty: bool,
    check_order: &'static [AdmissionCheck],
    preventing_nexuses: BTreeSet<NexusId>,
    nexuses: BTreeMap<NexusId, TransportId>,
    deferred: Option<(NexusId, Sense)>,
}

impl Lu {
    /// A unit after power-on, with the mode pages and the order of checks of its profile, and its saved state.
    #[must_use]
    pub fn new(
        identity: Identity,
        pages: &'static [ModePageDef],
        order: &'static [AdmissionCheck],
        saved: SavedState,
    ) -> Self {
        let mode = ModePages::new(pages, &identity, saved.mode);
        Self {
            identity,
            attentions: UnitAttentions::default(),
            reservations: Reservations {
                persistent: reservation::PersistentReservations::from_saved(saved.reservations),
                ..Reservations::default()
            },
            mode,
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
            due: None,
            modelled: (Duration::ZERO, None),
            faults: FaultList::default(),
            injected: None,
            faulty: false,
            check_order: order,
            preventing_nexuses: BTreeSet::new(),
            nexuses: BTreeMap::new(),
            deferred: None,
        }
    }

    /// The state to make durable when a completion contains [`Save::UNIT`] or [`Save::COUNTERS`].
    #[must_use]
    pub fn saved(&self) -> SavedState {
        SavedState {
            mode: self.mode.saved().to_vec(),
            reservations: self.reservations.persistent.saved(),
            identifying: self.identifying.clone(),
            counters: self.counters.clone(),
        }
    }

    /// Runs the checks before a command, in the order of the profile. `spec` is the row of the command, or the sense to
    /// report if there is none.
    ///
    /// # Errors
    /// RESERVATION CONFLICT; the sense of a unit attention or deferred error; ILLEGAL REQUEST 20h/00h or 24h/00h; BUSY
    /// for an unknown nexus.
    pub fn admit(&mut self, request: &Request<'_>, cdb: &Cdb, spec: Result<&CommandSpec, &Sense>) -> Outcome {
        (self.due, self.injected) = (None, None);
        self.modelled = (Duration::ZERO, None);
        // The nexus was lost while its command was queued.
        if !self.nexuses.contains_key(&request.nexus) {
            return Err(Fault::Busy);
        }
        let access = spec.map_or(Access::Write, |spec| spec.access);
        let report = spec.map_or(AttentionPolicy::Report, |spec| spec.attention) == AttentionPolicy::Report;
        for check in self.check_order {
            match check {
                AdmissionCheck::ResetAttention if report => self.report(request.nexus, is_reset)?,
                AdmissionCheck::Attention if report => self.report(request.nexus, |_| true)?,
                AdmissionCheck::DeferredError if report => self.report_deferred(request.nexus)?,
                AdmissionCheck::Reservation if spec.is_ok() => {
                    let port = self.nexuses.get(&request.nexus);
                    if self.reservations.conflicts(access, cdb, request.nexus, port) {
                        return Err(Fault::ReservationConflict);
                    }
                }
                AdmissionCheck::Cdb => spec.map_err(Clone::clone)?.check_reserved_bits(cdb, self.claims_scsi_2)?,
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

    /// Records an error of a command whose status was already sent. It is reported to `nexus` as a deferred error.
    pub fn defer_error(&mut self, nexus: NexusId, sense: Sense) {
        self.deferred = Some((nexus, sense));
    }

    /// Builds the completion of a command. It includes the state to save and the nexuses whose commands must be
    /// aborted.
    pub fn complete(&mut self, outcome: &Outcome, data: &Data<'_, '_>) -> Completion {
        let mut completion = Completion::new(outcome, self.sense_format());
        completion.data_in = data.data_in.written();
        completion.data_in_wanted = data.data_in.wanted();
        completion.data_out = data.data_out.consumed();
        completion.data_out_missing = data.data_out.missing();
        completion.save = std::mem::take(&mut self.save);
        completion.abort_nexuses = std::mem::take(&mut self.abort_nexuses);
        let (modelled, modelled_due) = std::mem::take(&mut self.modelled);
        completion.modelled = modelled;
        completion.due = self.due.take().filter(|_| outcome.is_ok()).max(modelled_due);
        if let Some(injected) = self.injected.take() {
            injected.apply(&mut completion);
        }
        completion
    }

    /// Records that hardware would have taken `modelled` for the current command, whose status is due at `due`; `None` if
    /// the command does not wait.
    pub fn set_modelled_time(&mut self, modelled: Duration, due: Option<Instant>) {
        self.modelled = (modelled, due);
    }

    /// Returns and clears the state to save that changed outside of a command.
    pub fn take_save(&mut self) -> Save {
        std::mem::take(&mut self.save)
    }

    /// Records state that must be durable before the status of the command is sent.
    pub fn request_save(&mut self, state: Save) {
        self.save |= state;
    }

    /// The sense format that D_SENSE of the control mode page selects.
    #[must_use]
    pub fn sense_format(&self) -> SenseFormat {
        let page = self.mode.current(mode::control_0a::ID);
        if mode::control_0a::descriptor_sense(page) { SenseFormat::Descriptor } else { SenseFormat::Fixed }
    }

    /// Initiator ports that hold the persistent reservation, logged in or not.
    #[must_use]
    pub fn reservation_holders(&self) -> Vec<TransportId> {
        let persistent = &self.reservations.persistent;
        let ports = persistent.registrations().iter().map(|registration| &registration.port);
        ports.filter(|port| persistent.holds(port)).cloned().collect()
    }

    /// Returns whether any I_T nexus prevents medium removal.
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

    /// The initiator port of a nexus; `None` if the nexus is unknown.
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

    /// Applies the SPC part of an event. Both [`TransportEvent::UnitReset`] and [`TransportEvent::TargetReset`] reset
    /// the unit.
    pub fn handle_event(&mut self, event: &TransportEvent, _now: Now) {
        match event {
            TransportEvent::NexusEstablished { nexus, port, reestablished } => {
                self.nexuses.insert(*nexus, port.clone());
                self.attentions.add_nexus(*nexus);
                let asc = if *reestablished {
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
        self.reset_volatile_state();
        self.attentions.raise_all(asc);
    }

    /// Gives the state that a hard reset affects its values after power-on (SAM-5 §6.3).
    pub(crate) fn reset_volatile_state(&mut self) {
        self.reservations.legacy.clear();
        self.preventing_nexuses.clear();
        self.deferred = None;
        self.mode.reset();
        self.buffers.clear();
        self.dumps.error_history_nexus = None;
        self.thresholds.reset_all();
    }
}
