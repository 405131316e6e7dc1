//! What happens at a site, for whoever follows it.

use crate::inventory::Location;
use serde::ser::Error;
use serde::{Serialize, Serializer};
use smc::robot::OperatorState;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A cartridge is somewhere else now.
    Moved {
        /// Which.
        barcode: String,
        /// Where it was.
        from: Location,
        /// Where it is.
        to: Location,
    },
    /// An operator has set something.
    OperatorState {
        /// Where.
        library: String,
        /// Everything that operators have set in the library.
        #[serde(serialize_with = "serialize_operator_state")]
        state: OperatorState,
    },
    /// A cartridge was made.
    Created {
        /// Which.
        barcode: String,
        /// In this pool.
        pool: String,
    },
    /// A cartridge was thrown away.
    Deleted {
        /// Which.
        barcode: String,
    },
    /// A cartridge cannot be used by any drive.
    Unusable {
        /// Which.
        barcode: String,
        /// Why.
        reason: String,
    },
    /// A cartridge that could not be used can be used again.
    Usable {
        /// Which.
        barcode: String,
    },
    /// Something that was written to a cartridge is lost, or may be.
    Damaged {
        /// Which.
        barcode: String,
        /// Why.
        reason: String,
    },
    /// The site does not know a cartridge any more; its files are where they were.
    Forgotten {
        /// Which.
        barcode: String,
    },
    /// No host prevents removal from this library any more.
    RemovalAllowed {
        /// Which.
        library: String,
    },
    /// The configuration was read again.
    Reloaded,
}

/// So many events wait for who does not listen; whoever is further behind is dropped.
const SUBSCRIBER_QUEUE_LEN: usize = 1024;

/// Who follows.
#[derive(Debug, Default)]
pub struct Events(Mutex<Subscribers>);

#[derive(Debug, Default)]
struct Subscribers {
    senders: Vec<SyncSender<Event>>,
    ended: bool,
}

impl Events {
    /// Everything that happens from now on. It ends with the site, and for who does not keep up.
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

    /// Nothing happens any more.
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
