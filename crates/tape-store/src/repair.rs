//! What is wrong with the files of a cartridge, and mending it without a loss: nothing is removed or written over that cannot be
//! had again. A file that is replaced keeps its bytes under another name, `NAME.damaged`.

use crate::backend::{Backend, Folder, free_name};
use crate::cartridge::{Cartridge, Level};
use crate::error::StoreError;
use crate::medium::Medium;
use crate::memory;
use crate::three_file::inspect::Condition;
use crate::three_file::rebuild::{self, Rebuilt};
use crate::three_file::{NO_MARK, SHORT_DATA, ThreeFile};
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};

#[cfg(test)]
mod tests;

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
    /// What mends it.
    pub remedy: Remedy,
}

/// What mends a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The cartridge memory is written anew from its second copy.
    Copy,
    /// The cartridge memory is written anew from the label and the files, with the write-protect tab set.
    Label,
    /// The second copy of the cartridge memory is written anew from the first.
    Memory,
    /// The index is rebuilt from the data.
    Index {
        /// The partition.
        partition: u8,
        /// What the index is then.
        rebuilt: Rebuilt,
    },
    /// The watermark is written anew: the index is relied on as it is.
    Watermark {
        /// The partition.
        partition: u8,
        /// Its objects.
        objects: u64,
    },
    /// Frames in the data are written anew from the index.
    Frames {
        /// The partition.
        partition: u8,
    },
    /// Nothing without a loss: the partition can be ended before its first damaged object.
    Truncate,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy => f.write_str("restored from its second copy, as of the last unload"),
            Self::Label => f.write_str(
                "rebuilt from the barcode and the files, write-protected; serial number, size, counters and host attributes are lost",
            ),
            Self::Memory => f.write_str("written anew from the cartridge memory"),
            Self::Index { rebuilt: Rebuilt { objects, lost: 0, .. }, .. } => {
                write!(f, "rebuilt from the data: all {objects} objects")
            }
            Self::Index { rebuilt: Rebuilt { objects, lost, first_lost, .. }, .. } => {
                let first = first_lost.unwrap_or(0);
                write!(
                    f,
                    "rebuilt from the data: {} of {objects} objects; {lost} lost, the first is object {first}",
                    objects - lost
                )
            }
            Self::Watermark { objects, .. } => write!(f, "written anew: the index has {objects} objects"),
            Self::Frames { .. } => f.write_str("written anew from the index"),
            Self::Truncate => {
                f.write_str("cannot be rebuilt; --truncate ends the partition before its first damaged object")
            }
        }
    }
}

impl Cartridge {
    /// What is wrong with the files, but for blocks that do not match their checksum. Nothing is written.
    ///
    /// # Errors
    /// There is no cartridge, it is in use, or the storage failed.
    pub fn examine(&mut self) -> Result<Vec<Finding>, StoreError> {
        let mut folder = self.folder()?;
        let mut findings = self.examine_memory(folder.as_mut())?;
        if self.level()? == Level::Mhvtl {
            // Its index is all that says where objects are.
            return Ok(findings);
        }
        let (mut tape, _) = self.view()?;
        for partition in 0..tape.partitions() {
            let condition = tape.condition(partition)?;
            findings.extend(Index::of(&mut tape, partition)?.examine(folder.as_mut(), condition)?);
            if condition.frames > 0 {
                let what = format!("{} frames are damaged; every object can be read without them", condition.frames);
                findings.push(Finding {
                    file: format!("data.{partition}"),
                    what,
                    remedy: Remedy::Frames { partition },
                });
            }
        }
        Ok(findings)
    }

    fn examine_memory(&mut self, folder: &mut dyn Folder) -> Result<Vec<Finding>, StoreError> {
        let (_, damage) = self.mam_or_rebuilt()?;
        let copy = memory::read_copy(folder)?;
        let (file, what, remedy) = match damage {
            Some(damage) => {
                let (file, what) = match damage {
                    StoreError::Format { file, what } => (file, what),
                    StoreError::NoMemory if self.level()? == Level::Mhvtl => ("mam".into(), "is missing".into()),
                    StoreError::NoMemory => (memory::FERRIC.into(), "is missing".into()),
                    other => (memory::FERRIC.into(), other.to_string()),
                };
                (file, what, if copy.is_some() { Remedy::Copy } else { Remedy::Label })
            }
            None if copy.is_none() && memory::has_copy(folder)? => {
                (memory::COPY.into(), "its checksum is wrong".into(), Remedy::Memory)
            }
            None => return Ok(Vec::new()),
        };
        Ok(vec![Finding { file, what, remedy }])
    }

    /// Mends what can be mended without a loss; returns what was found, and done unless its remedy is [`Remedy::Truncate`]. After
    /// a crash in the middle it can be called again.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or the storage failed.
    pub fn repair(&mut self) -> Result<Vec<Finding>, StoreError> {
        let findings = self.examine()?;
        for finding in &findings {
            match finding.remedy {
                Remedy::Copy | Remedy::Label => self.repair_memory(&finding.file)?,
                Remedy::Memory => {
                    let mam = self.mam()?;
                    self.set_mam(&mam)?;
                }
                Remedy::Index { partition, .. } => self.replace_index(partition)?,
                Remedy::Watermark { .. } | Remedy::Frames { .. } | Remedy::Truncate => {}
            }
        }
        let relied_on = |finding: &Finding| match finding.remedy {
            Remedy::Index { partition, rebuilt } => Some((partition, Some(rebuilt.objects))),
            Remedy::Watermark { partition, objects } => Some((partition, Some(objects))),
            Remedy::Frames { partition } => Some((partition, None)),
            _ => None,
        };
        let changes: Vec<_> = findings.iter().filter_map(relied_on).collect();
        if !changes.is_empty() {
            let mut tape = self.salvage(false)?;
            for (partition, objects) in changes {
                match objects {
                    Some(objects) => tape.cut(partition, objects)?,
                    None => drop(tape.mend_frames(partition)?),
                }
            }
            tape.close()?;
        }
        Ok(findings)
    }

