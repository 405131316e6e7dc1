//! Sense data of CHECK CONDITION and of REQUEST SENSE (SPC-4 §4.5).

mod decode;

use crate::asc::Asc;

named_values! {
    /// SENSE KEY, four bits that give the kind of an error (SPC-4 §4.5.6).
    pub struct SenseKey(u8);
    NO_SENSE = 0x0, "NO SENSE";
    RECOVERED_ERROR = 0x1, "RECOVERED ERROR";
    NOT_READY = 0x2, "NOT READY";
    MEDIUM_ERROR = 0x3, "MEDIUM ERROR";
    HARDWARE_ERROR = 0x4, "HARDWARE ERROR";
    ILLEGAL_REQUEST = 0x5, "ILLEGAL REQUEST";
    UNIT_ATTENTION = 0x6, "UNIT ATTENTION";
    DATA_PROTECT = 0x7, "DATA PROTECT";
    BLANK_CHECK = 0x8, "BLANK CHECK";
    COPY_ABORTED = 0xa, "COPY ABORTED";
    ABORTED_COMMAND = 0xb, "ABORTED COMMAND";
    VOLUME_OVERFLOW = 0xd, "VOLUME OVERFLOW";
    MISCOMPARE = 0xe, "MISCOMPARE";
}

/// SENSE-KEY SPECIFIC: the invalid field, or the progress of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenseKeySpecific {
    /// The invalid field of an ILLEGAL REQUEST.
    Field {
        /// C/D: the field is in the CDB; otherwise in the parameter list.
        cdb: bool,
        /// Offset of the first byte of the field.
        byte: u16,
        /// Most significant bit of the field, if it is smaller than a byte.
        bit: Option<u8>,
    },
    /// PROGRESS INDICATION of an operation, in 65536ths (NO SENSE and NOT READY).
    Progress(u16),
}

impl SenseKeySpecific {
    fn bytes(self) -> [u8; 3] {
        match self {
            Self::Field { cdb, byte, bit } => {
                let [high, low] = byte.to_be_bytes();
                let flags = 0x80 | if cdb { 0x40 } else { 0 } | bit.map_or(0, |bit| 0x08 | (bit & 7));
                [flags, high, low]
            }
            Self::Progress(done) => {
                let [high, low] = done.to_be_bytes();
                [0x80, high, low]
            }
        }
    }
}

/// The format of sense data, selected by D_SENSE of the control mode page or DESC of REQUEST SENSE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenseFormat {
    /// Fixed format, response codes 70h and 71h.
    #[default]
    Fixed,
    /// Descriptor format, response codes 72h and 73h.
    Descriptor,
}

/// Sense data of a command, independent of its format, which is fixed or descriptor (SPC-4 §4.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sense {
    /// SENSE KEY, a four-bit field.
    pub key: SenseKey,
    /// ADDITIONAL SENSE CODE and its qualifier.
    pub asc: Asc,
    /// The error belongs to an earlier command (response codes 71h, 73h).
    pub deferred: bool,
    /// FILEMARK: the command encountered a filemark.
    pub filemark: bool,
    /// EOM: end or beginning of partition, or early warning.
    pub eom: bool,
    /// ILI: the block length differs from the requested length.
    pub ili: bool,
    /// INFORMATION, signed; for tape commands usually the residue.
    pub information: Option<i64>,
    /// SENSE-KEY SPECIFIC; `None` if SKSV is zero.
    pub key_specific: Option<SenseKeySpecific>,
}

impl Sense {
    /// NO SENSE, nothing to report.
    pub const NONE: Self = Self::new(SenseKey::NO_SENSE, Asc(0));

    /// A current error with only its sense key and codes.
    #[must_use]
    pub const fn new(key: SenseKey, asc: Asc) -> Self {
        Self {
            key,
            asc,
            deferred: false,
            filemark: false,
            eom: false,
            ili: false,
            information: None,
            key_specific: None,
        }
    }

    /// ILLEGAL REQUEST with this additional sense code.
    #[must_use]
    pub const fn illegal_request(asc: Asc) -> Self {
        Self::new(SenseKey::ILLEGAL_REQUEST, asc)
    }

    /// ILLEGAL REQUEST 24h/00h with a pointer to `byte` of the CDB, or to `bit` of it.
    #[must_use]
    pub const fn invalid_field_in_cdb(byte: u16, bit: Option<u8>) -> Self {
        Self::illegal_request(Asc::INVALID_FIELD_IN_CDB).with_field_pointer(true, byte, bit)
    }

    /// ILLEGAL REQUEST 26h/00h with a pointer to `byte` of the parameter list, or to `bit` of it.
    #[must_use]
    pub const fn invalid_field_in_list(byte: u16, bit: Option<u8>) -> Self {
        Self::illegal_request(Asc::INVALID_FIELD_IN_PARAMETER_LIST).with_field_pointer(false, byte, bit)
    }

