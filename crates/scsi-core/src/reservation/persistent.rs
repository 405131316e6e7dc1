//! Persistent reservations (SPC-4 §5.13): registrations of initiator ports, one reservation, and the service actions of
//! PERSISTENT RESERVE OUT.

use super::conflict::ConflictingReservation;
use crate::asc::Asc;
use crate::fault::Fault;
use crate::nexus::TransportId;
use crate::sense::Sense;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

named_values! {
    /// TYPE of a persistent reservation: the ports that may access the logical unit (SPC-4 §5.13).
    #[derive(Serialize, Deserialize)]
    pub struct ReservationType(u8);
    WRITE_EXCLUSIVE = 1, "Write Exclusive";
    EXCLUSIVE_ACCESS = 3, "Exclusive Access";
    WRITE_EXCLUSIVE_REGISTRANTS = 5, "Write Exclusive - Registrants Only";
    EXCLUSIVE_ACCESS_REGISTRANTS = 6, "Exclusive Access - Registrants Only";
    WRITE_EXCLUSIVE_ALL = 7, "Write Exclusive - All Registrants";
    EXCLUSIVE_ACCESS_ALL = 8, "Exclusive Access - All Registrants";
}

impl ReservationType {
    /// Returns whether the type is an exclusive access type, which also excludes reads.
    #[must_use]
    pub const fn is_exclusive_access(self) -> bool {
        matches!(self, Self::EXCLUSIVE_ACCESS | Self::EXCLUSIVE_ACCESS_REGISTRANTS | Self::EXCLUSIVE_ACCESS_ALL)
    }

    /// Returns whether every registered nexus has the rights of the holder.
    const fn is_for_registrants(self) -> bool {
        self.0 >= Self::WRITE_EXCLUSIVE_REGISTRANTS.0
    }

    /// Returns whether every registered nexus is a holder (all registrants types).
    #[must_use]
    pub const fn is_all_registrants(self) -> bool {
        matches!(self, Self::WRITE_EXCLUSIVE_ALL | Self::EXCLUSIVE_ACCESS_ALL)
    }
}

/// The registration of an initiator port for persistent reservations, with its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The TransportID of the initiator port.
    pub port: TransportId,
    /// RESERVATION KEY of the port, never zero.
    pub key: u64,
    /// The port registered with ALL_TG_PT=1. There is one target port, so this only changes the data of READ FULL
    /// STATUS.
    pub all_target_ports: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    kind: ReservationType,
    holder: TransportId,
}

/// A PERSISTENT RESERVE OUT command: its initiator port and the fields of its CDB and basic parameter list.
#[derive(Clone, Copy, Debug)]
pub struct ReserveOutParameters<'a> {
    /// The initiator port of the command.
    pub caller: &'a TransportId,
    /// RESERVATION KEY of the parameter list.
    pub key: u64,
    /// SERVICE ACTION RESERVATION KEY of the parameter list.
    pub action_key: u64,
    /// TYPE field of the CDB.
    pub kind: ReservationType,
    /// ALL_TG_PT bit of the parameter list.
    pub all_target_ports: bool,
    /// APTPL bit of the parameter list.
    pub aptpl: bool,
}

/// Effects of a service action on other I_T nexuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceActionEffects {
    /// Unit attentions to raise, with the initiator ports that get them.
    pub attentions: Vec<(TransportId, Asc)>,
    /// Ports, which can include the sender, whose registration PREEMPT has selected by its key, removed or not. PREEMPT
    /// AND ABORT also aborts their commands, except itself (SPC-4 §5.12.11.2.6).
    pub preempted_ports: Vec<TransportId>,
}

/// Registrations and reservation that survive power loss if a host set APTPL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedReservations {
    registrations: Vec<Registration>,
    reservation: Option<Reservation>,
}

/// All registrations and the persistent reservation of one logical unit.
#[derive(Clone, Debug, Default)]
pub struct PersistentReservations {
    generation: u32,
    aptpl: bool,
    registrations: Vec<Registration>,
    reservation: Option<Reservation>,
}

type Result<T = ServiceActionEffects> = core::result::Result<T, Fault>;

