//! Runs cases on the tape driver of `linux-scsi` in this process.

use crate::bench::Bench;
use crate::run::Calls;
use linux_scsi::mtio::Request as TapeRequest;
use linux_scsi::st::{Access, Drive, ModeNumber, OpenTape, Opening};
use linux_scsi::{DeviceGone, Errno, Interrupted, Outcome, ScsiDevice};
use scsi_core::data::Data;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::Request;
use scsi_core::time::Now;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use vtl::target::{Target, encode_lun};

/// One drive of a bench below the tape driver.
pub struct Native {
    drive: Drive,
    device: BenchDevice,
    /// The open tape of each group of duplicates.
    tapes: HashMap<usize, OpenTape>,
    files: HashMap<char, usize>,
    opened: usize,
}

struct BenchDevice {
    target: Arc<Target>,
    nexus: NexusId,
    lun: u64,
}

impl ScsiDevice for BenchDevice {
    fn execute(&mut self, cdb: &[u8], data: Data<'_, '_>, _timeout: Duration) -> Result<Outcome, DeviceGone> {
        let request = Request { lun: self.lun, ..Request::new(self.nexus, cdb, Now::default()) };
        Ok(Outcome::from(&self.target.execute(&request, data)))
    }

    fn wait(&mut self, _duration: Duration) -> Result<(), Interrupted> {
        Ok(())
    }
}

impl Native {
    /// The tape driver on drive `number` of a bench, as after its attachment.
    ///
    /// # Errors
    /// The bench has no such drive.
    pub fn new(bench: &Bench, number: usize) -> Result<Self, String> {
        let (target, lun) = bench.lun(number)?;
        let nexus = target.login(&TransportId::local(1));
        let device = BenchDevice { target, nexus, lun: encode_lun(lun) };
        Ok(Self { drive: Drive::new(), device, tapes: HashMap::new(), files: HashMap::new(), opened: 0 })
    }
}

impl Calls for Native {
    fn open(&mut self, file: char, rewinds: bool, mode: u8, access: &str, nonblocking: bool) -> Result<(), Errno> {
        let access = match access {
            "r" => Access::Read,
            "w" => Access::Write,
            _ => Access::ReadWrite,
        };
        let mode = ModeNumber::new(mode).ok_or(Errno::ENXIO)?;
        let opening = Opening { access, nonblocking, mode, rewinds, privileged: true };
        let tape = self.drive.open(&mut self.device, opening)?;
        self.opened += 1;
        self.tapes.insert(self.opened, tape);
        self.files.insert(file, self.opened);
        Ok(())
    }

    fn close(&mut self, file: char) -> Result<(), Errno> {
        let group = self.files.remove(&file).ok_or(Errno::EBADF)?;
        if self.files.values().any(|other| *other == group) {
            return Ok(());
        }
        let tape = self.tapes.remove(&group).ok_or(Errno::EBADF)?;
        self.drive.close(&mut self.device, tape)
    }

    fn duplicate(&mut self, file: char, duplicate: char) -> Result<(), Errno> {
        let group = *self.files.get(&file).ok_or(Errno::EBADF)?;
        self.files.insert(duplicate, group);
        Ok(())
    }

    fn read(&mut self, file: char, buffer: &mut [u8]) -> Result<usize, Errno> {
        let tape = self.files.get(&file).and_then(|group| self.tapes.get(group)).ok_or(Errno::EBADF)?;
        self.drive.read(&mut self.device, tape, buffer)
    }

    fn write(&mut self, file: char, data: &[u8]) -> Result<usize, Errno> {
        let tape = self.files.get(&file).and_then(|group| self.tapes.get(group)).ok_or(Errno::EBADF)?;
        self.drive.write(&mut self.device, tape, data)
    }

    fn ioctl(&mut self, file: char, request: u32, argument: &mut [u8]) -> Result<(), Errno> {
        let tape = self.files.get(&file).and_then(|group| self.tapes.get(group)).ok_or(Errno::EBADF)?;
        let Some(request) = TapeRequest::decode(request, argument)? else { return Err(Errno::EINVAL) };
        let reply = self.drive.ioctl(&mut self.device, tape, request)?.encode();
        argument.get_mut(..reply.len()).ok_or(Errno::EFAULT)?.copy_from_slice(&reply);
        Ok(())
    }
}
