//! Assigns unit identities, which are generated once, and LUNs.

use super::LibraryError;
use crate::config::{ChassisSetup, LibrarySetup, UnitNames, assign_luns};
use crate::data_dir::UnitIdentity;
use crate::shared::Shared;
use crate::state_store::Transaction;
use crate::target::Target;
use scsi_core::hex::Hex;
use std::collections::{BTreeMap, BTreeSet};

/// Generates a locally assigned NAA designator (NAA 3h), and the serial number from its last ten digits, as on LTO
/// drives.
fn new_unit_identity() -> Result<UnitIdentity, LibraryError> {
    let naa = format!("3{}", random_hex(8)?.get(1..).unwrap_or_default());
    let serial = naa.get(6..).unwrap_or_default().to_uppercase();
    Ok(UnitIdentity { serial, naa, ..UnitIdentity::default() })
}

/// The key of the stored identity of a unit.
pub(crate) fn key(library: &str, unit: &str) -> String {
    format!("identity/{library}/{unit}")
}

pub(crate) fn random_hex(bytes: usize) -> Result<String, LibraryError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(LibraryError::Random)?;
    Ok(Hex(&random).to_string())
}

/// LUNs of a target that other configured libraries use, whether or not they are open.
fn other_luns(
    shared: &Shared,
    setup: &LibrarySetup,
    target: &str,
    all: &[LibrarySetup],
) -> Result<BTreeSet<usize>, LibraryError> {
    let mut taken = BTreeSet::new();
    for other in all.iter().filter(|other| other.name != setup.name) {
        let units: BTreeMap<String, UnitIdentity> = shared.state.get_prefix(&format!("identity/{}/", other.name))?;
        taken.extend(units.into_values().filter(|unit| unit.target == target).map(|unit| unit.lun));
    }
    Ok(taken)
}

/// Identities and LUNs of the units of a library; those of new units are generated and stored.
pub(crate) fn identities(
    shared: &Shared,
    setup: &LibrarySetup,
    target: &Target,
    all: &[LibrarySetup],
) -> Result<Vec<UnitIdentity>, LibraryError> {
    let taken = other_luns(shared, setup, target.name(), all)?;
    let (identities, change) = plan_identities(shared, setup, target.name(), taken)?;
    shared.state.commit(change)?;
    Ok(identities)
}

/// Refuses LUNs that conflict between libraries. Each library comes with the name of its target.
pub(crate) fn check_luns(
    shared: &Shared,
    libraries: &[(&LibrarySetup, String)],
    all: &[LibrarySetup],
) -> Result<(), LibraryError> {
    let mut planned: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for (setup, target) in libraries {
        let before = planned.entry(target).or_default();
        let mut taken = other_luns(shared, setup, target, all)?;
        taken.extend(before.iter());
        let (identities, _) = plan_identities(shared, setup, target, taken)?;
        before.extend(identities.iter().map(|identity| identity.lun));
    }
    Ok(())
}

/// The configured names of the changer. A partition has the serial number of its chassis if the model makes its own from that.
fn changer_names(shared: &Shared, setup: &LibrarySetup, change: &mut Transaction) -> Result<UnitNames, LibraryError> {
    let chassis = setup.partition.as_ref().map(|partition| &partition.chassis);
    let Some(chassis) = chassis.filter(|chassis| chassis.derives_serials()) else { return Ok(setup.names.clone()) };
    let (serial, new) = chassis_serial(shared, chassis)?;
    if new {
        change.set(chassis_key(&chassis.name), &serial)?;
    }
    Ok(UnitNames { serial: Some(serial), ..setup.names.clone() })
}

/// The serial number of a chassis, and whether it was generated just now.
fn chassis_serial(shared: &Shared, chassis: &ChassisSetup) -> Result<(String, bool), LibraryError> {
    let known = match &chassis.serial {
        Some(serial) => Some(serial.clone()),
        None => shared.state.get(&chassis_key(&chassis.name))?,
    };
    known.map_or_else(|| Ok((new_unit_identity()?.serial, true)), |serial| Ok((serial, false)))
}

/// The serial number of a chassis; one that is generated is stored.
pub(crate) fn stored_chassis_serial(shared: &Shared, chassis: &ChassisSetup) -> Result<String, LibraryError> {
    let (serial, new) = chassis_serial(shared, chassis)?;
    if new {
        let mut change = Transaction::default();
        change.set(chassis_key(&chassis.name), &serial)?;
        shared.state.commit(change)?;
    }
    Ok(serial)
}

/// The key of the generated serial number of a chassis.
fn chassis_key(name: &str) -> String {
    format!("chassis/{name}")
}

/// The identities and LUNs of the units of a library, avoiding the LUNs in `taken`, and the transaction that stores
/// them.
fn plan_identities(
    shared: &Shared,
    setup: &LibrarySetup,
    target: &str,
    taken: BTreeSet<usize>,
) -> Result<(Vec<UnitIdentity>, Transaction), LibraryError> {
    let mut change = Transaction::default();
    let drives = setup.drives.iter().enumerate().map(|(index, drive)| (format!("drive/{index}"), &drive.names));
    let mut named = Vec::new();
    let changer = changer_names(shared, setup, &mut change)?;
    for (unit, configured) in std::iter::once(("changer".to_owned(), &changer)).chain(drives) {
        let key = key(&setup.name, &unit);
        let known: Option<UnitIdentity> = shared.state.get(&key)?;
        let mut identity = known.clone().map_or_else(new_unit_identity, Ok)?;
        configured.serial.iter().for_each(|serial| identity.serial.clone_from(serial));
        configured.naa.iter().for_each(|naa| identity.naa.clone_from(naa));
        named.push((key, known, identity));
    }
    let lun_here = |identity: &UnitIdentity| (identity.target == target).then_some(identity.lun);
    let current: Vec<Option<usize>> = named.iter().map(|(.., identity)| lun_here(identity)).collect();
    let luns = assign_luns(setup, target, &current, taken)?;
    for ((key, known, identity), lun) in named.iter_mut().zip(luns) {
        (identity.lun, identity.target) = (lun, target.into());
        if known.as_ref() != Some(identity) {
            change.set(key.as_str(), identity)?;
        }
    }
    Ok((named.into_iter().map(|(_, _, identity)| identity).collect(), change))
}