impl PersistentReservations {
    /// Maximum number of registrations; one more is ILLEGAL REQUEST 55h/04h.
    const CAPACITY: usize = 256;

    /// PRGENERATION: the number of changes since power-on, modulo 2^32.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The registrations, in the order of their creation.
    #[must_use]
    pub fn registrations(&self) -> &[Registration] {
        &self.registrations
    }

    /// Returns whether the registrations survive power loss (APTPL of the last registration).
    #[must_use]
    pub const fn aptpl(&self) -> bool {
        self.aptpl
    }

    /// TYPE and key of the reservation; the key is zero for all registrants types. `None` without a reservation.
    #[must_use]
    pub fn reservation(&self) -> Option<(ReservationType, u64)> {
        let reservation = self.reservation.as_ref()?;
        let key = if reservation.kind.is_all_registrants() { 0 } else { self.key_of(&reservation.holder)? };
        Some((reservation.kind, key))
    }

    /// Returns whether `port` holds the reservation.
    #[must_use]
    pub fn holds(&self, port: &TransportId) -> bool {
        self.reservation.as_ref().is_some_and(|reservation| match reservation.kind.is_all_registrants() {
            true => self.key_of(port).is_some(),
            false => reservation.holder == *port,
        })
    }

    /// The persistent reservation that restricts the commands of `port`; `None` is an unknown port.
    pub(super) fn conflicting_reservation(&self, port: Option<&TransportId>) -> ConflictingReservation {
        let Some(reservation) = &self.reservation else { return ConflictingReservation::NoConflict };
        let registered = port.is_some_and(|port| self.key_of(port).is_some());
        let free = port.is_some_and(|port| self.holds(port)) || (registered && reservation.kind.is_for_registrants());
        if free { ConflictingReservation::NoConflict } else { ConflictingReservation::Persistent(reservation.kind) }
    }

    /// REGISTER (`ignore` false) and REGISTER AND IGNORE EXISTING KEY. With SPEC_I_PT=1, `spec_i_pt` contains the ports
    /// of the TransportIDs in the parameter list, each with the offset of its TransportID.
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong key, ILLEGAL REQUEST 55h/04h if there are too many registrations, 26h/00h for
    /// SPEC_I_PT=1 by a registered port, or if it names a registered port (SPC-4 §5.13.7, table 67).
    pub fn register(
        &mut self,
        request: &ReserveOutParameters<'_>,
        ignore: bool,
        spec_i_pt: Option<&[(TransportId, u16)]>,
    ) -> Result {
        let existing = self.key_of(request.caller);
        if !ignore && existing.unwrap_or(0) != request.key {
            return Err(Fault::ReservationConflict);
        }
        if existing.is_some() && spec_i_pt.is_some() {
            return Err(Sense::invalid_field_in_list(20, Some(3)).into());
        }
        if existing.is_none() && request.action_key == 0 {
            return Ok(ServiceActionEffects::default());
        }
        let named_ports = spec_i_pt.unwrap_or_default();
        if let Some((_, offset)) = named_ports.iter().find(|(port, _)| self.key_of(port).is_some()) {
            return Err(Sense::invalid_field_in_list(*offset, None).into());
        }
        // A port may be named more than once.
        let mut ports: BTreeSet<_> = named_ports.iter().map(|(port, _)| port).collect();
        if existing.is_none() {
            ports.insert(request.caller);
        }
        if self.registrations.len() + ports.len() > Self::CAPACITY {
            return Err(Sense::illegal_request(Asc::INSUFFICIENT_REGISTRATION_RESOURCES).into());
        }
        self.generation = self.generation.wrapping_add(1);
        self.aptpl = request.aptpl;
        if request.action_key == 0 {
            return Ok(self.unregister(request.caller));
        }
        for port in std::iter::once(request.caller).chain(named_ports.iter().map(|(port, _)| port)) {
            self.set_key(port, request.action_key, request.all_target_ports);
        }
        Ok(ServiceActionEffects::default())
    }

