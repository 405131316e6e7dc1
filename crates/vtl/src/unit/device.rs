//! The device of a unit: a tape drive or a media changer.

use scsi_core::alert::AlertSet;
use scsi_core::command_spec::MediumAccess;
use scsi_core::lu::Lu;
use scsi_core::target::LogicalUnit;
use scsi_core::time::TimeMode;
use smc::changer::Changer;
use ssc::drive::Drive;

/// The device server of a logical unit.
pub enum Device {
    /// A tape drive: sequential-access device (SSC).
    Drive(Box<Drive>),
    /// The media changer of a library (SMC).
    Changer(Box<Changer>),
}

impl Device {
    /// The device as a logical unit, which executes commands.
    pub fn unit(&mut self) -> &mut dyn LogicalUnit {
        match self {
            Self::Drive(drive) => drive.as_mut(),
            Self::Changer(changer) => changer.as_mut(),
        }
    }

    /// The accesses to the medium that may wait now; none of a changer, whose commands block or not regardless of media.
    pub(super) fn slow_accesses(&self) -> MediumAccess {
        match self {
            Self::Drive(drive) => drive.slow_accesses(),
            Self::Changer(_) => MediumAccess::empty(),
        }
    }

    /// Raises or clears a TapeAlert flag, 1 to 64, as its cause would.
    pub fn set_alert(&mut self, flag: u8, raised: bool) {
        let (of_drive, of_changer) = (ssc::alert::Alert(flag), smc::alert::Alert(flag));
        match self {
            Self::Drive(drive) if raised => drive.raise_alert(of_drive),
            Self::Drive(drive) => drive.clear_alert(of_drive),
            Self::Changer(changer) if raised => changer.raise_alert(of_changer),
            Self::Changer(changer) => changer.clear_alert(of_changer),
        }
    }

    /// The active TapeAlert flags, including flags that initiators have already read.
    #[must_use]
    pub const fn alerts(&self) -> AlertSet {
        match self {
            Self::Drive(drive) => drive.alerts(),
            Self::Changer(changer) => changer.alerts(),
        }
    }

    /// Use of the time that hardware would take, by the device.
    #[must_use]
    pub const fn time_mode(&self) -> TimeMode {
        match self {
            Self::Drive(drive) => drive.time_mode(),
            Self::Changer(changer) => changer.time_mode(),
        }
    }

    /// The state that is common to all device types (SPC).
    pub fn lu(&mut self) -> &mut Lu {
        match self {
            Self::Drive(drive) => drive.lu(),
            Self::Changer(changer) => changer.lu(),
        }
    }
}
