//! The result of a configuration: directories, targets and LUNs, places of new cartridges. A site is opened with these
//! functions, and `ferric config check` runs them for a new data directory.

use super::directories::{check_directories, group_number};
use super::{CartridgeSetup, Config, ConfigError, LibrarySetup, NotifySetup};
use crate::target::MAX_LUNS;
use smc::element::ElementAddress;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The longest name of an iSCSI target (RFC 7143 §4.2.7.1).
const MAX_TARGET_NAME: usize = 223;

/// Resolves a configuration as a new data directory would: what this refuses, the daemon refuses, too.
///
/// # Errors
/// The first fault, with file, line, key and what would be right.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    check_directories(config)?;
    group_number(config)?;
    config.faults.read()?;
    config.notify.iter().try_for_each(NotifySetup::check_files)?;
    let base = config.iscsi.iqn.clone().unwrap_or_else(|| "iqn.2026-01.org.ferric-vtl:00000000".into());
    let mut luns: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (number, setup) in config.libraries.iter().enumerate() {
        let target = target_name(&base, number, setup)?;
        let taken = luns.entry(target.clone()).or_default();
        taken.extend(assign_luns(setup, &target, &vec![None; setup.drives.len() + 1], taken.clone())?);
        assign_elements(setup, &BTreeSet::new(), &setup.cartridges.iter().enumerate().collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The first library is behind the site's own name, others behind that and their own, if no target is given.
pub(crate) fn target_name(base: &str, number: usize, setup: &LibrarySetup) -> Result<String, ConfigError> {
    let name = match &setup.target {
        Some(whole) if whole.contains('.') => whole.clone(),
        Some(end) => format!("{base}:{end}"),
        None if number == 0 => base.into(),
        None => format!("{base}:{}", setup.name),
    };
    if name.len() <= MAX_TARGET_NAME {
        return Ok(name);
    }
    let message = format!("target name {name:?} is longer than {MAX_TARGET_NAME} characters");
    Err(setup.error(setup.lines.target, "library.target", message))
}

/// LUNs of a library's units behind a target. `current` has the LUN that each unit had there before, if it had one; `taken`
/// are those of other libraries.
pub(crate) fn assign_luns(
    setup: &LibrarySetup,
    target: &str,
    current: &[Option<usize>],
    mut taken: BTreeSet<usize>,
) -> Result<Vec<usize>, ConfigError> {
    let wrong = |message: String| setup.error(setup.lines.lun, "library.lun", message);
    // Units that have their LUN keep it, unless the library is moved.
    let moves = setup.lun.is_some_and(|first| current.first().copied().flatten().is_some_and(|lun| lun != first));
    if let Some(first) = setup.lun.filter(|first| taken.contains(first)) {
        return Err(wrong(format!("LUN {first} of target {target} is another library's")));
    }
    let mut luns: Vec<Option<usize>> =
        current.iter().map(|lun| lun.filter(|lun| !moves && taken.insert(*lun))).collect();
    if let Some(first) = setup.lun.filter(|_| luns.iter().all(Option::is_none)) {
        let all: Vec<usize> = (first..).take(luns.len()).collect();
        let last = all.last().copied().unwrap_or(first);
        if last >= MAX_LUNS {
            return Err(wrong(format!("its last unit would have LUN {last}: LUNs are below {MAX_LUNS}")));
        }
        if let Some(lun) = all.iter().find(|lun| taken.contains(lun)) {
            let message =
                format!("LUNs {first} to {last} of target {target} overlap another library's, which has {lun}");
            return Err(wrong(message));
        }
        return Ok(all);
    }
    for lun in luns.iter_mut().filter(|lun| lun.is_none()) {
        let first = setup.lun.unwrap_or_else(|| taken.last().map_or(0, |last| last + 1));
        let free = (first..MAX_LUNS).find(|lun| !taken.contains(lun));
        let free = free.ok_or_else(|| wrong(format!("target {target} has no LUN left")))?;
        taken.insert(free);
        *lun = Some(free);
    }
    Ok(luns.into_iter().flatten().collect())
}

/// Elements of cartridges that are new in a library. `taken` are the elements that hold a cartridge; each new one comes with
/// its number in the list of the library.
pub(crate) fn assign_elements<'a>(
    setup: &LibrarySetup,
    taken: &BTreeSet<ElementAddress>,
    new: &[(usize, &'a CartridgeSetup)],
) -> Result<Vec<(&'a CartridgeSetup, ElementAddress)>, ConfigError> {
    let mut taken = taken.clone();
    // Cartridges with a configured element are assigned before the others, which get free slots.
    let configured: BTreeSet<ElementAddress> = new.iter().filter_map(|(_, cartridge)| cartridge.element).collect();
    let is_free = |at: &ElementAddress| !taken.contains(at) && !configured.contains(at);
    let mut free: VecDeque<ElementAddress> = setup.layout.storage.addresses().filter(is_free).collect();
    let mut placed = Vec::new();
    for (number, cartridge) in new {
        let own = cartridge.element.filter(|at| taken.insert(*at));
        let address = own.or_else(|| free.pop_front()).ok_or_else(|| {
            let message = format!(
                "no slot of {} is left for cartridge {}; give more slots or list fewer cartridges",
                setup.layout.storage.count, cartridge.barcode
            );
            // The number of slots, if the file gives it.
            match setup.lines.cartridges.get(*number) {
                Some(line) if setup.lines.slots == setup.lines.library => {
                    setup.error(*line, "cartridges.pattern", message)
                }
                _ => setup.error(setup.lines.slots, "library.slots", message),
            }
        })?;
        placed.push((*cartridge, address));
    }
    Ok(placed)
}