    /// RESERVE: creates a persistent reservation. No effect if the port holds one of the same type.
    ///
    /// # Errors
    /// RESERVATION CONFLICT unless the port is registered with this key and there is no other reservation.
    pub fn reserve(&mut self, request: &ReserveOutParameters<'_>) -> Result {
        self.check_key(request)?;
        match &self.reservation {
            Some(reservation) if !self.holds(request.caller) || reservation.kind != request.kind => {
                Err(Fault::ReservationConflict)
            }
            Some(_) => Ok(ServiceActionEffects::default()),
            None => {
                self.reservation = Some(Reservation { kind: request.kind, holder: request.caller.clone() });
                Ok(ServiceActionEffects::default())
            }
        }
    }

    /// RELEASE: releases the persistent reservation. No effect if the port does not hold it.
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong key, ILLEGAL REQUEST 26h/04h if TYPE differs from that of the reservation.
    pub fn release(&mut self, request: &ReserveOutParameters<'_>) -> Result {
        self.check_key(request)?;
        let Some(reservation) = &self.reservation else { return Ok(ServiceActionEffects::default()) };
        if !self.holds(request.caller) {
            return Ok(ServiceActionEffects::default());
        }
        if reservation.kind != request.kind {
            return Err(Sense::illegal_request(Asc::INVALID_RELEASE_OF_PERSISTENT_RESERVATION).into());
        }
        Ok(self.drop_reservation(request.caller))
    }

    /// CLEAR: removes the reservation and all registrations.
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong key.
    pub fn clear(&mut self, request: &ReserveOutParameters<'_>) -> Result {
        self.check_key(request)?;
        self.generation = self.generation.wrapping_add(1);
        self.reservation = None;
        let attentions = self.others(request.caller, Asc::RESERVATIONS_PREEMPTED);
        self.registrations.clear();
        Ok(ServiceActionEffects { attentions, ..ServiceActionEffects::default() })
    }

    /// PREEMPT and PREEMPT AND ABORT, for which the caller also aborts the commands of
    /// [`ServiceActionEffects::preempted_ports`].
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong or an unregistered key, ILLEGAL REQUEST 26h/00h for an invalid key of zero.
    pub fn preempt(&mut self, request: &ReserveOutParameters<'_>) -> Result {
        self.check_key(request)?;
        let old = self.reservation.as_ref().map(|reservation| reservation.kind);
        let all = old.is_some_and(ReservationType::is_all_registrants);
        let takes_over = match self.reservation() {
            Some(_) if all => request.action_key == 0,
            Some((_, key)) => key == request.action_key,
            None => false,
        };
        if request.action_key == 0 && !takes_over {
            return Err(Sense::invalid_field_in_list(8, None).into());
        }
        let is_preempted = |entry: &Registration| (all && takes_over) || entry.key == request.action_key;
        if !takes_over && !self.registrations.iter().any(is_preempted) {
            return Err(Fault::ReservationConflict);
        }
        self.generation = self.generation.wrapping_add(1);
        // Without a reservation to take over, the sender can remove its own registration (SPC-4 §5.13.11.2.5).
        let is_removed = |entry: &Registration| is_preempted(entry) && !(takes_over && entry.port == *request.caller);
        let preempted = self.registrations.iter().filter(|entry| is_preempted(entry));
        let preempted_ports: Vec<_> = preempted.map(|entry| entry.port.clone()).collect();
        self.registrations.retain(|entry| !is_removed(entry));
        let others = preempted_ports.iter().filter(|port| **port != *request.caller);
        let mut attentions: Vec<_> = others.map(|port| (port.clone(), Asc::REGISTRATIONS_PREEMPTED)).collect();
        if takes_over {
            self.reservation = Some(Reservation { kind: request.kind, holder: request.caller.clone() });
            if old != Some(request.kind) {
                attentions.extend(self.others(request.caller, Asc::RESERVATIONS_RELEASED));
            }
        } else if self.registrations.is_empty() {
            // The last registration of an all registrants type (SPC-4 table 71).
            self.reservation = None;
        }
        Ok(ServiceActionEffects { attentions, preempted_ports })
    }

