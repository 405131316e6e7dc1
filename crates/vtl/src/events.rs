//! What happens at a site, for whoever follows it.

use crate::inventory::Where;
use serde::Serialize;
use smc::robot::Condition;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A cartridge is somewhere else now.
    Moved {
        /// Which.
        barcode: String,
        /// Where it was.
        from: Where,
        /// Where it is.
        to: Where,
    },
    /// An operator has set something.
    Condition {
        /// Where.
        library: String,
        /// All that is set there now.
        condition: Condition,
    },
}

/// So many events wait for who does not listen; whoever is further behind is dropped.
const WAITING: usize = 1024;

/// Who follows.
#[derive(Debug, Default)]
pub struct Events(Mutex<Vec<SyncSender<Event>>>);

impl Events {
    /// Everything that happens from now on. It ends for who does not keep up.
    #[must_use]
    pub fn follow(&self) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(WAITING);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        receiver
    }

    pub(crate) fn tell(&self, event: Event) {
        let mut followers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        followers.retain(|follower| follower.try_send(event.clone()).is_ok());
    }
}
