//! Messages to the units of a site, all of which this process serves.

use crate::log::Log;
use crate::verbs;
use crate::verbs::library::{LibraryHandler, request};
use crate::{Frontend, FrontendError, MessageHandler, Reply, minor};
use std::path::PathBuf;
use std::sync::Arc;
use vtl::Unit;
use vtl::audit::{Actor, ActorKind};
use vtl::config::mhvtl::{self, DeviceSlot};
use vtl::control::{ControlError, ControlRequest};
use vtl::site::Site;

/// Creates the message handlers of the units of a site, in the order of the device slots.
///
/// # Errors
/// The number of a slot is not a valid minor number.
pub fn message_handlers(
    site: &Arc<Site>,
    frontend: &Frontend,
    slots: &[DeviceSlot],
    log: &Log,
) -> Result<Vec<MessageHandler>, FrontendError> {
    let handler = |(slot, exit_requested): (&DeviceSlot, _)| {
        let (site, owned_slot, log) = (Arc::clone(site), slot.clone(), log.clone());
        let handle = move |message: &mhvtl_lld::queue::Message| receive(&site, &owned_slot, &log, &message.text);
        Ok(MessageHandler { unit: minor(slot)?, exit_requested, receive: Box::new(handle) })
    };
    slots.iter().zip(frontend.stop_flags()).map(handler).collect()
}

fn receive(site: &Site, slot: &DeviceSlot, log: &Log, text: &str) -> Reply {
    let unit_and_library = site.library(&slot.library).and_then(|library| Some((library.unit(slot.unit)?, library)));
    let Some((unit, library)) = unit_and_library else { return Reply::Rejected("the unit no longer exists".into()) };
    if let Some(flags) = text.strip_prefix("TapeAlert") {
        return set_alerts(site, slot, &unit, flags);
    }
    if let Some(reply) = verbs::common(&unit, log, text) {
        return reply;
    }
    if slot.unit == 0 {
        return LibraryHandler { site, library }.receive(text);
    }
    verbs::drive::apply_setting(&unit, text).unwrap_or_else(|| load_or_unload(site, slot, text))
}

/// Sets the TapeAlert flags that differ.
fn set_alerts(site: &Site, slot: &DeviceSlot, unit: &Unit, text: &str) -> Reply {
    let wanted = match verbs::parse_alerts(text) {
        Ok(wanted) => wanted,
        Err(message) => return Reply::Rejected(message),
    };
    let present = unit.alerts();
    for flag in (1..=64).filter(|flag| present.is_set(*flag) != wanted.contains(flag)) {
        let drive = (slot.unit > 0).then(|| format!("drive{}", slot.unit));
        let raised = wanted.contains(&flag);
        let alert = ControlRequest::Alert { library: Some(slot.library.clone()), drive, flag, raised };
        if let Err(error) = request(site, &alert) {
            return Reply::Rejected(error.to_string());
        }
    }
    Reply::NoReply
}

/// Loads or unloads a drive; the robot moves the cartridge.
fn load_or_unload(site: &Site, slot: &DeviceSlot, text: &str) -> Reply {
    let (library, drive) = (Some(slot.library.clone()), format!("drive{}", slot.unit));
    let refused = |error: ControlError| Reply::Rejected(error.to_string());
    if let Some(label) = text.strip_prefix("load ") {
        let load = ControlRequest::Load { library, cartridge: label.trim().into(), drive: Some(drive) };
        return request(site, &load).map_or_else(refused, |()| Reply::NoReply);
    }
    if text.starts_with("unload") {
        let unload = ControlRequest::Unload { library, drive };
        // The tool does not wait for a reply; its next call would mistake this one for its reply.
        return request(site, &unload).map_or_else(refused, |()| Reply::NoReply);
    }
    Reply::Rejected("unknown message for a drive".into())
}

/// Reloads the configuration of a site, after SIGHUP.
///
/// # Errors
/// The configuration is invalid, or a change requires a restart.
pub fn reload(site: &Site) -> Result<(), ControlError> {
    site.control_as(&Actor::new(ActorKind::Signal, "SIGHUP"), &ControlRequest::Reload).map(drop)
}

/// Saves the contents of these libraries to their files, as mhvtl's daemons do at exit.
pub fn save_contents(site: &Site, files: &[(String, PathBuf)]) {
    for (name, path) in files {
        let Some(library) = site.library(name) else { continue };
        if let Err(error) = mhvtl::save_contents(&library, path) {
            tracing::warn!(library = name, path = %path.display(), %error, "cannot save the library contents");
        }
    }
}
