//! The command descriptor block (CDB): OPERATION CODE, SERVICE ACTION, and typed views of its layout.

use zerocopy::{FromBytes, FromZeros, Immutable, KnownLayout, Unaligned};

named_values! {
    /// OPERATION CODE, with the names of the commands of tape drives and medium changers.
    pub struct Opcode(u8);
    TEST_UNIT_READY = 0x00, "TEST UNIT READY";
    REWIND = 0x01, "REWIND";
    REQUEST_SENSE = 0x03, "REQUEST SENSE";
    FORMAT_MEDIUM = 0x04, "FORMAT MEDIUM";
    READ_BLOCK_LIMITS = 0x05, "READ BLOCK LIMITS";
    INITIALIZE_ELEMENT_STATUS = 0x07, "INITIALIZE ELEMENT STATUS";
    READ_6 = 0x08, "READ(6)";
    WRITE_6 = 0x0a, "WRITE(6)";
    SET_CAPACITY = 0x0b, "SET CAPACITY";
    READ_REVERSE_6 = 0x0f, "READ REVERSE(6)";
    WRITE_FILEMARKS_6 = 0x10, "WRITE FILEMARKS(6)";
    SPACE_6 = 0x11, "SPACE(6)";
    INQUIRY = 0x12, "INQUIRY";
    VERIFY_6 = 0x13, "VERIFY(6)";
    RECOVER_BUFFERED_DATA = 0x14, "RECOVER BUFFERED DATA";
    MODE_SELECT_6 = 0x15, "MODE SELECT(6)";
    RESERVE_6 = 0x16, "RESERVE(6)";
    RELEASE_6 = 0x17, "RELEASE(6)";
    ERASE_6 = 0x19, "ERASE(6)";
    MODE_SENSE_6 = 0x1a, "MODE SENSE(6)";
    LOAD_UNLOAD = 0x1b, "LOAD UNLOAD";
    RECEIVE_DIAGNOSTIC = 0x1c, "RECEIVE DIAGNOSTIC RESULTS";
    SEND_DIAGNOSTIC = 0x1d, "SEND DIAGNOSTIC";
    PREVENT_ALLOW = 0x1e, "PREVENT ALLOW MEDIUM REMOVAL";
    LOCATE_10 = 0x2b, "LOCATE(10) / POSITION TO ELEMENT";
    READ_POSITION = 0x34, "READ POSITION";
    INITIALIZE_ELEMENT_STATUS_RANGE = 0x37, "INITIALIZE ELEMENT STATUS WITH RANGE";
    WRITE_BUFFER = 0x3b, "WRITE BUFFER";
    READ_BUFFER = 0x3c, "READ BUFFER";
    REPORT_DENSITY_SUPPORT = 0x44, "REPORT DENSITY SUPPORT";
    LOG_SELECT = 0x4c, "LOG SELECT";
    LOG_SENSE = 0x4d, "LOG SENSE";
    MODE_SELECT_10 = 0x55, "MODE SELECT(10)";
    RESERVE_10 = 0x56, "RESERVE(10)";
    RELEASE_10 = 0x57, "RELEASE(10)";
    MODE_SENSE_10 = 0x5a, "MODE SENSE(10)";
    PERSISTENT_RESERVE_IN = 0x5e, "PERSISTENT RESERVE IN";
    PERSISTENT_RESERVE_OUT = 0x5f, "PERSISTENT RESERVE OUT";
    WRITE_FILEMARKS_16 = 0x80, "WRITE FILEMARKS(16)";
    READ_REVERSE_16 = 0x81, "READ REVERSE(16)";
    ALLOW_OVERWRITE = 0x82, "ALLOW OVERWRITE";
    EXTENDED_COPY = 0x83, "EXTENDED COPY";
    RECEIVE_COPY_RESULTS = 0x84, "RECEIVE COPY RESULTS";
    READ_16 = 0x88, "READ(16)";
    WRITE_16 = 0x8a, "WRITE(16)";
    READ_ATTRIBUTE = 0x8c, "READ ATTRIBUTE";
    WRITE_ATTRIBUTE = 0x8d, "WRITE ATTRIBUTE";
    VERIFY_16 = 0x8f, "VERIFY(16)";
    SPACE_16 = 0x91, "SPACE(16)";
    LOCATE_16 = 0x92, "LOCATE(16)";
    ERASE_16 = 0x93, "ERASE(16)";
    REPORT_LUNS = 0xa0, "REPORT LUNS";
    SECURITY_PROTOCOL_IN = 0xa2, "SECURITY PROTOCOL IN";
    MAINTENANCE_IN = 0xa3, "MAINTENANCE IN";
    MAINTENANCE_OUT = 0xa4, "MAINTENANCE OUT";
    MOVE_MEDIUM = 0xa5, "MOVE MEDIUM";
    EXCHANGE_MEDIUM = 0xa6, "EXCHANGE MEDIUM";
    READ_MEDIA_SERIAL = 0xab, "READ MEDIA SERIAL NUMBER";
    SECURITY_PROTOCOL_OUT = 0xb5, "SECURITY PROTOCOL OUT";
    READ_ELEMENT_STATUS = 0xb8, "READ ELEMENT STATUS";
}

/// SERVICE ACTION: bits 4 to 0 of byte 1 in every command of a tape drive or medium changer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceAction(pub u16);

/// A CDB, zero-padded to 16 bytes. No command of a tape drive or medium changer has a longer one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cdb([u8; 16]);

impl Cdb {
    /// The longest CDB of a tape drive or medium changer, in bytes.
    pub const MAX: usize = 16;

    /// The CDB in `bytes`, zero-padded or truncated to 16 bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut cdb = [0; Self::MAX];
        for (slot, byte) in cdb.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        Self(cdb)
    }

    /// OPERATION CODE, byte 0 of the CDB.
    #[must_use]
    pub const fn opcode(&self) -> Opcode {
        Opcode(self.0[0])
    }

    /// SERVICE ACTION, meaningful only for operation codes that have one.
    #[must_use]
    pub const fn service_action(&self) -> ServiceAction {
        ServiceAction((self.0[1] & 0x1f) as u16)
    }

    /// All 16 bytes of the CDB, with the padding.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; Self::MAX] {
        &self.0
    }

    /// The CDB as the layout `T` of at most 16 bytes; all zeros if `T` is longer.
    #[must_use]
    pub fn as_layout<T: FromBytes + FromZeros + KnownLayout + Immutable + Unaligned>(&self) -> T {
        T::read_from_prefix(&self.0).map_or_else(|_| T::new_zeroed(), |(layout, _)| layout)
    }
}

impl core::fmt::Debug for Cdb {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} {:02x?}", self.opcode(), self.0)
    }
}
