//! Virtual tape libraries: media changers, their drives, their cartridges, and the data directory that stores their
//! state.
//!
//! [`config::Config`] describes a site and [`site::Site`] serves it: [`library::Library`] values reached through
//! [`target::Target`]s, and the shelves outside the libraries. Each logical unit is a [`unit::Unit`], which executes
//! one command at a time: on the submitting thread if the command cannot block and no other command is queued, else on
//! the unit's own thread. Everything that a status promises is durable before the status is returned ([`state_store`]).
//!
//! [`guide`] shows how to embed a library in a program or a test.
#![forbid(unsafe_code)]

pub mod alarms;
mod audit_trail;
mod bay;
pub mod budget;
pub mod buffers;
mod cartridge_directories;
pub mod cartridge_stores;
mod cartridges;
pub mod clock;
pub mod config;
pub mod configuration;
pub mod contents;
pub mod control;
pub mod core_dumps;
mod corrupt_records;
pub mod data_dir;
mod disk_space;
pub mod entropy;
mod error_text;
pub mod events;
pub mod external_program;
pub mod faults;
mod former_state;
pub mod frontend;
pub mod host;
pub mod inventory;
pub mod jobs;
pub mod library;
mod locks;
pub mod log_writer;
pub mod metrics;
pub mod model_sources;
pub mod models;
mod move_command;
mod nexuses;
pub mod notifications;
pub mod observer;
mod permissions;
pub mod recent_log;
pub mod recover;
pub mod replay;
mod reservations;
pub mod sessions;
mod shared;
mod shelf_outage;
pub mod shelf_status;
mod shelved;
pub mod site;
pub mod standalone;
pub mod state_store;
mod sync_times;
pub mod target;
mod threads;
pub mod throttle;
pub mod tokens;
pub mod unit;
mod unusable;
pub mod workers;

/// How to embed a library in a program or a test.
// The examples run as doctests of `iscsid`, because some of them need it.
#[cfg_attr(all(doc, not(doctest)), doc = include_str!("../../../docs/embedding.md"))]
pub mod guide {}

pub use audit;
// Re-exported so that a program or a test that embeds a library depends on this crate only.
pub use config::{Config, ConfigError};
pub use control::{ControlError, ErrorCode};
pub use faults::FaultScript;
pub use frontend::{Frontend, SiteOptions};
pub use host::{Host, HostError};
pub use library::{Library, LibraryError};
pub use scsi_core::asc::Asc;
pub use scsi_core::sense::{Sense, SenseKey};
pub use scsi_core::status::Status;
pub use site::{OpenSite, Site};
pub use smc::element::{ElementAddress, ElementFault, ElementType, LabelDefect};
pub use smc::robot::RobotFault;
pub use ssc::timing::Motion;
pub use standalone::Standalone;
pub use tape_store::cartridge::Barcode;
pub use target::Target;
pub use unit::Unit;
pub use {scsi_core, smc, ssc, tape_store};
