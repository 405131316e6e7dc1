//! Finds and repairs damage to the files of a cartridge. Repair loses nothing: it removes and overwrites only what can
//! be reconstructed, and keeps the bytes of a file that it replaces or shortens as `NAME.damaged`.

use crate::backend::{Backend, Folder, free_name};
use crate::cartridge::{Cartridge, Format};
use crate::cartridge_memory;
use crate::error::StoreError;
use crate::medium::Medium;
use crate::three_file::inspect::IndexReport;
use crate::three_file::rebuild::{self, RebuiltIndex};
use crate::three_file::{NO_WATERMARK, SHORT_DATA, ThreeFile, commit_change};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};

#[cfg(test)]
mod tests;

/// Bytes copied per call.
const PIECE: usize = 1 << 20;

/// Damage to one file of a cartridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Name of the damaged file.
    pub file: String,
    /// Description of the damage, without the name of the file.
    pub problem: String,
    /// The repair that is possible.
    pub remedy: Remedy,
}

/// The repair of damage to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Restore the cartridge memory from its copy.
    RestoreMamFromCopy,
    /// Rebuild the cartridge memory from the barcode and the other files, and set the write-protect tab.
    RebuildMamFromLabel,
    /// Rewrite the copy of the cartridge memory from the cartridge memory.
    RewriteMamCopy,
    /// Rebuild the index from the frames in the data.
    RebuildIndex {
        /// Number of the partition.
        partition: u8,
        /// The index that results.
        rebuilt: RebuiltIndex,
    },
    /// Rewrite the watermark: the index is intact.
    RewriteWatermark {
        /// Number of the partition.
        partition: u8,
        /// Number of objects in the index.
        objects: u64,
    },
    /// Rewrite damaged frames in the data from the index.
    RewriteFrames {
        /// Number of the partition.
        partition: u8,
    },
    /// Nothing without loss: the partition can only be truncated before its first damaged object.
    Truncate,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RestoreMamFromCopy => f.write_str("restored from its copy, as of the last unload"),
            Self::RebuildMamFromLabel => f.write_str(
                "rebuilt from the barcode and the files, write-protected; serial number, size, counters and host attributes are lost",
            ),
            Self::RewriteMamCopy => f.write_str("rewritten from the cartridge memory"),
            Self::RebuildIndex { rebuilt: RebuiltIndex { objects, lost_objects: 0, .. }, .. } => {
                write!(f, "rebuilt from the data: all {objects} objects")
            }
            Self::RebuildIndex { rebuilt: RebuiltIndex { objects, lost_objects: lost, first_lost, .. }, .. } => {
                let first = first_lost.unwrap_or(0);
                write!(
                    f,
                    "rebuilt from the data: {} of {objects} objects; {lost} lost, the first is object {first}",
                    objects - lost
                )
            }
            Self::RewriteWatermark { objects, .. } => write!(f, "rewritten: the index has {objects} objects"),
            Self::RewriteFrames { .. } => f.write_str("rewritten from the index"),
            Self::Truncate => {
                f.write_str("cannot be rebuilt; --truncate ends the partition before its first damaged object")
            }
        }
    }
}

impl Cartridge {
    /// Finds damage to the files, except blocks whose checksum differs. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NoCartridgeMemory`] if there is no cartridge, or [`StoreError::Io`] if the
    /// storage fails.
    pub fn examine(&mut self) -> Result<Vec<Finding>, StoreError> {
        let mut folder = self.folder()?;
        let mut findings = self.examine_mam(folder.as_mut())?;
        if self.format()? == Format::Mhvtl {
            // In this format only the index has the offsets of objects: nothing can be rebuilt.
            return Ok(findings);
        }
        let (mut tape, _) = self.open_read_only()?;
        for partition in 0..tape.partitions() {
            let condition = tape.check_index(partition)?;
            findings.extend(IndexExtent::of_partition(&mut tape, partition)?.examine(folder.as_mut(), condition)?);
            if condition.damaged_frames > 0 {
                let what =
                    format!("{} frames are damaged; every object can be read without them", condition.damaged_frames);
                findings.push(Finding {
                    file: format!("data.{partition}"),
                    problem: what,
                    remedy: Remedy::RewriteFrames { partition },
                });
            }
        }
        Ok(findings)
    }

