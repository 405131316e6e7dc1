//! SG_IO: a structure of version 3 or 4 with its CDB, data and memory for sense data.

use crate::memory::{FILL, Memory};
use crate::run::{digest, hex};
use std::fmt::Write as _;

/// A field of a structure: name, offset and bytes.
type Field = (&'static str, usize, usize);

/// `struct sg_io_hdr`.
const VERSION_3: [Field; 22] = [
    ("interface_id", 0, 4),
    ("dxfer_direction", 4, 4),
    ("cmd_len", 8, 1),
    ("mx_sb_len", 9, 1),
    ("iovec_count", 10, 2),
    ("dxfer_len", 12, 4),
    ("dxferp", 16, 8),
    ("cmdp", 24, 8),
    ("sbp", 32, 8),
    ("timeout", 40, 4),
    ("flags", 44, 4),
    ("pack_id", 48, 4),
    ("usr_ptr", 56, 8),
    ("status", 64, 1),
    ("masked_status", 65, 1),
    ("msg_status", 66, 1),
    ("sb_len_wr", 67, 1),
    ("host_status", 68, 2),
    ("driver_status", 70, 2),
    ("resid", 72, 4),
    ("info", 80, 4),
    ("header_len", 88, 0),
];

/// `struct sg_io_v4`.
const VERSION_4: [Field; 30] = [
    ("guard", 0, 4),
    ("protocol", 4, 4),
    ("subprotocol", 8, 4),
    ("request_len", 12, 4),
    ("request", 16, 8),
    ("request_tag", 24, 8),
    ("request_attr", 32, 4),
    ("request_priority", 36, 4),
    ("request_extra", 40, 4),
    ("max_response_len", 44, 4),
    ("response", 48, 8),
    ("dout_iovec_count", 56, 4),
    ("dout_xfer_len", 60, 4),
    ("din_iovec_count", 64, 4),
    ("din_xfer_len", 68, 4),
    ("dout_xferp", 72, 8),
    ("din_xferp", 80, 8),
    ("timeout", 88, 4),
    ("flags", 92, 4),
    ("usr_ptr", 96, 8),
    ("driver_status", 108, 4),
    ("transport_status", 112, 4),
    ("device_status", 116, 4),
    ("retry_delay", 120, 4),
    ("info", 124, 4),
    ("response_len", 132, 4),
    ("din_resid", 136, 4),
    ("dout_resid", 140, 4),
    ("generated_tag", 144, 8),
    ("header_len", 160, 0),
];

/// SG_IO, with what its structure names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandStep {
    /// Whether the structure is of version 4.
    pub is_version_4: bool,
    /// The CDB that is sent, of any length.
    pub cdb: Vec<u8>,
    /// Bytes of data to the device, if any.
    pub data_out: Option<usize>,
    /// Bytes of memory for data from the device, if any.
    pub data_in: Option<usize>,
    /// Whether version 3 has both directions: SG_DXFER_TO_FROM_DEV.
    pub is_both: bool,
    /// Lengths of the memory of each `struct iovec`; empty for none.
    pub vectors: Vec<usize>,
    /// Offset of the data from the beginning of a page.
    pub offset: usize,
    /// Fields of the structure that have another value than the one that fits: index and value.
    pub fields: Vec<(usize, i64)>,
}

/// Places in the memory of the call.
const CDB_AT: usize = 512;
const SENSE_AT: usize = 1024;
const SENSE_LEN: usize = 512;
const VECTORS_AT: usize = 4096;
const DATA_AT: usize = 8192;
/// Bytes between the memory of two vectors.
const GAP: usize = 64;
/// Bytes for sense data, and the timeout in milliseconds, unless the step says otherwise.
const MAX_SENSE: i64 = 32;
const TIMEOUT: i64 = 20_000;

