//! An initiator without a transport, for tests and for programs that embed a library. It sends commands as CDBs
//! ([`Host::command`], [`Host::command_with_data`]), and has methods for common commands ([`Host::read`],
//! [`Host::move_medium`] and others).

mod error;
mod library;
mod pages;
mod tape;

pub use error::HostError;
pub use library::Element;
pub use pages::Inquiry;
pub use tape::{Position, ReadOutcome, SpaceUnit, WriteOutcome};

use crate::target::Target;
use crate::unit::{Command, CompletedCommand};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::status::Status;
use scsi_core::target::{CdbBytes, DataBuffers, Tag, TaskAttribute};
use std::fmt;
use std::sync::Arc;

/// Status, sense data and data of a completed command.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandResponse {
    /// SCSI status, such as 00h GOOD, 02h CHECK CONDITION, 18h RESERVATION CONFLICT.
    pub status: Status,
    /// Sense data; empty with the status GOOD.
    pub sense: Vec<u8>,
    /// Data-In of the command; empty if there is none.
    pub data: Vec<u8>,
}

impl CommandResponse {
    /// Sense key, ASC and ASCQ; `None` without sense data in fixed format.
    #[must_use]
    pub fn sense_codes(&self) -> Option<(u8, u8, u8)> {
        match self.sense.as_slice() {
            [0x70 | 0x71 | 0xf0 | 0xf1, _, key, _, _, _, _, _, _, _, _, _, asc, ascq, ..] => {
                Some((key & 0x0f, *asc, *ascq))
            }
            _ => None,
        }
    }

    /// The data of a command that ended with the status GOOD.
    ///
    /// # Errors
    /// Fails if the status is not GOOD; the response is returned.
    pub fn into_result(self) -> Result<Vec<u8>, Self> {
        if self.status == Status::GOOD { Ok(self.data) } else { Err(self) }
    }
}

impl fmt::Debug for CommandResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.status)?;
        match self.sense_codes() {
            Some((key, asc, ascq)) => write!(f, ", sense {key:x}/{asc:02x}/{ascq:02x}")?,
            None if !self.sense.is_empty() => write!(f, ", sense {:02x?}", self.sense)?,
            None => {}
        }
        write!(f, ", {} bytes", self.data.len())
    }
}

/// An initiator port that is logged in to a target until it is dropped.
pub struct Host {
    target: Arc<Target>,
    nexus: NexusId,
}

impl Host {
    /// Logs in to a target. Each `number` is a different initiator port.
    #[must_use]
    pub fn login(target: &Arc<Target>, number: u8) -> Self {
        let nexus = target.login(&TransportId::local(number.into()));
        Self { target: Arc::clone(target), nexus }
    }

    /// The target that the host is logged in to.
    #[must_use]
    pub const fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Sends a command without Data-Out. Accepts at most `capacity` bytes of Data-In.
    #[must_use]
    pub fn command(&self, lun: usize, cdb: &[u8], capacity: usize) -> CommandResponse {
        self.run(lun, cdb, Vec::new(), capacity)
    }

    /// Sends a command with Data-Out and without Data-In.
    #[must_use]
    pub fn command_with_data(&self, lun: usize, cdb: &[u8], data: &[u8]) -> CommandResponse {
        self.run(lun, cdb, data.to_vec(), 0)
    }

    /// Sends a command and returns its data if the status is GOOD; `name` is the name of the command in errors.
    fn run_named_command(
        &self,
        name: &'static str,
        lun: usize,
        cdb: &[u8],
        capacity: usize,
    ) -> Result<Vec<u8>, HostError> {
        self.command(lun, cdb, capacity)
            .into_result()
            .map_err(|response| HostError::from_response(name, lun, &response))
    }

    fn run(&self, lun: usize, cdb: &[u8], data_out: Vec<u8>, capacity: usize) -> CommandResponse {
        let data_len = data_out.len();
        // After the site is shut down, queued commands are dropped.
        let Some(done) = self.submit(lun, cdb, data_out, data_len, capacity) else {
            return CommandResponse { status: Status::TASK_ABORTED, sense: Vec::new(), data: Vec::new() };
        };
        let CompletedCommand { completion, data: DataBuffers { mut data_in, .. }, .. } = done;
        data_in.truncate(completion.data_in);
        let sense = completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default();
        CommandResponse { status: completion.status, sense, data: data_in }
    }

    /// Does the same as [`Self::command`] and [`Self::command_with_data`], with buffers for reuse: the first `data_len`
    /// bytes of `data_out` are sent, and the buffer is returned with the completed command. Returns `None` if the site
    /// was shut down.
    #[must_use]
    pub fn submit(
        &self,
        lun: usize,
        bytes: &[u8],
        data_out: Vec<u8>,
        data_len: usize,
        capacity: usize,
    ) -> Option<CompletedCommand> {
        let mut cdb = CdbBytes::from_slice(bytes);
        // Padded, as transports with a CDB field of fixed length do.
        cdb.resize(bytes.len().max(16), 0);
        let command = Command {
            nexus: self.nexus,
            lun: crate::target::encode_lun(lun),
            tag: Tag(1),
            attribute: TaskAttribute::Simple,
            priority: 0,
            cdb,
            data: DataBuffers { data_out, data_out_len: data_len, data_in: Vec::new(), data_in_capacity: capacity },
        };
        self.target.submit_and_wait(command)
    }

    /// Clears the pending unit attentions of all logical units, by TEST UNIT READY until there are none.
    pub fn clear_unit_attentions(&self) {
        for lun in self.target.luns() {
            while self.command(lun, &[0; 6], 0).sense_codes().is_some_and(|(key, ..)| key == 6) {}
        }
    }
}

/// `N` bytes at an offset.
fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl Drop for Host {
    fn drop(&mut self) {
        self.target.logout(self.nexus);
    }
}
