//! What Linux' SCSI drivers do between a program and a logical unit: system calls in, SCSI commands out.
//!
//! A driver is a value without a thread, a clock, a file or a socket: [`st::Drive`] is the state that the tape driver
//! has for one drive. Each system call on a tape is a method that gets the device as a [`device::ScsiDevice`], sends the
//! commands that the driver would send, and returns what the system call returns, or an [`Errno`]. The caller of these
//! methods supplies the device, waiting, and the memory of the program. The drivers are straight code over that trait
//! (ADR 0030).
//!
//! [`sg`] has SG_IO and the other requests of generic devices, [`ch`] those of medium changers, [`node`] the numbers and
//! names of device nodes, and [`scan`] the values that Linux reads when it finds a unit. [`call`] has the messages of `ferric run`,
//! which serves the drivers to other processes (ADR 0031); [`argument`] and [`program`] are for its preloaded library.
//!
//! Facts come from st(4), `linux/mtio.h`, the kernel's documentation, and from the observed behaviour of the driver of
//! Linux 6.1 with a drive of this workspace (`tests/recorded`).
#![forbid(unsafe_code)]

pub mod argument;
pub mod call;
pub mod ch;
pub mod device;
pub mod errno;
pub mod mtio;
pub mod node;
pub mod program;
pub mod scan;
pub mod sg;
pub mod st;

pub use device::{Interrupted, NoStatus, ScsiDevice};
pub use errno::Errno;
