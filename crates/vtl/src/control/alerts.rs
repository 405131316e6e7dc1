//! TapeAlert flags of changers and drives, for operators. Reads by hosts do not change what is shown.

use super::ControlError;
use crate::library::Library;
use crate::site::Site;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A TapeAlert flag of a changer or a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// Name of the library that raises the flag.
    pub library: String,
    /// The drive, such as `drive1`; none for the changer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// The flag, 1 to 64.
    pub flag: u8,
    /// Its name in SSC or SMC; `flag 63` if the standards have none.
    pub name: String,
    /// True if the flag is raised.
    pub raised: bool,
}

/// A unit whose flags a request concerns.
struct AlertUnit {
    library: Arc<Library>,
    unit: Arc<Unit>,
    /// Name of the unit if it is a drive, such as `drive1`.
    drive: Option<String>,
}

/// Refuses a number that is not a TapeAlert flag.
fn check_flag(flag: u8) -> Result<(), ControlError> {
    let known = (1..=64).contains(&flag);
    known.then_some(()).ok_or_else(|| {
        ControlError::invalid(format!("TapeAlert flag {flag} does not exist; expected 1 to 64")).with_member("flag")
    })
}

/// The name of a flag in SSC or SMC; `flag 63` if the standards have none.
pub(crate) fn flag_name(flag: u8, of_drive: bool) -> String {
    let name = if of_drive { ssc::alert::Alert(flag).name() } else { smc::alert::Alert(flag).name() };
    name.map_or_else(|| format!("flag {flag}"), str::to_owned)
}

/// Numbers of the raised flags, ascending.
pub(crate) fn raised_flags(unit: &Unit) -> impl Iterator<Item = u8> + use<> {
    let alerts = unit.alerts();
    (1..=64).filter(move |flag| alerts.is_set(*flag))
}

/// Names of the flags that are raised.
pub(super) fn raised_flag_names(unit: &Unit, of_drive: bool) -> Vec<String> {
    raised_flags(unit).map(|flag| flag_name(flag, of_drive)).collect()
}

/// The state of one flag of a unit.
fn alert_status(library: &Library, drive: Option<String>, unit: &Unit, flag: u8) -> AlertStatus {
    let name = flag_name(flag, drive.is_some());
    AlertStatus { library: library.name().into(), drive, flag, name, raised: unit.alerts().is_set(flag) }
}

/// The raised flags of one unit, or one flag of it.
fn unit_alerts(library: &Library, drive: Option<String>, unit: &Unit, flag: Option<u8>) -> Vec<AlertStatus> {
    let row = |flag: u8| alert_status(library, drive.clone(), unit, flag);
    match flag {
        Some(flag) => vec![row(flag)],
        None => raised_flags(unit).map(row).collect(),
    }
}

impl Site {
    /// The unit whose flags are meant: a drive, or the changer of a library.
    fn resolve_alert_unit(&self, library: Option<&str>, drive: Option<&str>) -> Result<AlertUnit, ControlError> {
        let Some(drive) = drive else {
            let library = self.resolve_library(library)?;
            return Ok(AlertUnit { unit: library.changer_unit(), library, drive: None });
        };
        let library = self.resolve_library_for(library, drive)?;
        let (unit, name) = library.drive_unit(drive)?;
        Ok(AlertUnit { library, unit, drive: Some(name) })
    }

    /// Raises or clears a flag, and returns its state.
    pub(super) fn set_alert(
        &self,
        library: Option<&str>,
        drive: Option<&str>,
        flag: u8,
        raised: bool,
    ) -> Result<AlertStatus, ControlError> {
        check_flag(flag)?;
        let AlertUnit { library, unit, drive } = self.resolve_alert_unit(library, drive)?;
        {
            let _turn = unit.operator_turn()?;
            unit.with_device(|device| device.set_alert(flag, raised));
        }
        Ok(alert_status(&library, drive, &unit, flag))
    }

    pub(super) fn alerts(
        &self,
        library: Option<&str>,
        drive: Option<&str>,
        flag: Option<u8>,
    ) -> Result<Vec<AlertStatus>, ControlError> {
        flag.map_or(Ok(()), check_flag)?;
        if let Some(drive) = drive {
            let AlertUnit { library, unit, drive } = self.resolve_alert_unit(library, Some(drive))?;
            return Ok(unit_alerts(&library, drive, &unit, flag));
        }
        let libraries = match library {
            Some(_) => vec![self.resolve_library(library)?],
            None => self.libraries(),
        };
        let of = |library: &Arc<Library>| {
            let mut all = unit_alerts(library, None, &library.changer_unit(), flag);
            // The flags of drives have other meanings.
            let drives = library.drives().into_iter().filter(|_| flag.is_none());
            all.extend(drives.flat_map(|unit| unit_alerts(library, Some(unit.name().unit.to_string()), &unit, None)));
            all
        };
        Ok(libraries.iter().flat_map(of).collect())
    }
}

impl Library {
    /// The unit of the drive that a word names, and its name.
    fn drive_unit(&self, drive: &str) -> Result<(Arc<Unit>, String), ControlError> {
        let address = self.resolve_drive_in(&self.elements(), drive)?;
        let name = self.element_name(address);
        let unit = self.drive_at(address).ok_or_else(|| {
            ControlError::unavailable(format!("{name} is served by another process"))
                .with_library(self.name())
                .with_element(&name)
        })?;
        Ok((unit, name))
    }
}
