//! Fields that commands with a transfer length share: the length in blocks or bytes, and in the 16-byte forms the
//! explicit address.
//!
//! Both forms may be mixed. A 16-byte command first positions to its object, and is rejected if the object does not
//! exist.

use super::read::end_of_data;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::cdb::Cdb;
use scsi_core::sense::Sense;
use scsi_core::wire::{U24, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw6 {
    opcode: u8,
    flags: u8,
    length: U24,
    control: u8,
}
const _: () = assert!(size_of::<Raw6>() == 6);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw16 {
    opcode: u8,
    flags: u8,
    _reserved_2: u8,
    partition: u8,
    object: U64,
    length: U24,
    control: u8,
}
const _: () = assert!(size_of::<Raw16>() == 16);

/// Explicit address of a 16-byte command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExplicitAddress {
    partition: u8,
    object: u64,
}

/// Transfer fields of a CDB.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    /// FIXED: `length` counts blocks of the current block length, not bytes.
    pub(super) fixed: bool,
    /// Byte 1 of the CDB, with all flags.
    pub(super) flags: u8,
    pub(super) length: u32,
    pub(super) address: Option<ExplicitAddress>,
}

impl Transfer {
    pub(super) fn parse(cdb: &Cdb) -> Self {
        let short = cdb.opcode().0 < 0x20;
        let (flags, length, address) = if short {
            let raw: Raw6 = cdb.as_layout();
            (raw.flags, raw.length.get(), None)
        } else {
            let raw: Raw16 = cdb.as_layout();
            let address = ExplicitAddress { partition: raw.partition, object: raw.object.get() };
            (raw.flags, raw.length.get(), Some(address))
        };
        Self { fixed: flags & 0x01 != 0, flags, length, address }
    }

    /// Length of the transfer in bytes.
    pub(super) const fn bytes(&self, block_length: u32) -> usize {
        let unit = if self.fixed { block_length as usize } else { 1 };
        (self.length as usize).saturating_mul(unit)
    }

    /// Number of blocks, and the size of each in bytes.
    pub(super) const fn blocks(&self, block_length: u32) -> (u32, u32) {
        if self.fixed { (self.length, block_length) } else { (1, self.length) }
    }

    /// ILLEGAL REQUEST 24h/00h at TRANSFER LENGTH, or at FIXED if that is set.
    pub(super) const fn length_fault(&self) -> Sense {
        match (self.fixed, self.address) {
            (true, _) => Sense::invalid_field_in_cdb(1, Some(0)),
            (false, Some(_)) => Sense::invalid_field_in_cdb(12, None),
            (false, None) => Sense::invalid_field_in_cdb(2, None),
        }
    }

    /// Rejects FIXED=1 while the block length is zero.
    pub(super) fn check_block_length(&self, block_length: u32) -> Result<(), Sense> {
        if self.fixed && block_length == 0 {
            return Err(Sense::invalid_field_in_cdb(1, Some(0)).with_information(self.length.into()));
        }
        Ok(())
    }

    /// Positions to the explicit address, if there is one. Errors carry the transfer length in INFORMATION.
    pub(super) fn locate_explicit(&self, mounted: &mut Mounted) -> Result<(), Sense> {
        self.locate_without_information(mounted).map_err(|sense| sense.with_information(self.length.into()))
    }

    /// Positions as [`Self::locate_explicit`] does, for a command whose errors have no INFORMATION.
    pub(super) fn locate_without_information(&self, mounted: &mut Mounted) -> Result<(), Sense> {
        self.address.map_or(Ok(()), |address| address.locate(mounted))
    }
}

impl ExplicitAddress {
    fn locate(self, mounted: &mut Mounted) -> Result<(), Sense> {
        let at = mounted.medium.position();
        if self.partition >= mounted.medium.partitions() {
            return Err(Sense::invalid_field_in_cdb(3, None));
        }
        if at.partition_and_object() == (self.partition, self.object) {
            return Ok(());
        }
        mounted.before_motion()?;
        match mounted.medium.locate(self.partition, self.object) {
            Ok(true) => Ok(()),
            Ok(false) => Err(end_of_data(mounted)),
            Err(error) => Err(fault::sense(&error, Operation::Moving)),
        }
    }
}
