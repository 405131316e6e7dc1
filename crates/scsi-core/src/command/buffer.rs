//! READ BUFFER(10), SPC-4 §6.18, and WRITE BUFFER, SPC-4 §6.49.
//! Bytes: 0 opcode · 1 MODE SPECIFIC(7-5) MODE(4-0) · 2 BUFFER ID · 3-5 BUFFER OFFSET · 6-8 ALLOCATION or PARAMETER LIST LENGTH · 9 control
//!
//! Modes 00h (with header) and 02h access one buffer of 64 KiB, BUFFER ID 0, that all nexuses share. Mode 03h describes
//! it, and returns zeros for any other BUFFER ID. Modes 0Ah and 0Bh access an echo buffer per nexus. Microcode (04h to 07h, 0Dh to 0Fh) is received and rejected
//! with ILLEGAL REQUEST 26h/00h, as a drive rejects an image for another model.
//!
//! The model determines how hosts read the diagnostic dump: with modes 02h and 03h of a buffer, or with mode 1Ch (error
//! history). If the buffer is buffer 0, it returns the dump from the time when it was taken until the next WRITE
//! BUFFER.
//!
//! **Deviations:** none.

use super::{Context, SpcContext, error_history};
use crate::asc::Asc;
use crate::cdb::Cdb;
use crate::cdb_field::{bits, number};
use crate::command_spec::{Access, CommandSpec};
use crate::dump::DumpTrigger;
use crate::fault::Outcome;
use crate::field::check_reserved;
use crate::lu::{Lu, SpcDevice};
use crate::nexus::NexusId;
use crate::sense::Sense;
use crate::wire::U24;
use crate::writer::PageWriter;
use std::collections::BTreeMap;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The facts of READ BUFFER(10). MODE SPECIFIC must be zero.
pub const READ: CommandSpec =
    CommandSpec::new("READ BUFFER(10)", &[0x3c, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00], Access::Read)
        .with_fields(&[
            bits("MODE", 1, 4, 5),
            number("BUFFER ID", 2, 1),
            number("BUFFER OFFSET", 3, 3),
            number("ALLOCATION LENGTH", 6, 3),
        ]);
/// The facts of WRITE BUFFER.
pub const WRITE: CommandSpec =
    CommandSpec::new("WRITE BUFFER", &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00], Access::Write)
        .with_fields(&[
            bits("MODE SPECIFIC", 1, 7, 3),
            bits("MODE", 1, 4, 5),
            number("BUFFER ID", 2, 1),
            number("BUFFER OFFSET", 3, 3),
            number("PARAMETER LIST LENGTH", 6, 3),
        ])
        .with_timeouts(1, 600);

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Raw {
    opcode: u8,
    mode: u8,
    pub(super) id: u8,
    pub(super) offset: U24,
    pub(super) length: U24,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 10);

impl Raw {
    const fn mode(&self) -> u8 {
        self.mode & 0x1f
    }
}

mod mode {
    pub(super) const COMBINED: u8 = 0x00;
    pub(super) const DATA: u8 = 0x02;
    pub(super) const DESCRIPTOR: u8 = 0x03;
    pub(super) const MICROCODE: [u8; 6] = [0x04, 0x05, 0x06, 0x07, 0x0d, 0x0e];
    pub(super) const ECHO: u8 = 0x0a;
    pub(super) const ECHO_DESCRIPTOR: u8 = 0x0b;
    pub(super) const ACTIVATE: u8 = 0x0f;
    pub(super) const ERROR_HISTORY: u8 = 0x1c;
}

/// BUFFER ID of the buffer that all I_T nexuses share.
const SHARED_BUFFER_ID: u8 = 0;
/// Size in bytes of the shared buffer, and of each echo buffer.
const SHARED_CAPACITY: u32 = 64 * 1024;
const ECHO_CAPACITY: u16 = 4096;
/// Echo buffer overwritten supported: no other nexus overwrites the echo buffer.
const EBOS: u8 = 0x01;
/// Length of the header before the data in mode 00h.
const HEADER: usize = 4;

/// The data and echo buffers that WRITE BUFFER fills.
#[derive(Debug, Default)]
pub struct DataBuffers {
    shared: Vec<u8>,
    echo: BTreeMap<NexusId, Vec<u8>>,
}

impl DataBuffers {
    /// Removes the echo buffer of a nexus after I_T nexus loss.
    pub(crate) fn remove_nexus(&mut self, nexus: NexusId) {
        self.echo.remove(&nexus);
    }

