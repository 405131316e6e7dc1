//! The state that SPC gives each logical unit, the order of checks before a command, and the commands that
//! any device answers.

use crate::asc::Asc;
use crate::attention::{Attentions, is_reset};
use crate::cdb::Cdb;
use crate::command::buffer::Buffers;
use crate::command::diagnostic::SelfTests;
use crate::command::identifying::Identifying;
use crate::command::{self, SpcCommand};
use crate::data::Data;
use crate::dump::{DumpSupport, Dumps};
use crate::fault::{Completion, Fault, Outcome, Save};
use crate::field::Field;
use crate::identity::Identity;
use crate::inquiry::Inquiry;
use crate::log::{LogId, LogWriter, Thresholds};
use crate::mode::{self, Header, HeaderField, ModePages, PageControl, PageDef, PageId, SavedPage};
use crate::nexus::{NexusId, TransportId};
use crate::reservation::{self, Reservations};
use crate::sense::{Format, Sense, SenseKey};
use crate::spec::{Access, Attention, CommandSpec};
use crate::target::{Event, Request};
use crate::time::{Now, Timestamp};
use crate::writer::PageWriter;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The facts and hooks of a device that SPC commands read.
pub trait Device {
    /// Standard INQUIRY data.
    fn inquiry(&self) -> &Inquiry;
    /// The facts of every command, ascending.
    fn commands(&self) -> Vec<CommandSpec>;
    /// Codes of all VPD pages, ascending.
    fn vpd_pages(&self) -> &'static [u8];
    /// Appends the body of a VPD page that SPC does not render.
    fn vpd(&self, page: u8, identity: &Identity, w: &mut PageWriter);
    /// Appends the body of page 80h or 83h, if the device has a form of its own for it.
    fn names_itself(&self, _page: u8, _identity: &Identity, _w: &mut PageWriter) -> bool {
        false
    }
    /// MEDIUM TYPE and DEVICE-SPECIFIC PARAMETER of the mode parameter header.
    fn mode_header(&self) -> (u8, u8);
    /// The block descriptor, if the device has one.
    fn block_descriptor(&self) -> Option<[u8; 8]>;
    /// Writes live values into a mode page; it already holds the stored ones.
    fn render_mode(&self, id: PageId, control: PageControl, page: &mut [u8]);
    /// Whether a mode page may end after so many bytes, header included: some have lists at their end.
    fn mode_may_end(&self, _id: PageId, _len: usize) -> bool {
        false
    }
    /// Checks a mode page beyond its changeable mask.
    ///
    /// # Errors
    /// The field of the page at fault (5/26/00).
    fn check_mode(&self, id: PageId, page: &[u8]) -> Result<(), Field>;
    /// Whether the device rounds a value of a mode page that passed [`Self::check_mode`] to one that it supports. MODE SELECT
    /// then takes the page and ends with 1/37/00 ROUNDED PARAMETER.
    fn rounds_mode(&self, _id: PageId, _page: &[u8]) -> bool {
        false
    }
    /// Checks the header of a MODE SELECT from this nexus. Reserved bits of the block descriptor have been checked.
    ///
    /// # Errors
    /// The field at fault (5/26/00).
    fn check_header(&self, header: &Header, nexus: NexusId) -> Result<(), HeaderField>;
    /// Takes the header of a MODE SELECT that passed; says whether anything changed.
    fn apply_header(&mut self, header: &Header) -> bool;
    /// Pages of LOG SENSE, ascending, without the list pages.
    fn log_pages(&self) -> &'static [LogId];
    /// Writes the parameters of one page, as the nexus of a request sees them.
    fn log(&self, id: LogId, request: &Request<'_>, w: &mut LogWriter);
    /// A page was sent, or reset by LOG SELECT: flags that reading clears go.
    fn log_read(&mut self, id: LogId, nexus: NexusId);
    /// Resets the counters of a page (`None`: of all); says whether the page has any.
    fn log_reset(&mut self, id: Option<LogId>) -> bool;
    /// Whether logical blocks carry protection information (VPD page 86h, SPT).
    fn protects(&self) -> bool {
        false
    }
    /// WRITE BUFFER brought microcode, which is not for this device.
    fn microcode_refused(&mut self) {}
    /// How hosts get at its diagnostic dump.
    fn dump_support(&self) -> DumpSupport {
        DumpSupport::NONE
    }
    /// A diagnostic dump of its present state: no keys, no user data.
    fn dump(&self, _identity: &Identity) -> Vec<u8> {
        Vec::new()
    }
    /// The state that REQUEST SENSE reports when nothing is pending: progress of an operation.
    fn condition(&mut self) -> Option<Sense>;
    /// The default self-test.
    ///
    /// # Errors
    /// The sense of what failed.
    fn self_test(&mut self) -> Outcome;
}

/// One step before a command runs (SPC-5 leaves the order open; makers differ, so it is data).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Unit attentions of power on, resets and nexus loss.
    ResetAttention,
    /// Reservations of other nexuses.
    Reservation,
    /// All other unit attentions.
    Attention,
    /// An error of an earlier command.
    Deferred,
    /// Opcode, service action and reserved bits.
    Cdb,
}

