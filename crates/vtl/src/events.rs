//! Events of a site, for its subscribers.

use crate::inventory::Location;
use serde::ser::Error;
use serde::{Serialize, Serializer};
use smc::robot::OperatorState;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Event of a site, as the operation `events` sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A cartridge has a new location.
    Moved {
        /// Barcode of the cartridge.
        barcode: String,
        /// Previous location.
        from: Location,
        /// New location.
        to: Location,
    },
    /// An operator has changed doors, robot, drives, elements or labels.
    OperatorState {
        /// Name of the library.
        library: String,
        /// Everything that operators have set in the library.
        #[serde(serialize_with = "serialize_operator_state")]
        state: OperatorState,
    },
    /// A cartridge of a pool was created.
    Created {
        /// Barcode of the new cartridge.
        barcode: String,
        /// Name of the pool.
        pool: String,
    },
    /// A cartridge was deleted with its data.
    Deleted {
        /// Barcode of the cartridge.
        barcode: String,
    },
    /// Drives can no longer use a cartridge.
    Unusable {
        /// Barcode of the cartridge.
        barcode: String,
        /// Reason in words.
        reason: String,
    },
    /// Drives can use a cartridge again.
    Usable {
        /// Barcode of the cartridge.
        barcode: String,
    },
    /// Data on a cartridge is lost or may be lost.
    Damaged {
        /// Barcode of the cartridge.
        barcode: String,
        /// Reason in words.
        reason: String,
    },
    /// A cartridge was removed from the inventory; its files remain.
    Forgotten {
        /// Barcode of the cartridge.
        barcode: String,
    },
    /// No host prevents medium removal in a library any longer (PREVENT ALLOW MEDIUM REMOVAL).
    RemovalAllowed {
        /// Name of the library.
        library: String,
    },
    /// The daemon has reloaded its configuration.
    Reloaded,
}

/// Maximum number of events that wait for one subscriber; one with more is dropped.
const SUBSCRIBER_QUEUE_LEN: usize = 1024;

/// Subscribers to the events of a site.
#[derive(Debug, Default)]
pub struct Events(Mutex<Subscribers>);

#[derive(Debug, Default)]
struct Subscribers {
    senders: Vec<SyncSender<Event>>,
    ended: bool,
}

impl Events {
    /// Subscribes to all events from now on. The channel closes when the site shuts down, or when the subscriber has
    /// not received 1,024 events.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(SUBSCRIBER_QUEUE_LEN);
        let mut followers = self.subscribers();
        if !followers.ended {
            followers.senders.push(sender);
        }
        receiver
    }

    pub(crate) fn notify(&self, event: Event) {
        self.subscribers().senders.retain(|follower| follower.try_send(event.clone()).is_ok());
    }

    /// Ends all subscriptions.
    pub(crate) fn close(&self) {
        *self.subscribers() = Subscribers { senders: Vec::new(), ended: true };
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.subscribers().ended
    }

    fn subscribers(&self) -> MutexGuard<'_, Subscribers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serializes the state with `faults` instead of `troubles`, the name that the state files keep.
fn serialize_operator_state<S: Serializer>(state: &OperatorState, to: S) -> Result<S::Ok, S::Error> {
    let mut value = serde_json::to_value(state).map_err(S::Error::custom)?;
    if let Some(fields) = value.as_object_mut()
        && let Some(faults) = fields.remove("troubles")
    {
        fields.insert("faults".into(), faults);
    }
    value.serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use smc::element::{ElementAddress, ElementFault};

    #[test]
    fn operator_state_has_current_words() {
        let mut state = OperatorState::default();
        state.element_faults.insert(ElementAddress(1000), ElementFault::Disabled);
        let event = Event::OperatorState { library: "main".into(), state };
        let expected = json!({"event": "operator_state", "library": "main", "state": {
            "offline": false, "door_open": false, "station_open": false, "faults": {"1000": "disabled"},
            "drives_offline": [], "labels": {}
        }});
        assert_eq!(serde_json::to_value(event).unwrap(), expected);
    }
}