    /// Clears all buffers after a reset.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

pub(super) fn list_length(cdb: &Cdb) -> usize {
    cdb.as_layout::<Raw>().length.get() as usize
}

pub(super) fn read(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let (offset, length) = (raw.offset.get(), raw.length.get());
    let mut page = PageWriter::new();
    if raw.mode() == mode::ERROR_HISTORY && cx.device.dump_support().error_history {
        return error_history::read(cx, &raw);
    }
    let Context { lu, device, request, .. } = cx;
    if matches!(raw.mode(), mode::DATA | mode::DESCRIPTOR)
        && let Some(dump) = dump_for_buffer(lu, raw.id, &**device)
    {
        if raw.mode() == mode::DESCRIPTOR {
            page.u8(0).u24(u32::try_from(dump.len()).unwrap_or(u32::MAX));
        } else {
            page.bytes(dump.get(offset as usize..).ok_or(Sense::invalid_field_in_cdb(3, None))?);
        }
        cx.return_data(length, page.as_slice());
        return Ok(());
    }
    let shared = |from: u32| lu.buffers.shared.get(from as usize..).unwrap_or_default();
    match raw.mode() {
        mode::DESCRIPTOR if raw.id != SHARED_BUFFER_ID => drop(page.zeros(HEADER)),
        mode::COMBINED | mode::DATA if raw.id != SHARED_BUFFER_ID => {
            return Err(Sense::invalid_field_in_cdb(2, None).into());
        }
        mode::COMBINED if offset != 0 => return Err(Sense::invalid_field_in_cdb(3, None).into()),
        mode::COMBINED => drop(page.u8(0).u24(SHARED_CAPACITY).bytes(shared(0))),
        mode::DATA if offset > SHARED_CAPACITY => return Err(Sense::invalid_field_in_cdb(3, None).into()),
        mode::DATA => {
            page.bytes(shared(offset));
            // Bytes that were never written read as zero.
            page.zeros((SHARED_CAPACITY - offset) as usize - page.as_slice().len());
        }
        // OFFSET BOUNDARY 2^0.
        mode::DESCRIPTOR => drop(page.u8(0).u24(SHARED_CAPACITY)),
        mode::ECHO => {
            let echo = lu.buffers.echo.get(&request.nexus);
            page.bytes(echo.ok_or_else(|| Sense::illegal_request(Asc::COMMAND_SEQUENCE_ERROR))?);
        }
        mode::ECHO_DESCRIPTOR => drop(page.u8(EBOS).u8(0).u16(ECHO_CAPACITY)),
        _ => return Err(Sense::invalid_field_in_cdb(1, Some(4)).into()),
    }
    cx.return_data(length, page.as_slice());
    Ok(())
}

/// The dump, if the buffer `id` holds one. A dedicated dump buffer takes a dump first if there is none.
fn dump_for_buffer<'a>(lu: &'a mut Lu, id: u8, device: &dyn SpcDevice) -> Option<&'a [u8]> {
    if device.dump_support().buffer != Some(id) {
        return None;
    }
    if lu.dumps.dump.is_none() && id != SHARED_BUFFER_ID {
        lu.dumps.store(device.diagnostic_dump(&lu.identity), DumpTrigger::Device);
    }
    lu.dumps.dump.as_ref().map(|dump| dump.bytes.as_slice())
}

pub(super) fn write(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, device, request, cdb, data } = cx;
    let raw: Raw = cdb.as_layout();
    let mode = raw.mode();
    let microcode = mode::MICROCODE.contains(&mode);
    if !microcode && raw.mode & 0xe0 != 0 {
        return Err(Sense::invalid_field_in_cdb(1, Some(7)).into());
    }
    if mode == mode::ACTIVATE {
        // No microcode was downloaded that could be activated.
        return Err(Sense::illegal_request(Asc::COMMAND_SEQUENCE_ERROR).into());
    }
    if !microcode && ![mode::COMBINED, mode::DATA, mode::ECHO].contains(&mode) {
        return Err(Sense::invalid_field_in_cdb(1, Some(4)).into());
    }
    // BUFFER ID and BUFFER OFFSET are ignored for the echo buffer.
    let echo = mode == mode::ECHO;
    if raw.id != SHARED_BUFFER_ID && !microcode && !echo {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    let (offset, length) = (if echo { 0 } else { raw.offset.get() as usize }, list_length(cdb));
    let max = match mode {
        mode::COMBINED => SHARED_CAPACITY as usize + HEADER,
        mode::ECHO => ECHO_CAPACITY.into(),
        _ => SHARED_CAPACITY as usize,
    };
    if !microcode && (mode != mode::DATA && offset != 0 || offset > max) {
        return Err(Sense::invalid_field_in_cdb(3, None).into());
    }
    if !microcode && offset + length > max {
        return Err(Sense::invalid_field_in_cdb(6, None).into());
    }
    let list = data.data_out.parameters(length)?;
    if microcode {
        if length > 0 {
            device.microcode_rejected();
            return Err(Sense::invalid_field_in_list(0, None).into());
        }
        return Ok(());
    }
    if mode == mode::COMBINED {
        check_reserved(&list, &[0; HEADER], 0)?;
    }
    if echo {
        lu.buffers.echo.insert(request.nexus, list);
        return Ok(());
    }
    if device.dump_support().buffer == Some(SHARED_BUFFER_ID) {
        lu.dumps.dump = None;
    }
    let bytes = if mode == mode::COMBINED { list.get(HEADER..).unwrap_or_default() } else { list.as_slice() };
    let shared = &mut lu.buffers.shared;
    shared.resize(shared.len().max(offset + bytes.len()), 0);
    if let Some(slot) = shared.get_mut(offset..offset + bytes.len()) {
        slot.copy_from_slice(bytes);
    }
    Ok(())
}
