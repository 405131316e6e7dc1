//! `[[library.drive]]`.

use super::pages::{check_drive_pages, pages};
use super::source::Source;
use super::values::{identifier, names, number_or_one, required, strings, time_mode};
use crate::config::tables::{DriveTable, Tables};
use crate::config::{ConfigError, DriveSetup, UnitNames};
use scsi_core::page_override::{PageOverrides, TAPE_DRIVE};
use scsi_core::time::TimeMode;
use tape_store::medium::Codec;

/// The drives of a library whose time mode is `time`.
pub(super) fn drives(
    source: &Source<'_>,
    tables: Option<Tables<DriveTable>>,
    time: TimeMode,
) -> Result<Vec<DriveSetup>, ConfigError> {
    let Some(tables) = tables else {
        let (profile, codec) = (&ssc::profile::ULT3580_TD8, Codec::zstd(1));
        let (names, strings) = (UnitNames::default(), profile.model.into());
        return Ok(vec![
            DriveSetup {
                profile,
                codec,
                names,
                strings,
                time,
                daemon: None,
                pages: PageOverrides::default()
            };
            2
        ]);
    };
    let mut drives = Vec::new();
    for table in tables {
        let at = table.span().start;
        let table = table.into_inner();
        let text = required(source, &table.model, "drive.model", at)?;
        let model = text.get_ref();
        let profile = ssc::profile::by_product(model).ok_or_else(|| {
            let known: Vec<_> = ssc::profile::ALL.iter().map(|profile| profile.name()).collect();
            let message = format!("unknown drive {model:?}; known are {}", known.join(", "));
            source.error(text.span().start, "drive.model", message)
        })?;
        let names = names(source, "drive", table.serial.as_ref(), table.naa.as_ref())?;
        let strings = strings(source, "drive", [&table.vendor, &table.product, &table.revision], profile.model)?;
        let count = number_or_one(&table.count);
        let count_at = table.count.as_ref().map_or(at, |count| count.span().start);
        if count == 0 {
            return Err(source.error(count_at, "drive.count", "expected a number of drives of at least 1, not 0"));
        }
        if count > 1 && names != UnitNames::default() {
            return Err(source.error(count_at, "drive.count", "one name cannot be that of several drives"));
        }
        let codec = match &table.compression {
            None => Codec::zstd(1),
            Some(text) => Codec::parse(text.get_ref())
                .map_err(|error| source.error(text.span().start, "drive.compression", error.to_string()))?,
        };
        let time = time_mode(source, table.time.as_ref(), "drive.time", time)?;
        let daemon = table.daemon.as_ref().map(|text| identifier(source, text, "drive.daemon")).transpose()?;
        let pages = pages(source, "drive.page", table.page, TAPE_DRIVE)?;
        let mut drive = DriveSetup { profile, codec, names, strings, time, daemon, pages: PageOverrides::default() };
        drive.pages = check_drive_pages(source, pages, &drive, count)?;
        drives.extend(std::iter::repeat_n(drive, count.into()));
    }
    Ok(drives)
}
