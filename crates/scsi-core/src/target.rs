//! What a transport needs of a unit, and what it answers where there is none.

use crate::asc::Asc;
use crate::cdb::{Cdb, Opcode};
use crate::data::Data;
use crate::fault::{Completion, Fault};
use crate::nexus::{NexusId, TransportId};
use crate::sense::{Sense, SenseFormat};
use crate::time::Now;

/// One command, but for its data.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks; announced before by [`Event::NexusEstablished`].
    pub nexus: NexusId,
    /// The CDB as it came.
    pub cdb: &'a [u8],
    /// When it runs.
    pub now: Now,
}

/// What happens to a unit besides commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// A nexus exists. `returning` if it existed before since power on.
    NexusEstablished {
        /// Its handle from now on.
        nexus: NexusId,
        /// Its initiator port.
        port: TransportId,
        /// It was lost and is back: 29/07 instead of 29/00.
        reestablished: bool,
    },
    /// The nexus is lost: logout, reinstatement, connection gone.
    NexusLost(NexusId),
    /// LOGICAL UNIT RESET.
    UnitReset,
    /// TARGET WARM or COLD RESET.
    TargetReset,
    /// CLEAR TASK SET by this nexus: the others had commands cleared.
    TaskSetCleared(NexusId),
}

/// All a transport ever needs of a device.
pub trait LogicalUnit: Send {
    /// Runs one command to its end.
    fn execute(&mut self, request: &Request<'_>, data: Data<'_, '_>) -> Completion;
    /// Tells the unit what happened around it.
    fn handle_event(&mut self, event: TransportEvent, now: Now);
    /// How many bytes the CDB wants from the initiator, for a transport that is not told.
    fn expected_data_out(&self, cdb: &[u8]) -> usize;
}

/// Answers at a LUN that leads nowhere (SPC-5 §4.6.4): INQUIRY says so, REQUEST SENSE returns 5/25/00,
/// REPORT LUNS lists what there is, and everything else is refused.
pub fn missing_lun(cdb: &[u8], luns: &[u64], mut data: Data<'_, '_>) -> Completion {
    let cdb = Cdb::new(cdb);
    let outcome = match cdb.opcode() {
        Opcode::INQUIRY if cdb.bytes()[1] & 1 != 0 => Err(Sense::invalid_field_in_cdb(1, Some(0)).into()),
        Opcode::INQUIRY => {
            let [_, _, _, high, low, ..] = *cdb.bytes();
            data.data_in.limit(usize::from(u16::from_be_bytes([high, low])));
            let mut standard = [0; 36];
            [standard[0], standard[2], standard[3], standard[4]] = [0x7f, 0x06, 0x02, 31];
            data.data_in.append(&standard);
            Ok(())
        }
        Opcode::REQUEST_SENSE => {
            data.data_in.limit(usize::from(cdb.bytes()[4]));
            let format = if cdb.bytes()[1] & 1 == 0 { SenseFormat::Fixed } else { SenseFormat::Descriptor };
            data.data_in.append(Sense::illegal_request(Asc::LOGICAL_UNIT_NOT_SUPPORTED).encode(format).as_slice());
            Ok(())
        }
        Opcode::REPORT_LUNS => crate::command::report_luns::run(&cdb, luns, &mut data),
        _ => Err(Fault::from(Sense::illegal_request(Asc::LOGICAL_UNIT_NOT_SUPPORTED))),
    };
    let mut completion = Completion::new(outcome, SenseFormat::Fixed);
    completion.data_in = data.data_in.written();
    completion.data_in_wanted = data.data_in.wanted();
    completion
}
