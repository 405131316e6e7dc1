//! The events and their envelope.

use crate::control::{Door, ReloadChange, SiteStatus};
use crate::inventory::Location;
use crate::jobs::JobState;
use serde::{Deserialize, Serialize};
use smc::robot::OperatorState;

/// Kind of the cause of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventSource {
    /// The site: its start, its end, its policies and its checks.
    #[default]
    Site,
    /// A control request of an operator or a program.
    Operator,
    /// A command or a session of an initiator.
    Host,
    /// A drive or a changer, without a command that requests it.
    Unit,
}

/// The cause of a change: its source, and the initiator if it is a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Kind of the cause: site, operator, host or unit.
    pub source: EventSource,
    /// Name of the initiator port, such as `iqn.1994-05.com.example:host,i,0x00023d000001`; only for a host.
    pub initiator: Option<String>,
}

impl Cause {
    /// The cause of what the site does itself.
    #[must_use]
    pub const fn site() -> Self {
        Self { source: EventSource::Site, initiator: None }
    }

    /// The cause of what a control request does.
    #[must_use]
    pub const fn operator() -> Self {
        Self { source: EventSource::Operator, initiator: None }
    }

    /// A drive or a changer.
    #[must_use]
    pub const fn unit() -> Self {
        Self { source: EventSource::Unit, initiator: None }
    }

    /// An initiator, if its name is known.
    #[must_use]
    pub const fn host(initiator: Option<String>) -> Self {
        Self { source: EventSource::Host, initiator }
    }
}

/// The subject of an event: its cause, and the objects concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Kind and name of what caused the event.
    pub cause: Cause,
    /// Name of the library concerned, if any.
    pub library: Option<String>,
    /// Unit of the library: `changer`, or a drive such as `drive1`.
    pub unit: Option<String>,
    /// Barcode of the cartridge concerned, if any.
    pub barcode: Option<String>,
    /// Names of the elements concerned with their library, such as `main/slot3`: only the audit log has them.
    pub elements: Vec<String>,
}

impl Subject {
    /// The site as a whole.
    #[must_use]
    pub fn new(cause: Cause) -> Self {
        Self { cause, ..Self::default() }
    }

    /// The same, with a library.
    #[must_use]
    pub fn with_library(mut self, library: impl Into<String>) -> Self {
        self.library = Some(library.into());
        self
    }

    /// The same, with a cartridge.
    #[must_use]
    pub fn with_barcode(mut self, barcode: impl Into<String>) -> Self {
        self.barcode = Some(barcode.into());
        self
    }

    pub(crate) fn into_record(self, start: String, seq: u64, at: u64, event: Event) -> EventRecord {
        let Self { cause: Cause { source, initiator }, library, unit, barcode, elements: _ } = self;
        EventRecord { seq, start, at, source, initiator, library, unit, barcode, event }
    }
}

/// An event in its envelope: the line that the operation `events` sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Number of the event since the start of the daemon, from 1, without gaps.
    pub seq: u64,
    /// Identifier of the start of the daemon.
    pub start: String,
    /// Time of the event in milliseconds since 1970, UTC.
    pub at: u64,
    /// Kind of the cause of the event.
    pub source: EventSource,
    /// Name of the initiator port, if a host caused the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// Name of the library concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// Unit concerned: `changer`, or a drive such as `drive1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Barcode of the cartridge concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// The event; in JSON, its name is the member `event`, beside its own members.
    #[serde(flatten)]
    pub event: Event,
}

impl EventRecord {
    /// An event that the site causes and that concerns it as a whole.
    #[must_use]
    pub fn of_site(start: &str, seq: u64, at: u64, event: Event) -> Self {
        Subject::new(Cause::site()).into_record(start.to_owned(), seq, at, event)
    }
}

/// A reservation of a logical unit by RESERVE or PERSISTENT RESERVE OUT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ReservationStatus {
    /// RESERVE(6) or RESERVE(10) of SPC-2.
    Reserve,
    /// PERSISTENT RESERVE OUT (SPC-5 §6.16).
    Persistent {
        /// TYPE of the reservation, such as 3 for exclusive access.
        #[serde(rename = "type")]
        reservation_type: u8,
        /// Names of the initiator ports that hold the reservation.
        holders: Vec<String>,
    },
}

