//! The module in this process, for tests, with what is peculiar about the real one:
//!
//! - one command at a time for the whole host, whichever unit it is for;
//! - a command that is not answered in time is completed with GOOD and nothing else ([`Simulator::expire_all`]);
//! - a host that gives up tells nobody ([`Simulator::abort`]): the answer comes back as [`CompletionOutcome::CommandGone`];
//! - transfers end at 512 KiB, CDBs at 16 bytes;
//! - a unit is looked at with INQUIRY when it is added, with its LUN in byte 1, and REPORT LUNS never reaches it.

use crate::abi::{HostAddress, MAX_LUNS, MAX_MINORS, MAX_TRANSFER, SENSE_LEN};
use crate::{Command, CommandResponse, CompletionOutcome, Module, UnitDevice};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What a host wants with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTransfer {
    /// No data.
    NoData,
    /// At most so many bytes.
    DataIn(usize),
    /// These bytes are for the unit.
    DataOut(Vec<u8>),
}

/// How the SCSI layer ends a command that has no status of the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostStatus {
    /// The status is the unit's.
    #[default]
    Completed,
    /// There is no such unit.
    NoConnect,
    /// It took too long.
    TimedOut,
    /// The CDB is too long.
    Aborted,
    /// The transfer is too long.
    Invalid,
}

/// What a host got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostResult {
    /// How the SCSI layer ended it.
    pub host: HostStatus,
    /// SAM status.
    pub status: u8,
    /// Sense: 96 bytes, or none.
    pub sense: Vec<u8>,
    /// Data, as far as the unit gave it.
    pub data: Vec<u8>,
    /// Bytes of the transfer that were not moved.
    pub residual: usize,
}

/// A command on its way.
#[derive(Debug)]
struct PendingCommand {
    minor: u16,
    serial: u64,
    cdb: [u8; 16],
    transfer: HostTransfer,
    /// Its unit has it.
    handed: bool,
}

#[derive(Debug)]
struct SimulatorState {
    units: BTreeMap<u16, HostAddress>,
    /// The first is the one that the host has room for.
    queue: VecDeque<PendingCommand>,
    got: BTreeMap<u64, HostResult>,
    serial: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<SimulatorState>,
    changed: Condvar,
}

/// The simulated module, and the host above it.
#[derive(Clone, Debug)]
pub struct Simulator(Arc<Shared>);

impl Default for Simulator {
    fn default() -> Self {
        let state = SimulatorState { units: BTreeMap::new(), queue: VecDeque::new(), got: BTreeMap::new(), serial: 2 };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }))
    }
}

/// A command that a host has sent.
#[derive(Debug)]
pub struct SentCommand {
    simulator: Simulator,
    serial: u64,
}

