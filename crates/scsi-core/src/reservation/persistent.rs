//! Persistent reservations (SPC-5 §5.14): registrations by initiator port, one reservation, eight service actions.

use super::conflict::ConflictingReservation;
use crate::asc::Asc;
use crate::fault::Fault;
use crate::nexus::TransportId;
use crate::sense::Sense;
use serde::{Deserialize, Serialize};

named_values! {
    /// TYPE of a persistent reservation.
    #[derive(Serialize, Deserialize)]
    pub struct Kind(u8);
    WRITE_EXCLUSIVE = 1, "Write Exclusive";
    EXCLUSIVE_ACCESS = 3, "Exclusive Access";
    WRITE_EXCLUSIVE_REGISTRANTS = 5, "Write Exclusive - Registrants Only";
    EXCLUSIVE_ACCESS_REGISTRANTS = 6, "Exclusive Access - Registrants Only";
    WRITE_EXCLUSIVE_ALL = 7, "Write Exclusive - All Registrants";
    EXCLUSIVE_ACCESS_ALL = 8, "Exclusive Access - All Registrants";
}

impl Kind {
    /// Reading is excluded too.
    #[must_use]
    pub const fn is_exclusive_access(self) -> bool {
        matches!(self, Self::EXCLUSIVE_ACCESS | Self::EXCLUSIVE_ACCESS_REGISTRANTS | Self::EXCLUSIVE_ACCESS_ALL)
    }

    /// Every registrant has the holder's rights.
    const fn is_for_registrants(self) -> bool {
        self.0 >= Self::WRITE_EXCLUSIVE_REGISTRANTS.0
    }

    /// Every registrant is a holder.
    #[must_use]
    pub const fn is_all_registrants(self) -> bool {
        matches!(self, Self::WRITE_EXCLUSIVE_ALL | Self::EXCLUSIVE_ACCESS_ALL)
    }
}

/// One registered initiator port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The port.
    pub port: TransportId,
    /// Its RESERVATION KEY, never zero.
    pub key: u64,
    /// It registered with ALL_TG_PT. There is one target port, so it changes only what READ FULL STATUS says.
    pub all_target_ports: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reservation {
    kind: Kind,
    holder: TransportId,
}

/// A PERSISTENT RESERVE OUT parameter list with the fields of the basic layout.
#[derive(Clone, Copy, Debug)]
pub struct ReserveOutParameters<'a> {
    /// The nexus that asks.
    pub caller: &'a TransportId,
    /// RESERVATION KEY.
    pub key: u64,
    /// SERVICE ACTION RESERVATION KEY.
    pub action_key: u64,
    /// TYPE of the CDB.
    pub kind: Kind,
    /// ALL_TG_PT.
    pub all_target_ports: bool,
    /// APTPL.
    pub aptpl: bool,
}

/// What others must hear of a service action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceActionEffects {
    /// Unit attentions to establish.
    pub attentions: Vec<(TransportId, Asc)>,
    /// Ports that lost their registration, whose commands PREEMPT AND ABORT ends.
    pub unregistered_ports: Vec<TransportId>,
}

/// What survives a loss of power, if a host asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedReservations {
    registrations: Vec<Registration>,
    reservation: Option<Reservation>,
}

/// All registrations and the reservation of one unit.
#[derive(Clone, Debug, Default)]
pub struct PersistentReservations {
    generation: u32,
    aptpl: bool,
    registrations: Vec<Registration>,
    reservation: Option<Reservation>,
}

type Result<T = ServiceActionEffects> = core::result::Result<T, Fault>;

impl PersistentReservations {
    /// Registrations one unit can hold; one more is 5/55/04.
    const CAPACITY: usize = 256;

    /// PRGENERATION.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The registrations, in the order they came.
    #[must_use]
    pub fn registrations(&self) -> &[Registration] {
        &self.registrations
    }

    /// Whether a host asked for persistence through power loss.
    #[must_use]
    pub const fn aptpl(&self) -> bool {
        self.aptpl
    }

    /// TYPE and key of the reservation; the key is zero for all-registrants types.
    #[must_use]
    pub fn reservation(&self) -> Option<(Kind, u64)> {
        let reservation = self.reservation.as_ref()?;
        let key = if reservation.kind.is_all_registrants() { 0 } else { self.key_of(&reservation.holder)? };
        Some((reservation.kind, key))
    }

    /// Whether `port` holds the reservation.
    #[must_use]
    pub fn holds(&self, port: &TransportId) -> bool {
        self.reservation.as_ref().is_some_and(|reservation| match reservation.kind.is_all_registrants() {
            true => self.key_of(port).is_some(),
            false => reservation.holder == *port,
        })
    }

    /// What the nexus of `port` finds.
    pub(super) fn conflicting_reservation(&self, port: Option<&TransportId>) -> ConflictingReservation {
        let Some(reservation) = &self.reservation else { return ConflictingReservation::NoConflict };
        let registered = port.is_some_and(|port| self.key_of(port).is_some());
        let free = port.is_some_and(|port| self.holds(port)) || (registered && reservation.kind.is_for_registrants());
        if free { ConflictingReservation::NoConflict } else { ConflictingReservation::Persistent(reservation.kind) }
    }

