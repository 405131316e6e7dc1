//! What Linux' SCSI drivers do between a program and a logical unit: system calls in, SCSI commands out.
//!
//! A driver is a value without a thread, a clock, a file or a socket: [`st::Drive`] is the state that the tape driver
//! has for one drive. Each system call on a tape is a method that gets the device as a [`device::ScsiDevice`], sends the
//! commands that the driver would send, and returns what the system call returns, or an [`Errno`]. The caller of these
//! methods supplies the device, waiting, and the memory of the program. The drivers are straight code over that trait
//! (ADR 0030).
//!
//! Facts come from st(4), `linux/mtio.h`, the kernel's documentation, and from the observed behaviour of the driver of
//! Linux 6.1 with a drive of this workspace (`tests/recorded`).
#![forbid(unsafe_code)]

pub mod device;
pub mod errno;
pub mod mtio;
pub mod st;

pub use device::{DeviceGone, Interrupted, Outcome, ScsiDevice};
pub use errno::Errno;
