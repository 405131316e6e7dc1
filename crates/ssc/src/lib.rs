//! A tape drive: the sequential-access device server of SSC over a mounted [`tape_store::medium::Medium`].
//!
//! [`drive::Drive`] is the entry point: the caller passes a CDB, the data and the time, and gets data, a status and
//! sense. The identity of a drive is data ([`profile`]). Each command is a row of a table ([`table`]) and has its own
//! source file. The crate does no I/O itself, holds no lock and starts no thread.
//!
//! ```
//! use scsi_core::{Data, Identity, LogicalUnit, NexusId, Now, Request, TargetPort, TransportEvent, TransportId};
//! use ssc::{Drive, DriveConfig};
//!
//! let profile = ssc::profile::by_product("ULT3580-TD8").unwrap();
//! let identity = Identity::new(profile.model, "1068000001", 0x5000_0000_0000_0001, TargetPort::LOCAL);
//! let mut drive = Drive::new(profile, identity, DriveConfig::default(), Default::default());
//! let (nexus, port) = (NexusId(1), TransportId::local(1));
//! drive.handle_event(TransportEvent::NexusEstablished { nexus, port, reestablished: false }, Now::default());
//! let inquiry = Request::new(nexus, &[0x12, 0, 0, 0, 36, 0], Now::default());
//! let mut buffer = [0; 36];
//! let completion = drive.execute(&inquiry, Data::new(&[], &mut [std::io::IoSliceMut::new(&mut buffer)]));
//! assert_eq!((completion.status.0, completion.data_in), (0, 36));
//! assert_eq!(&buffer[8..32], b"IBM     ULT3580-TD8     ");
//! ```
#![forbid(unsafe_code)]

pub mod alert;
mod background;
pub mod block_protection;
pub mod command;
mod counters;
mod device;
pub mod drive;
mod dump;
mod encryption;
mod fault;
mod health;
mod lifetime_counters;
mod log;
mod media;
mod mode;
mod mounted;
mod overwrite;
pub mod profile;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timing;

// The types that a program with a drive uses most.
pub use alert::Alert;
pub use drive::{Drive, DriveConfig, LoadState, RandomSource, ShutDownError};
pub use profile::DriveProfile;

/// Compiles and runs the program in the README.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
