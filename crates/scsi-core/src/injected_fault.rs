//! Injected faults: rules by which commands fail, although nothing is wrong.
//!
//! A [`FaultList`] is a list of [`FaultRule`]s. The list of a logical unit ([`crate::lu::Lu::faults`]) applies to commands
//! that passed the checks of [`crate::lu::Lu::admit`], before they run. The robot of a changer has a separate list for its
//! motions, which operators cause as well.
//!
//! A [`FaultCounter`] counts for several lists: rules of several units that share one fail as one rule of all of them.

mod counter;
mod run;

pub use counter::{FaultCounter, FaultCounts, Probability};
pub(crate) use run::run;

use crate::cdb::{Cdb, Opcode, ServiceAction};
use crate::fault::{Completion, FaultEvent};
use crate::nexus::NexusId;
use crate::sense::Sense;
use crate::status::Status;
use crate::target::Request;
use crate::template;
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
    /// TapeAlert flags, 1 to 64, that the device raises whenever an operation fails by this rule.
    pub alerts: Vec<u8>,
    /// Monotonic time before which the rule counts no operation; `None`: from now on.
    pub not_before: Option<Instant>,
    /// The rule counts operations only after the commands that its matcher selects, at whatever position, have transferred
    /// this many bytes since the rule was added. Always 0 for rules of a robot.
    pub after_bytes: u64,
    /// Which of the operations from the `nth` one on fail; `None`: each.
    pub probability: Option<Probability>,
    /// Counts the operations; `None`: a counter of this rule alone.
    pub counter: Option<FaultCounter>,
}

impl<M, O> FaultRule<M, O> {
    /// A rule for the next operation only.
    #[must_use]
    pub const fn once(matcher: M, outcome: O) -> Self {
        Self {
            matcher,
            nth: 1,
            count: 1,
            outcome,
            alerts: Vec::new(),
            not_before: None,
            after_bytes: 0,
            probability: None,
            counter: None,
        }
    }

    /// The same rule, which also raises these TapeAlert flags, 1 to 64.
    #[must_use]
    pub fn with_alerts(self, alerts: Vec<u8>) -> Self {
        Self { alerts, ..self }
    }

    /// The same rule, which counts no operation before this monotonic time.
    #[must_use]
    pub fn with_not_before(self, time: Instant) -> Self {
        Self { not_before: Some(time), ..self }
    }

    /// The same rule, after this many bytes; see [`Self::after_bytes`].
    #[must_use]
    pub fn with_after_bytes(self, bytes: u64) -> Self {
        Self { after_bytes: bytes, ..self }
    }

    /// The same rule, for some of its operations.
    #[must_use]
    pub fn with_probability(self, probability: Probability) -> Self {
        Self { probability: Some(probability), ..self }
    }

    /// The same rule, which counts together with the other rules that have this counter.
    #[must_use]
    pub fn with_counter(self, counter: FaultCounter) -> Self {
        Self { counter: Some(counter), ..self }
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
    /// Names of commands in the table of the device, such as `"READ(6)"`; any if empty.
    pub names: Vec<&'static str>,
    /// Template of the barcode of the cartridge in the drive, with `*` and `?`; no match if there is no cartridge.
    pub volume: Option<String>,
    /// The position, before the command, is before early warning by at most this many bytes; no match without a threaded
    /// tape.
    pub before_early_warning: Option<u64>,
    /// Template of the name of the initiator, with `*` and `?`.
    pub initiator: Option<String>,
    /// Only commands of an I_T nexus whose read blocks carry protection information (LBP_R=1, SSC-4 §8.3.9).
    pub protects_reads: bool,
}

/// The facts of a command that a matcher compares.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) cdb: &'a Cdb,
    pub(crate) name: &'static str,
    pub(crate) position: Option<u64>,
    pub(crate) volume: Option<&'a str>,
    pub(crate) before_early_warning: Option<u64>,
    pub(crate) initiator: Option<&'a str>,
    pub(crate) protects_reads: bool,
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

    /// The same commands, if the table of the device has one of these names for them.
    #[must_use]
    pub fn with_names(self, names: Vec<&'static str>) -> Self {
        Self { names, ..self }
    }

