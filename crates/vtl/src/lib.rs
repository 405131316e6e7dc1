//! Tape libraries as values: changers, their drives, their cartridges, and the place that keeps them.
//!
//! [`config::Config`] says what there is; [`site::Site`] is it: [`library::Library`]s behind [`target::Target`]s, and the
//! shelves between them. Each logical unit has an owner ([`unit::Unit`]) that runs one command at a time: on the thread
//! that brought it if that cannot block and nothing waits, else on the unit's own thread. Whatever a host was promised is
//! on disk before its answer leaves ([`state_store`]).
//!
//! [`guide`] shows how to embed a library in a program or a test.
#![forbid(unsafe_code)]

mod bay;
pub mod budget;
pub mod buffers;
mod cartridge_directories;
mod cartridges;
pub mod clock;
pub mod config;
pub mod control;
pub mod core_dumps;
pub mod data_dir;
mod error_text;
pub mod events;
pub mod host;
pub mod inventory;
pub mod library;
mod locks;
pub mod log_writer;
mod nexuses;
mod permissions;
pub mod recover;
mod shared;
pub mod site;
pub mod standalone;
pub mod state_store;
pub mod target;
pub mod throttle;
pub mod unit;
mod unusable;
pub mod workers;

/// How to embed a library in a program or a test.
// The examples in it run as tests of `iscsid`, which some of them need.
#[cfg_attr(all(doc, not(doctest)), doc = include_str!("../../../docs/embedding.md"))]
pub mod guide {}

// What a program or a test that embeds a library needs: this crate is its only dependency.
pub use host::Host;
pub use library::Library;
pub use scsi_core::asc::Asc;
pub use scsi_core::sense::{Sense, SenseKey};
pub use scsi_core::status::Status;
pub use site::Site;
pub use smc::element::{ElementAddress, ElementFault, ElementType, LabelDefect};
pub use smc::robot::RobotFault;
pub use ssc::timing::Motion;
pub use tape_store::cartridge::Barcode;
pub use {scsi_core, smc, ssc, tape_store};
