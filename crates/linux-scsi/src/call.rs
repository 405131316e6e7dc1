//! The messages between a program and `ferric run`, one per system call (ADR 0031).
//!
//! A message is a [`Request`] or a [`Reply`] of fixed length, and up to [`MAX_INLINE`] bytes of data after it. More data
//! is in a file that both processes have open, from its beginning.

use crate::Errno;
use zerocopy::byteorder::little_endian::{I64, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Most bytes of data in a message; more data is in the shared file.
pub const MAX_INLINE: usize = 4096;
/// Most bytes that one system call moves. A program that requests more gets ENOMEM.
pub const MAX_DATA: u64 = 256 << 20;
/// Length in bytes of a request without its data.
pub const REQUEST_LEN: usize = size_of::<RawRequest>();
/// Length in bytes of a reply without its data.
pub const REPLY_LEN: usize = size_of::<RawReply>();
/// Name of the socket of `ferric run` in its directory.
pub const SOCKET: &str = "frontend";
/// Directory below that of `ferric run` with the files that programs see instead of those of `/dev`, `/sys` and `/proc`.
pub const TREE: &str = "root";
/// Environment variable with the path of the directory of `ferric run`.
pub const DIRECTORY_VARIABLE: &str = "FERRIC_RUN";
/// Mode of a file that stands for a device node. The sticky bit means nothing on files, and no other file there has it.
pub const NODE_MODE: u32 = 0o1660;

/// A system call of a program on an open device, as a message to `ferric run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Opens a device; the reply is on the same connection, which is the open file description from then on.
    Open {
        /// The device number, major * 256 + minor.
        device: u32,
        /// The flags of `open(2)`.
        flags: u32,
    },
    /// Gives the frontend a socket and a file for the further calls of this process on this open file description.
    Attach,
    /// Reads up to `length` bytes.
    Read {
        /// Size of the program's buffer in bytes.
        length: u64,
        /// The data is returned in the file, whatever its length.
        in_file: bool,
    },
    /// Writes the `length` bytes that follow, or that are in the file.
    Write {
        /// Number of bytes.
        length: u64,
        /// The data is in the file, whatever its length.
        in_file: bool,
    },
    /// An `ioctl(2)` whose argument has a fixed length. The bytes of the argument follow.
    Ioctl {
        /// Number of the request.
        code: u32,
    },
    /// SG_IO. The structure of the program and its CDB follow; the data-out is in the file.
    Scsi,
    /// The process has closed a file descriptor of this open file description: was it the last?
    Closed,
}

impl Request {
    /// How often a side looks for the message after this one before it waits for it: 0, or about 50 µs for a call with at most
    /// [`MAX_INLINE`] bytes, because waking a thread takes many times longer than such a call.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        let is_short = match *self {
            Self::Read { length, in_file } | Self::Write { length, in_file } => {
                !in_file && usize::try_from(length).is_ok_and(|length| length <= MAX_INLINE)
            }
            Self::Scsi | Self::Ioctl { .. } => true,
            Self::Open { .. } | Self::Attach | Self::Closed => false,
        };
        if is_short { 64 } else { 0 }
    }
}

/// Kinds of requests on the wire.
mod kind {
    pub(super) const OPEN: u32 = 1;
    pub(super) const ATTACH: u32 = 2;
    pub(super) const READ: u32 = 3;
    pub(super) const WRITE: u32 = 4;
    pub(super) const IOCTL: u32 = 5;
    pub(super) const SCSI: u32 = 6;
    pub(super) const CLOSED: u32 = 7;
}

/// Bytes: 0-3 kind · 4-7 argument · 8-15 length or device number.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawRequest {
    kind: U32,
    argument: U32,
    length: U64,
}