    /// The same sense with a pointer to a field of the CDB (`cdb`) or of the parameter list.
    #[must_use]
    pub const fn with_field_pointer(mut self, cdb: bool, byte: u16, bit: Option<u8>) -> Self {
        self.key_specific = Some(SenseKeySpecific::Field { cdb, byte, bit });
        self
    }

    /// The same sense with this INFORMATION.
    #[must_use]
    pub const fn with_information(mut self, value: i64) -> Self {
        self.information = Some(value);
        self
    }

    /// The same sense with the FILEMARK flag.
    #[must_use]
    pub const fn with_filemark(mut self) -> Self {
        self.filemark = true;
        self
    }

    /// The same sense with the EOM flag set to `eom`.
    #[must_use]
    pub const fn with_eom(mut self, eom: bool) -> Self {
        self.eom = eom;
        self
    }

    /// The same sense with the ILI flag.
    #[must_use]
    pub const fn with_ili(mut self) -> Self {
        self.ili = true;
        self
    }

    /// The same sense as a deferred error, of an earlier command.
    #[must_use]
    pub const fn into_deferred(mut self) -> Self {
        self.deferred = true;
        self
    }

    /// Encodes the sense in the given format.
    #[must_use]
    pub fn encode(&self, format: SenseFormat) -> SenseBytes {
        match format {
            SenseFormat::Fixed => self.fixed(),
            SenseFormat::Descriptor => self.descriptor(),
        }
    }

    /// Encodes the sense in fixed format, 18 bytes (SPC-4 §4.5.3). INFORMATION that does not fit in 32 bits is omitted.
    #[must_use]
    pub fn fixed(&self) -> SenseBytes {
        let information = self.information.and_then(|value| {
            i32::try_from(value).map(i32::to_be_bytes).or_else(|_| u32::try_from(value).map(u32::to_be_bytes)).ok()
        });
        let flags = self.stream_flags() | (self.key.0 & 0x0f);
        let code = 0x70 | u8::from(self.deferred) | if information.is_some() { 0x80 } else { 0 };
        let mut out = SenseBytes::default();
        out.push(&[code, 0, flags]);
        out.push(&information.unwrap_or_default());
        out.push(&[0x0a, 0, 0, 0, 0, self.asc.code(), self.asc.qualifier(), 0]);
        out.push(&self.key_specific.map_or([0; 3], SenseKeySpecific::bytes));
        out
    }

    /// Encodes the sense in descriptor format (SPC-4 §4.5.2), with information, sense-key specific and stream commands
    /// descriptors as needed.
    #[must_use]
    pub fn descriptor(&self) -> SenseBytes {
        let mut body = SenseBytes::default();
        if let Some(information) = self.information {
            body.push(&[0x00, 0x0a, 0x80, 0]);
            body.push(&information.to_be_bytes());
        }
        if let Some(specific) = self.key_specific {
            body.push(&[0x02, 0x06, 0, 0]);
            body.push(&specific.bytes());
            body.push(&[0]);
        }
        if self.stream_flags() != 0 {
            body.push(&[0x04, 0x02, 0, self.stream_flags()]);
        }
        let mut out = SenseBytes::default();
        out.push(&[0x72 | u8::from(self.deferred), self.key.0 & 0x0f, self.asc.code(), self.asc.qualifier(), 0, 0, 0]);
        out.push(&[body.len]);
        out.push(body.as_slice());
        out
    }

    fn stream_flags(&self) -> u8 {
        (u8::from(self.filemark) << 7) | (u8::from(self.eom) << 6) | (u8::from(self.ili) << 5)
    }
}

/// Text for logs: sense key, codes with their meaning, flags and values that are set.
impl core::error::Error for Sense {}

impl core::fmt::Display for Sense {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.deferred {
            f.write_str("deferred ")?;
        }
        match self.key.name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "sense key {:x}h", self.key.0)?,
        }
        write!(f, " {:02x}h/{:02x}h", self.asc.code(), self.asc.qualifier())?;
        if let Some(name) = self.asc.name() {
            write!(f, " ({name})")?;
        }
        for (flag, name) in [(self.filemark, "FILEMARK"), (self.eom, "EOM"), (self.ili, "ILI")] {
            if flag {
                write!(f, ", {name}")?;
            }
        }
        if let Some(information) = self.information {
            write!(f, ", information {information}")?;
        }
        match self.key_specific {
            Some(SenseKeySpecific::Field { cdb, byte, bit }) => {
                write!(f, ", {} byte {byte}", if cdb { "CDB" } else { "parameter list" })?;
                bit.map_or(Ok(()), |bit| write!(f, " bit {bit}"))
            }
            Some(SenseKeySpecific::Progress(done)) => write!(f, ", progress {} %", u32::from(done) * 100 / 65536),
            None => Ok(()),
        }
    }
}

