//! The connections and sessions of a portal: login, session reinstatement (RFC 7143 6.3.5) and shutdown.

use crate::admission::{AddressLimits, Admission, Connections};
use iscsi::login::LoginStatus;
use scsi_core::hex::Hex;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::time::Instant;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vtl::budget::{Account, MemoryClient};
use vtl::clock::{Clock, ClockListener};
use vtl::metrics::{PortalCounters, PortalStatistics};
use vtl::sessions::SessionState;
use vtl::target::Target;
use vtl::throttle::Throttle;
use vtl::unit::{CompletedCommand, CompletionHandler};

/// Takes completed commands and requests from other threads, and wakes the connection's thread.
pub(crate) struct Mailbox {
    completed: Mutex<Vec<CompletedCommand>>,
    /// LUNs whose tasks another session aborted; `None` stands for all LUNs.
    cleared_luns: Mutex<Vec<Option<u64>>>,
    wake: rustix::fd::OwnedFd,
    /// `wake` was signalled and has not been read since.
    wake_signalled: AtomicBool,
    closing: AtomicBool,
    /// The connection is closed without a word to the initiator, by an injected fault.
    lost: AtomicBool,
    /// Until this monotonic time, in microseconds, nothing passes, by an injected fault.
    cut_until: AtomicU64,
    /// The initiator's address.
    address: IpAddr,
    /// The counters of the connection; its thread is the only writer.
    counters: ConnectionCounters,
}

/// Bytes of a connection, with the headers of PDUs, and its commands.
#[derive(Default)]
struct ConnectionCounters {
    received: AtomicU64,
    sent: AtomicU64,
    commands: AtomicU64,
}

