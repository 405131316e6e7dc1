//! Effects of injected faults: the flags, counters and records of a real failure of the drive.

use super::Drive;
use crate::alert::Alert;
use crate::command::Command;
use scsi_core::cdb::Cdb;
use scsi_core::command::DeviceCommand;
use scsi_core::fault::{Fault, Outcome};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::target::Request;
use tape_store::medium::ReadOutcome;

impl Drive {
    /// Raises the TapeAlert flags of a failure, counts it, and records it for diagnostics. A command of which nothing was
    /// transferred reports its whole TRANSFER LENGTH in INFORMATION.
    pub(super) fn inject_failure(
        &mut self,
        command: DeviceCommand<Command>,
        request: &Request<'_>,
        cdb: &Cdb,
        sense: Sense,
    ) -> Sense {
        let is_hard = sense.key == SenseKey::MEDIUM_ERROR || sense.key == SenseKey::HARDWARE_ERROR;
        let is_failure = is_hard || sense.key == SenseKey::VOLUME_OVERFLOW;
        let information = sense.information.or_else(|| transfer_length(command, cdb).filter(|_| is_failure));
        let sense = Sense { information, ..sense };
        let outcome: Outcome = Err(Fault::from(sense.clone()));
        let health = &mut self.state.health;
        match command {
            DeviceCommand::Own(Command::Read | Command::ReadReverse | Command::Verify) => {
                if let Some(mounted) = self.state.media.threaded_mut().filter(|_| is_hard) {
                    mounted.counters.read_failures += 1;
                }
                health.record_read(&outcome);
                health.raise_if([(sense.key == SenseKey::RECOVERED_ERROR, Alert::READ_WARNING)]);
            }
            DeviceCommand::Own(Command::Write | Command::WriteFilemarks) => {
                if let Some(mounted) = self.state.media.threaded_mut() {
                    mounted.counters.write_failures += u64::from(is_hard);
                    health.record_write(&outcome, mounted);
                }
                health.raise_if([(sense.key == SenseKey::RECOVERED_ERROR, Alert::WRITE_WARNING)]);
            }
            DeviceCommand::Own(Command::LoadUnload) => {
                let is_load = cdb.bytes().get(4).is_some_and(|byte| byte & 0x01 != 0);
                // Data that an unload cannot write is a failed write; the mechanism has not failed.
                let is_write = !is_load && sense.key == SenseKey::MEDIUM_ERROR;
                if let Some(mounted) = self.state.media.threaded_mut().filter(|_| is_write) {
                    mounted.counters.write_failures += 1;
                    health.record_write(&outcome, mounted);
                }
                health.raise_if([(is_load, Alert::LOADING_FAILURE), (!is_load && !is_write, Alert::UNLOAD_FAILURE)]);
            }
            DeviceCommand::Own(_) | DeviceCommand::Spc(_) => {}
        }
        self.finish(command, cdb, request, &outcome);
        sense
    }

    /// Removes the filemark before end of data of the present partition. The position is end of data afterwards.
    pub(super) fn lose_last_filemark(&mut self) -> bool {
        let Some(mounted) = self.state.media.threaded_mut() else { return false };
        let before = mounted.medium.position();
        let Some(last) = mounted.medium.usage(before.partition).ok().and_then(|usage| usage.objects.checked_sub(1))
        else {
            return false;
        };
        let medium = &mut mounted.medium;
        let is_filemark = medium.locate(before.partition, last).is_ok_and(|found| found)
            && matches!(medium.read(&mut []), Ok(ReadOutcome::Filemark));
        let is_lost = is_filemark
            && medium.locate(before.partition, last).is_ok_and(|found| found)
            && medium.truncate().is_ok()
            && medium.sync().is_ok();
        if !is_lost && let Err(error) = medium.locate(before.partition, before.object) {
            tracing::warn!(%error, "cannot return to the position after an injected fault");
        }
        is_lost
    }
}

/// TRANSFER LENGTH of a command that reads or writes.
fn transfer_length(command: DeviceCommand<Command>, cdb: &Cdb) -> Option<i64> {
    let DeviceCommand::Own(Command::Read | Command::ReadReverse | Command::Write | Command::WriteFilemarks) = command
    else {
        return None;
    };
    Some(crate::command::transfer_length(cdb).into())
}
