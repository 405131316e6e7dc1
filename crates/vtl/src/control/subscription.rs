//! Subscriptions to the events of a site: a snapshot, or the events since a position, and then every event.

use super::{PROTOCOL_VERSION, SiteStatus};
use crate::events::{Cause, Event, EventPosition, EventReader, Received, Subject};
use crate::site::Site;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A subscription to events: the response to `events`, and the reader of the events after it.
#[derive(Debug, Serialize)]
pub struct Subscription {
    /// Version of the control protocol.
    pub version: u32,
    /// The event after which the subscription begins.
    #[serde(flatten)]
    pub position: EventPosition,
    /// Status of the site with every change up to that event; `None` if the client has the events up to there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Box<SiteStatus>>,
    #[serde(skip)]
    reader: EventReader,
}

impl Subscription {
    /// The same subscription without the snapshot, whose memory is released.
    #[must_use]
    pub fn without_snapshot(self) -> Self {
        Self { snapshot: None, ..self }
    }

    /// Waits for the next event, at most for `limit`. If events were overwritten before they were read, the event is
    /// [`Event::Lagged`] with a new snapshot of the site.
    pub fn receive(&mut self, site: &Site, limit: Duration) -> Received {
        match self.reader.receive(Some(limit)) {
            Received::Lagged(overwritten) => {
                let first_missed = self.reader.position() - overwritten;
                let (position, snapshot) = site.snapshot();
                self.reader.skip_to(position.seq);
                let event = Event::Lagged { missed: (position.seq + 1).saturating_sub(first_missed), snapshot };
                let at = site.shared.now().wall.0;
                let record = Subject::new(Cause::site()).into_record(position.start, position.seq, at, event);
                Received::Event(Arc::new(record))
            }
            received => received,
        }
    }
}

impl Site {
    /// Subscribes to the events after a position. Without a position, or if the ring no longer has all events after it,
    /// the subscription begins with a snapshot.
    pub(super) fn subscribe_since(&self, since: Option<&EventPosition>) -> Subscription {
        let events = &self.shared.events;
        let (position, snapshot) = match since {
            Some(since) if events.has_all_after(since) => (EventPosition { seq: since.seq, ..events.position() }, None),
            _ => {
                let (position, snapshot) = self.snapshot();
                (position, Some(snapshot))
            }
        };
        let reader = events.reader(position.seq);
        Subscription { version: PROTOCOL_VERSION, position, snapshot, reader }
    }

    /// The status of the site, and the last event whose change it has. It may have changes of later events, too, if
    /// there are new events all the time.
    fn snapshot(&self) -> (EventPosition, Box<SiteStatus>) {
        const ATTEMPTS: usize = 4;
        let mut position = self.shared.events.position();
        let mut status = self.status();
        for _ in 1..ATTEMPTS {
            let now = self.shared.events.position();
            if now == position {
                break;
            }
            position = now;
            status = self.status();
        }
        (position, Box::new(status))
    }
}
