//! Units of a site, which this process has all of: what is said to them.

use crate::log::Log;
use crate::verbs::{self, library::Robot};
use crate::{Door, DoorError, Ear, Heard, minor};
use std::path::PathBuf;
use std::sync::Arc;
use vtl::config::mhvtl::{self, Seat};
use vtl::control::Request;
use vtl::site::Site;

/// What each unit of a site does about messages, in the order of their seats.
///
/// # Errors
/// A seat's number cannot be a unit's.
pub fn ears(site: &Arc<Site>, door: &Door, seats: &[Seat], log: &Log) -> Result<Vec<Ear>, DoorError> {
    let ear = |(seat, ends): (&Seat, _)| {
        let (site, heard, log) = (Arc::clone(site), seat.clone(), log.clone());
        let hear = move |message: &mhvtl_lld::queue::Message| hear(&site, &heard, &log, &message.text);
        Ok(Ear { unit: minor(seat)?, ends, hear: Box::new(hear) })
    };
    seats.iter().zip(door.stops()).map(ear).collect()
}

fn hear(site: &Site, seat: &Seat, log: &Log, text: &str) -> Heard {
    let found = site.library(&seat.library).and_then(|library| Some((library.unit(seat.unit)?, library)));
    let Some((unit, library)) = found else { return Heard::Refused("the unit is gone".into()) };
    if let Some(heard) = verbs::common(&unit, log, text) {
        return heard;
    }
    if seat.unit == 0 {
        return Robot { site, library }.hear(text);
    }
    verbs::drive::setting(&unit, text).unwrap_or_else(|| cartridge(site, seat, text))
}

/// Loads and unloads a drive, which here the robot does.
fn cartridge(site: &Site, seat: &Seat, text: &str) -> Heard {
    let (library, drive) = (Some(seat.library.clone()), format!("drive{}", seat.unit));
    let refused = |error: vtl::library::LibraryError| Heard::Refused(error.to_string());
    if let Some(label) = text.strip_prefix("load ") {
        let request = Request::Load { library, cartridge: label.trim().into(), drive: Some(drive) };
        return site.control(&request).map_or_else(refused, |_| Heard::Silent);
    }
    if text.starts_with("unload") {
        let request = Request::Unload { library, drive };
        // The tool does not wait for an answer, and the next one of its kind must not find it.
        return site.control(&request).map_or_else(refused, |_| Heard::Silent);
    }
    Heard::Refused("it means nothing to a drive".into())
}

/// Saves the contents of libraries that are to, as mhvtl's do when they end.
pub fn save(site: &Site, saved: &[(String, PathBuf)]) {
    for (name, path) in saved {
        let Some(library) = site.library(name) else { continue };
        if let Err(error) = mhvtl::save(&library, path) {
            tracing::warn!(library = name, path = %path.display(), %error, "contents were not saved");
        }
    }
}
