//! Storage of the cartridge memory (MAM): in `ferric.mam`, or in the files of one of mhvtl's four formats.

use crate::backend::Folder;
use crate::cartridge::Format;
use crate::error::StoreError;
use crate::integrity::crc32c;
use crate::mam::{AttrId, Mam};
use crate::mhvtl::{self, MhvtlMam};
use crate::store::NewCartridge;
use std::io::{self, IoSliceMut};

/// The file of attributes in the native format. mhvtl refuses a cartridge without `mam` and `meta`.
pub(crate) const NATIVE_FILE: &str = Mam::FILE;
/// Copy of the cartridge memory as of the last unload; used if the first file is damaged.
pub(crate) const COPY: &str = Mam::COPY;
/// Checksums of mhvtl's files as Ferric last wrote them.
pub(crate) const OWNER: &str = "ferric.owner";
/// A longer table of filemarks is not copied during an upgrade; opening rebuilds it from the index.
const MAX_FILEMARK_TABLE: usize = 16 << 20;
const OWNER_MAGIC: &[u8; 8] = b"FERRICOW";

/// The files with the cartridge memory in any format.
pub(crate) const NAMES: [&str; 2] = [NATIVE_FILE, mhvtl::MAM];

/// A cartridge memory as its files store it.
pub(crate) enum StoredMam {
    /// Native format: `ferric.mam`.
    Native(Mam),
    /// mhvtl format: `mam` and `mhvtl_data`.
    Mhvtl(MhvtlMam),
}

impl StoredMam {
    pub(crate) const fn format(&self) -> Format {
        match self {
            Self::Native(_) => Format::Native,
            Self::Mhvtl(_) => Format::Mhvtl,
        }
    }

    /// The attributes as a drive presents them, with the name of the medium.
    pub(crate) fn mam(&self) -> Result<Mam, StoreError> {
        match self {
            Self::Native(mam) => Ok(mam.clone()),
            Self::Mhvtl(stored_mam) => {
                let mut mam = stored_mam.to_mam();
                mam.set(AttrId::MEDIUM_NAME, 0, stored_mam.density()?.media().name.as_bytes());
                Ok(mam)
            }
        }
    }
}

fn small(folder: &mut dyn Folder, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    folder.read(name).map_err(|error| match error.kind() {
        // The file is longer than any cartridge memory.
        io::ErrorKind::InvalidData => StoreError::Malformed { file: name.into(), problem: error.to_string() },
        _ => StoreError::io(format!("reading {name}"))(error),
    })
}

/// Whether the folder is a cartridge. The cartridge memory is the last file that creation writes. A folder that has
/// data is a cartridge that lost its cartridge memory; it is not created again.
pub(crate) fn exists(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    if names.iter().any(|name| [NATIVE_FILE, COPY, mhvtl::MAM, mhvtl::PLAIN_META].contains(&name.as_str())) {
        return Ok(true);
    }
    for name in names.iter().filter(|name| is_tape_file(name)) {
        let failed = || StoreError::io(format!("getting the length of {name}"));
        let len =
            folder.open_read_only(name).and_then(|file| file.map_or(Ok(0), |mut file| file.len())).map_err(failed())?;
        if len > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a file of this name is a data, index, watermark or filemark file.
pub(crate) fn is_tape_file(name: &str) -> bool {
    ["data", "indx", "mark"].contains(&name.split('.').next().unwrap_or_default())
}

/// The format and the number of partitions of a cartridge that lost its cartridge memory.
pub(crate) fn detect_format(folder: &mut dyn Folder) -> Result<(Format, u8), StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    let of_mhvtl = |name: &String| {
        [mhvtl::MAM, mhvtl::PRIVATE, OWNER, "data", "indx"].contains(&name.as_str())
            || name.starts_with(mhvtl::PLAIN_META)
    };
    let native = names.iter().any(|name| [NATIVE_FILE, COPY].contains(&name.as_str()));
    let format = if !native && names.iter().any(of_mhvtl) { Format::Mhvtl } else { Format::Native };
    let last = (1..4).rev().find(|number| names.contains(&format!("data.{number}")));
    Ok((format, last.map_or(1, |last| last + 1)))
}

/// Length in bytes of each partition's data file; 0 if it is missing.
pub(crate) fn data_lengths(folder: &mut dyn Folder, partitions: u8) -> Result<Vec<u64>, StoreError> {
    let mut length = |name: &str| {
        let file = folder.open_read_only(name).and_then(|file| file.map(|mut file| file.len()).transpose());
        file.map_err(StoreError::io(format!("getting the length of {name}")))
    };
    let mut of_partition = |number: u8| match length(&format!("data.{number}"))? {
        // Older formats of mhvtl have no partition number in the name.
        None if number == 0 => Ok(length("data")?.unwrap_or(0)),
        found => Ok(found.unwrap_or(0)),
    };
    (0..partitions).map(&mut of_partition).collect()
}

/// The names of the files that hold the cartridge memory.
pub(crate) const fn files(format: Format) -> &'static [&'static str] {
    match format {
        Format::Native => &[NATIVE_FILE],
        Format::Mhvtl => &[mhvtl::MAM, mhvtl::PRIVATE],
    }
}

