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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::IoSliceMut;

    /// Status, sense data and Data-In of a command to a LUN without logical unit, of a target with LUN 1.
    fn run(cdb: &[u8]) -> (u8, Vec<u8>, Vec<u8>) {
        let mut buffer = [0; 64];
        let completion = missing_lun(cdb, &[1 << 48], Data::new(&[], &mut [IoSliceMut::new(&mut buffer)]));
        let sense = completion.sense.map(|sense| sense.as_slice().to_vec()).unwrap_or_default();
        (completion.status.0, sense, buffer[..completion.data_in].to_vec())
    }

    /// SPC-5 §4.6.4 and §6.6.2: PERIPHERAL QUALIFIER 011b, PERIPHERAL DEVICE TYPE 1Fh.
    #[test]
    fn inquiry_of_a_missing_unit() {
        let mut data = vec![0; 36];
        data[..5].copy_from_slice(&[0x7f, 0, 6, 2, 31]);
        assert_eq!(run(&[0x12, 0, 0, 0, 0xff, 0]), (0, Vec::new(), data));
        assert_eq!(run(&[0x12, 0, 0, 0, 2, 0]), (0, Vec::new(), vec![0x7f, 0]));
        let sense = vec![0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xc8, 0, 1];
        assert_eq!(run(&[0x12, 1, 0x80, 0, 0xff, 0]), (2, sense, Vec::new()));
    }

    #[test]
    fn other_commands_to_a_missing_unit() {
        let fixed = vec![0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x25, 0, 0, 0, 0, 0];
        assert_eq!(run(&[3, 0, 0, 0, 0xfc, 0]), (0, Vec::new(), fixed.clone()));
        assert_eq!(run(&[3, 1, 0, 0, 0xfc, 0]), (0, Vec::new(), vec![0x72, 5, 0x25, 0, 0, 0, 0, 0]));
        let luns = [0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0].to_vec();
        assert_eq!(run(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0]), (0, Vec::new(), luns));
        for cdb in [&[0; 6][..], &[0x1a, 0, 0x3f, 0, 0xff, 0], &[0x08, 0, 0, 0, 1, 0], &[0xff; 12], &[]] {
            assert_eq!(run(cdb), (2, fixed.clone(), Vec::new()), "{cdb:02x?}");
        }
    }
}
