//! Events that need a person, with their acknowledgements by operators. They are kept until the daemon ends.

use crate::control::ControlError;
use crate::events::{Cause, Event, EventLevel, EventPosition, EventRecord, Subject};
use crate::locks::lock;
use crate::site::Site;
use audit::Actor;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Mutex;

/// Most alarms that are kept. Of more, an acknowledged one goes first, then one of the level `warn`, then the oldest.
const MAX_ALARMS: usize = 1000;

/// An event of the level `warn` or `error`: an item of the response to `alarms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The event, as its subscribers got it.
    pub record: EventRecord,
    /// The acknowledgement; `None` while an operator has not acknowledged the alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
}

/// The acknowledgement of an alarm by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Name of the user or token.
    pub by: String,
    /// Time in milliseconds since 1970.
    pub at: u64,
}

/// The alarms that a request has acknowledged: response to `acknowledge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgedAlarms {
    /// Numbers of the events that were not acknowledged before.
    pub acknowledged: Vec<u64>,
}

/// The alarms of a site since its start.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<VecDeque<Alarm>>);

impl Alarms {
    /// Keeps an event if it needs a person.
    pub(crate) fn add(&self, record: &EventRecord) {
        if record.event.level() < EventLevel::Warn {
            return;
        }
        let mut alarms = lock(&self.0);
        alarms.push_back(Alarm { record: record.clone(), acknowledged: None });
        if alarms.len() > MAX_ALARMS {
            let acknowledged = alarms.iter().position(|alarm| alarm.acknowledged.is_some());
            let least = || alarms.iter().position(|alarm| alarm.record.event.level() < EventLevel::Error);
            let removed = acknowledged.or_else(least).unwrap_or(0);
            alarms.remove(removed);
        }
    }

    fn list(&self) -> Vec<Alarm> {
        lock(&self.0).iter().cloned().collect()
    }

    /// Acknowledges all alarms of a list, or none if one of them does not exist. Returns the numbers of the events that were not acknowledged before.
    fn acknowledge(&self, positions: &[EventPosition], given: &Acknowledgement) -> Result<Vec<u64>, ControlError> {
        let mut alarms = lock(&self.0);
        let is_meant = |alarm: &Alarm, position: &EventPosition| {
            alarm.record.seq == position.seq && (position.start.is_empty() || position.start == alarm.record.start)
        };
        if let Some(unknown) = positions.iter().find(|position| !alarms.iter().any(|alarm| is_meant(alarm, position))) {
            let message = format!("there is no alarm {}; ferric alarm list shows the present ones", unknown.seq);
            return Err(ControlError::not_found(message).with_member("events"));
        }
        let mut new = Vec::new();
        for alarm in alarms.iter_mut().filter(|alarm| alarm.acknowledged.is_none()) {
            if positions.iter().any(|position| is_meant(alarm, position)) {
                alarm.acknowledged = Some(given.clone());
                new.push(alarm.record.seq);
            }
        }
        Ok(new)
    }
}

impl Site {
    /// The events of the levels `warn` and `error` since the start of the daemon, oldest first, at most 1,000.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.shared.events.alarms().list()
    }

    /// Acknowledges alarms, which are named by `SEQ` or `START/SEQ`.
    pub(crate) fn acknowledge(&self, actor: &Actor, events: &[String]) -> Result<AcknowledgedAlarms, ControlError> {
        let position = |text: &String| {
            text.parse::<EventPosition>().map_err(|_| {
                let message = format!("{text:?} is not the number of an event, such as 12 or 5f1c0d2e3a4b5c6d/12");
                ControlError::invalid(message).with_member("events")
            })
        };
        let positions = events.iter().map(position).collect::<Result<Vec<_>, _>>()?;
        if positions.is_empty() {
            return Err(ControlError::invalid("events is empty; expected numbers of events").with_member("events"));
        }
        let by = name_of(actor);
        let given = Acknowledgement { by: by.clone(), at: self.clock().now().wall.0 };
        let acknowledged = self.shared.events.alarms().acknowledge(&positions, &given)?;
        if !acknowledged.is_empty() {
            let event = Event::Acknowledged { events: acknowledged.clone(), by };
            self.shared.events.notify(Subject::new(Cause::operator()), event);
        }
        Ok(AcknowledgedAlarms { acknowledged })
    }
}

