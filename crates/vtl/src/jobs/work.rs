//! The work of jobs and their results.

use super::{ConvertedCartridge, Progress, VerifiedCartridge};
use crate::control::{ControlError, CreatedCartridges};
use crate::site::Site;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tape_store::cartridge::Format;

/// Most cartridges of one job.
const MAX_CARTRIDGES: usize = 10_000;

/// The work of a job: what is done, with which cartridges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Creates blank cartridges of a pool.
    Create {
        /// Name of the pool.
        pool: String,
        /// Number of cartridges, 1 to 10,000.
        count: usize,
    },
    /// Reads cartridges that are not in drives, and checks every file and the checksum of every object.
    Verify {
        /// Barcodes of 1 to 10,000 cartridges.
        cartridges: Vec<String>,
    },
    /// Converts a cartridge that is not in a drive to another format of its files.
    Convert {
        /// Barcode of the cartridge.
        cartridge: String,
        /// The new format.
        format: FormatName,
    },
    /// Imports cartridges from the shelf through the I/O station into empty slots.
    Import {
        /// Library; the only one with the shelf if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcodes of 1 to 10,000 cartridges.
        cartridges: Vec<String>,
    },
    /// Exports cartridges from slots and I/O elements through the I/O station to the shelf.
    Export {
        /// Library; that of each cartridge if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcodes of 1 to 10,000 cartridges.
        cartridges: Vec<String>,
    },
    /// Moves the files of cartridges that are not in drives from the directory of cartridges to a shelf on object storage. Their
    /// places do not change.
    Archive {
        /// Name of the shelf on object storage; the only one if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// Barcodes of 1 to 10,000 cartridges.
        cartridges: Vec<String>,
    },
    /// Moves the files of cartridges that are not in drives from their shelves on object storage to the directory of cartridges.
    Recall {
        /// Barcodes of 1 to 10,000 cartridges.
        cartridges: Vec<String>,
    },
}

/// A format of the files of a cartridge: native or that of mhvtl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatName {
    /// The native format of Ferric.
    Native,
    /// The format of mhvtl 1.8.
    Mhvtl,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Native => Self::Native,
            FormatName::Mhvtl => Self::Mhvtl,
        }
    }
}

impl Work {
    /// The word for the kind of the work in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Verify { .. } => "verify",
            Self::Convert { .. } => "convert",
            Self::Import { .. } => "import",
            Self::Export { .. } => "export",
            Self::Archive { .. } => "archive",
            Self::Recall { .. } => "recall",
        }
    }

    /// Number of cartridges that the job works on.
    #[must_use]
    pub const fn cartridges(&self) -> usize {
        match self {
            Self::Create { count, .. } => *count,
            Self::Convert { .. } => 1,
            Self::Verify { cartridges }
            | Self::Import { cartridges, .. }
            | Self::Export { cartridges, .. }
            | Self::Archive { cartridges, .. }
            | Self::Recall { cartridges } => cartridges.len(),
        }
    }

    /// The objects in the audit record.
    pub(crate) fn objects(&self) -> Vec<String> {
        match self {
            Self::Create { pool, .. } => vec![pool.clone()],
            Self::Convert { cartridge, .. } => vec![cartridge.clone()],
            Self::Verify { cartridges } | Self::Recall { cartridges } | Self::Archive { cartridges, .. } => {
                cartridges.clone()
            }
            Self::Import { library, cartridges } | Self::Export { library, cartridges } => {
                library.iter().chain(cartridges).cloned().collect()
            }
        }
    }
}

/// The work that a job has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum JobResult {
    /// The cartridges that were created.
    Created(CreatedCartridges),
    /// Cartridges that were verified, damaged or not.
    Verified(VerifiedCartridges),
    /// Cartridges that were moved between a library and a shelf, or between the directory and a shelf on object storage.
    Moved(MovedCartridges),
    /// A cartridge that was converted.
    Converted(ConvertedCartridge),
}

/// The cartridges that a job has verified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifiedCartridges {
    /// The findings, in the order of the request.
    pub verified: Vec<VerifiedCartridge>,
}

/// The cartridges that a job has imported, exported, archived or recalled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovedCartridges {
    /// The barcodes, in the order of the request.
    pub moved: Vec<String>,
}

impl JobResult {
    /// The result before anything is done.
    pub(crate) fn of(work: &Work) -> Self {
        match work {
            Work::Create { .. } => Self::Created(CreatedCartridges { created: Vec::new() }),
            Work::Verify { .. } => Self::Verified(VerifiedCartridges::default()),
            Work::Import { .. } | Work::Export { .. } | Work::Archive { .. } | Work::Recall { .. } => {
                Self::Moved(MovedCartridges::default())
            }
            Work::Convert { cartridge, format } => {
                Self::Converted(ConvertedCartridge { cartridge: cartridge.clone(), format: *format, converted: false })
            }
        }
    }

    /// The result in the audit record.
    pub(crate) fn summary(&self) -> Value {
        let of_list = |list: &[String]| json!({ "count": list.len(), "first": list.first(), "last": list.last() });
        match self {
            Self::Created(CreatedCartridges { created }) => of_list(created),
            Self::Moved(MovedCartridges { moved }) => of_list(moved),
            Self::Converted(converted) => json!(converted),
            Self::Verified(VerifiedCartridges { verified }) => {
                let damaged = verified.iter().filter(|cartridge| !cartridge.intact).count();
                json!({ "count": verified.len(), "damaged": damaged })
            }
        }
    }
}

