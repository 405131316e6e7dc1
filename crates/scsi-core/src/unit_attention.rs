//! Unit attentions, one queue per I_T nexus (SAM-5 §5.14).

use crate::asc::Asc;
use crate::nexus::NexusId;
use std::collections::BTreeMap;

/// Maximum number of unit attentions pending for one nexus. Each additional sense code is queued at most once, so more
/// are not needed.
const MAX_PENDING: usize = 32;

/// The pending unit attentions of a logical unit, one queue per I_T nexus.
#[derive(Clone, Debug, Default)]
pub struct UnitAttentions(BTreeMap<NexusId, Vec<Asc>>);

/// Order of report: resets first, then nexus loss, medium, reservations, parameters (IBM LTO SCSI reference, §4.1).
const fn precedence(asc: Asc) -> u8 {
    match asc {
        Asc::I_T_NEXUS_LOSS_OCCURRED => 1,
        _ => match asc.code() {
            0x29 => 0,
            0x28 => 2,
            0x2a if asc.qualifier() >= 3 => 3,
            0x2a => 4,
            0x3f => 5,
            _ => 6,
        },
    }
}

/// Returns whether `asc` reports a power-on, a reset or an I_T nexus loss (29h).
#[must_use]
pub const fn is_reset(asc: Asc) -> bool {
    asc.code() == 0x29
}

impl UnitAttentions {
    /// Adds an I_T nexus; unit attentions are queued for it from now on.
    pub fn add_nexus(&mut self, nexus: NexusId) {
        self.0.entry(nexus).or_default();
    }

    /// Removes an I_T nexus and its pending unit attentions.
    pub fn remove_nexus(&mut self, nexus: NexusId) {
        self.0.remove(&nexus);
    }

    /// Raises a unit attention for one I_T nexus. A reset replaces all that are pending; an unknown nexus is ignored.
    pub fn raise(&mut self, nexus: NexusId, asc: Asc) {
        let Some(queue) = self.0.get_mut(&nexus) else { return };
        if precedence(asc) == 0 {
            queue.clear();
        }
        if !queue.contains(&asc) && queue.len() < MAX_PENDING {
            let at = queue.partition_point(|other| precedence(*other) <= precedence(asc));
            queue.insert(at, asc);
        }
    }

    /// Raises a unit attention for every I_T nexus.
    pub fn raise_all(&mut self, asc: Asc) {
        self.raise_matching(asc, |_| true);
    }

    /// Raises a unit attention for every I_T nexus except `cause`.
    pub fn raise_others(&mut self, cause: NexusId, asc: Asc) {
        self.raise_matching(asc, |nexus| nexus != cause);
    }

    /// Raises a unit attention for each I_T nexus that `include` accepts.
    pub fn raise_matching(&mut self, asc: Asc, include: impl Fn(NexusId) -> bool) {
        let nexuses: Vec<NexusId> = self.0.keys().copied().filter(|nexus| include(*nexus)).collect();
        for nexus in nexuses {
            self.raise(nexus, asc);
        }
    }

    /// Removes and returns the first pending unit attention of `nexus` that `wanted` accepts.
    pub fn take(&mut self, nexus: NexusId, wanted: impl Fn(Asc) -> bool) -> Option<Asc> {
        let queue = self.0.get_mut(&nexus)?;
        let at = queue.iter().position(|asc| wanted(*asc))?;
        Some(queue.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NexusId = NexusId(1);
    const B: NexusId = NexusId(2);

    #[test]
    fn attentions_are_ordered_and_not_duplicated() {
        let mut ua = UnitAttentions::default();
        ua.add_nexus(A);
        ua.raise(A, Asc(0x2a01));
        ua.raise(A, Asc(0x2800));
        ua.raise(A, Asc(0x2a01));
        assert_eq!(ua.take(A, |_| true), Some(Asc(0x2800)));
        assert_eq!(ua.take(A, |_| true), Some(Asc(0x2a01)));
        assert_eq!(ua.take(A, |_| true), None);
    }

    #[test]
    fn reset_clears_pending_and_unknown_nexus_gets_none() {
        let mut ua = UnitAttentions::default();
        ua.add_nexus(A);
        ua.raise(A, Asc(0x2800));
        ua.raise_all(Asc(0x2903));
        ua.raise(A, Asc(0x2800));
        ua.raise(B, Asc(0x2800));
        assert_eq!(ua.take(A, is_reset), Some(Asc(0x2903)));
        assert_eq!(ua.take(A, is_reset), None);
        assert_eq!(ua.take(A, |_| true), Some(Asc(0x2800)));
        assert_eq!(ua.take(B, |_| true), None);
    }
}
