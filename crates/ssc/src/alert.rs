//! TapeAlert flags of a drive (SSC-4 annex A).

use scsi_core::alert::AlertSet;

scsi_core::named_values! {
    /// TapeAlert flag of a drive, by its number from 1 to 64 (SSC-4 annex A).
    pub struct Alert(u8);
    READ_WARNING = 1, "Read warning";
    WRITE_WARNING = 2, "Write warning";
    HARD_ERROR = 3, "Hard error";
    MEDIA = 4, "Media";
    READ_FAILURE = 5, "Read failure";
    WRITE_FAILURE = 6, "Write failure";
    MEDIA_LIFE = 7, "Media life";
    NOT_DATA_GRADE = 8, "Not data grade";
    WRITE_PROTECT = 9, "Write protect";
    NO_REMOVAL = 10, "No removal";
    CLEANING_MEDIA = 11, "Cleaning media";
    UNSUPPORTED_FORMAT = 12, "Unsupported format";
    RECOVERABLE_CARTRIDGE_FAILURE = 13, "Recoverable mechanical cartridge failure";
    UNRECOVERABLE_CARTRIDGE_FAILURE = 14, "Unrecoverable mechanical cartridge failure";
    MEMORY_CHIP = 15, "Memory chip in cartridge failure";
    FORCED_EJECT = 16, "Forced eject";
    READ_ONLY_FORMAT = 17, "Read-only format";
    DIRECTORY_CORRUPTED = 18, "Tape directory corrupted on load";
    NEARING_MEDIA_LIFE = 19, "Nearing media life";
    CLEAN_NOW = 20, "Clean now";
    CLEAN_PERIODIC = 21, "Clean periodic";
    EXPIRED_CLEANING_MEDIA = 22, "Expired cleaning media";
    INVALID_CLEANING_TAPE = 23, "Invalid cleaning tape";
    RETENSION_REQUESTED = 24, "Retension requested";
    MULTI_PORT_INTERFACE_ERROR = 25, "Multi-port interface error on a primary port";
    COOLING_FAN_FAILURE = 26, "Cooling fan failure";
    POWER_SUPPLY_FAILURE = 27, "Power supply failure";
    POWER_CONSUMPTION = 28, "Power consumption";
    PREVENTIVE_MAINTENANCE = 29, "Drive preventive maintenance required";
    HARDWARE_A = 30, "Hardware A";
    HARDWARE_B = 31, "Hardware B";
    PRIMARY_INTERFACE = 32, "Primary interface";
    EJECT_MEDIA = 33, "Eject media";
    MICROCODE_UPDATE_FAIL = 34, "Microcode update fail";
    DRIVE_HUMIDITY = 35, "Drive humidity";
    DRIVE_TEMPERATURE = 36, "Drive temperature";
    DRIVE_VOLTAGE = 37, "Drive voltage";
    PREDICTIVE_FAILURE = 38, "Predictive failure";
    DIAGNOSTICS_REQUIRED = 39, "Diagnostics required";
    LOADER_HARDWARE_A = 40, "Loader hardware A";
    LOADER_STRAY_TAPE = 41, "Loader stray tape";
    LOADER_HARDWARE_B = 42, "Loader hardware B";
    LOADER_DOOR = 43, "Loader door";
    LOADER_HARDWARE_C = 44, "Loader hardware C";
    LOADER_MAGAZINE = 45, "Loader magazine";
    LOADER_PREDICTIVE_FAILURE = 46, "Loader predictive failure";
    ENCRYPTION_CONTROL_COMMUNICATION = 47, "External data encryption control: communications failure";
    ENCRYPTION_KEY_MANAGER = 48, "External data encryption control: key manager returned an error";
    DIMINISHED_CAPACITY = 49, "Diminished native capacity";
    LOST_STATISTICS = 50, "Lost statistics";
    DIRECTORY_INVALID = 51, "Tape directory invalid at unload";
    SYSTEM_AREA_WRITE_FAILURE = 52, "Tape system area write failure";
    SYSTEM_AREA_READ_FAILURE = 53, "Tape system area read failure";
    NO_START_OF_DATA = 54, "No start of data";
    LOADING_FAILURE = 55, "Loading or threading failure";
    UNLOAD_FAILURE = 56, "Unrecoverable unload failure";
    AUTOMATION_INTERFACE_FAILURE = 57, "Automation interface failure";
    FIRMWARE_FAILURE = 58, "Microcode failure";
    WORM_INTEGRITY = 59, "WORM volume - integrity check failed";
    WORM_OVERWRITE_ATTEMPTED = 60, "WORM volume - overwrite attempted";
    ENCRYPTION_POLICY_VIOLATION = 61, "Encryption policy violation";
}

impl From<Alert> for u8 {
    fn from(alert: Alert) -> Self {
        alert.0
    }
}

/// Set that contains these flags.
const fn set_of(mut alerts: &[Alert]) -> AlertSet {
    let mut set = AlertSet::NONE;
    while let [first, others @ ..] = alerts {
        set = set.merge(AlertSet::from_flag(first.0));
        alerts = others;
    }
    set
}

/// Flags that are cleared when the cartridge is removed.
pub(crate) const CLEARED_AT_UNLOAD: AlertSet = set_of(&[
    Alert::READ_WARNING,
    Alert::WRITE_WARNING,
    Alert::HARD_ERROR,
    Alert::MEDIA,
    Alert::READ_FAILURE,
    Alert::WRITE_FAILURE,
    Alert::MEDIA_LIFE,
    Alert::NOT_DATA_GRADE,
    Alert::WRITE_PROTECT,
    Alert::NO_REMOVAL,
    Alert::CLEANING_MEDIA,
    Alert::UNSUPPORTED_FORMAT,
    Alert::RECOVERABLE_CARTRIDGE_FAILURE,
    Alert::MEMORY_CHIP,
    Alert::READ_ONLY_FORMAT,
    Alert::DIRECTORY_CORRUPTED,
    Alert::NEARING_MEDIA_LIFE,
    Alert::EXPIRED_CLEANING_MEDIA,
    Alert::INVALID_CLEANING_TAPE,
    Alert::RETENSION_REQUESTED,
    Alert::EJECT_MEDIA,
    Alert::DIMINISHED_CAPACITY,
    Alert::NO_START_OF_DATA,
    Alert::LOADING_FAILURE,
    Alert::WORM_INTEGRITY,
    Alert::WORM_OVERWRITE_ATTEMPTED,
]);

/// Flags that are cleared when the next cartridge is loaded.
pub(crate) const CLEARED_AT_LOAD: AlertSet = set_of(&[
    Alert::FORCED_EJECT,
    Alert::LOST_STATISTICS,
    Alert::DIRECTORY_INVALID,
    Alert::SYSTEM_AREA_WRITE_FAILURE,
    Alert::SYSTEM_AREA_READ_FAILURE,
]);
