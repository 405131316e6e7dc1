//! The frames of the stream (docs/stream.md): raw layouts, and what they mean. All numbers are big-endian.

use scsi_core::named_values;
use scsi_core::status::Status;
use scsi_core::target::TaskAttribute;
use std::fmt;
use zerocopy::byteorder::big_endian::{I32, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The version of the stream.
pub const VERSION: u16 = 1;
/// Bytes 0 to 3 of the body of an OPEN frame.
pub const MAGIC: [u8; 4] = *b"FSTR";
/// Length of the header of a frame, in bytes.
pub const HEADER_LEN: usize = 8;
/// Maximum number of bytes of Data-Out, or of Data-In, of a command.
pub const MAX_DATA: usize = 16 << 20;
/// Maximum length of the name of a target in bytes, as that of an iSCSI name (RFC 7143 §4.2.7.1).
const MAX_NAME: usize = 223;
/// Maximum length of a CDB in bytes: its length has one byte. No command of a tape drive or changer has more than 16.
const MAX_CDB: usize = 255;
/// Host numbers from here on are given by the daemon.
pub(crate) const FIRST_GIVEN_HOST: u32 = 0x8000_0000;

named_values! {
    /// Byte 0 of a frame. Frames of the daemon have bit 7 set.
    pub struct FrameType(u8);
    OPEN = 0x01, "OPEN";
    COMMAND = 0x02, "COMMAND";
    RESET = 0x03, "RESET";
    OPENED = 0x81, "OPENED";
    RESPONSE = 0x82, "RESPONSE";
    RESET_DONE = 0x83, "RESET DONE";
    ERROR = 0x8f, "ERROR";
}

named_values! {
    /// Bytes 0 and 1 of the body of an ERROR frame, after which the daemon closes the connection.
    pub struct ErrorNumber(u16);
    MALFORMED = 1, "malformed frame";
    VERSION = 2, "unknown version";
    TOO_LONG = 3, "frame too long";
    NO_TARGET = 4, "no such target";
    TOO_MANY = 5, "too many connections";
    SHUT_DOWN = 6, "shut down";
}

/// The reason why the daemon refuses a frame and closes the connection: the content of an ERROR frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    /// The kind of error, for programs.
    pub number: ErrorNumber,
    /// The message for the user of the client: the value, its place and what was expected.
    pub message: String,
}

impl FrameError {
    pub(crate) fn new(number: ErrorNumber, message: impl Into<String>) -> Self {
        Self { number, message: message.into() }
    }

    fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorNumber::MALFORMED, message)
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FrameError {}

/// The header of a frame.   Bytes: 0 type · 1-3 reserved · 4-7 length of the body
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawHeader {
    kind: u8,
    reserved: [u8; 3],
    length: U32,
}
const _: () = assert!(size_of::<RawHeader>() == HEADER_LEN);

/// OPEN.   Bytes: 0-3 `FSTR` · 4-5 version · 6-7 reserved · 8-11 host number · 12 on: name of the target
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawOpen {
    magic: [u8; 4],
    version: U16,
    reserved: [u8; 2],
    host: U32,
}
const _: () = assert!(size_of::<RawOpen>() == 12);

/// The fixed part of COMMAND.   Bytes: 0-7 LUN · 8-15 tag · 16 task attribute · 17 CDB length · 18-19 reserved ·
/// 20-23 Data-In capacity. The CDB and the Data-Out follow.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawCommand {
    lun: U64,
    tag: U64,
    attribute: u8,
    cdb_length: u8,
    reserved: [u8; 2],
    data_in_capacity: U32,
}
const _: () = assert!(size_of::<RawCommand>() == COMMAND_LEN);
pub(crate) const COMMAND_LEN: usize = 24;

/// OPENED.   Bytes: 0-1 version · 2-3 reserved · 4-7 maximum length of data · 8-11 host number · 12 on: name of the target
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct RawOpened {
    version: U16,
    reserved: [u8; 2],
    max_data: U32,
    host: U32,
}

