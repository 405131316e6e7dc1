//! What a robot moves and a drive loads.

use crate::backend::Folder;
use crate::error::StoreError;
use crate::mam::Mam;
use crate::media::MediaSpec;
use crate::medium::Medium;
use crate::three_file::{Recovery, ThreeFile};
use std::fmt;

/// The label of a cartridge: 1 to 16 characters of A-Z, 0-9, `-` and `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Barcode(String);

impl Barcode {
    /// The label, if it is one.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let valid = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        ((1..=16).contains(&text.len()) && text.bytes().all(valid)).then(|| Self(text.into()))
    }

    /// Its characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Barcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a cartridge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Data, to be overwritten at will.
    Data,
    /// Cleaning.
    Cleaning,
}

/// A cartridge that was not taken.
#[derive(Debug)]
pub struct Refused {
    /// It, to be kept.
    pub cartridge: Cartridge,
    /// Why, for a log.
    pub why: &'static str,
}

/// Why a drive does not give its cartridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// There is none.
    Empty,
    /// A host of the drive prevents removal.
    Prevented,
}

/// One cartridge. It cannot be copied: there is one of it, and whoever has the value has the cartridge.
pub struct Cartridge {
    barcode: Barcode,
    media: &'static MediaSpec,
    kind: Kind,
    capacity: u64,
    folder: Box<dyn OpenFolder>,
}

/// A cartridge's folder, to be opened anew at each load.
pub trait OpenFolder: Send {
    /// The folder.
    ///
    /// # Errors
    /// The storage failed.
    fn open(&mut self) -> Result<Box<dyn Folder>, StoreError>;
}

impl<F: FnMut() -> Result<Box<dyn Folder>, StoreError> + Send> OpenFolder for F {
    fn open(&mut self) -> Result<Box<dyn Folder>, StoreError> {
        self()
    }
}

/// The file of attributes at this level; without `mam` and `meta`, mhvtl refuses the cartridge instead of misreading it.
pub const MAM_FILE: &str = "ferric.mam";

impl Cartridge {
    /// A cartridge whose files are in this folder.
    #[must_use]
    pub fn new(
        barcode: Barcode,
        media: &'static MediaSpec,
        kind: Kind,
        capacity: u64,
        folder: Box<dyn OpenFolder>,
    ) -> Self {
        Self { barcode, media, kind, capacity, folder }
    }

    /// Its label.
    #[must_use]
    pub const fn barcode(&self) -> &Barcode {
        &self.barcode
    }

    /// Its generation.
    #[must_use]
    pub const fn media(&self) -> &'static MediaSpec {
        self.media
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Bytes it holds, as stored.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Mounts the tape at the beginning of partition 0.
    ///
    /// # Errors
    /// What is damaged, or the failure of the storage.
    pub fn open(&mut self) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        let (tape, recovery) = ThreeFile::open(self.folder.open()?, self.capacity)?;
        Ok((Box::new(tape), recovery))
    }

    /// Reads the cartridge's memory.
    ///
    /// # Errors
    /// It is missing or damaged, or the storage failed.
    pub fn mam(&mut self) -> Result<Mam, StoreError> {
        let bytes = self.folder.open()?.read(MAM_FILE).map_err(StoreError::io("reading ferric.mam"))?;
        let missing = || StoreError::Format { file: MAM_FILE.into(), what: "is missing".into() };
        Mam::decode(MAM_FILE, &bytes.ok_or_else(missing)?)
    }

    /// Writes the cartridge's memory, atomically and durably.
    ///
    /// # Errors
    /// The storage failed; the old memory stands.
    pub fn save_mam(&mut self, mam: &Mam) -> Result<(), StoreError> {
        self.folder.open()?.replace(MAM_FILE, &mam.encode()).map_err(StoreError::io("writing ferric.mam"))
    }
}

impl fmt::Debug for Cartridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cartridge({} {} {:?})", self.barcode, self.media.name, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for good in ["A", "E01001L8", "CLNU01L8", "A-B_C"] {
            assert!(Barcode::new(good).is_some(), "{good}");
        }
        for bad in ["", "e01001l8", "A/B", "..", "A B", "12345678901234567"] {
            assert!(Barcode::new(bad).is_none(), "{bad}");
        }
    }
}
