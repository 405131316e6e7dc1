//! Listings of a site and its parts, as text.

use super::events::time_text;
use super::notify::target_text;
use crate::cli_error::CliError;
use crate::output::{format_count, print_line};
use smc::element::{ElementFault, LabelDefect};
use vtl::clock::day;
use vtl::control::{
    AlertStatus, CartridgeStatus, ChassisStatus, DriveStatus, ElementStatus, LibraryStatus, PoolStatus, SiteStatus,
    ThawStatus,
};
use vtl::inventory::Location;
use vtl::sessions::{IscsiSession, SessionState};
use vtl::tokens::TokenStatus;

/// Elements in a row; few barcodes have more than ten characters.
const COLUMNS: usize = 6;

/// Prints every library with its drives and elements, and the shelves.
pub(super) fn print_site(status: &SiteStatus) -> Result<(), CliError> {
    status.warnings.iter().try_for_each(|warning| print_line(format!("warning: {warning}")))?;
    status.portals.iter().try_for_each(|portal| print_line(format!("iSCSI portal {portal}")))?;
    status.http.iter().try_for_each(|url| print_line(format!("HTTP API {url}")))?;
    status.notify.iter().try_for_each(|target| print_line(format!("notify {}", target_text(target))))?;
    status.object_shelves.iter().try_for_each(|shelf| print_line(crate::shelf::status::line(shelf)))?;
    status.chassis.iter().try_for_each(print_chassis)?;
    if status.libraries.is_empty() {
        print_line("the site has no library")?;
    }
    for library in &status.libraries {
        print_line(title(library))?;
        for drive in &library.drives {
            print_line(format!(
                "  drive {:>3}  {}  {}",
                drive.element.number,
                element_text(&drive.element),
                drive_text(drive)
            ))?;
            drive.alerts.iter().try_for_each(|alert| print_line(format!("             TapeAlert: {alert}")))?;
        }
        print_elements("io", &library.io_elements)?;
        print_elements("slot", &library.slots)?;
        print_line("")?;
    }
    for (shelf, cartridges) in &status.shelves {
        let all = if cartridges.is_empty() { "empty".into() } else { cartridges.join(" ") };
        print_line(format!("shelf {shelf}: {all}"))?;
    }
    Ok(())
}

/// Prints a chassis, and a line for each of its partitions.
fn print_chassis(chassis: &ChassisStatus) -> Result<(), CliError> {
    let ChassisStatus { name, model, serial, slots, import_export, drives, shared_station, partitions } = chassis;
    let station = if *shared_station { "shared" } else { "divided" };
    print_line(format!(
        "chassis {name}  {model}  {serial}\n  {}, {}, {station} I/O station of {import_export}",
        format_count((*slots).into(), "slot"),
        format_count((*drives).into(), "drive"),
    ))?;
    for partition in partitions {
        let share = |what: &str, numbers: Option<[u16; 2]>| match numbers {
            Some([first, last]) if first == last => format!("{what} {first}"),
            Some([first, last]) => format!("{what}s {first} to {last}"),
            None => format!("no {what}"),
        };
        print_line(format!(
            "  partition {:>2}  {}  {}  {}, {}, {}",
            partition.number,
            partition.library,
            partition.serial,
            share("slot", partition.slots),
            share("I/O slot", partition.import_export),
            share("drive", partition.drives)
        ))?;
    }
    print_line("")
}

fn title(library: &LibraryStatus) -> String {
    let mut state = Vec::new();
    if library.faulty.is_some() {
        state.push("faulty");
    }
    if !library.online {
        state.push("offline");
    }
    if library.door_open {
        state.push("access door open");
    }
    if library.station_open {
        state.push("I/O station open");
    }
    let alerts = match library.alerts.as_slice() {
        [] => String::new(),
        alerts => format!("\n  TapeAlert: {}", alerts.join(", ")),
    };
    let state = if state.is_empty() { "ready".into() } else { state.join(", ") };
    let full = library.slots.iter().filter(|slot| slot.cartridge.is_some()).count();
    let LibraryStatus { name, model, serial, target, lun, slots, .. } = library;
    if library.robot_elsewhere {
        return format!("{name}  {model}  {serial}  {target}\n  drives only; another daemon has the robot{alerts}");
    }
    let time = library.time.as_ref().map(|time| modelled_time_text(&time.mode, time.modelled_ms)).unwrap_or_default();
    format!(
        "{name}  {model}  {serial}  {target} LUN {lun}\n  {state}; {full} of {} full{time}{alerts}",
        format_count(slots.len() as u64, "slot")
    )
}

