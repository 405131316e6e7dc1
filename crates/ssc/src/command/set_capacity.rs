//! SET CAPACITY, SSC-4 §7.11.  Bytes: 0 opcode · 1 IMMED(0) · 3-4 MEDIUM FOR USE PROPORTION VALUE · 5 control
//!
//! Sets the capacity of the cartridge to a proportion in 65535ths, at least five percent, in one partition, and erases
//! all data. FORMAT MEDIUM uses this capacity until the next SET CAPACITY.
//!
//! **Deviations:** the operation itself is done before the status, also with IMMED=1; only the modelled time continues after it.

use super::Context;
use super::format_medium::{check_at_beginning, format};
use crate::alert::Alert;
use crate::mode::partition_11;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::wire::U16;
use tape_store::mam::AttrId;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("SET CAPACITY", &[0x0b, 0x01, 0, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[bit("IMMED", 1, 0), number("MEDIUM FOR USE PROPORTION VALUE", 3, 2)])
        .blocking_with_timeouts(60, 3600);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    opcode: u8,
    flags: u8,
    _reserved: u8,
    proportion: U16,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 6);

/// Proportion value of the whole medium.
const FULL_PROPORTION: u64 = 0xffff;

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let mounted = cx.device.media.ready()?;
    check_at_beginning(mounted)?;
    let whole = mounted.cartridge.capacity();
    let least = whole.div_ceil(20);
    let proportion = u64::from(raw.proportion.get());
    let scaled = u64::try_from(u128::from(whole) * u128::from(proportion) / u128::from(FULL_PROPORTION))
        .unwrap_or(whole)
        .max(least);
    let value = if scaled < whole { scaled.to_be_bytes().to_vec() } else { Vec::new() };
    let outcome = format(mounted, &[scaled], |mam| mam.set(AttrId::SET_CAPACITY_BYTES, 0, &value)).map_err(Into::into);
    if outcome.is_ok() {
        cx.lu.mode.restore_default(partition_11::ID);
        if scaled < whole {
            cx.device.health.alerts.raise(Alert::DIMINISHED_CAPACITY);
        } else {
            cx.device.health.alerts.clear_flag(Alert::DIMINISHED_CAPACITY);
        }
    }
    cx.device.health.record_write(&outcome, mounted);
    outcome
}