    /// REGISTER AND MOVE of the reservation to `port`; `unregister` (UNREG=1) removes the registration of the sender.
    ///
    /// # Errors
    /// RESERVATION CONFLICT unless the sender is the only holder of the reservation, ILLEGAL REQUEST 26h/00h for a key
    /// of zero or a move to the sender itself, 55h/04h if there are too many registrations.
    pub fn register_and_move(
        &mut self,
        request: &ReserveOutParameters<'_>,
        port: &TransportId,
        unregister: bool,
    ) -> Result {
        self.check_key(request)?;
        let Some(reservation) = &self.reservation else { return Err(Fault::ReservationConflict) };
        if reservation.holder != *request.caller || reservation.kind.is_all_registrants() {
            return Err(Fault::ReservationConflict);
        }
        if request.action_key == 0 {
            return Err(Sense::invalid_field_in_list(8, None).into());
        }
        if port == request.caller {
            return Err(Sense::invalid_field_in_list(24, None).into());
        }
        if self.key_of(port).is_none() && self.registrations.len() >= Self::CAPACITY {
            return Err(Sense::illegal_request(Asc::INSUFFICIENT_REGISTRATION_RESOURCES).into());
        }
        let kind = reservation.kind;
        self.generation = self.generation.wrapping_add(1);
        self.aptpl = request.aptpl;
        self.set_key(port, request.action_key, false);
        self.reservation = Some(Reservation { kind, holder: port.clone() });
        if unregister {
            self.registrations.retain(|entry| entry.port != *request.caller);
        }
        Ok(ServiceActionEffects::default())
    }

    /// The state that must survive power loss: empty unless APTPL is set.
    #[must_use]
    pub fn saved(&self) -> SavedReservations {
        if !self.aptpl {
            return SavedReservations::default();
        }
        SavedReservations { registrations: self.registrations.clone(), reservation: self.reservation.clone() }
    }

    /// The reservations after power-on, from their saved state.
    #[must_use]
    pub fn from_saved(saved: SavedReservations) -> Self {
        let aptpl = !saved.registrations.is_empty();
        Self { generation: 0, aptpl, registrations: saved.registrations, reservation: saved.reservation }
    }

    fn key_of(&self, port: &TransportId) -> Option<u64> {
        self.registrations.iter().find(|entry| entry.port == *port).map(|entry| entry.key)
    }

    fn check_key(&self, request: &ReserveOutParameters<'_>) -> Result<()> {
        let matches = self.key_of(request.caller) == Some(request.key);
        if matches { Ok(()) } else { Err(Fault::ReservationConflict) }
    }

    fn set_key(&mut self, port: &TransportId, key: u64, all_target_ports: bool) {
        match self.registrations.iter_mut().find(|entry| entry.port == *port) {
            Some(entry) => (entry.key, entry.all_target_ports) = (key, all_target_ports),
            None => self.registrations.push(Registration { port: port.clone(), key, all_target_ports }),
        }
    }

    fn unregister(&mut self, port: &TransportId) -> ServiceActionEffects {
        let is_last = self.registrations.len() == 1;
        let all = self.reservation.as_ref().is_some_and(|reservation| reservation.kind.is_all_registrants());
        let releases = self.holds(port) && (is_last || !all);
        self.registrations.retain(|entry| entry.port != *port);
        if releases { self.drop_reservation(port) } else { ServiceActionEffects::default() }
    }

    /// Removes the reservation. For a registrants type, raises UNIT ATTENTION 2Ah/04h for all other registered ports.
    fn drop_reservation(&mut self, by: &TransportId) -> ServiceActionEffects {
        let kind = self.reservation.take().map(|reservation| reservation.kind);
        let attentions = match kind {
            Some(kind) if kind.is_for_registrants() => self.others(by, Asc::RESERVATIONS_RELEASED),
            _ => Vec::new(),
        };
        ServiceActionEffects { attentions, ..ServiceActionEffects::default() }
    }

    fn others(&self, than: &TransportId, asc: Asc) -> Vec<(TransportId, Asc)> {
        self.registrations.iter().filter(|entry| entry.port != *than).map(|entry| (entry.port.clone(), asc)).collect()
    }
}

#[cfg(test)]
mod tests;
