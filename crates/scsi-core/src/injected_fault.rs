//! Injected faults: rules by which commands fail, although nothing is wrong.
//!
//! A [`FaultList`] is a list of [`FaultRule`]s. The list of a logical unit ([`crate::lu::Lu::faults`]) applies to commands
//! that passed the checks of [`crate::lu::Lu::admit`], before they run. The robot of a changer has a separate list for its
//! motions, which operators cause as well.

use crate::cdb::{Cdb, Opcode, ServiceAction};
use crate::fault::{Completion, Fault, Outcome};
use crate::lu::Lu;
use crate::nexus::NexusId;
use crate::sense::Sense;
use crate::status::Status;
use crate::target::Request;
use crate::time::Instant;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Most rules of a list.
pub const MAX_RULES: usize = 64;

/// What happens to the `nth` operation that a matcher selects, and to those after it, `count` in all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultRule<M = CommandMatcher, O = FaultOutcome> {
    /// The operations that the rule counts.
    pub matcher: M,
    /// Number of the first operation that fails, from 1; 0 is taken as 1.
    pub nth: u32,
    /// Number of operations that fail; a rule with 0 has no effect.
    pub count: u32,
    /// What happens to each command that the rule selects.
    pub outcome: O,
}

impl<M, O> FaultRule<M, O> {
    /// A rule for the next operation only.
    #[must_use]
    pub const fn once(matcher: M, outcome: O) -> Self {
        Self { matcher, nth: 1, count: 1, outcome }
    }

    /// The same rule, for the operation of this number, from 1, and those after it.
    #[must_use]
    pub fn with_nth(self, nth: u32) -> Self {
        Self { nth, ..self }
    }

    /// The same rule, for this number of operations.
    #[must_use]
    pub fn with_count(self, count: u32) -> Self {
        Self { count, ..self }
    }
}

/// The commands that a rule counts: those for which each given condition holds. The default is every command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandMatcher {
    /// OPERATION CODE of the command; any if `None`.
    pub opcode: Option<Opcode>,
    /// SERVICE ACTION, bits 4 to 0 of byte 1.
    pub service_action: Option<ServiceAction>,
    /// Bytes of the CDB: index 0 to 15, mask, and the value under the mask. An index from 16 on matches no command.
    pub cdb: Vec<(usize, u8, u8)>,
    /// The I_T nexus of the command.
    pub nexus: Option<NexusId>,
    /// Number of the next logical object in the current partition, before the command; no match without a threaded tape.
    pub position: Option<RangeInclusive<u64>>,
}

impl CommandMatcher {
    /// Every command with this OPERATION CODE.
    #[must_use]
    pub fn of_opcode(opcode: Opcode) -> Self {
        Self { opcode: Some(opcode), ..Self::default() }
    }

    /// The same commands, if they have this SERVICE ACTION in bits 4 to 0 of byte 1.
    #[must_use]
    pub fn with_service_action(self, action: ServiceAction) -> Self {
        Self { service_action: Some(action), ..self }
    }

    /// The same commands, if the byte of the CDB at this index, 0 to 15, has this value under the mask. Each call adds a
    /// condition.
    #[must_use]
    pub fn with_cdb_byte(mut self, index: usize, mask: u8, value: u8) -> Self {
        self.cdb.push((index, mask, value));
        self
    }

    /// The same commands, if they come through this I_T nexus.
    #[must_use]
    pub fn with_nexus(self, nexus: NexusId) -> Self {
        Self { nexus: Some(nexus), ..self }
    }

    /// The same commands, if the number of the next logical object before them is in this range.
    #[must_use]
    pub fn with_position(self, objects: RangeInclusive<u64>) -> Self {
        Self { position: Some(objects), ..self }
    }

    fn matches(&self, request: &Request<'_>, cdb: &Cdb, position: Option<u64>) -> bool {
        let has_byte = |(index, mask, value): &(usize, u8, u8)| {
            cdb.bytes().get(*index).is_some_and(|byte| byte & mask == value & mask)
        };
        self.opcode.is_none_or(|opcode| opcode == cdb.opcode())
            && self.service_action.is_none_or(|action| action == cdb.service_action())
            && self.nexus.is_none_or(|nexus| nexus == request.nexus)
            && self.cdb.iter().all(has_byte)
            && self.position.as_ref().is_none_or(|range| position.is_some_and(|object| range.contains(&object)))
    }
}

/// What happens to a command that a rule selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultOutcome {
    /// CHECK CONDITION with this sense; the command does not run.
    Sense(Sense),
    /// This status, without sense data; the command does not run.
    Status(Status),
    /// The command runs, and its response, whatever its status, is due this much later than without the rule
    /// ([`crate::fault::Completion::due`]).
    Delay(Duration),
    /// The command does not run, and the initiator gets no response ([`crate::fault::Completion::dropped`]).
    Drop,
}

/// Rules in the order in which they were added.
#[derive(Clone, Debug)]
pub struct FaultList<M = CommandMatcher, O = FaultOutcome>(Vec<FaultRule<M, O>>);

