//! The contents of a cartridge that is not in a drive: its use, its cartridge memory (MAM), and a map of its files.

use crate::control::ControlError;
use crate::library::LibraryError;
use crate::site::Site;
use scsi_core::hex::Hex;
use serde::{Deserialize, Serialize};
use tape_store::cartridge::{Cartridge, CartridgeKind};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, AttributeFormat, Flags, Mam, spec};
use tape_store::medium::{Medium, PartitionUsage};
use tape_store::three_file::inspect::{FileEnd, FileSummary};
use tape_store::three_file::{Recovery, ThreeFile};

/// Most files in one response.
const MAX_FILES: usize = 1000;
/// Most objects that one request counts.
const MAX_OBJECTS: u64 = 500_000;
/// Objects that are counted before the request looks whether a drive needs the cartridge.
const STEP_OBJECTS: u64 = 10_000;

/// The contents of a cartridge, as its files and its MAM have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeContents {
    /// Name of the medium, such as `LTO-8`.
    pub medium: String,
    /// Format of the files: `native` or `mhvtl`.
    pub format: String,
    /// Native capacity of the medium in bytes.
    pub capacity: u64,
    /// Whether the cartridge is loaded, or was not unloaded cleanly.
    pub loaded: bool,
    /// Serial number of the medium.
    pub serial: String,
    /// Manufacturer of the medium, as in its MAM.
    pub manufacturer: String,
    /// Date of manufacture of the medium, `YYYYMMDD`.
    pub manufactured: String,
    /// Number of loads since the cartridge was created.
    pub loads: u64,
    /// Bytes that were written to the medium in its life.
    pub written_in_life: u64,
    /// Bytes that were read from the medium in its life.
    pub read_in_life: u64,
    /// Vendor and serial number of the drive of the last load; empty before the first one.
    pub last_drive: String,
    /// The partitions in use; empty for a cleaning cartridge.
    pub partitions: Vec<PartitionContents>,
    /// Objects after the last synchronised one: the remains of a crash; `None` if there are none.
    pub unsynchronised: Option<UnsynchronisedObjects>,
    /// Damage that prevents writes; `None` if there is none.
    pub damage: Option<String>,
    /// The attributes of the MAM, by identifier and partition.
    pub attributes: Vec<CartridgeAttribute>,
}

/// The use of a partition: its size, its used bytes and its objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionContents {
    /// Number of the partition, from 0.
    pub number: u8,
    /// Bytes from the beginning to the end of the partition.
    pub capacity: u64,
    /// Bytes on the medium before end of data, after compression.
    pub used: u64,
    /// Number of objects: blocks and filemarks.
    pub objects: u64,
    /// Number of filemarks before end of data.
    pub filemarks: u64,
}

/// The objects after the last synchronised one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsynchronisedObjects {
    /// Number of objects that are intact, which the next load keeps.
    pub complete: u64,
    /// Number of objects that are incomplete, which the next load drops.
    pub torn: u64,
}

/// An attribute of the cartridge memory (MAM), with its name and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartridgeAttribute {
    /// Identifier as four hexadecimal digits and `h`.
    pub id: String,
    /// Name of the attribute in SPC, in lower case; empty if it has none.
    pub name: String,
    /// Partition of the attribute; 0 for one of the whole cartridge.
    pub partition: u8,
    /// The value: a number, text, or hexadecimal digits.
    pub value: String,
    /// Whether each partition has this attribute.
    #[serde(skip)]
    pub is_per_partition: bool,
}

/// A part of the map of a partition: response to `cartridge_files`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeFiles {
    /// The files, in their order; the last one may go on in the next part of the map.
    pub files: Vec<TapeFile>,
    /// First object of the next part: `object` of the next request. Absent at end of data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// The blocks of a partition between two filemarks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TapeFile {
    /// Number of the file: the number of filemarks before it.
    pub file: u64,
    /// Logical object number of the first object that is counted here.
    pub object: u64,
    /// Number of blocks that were counted.
    pub blocks: u64,
    /// Bytes of these blocks, before compression.
    pub bytes: u64,
    /// Bytes of these blocks on the medium, after compression.
    pub stored: u64,
    /// Length of the smallest block in bytes; 0 if there is none.
    pub smallest: u32,
    /// Length of the largest block in bytes; 0 if there is none.
    pub largest: u32,
    /// Number of objects whose index records are damaged; they are not among the blocks.
    pub damaged: u64,
    /// The end of the file.
    pub end: TapeFileEnd,
}

/// The end of a file in a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TapeFileEnd {
    /// The file ends with a filemark.
    Filemark,
    /// The file ends with end of data.
    EndOfData,
    /// The file goes on in the next part of the map.
    NextPart,
}

