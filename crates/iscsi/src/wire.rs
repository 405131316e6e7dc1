//! PDU headers (RFC 7143 §11): the 48 bytes of a basic header segment as typed layouts. All fields are big-endian.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a basic header segment, in bytes.
pub const BHS: usize = 48;

/// PDU opcode: bits 5-0 of byte 0 (RFC 7143 §11.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(pub u8);

#[expect(missing_docs, reason = "the names of RFC 7143 §11.2.1.2")]
impl Opcode {
    pub const NOP_OUT: Self = Self(0x00);
    pub const COMMAND: Self = Self(0x01);
    pub const TASK_MANAGEMENT: Self = Self(0x02);
    pub const LOGIN: Self = Self(0x03);
    pub const TEXT: Self = Self(0x04);
    pub const DATA_OUT: Self = Self(0x05);
    pub const LOGOUT: Self = Self(0x06);
    pub const SNACK: Self = Self(0x10);
    pub const NOP_IN: Self = Self(0x20);
    pub const RESPONSE: Self = Self(0x21);
    pub const TASK_MANAGEMENT_RESPONSE: Self = Self(0x22);
    pub const LOGIN_RESPONSE: Self = Self(0x23);
    pub const TEXT_RESPONSE: Self = Self(0x24);
    pub const DATA_IN: Self = Self(0x25);
    pub const LOGOUT_RESPONSE: Self = Self(0x26);
    pub const R2T: Self = Self(0x31);
    pub const ASYNC: Self = Self(0x32);
    pub const REJECT: Self = Self(0x3f);
}

/// The reserved task tag or target transfer tag, FFFFFFFFh.
pub const NO_TAG: u32 = 0xffff_ffff;
/// F bit (final) of byte 1; T bit (transit) in login PDUs.
pub const FINAL_FLAG: u8 = 0x80;
/// C bit (continue) of byte 1 in login and text PDUs.
pub const CONTINUE_FLAG: u8 = 0x40;

/// The common fields of all requests: the basic header segment, RFC 7143 §11.2.1.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct BasicHeader {
    pub opcode: u8,
    pub flags: u8,
    pub specific_2: [u8; 2],
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub lun: U64,
    pub itt: U32,
    pub specific_20: [u8; 4],
    pub cmd_sn: U32,
    pub exp_stat_sn: U32,
    pub specific_32: [u8; 16],
}
const _: () = assert!(size_of::<BasicHeader>() == BHS);

/// SCSI Command request, RFC 7143 §11.3.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct ScsiCommand {
    pub opcode: u8,
    pub flags: u8,
    pub reserved_2: [u8; 2],
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub lun: U64,
    pub itt: U32,
    pub expected_length: U32,
    pub cmd_sn: U32,
    pub exp_stat_sn: U32,
    pub cdb: [u8; 16],
}
const _: () = assert!(size_of::<ScsiCommand>() == BHS);

/// SCSI Response, RFC 7143 §11.4.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct ScsiResponse {
    pub opcode: u8,
    pub flags: u8,
    pub response: u8,
    pub status: u8,
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub reserved_8: [u8; 8],
    pub itt: U32,
    pub snack_tag: U32,
    pub stat_sn: U32,
    pub exp_cmd_sn: U32,
    pub max_cmd_sn: U32,
    pub exp_data_sn: U32,
    pub bidi_residual: U32,
    pub residual: U32,
}
const _: () = assert!(size_of::<ScsiResponse>() == BHS);

/// Task Management Function Request, RFC 7143 §11.5.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct TaskManagement {
    pub opcode: u8,
    pub flags: u8,
    pub reserved_2: [u8; 2],
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub lun: U64,
    pub itt: U32,
    pub referenced_tag: U32,
    pub cmd_sn: U32,
    pub exp_stat_sn: U32,
    pub ref_cmd_sn: U32,
    pub exp_data_sn: U32,
    pub reserved_40: [u8; 8],
}
const _: () = assert!(size_of::<TaskManagement>() == BHS);

/// The common layout of Task Management, Text and Logout responses, NOP-In, R2T, Reject and Asynchronous Message, RFC
/// 7143 §11.6 to §11.19.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct TargetHeader {
    pub opcode: u8,
    pub flags: u8,
    pub response: u8,
    pub reserved_3: u8,
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub lun: U64,
    pub itt: U32,
    pub ttt: U32,
    pub stat_sn: U32,
    pub exp_cmd_sn: U32,
    pub max_cmd_sn: U32,
    pub word_36: U32,
    pub word_40: U32,
    pub word_44: U32,
}
const _: () = assert!(size_of::<TargetHeader>() == BHS);

/// SCSI Data-Out, RFC 7143 §11.7.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct DataOut {
    pub opcode: u8,
    pub flags: u8,
    pub reserved_2: [u8; 2],
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub lun: U64,
    pub itt: U32,
    pub ttt: U32,
    pub reserved_24: [u8; 4],
    pub exp_stat_sn: U32,
    pub reserved_32: [u8; 4],
    pub data_sn: U32,
    pub buffer_offset: U32,
    pub reserved_44: [u8; 4],
}
const _: () = assert!(size_of::<DataOut>() == BHS);

