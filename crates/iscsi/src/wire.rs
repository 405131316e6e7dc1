//! PDU headers (RFC 7143 §11): the 48 bytes of a basic header segment as typed layouts. All fields are big-endian.

use zerocopy::byteorder::big_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Length of a basic header segment, in bytes.
pub const BHS: usize = 48;

/// PDU opcode: bits 5-0 of byte 0 (RFC 7143 §11.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(pub u8);

impl Opcode {
    /// NOP-Out request, RFC 7143 §11.18.
    pub const NOP_OUT: Self = Self(0x00);
    /// Header of a SCSI Command request: the command and its CDB (RFC 7143 §11.3).
    pub const COMMAND: Self = Self(0x01);
    /// Task Management Function Request, RFC 7143 §11.5.
    pub const TASK_MANAGEMENT: Self = Self(0x02);
    /// Header of a Login Request: stages and identifiers (RFC 7143 §11.12).
    pub const LOGIN: Self = Self(0x03);
    /// Text Request, RFC 7143 §11.10.
    pub const TEXT: Self = Self(0x04);
    /// Header of a SCSI Data-Out PDU: data of a write (RFC 7143 §11.7).
    pub const DATA_OUT: Self = Self(0x05);
    /// Logout Request, RFC 7143 §11.14.
    pub const LOGOUT: Self = Self(0x06);
    /// SNACK Request, RFC 7143 §11.16.
    pub const SNACK: Self = Self(0x10);
    /// NOP-In of the target, RFC 7143 §11.19.
    pub const NOP_IN: Self = Self(0x20);
    /// Header of a SCSI Response: status and residual counts (RFC 7143 §11.4).
    pub const RESPONSE: Self = Self(0x21);
    /// Task Management Function Response, RFC 7143 §11.6.
    pub const TASK_MANAGEMENT_RESPONSE: Self = Self(0x22);
    /// Header of a Login Response: stages, identifiers and status (RFC 7143 §11.13).
    pub const LOGIN_RESPONSE: Self = Self(0x23);
    /// Text Response, RFC 7143 §11.11.
    pub const TEXT_RESPONSE: Self = Self(0x24);
    /// Header of a SCSI Data-In PDU: data of a read (RFC 7143 §11.7).
    pub const DATA_IN: Self = Self(0x25);
    /// Logout Response, RFC 7143 §11.15.
    pub const LOGOUT_RESPONSE: Self = Self(0x26);
    /// Ready To Transfer (R2T), RFC 7143 §11.8.
    pub const R2T: Self = Self(0x31);
    /// Asynchronous Message, RFC 7143 §11.9.
    pub const ASYNC: Self = Self(0x32);
    /// Reject of a PDU, RFC 7143 §11.17.
    pub const REJECT: Self = Self(0x3f);
}

/// The reserved task tag or target transfer tag, FFFFFFFFh.
pub const NO_TAG: u32 = 0xffff_ffff;
/// F bit (final) of byte 1; T bit (transit) in login PDUs.
pub const FINAL_FLAG: u8 = 0x80;
/// C bit (continue) of byte 1 in login and text PDUs.
pub const CONTINUE_FLAG: u8 = 0x40;

/// The generic layout of a basic header segment, RFC 7143 §11.2.1. SCSI Data-Out has no CmdSN.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BasicHeader {
    /// Byte 0: immediate bit (bit 6) and opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: F bit (bit 7) and opcode-specific flags.
    pub flags: u8,
    /// Bytes 2 and 3: opcode-specific fields.
    pub specific_2: [u8; 2],
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: logical unit number (LUN).
    pub lun: U64,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: opcode-specific fields.
    pub specific_20: [u8; 4],
    /// Bytes 24 to 27: CmdSN of the request.
    pub cmd_sn: U32,
    /// Bytes 28 to 31: ExpStatSN, which acknowledges lower StatSNs.
    pub exp_stat_sn: U32,
    /// Bytes 32 to 47: opcode-specific fields.
    pub specific_32: [u8; 16],
}
const _: () = assert!(size_of::<BasicHeader>() == BHS);