/// The fixed part of RESPONSE.   Bytes: 0-7 tag · 8 status · 9 length of the sense data · 10-11 reserved · 12-15 residual.
/// The sense data and the Data-In follow.
#[derive(IntoBytes, Immutable, Unaligned)]
#[repr(C)]
struct RawResponse {
    tag: U64,
    status: u8,
    sense_length: u8,
    reserved: [u8; 2],
    residual: I32,
}
const _: () = assert!(size_of::<RawResponse>() == 16);

/// The header of a frame from a client: its type, and the length of its body, which is within the bounds of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type: OPEN, COMMAND or RESET.
    pub kind: FrameType,
    /// Length of the body in bytes.
    pub length: usize,
}

impl Header {
    /// Decodes the header of a frame from a client.
    ///
    /// # Errors
    /// A reserved byte is set, the type is not one of a client, or the length is out of its bounds.
    pub fn parse(bytes: [u8; HEADER_LEN]) -> Result<Self, FrameError> {
        let RawHeader { kind, reserved, length } = zerocopy::transmute!(bytes);
        check_reserved(&reserved, "header")?;
        let kind = FrameType(kind);
        let (least, most) = match kind {
            FrameType::OPEN => (size_of::<RawOpen>(), size_of::<RawOpen>() + MAX_NAME),
            FrameType::COMMAND => (COMMAND_LEN + 1, COMMAND_LEN + MAX_CDB + MAX_DATA),
            FrameType::RESET => (size_of::<U64>(), size_of::<U64>()),
            FrameType(other) => {
                return Err(FrameError::malformed(format!("frame type {other:02X}h; expected 01h, 02h or 03h")));
            }
        };
        let length = usize::try_from(length.get()).unwrap_or(usize::MAX);
        let (name, number) = (kind.name().unwrap_or_default(), ErrorNumber::TOO_LONG);
        if length > most {
            return Err(FrameError::new(number, format!("{name} frame of {length} bytes; expected at most {most}")));
        }
        if length < least {
            return Err(FrameError::malformed(format!("{name} frame of {length} bytes; expected at least {least}")));
        }
        Ok(Self { kind, length })
    }
}

fn check_reserved(bytes: &[u8], place: &str) -> Result<(), FrameError> {
    match bytes.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err(FrameError::malformed(format!("reserved bytes of the {place} are not zero"))),
    }
}

/// The first frame of a connection: the host and the target of its I_T nexus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Number of the host below 8000_0000h; 0: the daemon gives one.
    pub host: u32,
    /// Name of the target; empty: the first target of the site.
    pub target: String,
}

impl Open {
    /// Decodes the body of an OPEN frame.
    ///
    /// # Errors
    /// The body does not begin as it should, has another version, a host number of the daemon, or a name that is not UTF-8.
    pub fn parse(body: &[u8]) -> Result<Self, FrameError> {
        let (raw, name) =
            RawOpen::read_from_prefix(body).map_err(|_| FrameError::malformed("OPEN frame without its fields"))?;
        if raw.magic != MAGIC {
            return Err(FrameError::malformed("OPEN frame does not begin with \"FSTR\""));
        }
        let version = raw.version.get();
        if version != VERSION {
            let message = format!("the client has version {version} of the stream, and the daemon version {VERSION}");
            return Err(FrameError::new(ErrorNumber::VERSION, message));
        }
        check_reserved(&raw.reserved, "OPEN frame")?;
        let host = raw.host.get();
        if host >= FIRST_GIVEN_HOST {
            return Err(FrameError::malformed(format!("host number {host:08X}h; expected at most 7FFFFFFFh")));
        }
        let name =
            std::str::from_utf8(name).map_err(|_| FrameError::malformed("the name of the target is not UTF-8"))?;
        Ok(Self { host, target: name.to_owned() })
    }
}