/// An event of a site: a change that operators, programs or the console must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The site is open, and its control requests are executed.
    Started {
        /// Version of the daemon's crates, such as `0.1.0`.
        release: String,
        /// Version of the control protocol.
        version: u32,
    },
    /// The site is being shut down. This is its last event.
    Stopped,
    /// The configuration of the daemon was reloaded.
    Reloaded {
        /// The changes that were made.
        changes: Vec<ReloadChange>,
    },
    /// An initiator port has logged in to a target.
    Login {
        /// Name of the target.
        target: String,
        /// Address and port of the initiator, if the transport has them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<String>,
    },
    /// An I_T nexus has ended: by logout, or because the connection was lost.
    Logout {
        /// Name of the target.
        target: String,
    },
    /// A login of an initiator was refused.
    LoginRefused {
        /// Address and port of the initiator.
        peer: String,
        /// Status class and detail of the login response in hexadecimal digits, such as `0201` (RFC 7143 §11.13.5).
        status: String,
        /// Explanation in addition to the status; may be empty.
        reason: String,
        /// Number of refused logins since the last event of this kind without a separate event.
        suppressed: u64,
    },
    /// The robot has moved a cartridge into a drive.
    Loaded {
        /// Previous location.
        from: Location,
        /// The drive.
        to: Location,
    },
    /// The robot has moved a cartridge out of a drive.
    Unloaded {
        /// The drive.
        from: Location,
        /// New location.
        to: Location,
    },
    /// A drive has a cartridge whose objects the store must thaw before they are read; the load ends when this has ended, with
    /// [`Self::TapeLoaded`].
    TapeThawing {
        /// Number of the objects that the load needs.
        objects: u64,
    },
    /// A drive has loaded the tape of the cartridge in it without a move of the robot: a host sent LOAD UNLOAD with
    /// LOAD=1, or the cartridge was thawed.
    TapeLoaded,
    /// A drive has unloaded the tape of its cartridge, which is still in it: a host sent LOAD UNLOAD with LOAD=0, or
    /// the operator pressed the eject button.
    TapeUnloaded {
        /// True if the drive has ejected the cartridge, so that the robot can take it; false after HOLD=1.
        ejected: bool,
    },
    /// A cartridge was moved between elements that are not drives.
    Moved {
        /// Previous location.
        from: Location,
        /// New location.
        to: Location,
    },
    /// A cartridge was moved from a shelf into a library.
    Imported {
        /// The shelf.
        from: Location,
        /// The element.
        to: Location,
    },
    /// A cartridge was moved from a library to a shelf.
    Exported {
        /// The element.
        from: Location,
        /// The shelf.
        to: Location,
    },
    /// An operator has opened or closed a door.
    Door {
        /// The door of the library.
        door: Door,
        /// True if the door is open now.
        open: bool,
    },
    /// An operator has changed doors, robot, drives, elements or labels.
    OperatorState {
        /// Everything that operators have set in the library.
        #[serde(with = "operator_state")]
        state: OperatorState,
    },
    /// An operator has acknowledged events that need a person.
    Acknowledged {
        /// Numbers of the events.
        events: Vec<u64>,
        /// Name of the user or token.
        by: String,
    },
    /// Mode pages of a unit have changed: by MODE SELECT, or by a reset, which returns them to their saved values. The
    /// source of a reset is the unit.
    ModeChanged {
        /// PAGE CODE of each changed page in hexadecimal digits, with its SUBPAGE CODE if that is not zero: `0f`,
        /// `10.01`.
        pages: Vec<String>,
    },
    /// A TapeAlert flag was raised.
    AlertRaised {
        /// Number of the flag, 1 to 64.
        flag: u8,
        /// Name of the flag in SSC or SMC.
        name: String,
    },
    /// A TapeAlert flag was cleared.
    AlertCleared {
        /// Number of the flag, 1 to 64.
        flag: u8,
        /// Name of the flag in SSC or SMC.
        name: String,
    },
    /// An operator has set or cleared the write-protect tab of a cartridge.
    WriteProtectChanged {
        /// True if the tab is set now.
        on: bool,
    },
    /// An operator has retained the data on a cartridge until a time.
    RetentionChanged {
        /// End of the retention in seconds since 1970.
        until: u64,
    },
    /// An operator has set or released the legal hold of a cartridge.
    LegalHoldChanged {
        /// True if the hold is set now.
        on: bool,
        /// The reason that the operator has given.
        reason: String,
    },
    /// A drive has refused a command of a host that would overwrite data under retention or a legal hold (7/27/04).
    RetentionEnforced {
        /// Number of such commands since the last event of this kind without a separate event.
        suppressed: u64,
    },
    /// A unit is faulty after an internal error: it ends every command with HARDWARE ERROR 44h/00h until it is reloaded.
    UnitFaulty {
        /// Reason in words, and what reloads the unit.
        reason: String,
    },
    /// A faulty unit was reloaded, and executes commands again.
    UnitRecovered,
    /// The reservation of a unit was established, changed or released.
    ReservationChanged {
        /// The reservation; `None` if the unit is not reserved now.
        reservation: Option<ReservationStatus>,
    },
    /// A drive encrypts written blocks for at least one I_T nexus from now on.
    EncryptionOn,
    /// A drive encrypts written blocks for no I_T nexus any longer.
    EncryptionOff,
    /// No host prevents medium removal in a library any longer (PREVENT ALLOW MEDIUM REMOVAL).
    RemovalAllowed,
    /// A job of an operator was started.
    JobStarted {
        /// Number of the job.
        job: u64,
    },
    /// A job of an operator has ended.
    JobEnded {
        /// Number of the job.
        job: u64,
        /// How it has ended.
        state: JobState,
    },
    /// A cartridge of a pool was created.
    Created {
        /// Name of the pool.
        pool: String,
    },
    /// A cartridge was deleted with its data.
    Deleted,
    /// A cartridge was removed from the inventory; its files remain.
    Forgotten,
    /// Drives can no longer use a cartridge.
    Unusable {
        /// Reason in words.
        reason: String,
    },
    /// Drives can use a cartridge again.
    Usable,
    /// A medium has an error: data on a cartridge is lost or may be lost.
    Damaged {
        /// Reason in words.
        reason: String,
    },
    /// The file system of the cartridges or of the state has less than 1 GiB of free space.
    DiskSpaceLow {
        /// The directory concerned.
        directory: String,
        /// Free space in bytes for this process.
        free_bytes: u64,
    },
    /// Events were lost because the client did not read them in time. The snapshot replaces them; the next event is the
    /// one after `seq` of this line.
    Lagged {
        /// Number of lost events.
        missed: u64,
        /// Status of the site.
        snapshot: Box<SiteStatus>,
    },
    /// Events were not delivered to a notification target: its queue was full, or they were too old. Only this target
    /// receives it, in place of the events.
    Missed {
        /// Number of events that were not delivered.
        missed: u64,
    },
    /// The event that an operator sends to a notification target to test it.
    Test,
}

