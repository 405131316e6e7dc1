//! Commands of every logical unit: INQUIRY, log pages and mode pages; and the MAM attributes of a cartridge.

use super::{Host, HostError, bytes_at};
use scsi_core::sense::{Sense, SenseKeySpecific};
use std::collections::BTreeMap;

/// Allocation length for pages and attributes.
const MAX_PAGE_LEN: u16 = u16::MAX;

/// Standard INQUIRY data of a logical unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// PERIPHERAL DEVICE TYPE: 01h is a sequential-access device, 08h a media changer.
    pub device_type: u8,
    /// T10 VENDOR IDENTIFICATION, without trailing spaces.
    pub vendor: String,
    /// PRODUCT IDENTIFICATION, without trailing spaces.
    pub product: String,
    /// PRODUCT REVISION LEVEL, without trailing spaces.
    pub revision: String,
}

fn ascii_text(bytes: Option<&[u8]>) -> Option<String> {
    Some(String::from_utf8_lossy(bytes?).trim_end().to_owned())
}

impl Host {
    /// Checks whether the unit is ready (TEST UNIT READY).
    ///
    /// # Errors
    /// Fails if the unit is not ready, or a unit attention is pending for this host.
    pub fn test_unit_ready(&self, lun: usize) -> Result<(), HostError> {
        self.run_named_command("TEST UNIT READY", lun, &[0; 6], 0).map(drop)
    }

    /// Returns the standard INQUIRY data (INQUIRY).
    ///
    /// # Errors
    /// Fails if the unit does not return GOOD, or the data is too short.
    pub fn inquiry(&self, lun: usize) -> Result<Inquiry, HostError> {
        let data = self.run_named_command("INQUIRY", lun, &[0x12, 0, 0, 0, 96, 0], 96)?;
        let parse = || {
            let [device_type] = bytes_at(&data, 0)?;
            let (vendor, product) = (ascii_text(data.get(8..16))?, ascii_text(data.get(16..32))?);
            Some(Inquiry { device_type: device_type & 0x1f, vendor, product, revision: ascii_text(data.get(32..36))? })
        };
        parse().ok_or_else(|| HostError::short_data("INQUIRY", lun))
    }

    /// Returns a VPD page with its four-byte header (INQUIRY with EVPD).
    ///
    /// # Errors
    /// Fails if the unit does not support the page (5/24h/00h).
    pub fn vpd_page(&self, lun: usize, page: u8) -> Result<Vec<u8>, HostError> {
        let [a, b] = MAX_PAGE_LEN.to_be_bytes();
        self.run_named_command("INQUIRY", lun, &[0x12, 1, page, a, b, 0], MAX_PAGE_LEN.into())
    }

    /// Returns the current cumulative values of a log page by parameter code (LOG SENSE).
    ///
    /// # Errors
    /// Fails if the unit does not support the page (5/24h/00h).
    pub fn log_page(&self, lun: usize, page: u8, subpage: u8) -> Result<BTreeMap<u16, Vec<u8>>, HostError> {
        let ([a, b], name) = (MAX_PAGE_LEN.to_be_bytes(), "LOG SENSE");
        let cdb = [0x4d, 0, 0x40 | (page & 0x3f), subpage, 0, 0, 0, a, b, 0];
        let data = self.run_named_command(name, lun, &cdb, MAX_PAGE_LEN.into())?;
        let (mut parameters, mut rest) = (BTreeMap::new(), data.get(4..).unwrap_or_default());
        while let [a, b, _, len, following @ ..] = rest {
            let parts = following.split_at_checked((*len).into());
            let (value, next) = parts.ok_or_else(|| HostError::short_data(name, lun))?;
            parameters.insert(u16::from_be_bytes([*a, *b]), value.to_vec());
            rest = next;
        }
        Ok(parameters)
    }

    /// Returns the active TapeAlert flags, 1 to 64, that this host has not read before (log page 2Eh).
    ///
    /// # Errors
    /// As [`Self::log_page`].
    pub fn tape_alerts(&self, lun: usize) -> Result<Vec<u16>, HostError> {
        let raised = |(code, value): (u16, Vec<u8>)| value.first().is_some_and(|value| value & 1 == 1).then_some(code);
        Ok(self.log_page(lun, 0x2e, 0)?.into_iter().filter_map(raised).collect())
    }

