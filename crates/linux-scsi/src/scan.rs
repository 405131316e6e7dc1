//! The values that Linux reads when it finds a logical unit: standard INQUIRY data and two pages of vital product data.

use crate::device::{TEST_UNIT_READY, sense};
use crate::{NoStatus, ScsiDevice};
use core::time::Duration;
use scsi_core::{SenseKey, Status};

/// Time limit of a command.
const TIMEOUT: Duration = Duration::from_secs(60);
/// PERIPHERAL DEVICE TYPE of a tape drive.
pub const TAPE: u8 = 1;
/// PERIPHERAL DEVICE TYPE of a medium changer.
pub const CHANGER: u8 = 8;
/// Most unit attentions that a unit reports one after the other.
const MAX_ATTENTIONS: usize = 16;
/// ALLOCATION LENGTH of INQUIRY: one byte of the field is used.
const ALLOCATION: u8 = 252;

/// Most bytes of the data of REPORT LUNS.
const MAX_LUNS: usize = 8 + 8 * 1024;

/// The numbers of the logical units of a target, by REPORT LUNS to LUN 0; without LUNs of several levels.
///
/// # Errors
/// [`NoStatus`] if the device does not respond.
pub fn luns(device: &mut dyn ScsiDevice) -> Result<Vec<usize>, NoStatus> {
    let [.., a, b, c, d] = MAX_LUNS.to_be_bytes();
    let data = read(device, &[0xa0, 0, 0, 0, 0, 0, a, b, c, d, 0, 0], MAX_LUNS)?;
    let (luns, _) = data.get(8..).unwrap_or_default().as_chunks::<8>();
    // Peripheral device addressing and flat space addressing.
    Ok(luns
        .iter()
        .filter_map(|[high, low, rest @ ..]| {
            let is_single = *high < 0x80 && *rest == [0; 6];
            is_single.then(|| usize::from(u16::from_be_bytes([high & 0x3f, *low])))
        })
        .collect())
}

/// The identity of a logical unit, as Linux shows it in `/sys` and `/proc/scsi/scsi`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identification {
    /// Standard INQUIRY data, as the unit returned it.
    pub inquiry: Vec<u8>,
    /// Page 80h, the unit serial number; empty if the unit does not have it.
    pub serial_page: Vec<u8>,
    /// Page 83h, the device identification; empty if the unit does not have it.
    pub device_id_page: Vec<u8>,
}

impl Identification {
    /// Reads the identification of a unit. Like the changer driver when it attaches, it takes the unit attentions that a
    /// changer has from before, so that no program gets them. The tape driver takes those of a drive at the first open.
    ///
    /// # Errors
    /// [`NoStatus`] if the device does not respond.
    pub fn read(device: &mut dyn ScsiDevice) -> Result<Self, NoStatus> {
        let found = Self {
            inquiry: inquiry(device, 0, 0)?,
            serial_page: inquiry(device, 1, 0x80)?,
            device_id_page: inquiry(device, 1, 0x83)?,
        };
        if found.device_type() != CHANGER {
            return Ok(found);
        }
        for _ in 0..MAX_ATTENTIONS {
            let ready = device.transfer(&TEST_UNIT_READY, &[], &mut [], TIMEOUT)?;
            if sense(&ready).is_none_or(|sense| sense.key != SenseKey::UNIT_ATTENTION) {
                break;
            }
        }
        Ok(found)
    }

    /// PERIPHERAL DEVICE TYPE, such as [`TAPE`] or [`CHANGER`].
    #[must_use]
    pub fn device_type(&self) -> u8 {
        self.inquiry.first().map_or(0x1f, |first| first & 0x1f)
    }

