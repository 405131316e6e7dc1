//! Units of a site, which this process has all of: what is said to them.

use crate::log::Log;
use crate::verbs::{self, library::LibraryHandler};
use crate::{Frontend, FrontendError, MessageHandler, Reply, minor};
use std::path::PathBuf;
use std::sync::Arc;
use vtl::config::mhvtl::{self, DeviceSlot};
use vtl::control::Request;
use vtl::site::Site;

/// What each unit of a site does about messages, in the order of their seats.
///
/// # Errors
/// A seat's number cannot be a unit's.
pub fn message_handlers(
    site: &Arc<Site>,
    door: &Frontend,
    seats: &[DeviceSlot],
    log: &Log,
) -> Result<Vec<MessageHandler>, FrontendError> {
    let ear = |(seat, ends): (&DeviceSlot, _)| {
        let (site, heard, log) = (Arc::clone(site), seat.clone(), log.clone());
        let hear = move |message: &mhvtl_lld::queue::Message| receive(&site, &heard, &log, &message.text);
        Ok(MessageHandler { unit: minor(seat)?, exit_requested: ends, receive: Box::new(hear) })
    };
    seats.iter().zip(door.stop_flags()).map(ear).collect()
}

fn receive(site: &Site, seat: &DeviceSlot, log: &Log, text: &str) -> Reply {
    let found = site.library(&seat.library).and_then(|library| Some((library.unit(seat.unit)?, library)));
    let Some((unit, library)) = found else { return Reply::Rejected("the unit is gone".into()) };
    if let Some(heard) = verbs::common(&unit, log, text) {
        return heard;
    }
    if seat.unit == 0 {
        return LibraryHandler { site, library }.receive(text);
    }
    verbs::drive::apply_setting(&unit, text).unwrap_or_else(|| load_or_unload(site, seat, text))
}

/// Loads and unloads a drive, which here the robot does.
fn load_or_unload(site: &Site, seat: &DeviceSlot, text: &str) -> Reply {
    let (library, drive) = (Some(seat.library.clone()), format!("drive{}", seat.unit));
    let refused = |error: vtl::library::LibraryError| Reply::Rejected(error.to_string());
    if let Some(label) = text.strip_prefix("load ") {
        let request = Request::Load { library, cartridge: label.trim().into(), drive: Some(drive) };
        return site.control(&request).map_or_else(refused, |_| Reply::NoReply);
    }
    if text.starts_with("unload") {
        let request = Request::Unload { library, drive };
        // The tool does not wait for an answer, and the next one of its kind must not find it.
        return site.control(&request).map_or_else(refused, |_| Reply::NoReply);
    }
    Reply::Rejected("it means nothing to a drive".into())
}

/// Saves the contents of libraries that are to, as mhvtl's do when they end.
pub fn save_contents(site: &Site, saved: &[(String, PathBuf)]) {
    for (name, path) in saved {
        let Some(library) = site.library(name) else { continue };
        if let Err(error) = mhvtl::save_contents(&library, path) {
            tracing::warn!(library = name, path = %path.display(), %error, "contents were not saved");
        }
    }
}
