//! All targets of a site, and the thread that passes its events to them.

use crate::lock;
use crate::target::{Prepared, Target};
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use vtl::ConfigError;
use vtl::clock::Clock;
use vtl::config::NotifySetup;
use vtl::control::{ControlError, ReloadChange};
use vtl::events::{Event, EventCanceller, EventReader, EventRecord, Received};
use vtl::notifications::{Notifications, NotifyStatus, NotifyTest};
use vtl::site::Site;

/// Returns a random number: the jitter of a delay.
pub type Entropy = fn() -> u64;

/// Time that all targets together have for what waits when the daemon stops.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// Delivers the events of a site to its notification targets, until it is closed or dropped.
pub struct Notifier {
    targets: Arc<Targets>,
}

/// Targets of a configuration whose files were read: they can be used.
pub struct NotifyPlan(Vec<Prepared>);

impl NotifyPlan {
    /// Reads the files of all targets: secrets, passwords and certificates.
    ///
    /// # Errors
    /// A file cannot be read or used; the error names the target's table, the key and the file.
    pub fn new(setups: &[NotifySetup]) -> Result<Self, ConfigError> {
        setups.iter().map(Prepared::new).collect::<Result<_, _>>().map(Self)
    }
}

struct Targets {
    clock: Clock,
    entropy: Entropy,
    /// Identifier of the start of the daemon.
    start: String,
    all: Mutex<Vec<Arc<Target>>>,
    reader: Mutex<Reader>,
}

/// The thread that reads the events. A site without targets has none.
enum Reader {
    NotStarted(EventReader),
    Running(JoinHandle<()>, EventCanceller),
    Ended,
}

impl Targets {
    fn all(&self) -> Vec<Arc<Target>> {
        lock(&self.all).clone()
    }

    /// Passes the events of the site to the targets until it is shut down or this is cancelled, and then closes them.
    fn run(&self, mut events: EventReader) {
        loop {
            match events.receive(None) {
                Received::Event(record) => self.all().iter().for_each(|target| target.push(&record)),
                Received::Lagged(missed) => {
                    let record = self.own_record(events.position().saturating_sub(1), Event::Missed { missed });
                    self.all().iter().for_each(|target| target.push_missed(Arc::clone(&record)));
                }
                Received::TimedOut => {}
                Received::Closed => return self.all().iter().for_each(|target| target.close()),
            }
        }
    }

    /// An event that only targets receive.
    fn own_record(&self, seq: u64, event: Event) -> Arc<EventRecord> {
        Arc::new(EventRecord::of_site(&self.start, seq, self.clock.now().wall.0, event))
    }

    /// Spawns the thread that reads the events, if it does not run.
    fn start_reader(self: &Arc<Self>) -> io::Result<()> {
        let mut reader = lock(&self.reader);
        *reader = match std::mem::replace(&mut *reader, Reader::Ended) {
            Reader::NotStarted(events) => {
                let (targets, canceller) = (Arc::clone(self), events.canceller());
                let thread = Builder::new().name("notify".into()).spawn(move || targets.run(events))?;
                Reader::Running(thread, canceller)
            }
            other => other,
        };
        Ok(())
    }

    /// Replaces the targets by those of a plan. A target of the same name keeps the events that wait for it.
    fn apply(self: &Arc<Self>, plan: NotifyPlan) -> io::Result<()> {
        let mut removed = self.all();
        let mut new = Vec::new();
        for prepared in plan.0 {
            let known = removed.iter().position(|target| target.name == prepared.setup.name);
            new.push(match known.map(|at| removed.remove(at)) {
                Some(target) => {
                    target.replace(prepared);
                    target
                }
                None => {
                    let target = Target::new(prepared, self.clock.clone(), self.entropy);
                    let runner = Arc::clone(&target);
                    Builder::new().name(format!("notify {}", target.name)).spawn(move || runner.run())?;
                    target
                }
            });
        }
        let has_targets = !new.is_empty();
        *lock(&self.all) = new;
        for target in removed {
            target.close();
            target.finish(Duration::ZERO);
        }
        if has_targets { self.start_reader() } else { Ok(()) }
    }
}

impl Notifications for Targets {
    fn status(&self) -> Vec<NotifyStatus> {
        self.all().iter().map(|target| target.status()).collect()
    }

    fn test(&self, name: &str) -> Result<NotifyTest, ControlError> {
        let targets = self.all();
        let target = targets.iter().find(|target| target.name == name).ok_or_else(|| {
            let known: Vec<String> = targets.iter().map(|target| format!("{:?}", target.name)).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let message = format!("there is no notification target {name:?}; the configuration has {known}");
            ControlError::not_found(message).with_member("target")
        })?;
        let answer = target.deliver(&[self.own_record(0, Event::Test)]);
        let answer = answer.map_err(|error| ControlError::unavailable(format!("target {name:?}: {error}")))?;
        Ok(NotifyTest { target: name.into(), answer })
    }
}

impl Notifier {
    /// Starts the delivery of the events of a site, from its start on. `entropy` returns random numbers.
    ///
    /// # Errors
    /// A thread cannot be spawned.
    pub fn open(site: &Site, plan: NotifyPlan, entropy: Entropy) -> io::Result<Self> {
        let (clock, start) = (site.clock().clone(), site.event_position().start);
        let reader = Mutex::new(Reader::NotStarted(site.events_since_start()));
        let targets = Arc::new(Targets { clock, entropy, start, all: Mutex::default(), reader });
        targets.apply(plan)?;
        site.set_notifications(Arc::clone(&targets) as _);
        Ok(Self { targets })
    }

    /// Replaces the targets by those of a new configuration. Events that wait for a target of the same name are kept, and
    /// tried again at once; those of a removed target are logged. Returns the targets that were added, changed or removed.
    ///
    /// # Errors
    /// A thread cannot be spawned.
    pub fn reload(&self, plan: NotifyPlan) -> io::Result<Vec<ReloadChange>> {
        let before: Vec<NotifySetup> = self.targets.all().iter().map(|target| target.setup()).collect();
        let after: Vec<NotifySetup> = plan.0.iter().map(|prepared| prepared.setup.clone()).collect();
        self.targets.apply(plan)?;
        let new = after.iter().filter(|setup| !before.iter().any(|old| old.equals(setup)));
        let removed = before.iter().filter(|old| !after.iter().any(|setup| setup.name == old.name));
        Ok(new.chain(removed).map(|setup| ReloadChange::NotifyTargetChanged { target: setup.name.clone() }).collect())
    }

    /// Stops after the present events, which should be the last ones of the site: makes a last attempt for each target, for at most five seconds, and logs the events that were not delivered. Further calls do nothing.
    pub fn close(&self) {
        let reader = std::mem::replace(&mut *lock(&self.targets.reader), Reader::Ended);
        if let Reader::Running(thread, canceller) = reader {
            canceller.cancel();
            let _ = thread.join();
        }
        // Not the clock of the site, which may be virtual.
        let clock = Clock::real();
        let deadline = clock.monotonic().saturating_add(CLOSE_LIMIT);
        for target in self.targets.all() {
            target.close();
            target.finish(clock.monotonic().duration_until(deadline));
        }
        lock(&self.targets.all).clear();
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.close();
    }
}
