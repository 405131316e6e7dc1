//! Device nodes: their numbers and names.

use crate::st::ModeNumber;

/// A device node of a logical unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A tape: `/dev/nst0`, `/dev/st0l` and so on.
    Tape {
        /// Number of the drive, from 0.
        drive: u16,
        /// The mode that the node stands for.
        mode: ModeNumber,
        /// Whether the tape is rewound when it is closed: `st` nodes.
        rewinds: bool,
    },
    /// A generic device: `/dev/sg0`. Each unit has one.
    Generic(u16),
    /// A medium changer, through its driver: `/dev/sch0`.
    Changer(u16),
    /// A node for SG_IO of version 4, below `/dev/bsg`. Each unit has one.
    Block(u16),
}

/// Major numbers.
const TAPE: u32 = 9;
const GENERIC: u32 = 21;
const CHANGER: u32 = 86;
/// The kernel assigns the number of bsg when it starts; 240 to 254 are for local use.
const BLOCK: u32 = 240;

/// Bits of the minor number of a tape: 0-4 drive, 5-6 mode, 7 no rewind, from 8 the higher bits of the drive.
const NO_REWIND: u32 = 0x80;

/// The major and the minor number of a device number.
const fn split(number: u32) -> (u32, u32) {
    ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & !0xff))
}

impl Node {
    /// The device number, as in `st_rdev`.
    #[must_use]
    pub fn number(self) -> u32 {
        let (major, minor) = match self {
            Self::Tape { drive, mode, rewinds } => {
                let drive = u32::from(drive);
                let no_rewind = if rewinds { 0 } else { NO_REWIND };
                (TAPE, (drive & 0x1f) | u32::from(mode.number()) << 5 | no_rewind | (drive >> 5) << 8)
            }
            Self::Generic(number) => (GENERIC, number.into()),
            Self::Changer(number) => (CHANGER, number.into()),
            Self::Block(number) => (BLOCK, number.into()),
        };
        // The lower 8 bits of the minor number are below the major number, the others above.
        (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
    }

    /// The node with a device number; `None` for one of another driver.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let (major, minor) = split(number);
        let small = u16::try_from(minor).ok()?;
        match major {
            TAPE => {
                let drive = u16::try_from((minor & 0x1f) | (minor >> 8) << 5).ok()?;
                let mode = ModeNumber::new(u8::try_from((minor >> 5) & 3).ok()?)?;
                Some(Self::Tape { drive, mode, rewinds: minor & NO_REWIND == 0 })
            }
            GENERIC => Some(Self::Generic(small)),
            CHANGER => Some(Self::Changer(small)),
            BLOCK => Some(Self::Block(small)),
            _ => None,
        }
    }

    /// The eight nodes of a drive: four modes, with and without rewinding.
    pub fn of_drive(drive: u16) -> impl Iterator<Item = Self> {
        (0..4)
            .filter_map(ModeNumber::new)
            .flat_map(move |mode| [true, false].map(|rewinds| Self::Tape { drive, mode, rewinds }))
    }

    /// Major and minor number, as in the file `dev` of sysfs.
    #[must_use]
    pub fn major_minor(self) -> (u32, u32) {
        split(self.number())
    }

    /// The name of the node in `/dev`; for bsg, the number of the unit.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Tape { drive, mode, rewinds } => {
                format!("{}st{drive}{}", if rewinds { "" } else { "n" }, mode.suffix())
            }
            Self::Generic(number) => format!("sg{number}"),
            Self::Changer(number) => format!("sch{number}"),
            Self::Block(number) => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        let mode = |number| ModeNumber::new(number).unwrap();
        for (node, number, name) in [
            (Node::Tape { drive: 0, mode: mode(0), rewinds: true }, 0x900, "st0"),
            (Node::Tape { drive: 0, mode: mode(0), rewinds: false }, 0x980, "nst0"),
            (Node::Tape { drive: 3, mode: mode(3), rewinds: false }, 0x9e3, "nst3a"),
            (Node::Tape { drive: 33, mode: mode(1), rewinds: true }, 0x10_0921, "st33l"),
            (Node::Generic(2), 0x1502, "sg2"),
            (Node::Generic(300), 0x10_152c, "sg300"),
            (Node::Changer(1), 0x5601, "sch1"),
        ] {
            assert_eq!((node.number(), node.name().as_str()), (number, name));
            assert_eq!(Node::from_number(number), Some(node));
        }
        assert_eq!(Node::from_number(0x103), None);
        assert_eq!(
            Node::of_drive(0).map(Node::name).collect::<Vec<_>>(),
            ["st0", "nst0", "st0l", "nst0l", "st0m", "nst0m", "st0a", "nst0a"]
        );
    }
}
