//! A medium changer: the device server of SMC over a [`library::Library`] of elements.
//!
//! A cartridge is a value that a move takes from one element and puts in another; drives are [`bay::Bay`]s. Between
//! the two it lies in the transport element, so it can be neither copied nor lost. Like a drive, a changer is bytes
//! and time in, bytes and a status out.
#![forbid(unsafe_code)]

pub mod alert;
pub mod bay;
pub mod changer;
pub mod command;
mod device;
pub mod element;
mod fault;
pub mod library;
mod log;
mod mode;
mod operator;
pub mod profile;
pub mod robot;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
