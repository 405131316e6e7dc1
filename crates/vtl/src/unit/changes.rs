//! Events of a unit: changes of its TapeAlert flags, mode pages, reservation and encryption.

use super::{Device, Unit};
use crate::control::flag_name;
use crate::events::{Cause, Event, ReservationStatus, Subject};
use crate::locks::lock;
use scsi_core::alert::AlertSet;
use scsi_core::cdb::Opcode;
use scsi_core::mode::PageId;
use scsi_core::nexus::NexusId;
use scsi_core::target::Request;

/// The settings of a unit that become events when they change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    reservation: Option<ReservationStatus>,
    encrypting: bool,
}

impl Settings {
    fn of(device: &mut Device) -> Self {
        let encrypting = matches!(device, Device::Drive(drive) if drive.is_encrypting());
        let lu = device.lu();
        let persistent = lu.reservations.persistent.reservation().map(|(kind, _)| ReservationStatus::Persistent {
            reservation_type: kind.0,
            holders: lu.reservation_holders().iter().map(|port| port.port_name()).collect(),
        });
        let legacy = lu.reservations.legacy.is_held().then_some(ReservationStatus::Reserve);
        Self { reservation: persistent.or(legacy), encrypting }
    }
}

/// The mode pages before a command that can change settings; none unless it is MODE SELECT.
pub(super) struct ModePagesBefore(Vec<(PageId, Vec<u8>)>);

impl ModePagesBefore {
    /// The pages before this command; `None` if the command changes no settings, as READ and WRITE.
    pub(super) fn command(device: &mut Device, request: &Request<'_>) -> Option<Self> {
        match Opcode(*request.cdb.first()?) {
            Opcode::MODE_SELECT_6 | Opcode::MODE_SELECT_10 => Some(Self(mode_pages(device, request.nexus))),
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
}

/// The mode pages with the values for a nexus.
fn mode_pages(device: &mut Device, nexus: NexusId) -> Vec<(PageId, Vec<u8>)> {
    let mode = &device.lu().mode;
    mode.defs().iter().map(|def| (def.id, mode.current_for(def.id, nexus).to_vec())).collect()
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
        let (library, unit) = (Some(self.id.library.clone()), Some(self.id.display_name()));
        Subject { cause, library, unit, barcode: None }
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
            let now = mode_pages(device, nexus);
            let changed = now.iter().zip(&before.0).filter(|(now, before)| now != before);
            let pages: Vec<String> = changed.map(|((id, _), _)| page_name(*id)).collect();
            if !pages.is_empty() {
                self.shared.events.notify(self.subject(cause.clone()), Event::ModeChanged { pages });
            }
        }
        self.publish_settings(device, &cause);
    }

    /// Sends the events of the reservation and the encryption that have changed since the last call.
    pub(super) fn publish_settings(&self, device: &mut Device, cause: &Cause) {
        let now = Settings::of(device);
        let mut known = lock(&self.settings);
        if *known == now {
            return;
        }
        let before = std::mem::replace(&mut *known, now);
        let (reservation, encrypting) = (known.reservation.clone(), known.encrypting);
        drop(known);
        let notify = |event| self.shared.events.notify(self.subject_of(device, cause.clone()), event);
        if reservation != before.reservation {
            notify(Event::ReservationChanged { reservation });
        }
        if encrypting != before.encrypting {
            notify(if encrypting { Event::EncryptionOn } else { Event::EncryptionOff });
        }
    }
}
