//! FORMAT MEDIUM, SSC-4 §7.2.  Bytes: 0 opcode · 1 VERIFY(1) IMMED(0) · 2 FORMAT(3-0) · 3-4 TRANSFER LENGTH · 5 control
//!
//! FORMAT 0h creates one partition; 1h and 2h create the partitions that MODE SELECT of page 11h selected. All data is
//! erased, as are all host attributes of the cartridge memory except the barcode.
//!
//! **Deviations:** the operation itself is done before the status, also with IMMED=1; only the modelled time continues after it.

use super::Context;
use crate::fault::{self, Operation};
use crate::mode::partition_11;
use crate::mounted::Mounted;
use crate::overwrite::MediumChange;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bit, bits, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use scsi_core::wire::U16;
use tape_store::mam::{ATTRIBUTES, AttrId, AttributeWriter, Mam};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("FORMAT MEDIUM", &[0x04, 0x03, 0x0f, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[
            bit("VERIFY", 1, 1),
            bit("IMMED", 1, 0),
            bits("FORMAT", 2, 3, 4),
            number("TRANSFER LENGTH", 3, 2),
        ])
        .blocking_with_timeouts(60, 3600);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    format: u8,
    length: U16,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let mounted = cx.device.media.ready()?;
    if raw.length.get() != 0 {
        return Err(Sense::invalid_field_in_cdb(3, None).into());
    }
    check_at_beginning(mounted)?;
    let sizes = match raw.format {
        0 => vec![mounted.capacity()],
        1 | 2 => partition_11::sizes(
            cx.lu.mode.current(partition_11::ID),
            partition_11::PartitionableTape::of_mounted(mounted),
        )
        .map_err(|_| Sense::illegal_request(Asc::PARAMETER_VALUE_INVALID))?,
        _ => return Err(Sense::invalid_field_in_cdb(2, Some(3)).into()),
    };
    let outcome = format(mounted, &sizes, |_| ()).map_err(Into::into);
    if outcome.is_ok() {
        cx.lu.mode.restore_default(partition_11::ID);
    }
    cx.device.health.record_write(&outcome, mounted);
    outcome
}

/// Attributes that the drive writes for each partition, and that a format clears.
const PARTITION_ATTRIBUTES: [AttrId; 3] =
    [AttrId::REMAINING_CAPACITY, AttrId::FIRST_ENCRYPTED_OBJECT, AttrId::FIRST_UNENCRYPTED];

/// Checks that the position is the beginning of the medium.
///
/// # Errors
/// ILLEGAL REQUEST 3Bh/0Ch.
pub(super) fn check_at_beginning(mounted: &Mounted) -> Result<(), Sense> {
    if mounted.medium.position().partition_and_object() == (0, 0) {
        return Ok(());
    }
    Err(Sense::illegal_request(Asc::POSITION_PAST_BEGINNING_OF_MEDIUM))
}

/// Creates blank partitions of these sizes in bytes, and records them in the cartridge memory, which `update` changes
/// further.
pub(super) fn format(mounted: &mut Mounted, sizes: &[u64], update: impl FnOnce(&mut Mam)) -> Result<(), Sense> {
    mounted.before_write(MediumChange::Format)?;
    mounted.medium.format(sizes).map_err(|error| fault::sense(&error, Operation::Writing))?;
    let whole = mounted.cartridge.capacity();
    let mam = &mut mounted.mam;
    update(mam);
    for partition in 0..4 {
        let size = sizes.get(usize::from(partition)).filter(|size| **size != whole);
        mam.set(AttrId::PARTITION_SIZE, partition, &size.map_or_else(Vec::new, |size| size.to_be_bytes().to_vec()));
        // Host attributes describe the erased data; only the barcode stays.
        let host_attributes =
            ATTRIBUTES.iter().filter(|spec| spec.writer == AttributeWriter::Host && spec.id != AttrId::BARCODE);
        let vendor_attributes: Vec<AttrId> = mam.vendor_attributes().map(|spec| spec.id).collect();
        let cleared = host_attributes.map(|spec| spec.id).chain(vendor_attributes).chain(PARTITION_ATTRIBUTES);
        cleared.for_each(|id| mam.set(id, partition, &[]));
    }
    let next = mam.number(AttrId::INITIALIZATION_COUNT).saturating_add(1).min(0xffff);
    mam.set_number(AttrId::INITIALIZATION_COUNT, next);
    mounted.record_remaining_capacity();
    mounted.save_mam()?;
    mounted.sync()
}