impl Request {
    /// The bytes of the request, which its data follows.
    #[must_use]
    pub fn encode(self) -> [u8; REQUEST_LEN] {
        let (kind, argument, length) = match self {
            Self::Open { device, flags } => (kind::OPEN, flags, u64::from(device)),
            Self::Attach => (kind::ATTACH, 0, 0),
            Self::Read { length, in_file } => (kind::READ, in_file.into(), length),
            Self::Write { length, in_file } => (kind::WRITE, in_file.into(), length),
            Self::Ioctl { code } => (kind::IOCTL, code, 0),
            Self::Scsi => (kind::SCSI, 0, 0),
            Self::Closed => (kind::CLOSED, 0, 0),
        };
        zerocopy::transmute!(RawRequest { kind: kind.into(), argument: argument.into(), length: length.into() })
    }

    /// Decodes a message and returns the request with the data that follows it; `None` for anything else.
    #[must_use]
    pub fn decode(message: &[u8]) -> Option<(Self, &[u8])> {
        let (raw, data) = RawRequest::ref_from_prefix(message).ok()?;
        let (argument, length) = (raw.argument.get(), raw.length.get());
        let request = match raw.kind.get() {
            kind::OPEN => Self::Open { device: u32::try_from(length).ok()?, flags: argument },
            kind::ATTACH => Self::Attach,
            kind::READ => Self::Read { length, in_file: argument != 0 },
            kind::WRITE => Self::Write { length, in_file: argument != 0 },
            kind::IOCTL => Self::Ioctl { code: argument },
            kind::SCSI => Self::Scsi,
            kind::CLOSED => Self::Closed,
            _ => return None,
        };
        Some((request, data))
    }
}

/// The result of a system call: a number that is not negative, or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply(pub Result<u64, Errno>);

/// Bytes: 0-7 result, or the negative error number.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawReply {
    result: I64,
}

impl Reply {
    /// The bytes of the reply, which its data follows.
    #[must_use]
    pub fn encode(self) -> [u8; REPLY_LEN] {
        let result = match self.0 {
            Ok(value) => i64::try_from(value).unwrap_or(i64::MAX),
            Err(Errno(number)) => -i64::from(number),
        };
        zerocopy::transmute!(RawReply { result: result.into() })
    }

    /// Decodes a reply; `None` if it is too short.
    #[must_use]
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (raw, _) = RawReply::ref_from_prefix(message).ok()?;
        let result = raw.result.get();
        let error = || Errno(u16::try_from(result.unsigned_abs()).unwrap_or(Errno::EIO.0));
        Some(Self(u64::try_from(result).map_err(|_| error())))
    }
}

/// The facts about an open file description that a process gets when it attaches to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Description {
    /// The device number, major * 256 + minor.
    pub device: U32,
    /// The flags of `open(2)`, as the program passed them.
    pub flags: U32,
    /// Number of the file that stands for the node in its file system.
    pub inode: U64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_sixteen_bytes_and_data() {
        for (request, bytes) in [
            (Request::Open { device: 0x980, flags: 2 }, [1, 0, 0, 0, 2, 0, 0, 0, 0x80, 9, 0, 0, 0, 0, 0, 0]),
            (Request::Attach, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Request::Read { length: 10240, in_file: false }, [3, 0, 0, 0, 0, 0, 0, 0, 0, 0x28, 0, 0, 0, 0, 0, 0]),
            (Request::Write { length: 512, in_file: true }, [4, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]),
            (Request::Ioctl { code: 0x2282 }, [5, 0, 0, 0, 0x82, 0x22, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Request::Scsi, [6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (Request::Closed, [7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(request.encode(), bytes);
            let message = [&bytes[..], b"data"].concat();
            assert_eq!(Request::decode(&message), Some((request, &b"data"[..])));
        }
    }

    #[test]
    fn other_messages_are_no_requests() {
        for message in [&[][..], &[1; 15], &[0; 16], &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Request::decode(message), None);
        }
        // A device number of more than 32 bits.
        assert_eq!(Request::decode(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]), None);
    }

    #[test]
    fn replies_are_results_as_of_system_calls() {
        for (reply, bytes) in [
            (Reply(Ok(512)), [0, 2, 0, 0, 0, 0, 0, 0]),
            (Reply(Err(Errno(5))), [0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!((reply.encode(), Reply::decode(&bytes)), (bytes, Some(reply)));
        }
        assert_eq!(Reply::decode(&[0; 7]), None);
    }
}
