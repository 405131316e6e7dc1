//! The error of a [`Host`](super::Host) command.

use super::CommandResponse;
use scsi_core::asc::Asc;
use scsi_core::sense::Sense;
use scsi_core::status::Status;
use std::fmt;

/// A command that did not end with the status GOOD, or returned less data than required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError {
    /// Name of the command in the standard.
    pub command: &'static str,
    /// LUN that the command was sent to.
    pub lun: usize,
    /// SCSI status; GOOD if the returned data is too short.
    pub status: Status,
    /// Sense data, with the status CHECK CONDITION.
    pub sense: Option<Sense>,
}

impl HostError {
    /// Sense key, ASC and ASCQ; `None` without sense data.
    #[must_use]
    pub fn sense_codes(&self) -> Option<(u8, u8, u8)> {
        let sense = self.sense.as_ref()?;
        Some((sense.key.0, sense.asc.code(), sense.asc.qualifier()))
    }

    /// An argument that does not fit into the CDB: ILLEGAL REQUEST 24h/00h, as if the unit had refused it.
    pub(super) const fn invalid_field(command: &'static str, lun: usize) -> Self {
        let sense = Some(Sense::illegal_request(Asc::INVALID_FIELD_IN_CDB));
        Self { command, lun, status: Status::CHECK_CONDITION, sense }
    }

    pub(super) const fn short_data(command: &'static str, lun: usize) -> Self {
        Self { command, lun, status: Status::GOOD, sense: None }
    }

    pub(super) fn from_response(command: &'static str, lun: usize, response: &CommandResponse) -> Self {
        Self { command, lun, status: response.status, sense: Sense::decode(&response.sense) }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to LUN {}: ", self.command, self.lun)?;
        if self.status == Status::GOOD {
            return f.write_str("the returned data is too short");
        }
        f.write_str(self.status.name().unwrap_or("unknown status"))?;
        let Some(sense) = &self.sense else { return Ok(()) };
        let (asc, ascq) = (sense.asc.code(), sense.asc.qualifier());
        write!(f, ", {} {asc:02X}h/{ascq:02X}h", sense.key.name().unwrap_or("unknown sense key"))?;
        sense.asc.name().map_or(Ok(()), |name| write!(f, " ({name})"))
    }
}

impl std::error::Error for HostError {}