/// Whether a copy exists, damaged or not.
pub(crate) fn has_copy(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    Ok(folder.list().map_err(StoreError::io("listing a cartridge's files"))?.iter().any(|name| name == COPY))
}

/// The copy of a native cartridge memory; `None` if it is missing or damaged.
pub(crate) fn read_copy(folder: &mut dyn Folder) -> Result<Option<Mam>, StoreError> {
    match small(folder, COPY) {
        Err(StoreError::Malformed { .. }) => Ok(None),
        read => Ok(read?.and_then(|bytes| Mam::decode(COPY, &bytes).ok())),
    }
}

/// Reads the cartridge memory.
///
/// # Errors
/// [`StoreError::NoCartridgeMemory`], [`StoreError::Malformed`], [`StoreError::Unsupported`], or [`StoreError::Io`] if
/// the storage fails.
pub(crate) fn read(folder: &mut dyn Folder) -> Result<StoredMam, StoreError> {
    if let Some(bytes) = small(folder, NATIVE_FILE)? {
        return Ok(StoredMam::Native(Mam::decode(NATIVE_FILE, &bytes)?));
    }
    if let Some(mam) = small(folder, mhvtl::MAM)? {
        let private = small(folder, mhvtl::PRIVATE)?;
        return Ok(StoredMam::Mhvtl(MhvtlMam::decode(&mam, private.as_deref())?));
    }
    let failed = || StoreError::io("reading meta");
    if let Some(mut meta) = folder.open_read_only(mhvtl::PLAIN_META).map_err(failed())? {
        let mut head = vec![0; 1024];
        let got = meta.read_at(0, &mut [IoSliceMut::new(&mut head)]).map_err(failed())?;
        return Ok(StoredMam::Mhvtl(MhvtlMam::of_meta(head.get(..got).unwrap_or_default())?));
    }
    Err(StoreError::NoCartridgeMemory)
}

/// Writes the cartridge memory in the format of the cartridge, atomically and durably.
///
/// # Errors
/// [`StoreError::AttributeTooLarge`] in mhvtl's format, or [`StoreError::Io`] if the storage fails; the old cartridge
/// memory remains.
pub(crate) fn write(folder: &mut dyn Folder, mam: &Mam) -> Result<(), StoreError> {
    if folder.list().map_err(StoreError::io("listing a cartridge's files"))?.iter().any(|name| name == NATIVE_FILE) {
        return replace(folder, NATIVE_FILE, &mam.encode());
    }
    match read(folder)? {
        StoredMam::Native(_) => replace(folder, NATIVE_FILE, &mam.encode()),
        StoredMam::Mhvtl(mut stored_mam) => {
            // A medium that mhvtl does not know keeps the stored description.
            let density =
                mam.media().ok().and_then(mhvtl::media::for_media).map_or_else(|| stored_mam.density(), Ok)?;
            stored_mam.update(mam, partitions(folder)?, density)?;
            write_mhvtl(folder, &stored_mam)
        }
    }
}

/// As [`write`], and writes the copy too.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_both(folder: &mut dyn Folder, mam: &Mam) -> Result<(), StoreError> {
    write(folder, mam)?;
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    if names.iter().any(|name| name == NATIVE_FILE) { replace(folder, COPY, &mam.encode()) } else { Ok(()) }
}