impl CartridgeContents {
    /// Reads the contents of a cartridge, without changing it. `mam` is its cartridge memory, and `damage` the reason if that
    /// was rebuilt.
    ///
    /// # Errors
    /// The files of the cartridge cannot be read, or it is not in files.
    pub fn read(cartridge: &mut Cartridge, mam: &Mam, damage: Option<&StoreError>) -> Result<Self, StoreError> {
        let format = cartridge.format()?.name().to_owned();
        let (partitions, recovery) = if cartridge.kind() == CartridgeKind::Cleaning {
            (Vec::new(), Recovery::default())
        } else {
            let (mut tape, recovery) = cartridge.open_read_only()?;
            let partitions = (0..tape.partitions()).map(|number| partition_contents(&mut tape, number));
            (partitions.collect::<Result<_, _>>()?, recovery)
        };
        Ok(Self {
            medium: cartridge.media().name.into(),
            format,
            capacity: cartridge.capacity(),
            loaded: mam.flags().contains(Flags::LOADED),
            serial: attribute_text(mam, AttrId::SERIAL),
            manufacturer: attribute_text(mam, AttrId::MANUFACTURER),
            manufactured: attribute_text(mam, AttrId::MANUFACTURE_DATE),
            loads: mam.number(AttrId::LOAD_COUNT),
            written_in_life: mam.number(AttrId::LIFE_WRITTEN),
            read_in_life: mam.number(AttrId::LIFE_READ),
            last_drive: attribute_text(mam, AttrId::LAST_DRIVE),
            partitions,
            unsynchronised: unsynchronised(recovery),
            damage: damage_text(damage, recovery),
            attributes: CartridgeAttribute::all(mam),
        })
    }
}

fn partition_contents(tape: &mut ThreeFile, number: u8) -> Result<PartitionContents, StoreError> {
    tape.locate(number, 0)?;
    tape.space_to_end()?;
    let PartitionUsage { capacity, used, .. } = tape.usage(number)?;
    let end = tape.position();
    Ok(PartitionContents { number, capacity, used, objects: end.object, filemarks: end.file })
}

/// The damage, in one line.
fn damage_text(memory: Option<&StoreError>, recovery: Recovery) -> Option<String> {
    let index =
        recovery.damaged.then(|| "the index does not match the data; ferric tape verify shows where".to_owned());
    let memory = memory.map(|error| format!("{error}; the values shown were rebuilt"));
    [memory, index].into_iter().flatten().reduce(|memory, index| format!("{memory}; {index}"))
}

const fn unsynchronised(recovery: Recovery) -> Option<UnsynchronisedObjects> {
    match (recovery.kept_objects, recovery.dropped_objects) {
        (0, 0) => None,
        (complete, torn) => Some(UnsynchronisedObjects { complete, torn }),
    }
}

/// An attribute as text, without what pads it.
fn attribute_text(mam: &Mam, id: AttrId) -> String {
    let value = mam.get(id, 0).unwrap_or_default();
    String::from_utf8_lossy(value).replace('\0', " ").trim().to_owned()
}

impl CartridgeAttribute {
    /// An attribute with its value as text.
    #[must_use]
    pub fn new(id: AttrId, partition: u8, value: &[u8]) -> Self {
        let (name, is_per_partition) = spec(id).map_or(("", false), |spec| (spec.name, spec.is_per_partition));
        let (id_text, value) = (format!("{:04X}h", id.0), value_text(id, value));
        Self { id: id_text, name: name.into(), partition, value, is_per_partition }
    }

    /// All attributes that hosts can read.
    #[must_use]
    pub fn all(mam: &Mam) -> Vec<Self> {
        let readable = mam.iter().filter(|(id, ..)| !id.is_private());
        readable.map(|(id, partition, value)| Self::new(id, partition, value)).collect()
    }
}

/// A value as a person reads it: a number, text, or hexadecimal digits.
fn value_text(id: AttrId, value: &[u8]) -> String {
    match spec(id).map(|spec| (spec.format, value.len())) {
        Some((AttributeFormat::Binary, 1..=8)) => {
            value.iter().fold(0, |sum: u64, byte| (sum << 8) | u64::from(*byte)).to_string()
        }
        Some((AttributeFormat::Ascii | AttributeFormat::Text, _)) => {
            let text = String::from_utf8_lossy(value).replace('\0', " ");
            text.trim_end().to_owned()
        }
        _ => Hex(value).to_string(),
    }
}

impl From<FileSummary> for TapeFile {
    fn from(summary: FileSummary) -> Self {
        let FileSummary { number, object, blocks, bytes, stored, smallest, largest, damaged, end } = summary;
        let end = match end {
            FileEnd::Filemark => TapeFileEnd::Filemark,
            FileEnd::EndOfData => TapeFileEnd::EndOfData,
            FileEnd::Limit => TapeFileEnd::NextPart,
        };
        Self { file: number, object, blocks, bytes, stored, smallest, largest, damaged, end }
    }
}

