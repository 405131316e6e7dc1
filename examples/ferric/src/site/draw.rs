//! A site as a person sees it at a glance.

use crate::failure::Failure;
use crate::output::{count, line};
use smc::element::{Label, Trouble};
use vtl::clock::day;
use vtl::control::{AlertStatus, CartridgeStatus, DriveStatus, ElementStatus, LibraryStatus, PoolStatus, SiteStatus};
use vtl::inventory::Where;

/// Elements beside each other; a label has ten characters and more only seldom.
const WIDE: usize = 6;

/// Every library with all that is in it, and the shelves.
pub(super) fn site(status: &SiteStatus) -> Result<(), Failure> {
    status.warnings.iter().try_for_each(|warning| line(format!("warning: {warning}")))?;
    for library in &status.libraries {
        line(title(library))?;
        for drive in &library.drives {
            line(format!("  drive {:>3}  {}  {}", drive.element.number, cell(&drive.element), about(drive)))?;
            drive.alerts.iter().try_for_each(|alert| line(format!("             TapeAlert: {alert}")))?;
        }
        rows("io", &library.ports)?;
        rows("slot", &library.slots)?;
        line("")?;
    }
    for (shelf, cartridges) in &status.shelves {
        let all = if cartridges.is_empty() { "empty".into() } else { cartridges.join(" ") };
        line(format!("shelf {shelf}: {all}"))?;
    }
    Ok(())
}

fn title(library: &LibraryStatus) -> String {
    let mut state = Vec::new();
    if !library.online {
        state.push("off line");
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
    format!(
        "{name}  {model}  {serial}  {target} LUN {lun}\n  {state}; {full} of {} full{alerts}",
        count(slots.len() as u64, "slot")
    )
}

fn about(drive: &DriveStatus) -> String {
    let why = drive.refused.as_ref().or(drive.element.unusable.as_ref());
    let is_cleaning = drive.element.kind.as_deref() == Some("cleaning");
    let state = match (&drive.element.cartridge, drive.online, why) {
        (_, false, _) => "off line".into(),
        (None, ..) => "empty".into(),
        (Some(_), _, Some(why)) => format!("cannot use the cartridge: {why}"),
        (Some(_), ..) if is_cleaning => "cleaning cartridge".to_owned(),
        (Some(_), ..) if drive.ejected => "ejected".into(),
        (Some(_), ..) if !drive.threaded => "not threaded".into(),
        (Some(_), ..) => "loaded".into(),
    };
    format!("{}  {}  LUN {}  {state}", drive.model, drive.serial, drive.lun)
}

const fn trouble(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Disabled => "disabled",
        Trouble::Blocked => "blocked",
    }
}

const fn label(label: Label) -> &'static str {
    match label {
        Label::Missing => "label missing",
        Label::Unreadable => "label unreadable",
    }
}

/// What is in an element: a label, marked where something is wrong with it or the element.
fn cell(element: &ElementStatus) -> String {
    let mut marks = String::new();
    marks.extend((element.trouble == Some(Trouble::Disabled)).then_some('x'));
    marks.extend((element.trouble == Some(Trouble::Blocked) || element.unusable.is_some()).then_some('!'));
    marks.extend(element.label.map(|_| '?'));
    format!("{:<10}{marks:<1}", element.cartridge.as_deref().unwrap_or("."))
}

fn rows(name: &str, elements: &[ElementStatus]) -> Result<(), Failure> {
    for row in elements.chunks(WIDE) {
        // A row where nothing is says nothing, unless it is the first.
        let first = row.first().map_or(0, |element| element.number);
        let plain = |element: &ElementStatus| element.cartridge.is_none() && element.trouble.is_none();
        if first > 1 && row.iter().all(plain) {
            continue;
        }
        let cells: Vec<String> = row.iter().map(cell).collect();
        line(format!("  {name:<5} {first:>3}  {}", cells.join(" ").trim_end()))?;
    }
    Ok(())
}

pub(super) fn libraries(status: &SiteStatus) -> Result<(), Failure> {
    for library in &status.libraries {
        line(title(library))?;
    }
    Ok(())
}

pub(super) fn drives(status: &SiteStatus) -> Result<(), Failure> {
    for library in &status.libraries {
        for drive in &library.drives {
            let DriveStatus { element, .. } = drive;
            line(format!(
                "{}  drive{}  {}  {}  {}",
                library.name,
                element.number,
                element.address,
                cell(element),
                about(drive)
            ))?;
            drive.alerts.iter().try_for_each(|alert| line(format!("  TapeAlert: {alert}")))?;
        }
    }
    Ok(())
}

pub(super) fn slots(status: &SiteStatus) -> Result<(), Failure> {
    for library in &status.libraries {
        for (kind, elements) in [("slot", &library.slots), ("io", &library.ports)] {
            for element in elements {
                let state = [element.trouble.map(trouble), element.label.map(label)].into_iter().flatten();
                let mut state: String = state.map(|state| format!("  {state}")).collect();
                if let Some(reason) = &element.unusable {
                    state += &format!("  cannot be used: {reason}");
                }
                let (number, address) = (element.number, element.address);
                let text = format!("{}  {kind}{number}  {address}  {}{state}", library.name, cell(element));
                line(text.trim_end())?;
            }
        }
    }
    Ok(())
}

pub(super) fn pools(pools: &[PoolStatus]) -> Result<(), Failure> {
    if pools.is_empty() {
        return line("there are no pools");
    }
    for PoolStatus { pool, pattern, library, size, cartridges, scratch, wanted } in pools {
        let size = crate::output::size(*size);
        let many = count(*cartridges as u64, "cartridge");
        line(format!("{pool}  {pattern}  {size}  {library}  {many}, {scratch} blank, {wanted} wanted"))?;
    }
    Ok(())
}

pub(super) fn cartridges(cartridges: &[CartridgeStatus]) -> Result<(), Failure> {
    for cartridge in cartridges {
        let place = match &cartridge.place {
            Where::Element { library, address, .. } => match &cartridge.element {
                Some(element) => format!("{library} {element}"),
                None => format!("{library} element {address}"),
            },
            Where::Shelf(shelf) => format!("shelf {shelf}"),
        };
        let what = match cartridge.cleanings_left {
            Some(left) => format!("cleaning cartridge, {} left", count(left, "use")),
            None if cartridge.kind.as_deref() == Some("cleaning") => "cleaning cartridge".into(),
            None => crate::output::size(cartridge.size),
        };
        let mut words = vec![format!("{:<10}", cartridge.cartridge), what, place];
        words.extend(cartridge.pool.as_ref().map(|pool| format!("pool {pool}")));
        words.extend(cartridge.blank.filter(|blank| *blank && cartridge.unusable.is_none()).map(|_| "blank".into()));
        words.extend(cartridge.label.map(|state| label(state).into()));
        words.extend(cartridge.unusable.as_ref().map(|reason| format!("cannot be used: {reason}")));
        words.extend(cartridge.write_protected.then(|| "write-protected".into()));
        words.extend(cartridge.retained_until.map(|until| format!("retained until {}", day(until))));
        line(words.join("  "))?;
    }
    Ok(())
}

pub(super) fn alerts(alerts: &[AlertStatus]) -> Result<(), Failure> {
    if alerts.is_empty() {
        return line("no TapeAlert flag is raised");
    }
    for AlertStatus { library, drive, flag, name, raised } in alerts {
        let of = drive.as_deref().unwrap_or("changer");
        let raised = if *raised { "raised" } else { "not raised" };
        line(format!("{library}  {of:<8}  {flag:>2}  {name}  {raised}"))?;
    }
    Ok(())
}
