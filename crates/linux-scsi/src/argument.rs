//! The argument of each `ioctl(2)` of the drivers: where it is, and how long.

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

/// Number of SG_IO for `ioctl(2)`: run a command.
pub const SG_IO: u32 = 0x2285;
/// Number of SCSI_IOCTL_PROBE_HOST for `ioctl(2)`: the name of the host adapter.
pub const PROBE_HOST: u32 = 0x5385;
/// Number of CHIOGSTATUS for `ioctl(2)`: the status of all elements of a type.
pub const CHIOGSTATUS: u32 = 0x4010_6308;
/// Number of CHIOGELEM for `ioctl(2)`: what is known about an element. Its number says that it only reads the structure.
const CHIOGELEM: u32 = 0x406c_6310;

/// Requests of sg and of the SCSI layer, whose numbers say nothing about the argument: the number, the bytes read and the
/// bytes written.
const SCSI: [(u32, u16, u16); 24] = [
    // SG_SET_TIMEOUT, SG_EMULATED_HOST, SG_GET_TRANSFORM
    (0x2201, 4, 0),
    (0x2203, 0, 4),
    (0x2205, 0, 4),
    // SG_GET_COMMAND_Q, SG_SET_COMMAND_Q
    (0x2270, 0, 4),
    (0x2271, 4, 0),
    // SG_GET_RESERVED_SIZE, SG_SET_RESERVED_SIZE
    (0x2272, 0, 4),
    (0x2275, 4, 0),
    // SG_GET_SCSI_ID
    (0x2276, 0, 32),
    // SG_SET_FORCE_LOW_DMA, SG_GET_LOW_DMA, SG_SET_FORCE_PACK_ID, SG_GET_PACK_ID, SG_GET_NUM_WAITING, SG_SET_DEBUG,
    // SG_GET_SG_TABLESIZE
    (0x2279, 4, 0),
    (0x227a, 0, 4),
    (0x227b, 4, 0),
    (0x227c, 0, 4),
    (0x227d, 0, 4),
    (0x227e, 4, 0),
    (0x227f, 0, 4),
    // SG_GET_VERSION_NUM, SG_NEXT_CMD_LEN, SG_SCSI_RESET
    (0x2282, 0, 4),
    (0x2283, 4, 0),
    (0x2284, 4, 0),
    // SG_SET_KEEP_ORPHAN, SG_GET_KEEP_ORPHAN, SG_GET_ACCESS_COUNT
    (0x2287, 4, 0),
    (0x2288, 0, 4),
    (0x2289, 0, 4),
    // SCSI_IOCTL_GET_IDLUN, SCSI_IOCTL_GET_BUS_NUMBER
    (0x5382, 0, 8),
    (0x5386, 0, 4),
    // CHIOGELEM
    (CHIOGELEM, 108, 108),
];

impl Argument {
    /// The argument of the request with this number. The number of an unknown request of the older kind says nothing about
    /// its argument: it is taken for a number.
    #[must_use]
    pub fn of(code: u32) -> Self {
        match code {
            SG_IO => Self::Scsi,
            PROBE_HOST => Self::HostName,
            CHIOGSTATUS => Self::ElementStatus,
            _ => match SCSI.iter().find(|(known, ..)| *known == code) {
                Some((_, read, written)) => Self::Memory { read: *read, written: *written },
                None => Self::encoded(code),
            },
        }
    }

    /// The argument that the number itself describes: bits 31-30 the direction (1 read by the driver, 2 written), 29-16
    /// the length.
    fn encoded(code: u32) -> Self {
        let [_, _, low, high] = code.to_le_bytes();
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
        assert!(SCSI.iter().all(|(_, read, written)| usize::from(*read.max(written)) <= crate::call::MAX_INLINE));
    }
}