    /// Returns the current values of a mode page, with its header of two bytes, or four for a subpage (MODE SENSE(10)
    /// without block descriptors).
    ///
    /// # Errors
    /// Fails if the unit does not support the page (5/24h/00h).
    pub fn mode_page(&self, lun: usize, page: u8, subpage: u8) -> Result<Vec<u8>, HostError> {
        let ([a, b], name) = (MAX_PAGE_LEN.to_be_bytes(), "MODE SENSE(10)");
        let cdb = [0x5a, 0x08, page & 0x3f, subpage, 0, 0, 0, a, b, 0];
        let data = self.run_named_command(name, lun, &cdb, MAX_PAGE_LEN.into())?;
        data.get(8..).map(<[u8]>::to_vec).ok_or_else(|| HostError::short_data(name, lun))
    }

    /// Changes a mode page (MODE SELECT(10), not saved). `page` is the complete page with its header, as
    /// [`Self::mode_page`] returns it.
    ///
    /// # Errors
    /// Fails if a field is not changeable to this value (5/26h/00h), or a reservation conflicts.
    pub fn set_mode_page(&self, lun: usize, page: &[u8]) -> Result<(), HostError> {
        let name = "MODE SELECT(10)";
        let [first, following @ ..] = page else { return Err(HostError::invalid_field(name, lun)) };
        // The buffered mode must not change; drives have it in byte 3 of the header.
        let sense = [0x5a, 0x08, first & 0x3f, 0, 0, 0, 0, 0, 8, 0];
        let header = self.run_named_command("MODE SENSE(10)", lun, &sense, 8)?;
        let mut list = vec![0, 0, 0, header.get(3).copied().unwrap_or_default() & 0x70, 0, 0, 0, 0];
        // Bit 7 of the first byte, PS, is reserved in MODE SELECT.
        list.push(first & 0x7f);
        list.extend(following);
        let len = u16::try_from(list.len()).map_err(|_| HostError::invalid_field(name, lun))?;
        let [a, b] = len.to_be_bytes();
        let response = self.command_with_data(lun, &[0x55, 0x10, 0, 0, 0, 0, 0, a, b, 0], &list);
        response.into_result().map(drop).map_err(|response| HostError::from_response(name, lun, &response))
    }

    /// Returns a MAM attribute, such as 0401h, the medium serial number; `None` if the cartridge does not have it (READ
    /// ATTRIBUTE).
    ///
    /// # Errors
    /// Fails if there is no cartridge in the drive, or no such partition (5/24h/00h).
    pub fn attribute(&self, lun: usize, partition: u8, id: u16) -> Result<Option<Vec<u8>>, HostError> {
        let ([a, b], [c, d], name) = (id.to_be_bytes(), MAX_PAGE_LEN.to_be_bytes(), "READ ATTRIBUTE");
        let cdb = [0x8c, 0, 0, 0, 0, 0, 0, partition, a, b, 0, 0, c, d, 0, 0];
        let data = match self.run_named_command(name, lun, &cdb, MAX_PAGE_LEN.into()) {
            // Field pointer 8: neither this attribute nor one with a higher identifier exists.
            Err(HostError {
                sense: Some(Sense { key_specific: Some(SenseKeySpecific::Field { cdb: true, byte: 8, .. }), .. }),
                ..
            }) => {
                return Ok(None);
            }
            response => response?,
        };
        let Some(first) = data.get(4..).filter(|rest| rest.get(..2) == Some(&[a, b])) else { return Ok(None) };
        let value = || {
            let len = usize::from(u16::from_be_bytes(bytes_at(first, 3)?));
            first.get(5..)?.get(..len)
        };
        value().map(|value| Some(value.to_vec())).ok_or_else(|| HostError::short_data(name, lun))
    }

    /// Writes a MAM attribute, such as 0806h, the barcode; an empty value deletes it (WRITE ATTRIBUTE). The format
    /// follows from the identifier: text for 0800h and above except 0804h and 0805h.
    ///
    /// # Errors
    /// Fails if the attribute is read-only for hosts (5/26h/00h), or the cartridge is write-protected.
    pub fn write_attribute(&self, lun: usize, partition: u8, id: u16, value: &[u8]) -> Result<(), HostError> {
        let name = "WRITE ATTRIBUTE";
        let format = tape_store::mam::spec(tape_store::mam::AttrId(id)).map_or(0, |spec| spec.format as u8);
        let len = u16::try_from(value.len()).map_err(|_| HostError::invalid_field(name, lun))?;
        let mut list = (u32::from(len) + 5).to_be_bytes().to_vec();
        list.extend(id.to_be_bytes());
        list.push(format);
        list.extend(len.to_be_bytes());
        list.extend(value);
        let [a, b, c, d] = (u32::from(len) + 9).to_be_bytes();
        let cdb = [0x8d, 0, 0, 0, 0, 0, 0, partition, 0, 0, a, b, c, d, 0, 0];
        let response = self.command_with_data(lun, &cdb, &list);
        response.into_result().map(drop).map_err(|response| HostError::from_response(name, lun, &response))
    }
}
