//! Decoding of sense data in either format, as an initiator does.

use super::{Sense, SenseKey, SenseKeySpecific};
use crate::asc::Asc;

impl Sense {
    /// Decodes sense data in fixed or descriptor format (SPC-4 §4.5.2, §4.4.3). `None` for another response code, or if
    /// the data ends before ADDITIONAL SENSE CODE QUALIFIER.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? & 0x7f {
            0x70 | 0x71 => fixed(bytes),
            0x72 | 0x73 => descriptor(bytes),
            _ => None,
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn fixed(bytes: &[u8]) -> Option<Sense> {
    let (first, flags) = (*bytes.first()?, *bytes.get(2)?);
    let key = SenseKey(flags & 0x0f);
    let mut sense = Sense::new(key, Asc(u16::from_be_bytes([*bytes.get(12)?, *bytes.get(13)?])));
    sense.deferred = first & 1 == 1;
    (sense.filemark, sense.eom, sense.ili) = (flags & 0x80 != 0, flags & 0x40 != 0, flags & 0x20 != 0);
    // The residue of a block that is longer than requested is negative; any other value is not.
    let information = u32::from_be_bytes(information(bytes));
    let value = if sense.ili { i64::from(information.cast_signed()) } else { i64::from(information) };
    sense.information = (first & 0x80 != 0).then_some(value);
    sense.key_specific = bytes.get(15..18).and_then(|bytes| specific(key, bytes));
    Some(sense)
}

fn information(bytes: &[u8]) -> [u8; 4] {
    bytes.get(3..7).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
}

fn descriptor(bytes: &[u8]) -> Option<Sense> {
    let key = SenseKey(bytes.get(1)? & 0x0f);
    let mut sense = Sense::new(key, Asc(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])));
    sense.deferred = bytes.first()? & 1 == 1;
    let mut rest = bytes.get(8..).unwrap_or_default();
    while let [kind, len, following @ ..] = rest {
        let Some((body, next)) = following.split_at_checked(usize::from(*len)) else { break };
        match kind {
            0x00 if body.first().is_some_and(|valid| valid & 0x80 != 0) => {
                sense.information = body.get(2..10).map(|value| number(value).cast_signed());
            }
            0x02 => sense.key_specific = body.get(2..5).and_then(|bytes| specific(key, bytes)),
            0x04 => {
                let flags = body.get(1).copied().unwrap_or_default();
                (sense.filemark, sense.eom, sense.ili) = (flags & 0x80 != 0, flags & 0x40 != 0, flags & 0x20 != 0);
            }
            _ => {}
        }
        rest = next;
    }
    Some(sense)
}

fn specific(key: SenseKey, bytes: &[u8]) -> Option<SenseKeySpecific> {
    let [flags, high, low] = bytes else { return None };
    let value = u16::from_be_bytes([*high, *low]);
    match key {
        _ if flags & 0x80 == 0 => None,
        SenseKey::ILLEGAL_REQUEST => Some(SenseKeySpecific::Field {
            cdb: flags & 0x40 != 0,
            byte: value,
            bit: (flags & 0x08 != 0).then_some(flags & 7),
        }),
        SenseKey::NO_SENSE | SenseKey::NOT_READY => Some(SenseKeySpecific::Progress(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_and_descriptor_formats_decode() {
        let filemark = [0xf0, 0, 0x80, 0, 0, 0, 5, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        let sense = Sense::decode(&filemark).unwrap();
        assert_eq!((sense.key.0, sense.asc.0, sense.filemark, sense.information), (0, 0x0001, true, Some(5)));
        let overlength = [0xf0, 0, 0x20, 0xff, 0xff, 0xff, 0xfe, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let sense = Sense::decode(&overlength).unwrap();
        assert_eq!((sense.ili, sense.information), (true, Some(-2)));
        let field = [0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xcb, 0, 4];
        let sense = Sense::decode(&field).unwrap();
        assert_eq!(sense.key_specific, Some(SenseKeySpecific::Field { cdb: true, byte: 4, bit: Some(3) }));
        assert_eq!(sense.information, None);
        let blank = [0x73, 8, 0, 5, 0, 0, 0, 16, 0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 9, 4, 2, 0, 0x40];
        let sense = Sense::decode(&blank).unwrap();
        assert_eq!((sense.key.0, sense.asc.0, sense.deferred), (8, 0x0005, true));
        assert_eq!((sense.information, sense.eom, sense.filemark), (Some(9), true, false));
        for short in [&[][..], &[0x70], &[0x70; 13], &[0x72, 5, 0x24], &[0x7e; 20]] {
            assert_eq!(Sense::decode(short), None);
        }
    }

    /// INFORMATION is a count of up to 32 bits; only with ILI it is signed (SSC-4, READ).
    #[test]
    fn information_of_fixed_format_is_signed_with_ili() {
        let filemark = [0xf0, 0, 0x80, 0x80, 0, 0, 1, 10, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
        assert_eq!(Sense::decode(&filemark).unwrap().information, Some(0x8000_0001));
        let end_of_data = [0xf0, 0, 0x08, 0xff, 0xff, 0xff, 0xff, 10, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0];
        assert_eq!(Sense::decode(&end_of_data).unwrap().information, Some(0xffff_ffff));
        let overlength = [0xf0, 0, 0x20, 0x80, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Sense::decode(&overlength).unwrap().information, Some(-0x8000_0000));
    }

    #[test]
    fn encoded_sense_decodes_to_itself() {
        let sense = Sense::illegal_request(Asc(0x2600))
            .with_field_pointer(false, 12, Some(7))
            .with_information(-300)
            .with_ili()
            .with_eom(true)
            .into_deferred();
        assert_eq!(Sense::decode(sense.fixed().as_slice()), Some(sense.clone()));
        assert_eq!(Sense::decode(sense.descriptor().as_slice()), Some(sense));
    }
}
