//! READ REVERSE(6), SSC-4 §6.5.  Bytes: 0 opcode · 1 BYTORD(2) SILI(1) FIXED(0) · 2-4 TRANSFER LENGTH · 5 control
//! READ REVERSE(16), SSC-4 §5.4.  Bytes: 0 opcode · 1 as above · 3 PARTITION · 4-11 LOGICAL OBJECT IDENTIFIER · 12-14 TRANSFER LENGTH · 15 control
//!
//! Reads the blocks before the position, nearest first, and leaves the position before them. With BYTORD=0 the bytes of
//! each block are returned from last to first, with BYTORD=1 in the order of READ.
//!
//! **Deviations:** none.

use super::Context;
use super::read::{self, ReadOptions, beginning, block_of, check_ceem, filemark, length_residue, record_outcome};
use super::transfer::Transfer;
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::data::DataIn;
use scsi_core::fault::Outcome;
use scsi_core::sense::Sense;
use std::io::IoSliceMut;
use tape_store::medium::{SpaceUnit, StopReason};

/// Command table entry of the 6-byte form.
pub(crate) const SPEC_6: CommandSpec =
    CommandSpec::new("READ REVERSE(6)", &[0x0f, 0x07, 0xff, 0xff, 0xff, 0x00], Access::Read)
        .with_fields(&[bit("BYTORD", 1, 2), bit("SILI", 1, 1), bit("FIXED", 1, 0), number("TRANSFER LENGTH", 2, 3)])
        .blocking_with_timeouts(60, 1800);
/// Command table entry of the 16-byte form.
pub(crate) const SPEC_16: CommandSpec = CommandSpec::new(
    "READ REVERSE(16)",
    &[0x81, 0x07, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0],
    Access::Read,
)
.with_fields(&[
    bit("BYTORD", 1, 2),
    bit("SILI", 1, 1),
    bit("FIXED", 1, 0),
    number("PARTITION", 3, 1),
    number("LOGICAL OBJECT IDENTIFIER", 4, 8),
    number("TRANSFER LENGTH", 12, 3),
])
.blocking_with_timeouts(60, 1800);

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let transfer = Transfer::parse(cx.cdb);
    let (sili, as_read) = (transfer.flags & 0x02 != 0, transfer.flags & 0x04 != 0);
    let block_length = cx.device.modes.block_length;
    let reader = cx.device.encryption.parameters_of(cx.request.nexus).0.reader();
    let method = cx.device.modes.protection_on_read(cx.request.nexus);
    let options = ReadOptions { decryption: reader.decryption(), ceem: reader.ceem_restriction, method };
    let mounted = cx.device.media.ready()?;
    read::check_flags(&transfer, sili, block_length)?;
    transfer.locate_explicit(mounted)?;
    if transfer.length == 0 {
        return Ok(());
    }
    mounted.before_read()?;
    let outcome = blocks(mounted, &transfer, (sili, as_read), block_length, options, &mut cx.data.data_in);
    record_outcome(cx.device, cx.request.nexus, &outcome);
    outcome
}

fn blocks(
    mounted: &mut Mounted,
    transfer: &Transfer,
    (sili, as_read): (bool, bool),
    block_length: u32,
    options: ReadOptions<'_>,
    data_in: &mut DataIn<'_, '_>,
) -> Outcome {
    let (count, size) = transfer.blocks(block_length);
    for done in 0..count {
        let left = if transfer.fixed { count - done } else { transfer.length };
        let mut block = read_previous_block(mounted, options).map_err(|sense| sense.with_information(left.into()))?;
        if !as_read {
            block.reverse();
        }
        let len = block.len();
        block.truncate(size as usize);
        if !transfer.fixed {
            data_in.append(&block);
            return length_residue((size, len), sili, block_length);
        }
        if len != size as usize {
            return Err(Sense::NONE.with_ili().with_information(left.into()).into());
        }
        data_in.append(&block);
    }
    Ok(())
}

/// Reads the block before the position, and leaves the position before that block.
fn read_previous_block(mounted: &mut Mounted, options: ReadOptions<'_>) -> Result<Vec<u8>, Sense> {
    let to_sense = |error| fault::sense(&error, Operation::Moving);
    match mounted.medium.space(SpaceUnit::Blocks, -1).map_err(to_sense)?.stopped_by {
        StopReason::Filemark => return Err(filemark()),
        StopReason::Beginning => return Err(beginning()),
        StopReason::Count | StopReason::EndOfData => {}
    }
    let at = mounted.medium.position();
    check_ceem(options.ceem, mounted)?;
    let outcome = mounted.medium.read_decrypting(&mut [], options.decryption);
    let len = block_of(mounted, outcome)?;
    mounted.medium.locate(at.partition, at.object).map_err(to_sense)?;
    let mut block = vec![0; len];
    let read = mounted.medium.read_decrypting(&mut [IoSliceMut::new(&mut block)], options.decryption);
    read.map_err(|error| fault::sense(&error, Operation::Reading))?;
    mounted.medium.locate(at.partition, at.object).map_err(to_sense)?;
    mounted.counters.read_by_host += len as u64;
    if let Some(method) = options.method {
        let information = method.compute(&[block.as_slice()]);
        block.extend_from_slice(&information);
    }
    Ok(block)
}