/// The fields of a COMMAND frame before its CDB and its Data-Out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandFields {
    /// The LUN in eight bytes (SAM-5), as a number.
    pub lun: u64,
    /// The tag that the client gave the command.
    pub tag: u64,
    /// The task attribute: 0 SIMPLE, 1 ORDERED, 2 HEAD OF QUEUE.
    pub attribute: TaskAttribute,
    /// Length of the CDB, from 1 to 255 bytes.
    pub cdb_length: usize,
    /// Length of the Data-Out in bytes.
    pub data_out_length: usize,
    /// Most Data-In that the client accepts, in bytes.
    pub data_in_capacity: usize,
}

impl CommandFields {
    /// Decodes the first 24 bytes of the body of a COMMAND frame, whose length is `body_length`.
    ///
    /// # Errors
    /// A reserved byte is set, the task attribute is unknown, or a length is out of its bounds.
    pub fn parse(bytes: [u8; COMMAND_LEN], body_length: usize) -> Result<Self, FrameError> {
        let raw: RawCommand = zerocopy::transmute!(bytes);
        check_reserved(&raw.reserved, "COMMAND frame")?;
        let attribute = match raw.attribute {
            0 => TaskAttribute::Simple,
            1 => TaskAttribute::Ordered,
            2 => TaskAttribute::HeadOfQueue,
            other => return Err(FrameError::malformed(format!("task attribute {other}; expected 0, 1 or 2"))),
        };
        let cdb_length = usize::from(raw.cdb_length);
        let rest = body_length.saturating_sub(COMMAND_LEN);
        let Some(data_out_length) = rest.checked_sub(cdb_length).filter(|_| cdb_length > 0) else {
            return Err(FrameError::malformed(format!("CDB length {cdb_length}; expected 1 to {}", rest.min(255))));
        };
        let data_in_capacity = usize::try_from(raw.data_in_capacity.get()).unwrap_or(usize::MAX);
        for (name, length) in [("Data-Out", data_out_length), ("Data-In", data_in_capacity)] {
            if length > MAX_DATA {
                let message = format!("{length} bytes of {name}; expected at most {MAX_DATA}");
                return Err(FrameError::new(ErrorNumber::TOO_LONG, message));
            }
        }
        if data_out_length > 0 && data_in_capacity > 0 {
            return Err(FrameError::malformed("a command with Data-Out and Data-In; expected one of them"));
        }
        let (lun, tag) = (raw.lun.get(), raw.tag.get());
        Ok(Self { lun, tag, attribute, cdb_length, data_out_length, data_in_capacity })
    }
}

/// The header of a frame of the daemon.
fn header(kind: FrameType, length: usize) -> Vec<u8> {
    let length = U32::new(u32::try_from(length).unwrap_or(u32::MAX));
    RawHeader { kind: kind.0, reserved: [0; 3], length }.as_bytes().to_vec()
}

/// An OPENED frame.
pub(crate) fn opened(host: u32, target: &str) -> Vec<u8> {
    let max_data = U32::new(u32::try_from(MAX_DATA).unwrap_or(u32::MAX));
    let raw = RawOpened { version: U16::new(VERSION), reserved: [0; 2], max_data, host: U32::new(host) };
    let mut frame = header(FrameType::OPENED, size_of::<RawOpened>() + target.len());
    frame.extend_from_slice(raw.as_bytes());
    frame.extend_from_slice(target.as_bytes());
    frame
}

/// A RESPONSE frame without its Data-In, of which `data_in` bytes follow.
pub(crate) fn response(tag: u64, status: Status, sense: &[u8], residual: i32, data_in: usize) -> Vec<u8> {
    let sense = sense.get(..sense.len().min(usize::from(u8::MAX))).unwrap_or_default();
    let raw = RawResponse {
        tag: U64::new(tag),
        status: status.0,
        sense_length: u8::try_from(sense.len()).unwrap_or(u8::MAX),
        reserved: [0; 2],
        residual: I32::new(residual),
    };
    let mut frame = header(FrameType::RESPONSE, size_of::<RawResponse>() + sense.len() + data_in);
    frame.extend_from_slice(raw.as_bytes());
    frame.extend_from_slice(sense);
    frame
}

