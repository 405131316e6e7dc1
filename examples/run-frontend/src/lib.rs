//! The side of `ferric run` that has the drives and changers: it finds the logical units ([`Nodes`]), writes the files
//! that programs see instead of those of `/dev`, `/sys` and `/proc`, and serves the system calls that the preloaded
//! library sends ([`Frontend`], ADR 0031). The effects of each call are in `linux-scsi`.

mod channel;
mod description;
mod nodes;
mod server;
mod session;
mod socket;
mod tree;
mod unit;

pub use initiator::LoginRefused;
pub use nodes::{DriveNumbers, NodeLine, Nodes};
pub use server::Frontend;
pub use session::{Credentials, log_in};
pub use unit::{Backend, LocalUnit, ResetScope, TargetUnits, Wait};
