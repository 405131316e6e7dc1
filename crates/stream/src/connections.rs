//! The open connections of a socket: their number, the hosts that have them, and their end.

use crate::frame::{ErrorNumber, FIRST_GIVEN_HOST, FrameError};
use std::collections::BTreeMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Maximum number of connections of a socket.
pub(crate) const MAX_CONNECTIONS: usize = 32;
/// Time limit for the end of a connection that another one replaces, and of all connections at shutdown.
const END_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Table {
    entries: BTreeMap<u64, Entry>,
    next: u64,
    next_host: u32,
    closed: bool,
}

struct Entry {
    stream: UnixStream,
    /// Host number and name of the target, after the connection was opened.
    nexus: Option<(u32, String)>,
}

/// The connections of a socket.
#[derive(Default)]
pub(crate) struct Connections {
    table: Mutex<Table>,
    changed: Condvar,
}

/// The entry of a connection, removed when this is dropped.
pub(crate) struct Slot<'a> {
    connections: &'a Connections,
    number: u64,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.connections.lock().entries.remove(&self.number);
        self.connections.changed.notify_all();
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection and returns its number.
    ///
    /// # Errors
    /// The limit is reached, or the socket is closed.
    pub(crate) fn add(&self, stream: &UnixStream) -> io::Result<Result<u64, FrameError>> {
        let stream = stream.try_clone()?;
        let mut table = self.lock();
        if table.closed {
            return Ok(Err(FrameError::new(ErrorNumber::SHUT_DOWN, "the daemon is shut down")));
        }
        if table.entries.len() >= MAX_CONNECTIONS {
            let message = format!("the socket has {MAX_CONNECTIONS} connections already; close one");
            return Ok(Err(FrameError::new(ErrorNumber::TOO_MANY, message)));
        }
        let number = table.next;
        table.next += 1;
        table.entries.insert(number, Entry { stream, nexus: None });
        Ok(Ok(number))
    }

    /// Removes a connection whose thread was not started.
    pub(crate) fn remove(&self, number: u64) {
        drop(self.slot(number));
    }

    /// The entry of a connection, for its thread.
    pub(crate) const fn slot(&self, number: u64) -> Slot<'_> {
        Slot { connections: self, number }
    }

    /// Closes all connections and waits until their threads have ended, with a time limit.
    pub(crate) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        table.entries.values().for_each(Entry::shut_down);
        drop(self.changed.wait_timeout_while(table, END_TIMEOUT, |table| !table.entries.is_empty()));
    }
}

impl Entry {
    /// Ends the connection: its thread reads the end of the stream.
    fn shut_down(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

impl Slot<'_> {
    /// Enters the I_T nexus of the connection and returns its host number: a free one if `host` is 0. A connection of
    /// the same host to the same target ends first.
    ///
    /// # Errors
    /// The former connection runs a command and does not end in time.
    pub(crate) fn open(&self, host: u32, target: &str) -> Result<u32, FrameError> {
        let mut table = self.connections.lock();
        let host = if host == 0 { table.give_host() } else { host };
        let nexus = (host, target.to_owned());
        let is_open = |table: &Table| table.entries.values().any(|entry| entry.nexus.as_ref() == Some(&nexus));
        let former = table.entries.values().filter(|entry| entry.nexus.as_ref() == Some(&nexus));
        former.for_each(Entry::shut_down);
        let ended = self.connections.changed.wait_timeout_while(table, END_TIMEOUT, |table| is_open(table));
        let (mut table, _) = ended.unwrap_or_else(PoisonError::into_inner);
        if is_open(&table) {
            let message = format!("host {host} has a connection whose command has not ended; try again later");
            return Err(FrameError::new(ErrorNumber::TOO_MANY, message));
        }
        if let Some(entry) = table.entries.get_mut(&self.number) {
            entry.nexus = Some(nexus);
        }
        Ok(host)
    }
}

impl Table {
    /// A host number that no connection has had, from 8000_0000h.
    fn give_host(&mut self) -> u32 {
        let host = FIRST_GIVEN_HOST | self.next_host;
        self.next_host = self.next_host.wrapping_add(1) & (FIRST_GIVEN_HOST - 1);
        host
    }
}
