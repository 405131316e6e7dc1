//! Settings of a drive that MODE SELECT changes, in the mode parameter header or in mode pages.

use crate::block_protection::{BlockProtection, NexusProtection, ProtectionMethod};
use scsi_core::mode::ModeHeader;
use scsi_core::nexus::NexusId;
use tape_store::medium::Codec;

/// Settings of a drive that its owner or MODE SELECT changes.
pub(crate) struct ModeState {
    /// BLOCK LENGTH of fixed blocks in bytes; 0 means variable blocks.
    pub(crate) block_length: u32,
    /// BUFFERED MODE: 0h makes every write durable before its status.
    buffered_mode: u8,
    /// Codec of blocks while data compression is enabled.
    pub(crate) compression: Codec,
    /// Data compression is enabled.
    pub(crate) compress: bool,
    /// Append-only mode is on (WRITE MODE 1h).
    pub(crate) append_only: bool,
    /// PEWS: distance of programmable early warning before early warning, in bytes.
    pub(crate) programmable_early_warning: u64,
    /// Logical block protection settings of each nexus.
    protection: NexusProtection,
}

impl ModeState {
    /// Settings after power-on.
    pub(crate) const fn new(compression: Codec) -> Self {
        Self {
            block_length: 0,
            buffered_mode: 1,
            compression,
            compress: false,
            append_only: false,
            programmable_early_warning: 0,
            protection: NexusProtection::new(),
        }
    }

    /// Resets the settings that do not come from mode pages.
    pub(crate) fn reset(&mut self) {
        (self.block_length, self.buffered_mode) = (0, 1);
        self.protection.clear();
    }

    /// Codec of the next written block.
    pub(crate) const fn codec(&self) -> Codec {
        if self.compress { self.compression } else { Codec::NONE }
    }

    /// BUFFERED MODE of the mode parameter header.
    pub(crate) const fn buffered_mode(&self) -> u8 {
        self.buffered_mode
    }

    /// Whether every write is durable before its status.
    pub(crate) const fn is_unbuffered(&self) -> bool {
        self.buffered_mode == 0
    }

    /// Applies the mode parameter header and the block descriptor, except for the density. Returns whether a value
    /// changed.
    pub(crate) fn apply_header(&mut self, header: &ModeHeader) -> bool {
        let before = (self.buffered_mode, self.block_length);
        self.buffered_mode = (header.device_specific >> 4) & 0x07;
        if let Some([_, _, _, _, _, a, b, c]) = header.block {
            self.block_length = u32::from_be_bytes([0, a, b, c]);
        }
        before != (self.buffered_mode, self.block_length)
    }

    /// Logical block protection settings of a nexus, if it has enabled protection.
    pub(crate) fn protection_of(&self, nexus: NexusId) -> Option<BlockProtection> {
        self.protection.get(&nexus).copied()
    }

    /// Method of the protection information that a nexus sends with each block.
    pub(crate) fn protection_on_write(&self, nexus: NexusId) -> Option<ProtectionMethod> {
        self.protection_of(nexus).filter(|protection| protection.write).map(|protection| protection.method)
    }

    /// Method of the protection information that a nexus gets with each block.
    pub(crate) fn protection_on_read(&self, nexus: NexusId) -> Option<ProtectionMethod> {
        self.protection_of(nexus).filter(|protection| protection.read).map(|protection| protection.method)
    }

    /// Sets the logical block protection of a nexus; `None` turns it off.
    pub(crate) fn set_protection(&mut self, nexus: NexusId, protection: Option<BlockProtection>) {
        match protection {
            Some(protection) => drop(self.protection.insert(nexus, protection)),
            None => drop(self.protection.remove(&nexus)),
        }
    }
}