/// The files that [`write_both`] writes, with their content; `None` for one that is missing.
pub(crate) type FormerFiles = [(&'static str, Option<Vec<u8>>); 2];

/// The files that [`write_both`] writes, with their present content. A copy that cannot be read counts as missing.
pub(crate) fn former_files(folder: &mut dyn Folder) -> Result<FormerFiles, StoreError> {
    Ok([(NATIVE_FILE, small(folder, NATIVE_FILE)?), (COPY, small(folder, COPY).unwrap_or_default())])
}

/// Restores the former content of files. A failure is only logged: the error that made it necessary counts.
pub(crate) fn restore(folder: &mut dyn Folder, files: &FormerFiles) {
    for (name, bytes) in files {
        let restored = match bytes {
            Some(bytes) => folder.replace(name, bytes),
            None => folder.remove(name),
        };
        if let Err(error) = restored {
            tracing::warn!(file = name, %error, "the former cartridge memory cannot be restored");
        }
    }
}

/// Creates the files of a new cartridge. The cartridge memory is the last file but its copy.
///
/// # Errors
/// [`StoreError::Cartridge`] if mhvtl has no such medium, or [`StoreError::Io`] if the storage fails.
pub(crate) fn create(folder: &mut dyn Folder, barcode: &str, new: &NewCartridge<'_>) -> Result<(), StoreError> {
    match new.format {
        Format::Native => write_native(folder, &Mam::new(new)),
        Format::Mhvtl => {
            let stored_mam = mhvtl::blank(barcode, new)?;
            prepare(folder, new.format, 1)?;
            write_mhvtl(folder, &stored_mam)
        }
    }
}

/// Creates the empty files of the given number of partitions.
pub(crate) fn prepare(folder: &mut dyn Folder, format: Format, partitions: u8) -> Result<(), StoreError> {
    for number in 0..partitions {
        replace(folder, &format!("data.{number}"), &[])?;
        if format == Format::Mhvtl {
            replace(folder, &format!("indx.{number}"), &[])?;
            replace(folder, &format!("meta.{number}"), &[0; 512])?;
        }
    }
    Ok(())
}

/// Writes the cartridge memory of a converted cartridge; this completes its creation.
pub(crate) fn write_imported(
    folder: &mut dyn Folder,
    format: Format,
    mam: &Mam,
    partitions: u8,
) -> Result<(), StoreError> {
    match format {
        Format::Native => write_native(folder, mam),
        Format::Mhvtl => write_mhvtl(folder, &MhvtlMam::of(mam, partitions)?),
    }
}

/// Writes a native cartridge memory, then its copy.
pub(crate) fn write_native(folder: &mut dyn Folder, mam: &Mam) -> Result<(), StoreError> {
    replace(folder, NATIVE_FILE, &mam.encode())?;
    replace(folder, COPY, &mam.encode())
}

fn replace(folder: &mut dyn Folder, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    folder.replace(name, bytes).map_err(StoreError::io(format!("writing {name}")))
}

fn partitions(folder: &mut dyn Folder) -> Result<u8, StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    Ok((1..4).find(|number| !names.contains(&format!("data.{number}"))).unwrap_or(4))
}

/// Writes mhvtl's two files. If Ferric was the last writer it stays so: `ferric.owner` gets the old and the new
/// checksums first, so that a crash in between is not taken for a write by mhvtl.
fn write_mhvtl(folder: &mut dyn Folder, stored_mam: &MhvtlMam) -> Result<(), StoreError> {
    let [mam, private] = stored_mam.encode();
    if is_last_writer(folder)? {
        let [old_mam, old_private] = present(folder)?;
        replace(folder, OWNER, &owner([&old_mam, &mam, &old_private, &private]))?;
    }
    replace(folder, mhvtl::PRIVATE, &private)?;
    replace(folder, mhvtl::MAM, &mam)
}

/// Records that Ferric is the last writer, so that the watermarks are valid.
///
/// # Errors
/// [`StoreError::Io`] if the storage fails.
pub(crate) fn record_ownership(folder: &mut dyn Folder) -> Result<(), StoreError> {
    let [mam, private] = present(folder)?;
    replace(folder, OWNER, &owner([&mam, &mam, &private, &private]))
}

/// The bytes of both files; empty if one is missing.
fn present(folder: &mut dyn Folder) -> Result<[Vec<u8>; 2], StoreError> {
    Ok([small(folder, mhvtl::MAM)?.unwrap_or_default(), small(folder, mhvtl::PRIVATE)?.unwrap_or_default()])
}

fn owner(files: [&[u8]; 4]) -> Vec<u8> {
    let mut owner = OWNER_MAGIC.to_vec();
    files.iter().for_each(|bytes| owner.extend_from_slice(&crc32c(bytes).to_le_bytes()));
    let crc = crc32c(&owner);
    owner.extend_from_slice(&crc.to_le_bytes());
    owner
}

/// Whether Ferric wrote the cartridge memory last. mhvtl writes it at each load, so mhvtl has not written the tape
/// since.
pub(crate) fn is_last_writer(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    let Some(owner) = small(folder, OWNER)? else { return Ok(false) };
    let Some((body, crc)) = owner.split_last_chunk::<4>() else { return Ok(false) };
    let Some(crcs) = body.strip_prefix(OWNER_MAGIC).filter(|_| crc32c(body) == u32::from_le_bytes(*crc)) else {
        return Ok(false);
    };
    let [mam, private] = present(folder)?.map(|bytes| crc32c(&bytes));
    let crcs: Vec<u32> = crcs.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let is_one_of = |pair: Option<&[u32]>, crc| pair.is_some_and(|pair| pair.contains(&crc));
    Ok(is_one_of(crcs.get(..2), mam) && is_one_of(crcs.get(2..4), private))
}

/// Whether the files are in an older format of mhvtl.
///
/// # Errors
/// [`StoreError::Io`] if the storage fails.
pub(crate) fn is_old_mhvtl_format(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    Ok(["data", "indx", mhvtl::PLAIN_META].iter().any(|name| names.iter().any(|other| other == name)))
}

/// The table of filemarks in `meta`, without the cartridge memory before it; empty if it is too long to be copied.
fn filemark_table(folder: &mut dyn Folder) -> Result<Vec<u8>, StoreError> {
    let failed = || StoreError::io("reading meta");
    let Some(mut meta) = folder.open_read_only(mhvtl::PLAIN_META).map_err(failed())? else { return Ok(vec![0; 512]) };
    let skip = mhvtl::mam_bytes_in_meta(meta.as_mut()).map_err(failed())?;
    let len = usize::try_from(meta.len().map_err(failed())?.saturating_sub(skip)).unwrap_or(usize::MAX);
    if !(512..=MAX_FILEMARK_TABLE).contains(&len) {
        return Ok(vec![0; 512]);
    }
    let mut table = vec![0; len];
    meta.read_at(skip, &mut [IoSliceMut::new(&mut table)]).map_err(failed())?;
    Ok(table)
}

/// Converts the files of an older format of mhvtl to the present one. The cartridge is readable after each step.
///
/// # Errors
/// [`StoreError::Io`] if the storage fails.
pub(crate) fn upgrade(folder: &mut dyn Folder) -> Result<(), StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    let has = |name: &str| names.iter().any(|other| other == name);
    let StoredMam::Mhvtl(mut stored_mam) = read(folder)? else { return Ok(()) };
    let (mam, density) = (stored_mam.to_mam(), stored_mam.density()?);
    stored_mam.update(&mam, partitions(folder)?, density)?;
    write_mhvtl(folder, &stored_mam)?;
    for name in ["data", "indx"] {
        let numbered = format!("{name}.0");
        if has(name) && !has(&numbered) {
            folder.rename(name, &numbered).map_err(StoreError::io(format!("renaming {name}")))?;
        }
    }
    // Opening rebuilds the table of filemarks from the index; until then the old file name counts.
    if has(mhvtl::PLAIN_META) && !has("meta.0") {
        let table = filemark_table(folder)?;
        replace(folder, "meta.0", &table)?;
    }
    folder.remove(mhvtl::PLAIN_META).map_err(StoreError::io("removing meta"))
}
