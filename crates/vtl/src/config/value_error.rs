//! Reasons why a value of the configuration is not accepted.

use crate::events::EVENT_KINDS;

/// A value of the configuration or of a command line that is not accepted. Its text names the value and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The address to listen on is not an address with a port.
    #[error("{0:?} is not ADDRESS:PORT, such as \"0.0.0.0:3260\"")]
    Bind(String),
    /// The address for SendTargets is neither an address with a port nor `none`.
    #[error("{0:?} is not ADDRESS:PORT, such as \"tape.example.com:3260\", nor \"none\"")]
    Advertise(String),
    /// The text is neither a network in CIDR notation nor an address.
    #[error("{0:?} is not a network, such as \"10.0.0.0/8\", \"192.0.2.7\" or \"fd00::/8\"")]
    Network(String),
    /// The prefix of a network is longer than its address.
    #[error("{network:?}: the prefix of an address of {bits} bits has at most {bits}")]
    PrefixTooLong {
        /// The network as written.
        network: String,
        /// Length of an address in bits: 32 or 128.
        bits: u32,
    },
    /// The address of a network has bits set after its prefix.
    #[error("{network:?}: the address has bits set behind its prefix of {prefix}")]
    BitsAfterPrefix {
        /// The network as written.
        network: String,
        /// Length of the prefix in bits.
        prefix: u32,
    },
    /// A barcode pattern has no run of `#`, or more than one.
    #[error("{0:?} has no run of # to count with, or more than one; write \"V#####L8\"")]
    Pattern(String),
    /// A barcode pattern has more than nine `#`.
    #[error("{0:?} has more than nine digits")]
    PatternTooWide(String),
    /// A number has more digits than its barcode pattern.
    #[error("\"{pattern}\" has {width} digits, but the last number is {number}")]
    NumberTooLong {
        /// The pattern as written.
        pattern: String,
        /// Number of digits in the pattern.
        width: usize,
        /// The number that does not fit.
        number: u32,
    },
    /// Several barcodes are wanted of a text without `#`.
    #[error("{text:?} has no # to count {count} cartridges with, as in \"V#####L8\"")]
    NothingToCount {
        /// The text as written.
        text: String,
        /// Number of cartridges that are wanted.
        count: u32,
    },
    /// The last number of a range of barcodes exceeds 32 bits.
    #[error("{pattern:?}: {first} and {count} are too many")]
    TooMany {
        /// The pattern as written.
        pattern: String,
        /// The first number.
        first: u32,
        /// Number of cartridges that are wanted.
        count: u32,
    },
    /// The text is neither a level of events nor the name of one.
    #[error("{0:?} is neither a level (info, warn, error) nor an event: {names}", names = event_names())]
    Event(String),
    /// The text is not a barcode.
    #[error("{0:?} is not a barcode: 1 to 16 of A-Z, 0-9, - and _")]
    Barcode(String),
}

/// The names of all events, for an error message.
fn event_names() -> String {
    EVENT_KINDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
