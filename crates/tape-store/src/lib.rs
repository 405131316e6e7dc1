//! Cartridges and the logical tape on them. The crate contains no SCSI wire formats.
//!
//! A partition is a sequence of **objects**: blocks of 1 byte to 16 MiB, and filemarks. A caller appends at any object
//! (which removes all objects after it), reads forward, changes the position, and synchronises. [`medium::Medium`] is
//! the interface of such a tape. [`three_file::ThreeFile`] implements it with three files per partition, on top of
//! [`backend::Backend`]; [`memory_tape::MemoryTape`] keeps it in memory and is the reference of the tests. A
//! [`cartridge::Cartridge`] is moved by the robot and loaded by a drive. It has a barcode, the facts of its generation
//! ([`media::MediaSpec`]) and the folder of its files.
//!
//! ```
//! use std::io::{IoSlice, IoSliceMut};
//! use tape_store::medium::{Codec, Medium, ReadOutcome};
//! use tape_store::memory_tape::MemoryTape;
//!
//! let mut tape = MemoryTape::new(1 << 20, 1 << 16);
//! tape.append(&[IoSlice::new(b"hello")], Codec::NONE)?;
//! tape.append_filemark()?;
//! tape.locate(0, 0)?;
//! let mut buffer = [0; 16];
//! assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)])?, ReadOutcome::Block { len: 5, stored: 5 });
//! assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)])?, ReadOutcome::Filemark);
//! # Ok::<(), tape_store::error::StoreError>(())
//! ```
#![forbid(unsafe_code)]

pub mod backend;
pub mod cartridge;
mod cartridge_memory;
pub mod compare;
pub mod compress;
pub mod convert;
pub mod encrypt;
pub mod error;
pub mod feature;
pub mod folder_move;
pub mod image;
pub mod integrity;
pub mod key_wrapping;
pub mod mam;
pub mod media;
pub mod medium;
pub mod memory_tape;
pub mod mhvtl;
pub mod repair;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod three_file;
pub mod verify;
pub mod workers;

// The types that a program with a cartridge uses most.
pub use backend::file::OsFolderStore;
pub use backend::memory::MemoryFolderStore;
pub use cartridge::{Barcode, Cartridge, CartridgeKind, Format, InsertError, RemoveError};
pub use error::StoreError;
pub use feature::Feature;
pub use media::MediaSpec;
pub use medium::{Codec, CodecError, CodecId, Medium, ReadOutcome, WriteOutcome};
pub use store::{NewCartridge, TapeStore};
pub use three_file::ThreeFile;
