//! Events of a unit: changes of its TapeAlert flags, mode pages, reservation, encryption and load state.

use super::{Device, Unit};
use crate::control::{HostSettings, flag_name};
use crate::events::{Cause, Event, ReservationStatus, Subject};
use crate::locks::lock;
use scsi_core::alert::AlertSet;
use scsi_core::asc::Asc;
use scsi_core::cdb::Opcode;
use scsi_core::mode::PageId;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseBytes, SenseKey};
use scsi_core::target::{Request, TransportEvent};
use ssc::drive::LoadState;
use tape_store::cartridge::Barcode;

/// The settings of a unit that become events when they change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    reservation: Option<ReservationStatus>,
    encrypting: bool,
    /// The cartridge in a drive, and its load state.
    tape: Option<(Barcode, LoadState)>,
}

impl Settings {
    fn of(device: &mut Device) -> Self {
        let (encrypting, tape) = match device {
            Device::Drive(drive) => {
                let tape = drive.loaded().map(|(cartridge, state)| (cartridge.barcode().clone(), state));
                (drive.is_encrypting(), tape)
            }
            Device::Changer(_) => (false, None),
        };
        let lu = device.lu();
        let persistent = lu.reservations.persistent.reservation().map(|(kind, _)| ReservationStatus::Persistent {
            reservation_type: kind.0,
            holders: lu.reservation_holders().iter().map(|port| port.port_name()).collect(),
        });
        let legacy = lu.reservations.legacy.is_held().then_some(ReservationStatus::Reserve);
        Self { reservation: persistent.or(legacy), encrypting, tape }
    }

    /// The settings as a status has them.
    pub(super) fn with_removal_prevented(&self, removal_prevented: bool) -> HostSettings {
        HostSettings { removal_prevented, reservation: self.reservation.clone(), encrypting: self.encrypting }
    }

    /// The event of a new load state; `None` if the state is as before, or the robot has brought or taken the cartridge.
    fn load_event(&self, before: &Self) -> Option<Event> {
        let ((now, state), (known, state_before)) = (self.tape.as_ref()?, before.tape.as_ref()?);
        (now == known && state != state_before).then_some(match state {
            LoadState::Threaded => Event::TapeLoaded,
            LoadState::Thawing => return None,
            // A load that has failed, which is the event `unusable`, or one with HOLD=1: its end shows in the log.
            LoadState::NotThreaded if *state_before == LoadState::Thawing => return None,
            LoadState::NotThreaded => Event::TapeUnloaded { ejected: false },
            LoadState::Ejected => Event::TapeUnloaded { ejected: true },
        })
    }

    /// Whether a load has begun that waits for a thawing.
    fn begins_thawing(&self, before: &Self) -> bool {
        matches!(self.tape, Some((_, LoadState::Thawing))) && self.tape != before.tape
    }
}

/// The mode pages before a command that can change settings; none unless it is MODE SELECT.
pub(super) struct ModePagesBefore(Vec<(PageId, Vec<u8>)>);

impl ModePagesBefore {
    /// The pages before this command; `None` if the command changes no settings, as READ and WRITE.
    pub(super) fn command(device: &mut Device, request: &Request<'_>) -> Option<Self> {
        match Opcode(*request.cdb.first()?) {
            Opcode::MODE_SELECT_6 | Opcode::MODE_SELECT_10 => Some(Self(mode_pages(device, Some(request.nexus)))),
            Opcode::RESERVE_6
            | Opcode::RESERVE_10
            | Opcode::RELEASE_6
            | Opcode::RELEASE_10
            | Opcode::PERSISTENT_RESERVE_OUT
            | Opcode::SECURITY_PROTOCOL_OUT
            | Opcode::LOAD_UNLOAD => Some(Self(Vec::new())),
            _ => None,
        }
    }

    /// The pages before this event; `None` if the event changes none.
    pub(super) fn event(device: &mut Device, event: &TransportEvent) -> Option<Self> {
        let resets = matches!(event, TransportEvent::UnitReset | TransportEvent::TargetReset);
        resets.then(|| Self(mode_pages(device, None)))
    }
}

/// The mode pages with the values for a nexus, or the common values.
fn mode_pages(device: &mut Device, nexus: Option<NexusId>) -> Vec<(PageId, Vec<u8>)> {
    let mode = &device.lu().mode;
    let values = |id| nexus.map_or_else(|| mode.current(id), |nexus| mode.current_for(id, nexus)).to_vec();
    mode.pages().iter().map(|page| (page.id, values(page.id))).collect()
}