    /// REGISTER (`ignore` false) and REGISTER AND IGNORE EXISTING KEY. `also` are the ports of SPEC_I_PT.
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong key, 5/55/04 when the table is full, 5/26/00 for SPEC_I_PT by a registrant.
    pub fn register(&mut self, request: &ReserveOutParameters<'_>, ignore: bool, also: &[TransportId]) -> Result {
        let existing = self.key_of(request.caller);
        if !ignore && existing.unwrap_or(0) != request.key {
            return Err(Fault::ReservationConflict);
        }
        if existing.is_some() && !also.is_empty() {
            return Err(Sense::invalid_field_in_list(20, Some(3)).into());
        }
        if existing.is_none() && request.action_key == 0 {
            return Ok(ServiceActionEffects::default());
        }
        let newcomers =
            also.iter().filter(|port| self.key_of(port).is_none()).count() + usize::from(existing.is_none());
        if self.registrations.len() + newcomers > Self::CAPACITY {
            return Err(Sense::illegal_request(Asc::INSUFFICIENT_REGISTRATION_RESOURCES).into());
        }
        self.generation = self.generation.wrapping_add(1);
        self.aptpl = request.aptpl;
        if request.action_key == 0 {
            return Ok(self.unregister(request.caller));
        }
        for port in std::iter::once(request.caller).chain(also) {
            self.set_key(port, request.action_key, request.all_target_ports);
        }
        Ok(ServiceActionEffects::default())
    }

    /// RESERVE.
    ///
    /// # Errors
    /// RESERVATION CONFLICT unless the caller is registered with this key and no other reservation stands.
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

    /// RELEASE.
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong key, 5/26/04 if the holder names another type.
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

    /// CLEAR.
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong key.
    pub fn clear(&mut self, request: &ReserveOutParameters<'_>) -> Result {
        self.check_key(request)?;
        self.generation = self.generation.wrapping_add(1);
        self.reservation = None;
        let tell = self.others(request.caller, Asc::RESERVATIONS_PREEMPTED);
        self.registrations.clear();
        Ok(ServiceActionEffects { attentions: tell, ..ServiceActionEffects::default() })
    }

    /// PREEMPT; PREEMPT AND ABORT differs only in what the host does with [`ServiceActionEffects::unregistered_ports`].
    ///
    /// # Errors
    /// RESERVATION CONFLICT for a wrong key or a key that nobody has, 5/26/00 for key zero where it has no meaning.
    pub fn preempt(&mut self, request: &ReserveOutParameters<'_>) -> Result {
        self.check_key(request)?;
        let old = self.reservation.as_ref().map(|reservation| reservation.kind);
        let all = old.is_some_and(Kind::is_all_registrants);
        let takes_over = match self.reservation() {
            Some(_) if all => request.action_key == 0,
            Some((_, key)) => key == request.action_key,
            None => false,
        };
        if request.action_key == 0 && !takes_over {
            return Err(Sense::invalid_field_in_list(8, None).into());
        }
        let victim = |entry: &Registration| (all && takes_over) || entry.key == request.action_key;
        if !takes_over && !self.registrations.iter().any(victim) {
            return Err(Fault::ReservationConflict);
        }
        self.generation = self.generation.wrapping_add(1);
        let leaves = |entry: &Registration| victim(entry) && entry.port != *request.caller;
        let removed: Vec<_> =
            self.registrations.iter().filter(|entry| leaves(entry)).map(|entry| entry.port.clone()).collect();
        self.registrations.retain(|entry| !leaves(entry));
        let mut tell: Vec<_> = removed.iter().map(|port| (port.clone(), Asc::REGISTRATIONS_PREEMPTED)).collect();
        if takes_over {
            self.reservation = Some(Reservation { kind: request.kind, holder: request.caller.clone() });
            if old != Some(request.kind) {
                tell.extend(self.others(request.caller, Asc::RESERVATIONS_RELEASED));
            }
        }
        Ok(ServiceActionEffects { attentions: tell, unregistered_ports: removed })
    }

    /// REGISTER AND MOVE to `port`; with `unregister` the caller leaves.
    ///
    /// # Errors
    /// RESERVATION CONFLICT unless the caller alone holds the reservation, 5/26/00 for key zero or itself as the goal.
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

    /// What a loss of power must not take: nothing unless APTPL is set.
    #[must_use]
    pub fn saved(&self) -> SavedReservations {
        if !self.aptpl {
            return SavedReservations::default();
        }
        SavedReservations { registrations: self.registrations.clone(), reservation: self.reservation.clone() }
    }

    /// The state after power on.
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
        let alone = self.registrations.len() == 1;
        let all = self.reservation.as_ref().is_some_and(|reservation| reservation.kind.is_all_registrants());
        let releases = self.holds(port) && (alone || !all);
        self.registrations.retain(|entry| entry.port != *port);
        if releases { self.drop_reservation(port) } else { ServiceActionEffects::default() }
    }

    /// Releases; registrants of a registrants type hear of it.
    fn drop_reservation(&mut self, by: &TransportId) -> ServiceActionEffects {
        let kind = self.reservation.take().map(|reservation| reservation.kind);
        let tell = match kind {
            Some(kind) if kind.is_for_registrants() => self.others(by, Asc::RESERVATIONS_RELEASED),
            _ => Vec::new(),
        };
        ServiceActionEffects { attentions: tell, ..ServiceActionEffects::default() }
    }

    fn others(&self, than: &TransportId, asc: Asc) -> Vec<(TransportId, Asc)> {
        self.registrations.iter().filter(|entry| entry.port != *than).map(|entry| (entry.port.clone(), asc)).collect()
    }
}

#[cfg(test)]
mod tests;