impl SentCommand {
    /// The module's number for it.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// Waits until it is answered.
    #[must_use]
    pub fn wait(self) -> HostResult {
        let mut state = self.simulator.state();
        loop {
            if let Some(got) = state.got.remove(&self.serial) {
                return got;
            }
            state = self.simulator.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl SimulatorState {
    /// Puts a command behind those that wait, or ends it where the SCSI layer does.
    fn send(&mut self, minor: u16, cdb: &[u8], asked: HostTransfer) -> u64 {
        const REPORT_LUNS: u8 = 0xa0;
        let serial = self.serial;
        self.serial += 1;
        let length = match &asked {
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
            Some(got) => drop(self.got.insert(serial, got)),
            None => self.queue.push_back(PendingCommand { minor, serial, cdb: padded, transfer: asked, handed: false }),
        }
        serial
    }

    fn take(&mut self, minor: u16, serial: u64) -> Option<PendingCommand> {
        let at = self.queue.iter().position(|pending| (pending.minor, pending.serial) == (minor, serial))?;
        self.queue.remove(at)
    }
}

/// The module's own answer: a length of 32 LUNs, and the first fifteen of them.
fn report_luns(room: usize) -> HostResult {
    let mut data = vec![0, 0, 1, 0, 0, 0, 0, 0];
    (0..15_u8).for_each(|lun| data.extend([0, lun, 0, 0, 0, 0, 0, 0]));
    data.truncate(room);
    HostResult { residual: room - data.len(), data, ..HostResult::default() }
}

impl Simulator {
    fn state(&self) -> MutexGuard<'_, SimulatorState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A host sends a command to a unit.
    #[must_use]
    pub fn send(&self, minor: u16, cdb: &[u8], asked: HostTransfer) -> SentCommand {
        let serial = self.state().send(minor, cdb, asked);
        self.0.changed.notify_all();
        SentCommand { simulator: self.clone(), serial }
    }

    /// The time of every command that waits is over: the host hears GOOD.
    pub fn expire_all(&self) {
        self.end_all(&HostResult::default());
    }

    /// A host gives up a command. Its unit does not hear of it.
    pub fn abort(&self, serial: u64) {
        let mut state = self.state();
        if let Some(at) = state.queue.iter().position(|pending| pending.serial == serial) {
            state.queue.remove(at);
            state.got.insert(serial, HostResult { host: HostStatus::TimedOut, ..HostResult::default() });
        }
        drop(state);
        self.0.changed.notify_all();
    }

    fn end_all(&self, with: &HostResult) {
        let mut state = self.state();
        for pending in std::mem::take(&mut state.queue) {
            state.got.insert(pending.serial, with.clone());
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// The units that the host has.
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
        Ok(SimulatorDevice { simulator: self.clone(), minor, handed: BTreeSet::new() })
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
        let got = self.send(minor, &[0x12, lun, 0, 0, 36, 0], HostTransfer::DataIn(36)).wait();
        if got.host == HostStatus::Completed && !got.data.is_empty() {
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
    handed: BTreeSet<u64>,
}

impl UnitDevice for SimulatorDevice {
    fn next_command(&mut self) -> io::Result<Option<Command>> {
        let mut state = self.simulator.state();
        // The host lets one command out at a time, for all units together.
        match state.queue.front_mut() {
            Some(pending) if pending.minor == self.minor && !pending.handed => {
                pending.handed = true;
                self.handed.insert(pending.serial);
                Ok(Some(Command::new(pending.serial, pending.cdb)))
            }
            _ => Ok(None),
        }
    }

    fn fetch_data(&mut self, serial: u64, into: &mut [u8]) -> io::Result<()> {
        if !self.handed.contains(&serial) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let state = self.simulator.state();
        let pending = state.queue.iter().find(|pending| pending.serial == serial).ok_or(io::ErrorKind::NotFound)?;
        let HostTransfer::DataOut(data) = &pending.transfer else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        into.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        if into.len() > data.len() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    fn complete(&mut self, serial: u64, answer: &CommandResponse<'_>) -> io::Result<CompletionOutcome> {
        if !self.handed.remove(&serial) {
            return Ok(CompletionOutcome::CommandGone);
        }
        let mut state = self.simulator.state();
        let Some(pending) = state.take(self.minor, serial) else { return Ok(CompletionOutcome::CommandGone) };
        let (data, residual) = match pending.transfer {
            HostTransfer::DataIn(room) => {
                let data = answer.data.get(..room).unwrap_or(answer.data).to_vec();
                let residual = room - data.len();
                (data, residual)
            }
            HostTransfer::NoData | HostTransfer::DataOut(_) => (Vec::new(), 0),
        };
        let mut sense = Vec::new();
        if answer.status != 0 {
            sense = answer.sense.iter().copied().chain(std::iter::repeat(0)).take(SENSE_LEN).collect();
            sense.iter_mut().take(1).for_each(|first| *first |= 0x70);
        }
        state
            .got
            .insert(serial, HostResult { host: HostStatus::Completed, status: answer.status, sense, data, residual });
        drop(state);
        self.simulator.0.changed.notify_all();
        Ok(CompletionOutcome::Completed)
    }

    fn take_over(&mut self, serials: RangeInclusive<u64>) -> io::Result<Vec<u64>> {
        let state = self.simulator.state();
        if !state.units.contains_key(&self.minor) {
            return Ok(Vec::new());
        }
        let waits = |serial: &u64| state.queue.iter().any(|pending| pending.serial == *serial && !pending.handed);
        let serials: Vec<u64> = serials.filter(|serial| !waits(serial)).collect();
        self.handed.extend(&serials);
        Ok(serials)
    }

    fn remove_unit(&mut self, address: HostAddress) -> io::Result<()> {
        let mut state = self.simulator.state();
        let gone: Vec<u16> = state.units.iter().filter(|(_, at)| **at == address).map(|(minor, _)| *minor).collect();
        for minor in gone {
            state.units.remove(&minor);
            let lost: Vec<u64> =
                state.queue.iter().filter(|pending| pending.minor == minor).map(|pending| pending.serial).collect();
            state.queue.retain(|pending| pending.minor != minor);
            for serial in lost {
                state.got.insert(serial, HostResult { host: HostStatus::NoConnect, ..HostResult::default() });
            }
        }
        drop(state);
        self.simulator.0.changed.notify_all();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
