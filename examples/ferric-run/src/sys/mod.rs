//! All unsafe code of this library: system calls, and the functions that it replaces in the C library. Each block has the
//! reason why it is sound.
#![allow(unsafe_code, reason = "a library for the C interface of programs")]

pub(crate) mod kernel;
pub(crate) mod memory;
mod next;
pub(crate) mod run;

mod descriptors;
mod directories;
mod open;
mod paths;
mod programs;
mod stat;
pub(crate) mod streams;