/// The order SAM and SPC suggest.
pub const DEFAULT_ORDER: &[Check] =
    &[Check::ResetAttention, Check::Reservation, Check::Attention, Check::Deferred, Check::Cdb];
/// HP LTO drives look at the CDB first (HP LTO Ultrium technical reference, volume 3).
pub const HP_ORDER: &[Check] =
    &[Check::Cdb, Check::Reservation, Check::Deferred, Check::ResetAttention, Check::Attention];
/// IBM LTO drives look at reservations first (IBM LTO SCSI reference, §4.1).
pub const IBM_ORDER: &[Check] =
    &[Check::Reservation, Check::ResetAttention, Check::Attention, Check::Deferred, Check::Cdb];

/// What a loss of power must not take from a unit, as `vtl` keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Mode pages saved with SP=1.
    #[serde(default)]
    pub mode: Vec<SavedPage>,
    /// Registrations and reservation, if a host set APTPL.
    #[serde(default)]
    pub reservations: reservation::Saved,
    /// What hosts call the unit.
    #[serde(default)]
    pub identifying: Identifying,
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
    pub(crate) fn read(self, now: Timestamp) -> u64 {
        now.0.saturating_add_signed(self.offset.unwrap_or(0)) & 0xffff_ffff_ffff
    }
}

/// SPC state of one unit, shared by composition: a drive or changer owns one.
#[derive(Debug)]
pub struct Lu {
    /// Who it is.
    pub identity: Identity,
    /// Unit attentions.
    pub attention: Attentions,
    /// Reservations.
    pub reservations: Reservations,
    /// Mode pages.
    pub mode: ModePages,
    /// LUNs of the target, as REPORT LUNS lists them.
    pub luns: Vec<u64>,
    /// What the device counts for life, by names of its own.
    pub counters: BTreeMap<String, u64>,
    /// It says that it is a device of SCSI-2.
    pub scsi_2: bool,
    pub(crate) clock: DeviceClock,
    pub(crate) identifying: Identifying,
    pub(crate) buffers: Buffers,
    pub(crate) dumps: Dumps,
    pub(crate) self_tests: SelfTests,
    /// Thresholds that LOG SELECT set.
    pub(crate) thresholds: Thresholds,
    pub(crate) save: Save,
    pub(crate) abort: Vec<NexusId>,
    order: &'static [Check],
    prevents: BTreeSet<NexusId>,
    nexuses: BTreeMap<NexusId, TransportId>,
    deferred: Option<(NexusId, Sense)>,
}

impl Lu {
    /// A unit after power on.
    #[must_use]
    pub fn new(identity: Identity, pages: &'static [PageDef], order: &'static [Check], saved: Saved) -> Self {
        Self {
            identity,
            attention: Attentions::default(),
            reservations: Reservations {
                persistent: reservation::Persistent::restored(saved.reservations),
                ..Reservations::default()
            },
            mode: ModePages::new(pages, saved.mode),
            luns: vec![0],
            counters: saved.counters,
            scsi_2: false,
            clock: DeviceClock::default(),
            identifying: saved.identifying,
            buffers: Buffers::default(),
            dumps: Dumps::default(),
            self_tests: SelfTests::default(),
            thresholds: Thresholds::default(),
            save: Save::empty(),
            abort: Vec::new(),
            order,
            prevents: BTreeSet::new(),
            nexuses: BTreeMap::new(),
            deferred: None,
        }
    }

