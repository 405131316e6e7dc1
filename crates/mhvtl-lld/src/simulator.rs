//! A simulator of the module in this process, for tests, with the peculiarities of the real module:
//!
//! - the SCSI host sends one command at a time, for all units together;
//! - a command that is not completed in time ends with GOOD status and no data ([`Simulator::expire_all`]);
//! - the unit is not notified of an abort ([`Simulator::abort`]): completing the command returns
//!   [`CompletionOutcome::CommandGone`];
//! - transfers are limited to 512 KiB, CDBs to 16 bytes;
//! - the host sends INQUIRY, with the LUN in byte 1, when a unit is added; the module responds to REPORT LUNS itself.

use crate::abi::{HostAddress, MAX_LUNS, MAX_MINORS, MAX_TRANSFER, SENSE_LEN};
use crate::{Command, CommandResponse, CompletionOutcome, Module, UnitDevice};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The data transfer of a command, as the host requests it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTransfer {
    /// The command transfers no data.
    NoData,
    /// A transfer to the host of at most this number of bytes.
    DataIn(usize),
    /// A transfer of these bytes to the unit.
    DataOut(Vec<u8>),
}

/// The host byte: how the SCSI layer ended a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostStatus {
    /// DID_OK: the unit completed the command and its status is valid.
    #[default]
    Completed,
    /// DID_NO_CONNECT: there is no such unit.
    NoConnect,
    /// DID_TIME_OUT: the command was not completed in time.
    TimedOut,
    /// DID_ABORT: the CDB is too long.
    Aborted,
    /// The transfer is larger than the host allows.
    Invalid,
}

/// The result of a command at the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostResult {
    /// The host byte of the command.
    pub host: HostStatus,
    /// SAM status of the command.
    pub status: u8,
    /// Sense data: 96 bytes, or none.
    pub sense: Vec<u8>,
    /// Data-In bytes that the unit returned.
    pub data: Vec<u8>,
    /// Number of bytes of the transfer that were not transferred.
    pub residual: usize,
}

/// A command that is not completed.
#[derive(Debug)]
struct PendingCommand {
    minor: u16,
    serial: u64,
    cdb: [u8; 16],
    transfer: HostTransfer,
    /// The unit has received the command.
    delivered: bool,
}

#[derive(Debug)]
struct SimulatorState {
    units: BTreeMap<u16, HostAddress>,
    /// The first command is the one that the host sends to its unit.
    queue: VecDeque<PendingCommand>,
    results: BTreeMap<u64, HostResult>,
    serial: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<SimulatorState>,
    changed: Condvar,
}

/// The simulated module and its SCSI host.
#[derive(Clone, Debug)]
pub struct Simulator(Arc<Shared>);

impl Default for Simulator {
    fn default() -> Self {
        let state =
            SimulatorState { units: BTreeMap::new(), queue: VecDeque::new(), results: BTreeMap::new(), serial: 2 };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }))
    }
}

/// A command that a host has sent to a unit.
#[derive(Debug)]
pub struct SentCommand {
    simulator: Simulator,
    serial: u64,
}