impl Site {
    /// Reads the contents of a cartridge that is not in a drive.
    ///
    /// # Errors
    /// There is no such cartridge; it is in a drive (`conflict`), or another request uses it (`busy`); or it cannot be
    /// read.
    pub(crate) fn cartridge_contents(&self, cartridge: &str) -> Result<CartridgeContents, ControlError> {
        let barcode = self.resolve_cartridge(cartridge)?;
        let _reserved = self.shared.reservations.reserve_at_once(&barcode)?;
        Ok(self.with_reserved_cartridge(&barcode, |cartridge, _| {
            let (mam, damage) = cartridge.mam_or_rebuilt()?;
            CartridgeContents::read(cartridge, &mam, damage.as_ref())
        })?)
    }

    /// Reads a part of the map of a partition: the files from an object on, at most `max` and 1,000, and at most 500,000
    /// objects.
    ///
    /// # Errors
    /// As [`Self::cartridge_contents`]; the cartridge has no such partition or object; or a drive or a request needs it
    /// meanwhile (`busy`).
    pub(crate) fn cartridge_files(
        &self,
        cartridge: &str,
        partition: u8,
        object: u64,
        max: Option<usize>,
    ) -> Result<TapeFiles, ControlError> {
        let barcode = self.resolve_cartridge(cartridge)?;
        let max = max.unwrap_or(MAX_FILES).min(MAX_FILES);
        if max == 0 {
            return Err(ControlError::invalid("max is 0; expected at least 1").with_member("max"));
        }
        let _reserved = self.shared.reservations.reserve_at_once(&barcode)?;
        let mut is_needed = false;
        let read = self.with_reserved_cartridge(&barcode, |cartridge, reservation| {
            let (mut tape, _) = cartridge.open_read_only()?;
            map_files(&mut tape, partition, object, max, || {
                is_needed = reservation.is_wanted();
                is_needed
            })
        });
        read.map_err(|error| match error {
            LibraryError::Cartridge { source: StoreError::Stopped, .. } if is_needed => {
                let message = format!("{barcode} is needed by a host or a request; try again later");
                ControlError::busy(message).with_barcode(barcode.as_str())
            }
            LibraryError::Cartridge { source: StoreError::NoPartition(number), .. } => {
                let message = format!("{barcode} has no partition {number}");
                ControlError::not_found(message).with_barcode(barcode.as_str()).with_member("partition")
            }
            other => other.into(),
        })
    }
}

/// The files of a partition from an object on. `is_needed` tells whether to stop.
fn map_files(
    tape: &mut ThreeFile,
    partition: u8,
    object: u64,
    max: usize,
    mut is_needed: impl FnMut() -> bool,
) -> Result<TapeFiles, StoreError> {
    let mut files: Vec<TapeFile> = Vec::new();
    let (mut next, limit) = (object, object.saturating_add(MAX_OBJECTS));
    while next < limit {
        if is_needed() {
            return Err(StoreError::Stopped);
        }
        let Some(found) = tape.summarize_file(partition, next, STEP_OBJECTS)? else {
            return Ok(TapeFiles { files, next: None });
        };
        next = found.next_object();
        let found = TapeFile::from(found);
        if let Some(last) = files.last_mut().filter(|last| last.file == found.file) {
            last.extend(found);
        } else if files.len() == max {
            return Ok(TapeFiles { files, next: Some(found.object) });
        } else {
            files.push(found);
        }
    }
    Ok(TapeFiles { files, next: Some(next) })
}

impl TapeFile {
    /// Adds the blocks that follow in the same file: those of its next part.
    pub fn extend(&mut self, next: Self) {
        let smallest = [(self.blocks, self.smallest), (next.blocks, next.smallest)];
        self.smallest = smallest.iter().filter(|(blocks, _)| *blocks > 0).map(|(_, len)| *len).min().unwrap_or(0);
        self.largest = self.largest.max(next.largest);
        self.blocks += next.blocks;
        self.bytes += next.bytes;
        self.stored += next.stored;
        self.damaged += next.damaged;
        self.end = next.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_file_are_added() {
        let part = |blocks, smallest, largest, end| TapeFile {
            file: 3,
            object: 7,
            blocks,
            bytes: blocks * 10,
            stored: blocks * 5,
            smallest,
            largest,
            damaged: 1,
            end,
        };
        let mut file = part(0, 0, 0, TapeFileEnd::NextPart);
        file.extend(part(4, 100, 200, TapeFileEnd::NextPart));
        file.extend(part(2, 50, 60, TapeFileEnd::NextPart));
        file.extend(part(0, 0, 0, TapeFileEnd::EndOfData));
        assert_eq!(file, TapeFile { damaged: 4, ..part(6, 50, 200, TapeFileEnd::EndOfData) });
    }
}
