//! A medium changer: the device server of SMC-3 over a [`library::Library`] of elements.
//!
//! A cartridge is a Rust value that a move takes out of one element and puts into another, so it can be neither
//! duplicated nor lost. Drives are reached through [`bay::Bay`]. Like a drive, a changer is pure: it takes a CDB, data
//! and the time, and returns data and a status.
#![forbid(unsafe_code)]

pub mod alert;
pub mod bay;
pub mod changer;
pub mod chassis;
pub mod command;
mod device;
pub mod element;
mod fault;
pub mod library;
mod log;
mod mode;
pub mod move_hook;
mod operator;
pub mod profile;
pub mod robot;
pub mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timing;

// The types that a program with a changer uses most.
pub use alert::Alert;
pub use bay::{Bay, BayStatus};
pub use changer::{Changer, OperatorError};
pub use element::{ElementAddress, ElementLayout, ElementType};
pub use library::{Library, MoveError};
pub use profile::ChangerProfile;
pub use robot::RobotFault;
