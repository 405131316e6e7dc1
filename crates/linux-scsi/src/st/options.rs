//! Options of the driver, which MTSETDRVBUFFER sets: those of each mode, and those of the drive.

use super::command::Timeouts;
use super::{Drive, OpenTape};
use crate::{Errno, ScsiDevice};
use bitflags::bitflags;
use core::time::Duration;

bitflags! {
    /// The Boolean options.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Booleans: u32 {
        const BUFFER_WRITES = 0x1;
        const ASYNC_WRITES = 0x2;
        const READ_AHEAD = 0x4;
        const DEBUGGING = 0x8;
        const TWO_FM = 0x10;
        const FAST_MTEOM = 0x20;
        const AUTO_LOCK = 0x40;
        const DEF_WRITES = 0x80;
        const CAN_BSR = 0x100;
        const NO_BLKLIMS = 0x200;
        const CAN_PARTITIONS = 0x400;
        const SCSI2LOGICAL = 0x800;
        const SYSV = 0x1000;
        const NOWAIT = 0x2000;
        const SILI = 0x4000;
        const NOWAIT_EOF = 0x8000;
    }
}

/// The Boolean options that each mode has separately; the others apply to the drive.
const OF_A_MODE: Booleans = Booleans::BUFFER_WRITES
    .union(Booleans::ASYNC_WRITES)
    .union(Booleans::READ_AHEAD)
    .union(Booleans::DEF_WRITES)
    .union(Booleans::SYSV);

/// The options of one mode of a drive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    /// Whether an option of the mode was set: until then only MTSETDRVBUFFER works.
    pub(super) defined: bool,
    /// The Boolean options of the mode.
    pub(super) booleans: Booleans,
    /// Block length in bytes for a new cartridge.
    pub(super) default_block_length: Option<u32>,
    /// Density code for a new cartridge.
    pub(super) default_density: Option<u8>,
    /// Compression for a new cartridge.
    pub(super) default_compression: Option<bool>,
}

impl Mode {
    /// Mode 0 is defined, the others are not.
    pub(super) const fn initial() -> [Self; 4] {
        let booleans = Booleans::BUFFER_WRITES.union(Booleans::ASYNC_WRITES).union(Booleans::READ_AHEAD);
        let mode = Self {
            defined: false,
            booleans,
            default_block_length: None,
            default_density: None,
            default_compression: None,
        };
        [Self { defined: true, ..mode }, mode, mode, mode]
    }
}

/// The options of a drive, for all its modes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) booleans: Booleans,
    /// BUFFERED MODE for a new cartridge.
    pub(super) default_buffered_mode: Option<u8>,
    /// Bytes of buffered blocks that are sent to the drive at once.
    pub(super) write_threshold: usize,
    /// Where sense data tells that the drive needs cleaning.
    pub(super) cleaning: CleaningBits,
}

impl Options {
    pub(super) const INITIAL: Self = Self {
        booleans: Booleans::CAN_BSR,
        default_buffered_mode: None,
        write_threshold: WRITE_BUFFER,
        cleaning: CleaningBits { byte: 0, mask: 0, pattern: 0 },
    };
}

/// The bits of a byte of sense data that tell that the drive needs cleaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CleaningBits {
    /// Number of the byte; 0 for none.
    byte: u8,
    mask: u8,
    /// The value of the bits; with 0, any bit that is set.
    pattern: u8,
}

impl CleaningBits {
    /// Decodes the argument of MT_ST_SET_CLN: bits 7-0 are the byte, 15-8 the mask, and 23-16 the pattern. `None` for a
    /// byte that no drive can use.
    fn decode(value: u32) -> Option<Self> {
        let [_, pattern, mask, byte] = value.to_be_bytes();
        (byte == 0 || SENSE_BYTES.contains(&byte)).then_some(Self { byte, mask, pattern })
    }

    /// Whether sense data requests cleaning.
    pub(super) fn is_requested(self, sense: &[u8]) -> bool {
        let bits = sense.get(usize::from(self.byte)).map_or(0, |byte| byte & self.mask);
        self.byte != 0 && if self.pattern == 0 { bits != 0 } else { bits == self.pattern }
    }
}

/// Bytes of the buffer for blocks that are not sent yet.
const WRITE_BUFFER: usize = 32 << 10;