/// Header of a SCSI Command request: the command and its CDB (RFC 7143 §11.3).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ScsiCommand {
    /// Byte 0: immediate bit (bit 6) and opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: F (bit 7), R (6), W (5) and task attribute (bits 2-0).
    pub flags: u8,
    /// Bytes 2 and 3: reserved, ignored on receipt and zero when sent.
    pub reserved_2: [u8; 2],
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: logical unit number (LUN).
    pub lun: U64,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: Expected Data Transfer Length, in bytes.
    pub expected_length: U32,
    /// Bytes 24 to 27: CmdSN of the request.
    pub cmd_sn: U32,
    /// Bytes 28 to 31: ExpStatSN, which acknowledges lower StatSNs.
    pub exp_stat_sn: U32,
    /// Bytes 32 to 47: SCSI CDB, padded with zeros.
    pub cdb: [u8; 16],
}
const _: () = assert!(size_of::<ScsiCommand>() == BHS);

/// Header of a SCSI Response: status and residual counts (RFC 7143 §11.4).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ScsiResponse {
    /// Byte 0: opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: residual flags o, u, O and U (bits 4 to 1).
    pub flags: u8,
    /// Byte 2: iSCSI service response code.
    pub response: u8,
    /// Byte 3: SCSI status of the command.
    pub status: u8,
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: reserved, ignored on receipt and zero when sent.
    pub reserved_8: [u8; 8],
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: SNACK Tag.
    pub snack_tag: U32,
    /// Bytes 24 to 27: StatSN of the response.
    pub stat_sn: U32,
    /// Bytes 28 to 31: ExpCmdSN, the next CmdSN that the target expects.
    pub exp_cmd_sn: U32,
    /// Bytes 32 to 35: MaxCmdSN, the last CmdSN of the command window.
    pub max_cmd_sn: U32,
    /// Bytes 36 to 39: ExpDataSN, the number of Data-In and R2T PDUs of the command.
    pub exp_data_sn: U32,
    /// Bytes 40 to 43: Bidirectional Read Residual Count, in bytes.
    pub bidi_residual: U32,
    /// Bytes 44 to 47: Residual Count, in bytes.
    pub residual: U32,
}
const _: () = assert!(size_of::<ScsiResponse>() == BHS);

/// Task Management Function Request, RFC 7143 §11.5.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TaskManagement {
    /// Byte 0: immediate bit (bit 6) and opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: function code (bits 6-0).
    pub flags: u8,
    /// Bytes 2 and 3: reserved, ignored on receipt and zero when sent.
    pub reserved_2: [u8; 2],
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: logical unit number (LUN).
    pub lun: U64,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: Referenced Task Tag of ABORT TASK.
    pub referenced_tag: U32,
    /// Bytes 24 to 27: CmdSN of the request.
    pub cmd_sn: U32,
    /// Bytes 28 to 31: ExpStatSN, which acknowledges lower StatSNs.
    pub exp_stat_sn: U32,
    /// Bytes 32 to 35: RefCmdSN, the CmdSN of the referenced task.
    pub ref_cmd_sn: U32,
    /// Bytes 36 to 39: ExpDataSN, for TASK REASSIGN only.
    pub exp_data_sn: U32,
    /// Bytes 40 to 47: reserved, ignored on receipt and zero when sent.
    pub reserved_40: [u8; 8],
}
const _: () = assert!(size_of::<TaskManagement>() == BHS);