    fn repair_memory(&mut self, damaged: &str) -> Result<(), StoreError> {
        let ((mam, _), level) = (self.mam_or_rebuilt()?, self.level()?);
        let mut folder = self.folder()?;
        folder.lock(false).map_err(StoreError::lock)?;
        let (_, partitions) = memory::layout(folder.as_mut())?;
        for name in memory::files(level) {
            // What is still whole of the two files of mhvtl is kept as well.
            copy_aside(folder.as_mut(), name, 0)?;
        }
        tracing::info!(barcode = %self.barcode(), file = damaged, "cartridge memory is rebuilt");
        memory::put(folder.as_mut(), level, &mam, partitions)
    }

    fn replace_index(&mut self, partition: u8) -> Result<(), StoreError> {
        let mut folder = self.folder()?;
        folder.lock(false).map_err(StoreError::lock)?;
        let (name, fresh) = (format!("indx.{partition}"), format!("indx.{partition}.new"));
        let failed = || StoreError::io(format!("writing {fresh}"));
        folder.remove(&fresh).map_err(failed())?;
        let output = folder.open(&fresh).map_err(failed())?;
        rebuild::rebuild(folder.as_mut(), partition, Some(output))?;
        copy_aside(folder.as_mut(), &name, 0)?;
        folder.rename(&fresh, &name).map_err(StoreError::io(format!("replacing {name}")))
    }

    /// Copies what ending a partition before an object takes away to files that stay: its index, and its data from there on.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or the storage failed.
    pub fn set_aside(&mut self, partition: u8, object: u64) -> Result<(), StoreError> {
        let offset = self.salvage(true)?.offset_of(partition, object)?;
        let mut folder = self.folder()?;
        folder.lock(false).map_err(StoreError::lock)?;
        let names = folder.list().map_err(StoreError::io("listing the cartridge's files"))?;
        for (name, from) in [("indx", 0), ("data", offset)] {
            let name = format!("{name}.{partition}");
            if names.contains(&name) {
                copy_aside(folder.as_mut(), &name, from)?;
            }
        }
        Ok(())
    }
}

/// A partition's index, and where its data ends by it.
struct Index {
    partition: u8,
    objects: u64,
    end: u64,
}

impl Index {
    fn of(tape: &mut ThreeFile, partition: u8) -> Result<Self, StoreError> {
        let objects = tape.usage(partition)?.objects;
        Ok(Self { partition, objects, end: tape.offset_of(partition, objects)? })
    }

    fn examine(self, folder: &mut dyn Folder, condition: Condition) -> Result<Option<Finding>, StoreError> {
        let Self { partition, objects, end } = self;
        let Condition { broken, records, first, .. } = condition;
        if broken.is_none() && records == 0 {
            return Ok(None);
        }
        let file = match broken {
            Some(SHORT_DATA) => format!("data.{partition}"),
            Some(NO_MARK) if records == 0 && objects > 0 => format!("mark.{partition}"),
            _ => format!("indx.{partition}"),
        };
        let first = first.map_or_else(String::new, |first| format!(", the first is object {first}"));
        let of_records = (records > 0).then(|| format!("damaged records: {records}{first}"));
        let what = [broken.map(str::to_owned), of_records].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let remedy = |remedy| Ok(Some(Finding { file, what, remedy }));
        if broken == Some(SHORT_DATA) {
            return remedy(Remedy::Truncate);
        }
        let data_len = length(folder, &format!("data.{partition}"))?;
        match rebuild::rebuild(folder, partition, None)? {
            Some(rebuilt) if broken == Some(NO_MARK) && records == 0 && rebuilt.objects == objects => {
                remedy(Remedy::Watermark { partition, objects })
            }
            Some(rebuilt) if broken.is_some() || rebuilt.lost < records => remedy(Remedy::Index { partition, rebuilt }),
            None if broken == Some(NO_MARK) && records == 0 && data_len == end => {
                remedy(Remedy::Watermark { partition, objects })
            }
            // Damaged records alone take nothing else with them.
            _ if broken.is_none() => Ok(None),
            _ => remedy(Remedy::Truncate),
        }
    }
}

fn length(folder: &mut dyn Folder, name: &str) -> Result<u64, StoreError> {
    let found = folder.view(name).and_then(|file| file.map_or(Ok(0), |mut file| file.len()));
    found.map_err(StoreError::io(format!("measuring {name}")))
}

/// Copies a file from an offset on, durably, to the first free one of `NAME.damaged`, `NAME.damaged.1` and so on. One that is not
/// there or ends before is not copied.
fn copy_aside(folder: &mut dyn Folder, name: &str, from: u64) -> Result<(), StoreError> {
    let aside = free_name(folder, &format!("{name}.damaged"));
    let aside = aside.map_err(StoreError::io("listing the cartridge's files"))?;
    let failed = || StoreError::io(format!("copying {name} to {aside}"));
    let Some(mut source) = folder.view(name).map_err(failed())? else { return Ok(()) };
    if source.len().map_err(failed())? <= from {
        return Ok(());
    }
    let mut target = folder.open(&aside).map_err(failed())?;
    let copied = copy(source.as_mut(), target.as_mut(), from);
    if copied.is_err() {
        let _ = folder.remove(&aside);
    }
    copied.map_err(failed())
}

fn copy(source: &mut dyn Backend, target: &mut dyn Backend, mut from: u64) -> io::Result<()> {
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
