//! TapeAlert flags of a library (SMC-3 annex A).

scsi_core::named_values! {
    /// A TapeAlert flag of a medium changer, by its number: 1 to 64.
    pub struct Alert(u8);
    HARDWARE_A = 1, "Library hardware A";
    HARDWARE_B = 2, "Library hardware B";
    HARDWARE_C = 3, "Library hardware C";
    HARDWARE_D = 4, "Library hardware D";
    DIAGNOSTICS_REQUIRED = 5, "Library diagnostics required";
    INTERFACE = 6, "Library interface";
    FAILURE_PREDICTION = 7, "Failure prediction";
    MAINTENANCE = 8, "Library maintenance";
    HUMIDITY = 9, "Library humidity limits";
    TEMPERATURE = 10, "Library temperature limits";
    VOLTAGE = 11, "Library voltage limits";
    STRAY_TAPE = 12, "Library stray tape";
    PICK_RETRY = 13, "Library pick retry";
    PLACE_RETRY = 14, "Library place retry";
    LOAD_RETRY = 15, "Library load retry";
    DOOR = 16, "Library door";
    STATION = 17, "Library mailslot";
    MAGAZINE = 18, "Library magazine";
    SECURITY = 19, "Library security";
    SECURITY_MODE = 20, "Library security mode";
    OFFLINE = 21, "Library offline";
    DRIVE_OFFLINE = 22, "Library drive offline";
    SCAN_RETRY = 23, "Library scan retry";
    INVENTORY = 24, "Library inventory";
    ILLEGAL_OPERATION = 25, "Library illegal operation";
    DUAL_PORT_INTERFACE = 26, "Dual port interface error";
    COOLING_FAN = 27, "Cooling fan failure";
    POWER_SUPPLY = 28, "Power supply";
    POWER_CONSUMPTION = 29, "Power consumption";
    PASS_THROUGH = 30, "Pass through mechanism failure";
    CARTRIDGE_IN_PASS_THROUGH = 31, "Cartridge in pass through mechanism";
    UNREADABLE_LABELS = 32, "Unreadable bar code labels";
}

impl From<Alert> for u8 {
    fn from(alert: Alert) -> Self {
        alert.0
    }
}