impl Mailbox {
    pub(crate) fn new(address: IpAddr) -> rustix::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let wake = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self {
            completed: Mutex::default(),
            cleared_luns: Mutex::default(),
            wake,
            wake_signalled: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            cut_until: AtomicU64::new(0),
            address,
            counters: ConnectionCounters::default(),
        })
    }

    /// The descriptor that becomes readable when the connection's thread has something to process.
    pub(crate) const fn wake(&self) -> &rustix::fd::OwnedFd {
        &self.wake
    }

    /// Moves the completed commands into `into`, which must be empty.
    pub(crate) fn take_completed(&self, into: &mut Vec<CompletedCommand>) {
        if !self.wake_signalled.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        std::mem::swap(into, &mut self.completed.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes the LUNs whose tasks another session aborted; `None` stands for all LUNs.
    pub(crate) fn take_cleared_luns(&self) -> Vec<Option<u64>> {
        std::mem::take(&mut self.cleared_luns.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the connection's thread to close the connection.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.signal();
    }

    /// Asks the connection's thread to close the connection without a word to the initiator.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        self.signal();
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Lets nothing pass until this time.
    fn cut(&self, until: Instant) {
        self.cut_until.fetch_max(until.0, Ordering::AcqRel);
        self.signal();
    }

    /// The time until which nothing passes; `None` if the link is not cut. The clock is read only if the link has been cut.
    pub(crate) fn cut_until(&self, now: impl FnOnce() -> u64) -> Option<u64> {
        Some(self.cut_until.load(Ordering::Acquire)).filter(|until| *until > 0 && *until > now())
    }

    /// The address of the initiator.
    pub(crate) const fn address(&self) -> IpAddr {
        self.address
    }

    /// Counts bytes that the connection's thread has received.
    pub(crate) fn count_received(&self, bytes: usize) {
        add(&self.counters.received, bytes);
    }

    /// Counts bytes that the connection's thread has sent.
    pub(crate) fn count_sent(&self, bytes: usize) {
        add(&self.counters.sent, bytes);
    }

    /// Counts a SCSI command that the connection's thread has received.
    pub(crate) fn count_command(&self) {
        add(&self.counters.commands, 1);
    }

    /// Bytes that were received and sent.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.counters.received.load(Ordering::Relaxed), self.counters.sent.load(Ordering::Relaxed))
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn signal(&self) {
        // In this order: a thread that sees the flag must find the event to read.
        let _ = rustix::io::write(&self.wake, &1_u64.to_le_bytes());
        self.wake_signalled.store(true, Ordering::Release);
    }
}

/// Adds to a counter that has one writer: cheaper than an atomic addition.
fn add(counter: &AtomicU64, count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

impl CompletionHandler for Mailbox {
    fn complete(&self, finished: CompletedCommand) {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).push(finished);
        self.signal();
    }
}

impl ClockListener for Mailbox {
    fn clock_advanced(&self) {
        self.signal();
    }
}

impl MemoryClient for Mailbox {
    fn memory_freed(&self) {
        self.signal();
    }

    fn reclaim(&self, held: usize) {
        tracing::warn!(
            peer = %self.address,
            bytes = held,
            "connection closed: initiator stalled while other sessions wait for buffer memory"
        );
        self.close();
    }
}

/// The names of an I_T nexus: initiator name, ISID and target name.
type NexusName = (String, [u8; 6], String);

struct Session {
    mailbox: Arc<Mailbox>,
    tsih: u16,
    cid: u16,
    peer: SocketAddr,
    /// Time of the login in milliseconds since 1970.
    since: u64,
}

impl Session {
    fn state(&self, (initiator, isid, target): &NexusName) -> SessionState {
        let (received_bytes, sent_bytes) = self.mailbox.bytes();
        SessionState {
            initiator: initiator.clone(),
            target: target.clone(),
            peer: self.peer,
            isid: Hex(isid).to_string(),
            tsih: self.tsih,
            since: self.since,
            commands: self.mailbox.counters.commands.load(Ordering::Relaxed),
            received_bytes,
            sent_bytes,
        }
    }
}

#[derive(Default)]
struct SessionTable {
    sessions: HashMap<NexusName, Session>,
    connections: Connections,
    last_tsih: u16,
    closed: bool,
    /// Links that are cut, or all of them, and until when.
    cuts: Vec<(Option<IpAddr>, Instant)>,
    /// Counters of the portal, without the bytes of open connections and the numbers of what is open.
    counters: PortalCounters,
}

impl SessionTable {
    /// A TSIH that no session uses.
    fn next_tsih(&mut self) -> u16 {
        loop {
            self.last_tsih = self.last_tsih.checked_add(1).unwrap_or(1);
            if self.sessions.values().all(|session| session.tsih != self.last_tsih) {
                return self.last_tsih;
            }
        }
    }
}

/// The connections and sessions of a portal.
pub(crate) struct Sessions {
    clock: Clock,
    state: Mutex<SessionTable>,
    changed: Condvar,
    /// Limits the log lines about refused and closed connections, and about refused logins.
    pub(crate) connection_log_limit: Throttle,
    pub(crate) login_log_limit: Throttle,
}

/// Time limit for the end of a reinstated session, and for the end of all connections at shutdown.
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(10);

/// A granted login, to be ended with [`Sessions::logout`].
pub(crate) struct GrantedSession {
    name: NexusName,
    pub(crate) nexus: NexusId,
    pub(crate) tsih: u16,
}

impl GrantedSession {
    /// The name of the initiator.
    pub(crate) fn initiator(&self) -> &str {
        let (initiator, ..) = &self.name;
        initiator
    }
}

impl ClockListener for Sessions {
    fn clock_advanced(&self) {
        let _locked = self.lock();
        self.changed.notify_all();
    }
}

impl PortalStatistics for Sessions {
    fn counters(&self) -> PortalCounters {
        let state = self.lock();
        let (received, sent) = state.connections.bytes();
        let (closed, count) = (&state.counters, |count: usize| u64::try_from(count).unwrap_or(u64::MAX));
        PortalCounters {
            connections: count(state.connections.len()),
            sessions: count(state.sessions.len()),
            received_bytes: closed.received_bytes + received,
            sent_bytes: closed.sent_bytes + sent,
            ..closed.clone()
        }
    }

    fn lose_power(&self, until: Instant) {
        let mut state = self.lock();
        state.cuts.push((None, until));
        state.connections.of_address(None).for_each(|mailbox| mailbox.lose());
    }

    fn sessions(&self) -> Vec<SessionState> {
        self.lock().sessions.iter().map(|(name, session)| session.state(name)).collect()
    }
}

impl Sessions {
    /// No sessions; `clock` is the source of time of the site.
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        let sessions = Arc::new(Self {
            clock,
            state: Mutex::default(),
            changed: Condvar::new(),
            connection_log_limit: Throttle::default(),
            login_log_limit: Throttle::default(),
        });
        let listener: Arc<dyn ClockListener> = Arc::clone(&sessions) as _;
        sessions.clock.add_listener(Arc::downgrade(&listener));
        sessions
    }

    fn lock(&self) -> MutexGuard<'_, SessionTable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a connection and returns its number; `None` if a limit is reached or the portal is closing.
    pub(crate) fn connect(&self, mailbox: &Arc<Mailbox>, limits: AddressLimits) -> Option<usize> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let address = mailbox.address;
        let admission = state.connections.admit(mailbox, address, limits, self.clock.monotonic().0);
        let now = self.clock.monotonic();
        state.cuts.retain(|(_, until)| *until > now);
        let cuts = state.cuts.iter().filter(|(other, _)| other.is_none_or(|other| other == address));
        cuts.for_each(|(_, until)| mailbox.cut(*until));
        drop(state);
        match admission {
            Admission::Admitted(number) => Some(number),
            Admission::AdmittedInstead(number, closed) => {
                self.log_connection(closed, "closed: oldest connection without a login, to admit a new one");
                Some(number)
            }
            Admission::Refused(reason) => {
                self.log_connection(address, &format!("refused: {reason}"));
                None
            }
        }
    }

    /// Logs a warning about a connection of an address; limits the number of lines.
    pub(crate) fn log_connection(&self, address: IpAddr, message: &str) {
        if let Some(suppressed) = self.connection_log_limit.admit(self.clock.monotonic().0) {
            tracing::warn!(peer = %address, suppressed, "connection {message}");
        }
    }

    pub(crate) fn disconnect(&self, number: usize) {
        let mut state = self.lock();
        if let Some((received, sent)) = state.connections.remove(number) {
            state.counters.received_bytes += received;
            state.counters.sent_bytes += sent;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Grants a session. A session of the same I_T nexus ends first (session reinstatement, RFC 7143 6.3.5) and
    /// releases its memory before `open` opens the account of the new one.
    pub(crate) fn login(
        &self,
        target: &Target,
        request: &iscsi::connection::LoginRequest,
        peer: SocketAddr,
        mailbox: &Arc<Mailbox>,
        open: impl FnOnce() -> Option<Account>,
    ) -> Result<(GrantedSession, Account), LoginStatus> {
        let name = (request.initiator.clone(), request.isid, request.target.clone());
        let mut state = self.lock();
        if request.tsih != 0 {
            // The connection of an open session may be reinstated; a second connection may not be added.
            let session = state.sessions.get(&name).filter(|session| session.tsih == request.tsih);
            let cid = session.ok_or(LoginStatus::NO_SUCH_SESSION)?.cid;
            if cid != request.cid {
                return Err(LoginStatus::TOO_MANY_CONNECTIONS);
            }
        }
        while let Some(old) = state.sessions.get(&name) {
            old.mailbox.close();
            let tsih = old.tsih;
            let is_open =
                |state: &mut SessionTable| state.sessions.get(&name).is_some_and(|session| session.tsih == tsih);
            let until = self.session_end_limit();
            let (ended, timed_out) = self.clock.wait_while(&self.changed, state, until, is_open);
            state = ended;
            if timed_out {
                return Err(LoginStatus::OUT_OF_RESOURCES);
            }
        }
        if !state.connections.may_log_in(mailbox) {
            self.log_connection(mailbox.address, "login refused, iscsi.max_connections_per_address is reached");
            return Err(LoginStatus::OUT_OF_RESOURCES);
        }
        let account = open().ok_or(LoginStatus::OUT_OF_RESOURCES)?;
        let tsih = if request.tsih == 0 { state.next_tsih() } else { request.tsih };
        let session =
            Session { mailbox: Arc::clone(mailbox), tsih, cid: request.cid, peer, since: self.clock.now().wall.0 };
        state.sessions.insert(name.clone(), session);
        state.connections.set_logged_in(mailbox, true);
        state.counters.logins += 1;
        drop(state);
        let nexus = target.login_from(&TransportId::iscsi(&name.0, name.1), Some(peer.to_string()));
        Ok((GrantedSession { name, nexus, tsih }, account))
    }

    /// Ends a session.
    pub(crate) fn logout(&self, target: &Target, granted: &GrantedSession) {
        target.logout(granted.nexus);
        let mut state = self.lock();
        if let Some(session) = state.sessions.remove(&granted.name) {
            state.connections.set_logged_in(&session.mailbox, false);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Counts a login that was refused with this status.
    pub(crate) fn count_refusal(&self, status: &str) {
        let mut state = self.lock();
        match state.counters.logins_refused.get_mut(status) {
            Some(count) => *count += 1,
            None => drop(state.counters.logins_refused.insert(status.to_owned(), 1)),
        }
    }

    /// A TSIH for a discovery session, which is not announced to units.
    pub(crate) fn discovery_tsih(&self) -> u16 {
        self.lock().next_tsih()
    }

    /// Notifies every other session of a target that the tasks of a LUN were aborted; `None` stands for all LUNs.
    pub(crate) fn clear_others(&self, own: &Arc<Mailbox>, target: &str, lun: Option<u64>) {
        self.for_each_other(own, target, |mailbox| {
            mailbox.cleared_luns.lock().unwrap_or_else(PoisonError::into_inner).push(lun);
            mailbox.signal();
        });
    }

    /// Ends every other session of a target.
    pub(crate) fn drop_others(&self, own: &Arc<Mailbox>, target: &str) {
        self.for_each_other(own, target, Mailbox::close);
    }

    fn for_each_other(&self, own: &Arc<Mailbox>, target: &str, call: impl Fn(&Mailbox)) {
        let state = self.lock();
        let of_target = state.sessions.iter().filter(|((_, _, name), _)| name == target);
        of_target.filter(|(_, other)| !Arc::ptr_eq(&other.mailbox, own)).for_each(|(_, other)| call(&other.mailbox));
    }

    /// Lets nothing pass between the portal and an address for this long.
    pub(crate) fn cut_link(&self, address: IpAddr, outage: Duration) {
        let until = self.clock.monotonic().saturating_add(outage);
        let mut state = self.lock();
        state.cuts.push((Some(address), until));
        state.connections.of_address(Some(address)).for_each(|mailbox| mailbox.cut(until));
    }

    fn session_end_limit(&self) -> Instant {
        self.clock.monotonic().saturating_add(SESSION_END_TIMEOUT)
    }

    /// Asks every connection to close and waits until all have, with a time limit.
    pub(crate) fn close_all(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.connections.close_all();
        let until = self.session_end_limit();
        drop(self.clock.wait_while(&self.changed, state, until, |state| !state.connections.is_empty()));
    }
}