/// Encoded sense data without an allocation, at most 48 bytes. The limit of SPC is 252 bytes, that of some transports
/// 96.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SenseBytes {
    bytes: [u8; Self::CAPACITY],
    len: u8,
}

impl SenseBytes {
    const CAPACITY: usize = 48;

    /// The first 48 bytes of sense data that another device has encoded.
    #[must_use]
    pub fn truncated(encoded: &[u8]) -> Self {
        let mut sense = Self::default();
        sense.push(encoded);
        sense
    }

    /// The encoded bytes of the sense data.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(slot) = self.bytes.get_mut(usize::from(self.len)) {
                *slot = byte;
                self.len += 1;
            }
        }
    }
}

impl Default for SenseBytes {
    fn default() -> Self {
        Self { bytes: [0; Self::CAPACITY], len: 0 }
    }
}

impl core::fmt::Debug for SenseBytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x?}", self.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_block_in_fixed_format() {
        let sense = Sense::new(SenseKey::NO_SENSE, Asc(0)).with_ili().with_information(5);
        let bytes = [0xf0, 0, 0x20, 0, 0, 0, 5, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(sense.fixed().as_slice(), bytes);
    }

    #[test]
    fn sense_in_words() {
        let text = |bytes: &[u8]| Sense::decode(bytes).unwrap().to_string();
        let filemark = [0xf0, 0, 0x80, 0, 0, 0, 5, 0x0a, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(text(&filemark), "NO SENSE 00h/01h (Filemark detected), FILEMARK, information 5");
        let field = [0x70, 0, 5, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x24, 0, 0, 0xcb, 0, 1];
        assert_eq!(text(&field), "ILLEGAL REQUEST 24h/00h (Invalid field in CDB), CDB byte 1 bit 3");
        let progress = [0x70, 0, 2, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x04, 0x07, 0, 0x80, 0x80, 0];
        assert_eq!(text(&progress), "NOT READY 04h/07h (Logical unit not ready, operation in progress), progress 50 %");
        let unknown = [0x71, 0, 0x0f, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0];
        assert_eq!(text(&unknown), "deferred sense key fh ffh/feh");
    }

    #[test]
    fn long_block_has_a_negative_residue() {
        let sense = Sense::new(SenseKey::NO_SENSE, Asc(0)).with_ili().with_information(-3);
        assert_eq!(&sense.fixed().as_slice()[..8], [0xf0, 0, 0x20, 0xff, 0xff, 0xff, 0xfd, 0x0a]);
    }

    #[test]
    fn information_beyond_32_bits_needs_descriptors() {
        let sense = Sense::new(SenseKey::BLANK_CHECK, Asc(5)).with_information(1 << 40).with_eom(true);
        assert_eq!(&sense.fixed().as_slice()[..7], [0x70, 0, 0x48, 0, 0, 0, 0]);
        let bytes = [0x72, 8, 0, 5, 0, 0, 0, 16, 0, 0x0a, 0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 4, 2, 0, 0x40];
        assert_eq!(sense.descriptor().as_slice(), bytes);
    }

    #[test]
    fn field_pointer_and_deferred() {
        let sense = Sense::invalid_field_in_cdb(1, Some(3));
        let bytes = [0x70, 0, 5, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0x24, 0, 0, 0xcb, 0, 1];
        assert_eq!(sense.fixed().as_slice(), bytes);
        assert_eq!(sense.into_deferred().fixed().as_slice()[0], 0x71);
        let list = Sense::invalid_field_in_list(0x0102, None).descriptor();
        assert_eq!(list.as_slice(), [0x72, 5, 0x26, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 1, 2, 0]);
    }

    /// All descriptors in the order of their types: information 00h, sense-key specific 02h, stream commands 04h
    /// (SPC-4 §4.5.2).
    #[test]
    fn deferred_error_in_descriptor_format() {
        let sense =
            Sense::new(SenseKey(3), Asc(0x0c00)).with_information(-1).with_filemark().with_ili().into_deferred();
        let bytes = [
            0x73, 3, 0x0c, 0, 0, 0, 0, 16, 0, 10, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 2, 0,
            0xa0,
        ];
        assert_eq!(sense.descriptor().as_slice(), bytes);
        let fixed = [0xf1, 0, 0xa3, 0xff, 0xff, 0xff, 0xff, 10, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0];
        assert_eq!(sense.fixed().as_slice(), fixed);
    }

    /// SKSV and PROGRESS INDICATION of NO SENSE and NOT READY (SPC-4 §4.5.2.4.4).
    #[test]
    fn progress_in_both_formats() {
        let specific = Some(SenseKeySpecific::Progress(0x8001));
        let sense = Sense { key_specific: specific, ..Sense::new(SenseKey(2), Asc(0x0407)) };
        assert_eq!(sense.fixed().as_slice(), [0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 7, 0, 0x80, 0x80, 1]);
        assert_eq!(sense.descriptor().as_slice(), [0x72, 2, 4, 7, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0x80, 1, 0]);
    }
}
