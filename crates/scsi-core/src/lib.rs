//! The part of a SCSI device server that is the same for every device type, as plain data and pure functions.
//!
//! Three layers, from the wire upwards:
//!
//! 1. **raw layout**: [`cdb`], [`wire`], [`sense`], [`writer`] and [`data`] handle bytes and do not validate them;
//! 2. **meaning**: [`command_spec`] (one row of facts per command), [`asc`], [`status`], [`fault`], and the pages in
//!    [`mode`], [`log`] and [`vpd`];
//! 3. **behaviour** that SPC requires of each logical unit: [`lu::Lu`] admits a command (unit attentions,
//!    reservations, reserved bits) and runs the commands that every device type supports ([`command`]).
//!
//! A tape drive or a medium changer owns one [`lu::Lu`], implements [`lu::SpcDevice`] for its facts and
//! [`device_server::DeviceServer`] for its commands, and so is a [`target::LogicalUnit`] for the transport. This crate uses no clock, thread, socket, environment variable or file:
//! the caller passes the time as [`time::Now`] and data as borrowed slices.
//!
//! ```
//! use scsi_core::sense::{Sense, SenseKey};
//! use scsi_core::asc::Asc;
//! let sense = Sense::new(SenseKey::NOT_READY, Asc::MEDIUM_NOT_PRESENT);
//! assert_eq!(sense.fixed().as_slice()[2], 0x02);
//! assert_eq!(&sense.fixed().as_slice()[12..14], &[0x3a, 0x00]);
//! ```
#![forbid(unsafe_code)]

#[macro_use]
pub mod names;
pub mod alert;
pub mod asc;
pub mod cdb;
pub mod cdb_field;
pub mod command;
pub mod command_spec;
pub mod data;
pub mod device_server;
pub mod dump;
pub mod fault;
pub mod field;
pub mod hex;
pub mod identity;
pub mod injected_fault;
pub mod inquiry;
pub mod lifetime_counters;
pub mod log;
pub mod lu;
pub mod mode;
pub mod nexus;
pub mod page_override;
pub mod parameter_list;
pub mod port;
pub mod reservation;
pub mod sense;
pub mod source;
pub mod status;
pub mod target;
pub mod template;
#[cfg(test)]
mod test_unit;
pub mod time;
#[cfg(any(test, feature = "testing"))]
pub mod transcript;
pub mod unit_attention;
mod unit_failure;
pub mod vpd;
pub mod wire;
pub mod writer;

// The types that a program with a unit uses most.
pub use asc::Asc;
pub use data::Data;
pub use fault::Completion;
pub use identity::{Identity, InquiryStrings, ModelStrings};
pub use nexus::{NexusId, TransportId};
pub use port::TargetPort;
pub use sense::{Sense, SenseKey};
pub use status::Status;
pub use target::{Command, CompletedCommand, LogicalUnit, Request, Tag, TaskAttribute, TransportEvent};
pub use time::{Instant, Now, Timestamp};
