//! Tape libraries as values: changers, their drives, their cartridges, and the place that keeps them.
//!
//! [`config::Config`] says what there is; [`site::Site`] is it: [`library::Library`]s behind [`target::Target`]s, and the
//! shelves between them. Each logical unit has an owner ([`unit::Unit`]) that runs one command at a time: on the thread
//! that brought it if that cannot block and nothing waits, else on the unit's own thread. Whatever a host was promised is
//! on disk before its answer leaves ([`keeper`]).
#![forbid(unsafe_code)]

mod bay;
pub mod buffers;
pub mod clock;
pub mod config;
pub mod control;
pub mod data_dir;
pub mod events;
mod faults;
pub mod host;
pub mod inventory;
pub mod keeper;
pub mod library;
mod locks;
pub mod log_writer;
mod media;
mod nexuses;
mod permissions;
pub mod pool;
mod shared;
pub mod site;
pub mod standalone;
pub mod target;
pub mod unit;

pub use library::Library;
pub use site::Site;