/// A RESET DONE frame: byte 0 of its body is 0, or 1 if the target has no such LUN.
pub(crate) fn reset_done(has_lun: bool) -> Vec<u8> {
    let mut frame = header(FrameType::RESET_DONE, 4);
    frame.extend_from_slice(&[u8::from(!has_lun), 0, 0, 0]);
    frame
}

/// An ERROR frame.   Bytes of the body: 0-1 number · 2-3 reserved · 4 on: message
pub(crate) fn error(error: &FrameError) -> Vec<u8> {
    let mut frame = header(FrameType::ERROR, 4 + error.message.len());
    frame.extend_from_slice(&error.number.0.to_be_bytes());
    frame.extend_from_slice(&[0; 2]);
    frame.extend_from_slice(error.message.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(bytes: [u8; 8]) -> Result<(u8, usize), (u16, String)> {
        Header::parse(bytes)
            .map(|header| (header.kind.0, header.length))
            .map_err(|error| (error.number.0, error.message))
    }

    #[test]
    fn lengths_have_bounds() {
        assert_eq!(parsed([1, 0, 0, 0, 0, 0, 0, 12]), Ok((1, 12)));
        assert_eq!(parsed([1, 0, 0, 0, 0, 0, 0, 235]), Ok((1, 235)));
        assert_eq!(parsed([3, 0, 0, 0, 0, 0, 0, 8]), Ok((3, 8)));
        assert_eq!(parsed([2, 0, 0, 0, 0x01, 0, 0x01, 0x17]), Ok((2, 16_777_495)));
        for (bytes, number, message) in [
            ([1, 0, 0, 0, 0, 0, 0, 11], 1, "OPEN frame of 11 bytes; expected at least 12"),
            ([1, 0, 0, 0, 0, 0, 0, 236], 3, "OPEN frame of 236 bytes; expected at most 235"),
            ([2, 0, 0, 0, 0, 0, 0, 24], 1, "COMMAND frame of 24 bytes; expected at least 25"),
            ([2, 0, 0, 0, 0x01, 0, 0x01, 0x18], 3, "COMMAND frame of 16777496 bytes; expected at most 16777495"),
            ([3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 3, "RESET frame of 4294967295 bytes; expected at most 8"),
            ([0x81, 0, 0, 0, 0, 0, 0, 8], 1, "frame type 81h; expected 01h, 02h or 03h"),
            ([1, 0, 1, 0, 0, 0, 0, 12], 1, "reserved bytes of the header are not zero"),
        ] {
            assert_eq!(parsed(bytes), Err((number, message.into())));
        }
    }

    #[test]
    fn open_names_host_and_target() {
        let open = Open::parse(b"FSTR\0\x01\0\0\0\0\x01\x02iqn.a").unwrap();
        assert_eq!((open.host, &*open.target), (258, "iqn.a"));
        for (body, number, message) in [
            (&b"FSTS\0\x01\0\0\0\0\0\0"[..], 1, "OPEN frame does not begin with \"FSTR\""),
            (b"FSTR\0\x02\0\0\0\0\0\0", 2, "the client has version 2 of the stream, and the daemon version 1"),
            (b"FSTR\0\x01\0\x01\0\0\0\0", 1, "reserved bytes of the OPEN frame are not zero"),
            (b"FSTR\0\x01\0\0\x80\0\0\0", 1, "host number 80000000h; expected at most 7FFFFFFFh"),
            (b"FSTR\0\x01\0\0\0\0\0\0\xff", 1, "the name of the target is not UTF-8"),
            (b"FSTR", 1, "OPEN frame without its fields"),
        ] {
            let error = Open::parse(body).unwrap_err();
            assert_eq!((error.number.0, &*error.message), (number, message));
        }
    }

    /// The fields of a command to LUN 1 with tag 2.
    fn command(rest: [u8; 8], body_length: usize) -> Result<CommandFields, FrameError> {
        let mut bytes = [0; COMMAND_LEN];
        (bytes[1], bytes[15]) = (1, 2);
        bytes[16..].copy_from_slice(&rest);
        CommandFields::parse(bytes, body_length)
    }

    #[test]
    fn command_divides_its_body() {
        let fields = command([1, 6, 0, 0, 0, 0, 0, 0], 24 + 6 + 5).unwrap();
        assert_eq!((fields.lun, fields.tag, fields.attribute), (1 << 48, 2, TaskAttribute::Ordered));
        assert_eq!((fields.cdb_length, fields.data_out_length, fields.data_in_capacity), (6, 5, 0));
        let fields = command([2, 6, 0, 0, 1, 0, 0, 0], 30).unwrap();
        assert_eq!((fields.data_out_length, fields.data_in_capacity), (0, 16_777_216));
        for (rest, length, message) in [
            ([3, 6, 0, 0, 0, 0, 0, 0], 30, "task attribute 3; expected 0, 1 or 2"),
            ([0, 0, 0, 0, 0, 0, 0, 0], 30, "CDB length 0; expected 1 to 6"),
            ([0, 7, 0, 0, 0, 0, 0, 0], 30, "CDB length 7; expected 1 to 6"),
            ([0, 6, 0, 1, 0, 0, 0, 0], 30, "reserved bytes of the COMMAND frame are not zero"),
            ([0, 6, 0, 0, 1, 0, 0, 1], 30, "16777217 bytes of Data-In; expected at most 16777216"),
            ([0, 6, 0, 0, 0, 0, 0, 0], 31 + (16 << 20), "16777217 bytes of Data-Out; expected at most 16777216"),
            ([0, 6, 0, 0, 0, 0, 0, 1], 31, "a command with Data-Out and Data-In; expected one of them"),
        ] {
            assert_eq!(command(rest, length).unwrap_err().message, message);
        }
    }

    #[test]
    fn frames_of_the_daemon() {
        assert_eq!(opened(7, "t"), *b"\x81\0\0\0\0\0\0\x0d\0\x01\0\0\x01\0\0\0\0\0\0\x07t");
        let frame = response(9, Status::CHECK_CONDITION, &[0x70, 0], -2, 3);
        assert_eq!(frame, *b"\x82\0\0\0\0\0\0\x15\0\0\0\0\0\0\0\x09\x02\x02\0\0\xff\xff\xff\xfe\x70\0");
        assert_eq!(reset_done(true), *b"\x83\0\0\0\0\0\0\x04\0\0\0\0");
        assert_eq!(reset_done(false), *b"\x83\0\0\0\0\0\0\x04\x01\0\0\0");
        let refused = FrameError::new(ErrorNumber::NO_TARGET, "no");
        assert_eq!(error(&refused), *b"\x8f\0\0\0\0\0\0\x06\0\x04\0\0no");
    }

    proptest! {
        /// Bytes of any kind are an error or lengths within the bounds.
        #[test]
        fn any_bytes(header: [u8; 8], fields: [u8; COMMAND_LEN], body in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Header { length, .. }) = Header::parse(header) {
                prop_assert!(length <= COMMAND_LEN + MAX_CDB + MAX_DATA);
            }
            let _ = Open::parse(&body);
            if let Ok(fields) = CommandFields::parse(fields, body.len()) {
                prop_assert_eq!(COMMAND_LEN + fields.cdb_length + fields.data_out_length, body.len());
                prop_assert!(fields.data_in_capacity <= MAX_DATA);
            }
        }
    }
}
