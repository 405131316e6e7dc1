//! Where a cartridge's memory is kept: in `ferric.mam`, or as mhvtl does, in one of its four ways.

use crate::backend::Folder;
use crate::cartridge::Format;
use crate::error::StoreError;
use crate::integrity::crc32c;
use crate::mam::{AttrId, Mam};
use crate::mhvtl::{self, MhvtlMam};
use crate::store::NewCartridge;
use std::io::{self, IoSliceMut};

/// The file of attributes at level `ferric`; without `mam` and `meta`, mhvtl refuses the cartridge instead of misreading it.
pub(crate) const NATIVE_FILE: &str = "ferric.mam";
/// A second copy of it, as of the last unload: what is used if the first is damaged.
pub(crate) const COPY: &str = "ferric.mam.copy";
/// What mhvtl's files were when we last wrote them.
const OWNER: &str = "ferric.owner";
/// Bytes of filemarks that are copied; more are made from the index.
const MAX_FILEMARK_TABLE: usize = 16 << 20;
const OWNER_MAGIC: &[u8; 8] = b"FERRICOW";

/// A memory, with all that its file says.
pub(crate) enum StoredMam {
    /// Ours.
    Native(Mam),
    /// mhvtl's.
    Mhvtl(MhvtlMam),
}

impl StoredMam {
    pub(crate) const fn format(&self) -> Format {
        match self {
            Self::Native(_) => Format::Native,
            Self::Mhvtl(_) => Format::Mhvtl,
        }
    }

    /// The memory as a drive sees it, with the name of its medium.
    pub(crate) fn mam(&self) -> Result<Mam, StoreError> {
        match self {
            Self::Native(mam) => Ok(mam.clone()),
            Self::Mhvtl(chip) => {
                let mut mam = chip.to_mam();
                mam.set(AttrId::MEDIUM_NAME, 0, chip.density()?.media().name.as_bytes());
                Ok(mam)
            }
        }
    }
}

fn small(folder: &mut dyn Folder, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    folder.read(name).map_err(|error| match error.kind() {
        // It is longer than any of them can be.
        io::ErrorKind::InvalidData => StoreError::Malformed { file: name.into(), problem: error.to_string() },
        _ => StoreError::io(format!("reading {name}"))(error),
    })
}

/// Whether a cartridge is there: its memory is the last thing that making one writes. One that has lost its memory and
/// still has data is there too, and is not made again.
pub(crate) fn exists(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    if names.iter().any(|name| [NATIVE_FILE, COPY, mhvtl::MAM, mhvtl::PLAIN_META].contains(&name.as_str())) {
        return Ok(true);
    }
    for name in names.iter().filter(|name| is_tape_file(name)) {
        let failed = || StoreError::io(format!("measuring {name}"));
        let len =
            folder.open_read_only(name).and_then(|file| file.map_or(Ok(0), |mut file| file.len())).map_err(failed())?;
        if len > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a file of this name holds objects, or says of them.
fn is_tape_file(name: &str) -> bool {
    ["data", "indx", "mark"].contains(&name.split('.').next().unwrap_or_default())
}

/// How the files of a cartridge are written that has lost its memory, and how many partitions it has.
pub(crate) fn detect_format(folder: &mut dyn Folder) -> Result<(Format, u8), StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    let of_mhvtl = |name: &String| {
        [mhvtl::MAM, mhvtl::PRIVATE, OWNER, "data", "indx"].contains(&name.as_str())
            || name.starts_with(mhvtl::PLAIN_META)
    };
    let ours = names.iter().any(|name| [NATIVE_FILE, COPY].contains(&name.as_str()));
    let level = if !ours && names.iter().any(of_mhvtl) { Format::Mhvtl } else { Format::Native };
    let last = (1..4).rev().find(|number| names.contains(&format!("data.{number}")));
    Ok((level, last.map_or(1, |last| last + 1)))
}

/// Bytes in the data file of each partition; 0 if one is missing.
pub(crate) fn data_lengths(folder: &mut dyn Folder, partitions: u8) -> Result<Vec<u64>, StoreError> {
    let mut length = |name: &str| {
        let file = folder.open_read_only(name).and_then(|file| file.map(|mut file| file.len()).transpose());
        file.map_err(StoreError::io(format!("measuring {name}")))
    };
    let mut of_partition = |number: u8| match length(&format!("data.{number}"))? {
        // An older format of mhvtl has no number in the name.
        None if number == 0 => Ok(length("data")?.unwrap_or(0)),
        found => Ok(found.unwrap_or(0)),
    };
    (0..partitions).map(&mut of_partition).collect()
}

/// The files of a memory.
pub(crate) const fn files(level: Format) -> &'static [&'static str] {
    match level {
        Format::Native => &[NATIVE_FILE],
        Format::Mhvtl => &[mhvtl::MAM, mhvtl::PRIVATE],
    }
}

/// Whether there is a second copy, whole or not.
pub(crate) fn has_copy(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    Ok(folder.list().map_err(StoreError::io("listing a cartridge's files"))?.iter().any(|name| name == COPY))
}

/// The second copy of a memory of level `ferric`, if it is whole.
pub(crate) fn read_copy(folder: &mut dyn Folder) -> Result<Option<Mam>, StoreError> {
    match small(folder, COPY) {
        Err(StoreError::Malformed { .. }) => Ok(None),
        read => Ok(read?.and_then(|bytes| Mam::decode(COPY, &bytes).ok())),
    }
}

/// Reads a cartridge's memory.
///
/// # Errors
/// It is missing or damaged, or the storage failed.
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

