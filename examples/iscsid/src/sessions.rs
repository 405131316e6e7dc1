//! Who is logged in: reinstatement, limits, and the end of all.

use crate::admission::{AddressLimits, Admission, Connections};
use iscsi::login::LoginStatus;
use scsi_core::nexus::{NexusId, TransportId};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use vtl::budget::{Account, MemoryClient};
use vtl::clock;
use vtl::target::Target;
use vtl::throttle::Throttle;
use vtl::unit::{CompletedCommand, CompletionHandler};

/// How other threads reach a connection's thread.
pub(crate) struct Mailbox {
    completed: Mutex<Vec<CompletedCommand>>,
    /// LUNs (or all) whose tasks another session ended.
    cleared_luns: Mutex<Vec<Option<u64>>>,
    wake: rustix::fd::OwnedFd,
    /// The bell was rung and not yet heard.
    wake_signalled: AtomicBool,
    closing: AtomicBool,
    /// The initiator's address.
    address: IpAddr,
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
            address,
        })
    }

    /// What becomes readable when there is something to look at.
    pub(crate) const fn wake(&self) -> &rustix::fd::OwnedFd {
        &self.wake
    }

    /// Takes what has come; `into` is empty before.
    pub(crate) fn take_completed(&self, into: &mut Vec<CompletedCommand>) {
        if !self.wake_signalled.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
        std::mem::swap(into, &mut self.completed.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Another session ended the tasks of a LUN, or of all.
    pub(crate) fn take_cleared_luns(&self) -> Vec<Option<u64>> {
        std::mem::take(&mut self.cleared_luns.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks the connection to end.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.signal();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn signal(&self) {
        // In this order: a bell that is heard is one that can be silenced.
        let _ = rustix::io::write(&self.wake, &1_u64.to_le_bytes());
        self.wake_signalled.store(true, Ordering::Release);
    }
}

impl CompletionHandler for Mailbox {
    fn complete(&self, finished: CompletedCommand) {
        self.completed.lock().unwrap_or_else(PoisonError::into_inner).push(finished);
        self.signal();
    }
}

impl MemoryClient for Mailbox {
    fn memory_freed(&self) {
        self.signal();
    }

    fn reclaim(&self, held: usize) {
        tracing::warn!(
            address = %self.address,
            bytes = held,
            "connection closed: its initiator does not take or send data, and others wait for the memory"
        );
        self.close();
    }
}

/// An I_T nexus: the initiator's name and ISID, and the target's name.
type NexusName = (String, [u8; 6], String);

struct Session {
    mailbox: Arc<Mailbox>,
    tsih: u16,
    cid: u16,
}

#[derive(Default)]
struct SessionTable {
    sessions: HashMap<NexusName, Session>,
    connections: Connections,
    last_tsih: u16,
    closed: bool,
}

impl SessionTable {
    /// A session handle that no session has.
    fn next_tsih(&mut self) -> u16 {
        loop {
            self.last_tsih = self.last_tsih.checked_add(1).unwrap_or(1);
            if self.sessions.values().all(|session| session.tsih != self.last_tsih) {
                return self.last_tsih;
            }
        }
    }
}

/// All connections and sessions.
#[derive(Default)]
pub(crate) struct Sessions {
    state: Mutex<SessionTable>,
    changed: Condvar,
    /// Log lines about connections that were refused or closed, and about logins that were refused.
    pub(crate) connection_log_limit: Throttle,
    pub(crate) login_log_limit: Throttle,
}

/// How long a session may take to make way for its successor, or all of them to end.
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that was granted, to be given back.
pub(crate) struct GrantedSession {
    name: NexusName,
    pub(crate) nexus: NexusId,
    pub(crate) tsih: u16,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, SessionTable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection begins; `None` if there are too many, or the daemon is ending.
    pub(crate) fn connect(&self, mailbox: &Arc<Mailbox>, limits: AddressLimits) -> Option<usize> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        let address = mailbox.address;
        let admission = state.connections.admit(mailbox, address, limits, clock::now().mono.0);
        drop(state);
        match admission {
            Admission::Admitted(number) => Some(number),
            Admission::AdmittedInstead(number, closed) => {
                self.log_connection(closed, "closed the oldest connection without a login, for a new one");
                Some(number)
            }
            Admission::Refused(why) => {
                self.log_connection(address, why);
                None
            }
        }
    }

    /// A warning about a connection of an address, unless there are many.
    pub(crate) fn log_connection(&self, address: IpAddr, message: &str) {
        if let Some(left_out) = self.connection_log_limit.admit(clock::now().mono.0) {
            tracing::warn!(%address, left_out, "iSCSI connection: {message}");
        }
    }

    pub(crate) fn disconnect(&self, number: usize) {
        self.lock().connections.remove(number);
        self.changed.notify_all();
    }

    /// Grants a session. One of the same initiator port ends first (RFC 7143 §6.3.5), and its memory is released before
    /// `open` opens the account of the new one.
    pub(crate) fn login(
        &self,
        target: &Target,
        request: &iscsi::connection::LoginRequest,
        mailbox: &Arc<Mailbox>,
        open: impl FnOnce() -> Option<Account>,
    ) -> Result<(GrantedSession, Account), LoginStatus> {
        let name = (request.initiator.clone(), request.isid, request.target.clone());
        let mut state = self.lock();
        if request.tsih != 0 {
            // The connection of a living session may be made anew; a second one may not.
            let session = state.sessions.get(&name).filter(|session| session.tsih == request.tsih);
            let cid = session.ok_or(LoginStatus::NO_SUCH_SESSION)?.cid;
            if cid != request.cid {
                return Err(LoginStatus::TOO_MANY_CONNECTIONS);
            }
        }
        while let Some(old) = state.sessions.get(&name) {
            old.mailbox.close();
            let tsih = old.tsih;
            let lives =
                |state: &mut SessionTable| state.sessions.get(&name).is_some_and(|session| session.tsih == tsih);
            let waited = self.changed.wait_timeout_while(state, SESSION_END_TIMEOUT, lives);
            let (ended, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = ended;
            if timeout.timed_out() {
                return Err(LoginStatus::OUT_OF_RESOURCES);
            }
        }
        if !state.connections.may_log_in(mailbox) {
            self.log_connection(mailbox.address, "login refused, iscsi.max_connections_per_address is reached");
            return Err(LoginStatus::OUT_OF_RESOURCES);
        }
        let account = open().ok_or(LoginStatus::OUT_OF_RESOURCES)?;
        let tsih = if request.tsih == 0 { state.next_tsih() } else { request.tsih };
        state.sessions.insert(name.clone(), Session { mailbox: Arc::clone(mailbox), tsih, cid: request.cid });
        state.connections.set_logged_in(mailbox, true);
        drop(state);
        let nexus = target.login(&TransportId::iscsi(&name.0, name.1));
        Ok((GrantedSession { name, nexus, tsih }, account))
    }

    /// The session is over.
    pub(crate) fn logout(&self, target: &Target, granted: &GrantedSession) {
        target.logout(granted.nexus);
        let mut state = self.lock();
        if let Some(session) = state.sessions.remove(&granted.name) {
            state.connections.set_logged_in(&session.mailbox, false);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A handle for a session that is none of a unit's business.
    pub(crate) fn discovery_tsih(&self) -> u16 {
        self.lock().next_tsih()
    }

    /// Tells every other session of a target that tasks were ended.
    pub(crate) fn clear_others(&self, mine: &Arc<Mailbox>, target: &str, lun: Option<u64>) {
        self.others(mine, target, |mailbox| {
            mailbox.cleared_luns.lock().unwrap_or_else(PoisonError::into_inner).push(lun);
            mailbox.signal();
        });
    }

    /// Ends every other session of a target.
    pub(crate) fn drop_others(&self, mine: &Arc<Mailbox>, target: &str) {
        self.others(mine, target, Mailbox::close);
    }

    fn others(&self, mine: &Arc<Mailbox>, target: &str, call: impl Fn(&Mailbox)) {
        let state = self.lock();
        let of_target = state.sessions.iter().filter(|((_, _, name), _)| name == target);
        of_target.filter(|(_, other)| !Arc::ptr_eq(&other.mailbox, mine)).for_each(|(_, other)| call(&other.mailbox));
    }

    /// Ends every connection and waits for them.
    pub(crate) fn close_all(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.connections.close_all();
        drop(self.changed.wait_timeout_while(state, SESSION_END_TIMEOUT, |state| !state.connections.is_empty()));
    }
}