/// The common layout of Task Management, Text and Logout responses, NOP-In, R2T, Reject and Asynchronous Message, RFC
/// 7143 §11.6 to §11.19.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TargetHeader {
    /// Byte 0: opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: F bit (bit 7); C bit (bit 6) in Text Response.
    pub flags: u8,
    /// Byte 2: response code; reason code in Reject.
    pub response: u8,
    /// Byte 3: reserved, ignored on receipt and zero when sent.
    pub reserved_3: u8,
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: logical unit number (LUN), reserved in most responses.
    pub lun: U64,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: Target Transfer Tag.
    pub ttt: U32,
    /// Bytes 24 to 27: StatSN of the response.
    pub stat_sn: U32,
    /// Bytes 28 to 31: ExpCmdSN, the next CmdSN that the target expects.
    pub exp_cmd_sn: U32,
    /// Bytes 32 to 35: MaxCmdSN, the last CmdSN of the command window.
    pub max_cmd_sn: U32,
    /// Bytes 36 to 39: R2TSN in R2T, AsyncEvent in Asynchronous Message, else opcode specific.
    pub word_36: U32,
    /// Bytes 40 to 43: Buffer Offset in R2T, Time2Wait and Time2Retain in Logout Response, else opcode specific.
    pub word_40: U32,
    /// Bytes 44 to 47: Desired Data Transfer Length in R2T, else opcode specific.
    pub word_44: U32,
}
const _: () = assert!(size_of::<TargetHeader>() == BHS);

/// Header of a SCSI Data-Out PDU: data of a write (RFC 7143 §11.7).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DataOut {
    /// Byte 0: opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: F bit (bit 7).
    pub flags: u8,
    /// Bytes 2 and 3: reserved, ignored on receipt and zero when sent.
    pub reserved_2: [u8; 2],
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: logical unit number (LUN).
    pub lun: U64,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: Target Transfer Tag.
    pub ttt: U32,
    /// Bytes 24 to 27: reserved, ignored on receipt and zero when sent.
    pub reserved_24: [u8; 4],
    /// Bytes 28 to 31: ExpStatSN, which acknowledges lower StatSNs.
    pub exp_stat_sn: U32,
    /// Bytes 32 to 35: reserved, ignored on receipt and zero when sent.
    pub reserved_32: [u8; 4],
    /// Bytes 36 to 39: DataSN of the PDU, from 0.
    pub data_sn: U32,
    /// Bytes 40 to 43: Buffer Offset of the data, in bytes.
    pub buffer_offset: U32,
    /// Bytes 44 to 47: reserved, ignored on receipt and zero when sent.
    pub reserved_44: [u8; 4],
}
const _: () = assert!(size_of::<DataOut>() == BHS);

/// Header of a SCSI Data-In PDU: data of a read (RFC 7143 §11.7).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DataIn {
    /// Byte 0: opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: F (bit 7), A (6), O (2), U (1) and S (0).
    pub flags: u8,
    /// Byte 2: reserved, ignored on receipt and zero when sent.
    pub reserved_2: u8,
    /// Byte 3: SCSI status, valid with the S bit.
    pub status: u8,
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: logical unit number (LUN).
    pub lun: U64,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: Target Transfer Tag.
    pub ttt: U32,
    /// Bytes 24 to 27: StatSN, valid with the S bit.
    pub stat_sn: U32,
    /// Bytes 28 to 31: ExpCmdSN, the next CmdSN that the target expects.
    pub exp_cmd_sn: U32,
    /// Bytes 32 to 35: MaxCmdSN, the last CmdSN of the command window.
    pub max_cmd_sn: U32,
    /// Bytes 36 to 39: DataSN of the PDU, from 0.
    pub data_sn: U32,
    /// Bytes 40 to 43: Buffer Offset of the data, in bytes.
    pub buffer_offset: U32,
    /// Bytes 44 to 47: Residual Count in bytes, valid with the S bit.
    pub residual: U32,
}
const _: () = assert!(size_of::<DataIn>() == BHS);

