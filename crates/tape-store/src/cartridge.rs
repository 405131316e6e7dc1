//! What a robot moves and a drive loads.

use crate::backend::Folder;
use crate::error::StoreError;
use crate::mam::{AttrId, Mam};
use crate::media::MediaSpec;
use crate::medium::{Codec, CodecId, Medium};
use crate::memory::{self, Kept};
use crate::seal;
use crate::three_file::{Recovery, Shape, ThreeFile};
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
    /// Data that is written once.
    Worm,
    /// Nothing: its data is not kept, only how long each block was.
    Null,
    /// Cleaning.
    Cleaning,
}

/// How the files of a cartridge are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Ours: compact, every codec, real encryption. mhvtl refuses it.
    Ferric,
    /// As mhvtl 1.8 reads and writes them.
    Mhvtl,
}

impl Level {
    /// Its name in configurations and listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ferric => "ferric",
            Self::Mhvtl => "mhvtl",
        }
    }

    /// What blocks are compressed with if a codec cannot be used.
    #[must_use]
    pub const fn fallback(self) -> Codec {
        Codec::zlib(1)
    }

    /// Whether blocks of this level may be written with a codec.
    #[must_use]
    pub fn takes(self, codec: CodecId) -> bool {
        match self {
            Self::Ferric => [CodecId::NONE, CodecId::ZLIB, CodecId::ZSTD].contains(&codec),
            Self::Mhvtl => [CodecId::NONE, CodecId::ZLIB].contains(&codec),
        }
    }
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

    /// Mounts the tape at the beginning of partition 0. A cartridge in an older format of mhvtl takes the present one.
    ///
    /// # Errors
    /// [`StoreError::InUse`], what is damaged, or the failure of the storage.
    pub fn open(&mut self) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        let mut folder = self.folder.open()?;
        if memory::read(folder.as_mut())?.level() == Level::Mhvtl {
            folder.lock(false).map_err(StoreError::lock)?;
            memory::upgrade(folder.as_mut())?;
        }
        self.mount(folder, false)
    }

    /// As [`Self::open`], but writes nothing, neither now nor later.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn view(&mut self) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        let folder = self.folder.open()?;
        self.mount(folder, true)
    }

    fn mount(
        &mut self,
        mut folder: Box<dyn Folder>,
        read_only: bool,
    ) -> Result<(Box<dyn Medium>, Recovery), StoreError> {
        let kept = memory::read(folder.as_mut())?;
        let mam = self.take_facts(&kept)?;
        let shape = Shape {
            level: kept.level(),
            capacity: self.capacity,
            sizes: mam.partition_sizes(),
            read_only,
            ours: kept.level() == Level::Ferric || memory::is_ours(folder.as_mut())?,
            discards_data: mam.kind() == Kind::Null,
            entropy: seal::system_entropy,
        };
        let (tape, recovery) = ThreeFile::open(folder, shape)?;
        Ok((Box::new(tape), recovery))
    }

    /// Reads the cartridge's memory. What it says of the cartridge counts from here on.
    ///
    /// # Errors
    /// It is missing or damaged, or the storage failed.
    pub fn mam(&mut self) -> Result<Mam, StoreError> {
        let kept = memory::read(self.folder.open()?.as_mut())?;
        self.take_facts(&kept)
    }

    fn take_facts(&mut self, kept: &Kept) -> Result<Mam, StoreError> {
        let mam = kept.mam()?;
        (self.media, self.kind) = (mam.media()?, mam.kind());
        if let Some(capacity) = Some(mam.number(AttrId::MAXIMUM)).filter(|bytes| *bytes > 0) {
            self.capacity = capacity;
        }
        Ok(mam)
    }

    /// How its files are written.
    ///
    /// # Errors
    /// As [`Self::mam`].
    pub fn level(&mut self) -> Result<Level, StoreError> {
        Ok(memory::read(self.folder.open()?.as_mut())?.level())
    }

    /// Writes the cartridge's memory, atomically and durably.
    ///
    /// # Errors
    /// The storage failed; the old memory stands.
    pub fn save_mam(&mut self, mam: &Mam) -> Result<(), StoreError> {
        memory::write(self.folder.open()?.as_mut(), mam)
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
