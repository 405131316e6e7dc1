//! The library that `ferric run` preloads into a program (`LD_PRELOAD`). It replaces functions of the C library that open
//! or name files, or use file descriptors, and handles the calls that concern devices of `ferric run`. Any other call goes
//! on to the C library.
//!
//! A descriptor of a device is a socket to `ferric run`, so the kernel itself duplicates it, passes it to other programs,
//! and reports its last close (ADR 0031). [`path`] and `resolve` decide about paths, `descriptor` about file descriptors, and
//! `channel` sends the system calls. Nothing here allocates memory: a call may come from a signal handler, or between
//! `vfork` and `exec`.

mod channel;
mod descriptor;
mod device;
mod path;
mod program;
mod resolve;
mod sys;