/// SCSI Data-In, RFC 7143 §11.7.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct DataIn {
    pub opcode: u8,
    pub flags: u8,
    pub reserved_2: u8,
    pub status: u8,
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub lun: U64,
    pub itt: U32,
    pub ttt: U32,
    pub stat_sn: U32,
    pub exp_cmd_sn: U32,
    pub max_cmd_sn: U32,
    pub data_sn: U32,
    pub buffer_offset: U32,
    pub residual: U32,
}
const _: () = assert!(size_of::<DataIn>() == BHS);

/// Login Request, RFC 7143 §11.12.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct Login {
    pub opcode: u8,
    pub flags: u8,
    pub version_max: u8,
    pub version_min: u8,
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub isid: [u8; 6],
    pub tsih: U16,
    pub itt: U32,
    pub cid: U16,
    pub reserved_22: [u8; 2],
    pub cmd_sn: U32,
    pub exp_stat_sn: U32,
    pub reserved_32: [u8; 16],
}
const _: () = assert!(size_of::<Login>() == BHS);

/// Login Response, RFC 7143 §11.13.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct LoginResponse {
    pub opcode: u8,
    pub flags: u8,
    pub version_max: u8,
    pub version_active: u8,
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub isid: [u8; 6],
    pub tsih: U16,
    pub itt: U32,
    pub reserved_20: [u8; 4],
    pub stat_sn: U32,
    pub exp_cmd_sn: U32,
    pub max_cmd_sn: U32,
    pub status_class: u8,
    pub status_detail: u8,
    pub reserved_38: [u8; 10],
}
const _: () = assert!(size_of::<LoginResponse>() == BHS);

/// The common layout of Text, Logout and NOP-Out requests, RFC 7143 §11.10, §11.14 and §11.18.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[expect(missing_docs, reason = "fields carry the names of RFC 7143")]
pub struct RequestHeader {
    pub opcode: u8,
    pub flags: u8,
    pub reserved_2: [u8; 2],
    pub ahs_length: u8,
    pub data_length: [u8; 3],
    pub lun: U64,
    pub itt: U32,
    pub ttt: U32,
    pub cmd_sn: U32,
    pub exp_stat_sn: U32,
    pub reserved_32: [u8; 16],
}
const _: () = assert!(size_of::<RequestHeader>() == BHS);

/// Returns a header of zeros with this opcode.
#[must_use]
pub fn with_opcode<T: FromBytes + IntoBytes>(opcode: Opcode) -> T {
    let mut header = T::new_zeroed();
    if let Some(first) = header.as_mut_bytes().first_mut() {
        *first = opcode.0;
    }
    header
}

/// Reads the 48 bytes of a header as the layout `T`.
#[must_use]
pub fn as_layout<T: FromBytes + KnownLayout + Immutable + Unaligned>(header: &[u8; BHS]) -> T {
    T::read_from_bytes(header).unwrap_or_else(|_| T::new_zeroed())
}

impl BasicHeader {
    /// Returns the opcode without the immediate bit.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        Opcode(self.opcode & 0x3f)
    }

    /// Returns the immediate bit (I) of byte 0.
    #[must_use]
    pub const fn immediate(&self) -> bool {
        self.opcode & 0x40 != 0
    }

    /// Returns DataSegmentLength in bytes, without padding.
    #[must_use]
    pub const fn data_len(&self) -> usize {
        let [a, b, c] = self.data_length;
        u32::from_be_bytes([0, a, b, c]) as usize
    }
}

/// Writes DataSegmentLength, in bytes, into a header field.
pub fn set_data_length(field: &mut [u8; 3], len: usize) {
    let [_, a, b, c] = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
    *field = [a, b, c];
}

/// Returns whether sequence number `a` is before `b` in serial number arithmetic (RFC 1982, RFC 7143 §4.2.2.1).
#[must_use]
pub const fn serial_before(a: u32, b: u32) -> bool {
    a != b && b.wrapping_sub(a) < 0x8000_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_wrap() {
        assert!(serial_before(1, 2) && !serial_before(2, 1) && !serial_before(1, 1));
        assert!(serial_before(0xffff_fffe, 3) && !serial_before(3, 0xffff_fffe));
    }

    #[test]
    fn scsi_command_bytes_match() {
        let mut bytes = [0; BHS];
        bytes[0] = 0x41;
        bytes[1] = 0xc1;
        bytes[5..8].copy_from_slice(&[0, 1, 2]);
        bytes[9] = 3;
        bytes[16..20].copy_from_slice(&[0, 0, 0, 7]);
        bytes[20..24].copy_from_slice(&[0, 4, 0, 0]);
        bytes[24..28].copy_from_slice(&[0, 0, 0, 9]);
        bytes[32] = 0x08;
        let basic: BasicHeader = as_layout(&bytes);
        assert!(basic.immediate() && basic.opcode() == Opcode::COMMAND && basic.data_len() == 258);
        let command: ScsiCommand = as_layout(&bytes);
        assert_eq!((command.lun.get(), command.itt.get(), command.expected_length.get()), (3 << 48, 7, 0x4_0000));
        assert_eq!((command.cmd_sn.get(), command.cdb[0]), (9, 8));
    }
}
