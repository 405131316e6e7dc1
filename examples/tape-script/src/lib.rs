//! Scripts of system calls on tapes, and three ways to run them: on Linux' tape driver, on the driver of `linux-scsi` in
//! this process, and on any tape that a program can open.
//!
//! A script has cases. Each case begins with a drive that no program used before, and has one step per line:
//!
//! ```text
//! case read-short pos
//! load large
//! open a nst rw
//! write a 1000
//! op a REW 1
//! read a 400
//! close a
//! ```
//!
//! Cases of generic devices open `sg` or `bsg` nodes; `io3` and `io4` are SG_IO with a structure of version 3 or 4:
//!
//! ```text
//! case inquiry
//! open g sg rw
//! io3 g 120000002400 in 36 iovec 8,28 mx_sb_len=64
//! ioctl g SG_GET_VERSION_NUM
//! ```
//!
//! A case with `changer` after its name has a changer of a small library instead of a drive:
//!
//! ```text
//! case move-to-a-drive changer
//! open c sch rw
//! ioctl c CHIOMOVE 1 0 3 0 0
//! ```
//!
//! The result of a step is appended to its line after `=>`; a file with results is also a script. `pos` and `get` after
//! the name of a case add the result of MTIOCGET, and of MTIOCPOS, to each step.

pub mod bench;
pub mod command;
pub mod memory;
pub mod native;
pub mod random;
pub mod request;
pub mod run;
pub mod script;
mod step;
