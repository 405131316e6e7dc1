//! Twins of real devices: [`capture`] reads the pages that identify a tape drive or changer and its state, [`Dump`] holds
//! the pages of such a capture or of a dump that another tool has written, and [`import()`] makes tables of a configuration
//! with which Ferric's device returns the same bytes.
//!
//! The crate opens no device and no file: the caller sends the commands ([`CommandDevice`]) and reads the files.
#![forbid(unsafe_code)]

mod capture;
mod dump;
mod elements;
mod hex_text;
mod import;
mod mask;
mod read_dump;
#[cfg(test)]
mod tests;
mod twin;

pub use capture::{Capture, CommandDevice, Exchange, ParseCaptureError, capture};
pub use dump::{Dump, DumpKind, DumpedPage, ModeControl};
pub use import::{Import, ImportError, ImportOptions, import};
pub use mask::mask_serials;
pub use read_dump::{DumpError, read_dump};