    /// The same commands, if the barcode of the cartridge in the drive matches this template, with `*` and `?`.
    #[must_use]
    pub fn with_volume(self, template: impl Into<String>) -> Self {
        Self { volume: Some(template.into()), ..self }
    }

    /// The same commands, if the position is before early warning by at most this many bytes.
    #[must_use]
    pub fn with_bytes_before_early_warning(self, bytes: u64) -> Self {
        Self { before_early_warning: Some(bytes), ..self }
    }

    /// The same commands, if the name of their initiator matches this template, with `*` and `?`.
    #[must_use]
    pub fn with_initiator(self, template: impl Into<String>) -> Self {
        Self { initiator: Some(template.into()), ..self }
    }

    /// The same commands, if the blocks that they read carry protection information; see [`Self::protects_reads`].
    #[must_use]
    pub fn with_protected_reads(self) -> Self {
        Self { protects_reads: true, ..self }
    }

    fn matches(&self, subject: Subject<'_>) -> bool {
        let is_near = |bytes: u64| subject.before_early_warning.is_some_and(|left| left > 0 && left <= bytes);
        let in_range = |range: &RangeInclusive<u64>| subject.position.is_some_and(|object| range.contains(&object));
        self.position.as_ref().is_none_or(in_range)
            && self.before_early_warning.is_none_or(is_near)
            && self.matches_anywhere(subject)
    }

    /// Whether all conditions but the position hold.
    fn matches_anywhere(&self, subject: Subject<'_>) -> bool {
        let Subject { request, cdb, name, volume, initiator, .. } = subject;
        let has_byte = |(index, mask, value): &(usize, u8, u8)| {
            cdb.bytes().get(*index).is_some_and(|byte| byte & mask == value & mask)
        };
        let fits = |wanted: &String, text: Option<&str>| text.is_some_and(|text| template::matches(wanted, text));
        self.opcode.is_none_or(|opcode| opcode == cdb.opcode())
            && self.service_action.is_none_or(|action| action == cdb.service_action())
            && self.nexus.is_none_or(|nexus| nexus == request.nexus)
            && self.cdb.iter().all(has_byte)
            && (self.names.is_empty() || self.names.contains(&name))
            && self.volume.as_ref().is_none_or(|wanted| fits(wanted, volume))
            && self.initiator.as_ref().is_none_or(|wanted| fits(wanted, initiator))
            && (!self.protects_reads || subject.protects_reads)
    }
}

/// What happens to a command that a rule selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultOutcome {
    /// CHECK CONDITION with this sense; the command does not run.
    Sense(Sense),
    /// As [`Self::Sense`], with the effects of a real failure of the device: TapeAlert flags, counters, diagnostic data, and
    /// the INFORMATION of the sense.
    Failure(Sense),
    /// The command runs. If it would end with GOOD, it ends with CHECK CONDITION and this sense, as for a recovered error:
    /// its data is transferred.
    SenseAfter(Sense),
    /// This status, without sense data; the command does not run.
    Status(Status),
    /// The command runs, and its response, whatever its status, is due this much later than without the rule
    /// ([`crate::fault::Completion::due`]).
    Delay(Duration),
    /// The command runs, and its response is due after the time that its data takes at this rate, in bytes per second.
    Slow(u64),
    /// The command runs, and takes this many thousandths of the time that hardware would take, if the device models that.
    SlowBy(u32),
    /// The command runs. If it ends with GOOD and has returned data, the last byte of that is inverted: with
    /// [`CommandMatcher::protects_reads`], a byte of the CRC of the last block.
    WrongCrc,
    /// The command runs, unless the power is lost, and this happens. Without session or power, the initiator gets no response.
    Event(FaultEvent),
    /// The command does not run, and the initiator gets no response ([`crate::fault::Completion::dropped`]).
    Drop,
    /// The command runs, and the initiator gets no response.
    DropResponse,
    /// The filemark at the end of data of the loaded tape is lost, and the command ends with this sense, as by
    /// [`Self::Failure`]. Without such a filemark, nothing is lost and the command runs.
    LoseFilemark(Sense),
}