fn drive_text(drive: &DriveStatus) -> String {
    let why = drive.refused.as_ref().or(drive.element.unusable.as_ref());
    let is_cleaning = drive.element.kind.as_deref() == Some("cleaning");
    let state = match (&drive.element.cartridge, drive.online, why) {
        (_, false, _) => "offline".into(),
        _ if drive.faulty.is_some() => "faulty".into(),
        (None, ..) => "empty".into(),
        (Some(_), _, Some(why)) => format!("cannot use the cartridge: {why}"),
        (Some(_), ..) if is_cleaning => "cleaning cartridge".to_owned(),
        (Some(_), ..) if drive.ejected => "ejected".into(),
        (Some(_), ..) if let Some(ThawStatus { ready, objects }) = drive.thawing => {
            format!("being thawed, {ready} of {}", format_count(objects, "object"))
        }
        (Some(_), ..) if !drive.threaded => "not threaded".into(),
        (Some(_), ..) => "loaded".into(),
    };
    if let Some(daemon) = &drive.daemon {
        let state = if drive.element.cartridge.is_some() && drive.online { "full" } else { state.as_str() };
        return format!("{}  {}  of daemon {daemon}  {state}", drive.model, drive.serial);
    }
    let time = drive.time.as_ref().map(|time| modelled_time_text(&time.mode, time.modelled_ms)).unwrap_or_default();
    format!("{}  {}  LUN {}  {state}{time}", drive.model, drive.serial, drive.lun)
}

/// The time mode of a unit, and the time that hardware would have taken.
fn modelled_time_text(mode: &str, modelled_ms: u64) -> String {
    format!(", time {mode}: {}.{:03} s", modelled_ms / 1000, modelled_ms % 1000)
}

const fn fault_text(fault: ElementFault) -> &'static str {
    match fault {
        ElementFault::Disabled => "disabled",
        ElementFault::Blocked => "blocked",
    }
}

const fn label_text(label: LabelDefect) -> &'static str {
    match label {
        LabelDefect::Missing => "label missing",
        LabelDefect::Unreadable => "label unreadable",
    }
}

/// The barcode in an element, with a mark for each fault of the cartridge or the element.
fn element_text(element: &ElementStatus) -> String {
    let mut marks = String::new();
    marks.extend((element.fault == Some(ElementFault::Disabled)).then_some('x'));
    marks.extend((element.fault == Some(ElementFault::Blocked) || element.unusable.is_some()).then_some('!'));
    marks.extend(element.label.map(|_| '?'));
    format!("{:<10}{marks:<1}", element.cartridge.as_deref().unwrap_or("."))
}

fn print_elements(name: &str, elements: &[ElementStatus]) -> Result<(), CliError> {
    for row in elements.chunks(COLUMNS) {
        // An empty row is left out, unless it is the first.
        let first = row.first().map_or(0, |element| element.number);
        let plain = |element: &ElementStatus| element.cartridge.is_none() && element.fault.is_none();
        if first > 1 && row.iter().all(plain) {
            continue;
        }
        let cells: Vec<String> = row.iter().map(element_text).collect();
        print_line(format!("  {name:<5} {first:>3}  {}", cells.join(" ").trim_end()))?;
    }
    Ok(())
}

pub(super) fn print_libraries(status: &SiteStatus) -> Result<(), CliError> {
    for library in &status.libraries {
        print_line(title(library))?;
    }
    Ok(())
}

pub(super) fn print_drives(status: &SiteStatus) -> Result<(), CliError> {
    for library in &status.libraries {
        for drive in &library.drives {
            let DriveStatus { element, .. } = drive;
            print_line(format!(
                "{}  drive{}  {}  {}  {}",
                library.name,
                element.number,
                element.address,
                element_text(element),
                drive_text(drive)
            ))?;
            drive.alerts.iter().try_for_each(|alert| print_line(format!("  TapeAlert: {alert}")))?;
        }
    }
    Ok(())
}

pub(super) fn print_slots(status: &SiteStatus) -> Result<(), CliError> {
    for library in &status.libraries {
        for (kind, elements) in [("slot", &library.slots), ("io", &library.io_elements)] {
            for element in elements {
                let state = [element.fault.map(fault_text), element.label.map(label_text)].into_iter().flatten();
                let mut state: String = state.map(|state| format!("  {state}")).collect();
                if let Some(reason) = &element.unusable {
                    state += &format!("  cannot be used: {reason}");
                }
                let (number, address) = (element.number, element.address);
                let text = format!("{}  {kind}{number}  {address}  {}{state}", library.name, element_text(element));
                print_line(text.trim_end())?;
            }
        }
    }
    Ok(())
}

