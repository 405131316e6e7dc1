//! Jobs that read all of a cartridge: verification and conversion.

use super::{FormatName, Progress};
use crate::cartridges::protection_reason;
use crate::control::ControlError;
use crate::entropy;
use crate::events::Cause;
use crate::library::LibraryError;
use crate::site::Site;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use tape_store::cartridge::{Barcode, Cartridge, Format};
use tape_store::convert::Conversion;
use tape_store::error::StoreError;
use tape_store::repair::Finding;
use tape_store::verify::{Verification, used_bytes, verify};

/// The findings of the verification of a cartridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedCartridge {
    /// Barcode of the cartridge; absent for a directory outside a site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cartridge: Option<String>,
    /// Whether the verification has found no damage.
    pub intact: bool,
    /// Whether the counts have every object: no file was cut, and the index matches the data.
    pub complete: bool,
    /// Number of blocks that are intact.
    pub blocks: u64,
    /// Number of filemarks that are intact.
    pub filemarks: u64,
    /// Bytes that the intact blocks have on the tape, after compression.
    pub stored: u64,
    /// Whether the index matches the data.
    pub index_intact: bool,
    /// Number of objects after the last synchronised one, which the next load drops.
    pub torn_objects: u64,
    /// The files that are damaged.
    pub files: Vec<DamagedFile>,
    /// The first 1,000 damaged objects.
    pub damaged: Vec<DamagedObject>,
    /// Number of all damaged objects.
    pub damaged_objects: u64,
}

/// A file of a cartridge that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedFile {
    /// Name of the file, such as `data.0`.
    pub file: String,
    /// Description of the damage in words.
    pub damage: String,
    /// What `ferric tape repair` does with it.
    pub repair: String,
}

/// A block or filemark that is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedObject {
    /// Number of the partition of the object.
    pub partition: u8,
    /// Logical object number of the object.
    pub object: u64,
    /// The part of the object that is damaged.
    pub damage: String,
}

impl From<Verification> for VerifiedCartridge {
    fn from(found: Verification) -> Self {
        let (intact, complete) = (found.is_intact(), found.is_complete());
        let file =
            |Finding { file, problem, remedy }| DamagedFile { file, damage: problem, repair: remedy.to_string() };
        let object = |object: &tape_store::verify::DamagedObject| DamagedObject {
            partition: object.partition,
            object: object.object,
            damage: object.damage.to_string(),
        };
        Self {
            cartridge: None,
            intact,
            complete,
            blocks: found.blocks,
            filemarks: found.filemarks,
            stored: found.stored,
            index_intact: found.index_intact,
            torn_objects: found.torn_objects,
            damaged: found.damaged.iter().map(object).collect(),
            damaged_objects: found.damaged_objects,
            files: found.files.into_iter().map(file).collect(),
        }
    }
}

/// A cartridge whose files a job has converted to another format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvertedCartridge {
    /// Barcode of the cartridge, unique in the site.
    pub cartridge: String,
    /// The format that was requested.
    pub format: FormatName,
    /// False if the cartridge was in this format already, or the job has ended before.
    pub converted: bool,
}

impl Site {
    /// Verifies a cartridge that is not in a drive.
    ///
    /// # Errors
    /// There is no such cartridge; it is in a drive or is needed by a host or a request (`busy`); or it cannot be read at
    /// all. Damage is no error.
    pub(super) fn verify_cartridge(
        &self,
        cartridge: &str,
        progress: &Progress,
    ) -> Result<VerifiedCartridge, ControlError> {
        let barcode = self.resolve_cartridge(cartridge)?;
        let found = self.read_whole(&barcode, progress, |cartridge, flow| verify(cartridge, flow))?;
        self.shared.count_corrupt_records(&barcode, found.damaged_objects);
        Ok(VerifiedCartridge { cartridge: Some(barcode.to_string()), ..found.into() })
    }

