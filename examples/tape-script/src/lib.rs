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
//! The result of a step is appended to its line after `=>`; a file with results is also a script. `pos` and `get` after
//! the name of a case add the result of MTIOCGET, and of MTIOCPOS, to each step.

pub mod bench;
pub mod native;
pub mod random;
pub mod run;
pub mod script;