impl Site {
    /// Refuses work that cannot succeed in any state of the cartridges.
    pub(super) fn check_work(&self, work: &Work) -> Result<(), ControlError> {
        let count = work.cartridges();
        let member = if matches!(work, Work::Create { .. }) { "count" } else { "cartridges" };
        if !(1..=MAX_CARTRIDGES).contains(&count) {
            let message = format!("{member}: a job has 1 to {MAX_CARTRIDGES} cartridges, not {count}");
            return Err(ControlError::invalid(message).with_member(member));
        }
        match work {
            Work::Create { pool, .. } => self.pool(pool).map(drop)?,
            Work::Convert { cartridge, .. } => drop(self.resolve_cartridge(cartridge)?),
            Work::Import { library, cartridges } | Work::Export { library, cartridges } => {
                library.as_deref().map(|name| self.resolve_library(Some(name))).transpose()?;
                check_distinct(cartridges)?;
            }
            Work::Archive { to, cartridges } => {
                self.target_shelf(to.as_deref())?;
                check_distinct(cartridges)?;
            }
            Work::Verify { cartridges } | Work::Recall { cartridges } => check_distinct(cartridges)?,
        }
        // An import may be of a cartridge whose files were created outside the daemon.
        if let Work::Verify { cartridges }
        | Work::Export { cartridges, .. }
        | Work::Archive { cartridges, .. }
        | Work::Recall { cartridges } = work
        {
            cartridges.iter().try_for_each(|cartridge| self.resolve_cartridge(cartridge).map(drop))?;
        }
        Ok(())
    }

    /// Does the work of a job until it is done or cancelled. The result has what was done, also after an error.
    pub(super) fn do_work(&self, work: &Work, progress: &Progress) -> (JobResult, Result<(), ControlError>) {
        progress.begin(work.cartridges());
        match work {
            Work::Create { pool, count } => {
                let mut created = Vec::new();
                let done = self.create_with_progress(pool, *count, &mut |barcode| {
                    created.push(barcode.to_string());
                    progress.end_cartridge()
                });
                (JobResult::Created(CreatedCartridges { created }), done.map_err(ControlError::from))
            }
            Work::Verify { cartridges } => {
                let mut verified = Vec::new();
                let done = for_each(cartridges, progress, |cartridge| {
                    verified.push(self.verify_cartridge(cartridge, progress)?);
                    Ok(())
                });
                (JobResult::Verified(VerifiedCartridges { verified }), done)
            }
            Work::Convert { cartridge, format } => {
                let done = self.convert_cartridge(cartridge, (*format).into(), progress);
                let converted = *done.as_ref().unwrap_or(&false);
                let result = ConvertedCartridge { cartridge: cartridge.clone(), format: *format, converted };
                let _ = done.as_ref().map(|_| progress.end_cartridge());
                (JobResult::Converted(result), done.map(drop))
            }
            Work::Import { library, cartridges } => {
                Self::move_each(cartridges, progress, |cartridge| self.import_into_slot(library.as_deref(), cartridge))
            }
            Work::Export { library, cartridges } => {
                Self::move_each(cartridges, progress, |cartridge| self.export_from_slot(library.as_deref(), cartridge))
            }
            Work::Archive { to, cartridges } => Self::move_each(cartridges, progress, |cartridge| {
                self.archive_cartridge(cartridge, &self.target_shelf(to.as_deref())?, progress)
            }),
            Work::Recall { cartridges } => {
                Self::move_each(cartridges, progress, |cartridge| self.recall_cartridge(cartridge, progress))
            }
        }
    }

    fn move_each(
        cartridges: &[String],
        progress: &Progress,
        transfer: impl Fn(&str) -> Result<(), ControlError>,
    ) -> (JobResult, Result<(), ControlError>) {
        let mut moved = Vec::new();
        let done = for_each(cartridges, progress, |cartridge| {
            transfer(cartridge)?;
            moved.push(cartridge.to_owned());
            Ok(())
        });
        (JobResult::Moved(MovedCartridges { moved }), done)
    }
}

/// Does the work for one cartridge after the other, until one fails or the job is cancelled.
fn for_each(
    cartridges: &[String],
    progress: &Progress,
    mut work: impl FnMut(&str) -> Result<(), ControlError>,
) -> Result<(), ControlError> {
    for cartridge in cartridges {
        work(cartridge)?;
        if progress.end_cartridge().is_break() {
            break;
        }
    }
    Ok(())
}

/// Refuses a list that names a cartridge twice.
fn check_distinct(cartridges: &[String]) -> Result<(), ControlError> {
    let mut seen = BTreeSet::new();
    match cartridges.iter().find(|cartridge| !seen.insert(cartridge.as_str())) {
        None => Ok(()),
        Some(twice) => {
            let message = format!("cartridges: {twice} is named twice");
            Err(ControlError::invalid(message).with_member("cartridges").with_barcode(twice))
        }
    }
}