/// Writes a cartridge's memory, atomically and durably, in the way it is kept.
///
/// # Errors
/// The storage failed; the old memory stands.
pub(crate) fn write(folder: &mut dyn Folder, mam: &Mam) -> Result<(), StoreError> {
    if folder.list().map_err(StoreError::io("listing a cartridge's files"))?.iter().any(|name| name == NATIVE_FILE) {
        return replace(folder, NATIVE_FILE, &mam.encode());
    }
    match read(folder)? {
        StoredMam::Native(_) => replace(folder, NATIVE_FILE, &mam.encode()),
        StoredMam::Mhvtl(mut chip) => {
            // A medium that mhvtl does not have is still stored as what it was.
            let density = mam.media().ok().and_then(mhvtl::media::for_media).map_or_else(|| chip.density(), Ok)?;
            chip.update(mam, partitions(folder)?, density)?;
            write_mhvtl(folder, &chip)
        }
    }
}

/// As [`write`], and its second copy too.
///
/// # Errors
/// The storage failed.
pub(crate) fn write_both(folder: &mut dyn Folder, mam: &Mam) -> Result<(), StoreError> {
    write(folder, mam)?;
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    if names.iter().any(|name| name == NATIVE_FILE) { replace(folder, COPY, &mam.encode()) } else { Ok(()) }
}

/// Makes the files of a new cartridge; its memory comes last, but for the copy of it.
///
/// # Errors
/// mhvtl has no such medium, or the storage failed.
pub(crate) fn create(folder: &mut dyn Folder, barcode: &str, new: &NewCartridge<'_>) -> Result<(), StoreError> {
    match new.format {
        Format::Native => write_native(folder, &Mam::new(new)),
        Format::Mhvtl => {
            let chip = mhvtl::blank(barcode, new)?;
            prepare(folder, new.format, 1)?;
            write_mhvtl(folder, &chip)
        }
    }
}

/// Makes the empty files of so many partitions.
pub(crate) fn prepare(folder: &mut dyn Folder, level: Format, partitions: u8) -> Result<(), StoreError> {
    for number in 0..partitions {
        replace(folder, &format!("data.{number}"), &[])?;
        if level == Format::Mhvtl {
            replace(folder, &format!("indx.{number}"), &[])?;
            replace(folder, &format!("meta.{number}"), &[0; 512])?;
        }
    }
    Ok(())
}

/// Writes a memory that came from another cartridge: the last file of one that is made.
pub(crate) fn write_imported(
    folder: &mut dyn Folder,
    level: Format,
    mam: &Mam,
    partitions: u8,
) -> Result<(), StoreError> {
    match level {
        Format::Native => write_native(folder, mam),
        Format::Mhvtl => write_mhvtl(folder, &MhvtlMam::of(mam, partitions)?),
    }
}

/// A memory of level `ferric`, and then its copy: one without the other is a copy that is missing.
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

/// mhvtl's two files. If they were ours they stay so: what each was and will be is written first, so that a crash
/// between does not make them look like another's. If not, whoever mounts the tape will have looked through it first.
fn write_mhvtl(folder: &mut dyn Folder, chip: &MhvtlMam) -> Result<(), StoreError> {
    let [mam, private] = chip.encode();
    if is_last_writer(folder)? {
        let [old_mam, old_private] = present(folder)?;
        replace(folder, OWNER, &owner([&old_mam, &mam, &old_private, &private]))?;
    }
    replace(folder, mhvtl::PRIVATE, &private)?;
    replace(folder, mhvtl::MAM, &mam)
}

/// Says that the tape is as its watermarks have it.
///
/// # Errors
/// The storage failed.
pub(crate) fn record_ownership(folder: &mut dyn Folder) -> Result<(), StoreError> {
    let [mam, private] = present(folder)?;
    replace(folder, OWNER, &owner([&mam, &mam, &private, &private]))
}

/// Both files as they are.
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

/// Whether the memory is as we wrote it: mhvtl writes it at each load, so nobody else wrote the tape since.
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

/// Whether the files are of an older format of mhvtl.
///
/// # Errors
/// The storage failed.
pub(crate) fn is_old_mhvtl_format(folder: &mut dyn Folder) -> Result<bool, StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    Ok(["data", "indx", mhvtl::PLAIN_META].iter().any(|name| names.iter().any(|other| other == name)))
}

/// The table of filemarks in `meta`, without the memory before it; an empty one if it is too long to be copied.
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

/// Gives the files of an older format the names and the memory of the present one. Each step leaves a cartridge that
/// can be read.
///
/// # Errors
/// The storage failed.
pub(crate) fn upgrade(folder: &mut dyn Folder) -> Result<(), StoreError> {
    let names = folder.list().map_err(StoreError::io("listing a cartridge's files"))?;
    let has = |name: &str| names.iter().any(|other| other == name);
    let StoredMam::Mhvtl(mut chip) = read(folder)? else { return Ok(()) };
    let (mam, density) = (chip.to_mam(), chip.density()?);
    chip.update(&mam, partitions(folder)?, density)?;
    write_mhvtl(folder, &chip)?;
    for name in ["data", "indx"] {
        let numbered = format!("{name}.0");
        if has(name) && !has(&numbered) {
            folder.rename(name, &numbered).map_err(StoreError::io(format!("renaming {name}")))?;
        }
    }
    // Opening makes the table of filemarks anew from the index; until then it is the old one.
    if has(mhvtl::PLAIN_META) && !has("meta.0") {
        let table = filemark_table(folder)?;
        replace(folder, "meta.0", &table)?;
    }
    folder.remove(mhvtl::PLAIN_META).map_err(StoreError::io("removing meta"))
}
