//! MODE SENSE(6), SPC-4 §6.13.   Bytes: 0 opcode · 1 DBD(3) · 2 PC(7-6) PAGE CODE(5-0) · 3 SUBPAGE · 4 ALLOCATION LENGTH · 5 control
//! MODE SENSE(10), SPC-4 §6.14.  Bytes: 0 opcode · 1 LLBAA(4) DBD(3) · 2, 3 as above · 7-8 ALLOCATION LENGTH · 9 control
//!
//! **Deviations:** LLBAA=1 is rejected; tape drives have no long LBA block descriptor.

use super::SpcContext;
use crate::cdb::Opcode;
use crate::cdb_field::{bit, bits, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::Outcome;
use crate::mode::{PageControl, PageId};
use crate::page_override::{OverriddenPage, PageOverrides};
use crate::writer::PageWriter;

/// The facts of MODE SENSE(6).
pub const SPEC_6: CommandSpec = CommandSpec::new("MODE SENSE(6)", &[0x1a, 0x08, 0xff, 0xff, 0xff, 0x00], Access::Read)
    .with_fields(&[
        bit("DBD", 1, 3),
        bits("PC", 2, 7, 2),
        bits("PAGE CODE", 2, 5, 6),
        number("SUBPAGE CODE", 3, 1),
        number("ALLOCATION LENGTH", 4, 1),
    ]);
/// The facts of MODE SENSE(10).
pub const SPEC_10: CommandSpec =
    CommandSpec::new("MODE SENSE(10)", &[0x5a, 0x08, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00], Access::Read)
        .with_fields(&[
            bit("DBD", 1, 3),
            bits("PC", 2, 7, 2),
            bits("PAGE CODE", 2, 5, 6),
            number("SUBPAGE CODE", 3, 1),
            number("ALLOCATION LENGTH", 7, 2),
        ]);

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let [opcode, flags, page, subpage, length_6, _, _, high, low, ..] = *cx.cdb.bytes();
    let short = Opcode(opcode) == Opcode::MODE_SENSE_6;
    let wanted = PageId { page: page & 0x3f, subpage };
    let mut pages = PageWriter::new();
    let device = &*cx.device;
    cx.lu.mode.sense(wanted, PageControl::from_bits(page >> 6), (device, cx.request.nexus), &mut pages)?;
    let block = if flags & 0x08 == 0 { device.block_descriptor() } else { None };
    let block = block.as_ref().map_or(&[][..], |block| block.as_slice());
    let (header, block) = override_header(&cx.lu.identity.pages, device.mode_header(), block);
    let response = frame_pages(short, header, &block, pages.as_slice());
    let allocation_length = if short { length_6.into() } else { u16::from_be_bytes([high, low]).into() };
    cx.return_data(allocation_length, response.as_slice());
    Ok(())
}

/// MEDIUM TYPE and DEVICE-SPECIFIC PARAMETER, and the block descriptor, with the overrides of the unit.
fn override_header(overrides: &PageOverrides, header: (u8, u8), block: &[u8]) -> ((u8, u8), Vec<u8>) {
    if !overrides.has(OverriddenPage::ModeHeader) {
        return (header, block.to_vec());
    }
    let long = frame_pages(false, header, block, &[]);
    let data = overrides.apply(OverriddenPage::ModeHeader, long.into_vec());
    match data.as_slice() {
        [_, _, medium_type, device_specific, _, _, _, _, block @ ..] => {
            ((*medium_type, *device_specific), block.to_vec())
        }
        _ => (header, block.to_vec()),
    }
}

fn frame_pages(short: bool, (medium_type, device_specific): (u8, u8), block: &[u8], pages: &[u8]) -> PageWriter {
    let block_length = u8::try_from(block.len()).unwrap_or_default();
    let mut w = PageWriter::new();
    if short {
        w.length_u8(|w| {
            w.u8(medium_type).u8(device_specific).u8(block_length).bytes(block).bytes(pages);
        });
    } else {
        w.length_u16(|w| {
            w.u8(medium_type).u8(device_specific).u16(0).u16(block_length.into()).bytes(block).bytes(pages);
        });
    }
    w
}