impl SentCommand {
    /// Serial number that the module assigned to the command.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// Waits until the command ends, and returns its result.
    #[must_use]
    pub fn wait(self) -> HostResult {
        let mut state = self.simulator.state();
        loop {
            if let Some(result) = state.results.remove(&self.serial) {
                return result;
            }
            state = self.simulator.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl SimulatorState {
    /// Queues a command, or ends it if the SCSI layer would.
    fn send(&mut self, minor: u16, cdb: &[u8], transfer: HostTransfer) -> u64 {
        const REPORT_LUNS: u8 = 0xa0;
        let serial = self.serial;
        self.serial += 1;
        let length = match &transfer {
            HostTransfer::NoData => 0,
            HostTransfer::DataIn(length) => *length,
            HostTransfer::DataOut(data) => data.len(),
        };
        let mut padded = [0; 16];
        padded.iter_mut().zip(cdb).for_each(|(to, from)| *to = *from);
        let ended = |host| HostResult { host, residual: length, ..HostResult::default() };
        let refused = match self.units.get(&minor) {
            None => Some(ended(HostStatus::NoConnect)),
            Some(_) if cdb.len() > padded.len() => Some(ended(HostStatus::Aborted)),
            Some(_) if length > MAX_TRANSFER => Some(ended(HostStatus::Invalid)),
            Some(_) if cdb.first() == Some(&REPORT_LUNS) => Some(report_luns(length)),
            Some(_) => None,
        };
        match refused {
            Some(result) => drop(self.results.insert(serial, result)),
            None => self.queue.push_back(PendingCommand { minor, serial, cdb: padded, transfer, delivered: false }),
        }
        serial
    }

    fn take(&mut self, minor: u16, serial: u64) -> Option<PendingCommand> {
        let at = self.queue.iter().position(|pending| (pending.minor, pending.serial) == (minor, serial))?;
        self.queue.remove(at)
    }
}

/// The module's response to REPORT LUNS: a list length of 32 LUNs, and the first 15 LUNs.
fn report_luns(length: usize) -> HostResult {
    let mut data = vec![0, 0, 1, 0, 0, 0, 0, 0];
    (0..15_u8).for_each(|lun| data.extend([0, lun, 0, 0, 0, 0, 0, 0]));
    data.truncate(length);
    HostResult { residual: length - data.len(), data, ..HostResult::default() }
}

impl Simulator {
    fn state(&self) -> MutexGuard<'_, SimulatorState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a command of the host to a unit.
    #[must_use]
    pub fn send(&self, minor: u16, cdb: &[u8], transfer: HostTransfer) -> SentCommand {
        let serial = self.state().send(minor, cdb, transfer);
        self.0.changed.notify_all();
        SentCommand { simulator: self.clone(), serial }
    }

    /// Lets every pending command time out: each ends with GOOD status at the host.
    pub fn expire_all(&self) {
        self.end_all(&HostResult::default());
    }

    /// Aborts a command at the host. The unit is not notified.
    pub fn abort(&self, serial: u64) {
        let mut state = self.state();
        if let Some(at) = state.queue.iter().position(|pending| pending.serial == serial) {
            state.queue.remove(at);
            state.results.insert(serial, HostResult { host: HostStatus::TimedOut, ..HostResult::default() });
        }
        drop(state);
        self.0.changed.notify_all();
    }

    fn end_all(&self, with: &HostResult) {
        let mut state = self.state();
        for pending in std::mem::take(&mut state.queue) {
            state.results.insert(pending.serial, with.clone());
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// The units of the SCSI host, by minor.
    #[must_use]
    pub fn units(&self) -> BTreeMap<u16, HostAddress> {
        self.state().units.clone()
    }
}

impl Module for Simulator {
    type Device = SimulatorDevice;

    fn open(&self, minor: u16) -> io::Result<SimulatorDevice> {
        if minor >= MAX_MINORS {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(SimulatorDevice { simulator: self.clone(), minor, delivered: BTreeSet::new() })
    }

    fn add_unit(&self, minor: u16, address: HostAddress) -> io::Result<()> {
        if address.lun >= MAX_LUNS {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if self.state().units.contains_key(&minor) {
            return Ok(());
        }
        self.state().units.insert(minor, address);
        let lun = u8::try_from(address.lun & 7).unwrap_or_default() << 5;
        let result = self.send(minor, &[0x12, lun, 0, 0, 36, 0], HostTransfer::DataIn(36)).wait();
        if result.host == HostStatus::Completed && !result.data.is_empty() {
            return Ok(());
        }
        self.state().units.remove(&minor);
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// The open device of a minor of the simulator.
#[derive(Debug)]
pub struct SimulatorDevice {
    simulator: Simulator,
    minor: u16,
    delivered: BTreeSet<u64>,
}

impl UnitDevice for SimulatorDevice {
    fn next_command(&mut self) -> io::Result<Option<Command>> {
        let mut state = self.simulator.state();
        // The host sends one command at a time, for all units together.
        match state.queue.front_mut() {
            Some(pending) if pending.minor == self.minor && !pending.delivered => {
                pending.delivered = true;
                self.delivered.insert(pending.serial);
                Ok(Some(Command::new(pending.serial, pending.cdb)))
            }
            _ => Ok(None),
        }
    }

    fn fetch_data(&mut self, serial: u64, into: &mut [u8]) -> io::Result<()> {
        if !self.delivered.contains(&serial) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let state = self.simulator.state();
        let pending = state.queue.iter().find(|pending| pending.serial == serial).ok_or(io::ErrorKind::NotFound)?;
        let HostTransfer::DataOut(data) = &pending.transfer else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        into.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        if into.len() > data.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn complete(&mut self, serial: u64, response: &CommandResponse<'_>) -> io::Result<CompletionOutcome> {
        if !self.delivered.remove(&serial) {
            return Ok(CompletionOutcome::CommandGone);
        }
        let mut state = self.simulator.state();
        let Some(pending) = state.take(self.minor, serial) else { return Ok(CompletionOutcome::CommandGone) };
        let (data, residual) = match pending.transfer {
            HostTransfer::DataIn(length) => {
                let data = response.data.get(..length).unwrap_or(response.data).to_vec();
                let residual = length - data.len();
                (data, residual)
            }
            HostTransfer::NoData | HostTransfer::DataOut(_) => (Vec::new(), 0),
        };
        let mut sense = Vec::new();
        if response.status != 0 {
            sense = response.sense.iter().copied().chain(std::iter::repeat(0)).take(SENSE_LEN).collect();
            sense.iter_mut().take(1).for_each(|first| *first |= 0x70);
        }
        state
            .results
            .insert(serial, HostResult { host: HostStatus::Completed, status: response.status, sense, data, residual });
        drop(state);
        self.simulator.0.changed.notify_all();
        Ok(CompletionOutcome::Completed)
    }

    fn take_over(&mut self, serials: RangeInclusive<u64>) -> io::Result<Vec<u64>> {
        let state = self.simulator.state();
        if !state.units.contains_key(&self.minor) {
            return Ok(Vec::new());
        }
        let is_waiting =
            |serial: &u64| state.queue.iter().any(|pending| pending.serial == *serial && !pending.delivered);
        let serials: Vec<u64> = serials.filter(|serial| !is_waiting(serial)).collect();
        self.delivered.extend(&serials);
        Ok(serials)
    }

    fn remove_unit(&mut self, address: HostAddress) -> io::Result<()> {
        let mut state = self.simulator.state();
        let removed: Vec<u16> = state.units.iter().filter(|(_, at)| **at == address).map(|(minor, _)| *minor).collect();
        for minor in removed {
            state.units.remove(&minor);
            let serials: Vec<u64> =
                state.queue.iter().filter(|pending| pending.minor == minor).map(|pending| pending.serial).collect();
            state.queue.retain(|pending| pending.minor != minor);
            for serial in serials {
                state.results.insert(serial, HostResult { host: HostStatus::NoConnect, ..HostResult::default() });
            }
        }
        drop(state);
        self.simulator.0.changed.notify_all();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