pub(super) fn print_pools(pools: &[PoolStatus]) -> Result<(), CliError> {
    if pools.is_empty() {
        return print_line("there are no pools");
    }
    for PoolStatus { pool, pattern, library, size, cartridges, scratch, wanted } in pools {
        let size = crate::output::format_size(*size);
        let many = format_count(*cartridges as u64, "cartridge");
        print_line(format!("{pool}  {pattern}  {size}  {library}  {many}, {scratch} blank, {wanted} wanted"))?;
    }
    Ok(())
}

pub(super) fn print_cartridges(cartridges: &[CartridgeStatus]) -> Result<(), CliError> {
    for cartridge in cartridges {
        let place = match &cartridge.location {
            Location::Element { library, address, .. } => match &cartridge.element {
                Some(element) => format!("{library} {element}"),
                None => format!("{library} element {address}"),
            },
            Location::Shelf(shelf) => format!("shelf {shelf}"),
        };
        let what = match cartridge.cleanings_left {
            Some(left) => format!("cleaning cartridge, {} left", format_count(left, "use")),
            None if cartridge.kind.as_deref() == Some("cleaning") => "cleaning cartridge".into(),
            None => crate::output::format_size(cartridge.size),
        };
        let mut words = vec![format!("{:<10}", cartridge.cartridge), what, place];
        words.extend(cartridge.shelf_name.as_ref().map(|shelf| format!("files on shelf {shelf}")));
        let unshelved = cartridge.unshelved_bytes.map(crate::output::format_size);
        words.extend(unshelved.map(|size| format!("{size} not shelved yet")));
        words.extend(cartridge.pool.as_ref().map(|pool| format!("pool {pool}")));
        words.extend(cartridge.blank.filter(|blank| *blank && cartridge.unusable.is_none()).map(|_| "blank".into()));
        words.extend(cartridge.label.map(|state| label_text(state).into()));
        words.extend(cartridge.unusable.as_ref().map(|reason| format!("cannot be used: {reason}")));
        words.extend(cartridge.write_protected.then(|| "write-protected".into()));
        words.extend(cartridge.legal_hold.then(|| "under a legal hold".into()));
        words.extend(cartridge.retained_until.map(|until| format!("retained until {}", day(until))));
        print_line(words.join("  "))?;
    }
    Ok(())
}

pub(super) fn print_tokens(tokens: &[TokenStatus]) -> Result<(), CliError> {
    if tokens.is_empty() {
        return print_line("there are no tokens");
    }
    tokens.iter().try_for_each(|TokenStatus { name, role, created }| {
        print_line(format!("{name}  {}  created {}", role.name(), day(*created)))
    })
}

pub(super) fn print_sessions(sessions: &[IscsiSession]) -> Result<(), CliError> {
    if sessions.is_empty() {
        return print_line("no host is logged in");
    }
    for IscsiSession { portal, session } in sessions {
        let SessionState { initiator, target, peer, since, commands, received_bytes, sent_bytes, .. } = session;
        let [received, sent] = [received_bytes, sent_bytes].map(|bytes| crate::output::format_size(*bytes));
        let commands = format_count(*commands, "command");
        print_line(format!("{initiator}  from {peer}  to {target} at {portal}  since {}", time_text(*since)))?;
        print_line(format!("  {commands}, {received} received, {sent} sent"))?;
    }
    Ok(())
}

pub(super) fn print_alerts(alerts: &[AlertStatus]) -> Result<(), CliError> {
    if alerts.is_empty() {
        return print_line("no TapeAlert flag is raised");
    }
    for AlertStatus { library, drive, flag, name, raised } in alerts {
        let of = drive.as_deref().unwrap_or("changer");
        let raised = if *raised { "raised" } else { "not raised" };
        print_line(format!("{library}  {of:<8}  {flag:>2}  {name}  {raised}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_shows_how_far_its_cartridge_is_thawed() {
        let text = r#"{"number":1,"address":500,"cartridge":"V1L8","kind":"data","model":"ULT3580-TD8","serial":"1","lun":1,
                       "online":true,"ejected":false,"threaded":false,"thawing":{"ready":3,"objects":12}}"#;
        let drive: DriveStatus = serde_json::from_str(text).unwrap();
        assert_eq!(drive_text(&drive), "ULT3580-TD8  1  LUN 1  being thawed, 3 of 12 objects");
        let ejected = DriveStatus { thawing: None, ejected: true, ..drive };
        assert_eq!(drive_text(&ejected), "ULT3580-TD8  1  LUN 1  ejected");
    }
}
