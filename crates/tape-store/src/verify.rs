//! Verifies a cartridge: every file, and the checksum of every object.

use crate::cartridge::{Cartridge, CartridgeKind};
use crate::error::{Damage, StoreError};
use crate::medium::{Medium, ReadOutcome};
use crate::repair::{Finding, Remedy};
use std::ops::ControlFlow;

/// Most damaged objects that a verification lists; it counts all.
pub const MAX_LISTED: usize = 1000;

/// The findings of a verification of all objects of a cartridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// Number of blocks that are intact.
    pub blocks: u64,
    /// Number of filemarks that are intact.
    pub filemarks: u64,
    /// Bytes that the intact blocks have on the tape, after compression.
    pub stored: u64,
    /// Whether the index matches the data.
    pub index_intact: bool,
    /// Files that are damaged, each with its remedy.
    pub files: Vec<Finding>,
    /// The first damaged objects, at most [`MAX_LISTED`].
    pub damaged: Vec<DamagedObject>,
    /// Number of all damaged objects.
    pub damaged_objects: u64,
    /// Number of objects after the last synchronised one, which the next load drops.
    pub torn_objects: u64,
}

/// A block or filemark that is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedObject {
    /// Number of the partition of the object.
    pub partition: u8,
    /// Logical object number of the object.
    pub object: u64,
    /// The part of the object that is damaged.
    pub damage: Damage,
}

impl Verification {
    /// Whether the verification has found no damage.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.index_intact && self.files.is_empty() && self.damaged_objects == 0
    }

    /// Whether the counts have every object: no file was cut, and the index matches the data.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let index_lost = |finding: &Finding| matches!(finding.remedy, Remedy::RebuildIndex { .. } | Remedy::Truncate);
        self.index_intact && !self.files.iter().any(index_lost)
    }
}

/// Bytes of all partitions that are in use: the total of the progress of [`verify`].
///
/// # Errors
/// As [`Cartridge::open_read_only`].
pub fn used_bytes(cartridge: &mut Cartridge) -> Result<u64, StoreError> {
    let (tape, _) = cartridge.open_read_only()?;
    Ok((0..tape.partitions()).filter_map(|number| tape.usage(number).ok()).map(|usage| usage.used).sum())
}

/// Reads a whole cartridge, without changing it. `progress` receives the stored bytes of each object that is done, and
/// can stop the verification.
///
/// # Errors
/// [`StoreError::Stopped`] if `progress` has stopped it, or the cartridge cannot be read at all. Damage is no error.
pub fn verify(
    cartridge: &mut Cartridge,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Verification, StoreError> {
    let files = cartridge.examine()?;
    let (mut tape, recovery) = cartridge.open_read_only()?;
    let has_no_data = cartridge.kind() == CartridgeKind::Null;
    let (index_intact, torn_objects) = (!recovery.damaged, recovery.dropped_objects);
    let mut found = Verification { files, index_intact, torn_objects, ..Verification::default() };
    for partition in 0..tape.partitions() {
        tape.locate(partition, 0)?;
        loop {
            let object = tape.position().object;
            let mut stored_bytes = 0;
            match tape.verify_next() {
                Ok(ReadOutcome::EndOfData) => break,
                Ok(ReadOutcome::Filemark) => found.filemarks += 1,
                Ok(ReadOutcome::Block { stored, .. }) => {
                    found.blocks += 1;
                    stored_bytes = stored;
                }
                // A NULL medium never had the data.
                Err(StoreError::Damaged { damage: Damage::Truncated, .. }) if has_no_data => found.blocks += 1,
                Err(StoreError::Damaged { damage, .. }) => {
                    found.damaged_objects += 1;
                    if found.damaged.len() < MAX_LISTED {
                        found.damaged.push(DamagedObject { partition, object, damage });
                    }
                }
                Err(other) => return Err(other),
            }
            found.stored += stored_bytes;
            if progress(stored_bytes).is_break() {
                return Err(StoreError::Stopped);
            }
        }
    }
    Ok(found)
}
