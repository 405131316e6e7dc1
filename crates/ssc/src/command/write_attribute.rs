//! WRITE ATTRIBUTE, SPC-4 §6.48.  Bytes: 0 opcode · 1 WTC(0) · 5 LOGICAL VOLUME NUMBER · 7 PARTITION NUMBER · 10-13 PARAMETER LIST LENGTH · 15 control
//!
//! The whole list is checked before any attribute changes, and the cartridge memory is durable before GOOD status. An
//! attribute of length zero is removed. PARAMETER DATA LENGTH in the list is ignored, because it repeats PARAMETER LIST
//! LENGTH (SPC-4 §6.48; HP LTO reference, volume 3): LTFS includes the field itself in it. An attribute that is
//! truncated by the end of the list ends in ILLEGAL REQUEST 1Ah/00h.
//!
//! **Deviations:** none; WTC=0 also writes through.

use super::Context;
use super::read_attribute::format_bits;
use crate::fault;
use crate::media::Readiness;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::field::{FieldPointer, check_reserved};
use scsi_core::parameter_list::{self, ParameterListReader};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::wire::U32;
use tape_store::mam::{self, AttrId, AttributeWriter, Mam};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "WRITE ATTRIBUTE",
    &[0x8d, 0x01, 0, 0, 0, 0xff, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Write,
)
.with_fields(&[
    bit("WTC", 1, 0),
    number("LOGICAL VOLUME NUMBER", 5, 1),
    number("PARTITION NUMBER", 7, 1),
    number("PARAMETER LIST LENGTH", 10, 4),
])
.blocking_with_timeouts(1, 60);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    _restricted: [u8; 3],
    volume: u8,
    _reserved_6: u8,
    partition: u8,
    _reserved_8: [u8; 2],
    list_length: U32,
    _reserved_14: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 16);

/// READ ONLY (ignored) and FORMAT in byte 2 of an attribute.
const USAGE_FORMAT: u8 = 0x83;
const FORMAT: u8 = 0x03;

/// Maximum list length in bytes: more than every attribute of the largest cartridge memory needs.
const MAX_LIST_LENGTH: usize = 64 * 1024;

pub(crate) fn list_length(cdb: &Cdb) -> usize {
    let raw: Raw = cdb.as_layout();
    usize::try_from(raw.list_length.get()).unwrap_or(usize::MAX)
}

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let (cartridge, mam, partitions, is_copy) = match cx.device.media.readiness() {
        Readiness::Ready(mounted) => (&mut mounted.cartridge, &mut mounted.mam, mounted.medium.partitions(), false),
        Readiness::CartridgeMemory(loaded) => {
            let (partitions, is_copy) = (loaded.partitions(), loaded.is_read_only);
            (&mut loaded.cartridge, &mut loaded.mam, partitions, is_copy)
        }
        Readiness::NotReady(sense) => return Err(sense.into()),
    };
    if raw.volume != 0 {
        return Err(Sense::invalid_field_in_cdb(5, None).into());
    }
    if raw.partition >= partitions {
        return Err(Sense::invalid_field_in_cdb(7, None).into());
    }
    let length = list_length(cx.cdb);
    if length == 0 {
        return Ok(());
    }
    if length > MAX_LIST_LENGTH {
        return Err(parameter_list::length_error().into());
    }
    let list = cx.data.data_out.parameters(length)?;
    let changed = apply(mam, raw.partition, ParameterListReader::new(&list))?;
    if changed.used_bytes() > cartridge.media().mam_capacity {
        return Err(Sense::illegal_request(Asc::AUXILIARY_MEMORY_OUT_OF_SPACE).into());
    }
    if is_copy || cartridge.mam().is_err() {
        // The cartridge memory in RAM is that of a copy, or was rebuilt; it must not overwrite the original or the damaged file.
        return Err(Sense::new(SenseKey::MEDIUM_ERROR, Asc::AUXILIARY_MEMORY_WRITE_ERROR).into());
    }
    cartridge.save_mam(&changed).map_err(|error| fault::mam_write_error(&error))?;
    *mam = changed;
    Ok(())
}

/// Returns a copy of the cartridge memory with the attributes of the list changed, or the error in the list.
fn apply(mam: &Mam, partition: u8, mut list: ParameterListReader<'_>) -> Result<Mam, Sense> {
    let (mut changed, mut last) = (mam.clone(), None);
    let _parameter_data_length = list.array::<4>()?;
    while !list.is_empty() {
        let start = list;
        let [id_high, id_low, format, len_high, len_low] = list.array()?;
        let id = AttrId(u16::from_be_bytes([id_high, id_low]));
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let value = list.take(len)?;
        let spec =
            mam::spec(id).filter(|spec| spec.writer == AttributeWriter::Host).ok_or_else(|| start.invalid_field(0))?;
        if last.is_some_and(|last| id <= last) {
            return Err(start.invalid_field(0));
        }
        check_reserved(&[format], &[USAGE_FORMAT], start.offset() + 2)?;
        if format & FORMAT != format_bits(spec.format) {
            return Err(FieldPointer::bits(start.offset() + 2, FORMAT).into());
        }
        let fits = len == 0 || len == usize::from(spec.len) || (spec.variable && len <= usize::from(spec.len));
        if !fits {
            return Err(start.invalid_field(3));
        }
        changed.set(id, partition, value);
        last = Some(id);
    }
    Ok(changed)
}