    /// Converts a cartridge that is not in a drive. Returns false if it is in this format already.
    ///
    /// # Errors
    /// As [`Self::verify_cartridge`]; or an object is damaged or cannot be stored in the format; or the cartridge is
    /// retained or under a legal hold, which the mhvtl format cannot store.
    pub(super) fn convert_cartridge(
        &self,
        cartridge: &str,
        format: Format,
        progress: &Progress,
    ) -> Result<bool, ControlError> {
        let barcode = self.resolve_cartridge(cartridge)?;
        // The cartridge is not retained after it was checked.
        let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), &barcode)?;
        if format == Format::Mhvtl {
            self.check_not_retained(&barcode)?;
        }
        self.read_whole(&barcode, progress, |cartridge, flow| {
            if cartridge.format()? == format {
                return Ok(false);
            }
            cartridge.check_unloaded()?;
            let conversion = Conversion::new(format, entropy::fill);
            self.shared.store.convert(cartridge, conversion, flow).map(|()| true)
        })
    }

    fn check_not_retained(&self, barcode: &Barcode) -> Result<(), ControlError> {
        let now = self.shared.now().wall.seconds();
        let reason = self.with_unloaded_cartridge(&Cause::operator(), barcode, |cartridge| {
            Ok(protection_reason(&cartridge.mam()?, now))
        })?;
        let Some(reason) = reason else { return Ok(()) };
        let message = format!("{barcode} {reason}, which the mhvtl format cannot store; nothing was changed");
        Err(ControlError::locked(message).with_barcode(barcode.as_str()))
    }

    /// Calls `read` with a cartridge that is not in a drive, as [`Self::work_on`]; the total of the progress is what is read.
    fn read_whole<T>(
        &self,
        barcode: &Barcode,
        progress: &Progress,
        read: impl FnOnce(&mut Cartridge, &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<T, StoreError>,
    ) -> Result<T, ControlError> {
        self.work_on(barcode, progress, |cartridge, flow| {
            progress.begin_cartridge(used_bytes(cartridge)?);
            read(cartridge, flow)
        })
    }

    /// Calls `work` with a cartridge that is not in a drive, until it ends, the job is cancelled, or a host or a request
    /// needs the cartridge.
    pub(super) fn work_on<T>(
        &self,
        barcode: &Barcode,
        progress: &Progress,
        work: impl FnOnce(&mut Cartridge, &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<T, StoreError>,
    ) -> Result<T, ControlError> {
        let mut is_needed = false;
        let done = self.with_reserved_cartridge(barcode, |cartridge, reservation| {
            work(cartridge, &mut |bytes| {
                is_needed = reservation.is_wanted();
                if is_needed || self.is_shut_down() { ControlFlow::Break(()) } else { progress.advance(bytes) }
            })
        });
        done.map_err(|error| match error {
            LibraryError::Cartridge { source: StoreError::Stopped, .. } if is_needed => {
                let message = format!("{barcode} is needed by a host or a request; the job has given way to it");
                ControlError::busy(message).with_barcode(barcode.as_str())
            }
            other => other.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Library;
    use crate::control::{ControlRequest, ErrorCode};

    /// A load by a request or a host ends the reading of a job, and is done.
    #[test]
    fn a_job_gives_way_to_a_load() {
        let builder = Library::builder().slots(2).drives("ULT3580-TD8", 1).cartridges("A#L8", 2, "64MB");
        let site = builder.open().unwrap();
        let barcode = Barcode::new("A1L8").unwrap();
        let load = ControlRequest::Load { library: None, cartridge: "A1L8".into(), drive: None };
        std::thread::scope(|scope| {
            let done = site.read_whole(&barcode, &Progress::default(), |_, flow| {
                assert!(flow(1).is_continue());
                let loaded = scope.spawn(|| site.control(&load).map(drop));
                while flow(1).is_continue() {
                    std::thread::yield_now();
                }
                assert!(!loaded.is_finished());
                Err::<(), _>(StoreError::Stopped)
            });
            let error = done.unwrap_err();
            let message = "A1L8 is needed by a host or a request; the job has given way to it";
            assert_eq!((error.code, error.to_string()), (ErrorCode::Busy, message.into()));
        });
        assert_eq!(site.status().libraries[0].drives[0].element.cartridge.as_deref(), Some("A1L8"));
    }
}