    /// What must be durable when a completion says [`Save::UNIT`].
    #[must_use]
    pub fn saved(&self) -> Saved {
        Saved {
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
        let report = found.map_or(Attention::Report, |spec| spec.attention) == Attention::Report;
        for check in self.order {
            match check {
                Check::ResetAttention if report => self.report(request.nexus, is_reset)?,
                Check::Attention if report => self.report(request.nexus, |_| true)?,
                Check::Deferred if report => self.report_deferred(request.nexus)?,
                Check::Reservation if found.is_ok() => {
                    let port = self.nexuses.get(&request.nexus);
                    if self.reservations.conflicts(access, cdb, request.nexus, port) {
                        return Err(Fault::ReservationConflict);
                    }
                }
                Check::Cdb => found.map_err(Clone::clone)?.check(cdb, self.scsi_2)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn report(&mut self, nexus: NexusId, wanted: impl Fn(Asc) -> bool) -> Outcome {
        match self.attention.take(nexus, wanted) {
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
        self.deferred.take_if(|(owner, _)| *owner == nexus).map(|(_, sense)| sense.deferred())
    }

    /// An error of a command that was already answered, for the nexus that sent it.
    pub fn defer(&mut self, nexus: NexusId, sense: Sense) {
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
        device: &mut dyn Device,
        data: &mut Data<'_, '_>,
    ) -> Outcome {
        command::run(self, run, cdb, request, device, data)
    }

    /// Builds the answer and takes what is to be saved and aborted.
    pub fn complete(&mut self, outcome: Outcome, data: &Data<'_, '_>) -> Completion {
        let mut completion = Completion::new(outcome, self.format());
        completion.data_in = data.room.written();
        completion.data_in_wanted = data.room.wanted();
        completion.data_out = data.out.consumed();
        completion.data_out_missing = data.out.missing();
        completion.save = std::mem::take(&mut self.save);
        completion.abort = std::mem::take(&mut self.abort);
        completion
    }

    /// Takes what is to be saved and came about without a command.
    pub fn take_save(&mut self) -> Save {
        std::mem::take(&mut self.save)
    }

    /// Notes state that must be durable before the status leaves.
    pub fn save(&mut self, what: Save) {
        self.save |= what;
    }

    /// Sense format by D_SENSE of the control page.
    #[must_use]
    pub fn format(&self) -> Format {
        let page = self.mode.current(mode::control_0a::ID);
        if mode::control_0a::descriptor_sense(page) { Format::Descriptor } else { Format::Fixed }
    }

    /// Ports that hold a persistent reservation, logged in or not.
    #[must_use]
    pub fn holders(&self) -> Vec<TransportId> {
        let persistent = &self.reservations.persistent;
        let ports = persistent.registrations().iter().map(|registration| &registration.port);
        ports.filter(|port| persistent.holds(port)).cloned().collect()
    }

    /// Whether any nexus prevents removal.
    #[must_use]
    pub fn removal_prevented(&self) -> bool {
        !self.prevents.is_empty()
    }

    pub(crate) fn prevent(&mut self, nexus: NexusId, prevent: bool) {
        if prevent {
            self.prevents.insert(nexus);
        } else {
            self.prevents.remove(&nexus);
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

    pub(crate) fn ports_named(&self, id: &TransportId) -> Vec<TransportId> {
        self.nexuses.values().filter(|port| id.names(port)).cloned().collect()
    }

    /// The SPC part of an event. A device reset is [`Event::UnitReset`] or [`Event::TargetReset`].
    pub fn event(&mut self, event: &Event, _now: Now) {
        match event {
            Event::NexusUp { nexus, port, returning } => {
                self.nexuses.insert(*nexus, port.clone());
                self.attention.add(*nexus);
                let asc = if *returning {
                    Asc::I_T_NEXUS_LOSS_OCCURRED
                } else {
                    Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED
                };
                self.attention.raise(*nexus, asc);
            }
            Event::NexusLost(nexus) => {
                self.nexuses.remove(nexus);
                self.attention.remove(*nexus);
                self.prevents.remove(nexus);
                self.mode.forget(*nexus);
                self.buffers.forget(*nexus);
                self.dumps.forget(*nexus);
                self.reservations.legacy.release(*nexus);
                self.deferred.take_if(|(owner, _)| owner == nexus);
            }
            Event::UnitReset => self.reset(Asc::BUS_DEVICE_RESET_FUNCTION_OCCURRED),
            Event::TargetReset => self.reset(Asc::SCSI_BUS_RESET_OCCURRED),
            Event::TaskSetCleared(cause) => {
                self.attention.raise_others(*cause, Asc::COMMANDS_CLEARED_BY_ANOTHER_INITIATOR);
            }
        }
    }

    fn reset(&mut self, asc: Asc) {
        self.reservations.legacy.clear();
        self.prevents.clear();
        self.deferred = None;
        self.mode.reset();
        self.buffers.clear();
        self.dumps.nexus = None;
        self.thresholds.clear();
        self.attention.raise_all(asc);
    }
}