/// A rule in a list.
#[derive(Clone, Debug)]
struct Entry<M, O> {
    rule: FaultRule<M, O>,
    counter: FaultCounter,
}

impl<M, O> Entry<M, O> {
    fn is_finished(&self) -> bool {
        self.counter.is_finished(self.rule.count)
    }

    /// Counts an operation. Returns whether it fails by this rule.
    fn applies(&self, now: Instant, matches: impl Fn(&M) -> bool) -> bool {
        let rule = &self.rule;
        rule.not_before.is_none_or(|from| from <= now)
            && matches(&rule.matcher)
            && self.counter.bytes() >= rule.after_bytes
            && self.counter.take(rule.nth, rule.count, rule.probability)
    }
}

/// The effect of a rule on an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FiredFault<O> {
    /// The outcome of the rule.
    pub outcome: O,
    /// TapeAlert flags, 1 to 64, that the device raises.
    pub alerts: Vec<u8>,
}

/// Rules in the order in which they were added.
#[derive(Clone, Debug)]
pub struct FaultList<M = CommandMatcher, O = FaultOutcome>(Vec<Entry<M, O>>);

impl<M, O> Default for FaultList<M, O> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<M, O: Clone> FaultList<M, O> {
    /// Adds a rule. Returns false if the list has [`MAX_RULES`] rules already.
    pub fn push(&mut self, rule: FaultRule<M, O>) -> bool {
        self.0.retain(|entry| !entry.is_finished());
        let has_room = self.0.len() < MAX_RULES;
        if has_room && rule.count > 0 {
            let counter = rule.counter.clone().unwrap_or_default();
            self.0.push(Entry { rule, counter });
        }
        has_room
    }

    /// Number of rules that can be added.
    #[must_use]
    pub fn free(&self) -> usize {
        MAX_RULES.saturating_sub(self.0.iter().filter(|entry| !entry.is_finished()).count())
    }

    /// Returns whether the list has no rule.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all rules from the list.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts an operation, and returns what the first rule that applies does to it. Rules after that one do not count the
    /// operation. A rule is removed with its last outcome, and when its [`FaultCounter`] was cleared.
    pub fn take(&mut self, now: Instant, matches: impl Fn(&M) -> bool) -> Option<FiredFault<O>> {
        self.0.retain(|entry| !entry.is_finished());
        let entry = self.0.iter().find(|entry| entry.applies(now, &matches))?;
        let fired = FiredFault { outcome: entry.rule.outcome.clone(), alerts: entry.rule.alerts.clone() };
        self.0.retain(|entry| !entry.is_finished());
        Some(fired)
    }

    /// Counts bytes that an operation transferred, for [`FaultRule::after_bytes`].
    pub(crate) fn add_bytes(&self, bytes: u64, matches: impl Fn(&M) -> bool) {
        self.0.iter().filter(|entry| matches(&entry.rule.matcher)).for_each(|entry| entry.counter.add_bytes(bytes));
    }
}

impl FaultList {
    /// Whether a rule needs the distance to early warning.
    pub(crate) fn measures_early_warning(&self) -> bool {
        self.0.iter().any(|entry| entry.rule.matcher.before_early_warning.is_some())
    }
}

