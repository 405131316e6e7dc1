//! Names that are made once, and LUNs.

use super::LibraryError;
use crate::config::LibrarySetup;
use crate::data_dir::UnitIdentity;
use crate::keeper::Change;
use crate::shared::Shared;
use crate::target::{LUNS, Target};
use smc::element::ElementType;
use std::collections::{BTreeMap, BTreeSet};

/// A locally assigned NAA (type 3), and the serial number from its last ten digits, as LTO drives have it.
fn unit_identity() -> Result<UnitIdentity, LibraryError> {
    let naa = format!("3{}", random_hex(8)?.get(1..).unwrap_or_default());
    let serial = naa.get(6..).unwrap_or_default().to_uppercase();
    Ok(UnitIdentity { serial, naa, ..UnitIdentity::default() })
}

pub(crate) fn random_hex(bytes: usize) -> Result<String, LibraryError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(LibraryError::Random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// LUNs of a target that other libraries of the configuration have, whether or not they are there yet.
fn luns_of_others(
    shared: &Shared,
    setup: &LibrarySetup,
    target: &Target,
    all: &[LibrarySetup],
) -> Result<BTreeSet<usize>, LibraryError> {
    let mut taken = BTreeSet::new();
    for other in all.iter().filter(|other| other.name != setup.name) {
        let units: BTreeMap<String, UnitIdentity> = shared.keeper.all(&format!("identity/{}/", other.name))?;
        taken.extend(units.into_values().filter(|unit| unit.target == target.name()).map(|unit| unit.lun));
    }
    Ok(taken)
}

/// Names and LUNs of a library's units, made for each that is new.
pub(crate) fn identities(
    shared: &Shared,
    setup: &LibrarySetup,
    target: &Target,
    all: &[LibrarySetup],
) -> Result<Vec<UnitIdentity>, LibraryError> {
    let mut change = Change::default();
    let mut taken = luns_of_others(shared, setup, target, all)?;
    let drives = setup.drives.iter().enumerate().map(|(index, drive)| (format!("drive/{index}"), &drive.names));
    let mut named = Vec::new();
    for (unit, given) in std::iter::once(("changer".to_owned(), &setup.names)).chain(drives) {
        let key = format!("identity/{}/{unit}", setup.name);
        let known: Option<UnitIdentity> = shared.keeper.get(&key)?;
        let mut identity = known.clone().map_or_else(unit_identity, Ok)?;
        given.serial.iter().for_each(|serial| identity.serial.clone_from(serial));
        given.naa.iter().for_each(|naa| identity.naa.clone_from(naa));
        named.push((key, known, identity));
    }
    // Units that have their LUN keep it; those that are new find one behind them.
    let moves = setup.lun.is_some_and(|first| named.first().is_some_and(|(.., changer)| changer.lun != first));
    let keeps = |identity: &UnitIdentity, taken: &BTreeSet<usize>| {
        identity.target == target.name() && !moves && !taken.contains(&identity.lun)
    };
    if let Some(first) = setup.lun.filter(|first| taken.contains(first)) {
        let message = format!("LUN {first} of target {} is another library's", target.name());
        return Err(setup.shape_error(ElementType::TRANSPORT, message).into());
    }
    for (_, _, identity) in &mut named {
        if keeps(identity, &taken) {
            taken.insert(identity.lun);
        } else {
            identity.target.clear();
        }
    }
    for (key, known, identity) in &mut named {
        if identity.target.is_empty() {
            let after = taken.last().map_or(0, |last| last + 1);
            let first = setup.lun.unwrap_or(after);
            let lun = (first..LUNS).find(|lun| !taken.contains(lun)).ok_or_else(|| {
                let message = format!("target {} has no LUN left", target.name());
                setup.shape_error(ElementType::TRANSPORT, message)
            })?;
            (identity.lun, identity.target) = (lun, target.name().into());
            taken.insert(lun);
        }
        if known.as_ref() != Some(identity) {
            change.set(key.as_str(), identity)?;
        }
    }
    shared.keeper.keep(change)?;
    Ok(named.into_iter().map(|(_, _, identity)| identity).collect())
}