    fn examine_mam(&mut self, folder: &mut dyn Folder) -> Result<Vec<Finding>, StoreError> {
        let (_, damage) = self.mam_or_rebuilt()?;
        let copy = cartridge_memory::read_copy(folder)?;
        let (file, what, remedy) = match damage {
            Some(damage) => {
                let (file, what) = match damage {
                    StoreError::Malformed { file, problem: what } => (file, what),
                    StoreError::NoCartridgeMemory if self.format()? == Format::Mhvtl => {
                        ("mam".into(), "is missing".into())
                    }
                    StoreError::NoCartridgeMemory => (cartridge_memory::NATIVE_FILE.into(), "is missing".into()),
                    other => (cartridge_memory::NATIVE_FILE.into(), other.to_string()),
                };
                (file, what, if copy.is_some() { Remedy::RestoreMamFromCopy } else { Remedy::RebuildMamFromLabel })
            }
            None if copy.is_none() && cartridge_memory::has_copy(folder)? => {
                (cartridge_memory::COPY.into(), "checksum mismatch".into(), Remedy::RewriteMamCopy)
            }
            None => return Ok(Vec::new()),
        };
        Ok(vec![Finding { file, problem: what, remedy }])
    }

    /// Repairs what can be repaired without loss. Returns all findings; each is repaired unless its remedy is
    /// [`Remedy::Truncate`]. After a crash, call it again.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or [`StoreError::Io`] if the storage fails.
    pub fn repair(&mut self) -> Result<Vec<Finding>, StoreError> {
        let findings = self.examine()?;
        for finding in &findings {
            match finding.remedy {
                Remedy::RestoreMamFromCopy | Remedy::RebuildMamFromLabel => self.repair_mam(&finding.file)?,
                Remedy::RewriteMamCopy => {
                    let mam = self.mam()?;
                    self.save_mam_exclusive(&mam)?;
                }
                Remedy::RebuildIndex { partition, .. } => self.replace_index(partition)?,
                Remedy::RewriteWatermark { .. } | Remedy::RewriteFrames { .. } | Remedy::Truncate => {}
            }
        }
        let relied_on = |finding: &Finding| match finding.remedy {
            Remedy::RebuildIndex { partition, rebuilt } => Some((partition, Some(rebuilt.objects))),
            Remedy::RewriteWatermark { partition, objects } => Some((partition, Some(objects))),
            Remedy::RewriteFrames { partition } => Some((partition, None)),
            _ => None,
        };
        let changes: Vec<_> = findings.iter().filter_map(relied_on).collect();
        if !changes.is_empty() {
            let mut tape = self.salvage(false)?;
            for (partition, objects) in changes {
                match objects {
                    Some(objects) => tape.cut_before(partition, objects)?,
                    None => drop(tape.repair_frames(partition)?),
                }
            }
            tape.close()?;
        }
        Ok(findings)
    }

    fn repair_mam(&mut self, damaged: &str) -> Result<(), StoreError> {
        let ((mam, _), format) = (self.mam_or_rebuilt()?, self.format()?);
        let mut folder = self.folder()?;
        folder.lock(false).map_err(StoreError::lock)?;
        let (_, partitions) = cartridge_memory::detect_format(folder.as_mut())?;
        for name in cartridge_memory::files(format) {
            // The intact one of mhvtl's two files is saved as well.
            copy_to_damaged_file(folder.as_mut(), name, 0)?;
        }
        tracing::info!(barcode = %self.barcode(), file = damaged, "rebuilding the cartridge memory");
        cartridge_memory::write_imported(folder.as_mut(), format, &mam, partitions)?;
        commit_change(folder.as_mut())
    }

    fn replace_index(&mut self, partition: u8) -> Result<(), StoreError> {
        let mut folder = self.folder()?;
        folder.lock(false).map_err(StoreError::lock)?;
        let (name, fresh) = (format!("indx.{partition}"), format!("indx.{partition}.new"));
        let failed = || StoreError::io(format!("writing {fresh}"));
        folder.remove(&fresh).map_err(failed())?;
        let output = folder.open(&fresh).map_err(failed())?;
        let rebuilt = rebuild::rebuild(folder.as_mut(), partition, Some(output))?;
        copy_to_damaged_file(folder.as_mut(), &name, 0)?;
        if let Some(rebuilt) = rebuilt {
            remove_left_over_data(folder.as_mut(), partition, rebuilt.end)?;
        }
        folder.rename(&fresh, &name).map_err(StoreError::io(format!("replacing {name}")))
    }

    /// Copies what truncating a partition before an object removes: the index, and the data from that object on.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or [`StoreError::Io`] if the storage fails.
    pub fn save_damaged_tail(&mut self, partition: u8, object: u64) -> Result<(), StoreError> {
        let offset = self.salvage(true)?.offset_of(partition, object)?;
        let mut folder = self.folder()?;
        folder.lock(false).map_err(StoreError::lock)?;
        let names = folder.list().map_err(StoreError::io("listing the cartridge's files"))?;
        for (name, from) in [("indx", 0), ("data", offset)] {
            let name = format!("{name}.{partition}");
            if names.contains(&name) {
                copy_to_damaged_file(folder.as_mut(), &name, from)?;
            }
        }
        Ok(())
    }
}

