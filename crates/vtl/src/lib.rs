//! A whole tape library as one value: a changer, its drives, its cartridges, and the directory that keeps them.
//!
//! [`config::Config`] says what it is; [`library::Library`] is it. Each logical unit has an owner ([`unit::Unit`]) that
//! runs one command at a time: on the thread that brought it if that cannot block and nothing waits, else on the unit's
//! own thread. Whatever a host was promised is on disk before its answer leaves ([`data_dir`]).
#![forbid(unsafe_code)]

mod bay;
pub mod buffers;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod library;
mod nexuses;
pub mod pool;
mod saver;
pub mod unit;
