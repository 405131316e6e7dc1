//! Status codes (SAM-5 §5.3.1).

named_values! {
    /// The status byte that ends a command (SAM-5 §5.3.1).
    pub struct Status(u8);
    GOOD = 0x00, "GOOD";
    CHECK_CONDITION = 0x02, "CHECK CONDITION";
    CONDITION_MET = 0x04, "CONDITION MET";
    BUSY = 0x08, "BUSY";
    RESERVATION_CONFLICT = 0x18, "RESERVATION CONFLICT";
    TASK_SET_FULL = 0x28, "TASK SET FULL";
    ACA_ACTIVE = 0x30, "ACA ACTIVE";
    TASK_ABORTED = 0x40, "TASK ABORTED";
}
