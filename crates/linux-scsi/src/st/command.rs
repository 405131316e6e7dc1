//! The commands of the driver, and how their outcome is judged.

use super::Drive;
use crate::{Errno, ScsiDevice};
use core::time::Duration;
use scsi_core::data::Data;
use scsi_core::{Sense, SenseKey, Status};
use std::io::{IoSlice, IoSliceMut};

/// Time limits of commands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// Of most commands.
    pub(super) normal: Duration,
    /// Of commands that wind the tape.
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
    pub(super) sense: Option<Sense>,
    /// Bytes that the command stored into the data-in buffer.
    pub(super) data_in: usize,
}

impl Refusal {
    pub(super) fn key(&self) -> SenseKey {
        self.sense.as_ref().map_or(SenseKey(0xff), |sense| sense.key)
    }

    /// What the command did not do of the count in its CDB.
    pub(super) fn residue(&self) -> Option<i64> {
        self.sense.as_ref().and_then(|sense| sense.information)
    }
}

impl From<Refusal> for Errno {
    fn from(_: Refusal) -> Self {
        Self::EIO
    }
}

impl Drive {
    /// Sends a command and returns the number of bytes that it stored.
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
        let outcome = {
            let (data_out, mut data_in) = ([IoSlice::new(data_out)], [IoSliceMut::new(data_in)]);
            device.execute(cdb, Data::new(&data_out, &mut data_in), timeout)
        };
        let Ok(outcome) = outcome else { return Err(Refusal { sense: None, data_in: 0 }) };
        let recovered = outcome.sense.as_ref().is_some_and(|sense| sense.key == SenseKey::RECOVERED_ERROR);
        if recovered {
            self.recovered_errors = self.recovered_errors.saturating_add(1);
        }
        match outcome.status {
            Status::GOOD => Ok(outcome.data_in),
            _ => Err(Refusal { sense: outcome.sense, data_in: outcome.data_in }),
        }
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