impl CommandStep {
    fn table(&self) -> &'static [Field] {
        if self.is_version_4 { &VERSION_4 } else { &VERSION_3 }
    }

    /// The index of the field with this name.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        self.table().iter().position(|(known, ..)| *known == name)
    }

    /// Length of the structure, which is the offset of the last entry of its table.
    fn header_len(&self) -> usize {
        self.table().last().map_or(0, |(_, offset, _)| *offset)
    }

    fn set(&self, memory: &mut Memory, name: &str, value: i64) {
        if let Some((_, offset, len)) = self.field(name).and_then(|index| self.table().get(index)) {
            memory.store(*offset, value.to_le_bytes().get(..*len).unwrap_or_default());
        }
    }

    /// Places and lengths of the pieces of the data.
    fn pieces(&self) -> Vec<(usize, usize)> {
        let mut at = DATA_AT + self.offset;
        let whole = [self.data_out.unwrap_or(0).max(self.data_in.unwrap_or(0))];
        let lengths = if self.vectors.is_empty() { &whole[..] } else { &self.vectors };
        let mut place = |len: &usize| {
            let piece = (at, *len);
            at += len + GAP;
            piece
        };
        lengths.iter().map(&mut place).collect()
    }

    /// Memory with the structure at its beginning, and all that it names. `fill` makes the data for the device.
    pub(crate) fn prepare(&self, mut fill: impl FnMut(&mut [u8])) -> Memory {
        let pieces = self.pieces();
        let end = pieces.last().map_or(DATA_AT, |(at, len)| at + len);
        let mut memory = Memory::new(end + GAP);
        memory.bytes(0, self.header_len()).fill(0);
        memory.store(CDB_AT, &self.cdb);
        let mut vectors = Vec::new();
        for (at, len) in &pieces {
            if self.data_out.is_some() {
                fill(memory.bytes(*at, *len));
            }
            vectors.extend(memory.address(*at).to_le_bytes());
            vectors.extend((*len as u64).to_le_bytes());
        }
        memory.store(VECTORS_AT, &vectors);
        let data_at = if self.vectors.is_empty() { DATA_AT + self.offset } else { VECTORS_AT };
        let [cdb, sense, data] = [CDB_AT, SENSE_AT, data_at].map(|at| memory.address(at).cast_signed());
        let count = i64::try_from(self.vectors.len()).unwrap_or(0);
        let bytes = |len: Option<usize>| i64::try_from(len.unwrap_or(0)).unwrap_or(0);
        let pointer = |len: Option<usize>| if len.is_some() { data } else { 0 };
        let cdb_len = i64::try_from(self.cdb.len()).unwrap_or(0);
        let (out, into) = (self.data_out, self.data_in);
        let direction = if self.is_both { -4 } else { out.map_or(into.map_or(-1, |_| -3), |_| -2) };
        let fields: &[(&str, i64)] = if self.is_version_4 {
            let counted = |len: Option<usize>| if len.is_some() { count } else { 0 };
            &[
                ("guard", 0x51),
                ("request_len", cdb_len),
                ("request", cdb),
                ("max_response_len", MAX_SENSE),
                ("response", sense),
                ("dout_iovec_count", counted(out)),
                ("dout_xfer_len", bytes(out)),
                ("din_iovec_count", counted(into)),
                ("din_xfer_len", bytes(into)),
                ("dout_xferp", pointer(out)),
                ("din_xferp", pointer(into)),
                ("timeout", TIMEOUT),
            ]
        } else {
            &[
                ("interface_id", 0x53),
                ("dxfer_direction", direction),
                ("cmd_len", cdb_len),
                ("mx_sb_len", MAX_SENSE),
                ("iovec_count", count),
                ("dxfer_len", bytes(out.or(into))),
                ("dxferp", pointer(out.or(into))),
                ("cmdp", cdb),
                ("sbp", sense),
                ("timeout", TIMEOUT),
            ]
        };
        fields.iter().for_each(|(name, value)| self.set(&mut memory, name, *value));
        for (index, value) in &self.fields {
            if let Some((name, ..)) = self.table().get(*index) {
                self.set(&mut memory, name, *value);
            }
        }
        memory
    }

    /// The fields that the call has changed, without the fields that depend on the machine; the sense data that it stored, and
    /// the number of bytes of data with their digest, as far as the residual says that they were received.
    pub(crate) fn changes(&self, before: &[u8], memory: &mut Memory) -> String {
        let mut text = String::new();
        let after = memory.bytes(0, self.header_len()).to_vec();
        for (name, offset, len) in self.table() {
            let number = |bytes: &[u8]| {
                bytes.iter().skip(*offset).take(*len).rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte))
            };
            let value = number(&after);
            if value != number(before) && *name != "generated_tag" {
                let value = if *len == 4 { (value << 32).cast_signed() >> 32 } else { value.cast_signed() };
                let _ = write!(text, " {name}={value}");
            }
        }
        let sense = memory.bytes(SENSE_AT, SENSE_LEN);
        if let Some(last) = sense.iter().rposition(|byte| *byte != FILL) {
            let _ = write!(text, " sense={}", hex(sense.get(..=last).unwrap_or_default()));
        }
        if let Some(given) = self.data_in {
            // sg returns the former contents of its buffer after the data: these bytes depend on the machine.
            let residual = if self.is_version_4 { "din_resid" } else { "resid" };
            let residual = self.field(residual).and_then(|index| self.table().get(index)).map_or(0, |(_, at, len)| {
                after.iter().skip(*at).take(*len).rev().fold(0, |value, byte| value << 8 | usize::from(*byte))
            });
            let received = given.checked_sub(residual).unwrap_or(given);
            let mut data = Vec::new();
            self.pieces().into_iter().for_each(|(at, len)| data.extend_from_slice(memory.bytes(at, len)));
            data.truncate(received);
            if let Some(last) = data.iter().rposition(|byte| *byte != FILL) {
                let _ = write!(text, " data={}#{:08x}", last + 1, digest(data.iter().take(last + 1)));
            }
        }
        text
    }

    /// The structure before the call.
    pub(crate) fn header(&self, memory: &mut Memory) -> Vec<u8> {
        memory.bytes(0, self.header_len()).to_vec()
    }
}
