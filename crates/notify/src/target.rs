//! One target: its outbox, and the thread that delivers the events in it.

use crate::command::Program;
use crate::mail::{MAX_EVENTS, Mail};
use crate::outbox::{Next, Outbox, Policy};
use crate::webhook::Webhook;
use crate::{Delivery, Entropy, lock};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use vtl::ConfigError;
use vtl::clock::{Clock, ClockListener};
use vtl::config::{NotifyMethod, NotifySetup};
use vtl::events::EventRecord;
use vtl::notifications::NotifyStatus;

/// The configuration of a target, with what it needs to deliver: its files are read.
pub(crate) struct Prepared {
    pub(crate) setup: NotifySetup,
    delivery: Arc<dyn Delivery>,
}

impl Prepared {
    /// Reads the files of a target.
    pub(crate) fn new(setup: &NotifySetup) -> Result<Self, ConfigError> {
        let delivery: Arc<dyn Delivery> = match &setup.method {
            NotifyMethod::Webhook(webhook) => Arc::new(Webhook::new(setup, webhook)?),
            NotifyMethod::Mail(mail) => Arc::new(Mail::new(setup, mail)?),
            NotifyMethod::Command(command) => Arc::new(Program { command: command.clone(), timeout: setup.timeout }),
            _ => return Err(setup.error("name", "this kind of target is not supported".into())),
        };
        Ok(Self { setup: setup.clone(), delivery })
    }

    const fn policy(&self) -> Policy {
        let retry = self.setup.retry;
        match &self.setup.method {
            NotifyMethod::Mail(mail) => Policy::at_once(retry).collecting(MAX_EVENTS, mail.digest),
            _ => Policy::at_once(retry),
        }
    }
}

struct State {
    prepared: Prepared,
    outbox: Outbox,
    /// The thread has something to decide: an event, a change, or a time that was reached.
    is_woken: bool,
    has_ended: bool,
}

/// A target that is in use.
pub(crate) struct Target {
    pub(crate) name: String,
    clock: Clock,
    entropy: Entropy,
    state: Mutex<State>,
    changed: Condvar,
    /// Held during a delivery: there is one at a time.
    in_use: Mutex<()>,
}

impl ClockListener for Target {
    fn clock_advanced(&self) {
        self.wake(&mut lock(&self.state));
    }
}

impl Target {
    pub(crate) fn new(prepared: Prepared, clock: Clock, entropy: Entropy) -> Arc<Self> {
        let (name, outbox) = (prepared.setup.name.clone(), Outbox::new(prepared.policy()));
        let state = State { prepared, outbox, is_woken: false, has_ended: false };
        let (state, changed, in_use) = (Mutex::new(state), Condvar::new(), Mutex::default());
        let target = Arc::new(Self { name, clock, entropy, state, changed, in_use });
        let listener: Arc<dyn ClockListener> = Arc::clone(&target) as _;
        target.clock.add_listener(Arc::downgrade(&listener));
        target
    }

    fn wake(&self, state: &mut State) {
        state.is_woken = true;
        self.changed.notify_all();
    }

    /// Replaces the configuration. The events that wait stay, and are due at once.
    pub(crate) fn replace(&self, prepared: Prepared) {
        let mut state = lock(&self.state);
        state.outbox.set_policy(prepared.policy());
        state.prepared = prepared;
        self.wake(&mut state);
    }

    pub(crate) fn setup(&self) -> NotifySetup {
        lock(&self.state).prepared.setup.clone()
    }

    /// Adds an event, if the filter of the target selects it.
    pub(crate) fn push(&self, record: &Arc<EventRecord>) {
        let mut state = lock(&self.state);
        if state.prepared.setup.filter.selects(record) {
            self.push_to(&mut state, Arc::clone(record));
        }
    }

    /// Adds the record of events that were lost before the filter.
    pub(crate) fn push_missed(&self, record: Arc<EventRecord>) {
        self.push_to(&mut lock(&self.state), record);
    }

    fn push_to(&self, state: &mut State, record: Arc<EventRecord>) {
        state.outbox.push(record, self.clock.now());
        self.wake(state);
    }

    /// Lets the thread end when it has delivered what waits, or has failed to.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.outbox.close();
        self.wake(&mut state);
    }

    /// Waits until the thread has ended, at most for `limit`; then logs the events that were not delivered.
    pub(crate) fn finish(&self, limit: Duration) {
        let state = lock(&self.state);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, limit, |state| !state.has_ended)
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((events, first, last)) = state.outbox.undelivered() {
            let error = state.outbox.status().last_error;
            tracing::warn!(target = self.name, events, first, last, error, "events were not delivered");
        }
    }

    pub(crate) fn status(&self) -> NotifyStatus {
        let state = lock(&self.state);
        let setup = &state.prepared.setup;
        NotifyStatus {
            target: self.name.clone(),
            kind: setup.kind().into(),
            destination: setup.destination(),
            ..state.outbox.status()
        }
    }

    /// Delivers events now, beside the outbox.
    pub(crate) fn deliver(&self, events: &[Arc<EventRecord>]) -> Result<String, String> {
        let _one = lock(&self.in_use);
        let delivery = Arc::clone(&lock(&self.state).prepared.delivery);
        let attempt = || delivery.deliver(events, self.clock.now().wall);
        catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| Err("internal error; the log has more".into()))
    }

    /// Delivers what is in the outbox, until it is closed.
    pub(crate) fn run(&self) {
        while let Some(events) = self.next() {
            let result = self.deliver(&events);
            self.record(result);
        }
        let mut state = lock(&self.state);
        state.has_ended = true;
        self.changed.notify_all();
    }

    /// Waits until a delivery is due. `None` when the outbox is closed.
    fn next(&self) -> Option<Vec<Arc<EventRecord>>> {
        let mut state = lock(&self.state);
        loop {
            let given_up = state.outbox.dead_letters();
            let next = state.outbox.next(self.clock.now());
            let given_up = state.outbox.dead_letters() - given_up;
            if given_up > 0 {
                tracing::warn!(target = self.name, events = given_up, "events were given up: they are too old");
            }
            state.is_woken = false;
            state = match next {
                Next::Deliver(events) => return Some(events),
                Next::Closed => return None,
                Next::Wait(until) => self.clock.wait_while(&self.changed, state, until, |state| !state.is_woken).0,
                Next::Idle => {
                    self.changed.wait_while(state, |state| !state.is_woken).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Records the result of a delivery; the log has the begin and the end of a series of failures.
    fn record(&self, result: Result<String, String>) {
        let mut state = lock(&self.state);
        let (now, failures) = (self.clock.now(), state.outbox.failures());
        match result {
            Ok(_) => {
                state.outbox.delivered(now);
                if failures > 0 {
                    tracing::info!(target = self.name, failures, "notification target works again");
                }
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(target = self.name, error, "notification failed; it is tried again");
                }
                state.outbox.failed(now, error, (self.entropy)());
            }
        }
    }
}
