//! The settings of the drive: MODE SENSE(6) and MODE SELECT(6) of the header, the block descriptor, and the page of
//! compression.

use super::command::Transfer;
use super::options::Booleans;
use super::{Drive, DriveState};
use crate::{Errno, ScsiDevice};

/// The header and the block descriptor of MODE SENSE(6) and MODE SELECT(6).
const HEADER: usize = 12;
/// Greatest block length in bytes that a READ or WRITE can have.
const GREATEST_BLOCK: u32 = 0x00ff_ffff;
/// The header, the block descriptor and the page 0Fh, Data Compression.
const WITH_COMPRESSION: usize = HEADER + 16;

impl DriveState {
    /// The same settings with another BUFFERED MODE, 0 to 7.
    pub(super) const fn with_buffered_mode(self, buffered_mode: u8) -> Self {
        Self { buffered_mode, ..self }
    }

    /// The header and the block descriptor that select these settings.
    fn parameters(&self) -> [u8; HEADER] {
        let [_, a, b, c] = self.block_length.to_be_bytes();
        [0, 0, self.buffered_mode << 4, 8, self.density, 0, 0, 0, 0, a, b, c]
    }
}

impl Drive {
    /// MODE SELECT(6) of settings, which become those of the driver if the drive accepts them.
    pub(super) fn select_mode(&mut self, device: &mut dyn ScsiDevice, wanted: DriveState) -> Result<(), Errno> {
        let parameters = wanted.parameters();
        self.run(device, &[0x15, 0x10, 0, 0, 12, 0], Transfer::Out(&parameters), self.timeouts.normal)?;
        self.state = wanted;
        Ok(())
    }

    /// Selects the defaults of the mode and of the drive. A drive that refuses them keeps its settings.
    pub(super) fn apply_defaults(&mut self, device: &mut dyn ScsiDevice) {
        let mode = *self.mode();
        let wanted = DriveState {
            block_length: mode
                .default_block_length
                .filter(|length| self.accepts(*length))
                .unwrap_or(self.state.block_length),
            density: mode.default_density.unwrap_or(self.state.density),
            buffered_mode: self.options.default_buffered_mode.unwrap_or(self.state.buffered_mode),
            ..self.state
        };
        if wanted != self.state {
            let _ = self.select_mode(device, wanted);
        }
        if let Some(compression) = mode.default_compression {
            let _ = self.set_compression(device, compression);
        }
    }

    /// Whether the drive can have a block length in bytes; 0 is variable.
    pub(super) fn accepts(&self, length: u32) -> bool {
        let (least, greatest) = self.state.block_limits;
        length == 0 || (length >= least && length <= greatest)
    }

    /// READ BLOCK LIMITS, unless the drive does not have it (MT_ST_NO_BLKLIMS): then the drive itself refuses a length.
    fn read_block_limits(&mut self, device: &mut dyn ScsiDevice) -> Option<(u32, u32)> {
        if self.has(Booleans::NO_BLKLIMS) {
            return Some((0, GREATEST_BLOCK));
        }
        let mut limits = [0; 6];
        self.run(device, &[5, 0, 0, 0, 0, 0], Transfer::In(&mut limits), self.timeouts.normal).ok()?;
        let [_, a, b, c, d, e] = limits;
        Some((u32::from_be_bytes([0, 0, d, e]), u32::from_be_bytes([0, a, b, c])))
    }

    /// READ BLOCK LIMITS and MODE SENSE(6).
    pub(super) fn read_settings(&mut self, device: &mut dyn ScsiDevice) {
        let mut mode = [0; HEADER];
        self.state.block_limits = self.read_block_limits(device).unwrap_or(self.state.block_limits);
        let sensed = self.run(device, &[0x1a, 0, 0, 0, 12, 0], Transfer::In(&mut mode), self.timeouts.normal);
        self.state.block_length = 0;
        if sensed.is_ok() {
            let [_, _, specific, descriptors, density, _, _, _, _, a, b, c] = mode;
            self.state.write_protected = specific & 0x80 != 0;
            self.state.buffered_mode = specific >> 4 & 7;
            if descriptors == 8 {
                self.state.density = density;
                self.state.block_length = u32::from_be_bytes([0, a, b, c]);
            }
        }
    }

    /// Sets DCE of the page 0Fh, Data Compression.
    pub(super) fn set_compression(&mut self, device: &mut dyn ScsiDevice, on: bool) -> Result<(), Errno> {
        let mut page = [0; WITH_COMPRESSION];
        self.run(device, &[0x1a, 0, 0x0f, 0, 28, 0], Transfer::In(&mut page), self.timeouts.normal)?;
        let [data_length, medium, specific, _, _, _, _, _, _, _, _, _, _, _, flags, ..] = &mut page;
        (*data_length, *medium) = (0, 0);
        *specific &= 0x7f;
        *flags = if on { *flags | 0x80 } else { *flags & 0x7f };
        self.run(device, &[0x15, 0x10, 0, 0, 28, 0], Transfer::Out(&page), self.timeouts.normal)?;
        Ok(())
    }
}