impl Event {
    /// The event of a new location. `is_drive` says whether a location is a drive.
    pub(crate) fn of_move(from: Location, to: Location, is_drive: impl Fn(&Location) -> bool) -> Self {
        match (&from, &to) {
            (Location::Shelf(_), _) => Self::Imported { from, to },
            (_, Location::Shelf(_)) => Self::Exported { from, to },
            (_, to_drive) if is_drive(to_drive) => Self::Loaded { from, to },
            (from_drive, _) if is_drive(from_drive) => Self::Unloaded { from, to },
            _ => Self::Moved { from, to },
        }
    }

    /// Previous and new location, if the event moves a cartridge.
    #[must_use]
    pub const fn locations(&self) -> Option<(&Location, &Location)> {
        match self {
            Self::Loaded { from, to }
            | Self::Unloaded { from, to }
            | Self::Moved { from, to }
            | Self::Imported { from, to }
            | Self::Exported { from, to } => Some((from, to)),
            _ => None,
        }
    }

    /// Whether the policies of the site may have something to do after the event.
    pub(crate) const fn concerns_policies(&self) -> bool {
        !matches!(
            self,
            Self::Login { .. }
                | Self::Logout { .. }
                | Self::LoginRefused { .. }
                | Self::TapeThawing { .. }
                | Self::TapeLoaded
                | Self::TapeUnloaded { .. }
                | Self::RetentionChanged { .. }
                | Self::LegalHoldChanged { .. }
                | Self::RetentionEnforced { .. }
                | Self::ModeChanged { .. }
                | Self::AlertRaised { .. }
                | Self::AlertCleared { .. }
                | Self::UnitFaulty { .. }
                | Self::ReservationChanged { .. }
                | Self::EncryptionOn
                | Self::EncryptionOff
                | Self::DiskSpaceLow { .. }
                | Self::Acknowledged { .. }
                | Self::JobStarted { .. }
                | Self::JobEnded { .. }
        )
    }

    /// A measure of the memory of the event: 1, and 1 more for each member of a list.
    #[must_use]
    pub fn weight(&self) -> usize {
        1 + match self {
            Self::OperatorState { state } => {
                state.element_faults.len() + state.drives_offline.len() + state.label_defects.len()
            }
            Self::Reloaded { changes } => changes.len(),
            Self::ModeChanged { pages } => pages.len(),
            Self::Acknowledged { events, .. } => events.len(),
            Self::ReservationChanged { reservation: Some(ReservationStatus::Persistent { holders, .. }) } => {
                holders.len()
            }
            _ => 0,
        }
    }
}

/// The operator state with `faults` instead of `troubles`, the name that the state files keep.
mod operator_state {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;
    use smc::robot::OperatorState;

    fn rename(value: &mut Value, from: &str, to: &str) {
        if let Some(fields) = value.as_object_mut()
            && let Some(faults) = fields.remove(from)
        {
            fields.insert(to.into(), faults);
        }
    }

    pub(super) fn serialize<S: Serializer>(state: &OperatorState, to: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(state).map_err(S::Error::custom)?;
        rename(&mut value, "troubles", "faults");
        value.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OperatorState, D::Error> {
        let mut value = Value::deserialize(from)?;
        rename(&mut value, "faults", "troubles");
        serde_json::from_value(value).map_err(D::Error::custom)
    }
}