    /// The SCSI level, as Linux counts it: one more than VERSION, from SPC on.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self.inquiry.get(2).map(|version| version & 7) {
            Some(version) if version >= 2 => version + 1,
            other => other.unwrap_or(0),
        }
    }

    /// T10 VENDOR IDENTIFICATION, 8 characters with padding.
    #[must_use]
    pub fn vendor(&self) -> String {
        self.text(8..16)
    }

    /// PRODUCT IDENTIFICATION, 16 characters with padding.
    #[must_use]
    pub fn product(&self) -> String {
        self.text(16..32)
    }

    /// PRODUCT REVISION LEVEL, 4 characters.
    #[must_use]
    pub fn revision(&self) -> String {
        self.text(32..36)
    }

    /// The unit serial number without spaces around it; empty if the unit has none.
    #[must_use]
    pub fn serial(&self) -> String {
        String::from_utf8_lossy(self.serial_page.get(4..).unwrap_or_default()).trim().to_owned()
    }

    /// The NAA designator of the logical unit in hexadecimal digits; `None` if the unit has none.
    #[must_use]
    pub fn naa(&self) -> Option<String> {
        let mut list = self.device_id_page.get(4..)?;
        while let [_, kind, _, len, rest @ ..] = list {
            let (designator, next) = rest.split_at_checked(usize::from(*len))?;
            // ASSOCIATION 0 (logical unit), DESIGNATOR TYPE 3 (NAA).
            if kind & 0x3f == 3 {
                return Some(designator.iter().map(|byte| format!("{byte:02x}")).collect());
            }
            list = next;
        }
        None
    }

    fn text(&self, range: core::ops::Range<usize>) -> String {
        String::from_utf8_lossy(self.inquiry.get(range).unwrap_or_default()).into_owned()
    }
}

/// INQUIRY with these bytes 1 and 2.
fn inquiry(device: &mut dyn ScsiDevice, flags: u8, page: u8) -> Result<Vec<u8>, NoStatus> {
    read(device, &[0x12, flags, page, 0, ALLOCATION, 0], ALLOCATION.into())
}

/// Runs a command and returns its data of at most `len` bytes; empty if the unit refuses it.
fn read(device: &mut dyn ScsiDevice, cdb: &[u8], len: usize) -> Result<Vec<u8>, NoStatus> {
    let mut data = vec![0; len];
    let completion = device.transfer(cdb, &[], &mut data, TIMEOUT)?;
    data.truncate(if completion.status == Status::GOOD { completion.data_in } else { 0 });
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interrupted;
    use scsi_core::data::Data;
    use scsi_core::sense::SenseFormat;
    use scsi_core::{Asc, Completion, Sense};

    /// A changer with two unit attentions.
    struct Changer {
        attentions: usize,
        refused: usize,
    }

    const INQUIRY: &[u8] = b"\x08\x80\x06\x02\x20\0\0\0STK     L700            0310";

    impl ScsiDevice for Changer {
        fn execute(&mut self, cdb: &[u8], mut data: Data<'_, '_>, _: Duration) -> Result<Completion, NoStatus> {
            let good = |data_in| Ok(Completion { data_in, ..Completion::with_status(Status::GOOD) });
            let check = |key, asc| Ok(Completion::new(&Err(Sense::new(key, asc).into()), SenseFormat::Fixed));
            let page: &[u8] = match cdb {
                [0x12, 0, ..] => INQUIRY,
                [0x12, 1, 0x80, ..] => b"\x08\x80\0\x0a  123456  ",
                [0x12, 1, 0x83, ..] => b"\x08\x83\0\x14\x02\x01\0\x04STK \x01\x03\0\x08\x30\0\0\0\0\0\0\x01",
                [0xa0, ..] => b"\0\0\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\x41\x01\0\0\0\0\0\0\xc1\x01\0\0\0\0\0\0",
                [0, ..] if self.attentions > 0 => {
                    self.attentions -= 1;
                    return check(SenseKey::UNIT_ATTENTION, Asc(0x2900));
                }
                [0, ..] => {
                    self.refused += 1;
                    return check(SenseKey::NOT_READY, Asc(0x0401));
                }
                _ => return check(SenseKey::ILLEGAL_REQUEST, Asc(0x2000)),
            };
            data.data_in.append(page);
            good(page.len())
        }

        fn wait(&mut self, _: Duration) -> Result<(), Interrupted> {
            Err(Interrupted)
        }
    }

    #[test]
    fn luns_of_one_level() {
        assert_eq!(luns(&mut Changer { attentions: 0, refused: 0 }), Ok(vec![0, 257]));
    }

    #[test]
    fn identification_of_a_changer() {
        let mut changer = Changer { attentions: 2, refused: 0 };
        let found = Identification::read(&mut changer).unwrap();
        assert_eq!((found.device_type(), found.level()), (8, 7));
        assert_eq!((found.vendor().as_str(), found.product().as_str()), ("STK     ", "L700            "));
        assert_eq!((found.revision().as_str(), found.serial().as_str()), ("0310", "123456"));
        assert_eq!(found.naa().as_deref(), Some("3000000000000001"));
        assert_eq!((changer.attentions, changer.refused), (0, 1));
    }
}