/// The cause of the events of a command.
pub(super) fn host(device: &mut Device, nexus: NexusId) -> Cause {
    Cause::host(device.lu().port_of(nexus).map(|port| port.port_name()))
}

fn page_name(PageId { page, subpage }: PageId) -> String {
    if subpage == 0 { format!("{page:02x}") } else { format!("{page:02x}.{subpage:02x}") }
}

impl Unit {
    /// The subject of the events of this unit.
    pub(super) fn subject(&self, cause: Cause) -> Subject {
        let (library, unit) = (Some(self.id.library.clone()), Some(self.id.unit()));
        Subject { library, unit, ..Subject::new(cause) }
    }

    /// As [`Self::subject`], with the cartridge in the drive.
    fn subject_of(&self, device: &Device, cause: Cause) -> Subject {
        let loaded = match device {
            Device::Drive(drive) => drive.loaded().map(|(cartridge, _)| cartridge.barcode().to_string()),
            Device::Changer(_) => None,
        };
        Subject { barcode: loaded, ..self.subject(cause) }
    }

    pub(super) fn notify_removal_allowed(&self) {
        self.shared.events.notify(self.subject(Cause::unit()), Event::RemovalAllowed);
    }

    /// Sends the events of TapeAlert flags that were raised or cleared.
    pub(super) fn notify_alerts(&self, device: &Device, before: AlertSet) {
        let (now, of_drive) = (device.alerts(), matches!(device, Device::Drive(_)));
        for flag in (1..=64).filter(|flag| now.is_set(*flag) != before.is_set(*flag)) {
            let name = flag_name(flag, of_drive);
            let raised = now.is_set(flag);
            let event = if raised { Event::AlertRaised { flag, name } } else { Event::AlertCleared { flag, name } };
            self.shared.events.notify(self.subject_of(device, Cause::unit()), event);
        }
    }

    /// Sends the events of what a command has changed.
    pub(super) fn publish_changes(&self, device: &mut Device, nexus: NexusId, before: &ModePagesBefore) {
        let cause = host(device, nexus);
        if !before.0.is_empty() {
            self.publish_mode_pages(&cause, before, &mode_pages(device, Some(nexus)));
        }
        self.publish_settings(device, &cause);
    }

    /// Sends the event of a command that the retention of the data has refused, at most five in ten seconds.
    pub(super) fn publish_refusal(&self, device: &mut Device, request: &Request<'_>, sense: &SenseBytes) {
        let Some(sense) = Sense::decode(sense.as_slice()) else { return };
        if (sense.key, sense.asc) != (SenseKey::DATA_PROTECT, Asc::PERSISTENT_WRITE_PROTECT) {
            return;
        }
        if let Some(suppressed) = self.retention_events.admit(request.now.mono.0) {
            let cause = host(device, request.nexus);
            self.shared.events.notify(self.subject_of(device, cause), Event::RetentionEnforced { suppressed });
        }
    }

    /// Sends the event of the mode pages that a reset has changed.
    pub(super) fn publish_reset(&self, device: &mut Device, before: &ModePagesBefore) {
        self.publish_mode_pages(&Cause::unit(), before, &mode_pages(device, None));
    }

    fn publish_mode_pages(&self, cause: &Cause, before: &ModePagesBefore, now: &[(PageId, Vec<u8>)]) {
        let changed = now.iter().zip(&before.0).filter(|(now, before)| now != before);
        let pages: Vec<String> = changed.map(|((id, _), _)| page_name(*id)).collect();
        if !pages.is_empty() {
            self.shared.events.notify(self.subject(cause.clone()), Event::ModeChanged { pages });
        }
    }

    /// Sends the events of the reservation, the encryption and the load state that have changed since the last call.
    pub(super) fn publish_settings(&self, device: &mut Device, cause: &Cause) {
        let now = Settings::of(device);
        let mut known = lock(&self.settings);
        if *known == now {
            return;
        }
        let before = std::mem::replace(&mut *known, now);
        let (reservation, encrypting, load) = (known.reservation.clone(), known.encrypting, known.load_event(&before));
        let begins_thawing = known.begins_thawing(&before);
        drop(known);
        let notify = |event| self.shared.events.notify(self.subject_of(device, cause.clone()), event);
        if reservation != before.reservation {
            notify(Event::ReservationChanged { reservation });
        }
        if encrypting != before.encrypting {
            notify(if encrypting { Event::EncryptionOn } else { Event::EncryptionOff });
        }
        if begins_thawing && let Device::Drive(drive) = &*device {
            notify(Event::TapeThawing { objects: drive.thawing().unwrap_or_default().objects });
        }
        load.into_iter().for_each(notify);
    }
}
