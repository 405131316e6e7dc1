//! The interface between a transport and a logical unit, and the responses for a LUN without logical unit.

use crate::asc::Asc;
use crate::cdb::{Cdb, Opcode};
use crate::data::Data;
use crate::fault::{Completion, Fault};
use crate::nexus::{NexusId, TransportId};
use crate::sense::{Sense, SenseFormat};
use crate::time::Now;

/// One command, without its data buffers.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The I_T nexus of the command, announced before by [`TransportEvent::NexusEstablished`].
    pub nexus: NexusId,
    /// The CDB as received, of any length.
    pub cdb: &'a [u8],
    /// The time at which the command runs.
    pub now: Now,
}

/// An event of the transport that affects a unit, other than a command (SAM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// An I_T nexus was established.
    NexusEstablished {
        /// The handle of the nexus from now on.
        nexus: NexusId,
        /// The TransportID of the initiator port.
        port: TransportId,
        /// The nexus existed before, since power-on, and was lost: raises UNIT ATTENTION 29h/07h instead of 29h/00h.
        reestablished: bool,
    },
    /// I_T nexus loss: logout, session reinstatement or connection loss.
    NexusLost(NexusId),
    /// LOGICAL UNIT RESET task management function.
    UnitReset,
    /// TARGET WARM RESET or TARGET COLD RESET.
    TargetReset,
    /// CLEAR TASK SET by this nexus cleared commands of other nexuses.
    TaskSetCleared(NexusId),
}

/// The device server of a logical unit, as a transport uses it.
pub trait LogicalUnit: Send {
    /// Runs one command to its completion.
    fn execute(&mut self, request: &Request<'_>, data: Data<'_, '_>) -> Completion;
    /// Notifies the unit of an event of the transport.
    fn handle_event(&mut self, event: TransportEvent, now: Now);
    /// Number of Data-Out bytes that a CDB requests, for transports that do not state the transfer length.
    fn expected_data_out(&self, cdb: &[u8]) -> usize;
}

/// Runs a command for a LUN without logical unit (SPC-5 §4.6.4). INQUIRY returns PERIPHERAL QUALIFIER 011b, REQUEST
/// SENSE returns ILLEGAL REQUEST 25h/00h, REPORT LUNS lists the LUNs of the target, and every other command ends with
/// ILLEGAL REQUEST 25h/00h.
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
