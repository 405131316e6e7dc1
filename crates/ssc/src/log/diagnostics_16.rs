//! Page 16h, tape diagnostic data (SSC-4 §8.2): the last errors, newest first.

use scsi_core::cdb::Cdb;
use scsi_core::log::{LIST_CONTROL, LogWriter};
use scsi_core::sense::Sense;
use scsi_core::time::Timestamp;
use scsi_core::writer::PageWriter;
use std::collections::VecDeque;

/// Number of errors in the page, each a parameter. Unused parameters are zero.
const MAX_ERRORS: usize = 12;
/// Length of a parameter value in bytes.
const LEN: usize = 68;
/// TIMESTAMP ORIGIN: set by a method outside the standard.
const ORIGIN: u8 = 0x03;

/// Last errors, newest first.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics(VecDeque<Vec<u8>>);

/// Context of an error.
pub(crate) struct ErrorContext<'a> {
    pub(crate) cdb: &'a Cdb,
    pub(crate) at: Timestamp,
    pub(crate) revision: &'a str,
    /// Density, medium type and serial number of the mounted medium.
    pub(crate) medium: Option<(u8, u8, &'a [u8])>,
    /// Hours of tape motion in the life of the drive, and since its last cleaning.
    pub(crate) motion_hours: [u32; 2],
}

impl Diagnostics {
    /// Records an error.
    pub(crate) fn record(&mut self, sense: &Sense, when: &ErrorContext<'_>) {
        let (density, medium_type, serial) = when.medium.unwrap_or_default();
        let [motion, since_cleaning] = when.motion_hours;
        let mut entry = PageWriter::new();
        entry.u16(0).u8(density).u8(medium_type).u32(motion).u8(0).u8(sense.key.0).u16(sense.asc.0).u32(0);
        entry.ascii(when.revision, 4).u32(since_cleaning).u8(when.cdb.opcode().0).u8(0).u16(0);
        let id = serial.iter().copied().chain(std::iter::repeat(b' ')).take(32).collect::<Vec<u8>>();
        entry.bytes(&id).u8(ORIGIN).u8(0).u48(when.at.0);
        self.0.truncate(MAX_ERRORS - 1);
        self.0.push_front(entry.as_slice().to_vec());
    }

    pub(super) fn write(&self, w: &mut LogWriter) {
        let none = vec![0; LEN];
        for (number, entry) in (0..12_u16).zip(self.0.iter().chain(std::iter::repeat(&none))) {
            w.parameter(number, LIST_CONTROL, entry);
        }
    }
}
