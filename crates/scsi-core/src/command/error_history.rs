//! READ BUFFER mode 1Ch: error history (SPC-4 §6.18.9). The snapshot is the diagnostic dump of the unit, in buffer 10h.
//!
//! BUFFER ID 00h to 03h return the directory; 01h and 03h create a snapshot, 02h and 03h make the nexus of the command
//! the error history I_T nexus. FEh and FFh clear the error history I_T nexus; FFh releases the snapshot too. While a
//! snapshot and an error history I_T nexus exist, commands of other nexuses end with ILLEGAL REQUEST 00h/16h, except
//! for 02h and 03h.

use super::SpcContext;
use super::buffer::Raw;
use crate::asc::Asc;
use crate::dump::{Dump, DumpTrigger};
use crate::fault::Outcome;
use crate::sense::Sense;
use crate::writer::PageWriter;

/// BUFFER ID of the directory: alone, with a new snapshot, with a new error history I_T nexus, with both.
const DIRECTORY: u8 = 0x00;
const NEW_SNAPSHOT: u8 = 0x01;
const NEW_NEXUS: u8 = 0x02;
const NEW_BOTH: u8 = 0x03;
/// BUFFER ID of the snapshot.
const SNAPSHOT: u8 = 0x10;
const CLEAR_ERROR_HISTORY_NEXUS: u8 = 0xfe;
const CLEAR_NEXUS_AND_RELEASE: u8 = 0xff;
/// BUFFER IDs that the directory lists.
const DIRECTORY_BUFFER_IDS: [u8; 5] = [DIRECTORY, NEW_SNAPSHOT, NEW_NEXUS, NEW_BOTH, SNAPSHOT];
/// Length of the directory in bytes.
const DIRECTORY_LEN: u32 = 32 + 8 * 5;

pub(super) fn read(cx: &mut SpcContext<'_, '_, '_>, raw: &Raw) -> Outcome {
    let (lu, nexus) = (&mut *cx.lu, cx.request.nexus);
    let (id, offset) = (raw.id, raw.offset.get());
    if !DIRECTORY_BUFFER_IDS.contains(&id) && !matches!(id, CLEAR_ERROR_HISTORY_NEXUS | CLEAR_NEXUS_AND_RELEASE) {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    let open_to_all = matches!(id, NEW_NEXUS | NEW_BOTH);
    let owned_by_other = lu.dumps.dump.is_some() && lu.dumps.error_history_nexus.is_some_and(|owner| owner != nexus);
    if owned_by_other && !open_to_all {
        return Err(Sense::illegal_request(Asc::OPERATION_IN_PROGRESS).into());
    }
    let mut page = PageWriter::new();
    match id {
        CLEAR_ERROR_HISTORY_NEXUS | CLEAR_NEXUS_AND_RELEASE => {
            lu.dumps.error_history_nexus = None;
            match &mut lu.dumps.dump {
                Some(dump) if id == CLEAR_ERROR_HISTORY_NEXUS => dump.retrieved = true,
                slot => *slot = None,
            }
        }
        SNAPSHOT => {
            let dump = lu.dumps.dump.as_ref().ok_or(Sense::illegal_request(Asc::COMMAND_SEQUENCE_ERROR))?;
            let bytes = dump.bytes.get(offset as usize..).ok_or(Sense::invalid_field_in_cdb(3, None))?;
            page.bytes(bytes);
        }
        _ if offset != 0 => return Err(Sense::invalid_field_in_cdb(3, None).into()),
        _ => {
            if open_to_all || lu.dumps.error_history_nexus.is_none() {
                lu.dumps.error_history_nexus = Some(nexus);
            }
            let create = matches!(id, NEW_SNAPSHOT | NEW_BOTH) || lu.dumps.dump.is_none();
            if create {
                lu.dumps.store(cx.device.diagnostic_dump(&lu.identity), DumpTrigger::ErrorHistory);
            }
            if let Some(dump) = &lu.dumps.dump {
                directory(&lu.identity.strings.vendor, dump, create, &mut page);
            }
        }
    }
    cx.return_data(raw.length.get(), page.as_slice());
    Ok(())
}

/// Writes the error history directory (SPC-4 table 233) with an entry for each buffer.
fn directory(vendor: &str, dump: &Dump, created: bool, page: &mut PageWriter) {
    /// EHS_RETRIEVED: a host has cleared the error history I_T nexus since the dump, or has not.
    const RETRIEVED: (u8, u8) = (0b01, 0b10);
    let retrieved = if dump.retrieved { RETRIEVED.0 } else { RETRIEVED.1 };
    let source = match dump.cause {
        DumpTrigger::Device => 0b00,
        DumpTrigger::ErrorHistory if created => 0b01,
        DumpTrigger::ErrorHistory => 0b10,
    };
    page.ascii(vendor, 8).u8(1).u8(retrieved << 3 | source << 1).zeros(20);
    page.length_u16(|w| {
        for id in DIRECTORY_BUFFER_IDS {
            let len = if id == SNAPSHOT { u32::try_from(dump.bytes.len()).unwrap_or(u32::MAX) } else { DIRECTORY_LEN };
            w.u8(id).zeros(3).u32(len);
        }
    });
}
