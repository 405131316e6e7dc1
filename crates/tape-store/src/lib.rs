//! Cartridges and the logical tape in them, without a word of SCSI's wire.
//!
//! A tape is a row of **objects** in a partition: blocks of 1 byte to 16 MiB, and filemarks. One can append at
//! any object (what follows is then gone), read forward, move, and ask for durability. [`medium::Medium`] is that
//! tape; [`model::Model`] keeps it in a `Vec` and is the oracle of the tests, [`three_file::ThreeFile`] keeps it in
//! three files per partition over the five calls of a [`backend::Backend`]. A [`cartridge::Cartridge`] is what a
//! robot moves: a barcode, the facts of its generation ([`media::MediaSpec`]) and the folder of its files.
//!
//! ```
//! use std::io::{IoSlice, IoSliceMut};
//! use tape_store::medium::{Codec, Found, Medium};
//! use tape_store::model::Model;
//!
//! let mut tape = Model::new(1 << 20, 1 << 16);
//! tape.append(&[IoSlice::new(b"hello")], Codec::NONE)?;
//! tape.append_filemark()?;
//! tape.locate(0, 0)?;
//! let mut buffer = [0; 16];
//! assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)])?, Found::Block { len: 5, stored: 5 });
//! assert_eq!(tape.read(&mut [IoSliceMut::new(&mut buffer)])?, Found::Filemark);
//! # Ok::<(), tape_store::error::StoreError>(())
//! ```
#![forbid(unsafe_code)]

pub mod backend;
pub mod cartridge;
mod cartridge_memory;
pub mod compress;
pub mod convert;
pub mod encrypt;
pub mod error;
pub mod image;
pub mod integrity;
pub mod key_wrapping;
pub mod mam;
pub mod media;
pub mod medium;
pub mod mhvtl;
pub mod model;
pub mod repair;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod three_file;
pub mod workers;
