//! Media and transport domain of StorageTek's libraries, at the end of element descriptors: interface reference manuals of
//! the SL150 (E51473-03, Read Element Status) and the SL500 (96122, tables 6-73 to 6-77).

use crate::bay::BayName;
use crate::element::ElementContent;
use scsi_core::writer::PageWriter;
use tape_store::cartridge::CartridgeKind;

/// MEDIA DOMAIN and TRANSPORT DOMAIN of LTO: `L`.
const LTO: u8 = b'L';
/// MEDIA DOMAIN of LTO cleaning cartridges: `C`. Their type `U` is the universal one.
const CLEANING: [u8; 2] = [b'C', b'U'];
/// A domain or a type that cannot be determined.
const UNKNOWN: u8 = 0xff;

/// TRANSPORT TYPE of LTO drives, by vendor and product identification.
const TRANSPORTS: &[(&str, &str, u8)] = &[
    ("HP", "Ultrium 2-SCSI", 0x33),
    ("IBM", "ULTRIUM-TD2", 0x34),
    ("HP", "Ultrium 3-SCSI", 0x36),
    ("IBM", "ULTRIUM-TD3", 0x37),
    ("HP", "Ultrium 4-SCSI", 0x39),
    ("IBM", "ULTRIUM-TD4", 0x3a),
    ("HP", "Ultrium 5-SCSI", 0x3b),
    ("HP", "Ultrium 6-SCSI", 0x3d),
    ("IBM", "ULTRIUM-HH6", 0x3e),
    ("IBM", "ULTRIUM-HH7", 0x2d),
];

/// Bytes of MEDIA DOMAIN, MEDIA TYPE and two more, which are the transport's for a drive.
pub(super) const LEN: usize = 4;

/// Writes MEDIA DOMAIN and MEDIA TYPE; zero for an empty element, for which they are not valid.
pub(super) fn write_media(content: Option<&ElementContent>, w: &mut PageWriter) {
    let fields = content.map_or([0, 0], |content| match content.kind {
        CartridgeKind::Cleaning => CLEANING,
        CartridgeKind::Data | CartridgeKind::Worm | CartridgeKind::Null => lto_type(content),
    });
    w.bytes(&fields);
}

/// `L` and the last character of the media identifier on the label, such as `7` or `X`.
fn lto_type(content: &ElementContent) -> [u8; 2] {
    let label = content.tag().map_or(&[][..], |barcode| barcode.as_str().as_bytes());
    match label {
        [.., LTO, generation] => [LTO, *generation],
        _ => [UNKNOWN; 2],
    }
}

/// Writes TRANSPORT DOMAIN and TRANSPORT TYPE of a drive.
pub(super) fn write_transport(drive: &BayName, w: &mut PageWriter) {
    let of = |field: std::ops::Range<usize>| String::from_utf8_lossy(drive.t10.get(field).unwrap_or_default());
    let (vendor, product) = (of(0..8), of(8..24));
    let known = TRANSPORTS.iter().find(|(maker, name, _)| vendor.trim_end() == *maker && product.trim_end() == *name);
    w.bytes(&known.map_or([UNKNOWN; 2], |(.., code)| [LTO, *code]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transport_types_are_those_of_the_references() {
        for (t10, expected) in [
            (&b"HP      Ultrium 5-SCSI  HU1234567890"[..], [0x4c, 0x3b]),
            (b"HP      Ultrium 6-SCSI  HU1234567890", [0x4c, 0x3d]),
            (b"IBM     ULTRIUM-HH7     1234567890", [0x4c, 0x2d]),
            (b"IBM     ULTRIUM-TD4     1234567890", [0x4c, 0x3a]),
            (b"HPE     Ultrium 9-SCSI  1234567890", [0xff, 0xff]),
            (b"", [0xff, 0xff]),
        ] {
            let mut w = PageWriter::new();
            write_transport(&BayName { t10: t10.to_vec(), ..BayName::default() }, &mut w);
            assert_eq!(w.as_slice(), expected, "{}", String::from_utf8_lossy(t10));
        }
    }
}
