//! A drive's logical unit as the robot's [`smc::bay::Bay`].

use crate::shared::Shared;
use crate::unit::{Device, Unit};
use scsi_core::identity::Identity;
use scsi_core::time::Now;
use scsi_core::writer::PageWriter;
use smc::bay::{Bay, BayName, BayStatus};
use smc::robot::RobotFault;
use ssc::alert::Alert;
use std::sync::Arc;
use std::time::Duration;
use tape_store::cartridge::{Cartridge, InsertError, RemoveError};

/// The bay of a drive in this process. Each call waits for the command that the drive is executing, and for nothing
/// else.
pub(crate) struct DriveBay {
    unit: Arc<Unit>,
    name: BayName,
}

impl DriveBay {
    pub(crate) fn new(unit: Arc<Unit>) -> Self {
        let name = bay_name(unit.identity());
        Self { unit, name }
    }
}

/// The name of a drive's bay: T10 vendor ID designator, unit serial number and NAA designator.
pub(crate) fn bay_name(identity: &Identity) -> BayName {
    let mut t10 = PageWriter::new();
    identity.write_t10_vendor_id(&mut t10);
    BayName { t10: t10.as_slice().to_vec(), serial: identity.serial.clone(), naa: identity.naa }
}

impl Bay for DriveBay {
    fn name(&self) -> BayName {
        self.name.clone()
    }

    fn status(&self) -> BayStatus {
        self.unit.bay_status()
    }

    fn removal_prevented(&self) -> bool {
        // Removal of an ejected cartridge cannot be prevented.
        !self.unit.bay_status().accessible && self.unit.with_device(|device| device.lu().removal_prevented())
    }

    fn set_online(&mut self, online: bool) {
        let _access = self.unit.robot_access();
        self.unit.with_device(|device| {
            if let Device::Drive(drive) = device {
                drive.set_online(online);
            }
        });
    }

    fn insert(&mut self, cartridge: Cartridge, now: Now) -> Result<(), Box<InsertError>> {
        let _access = self.unit.robot_access();
        self.unit.with_device(|device| match device {
            Device::Drive(drive) => drive.insert_with_delay(cartridge, now),
            Device::Changer(_) => Err(Box::new(InsertError { cartridge, reason: "not a drive" })),
        })
    }

    fn report_failure(&mut self, fault: RobotFault) {
        let alert = if fault == RobotFault::Load { Alert::LOADING_FAILURE } else { Alert::UNLOAD_FAILURE };
        let _access = self.unit.robot_access();
        self.unit.with_device(|device| {
            if let Device::Drive(drive) = device {
                drive.raise_alert(alert);
            }
        });
    }

    fn time_until_removal(&self, now: Now) -> Duration {
        self.unit.with_device(|device| match device {
            Device::Drive(drive) => drive.time_until_removal(now.mono),
            Device::Changer(_) => Duration::ZERO,
        })
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, RemoveError> {
        let _access = self.unit.robot_access();
        self.unit.with_device(|device| match device {
            Device::Drive(drive) => {
                drive.count_unload_by_robot();
                drive.remove()
            }
            Device::Changer(_) => Err(RemoveError::Empty),
        })
    }
}

/// The bay of a drive that this process does not serve, in a library whose robot it does not serve either.
pub(crate) struct AbsentBay(BayName);

impl AbsentBay {
    pub(crate) const fn new(name: BayName) -> Self {
        Self(name)
    }
}

impl Bay for AbsentBay {
    fn name(&self) -> BayName {
        self.0.clone()
    }

    fn status(&self) -> BayStatus {
        BayStatus::default()
    }

    fn removal_prevented(&self) -> bool {
        false
    }

    fn set_online(&mut self, _online: bool) {}

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<InsertError>> {
        Err(Box::new(InsertError { cartridge, reason: "another process serves the drive" }))
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, RemoveError> {
        Err(RemoveError::Empty)
    }
}

/// A bay whose drive gets a cartridge only when no request of an operator uses the files of the cartridge.
pub(crate) struct ReservingBay {
    bay: Box<dyn Bay>,
    shared: Arc<Shared>,
}

impl ReservingBay {
    pub(crate) fn new(bay: Box<dyn Bay>, shared: Arc<Shared>) -> Self {
        Self { bay, shared }
    }
}

impl Bay for ReservingBay {
    fn name(&self) -> BayName {
        self.bay.name()
    }

    fn status(&self) -> BayStatus {
        self.bay.status()
    }

    fn removal_prevented(&self) -> bool {
        self.bay.removal_prevented()
    }

    fn set_online(&mut self, online: bool) {
        self.bay.set_online(online);
    }

    fn insert(&mut self, cartridge: Cartridge, now: Now) -> Result<(), Box<InsertError>> {
        let barcode = cartridge.barcode().clone();
        let _reserved = self.shared.reservations.reserve(&barcode);
        self.bay.insert(cartridge, now)
    }

    fn remove(&mut self, now: Now) -> Result<Cartridge, RemoveError> {
        self.bay.remove(now)
    }

    fn report_failure(&mut self, fault: RobotFault) {
        self.bay.report_failure(fault);
    }

    fn time_until_removal(&self, now: Now) -> Duration {
        self.bay.time_until_removal(now)
    }
}
