//! A device of this machine that is read through a node such as `/dev/sg0`.

use super::sys;
use personality::{CommandDevice, Exchange};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// Time limit of a command.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes of sense data.
const MAX_SENSE: usize = 64;

/// An open node of sg, st or ch.
pub(super) struct Node(File);

impl Node {
    /// Opens a node. It does not wait for a medium.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).map(Self)
    }
}

impl CommandDevice for Node {
    fn command(&mut self, cdb: &[u8], capacity: usize) -> io::Result<Exchange> {
        let (mut data, mut sense) = (vec![0; capacity], vec![0; MAX_SENSE]);
        let results = sys::send(&self.0, cdb, &mut data, &mut sense, TIMEOUT)?;
        if results.host_status != 0 {
            let message = format!("no status from the device: host status {} of the driver", results.host_status);
            return Err(io::Error::other(message));
        }
        data.truncate(capacity.saturating_sub(results.residual));
        sense.truncate(results.sense_len);
        Ok(Exchange { cdb: cdb.to_vec(), status: results.status, sense, data })
    }
}