/// Header of a Login Request: stages and identifiers (RFC 7143 §11.12).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Login {
    /// Byte 0: immediate bit (bit 6) and opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: T (bit 7), C (6), CSG (bits 3-2) and NSG (bits 1-0).
    pub flags: u8,
    /// Byte 2: Version-max, the highest supported version.
    pub version_max: u8,
    /// Byte 3: Version-min, the lowest supported version.
    pub version_min: u8,
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 13: ISID, the initiator part of the session identifier.
    pub isid: [u8; 6],
    /// Bytes 14 and 15: TSIH, the target session identifying handle; zero for a new session.
    pub tsih: U16,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 and 21: CID, the connection identifier.
    pub cid: U16,
    /// Bytes 22 and 23: reserved, ignored on receipt and zero when sent.
    pub reserved_22: [u8; 2],
    /// Bytes 24 to 27: CmdSN of the request.
    pub cmd_sn: U32,
    /// Bytes 28 to 31: ExpStatSN, which acknowledges lower StatSNs.
    pub exp_stat_sn: U32,
    /// Bytes 32 to 47: reserved, ignored on receipt and zero when sent.
    pub reserved_32: [u8; 16],
}
const _: () = assert!(size_of::<Login>() == BHS);

/// Header of a Login Response: stages, identifiers and status (RFC 7143 §11.13).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LoginResponse {
    /// Byte 0: opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: T (bit 7), C (6), CSG (bits 3-2) and NSG (bits 1-0).
    pub flags: u8,
    /// Byte 2: Version-max, the highest supported version.
    pub version_max: u8,
    /// Byte 3: Version-active, the version in use.
    pub version_active: u8,
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 13: ISID, the initiator part of the session identifier.
    pub isid: [u8; 6],
    /// Bytes 14 and 15: TSIH, the target session identifying handle; zero for a new session.
    pub tsih: U16,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: reserved, ignored on receipt and zero when sent.
    pub reserved_20: [u8; 4],
    /// Bytes 24 to 27: StatSN of the response.
    pub stat_sn: U32,
    /// Bytes 28 to 31: ExpCmdSN, the next CmdSN that the target expects.
    pub exp_cmd_sn: U32,
    /// Bytes 32 to 35: MaxCmdSN, the last CmdSN of the command window.
    pub max_cmd_sn: U32,
    /// Byte 36: Status-Class; zero means success.
    pub status_class: u8,
    /// Byte 37: Status-Detail within the Status-Class.
    pub status_detail: u8,
    /// Bytes 38 to 47: reserved, ignored on receipt and zero when sent.
    pub reserved_38: [u8; 10],
}
const _: () = assert!(size_of::<LoginResponse>() == BHS);

/// The common layout of Text, Logout and NOP-Out requests, RFC 7143 §11.10, §11.14 and §11.18.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RequestHeader {
    /// Byte 0: immediate bit (bit 6) and opcode (bits 5-0).
    pub opcode: u8,
    /// Byte 1: F bit (bit 7); C bit (bit 6) in text, reason code (bits 6-0) in logout requests.
    pub flags: u8,
    /// Bytes 2 and 3: reserved, ignored on receipt and zero when sent.
    pub reserved_2: [u8; 2],
    /// Byte 4: TotalAHSLength, in four-byte words.
    pub ahs_length: u8,
    /// Bytes 5 to 7: DataSegmentLength in bytes, without padding.
    pub data_length: [u8; 3],
    /// Bytes 8 to 15: logical unit number (LUN).
    pub lun: U64,
    /// Bytes 16 to 19: Initiator Task Tag.
    pub itt: U32,
    /// Bytes 20 to 23: Target Transfer Tag; CID (bytes 20 and 21) in logout requests.
    pub ttt: U32,
    /// Bytes 24 to 27: CmdSN of the request.
    pub cmd_sn: U32,
    /// Bytes 28 to 31: ExpStatSN, which acknowledges lower StatSNs.
    pub exp_stat_sn: U32,
    /// Bytes 32 to 47: reserved, ignored on receipt and zero when sent.
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