/// Extent of a partition according to its index.
struct IndexExtent {
    partition: u8,
    objects: u64,
    end: u64,
}

impl IndexExtent {
    fn of_partition(tape: &mut ThreeFile, partition: u8) -> Result<Self, StoreError> {
        let objects = tape.usage(partition)?.objects;
        Ok(Self { partition, objects, end: tape.offset_of(partition, objects)? })
    }

    fn examine(self, folder: &mut dyn Folder, condition: IndexReport) -> Result<Option<Finding>, StoreError> {
        let Self { partition, objects, end } = self;
        let IndexReport { append_blocked, damaged_records: records, first_damaged: first, .. } = condition;
        if append_blocked.is_none() && records == 0 {
            return Ok(None);
        }
        let file = match append_blocked {
            Some(SHORT_DATA) => format!("data.{partition}"),
            Some(NO_WATERMARK) if records == 0 && objects > 0 => format!("mark.{partition}"),
            _ => format!("indx.{partition}"),
        };
        let first = first.map_or_else(String::new, |first| format!(", the first is object {first}"));
        let of_records = (records > 0).then(|| format!("damaged records: {records}{first}"));
        let what = [append_blocked.map(str::to_owned), of_records].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let remedy = |remedy| Ok(Some(Finding { file, problem: what, remedy }));
        if append_blocked == Some(SHORT_DATA) {
            return remedy(Remedy::Truncate);
        }
        let data_len = length(folder, &format!("data.{partition}"))?;
        match rebuild::rebuild(folder, partition, None)? {
            Some(rebuilt)
                if append_blocked == Some(NO_WATERMARK)
                    && records == 0
                    && rebuilt.objects == objects
                    && rebuilt.end >= data_len =>
            {
                remedy(Remedy::RewriteWatermark { partition, objects })
            }
            Some(rebuilt) if append_blocked.is_some() || rebuilt.lost_objects < records => {
                remedy(Remedy::RebuildIndex { partition, rebuilt })
            }
            None if append_blocked == Some(NO_WATERMARK) && records == 0 && data_len == end => {
                remedy(Remedy::RewriteWatermark { partition, objects })
            }
            // Damaged records do not affect other objects.
            _ if append_blocked.is_none() => Ok(None),
            _ => remedy(Remedy::Truncate),
        }
    }
}

fn length(folder: &mut dyn Folder, name: &str) -> Result<u64, StoreError> {
    let found = folder.open_read_only(name).and_then(|file| file.map_or(Ok(0), |mut file| file.len()));
    found.map_err(StoreError::io(format!("getting the length of {name}")))
}

/// Truncates the data of a partition after its last object; what is removed is copied before.
fn remove_left_over_data(folder: &mut dyn Folder, partition: u8, end: u64) -> Result<(), StoreError> {
    let name = format!("data.{partition}");
    if length(folder, &name)? <= end {
        return Ok(());
    }
    copy_to_damaged_file(folder, &name, end)?;
    let truncated = folder.open(&name).and_then(|mut data| data.set_len(end).and_then(|()| data.sync()));
    truncated.map_err(StoreError::io(format!("truncating {name}")))
}

/// Copies a file from an offset on, durably, to the first free name of `NAME.damaged`, `NAME.damaged.1` and so on. A
/// file that is missing or not longer than the offset is not copied.
fn copy_to_damaged_file(folder: &mut dyn Folder, name: &str, from: u64) -> Result<(), StoreError> {
    let saved = free_name(folder, &format!("{name}.damaged"));
    let saved = saved.map_err(StoreError::io("listing the cartridge's files"))?;
    let failed = || StoreError::io(format!("copying {name} to {saved}"));
    let Some(mut source) = folder.open_read_only(name).map_err(failed())? else { return Ok(()) };
    if source.len().map_err(failed())? <= from {
        return Ok(());
    }
    let mut target = folder.open(&saved).map_err(failed())?;
    let copied = copy_from(source.as_mut(), target.as_mut(), from);
    if copied.is_err() {
        let _ = folder.remove(&saved);
    }
    copied.map_err(failed())
}

fn copy_from(source: &mut dyn Backend, target: &mut dyn Backend, mut from: u64) -> io::Result<()> {
    let (mut to, mut piece) = (0, vec![0; PIECE]);
    loop {
        let got = source.read_at(from, &mut [IoSliceMut::new(&mut piece)])?;
        if got == 0 {
            return target.sync();
        }
        target.write_at(to, &[IoSlice::new(piece.get(..got).unwrap_or_default())])?;
        (from, to) = (from + got as u64, to + got as u64);
    }
}