impl<M, O> Default for FaultList<M, O> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M, O: Clone> FaultList<M, O> {
    /// Adds a rule. Returns false if the list has [`MAX_RULES`] rules already.
    pub fn push(&mut self, rule: FaultRule<M, O>) -> bool {
        let has_room = self.0.len() < MAX_RULES;
        if has_room && rule.count > 0 {
            self.0.push(rule);
        }
        has_room
    }

    /// Returns whether the list has no rule that can still apply.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all rules from the list.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts an operation, and returns the outcome of the first rule that applies to it. Rules after that one do not count
    /// the operation. A rule is removed with its last outcome.
    pub fn take(&mut self, matches: impl Fn(&M) -> bool) -> Option<O> {
        let mut applies = |rule: &mut FaultRule<M, O>| {
            let is_counted = matches(&rule.matcher);
            let is_due = is_counted && rule.nth <= 1;
            if is_counted && !is_due {
                rule.nth -= 1;
            }
            is_due
        };
        let index = self.0.iter_mut().position(&mut applies)?;
        let rule = self.0.get_mut(index)?;
        rule.count = rule.count.saturating_sub(1);
        if rule.count > 0 { Some(rule.outcome.clone()) } else { Some(self.0.remove(index).outcome) }
    }
}

/// The effect of an injected fault on the completion of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Injected {
    /// The command ends with the sense or status of the rule.
    Ended,
    /// The status is due later, for a command that began at this time.
    Delayed { begin: Instant, delay: Duration },
    /// The initiator gets no response.
    Dropped,
}

impl Injected {
    pub(crate) fn apply(self, completion: &mut Completion) {
        completion.injected = true;
        match self {
            Self::Ended => {}
            Self::Delayed { begin, delay } => {
                completion.due = Some(completion.due.unwrap_or(begin).saturating_add(delay));
            }
            Self::Dropped => completion.dropped = true,
        }
    }
}

impl Lu {
    /// Applies the rule for an admitted command, if there is one.
    pub(crate) fn inject_fault(&mut self, request: &Request<'_>, cdb: &Cdb, position: Option<u64>) -> Outcome {
        let Some(outcome) = self.faults.take(|matcher| matcher.matches(request, cdb, position)) else { return Ok(()) };
        let (injected, outcome) = match outcome {
            FaultOutcome::Sense(sense) => (Injected::Ended, Err(sense.into())),
            FaultOutcome::Status(status) => (Injected::Ended, Err(Fault::Status(status))),
            FaultOutcome::Delay(delay) => (Injected::Delayed { begin: request.now.mono, delay }, Ok(())),
            FaultOutcome::Drop => (Injected::Dropped, Err(Fault::Busy)),
        };
        self.injected = Some(injected);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Now;

    fn rule(matcher: u8, nth: u32, count: u32, outcome: char) -> FaultRule<u8, char> {
        FaultRule { matcher, nth, count, outcome }
    }

    fn outcomes(list: &mut FaultList<u8, char>, operations: &[u8]) -> String {
        operations.iter().map(|operation| list.take(|matcher| matcher == operation).unwrap_or('.')).collect()
    }

    #[test]
    fn rules_count_their_operations() {
        let mut list = FaultList::default();
        for rule in [rule(1, 3, 2, 'a'), rule(2, 1, 1, 'b'), rule(2, 1, 1, 'c'), rule(9, 1, 0, 'x')] {
            assert!(list.push(rule));
        }
        assert_eq!(outcomes(&mut list, &[1, 2, 1, 1, 3, 2, 2, 1, 1]), ".b.a.c.a.");
        assert!(list.is_empty());
        assert_eq!((0..65).filter(|_| list.push(rule(1, 1, 1, 'a'))).count(), 64);
        list.clear();
        assert!(list.is_empty());
    }

    #[test]
    fn all_conditions_of_a_matcher_must_hold() {
        let cdb = [0x91, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0];
        let request = Request::new(NexusId(2), &cdb, Now::default());
        let matches = |matcher: &CommandMatcher| matcher.matches(&request, &Cdb::new(&cdb), Some(100));
        let any = CommandMatcher::default();
        assert!(matches(&any));
        for (opcode, action, byte, nexus, position, wanted) in [
            (0x91, 1, (14, 0x0f, 0xf5), 2, 100..=100, true),
            (0x11, 1, (14, 0x0f, 0xf5), 2, 100..=100, false),
            (0x91, 2, (14, 0x0f, 0xf5), 2, 100..=100, false),
            (0x91, 1, (14, 0x0f, 0x06), 2, 100..=100, false),
            (0x91, 1, (16, 0x00, 0x00), 2, 100..=100, false),
            (0x91, 1, (14, 0x0f, 0xf5), 1, 100..=100, false),
            (0x91, 1, (14, 0x0f, 0xf5), 2, 101..=200, false),
        ] {
            let matcher = CommandMatcher {
                opcode: Some(Opcode(opcode)),
                service_action: Some(ServiceAction(action)),
                cdb: vec![byte],
                nexus: Some(NexusId(nexus)),
                position: Some(position),
            };
            assert_eq!(matches(&matcher), wanted, "{matcher:?}");
        }
        let at_object = CommandMatcher { position: Some(0..=u64::MAX), ..any };
        assert!(!at_object.matches(&request, &Cdb::new(&cdb), None), "no tape");
    }
}