/// Bits 31-28 of the argument: what it sets. 0 is the buffered mode of the drive.
const KIND: u32 = 0xf000_0000;
const BOOLEANS: u32 = 0x1000_0000;
const WRITE_THRESHOLD: u32 = 0x2000_0000;
const SET_BOOLEANS: u32 = 0x3000_0000;
const CLEAR_BOOLEANS: u32 = 0x4000_0000;
const DEFAULT_BLOCK_LENGTH: u32 = 0x5000_0000;
const DEFAULTS: u32 = 0x6000_0000;
const TIMEOUTS: u32 = 0x7000_0000;
const CLEANING: u32 = 0x8000_0000;
/// Bits 23-20: which default, or which time limit.
const DEFAULT: u32 = 0x00f0_0000;
const DEFAULT_DENSITY: u32 = 0x0010_0000;
const DEFAULT_COMPRESSION: u32 = 0x0020_0000;
const DEFAULT_BUFFERED_MODE: u32 = 0x0030_0000;
const LONG_TIMEOUT: u32 = 0x0010_0000;
/// Bits 19-0 of a default that is removed.
const NO_DEFAULT: u32 = 0x000f_ffff;
/// The block length that removes the default.
const NO_BLOCK_LENGTH: u32 = 0x00ff_ffff;
/// Bytes of sense data that can tell that cleaning is requested.
const SENSE_BYTES: core::ops::Range<u8> = 18..64;

/// The argument of MT_ST_WRITE_THRESHOLD, in units of 1,024 bytes. Linux accepts more than the buffer has.
fn write_threshold(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX).saturating_mul(1024).min(WRITE_BUFFER)
}

impl Drive {
    /// The options of the mode of the last open.
    pub(super) fn mode(&self) -> &Mode {
        let [first, second, third, fourth] = &self.modes;
        match self.current_mode.number() {
            0 => first,
            1 => second,
            2 => third,
            _ => fourth,
        }
    }

    fn mode_mut(&mut self) -> &mut Mode {
        let [first, second, third, fourth] = &mut self.modes;
        match self.current_mode.number() {
            0 => first,
            1 => second,
            2 => third,
            _ => fourth,
        }
    }

    /// Whether a Boolean option of the drive or of the mode is set.
    pub(super) fn has(&self, option: Booleans) -> bool {
        (self.options.booleans | self.mode().booleans).contains(option)
    }

    /// MTSETDRVBUFFER.
    pub(super) fn set_options(
        &mut self,
        device: &mut dyn ScsiDevice,
        tape: &OpenTape,
        argument: u32,
    ) -> Result<(), Errno> {
        if !tape.opening.privileged {
            return Err(Errno::EPERM);
        }
        let value = argument & !KIND;
        let bits = Booleans::from_bits_truncate(value);
        match argument & KIND {
            0 => {
                let [.., mode] = value.to_be_bytes();
                return self.select_mode(device, self.state.with_buffered_mode(mode & 7));
            }
            BOOLEANS => self.set_booleans(|_| bits),
            SET_BOOLEANS => self.set_booleans(|old| old | bits),
            CLEAR_BOOLEANS => self.set_booleans(|old| old - bits),
            WRITE_THRESHOLD => self.options.write_threshold = write_threshold(value),
            DEFAULT_BLOCK_LENGTH => self.set_default_block_length(device, value),
            TIMEOUTS => self.set_timeout(value),
            CLEANING => {
                self.options.cleaning = CleaningBits::decode(value).ok_or(Errno::EINVAL)?;
            }
            DEFAULTS => self.set_default(device, value),
            _ => return Err(Errno::EIO),
        }
        Ok(())
    }

    fn set_booleans(&mut self, change: impl Fn(Booleans) -> Booleans) {
        let new = change(self.options.booleans | self.mode().booleans);
        self.options.booleans = new - OF_A_MODE;
        let mode = self.mode_mut();
        mode.booleans = new & OF_A_MODE;
        mode.defined = true;
    }

    fn set_default_block_length(&mut self, device: &mut dyn ScsiDevice, value: u32) {
        let mode = self.mode_mut();
        mode.defined = true;
        mode.default_block_length = (value != NO_BLOCK_LENGTH).then_some(value);
        self.apply_defaults(device);
    }

    fn set_timeout(&mut self, value: u32) {
        let Timeouts { normal, long } = &mut self.timeouts;
        let target = if value & LONG_TIMEOUT == 0 { normal } else { long };
        *target = Duration::from_secs((value & NO_DEFAULT).into());
    }

    fn set_default(&mut self, device: &mut dyn ScsiDevice, value: u32) {
        let [.., low] = value.to_be_bytes();
        let is_removed = value & NO_DEFAULT == NO_DEFAULT;
        match value & DEFAULT {
            DEFAULT_DENSITY => self.mode_mut().default_density = (!is_removed).then_some(low),
            DEFAULT_COMPRESSION => {
                self.mode_mut().default_compression = (!is_removed && low != 0xff).then_some(low & 1 == 1);
            }
            DEFAULT_BUFFERED_MODE => self.options.default_buffered_mode = (!is_removed).then_some(low & 7),
            _ => return,
        }
        self.mode_mut().defined = true;
        self.apply_defaults(device);
    }
}
