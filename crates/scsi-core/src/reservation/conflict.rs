//! Reservation conflicts: SPC-4 table 65, and those of SSC-4 and SMC-3, as one function of the command's [`Access`].

use super::persistent::ReservationType;
use crate::cdb::Cdb;
use crate::command_spec::Access;

/// The reservation that restricts the commands of an I_T nexus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictingReservation {
    /// None: there is no reservation, the nexus holds it, or it is one for registrants and the nexus is registered.
    NoConflict,
    /// RESERVE(6) or (10) by another I_T nexus.
    Legacy,
    /// A persistent reservation of this type whose rights the nexus does not have.
    Persistent(ReservationType),
}

pub(super) fn conflicts(access: Access, cdb: &Cdb, holder: ConflictingReservation, persistent_in_use: bool) -> bool {
    if matches!(access, Access::Reserve)
        || (matches!(access, Access::Release) && holder != ConflictingReservation::Legacy)
    {
        return persistent_in_use || holder == ConflictingReservation::Legacy;
    }
    let moves = || match access {
        Access::Prevent => cdb.bytes()[4] & 0x03 != 0,
        Access::ElementStatus => cdb.bytes()[6] & 0x02 == 0,
        _ => true,
    };
    match (holder, access) {
        (ConflictingReservation::NoConflict, _) | (_, Access::Always | Access::Release) => false,
        (_, Access::Prevent | Access::ElementStatus) => moves(),
        (ConflictingReservation::Legacy, _) | (ConflictingReservation::Persistent(_), Access::Write) => true,
        (ConflictingReservation::Persistent(kind), Access::Read) => kind.is_exclusive_access(),
        (
            ConflictingReservation::Persistent(_),
            Access::Status | Access::PersistentReserveIn | Access::PersistentReserveOut | Access::Reserve,
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of the table: RESERVE by another nexus, write exclusive, exclusive access. C conflicts, A is allowed.
    #[test]
    fn commands_conflict_as_in_the_spc_table() {
        let plain = Cdb::new(&[0; 6]);
        let prevent = Cdb::new(&[0x1e, 0, 0, 0, 1, 0]);
        let current = Cdb::new(&[0xb8, 0, 0, 0, 0, 0, 2]);
        let rows = [
            (Access::Always, &plain, "AAA"),
            (Access::Status, &plain, "CAA"),
            (Access::Read, &plain, "CAC"),
            (Access::Write, &plain, "CCC"),
            (Access::PersistentReserveIn, &plain, "CAA"),
            (Access::PersistentReserveOut, &plain, "CAA"),
            (Access::Reserve, &plain, "CCC"),
            (Access::Release, &plain, "ACC"),
            (Access::Prevent, &plain, "AAA"),
            (Access::Prevent, &prevent, "CCC"),
            (Access::ElementStatus, &plain, "CCC"),
            (Access::ElementStatus, &current, "AAA"),
        ];
        let holders = [
            (ConflictingReservation::Legacy, false),
            (ConflictingReservation::Persistent(ReservationType::WRITE_EXCLUSIVE), true),
            (ConflictingReservation::Persistent(ReservationType::EXCLUSIVE_ACCESS), true),
        ];
        for (access, cdb, expected) in rows {
            let result: String = holders
                .iter()
                .map(|(holder, in_use)| if conflicts(access, cdb, *holder, *in_use) { 'C' } else { 'A' })
                .collect();
            assert_eq!(result, expected, "{access:?} {cdb:?}");
            let free = conflicts(access, cdb, ConflictingReservation::NoConflict, false);
            assert!(!free, "{access:?}");
        }
    }
}