/// The effect of an injected fault on the completion of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Injected {
    /// The command ends with the sense, status, data or modelled time of the rule.
    Ended,
    /// The status is due later, for a command that began at this time.
    Delayed { begin: Instant, delay: Duration },
    /// The initiator gets no response.
    Dropped,
    /// More than the command is lost.
    Event(FaultEvent),
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
            Self::Event(event) => {
                completion.dropped = !matches!(event, FaultEvent::CutLink(_));
                completion.event = Some(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Now;

    fn rule(matcher: u8, nth: u32, count: u32, outcome: char) -> FaultRule<u8, char> {
        FaultRule::once(matcher, outcome).with_nth(nth).with_count(count)
    }

    fn outcomes(list: &mut FaultList<u8, char>, operations: &[u8]) -> String {
        let mut take = |operation| list.take(Instant(1), |matcher| matcher == operation).map(|fired| fired.outcome);
        operations.iter().map(|operation| take(operation).unwrap_or('.')).collect()
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
        let cdb = Cdb::new(&cdb);
        let subject = Subject {
            request: &request,
            cdb: &cdb,
            name: "SPACE(16)",
            position: Some(100),
            volume: Some("V001L8"),
            before_early_warning: Some(512),
            initiator: Some("iqn.2026-01.org.example:host1"),
            protects_reads: false,
        };
        let matches = |matcher: &CommandMatcher| matcher.matches(subject);
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
                ..CommandMatcher::default()
            };
            assert_eq!(matches(&matcher), wanted, "{matcher:?}");
        }
        let at_object = CommandMatcher { position: Some(0..=u64::MAX), ..any };
        assert!(!at_object.matches(Subject { position: None, ..subject }), "no tape");
        let named = |name| CommandMatcher::default().with_names(vec!["REWIND", name]);
        assert!(matches(&named("SPACE(16)")) && !matches(&named("SPACE(6)")));
        let of_volume = |template: &str| CommandMatcher::default().with_volume(template);
        assert!(matches(&of_volume("V*L8")) && !matches(&of_volume("W*")));
        let near = |bytes| CommandMatcher::default().with_bytes_before_early_warning(bytes);
        assert!(matches(&near(512)) && !matches(&near(511)));
        assert!(!near(512).matches(Subject { before_early_warning: Some(0), ..subject }), "behind early warning");
        let of_initiator = |template: &str| CommandMatcher::default().with_initiator(template);
        assert!(matches(&of_initiator("iqn.*:host1")) && !matches(&of_initiator("iqn.*:host2")));
        let protected = CommandMatcher::default().with_protected_reads();
        assert!(!matches(&protected) && protected.matches(Subject { protects_reads: true, ..subject }));
        assert!(!of_volume("*").matches(Subject { volume: None, ..subject }), "no cartridge");
    }

    #[test]
    fn rules_of_several_units_share_a_counter() {
        let counter = FaultCounter::default();
        let mut lists = [FaultList::default(), FaultList::default()];
        for list in &mut lists {
            assert!(list.push(rule(1, 2, 2, 'a').with_counter(counter.clone())));
        }
        let [first, second] = &mut lists;
        assert_eq!(outcomes(first, &[1]) + &outcomes(second, &[1, 2]) + &outcomes(first, &[1, 1]), ".a.a.");
        assert_eq!((counter.counts(), second.free()), (FaultCounts { matched: 3, fired: 2 }, MAX_RULES));
        assert_eq!(outcomes(second, &[1]), ".");
        assert!(first.is_empty() && second.is_empty());
        assert!(first.push(rule(1, 1, 2, 'b').with_counter(FaultCounter::default())));
        let cleared = FaultCounter::default();
        assert!(first.push(rule(2, 1, 9, 'c').with_counter(cleared.clone())));
        assert_eq!(outcomes(first, &[2, 1]), "cb");
        cleared.clear();
        assert_eq!(outcomes(first, &[2, 1, 1]), ".b.");
    }

    #[test]
    fn rules_wait_for_time_bytes_and_chance() {
        let mut list = FaultList::default();
        assert!(list.push(rule(1, 1, 9, 'a').with_not_before(Instant(2)).with_after_bytes(1000)));
        let mut take = |now, bytes| {
            list.add_bytes(bytes, |matcher| *matcher == 1);
            list.take(Instant(now), |matcher| *matcher == 1).is_some()
        };
        assert_eq!([take(2, 999), take(1, 1), take(2, 0)], [false, false, true]);
        let drawn = |seed| {
            let mut list = FaultList::default();
            let probability = Probability::new(0.25, seed).unwrap();
            assert!(list.push(rule(1, 1, u32::MAX, 'x').with_probability(probability)));
            outcomes(&mut list, &[1; 1000])
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert!((200..300).contains(&drawn(7).matches('x').count()), "{}", drawn(7));
        assert_eq!([Probability::new(1.5, 0), Probability::new(f64::NAN, 0)], [None, None]);
    }
}