/// The name of an actor, or its kind if it has no name, such as `http client`.
fn name_of(actor: &Actor) -> String {
    if !actor.name.is_empty() {
        return actor.name.clone();
    }
    let kind = serde_json::to_value(actor.kind).unwrap_or_default();
    kind.as_str().unwrap_or_default().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Library;
    use crate::control::{ControlRequest, ControlResponse, ErrorCode};
    use audit::ActorKind;

    #[test]
    fn alarms_are_acknowledged_once_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let builder = Library::builder().slots(2).drives("ULT3580-TD8", 1).cartridges("A#L8", 1, "64MB");
        let site = builder.data_dir(directory.path()).open().unwrap();
        assert_eq!(site.alarms(), []);
        let raise = |flag| ControlRequest::Alert { library: None, drive: Some("drive1".into()), flag, raised: true };
        [3, 4].iter().for_each(|flag| drop(site.control(&raise(*flag)).unwrap()));
        let alarms = site.alarms();
        let [first, second] =
            alarms.iter().map(|alarm| alarm.record.seq.to_string()).collect::<Vec<_>>().try_into().unwrap();
        let mut events = site.subscribe();
        let actor = Actor::new(ActorKind::Token, "operator");
        let acknowledge = |events: &[&String]| {
            let events = events.iter().map(|text| (*text).clone()).collect();
            match site.control_as(&actor, &ControlRequest::Acknowledge { events }) {
                Ok(ControlResponse::Acknowledge(done)) => Ok(done.acknowledged),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.code),
            }
        };
        // One unknown alarm: none is acknowledged.
        assert_eq!(acknowledge(&[&first, &"999".into()]), Err(ErrorCode::NotFound));
        assert_eq!(acknowledge(&[&format!("other/{first}")]), Err(ErrorCode::NotFound));
        assert_eq!(acknowledge(&[&"x".into()]), Err(ErrorCode::Invalid));
        assert_eq!(acknowledge(&[]), Err(ErrorCode::Invalid));
        assert_eq!(acknowledge(&[&first]), Ok(vec![alarms[0].record.seq]));
        // The first acknowledgement stays.
        let other = ControlRequest::Acknowledge { events: vec![first, second] };
        site.control_as(&Actor::new(ActorKind::User, "root"), &other).unwrap();
        let by = |alarm: &Alarm| alarm.acknowledged.as_ref().unwrap().by.clone();
        assert_eq!(site.alarms().iter().map(by).collect::<Vec<_>>(), ["operator", "root"]);
        let sent: Vec<_> = events.try_iter().map(|record| record.event.clone()).collect();
        let [one, two] = [0, 1].map(|index| alarms[index].record.seq);
        assert_eq!(
            sent,
            [
                Event::Acknowledged { events: vec![one], by: "operator".into() },
                Event::Acknowledged { events: vec![two], by: "root".into() },
            ]
        );
        let records = site.audit.read(&audit::Filter::default(), 1000).unwrap();
        let records: Vec<_> = records.iter().filter(|record| record.entry.action == "acknowledge").collect();
        assert_eq!((records.len(), &*records[5].entry.actor.name, &*records[4].entry.result), (6, "root", "done"));
    }

    /// Refused logins, which every program on the network can cause, do not remove the alarm about lost data.
    #[test]
    fn warnings_go_before_errors() {
        let alarms = Alarms::default();
        let add = |seq, event| alarms.add(&Subject::new(Cause::unit()).into_record("s".into(), seq, 0, event));
        let warning = || Event::AlertRaised { flag: 3, name: String::new() };
        let seqs = || alarms.list().iter().map(|alarm| alarm.record.seq).collect::<Vec<_>>();
        add(1, Event::Damaged { reason: String::new() });
        add(2, Event::UnitRecovered);
        (3..=1201).for_each(|seq| add(seq, warning()));
        assert_eq!((seqs().len(), &seqs()[..3], seqs().last()), (1000, &[1, 203, 204][..], Some(&1201)));
        // An acknowledged alarm goes first.
        let given = Acknowledgement { by: "root".into(), at: 0 };
        let position = EventPosition { start: "s".into(), seq: 1 };
        assert_eq!(alarms.acknowledge(&[position], &given).unwrap(), [1]);
        (1300..2300).for_each(|seq| add(seq, Event::Damaged { reason: String::new() }));
        assert_eq!((seqs().len(), seqs()[0]), (1000, 1300));
        add(2300, Event::Damaged { reason: String::new() });
        assert_eq!((seqs().len(), seqs()[0]), (1000, 1301));
    }
}
