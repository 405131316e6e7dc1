//! Additional header segments (AHS) of a SCSI Command PDU (RFC 7143 §11.2.2).
//!
//! Each has AHSLength in bytes 0-1, AHSType in bits 5-0 of byte 2 and AHSLength bytes from byte 3 on, and is padded to
//! four bytes.

use super::full_feature::RejectReason;

/// Extended CDB (§11.2.2.3): byte 3 reserved, then the bytes of the CDB from byte 16 on.
const EXTENDED_CDB: u8 = 1;
/// Bidirectional Read Expected Data Transfer Length (§11.2.2.4).
const BIDIRECTIONAL_READ: u8 = 2;
/// Most bytes of a CDB after its first 16: a CDB has at most 260 bytes (SPC-4 §4.2.4).
const MAX_EXTENSION: usize = 260 - 16;

/// Returns the bytes of the CDB after its first 16, from the additional header segments of a SCSI Command; none if no
/// segment has any.
///
/// # Errors
/// PROTOCOL ERROR for a reserved AHSType (§11). INVALID PDU FIELD for a segment that is longer than TotalAHSLength, an
/// Extended CDB of no or more than 244 bytes, or a second one; and for a bidirectional command, which no unit has
/// (§11.17.1, note 2).
pub(super) fn extended_cdb(mut segments: &[u8]) -> Result<&[u8], RejectReason> {
    let mut extension: &[u8] = &[];
    while let [high, low, kind, content @ ..] = segments {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let content = content.get(..len).ok_or(RejectReason::INVALID_FIELD)?;
        match (kind & 0x3f, content) {
            (EXTENDED_CDB, [_reserved, rest @ ..])
                if extension.is_empty() && (1..=MAX_EXTENSION).contains(&rest.len()) =>
            {
                extension = rest;
            }
            (EXTENDED_CDB | BIDIRECTIONAL_READ, _) => return Err(RejectReason::INVALID_FIELD),
            _ => return Err(RejectReason::PROTOCOL_ERROR),
        }
        segments = segments.get((3 + len).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_cdb_is_found() {
        assert_eq!(extended_cdb(&[]), Ok(&[][..]));
        assert_eq!(extended_cdb(&[0, 2, 1, 0, 0xaa, 0, 0, 0]), Ok(&[0xaa][..]));
        assert_eq!(extended_cdb(&[0, 5, 1, 0, 1, 2, 3, 4]), Ok(&[1, 2, 3, 4][..]));
        // The upper two bits of the type are reserved and ignored.
        assert_eq!(extended_cdb(&[0, 3, 0xc1, 0, 1, 2, 0, 0]), Ok(&[1, 2][..]));
        let mut longest = vec![0, 245, 1, 0];
        longest.resize(248, 7);
        assert_eq!(extended_cdb(&longest), Ok(&[7; 244][..]));
    }

    #[test]
    fn malformed_segments_are_rejected() {
        for (segments, reason) in [
            // Shorter than the reserved byte and one byte of the CDB.
            (&[0, 0, 1, 0][..], 0x09),
            (&[0, 1, 1, 0], 0x09),
            // Longer than TotalAHSLength.
            (&[0, 6, 1, 0, 1, 2, 3, 4], 0x09),
            (&[0xff, 0xff, 1, 0], 0x09),
            // A second Extended CDB; a segment after an Extended CDB that is cut off.
            (&[0, 2, 1, 0, 1, 0, 0, 0, 0, 2, 1, 0, 2, 0, 0, 0], 0x09),
            (&[0, 2, 1, 0, 1, 0, 0, 0, 0, 9, 2, 0], 0x09),
            // Bidirectional, alone and after an Extended CDB.
            (&[0, 5, 2, 0, 0, 0, 2, 0], 0x09),
            (&[0, 2, 1, 0, 1, 0, 0, 0, 0, 5, 2, 0, 0, 0, 2, 0], 0x09),
            // Reserved types.
            (&[0, 1, 0, 0], 0x04),
            (&[0, 5, 3, 0, 0, 0, 0, 0], 0x04),
            (&[0, 5, 63, 0, 0, 0, 0, 0], 0x04),
        ] {
            assert_eq!(extended_cdb(segments), Err(RejectReason(reason)), "{segments:02x?}");
        }
        let mut too_long = vec![0, 246, 1, 0];
        too_long.resize(252, 7);
        assert_eq!(extended_cdb(&too_long), Err(RejectReason(0x09)));
    }
}
