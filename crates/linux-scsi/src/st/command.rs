//! The commands of the driver, and how their outcome is judged.

use super::Drive;
use crate::device::sense;
use crate::{Errno, NoStatus, ScsiDevice};
use core::time::Duration;
use scsi_core::{Asc, Sense, SenseKey, Status};

/// Time limits of commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Of most commands.
    pub(super) normal: Duration,
    /// Of commands that wind the tape; an erase has eight times as much.
    pub(super) long: Duration,
}

impl Timeouts {
    pub(super) const INITIAL: Self = Self { normal: Duration::from_secs(900), long: Duration::from_secs(14_000) };
}

/// The data of a command.
#[derive(Debug)]
pub(super) enum Transfer<'a> {
    None,
    Out(&'a [u8]),
    In(&'a mut [u8]),
}

/// A command that did not end with GOOD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The sense data; `None` if there is no status, or it is not CHECK CONDITION.
    sense: Option<Sense>,
}

impl Refusal {
    pub(super) fn key(&self) -> Option<SenseKey> {
        self.sense.as_ref().map(|sense| sense.key)
    }

    pub(super) const fn has_no_sense(&self) -> bool {
        self.sense.is_none()
    }

    pub(super) fn asc(&self) -> Option<Asc> {
        self.sense.as_ref().map(|sense| sense.asc)
    }

    pub(super) fn filemark(&self) -> bool {
        self.sense.as_ref().is_some_and(|sense| sense.filemark)
    }

    pub(super) fn eom(&self) -> bool {
        self.sense.as_ref().is_some_and(|sense| sense.eom)
    }

    pub(super) fn ili(&self) -> bool {
        self.sense.as_ref().is_some_and(|sense| sense.ili)
    }

    /// INFORMATION: what the command did not do of the count in its CDB.
    pub(super) fn residue(&self) -> Option<i32> {
        let information = self.sense.as_ref().and_then(|sense| sense.information)?;
        i32::try_from(information).ok()
    }

    pub(super) fn is(&self, key: SenseKey) -> bool {
        self.key() == Some(key)
    }

    /// Whether the command had no error: only a mark, the end of the tape or another length is reported.
    pub(super) fn is_harmless(&self) -> bool {
        self.is(SenseKey::NO_SENSE) || self.is(SenseKey::RECOVERED_ERROR)
    }
}

impl From<Refusal> for Errno {
    fn from(_: Refusal) -> Self {
        Self::EIO
    }
}

impl Drive {
    /// Sends a command and returns the number of bytes that it stored. A recovered error without a mark is no refusal.
    pub(super) fn run(
        &mut self,
        device: &mut dyn ScsiDevice,
        cdb: &[u8],
        transfer: Transfer<'_>,
        timeout: Duration,
    ) -> Result<usize, Refusal> {
        let mut nothing: [u8; 0] = [];
        let (data_out, data_in): (&[u8], &mut [u8]) = match transfer {
            Transfer::None => (&[], &mut nothing),
            Transfer::Out(bytes) => (bytes, &mut nothing),
            Transfer::In(bytes) => (&[], bytes),
        };
        let wanted = data_in.len();
        let completion = device.transfer(cdb, data_out, data_in, timeout).map_err(|no_status| {
            if no_status == NoStatus::Reset {
                self.notice_reset();
            }
            self.notice_failure();
            Refusal { sense: None }
        })?;
        if completion.status == Status::GOOD {
            return Ok(completion.data_in);
        }
        let refusal = Refusal { sense: sense(&completion) };
        let bytes = completion.sense.as_ref().map(|sense| sense.as_slice()).unwrap_or_default();
        self.cleaning_requested |=
            refusal.asc() == Some(Asc::CLEANING_REQUESTED) || self.options.cleaning.is_requested(bytes);
        if refusal.is(SenseKey::RECOVERED_ERROR) {
            self.recovered_errors = self.recovered_errors.saturating_add(1);
            if !(refusal.eom() || refusal.filemark() || refusal.ili()) {
                return Ok(wanted);
            }
        }
        self.notice_failure();
        Err(refusal)
    }

    /// Sends a command without data.
    pub(super) fn send(&mut self, device: &mut dyn ScsiDevice, cdb: [u8; 6], timeout: Duration) -> Result<(), Refusal> {
        self.run(device, &cdb, Transfer::None, timeout).map(|_| ())
    }
}

/// Bytes 2-4 of a CDB: a count of 24 bits, two's complement for negative ones.
pub(super) const fn count24(count: i32) -> [u8; 3] {
    let [_, high, middle, low] = count.to_be_bytes();
    [high, middle, low]
}
