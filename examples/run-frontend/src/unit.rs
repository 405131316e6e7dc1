//! Logical units behind device nodes.

use linux_scsi::ch::Changer;
use linux_scsi::device::{RESET_TESTS, TEST_UNIT_READY, abort_time};
use linux_scsi::scan::Identification;
use linux_scsi::sg::ioctl::{Address, Settings};
use linux_scsi::sg::{Driver, Openings};
use linux_scsi::st::Drive;
use linux_scsi::{Interrupted, NoStatus, ScsiDevice};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use scsi_core::Status;
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::{CdbBytes, Request};
use scsi_core::time::Now;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vtl::target::{Target, TaskFunction, encode_lun};

/// Waits on behalf of a program. The wait is interrupted if the program no longer exists.
pub type Wait<'a> = &'a dyn Fn(Duration) -> Result<(), Interrupted>;

/// Executes commands of a logical unit, wherever it is.
pub trait Backend: Send + Sync {
    /// Executes a command and waits for its end. If there is no response within the timeout, or the wait is interrupted, aborts
    /// the command; if the device has no such command, resets the logical unit.
    ///
    /// # Errors
    /// [`NoStatus`] if there is no response.
    fn execute(
        &self,
        cdb: &[u8],
        data: Data<'_, '_>,
        timeout: Duration,
        wait: Wait<'_>,
    ) -> Result<Completion, NoStatus>;

    /// Resets the logical unit, or its whole target. Commands in progress end with TASK ABORTED, and every I_T nexus gets a
    /// unit attention. Returns whether it was done.
    fn reset(&self, scope: ResetScope) -> bool;
}

/// The units that a reset concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetScope {
    /// The logical unit alone (LOGICAL UNIT RESET).
    Unit,
    /// All logical units of the target.
    Target,
}

/// The units of a target, with their LUNs.
pub type TargetUnits = Vec<(usize, Arc<dyn Backend>)>;

/// A unit of a site in this process, as a host with its own I_T nexus reaches it.
pub struct LocalUnit {
    target: Arc<Target>,
    nexus: NexusId,
    lun: u64,
}

/// Number of the host in the TransportID of the nexus.
const HOST_NUMBER: u32 = 1;
/// Length in bytes of the CDB field of a transport: shorter CDBs are padded.
const CDB_FIELD: usize = 16;

impl LocalUnit {
    /// Logs in to a target and returns its units in the order of their LUNs.
    #[must_use]
    pub fn login(target: &Arc<Target>) -> TargetUnits {
        let nexus = target.login(&TransportId::local(HOST_NUMBER));
        let unit = |lun: usize| -> (usize, Arc<dyn Backend>) {
            (lun, Arc::new(Self { target: Arc::clone(target), nexus, lun: encode_lun(lun) }))
        };
        target.luns().into_iter().map(unit).collect()
    }

    fn complete(&self, cdb: &[u8], data: Data<'_, '_>) -> Completion {
        let mut padded = CdbBytes::from_slice(cdb);
        padded.resize(cdb.len().max(CDB_FIELD), 0);
        let request = Request { lun: self.lun, ..Request::new(self.nexus, &padded, Now::default()) };
        self.target.execute(&request, data)
    }
}

impl Backend for LocalUnit {
    fn execute(
        &self,
        cdb: &[u8],
        data: Data<'_, '_>,
        timeout: Duration,
        wait: Wait<'_>,
    ) -> Result<Completion, NoStatus> {
        let completion = self.complete(cdb, data);
        if !completion.dropped {
            return Ok(completion);
        }
        let _ = wait(abort_time(timeout));
        self.reset(ResetScope::Unit);
        // Linux takes the unit attention of its reset.
        let test = || self.complete(&TEST_UNIT_READY, Data::new(&[], &mut []));
        let _ = (0..RESET_TESTS).any(|_| test().status == Status::GOOD);
        Err(NoStatus::Reset)
    }

    fn reset(&self, scope: ResetScope) -> bool {
        let function = match scope {
            ResetScope::Unit => TaskFunction::UnitReset,
            ResetScope::Target => TaskFunction::TargetReset,
        };
        self.target.manage_tasks(self.nexus, function, self.lun, &[])
    }
}

/// A logical unit with its nodes.
pub(crate) struct Unit {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) address: Address,
    pub(crate) found: Identification,
    /// Number of the unit among all units: that of its sg node.
    pub(crate) generic: u16,
    pub(crate) kind: UnitKind,
    /// The settings of SG_IO for the node of bsg, and for those of st or ch.
    pub(crate) settings: [Arc<Mutex<Settings>>; 2],
    /// The open files of the sg node.
    pub(crate) openings: Mutex<Openings>,
}

impl Unit {
    /// The settings for an open file of a driver.
    pub(crate) fn settings(&self, driver: Driver) -> Arc<Mutex<Settings>> {
        let [block, other] = &self.settings;
        match driver {
            Driver::Generic => Arc::new(Mutex::new(Settings::new(driver))),
            Driver::Block => Arc::clone(block),
            Driver::Other => Arc::clone(other),
        }
    }
}

/// The driver of a unit, with its state.
pub(crate) enum UnitKind {
    /// A tape drive with the number of its nodes.
    Tape(u16, Box<Mutex<Drive>>),
    /// A medium changer with the number of its node, and its state when a program has used it.
    Changer(u16, Mutex<Option<Changer>>),
    /// Any other device: only generic nodes.
    Other,
}

/// A unit during one system call of a program.
pub(crate) struct Caller<'a> {
    pub(crate) backend: &'a dyn Backend,
    /// The socket of the open file description: when the program is gone, its waits end.
    pub(crate) socket: Option<BorrowedFd<'a>>,
}

impl Caller<'_> {
    fn pause(&self, duration: Duration) -> Result<(), Interrupted> {
        let timeout = Timespec::try_from(duration).map_err(|_| Interrupted)?;
        let mut socket: Vec<PollFd<'_>> =
            self.socket.iter().map(|socket| PollFd::new(socket, PollFlags::HUP)).collect();
        match poll(&mut socket, Some(&timeout)) {
            Ok(0) => Ok(()),
            _ => Err(Interrupted),
        }
    }
}

impl ScsiDevice for Caller<'_> {
    fn execute(&mut self, cdb: &[u8], data: Data<'_, '_>, timeout: Duration) -> Result<Completion, NoStatus> {
        self.backend.execute(cdb, data, timeout, &|time| self.pause(time))
    }

    fn wait(&mut self, duration: Duration) -> Result<(), Interrupted> {
        self.pause(duration)
    }
}
