//! The argument of each `ioctl(2)` of the drivers: where it is, and how long.

use crate::sg::code;

/// The argument of a request of `ioctl(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number, or no argument at all.
    Value,
    /// A structure in the memory of the program.
    Memory {
        /// Bytes that the driver reads from it.
        read: u16,
        /// Bytes that the driver writes to it, from its beginning.
        written: u16,
    },
    /// SG_IO: a structure with pointers, `sg_io_hdr` or `sg_io_v4`.
    Scsi,
    /// SCSI_IOCTL_PROBE_HOST: a number of bytes, replaced by a text of up to this length.
    HostName,
    /// CHIOGSTATUS: an element type, and a pointer to one byte for each element.
    ElementStatus,
}

/// Number of CHIOGSTATUS for `ioctl(2)`: the status of all elements of a type.
pub const CHIOGSTATUS: u32 = 0x4010_6308;
/// Number of CHIOGELEM for `ioctl(2)`: the status of an element. Its number says that it only reads the structure.
pub(crate) const CHIOGELEM: u32 = 0x406c_6310;

/// Requests whose numbers say nothing about the argument, or not all: the number, the bytes read and the bytes written.
const KNOWN: [(u32, u16, u16); 25] = [
    (code::BLKSECTGET, 0, 4),
    (code::SG_SET_TIMEOUT, 4, 0),
    (code::SG_EMULATED_HOST, 0, 4),
    (code::SG_GET_TRANSFORM, 0, 4),
    (code::SG_GET_COMMAND_Q, 0, 4),
    (code::SG_SET_COMMAND_Q, 4, 0),
    (code::SG_GET_RESERVED_SIZE, 0, 4),
    (code::SG_SET_RESERVED_SIZE, 4, 0),
    (code::SG_GET_SCSI_ID, 0, 32),
    (code::SG_SET_FORCE_LOW_DMA, 4, 0),
    (code::SG_GET_LOW_DMA, 0, 4),
    (code::SG_SET_FORCE_PACK_ID, 4, 0),
    (code::SG_GET_PACK_ID, 0, 4),
    (code::SG_GET_NUM_WAITING, 0, 4),
    (code::SG_SET_DEBUG, 4, 0),
    (code::SG_GET_SG_TABLESIZE, 0, 4),
    (code::SG_GET_VERSION_NUM, 0, 4),
    (code::SG_NEXT_CMD_LEN, 4, 0),
    (code::SG_SCSI_RESET, 4, 0),
    (code::SG_SET_KEEP_ORPHAN, 4, 0),
    (code::SG_GET_KEEP_ORPHAN, 0, 4),
    (code::SG_GET_ACCESS_COUNT, 0, 4),
    (code::GET_IDLUN, 0, 8),
    (code::GET_BUS_NUMBER, 0, 4),
    (CHIOGELEM, 108, 108),
];

impl Argument {
    /// The argument of the request with this number. The number of an unknown request of the older kind says nothing about
    /// its argument: it is taken for a number.
    #[must_use]
    pub fn of(number: u32) -> Self {
        match number {
            code::SG_IO => Self::Scsi,
            code::PROBE_HOST => Self::HostName,
            CHIOGSTATUS => Self::ElementStatus,
            _ => match KNOWN.iter().find(|(known, ..)| *known == number) {
                Some((_, read, written)) => Self::Memory { read: *read, written: *written },
                None => Self::encoded(number),
            },
        }
    }

    /// The argument that the number itself describes: bits 31-30 the direction (1 read by the driver, 2 written), 29-16
    /// the length.
    fn encoded(number: u32) -> Self {
        let [_, _, low, high] = number.to_le_bytes();
        let length = u16::from_le_bytes([low, high & 0x3f]);
        match (high >> 6, length) {
            (0, _) | (_, 0) => Self::Value,
            (direction, _) => Self::Memory {
                read: if direction & 1 == 0 { 0 } else { length },
                written: if direction & 2 == 0 { 0 } else { length },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_each_kind() {
        for (code, argument) in [
            // MTIOCTOP, MTIOCGET, MTIOCPOS
            (0x4008_6d01, Argument::Memory { read: 8, written: 0 }),
            (0x8030_6d02, Argument::Memory { read: 0, written: 48 }),
            (0x8008_6d03, Argument::Memory { read: 0, written: 8 }),
            // CHIOMOVE, CHIOGPARAMS, CHIOINITELEM, CHIOGVPARAMS
            (0x4014_6301, Argument::Memory { read: 20, written: 0 }),
            (0x8014_6306, Argument::Memory { read: 0, written: 20 }),
            (0x6311, Argument::Value),
            (0x8070_6313, Argument::Memory { read: 0, written: 112 }),
            // SG_GET_TIMEOUT, an unknown one
            (0x2202, Argument::Value),
            (0x5401, Argument::Value),
            (0x2285, Argument::Scsi),
        ] {
            assert_eq!(Argument::of(code), argument, "{code:#x}");
        }
    }

    #[test]
    fn no_argument_is_longer_than_a_message() {
        assert!(KNOWN.iter().all(|(_, read, written)| usize::from(*read.max(written)) <= crate::call::MAX_INLINE));
    }
}
