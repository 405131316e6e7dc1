//! The interface between a transport and a logical unit, and the responses for a LUN without logical unit.
//!
//! A [`Request`] is a command as a device server runs it, with borrowed data. A [`Command`] is the same command with
//! owned buffers, for the queue between a transport and a logical unit; it ends as a [`CompletedCommand`].

use crate::asc::Asc;
use crate::cdb::{Cdb, Opcode};
use crate::command_spec::CommandRef;
use crate::data::Data;
use crate::fault::{Completion, Fault};
use crate::nexus::{NexusId, TransportId};
use crate::sense::{Sense, SenseFormat};
use crate::status::Status;
use crate::time::Now;
use smallvec::SmallVec;
use std::fmt;

/// The transport's identifier of a command, unique among the commands of its I_T nexus (command identifier of SAM-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// The task attribute of a command, which decides its place among the commands that wait (SAM-5 §8.6).
///
/// A transport converts its wire values: UNTAGGED is SIMPLE. No unit supports the attribute ACA (NORMACA is zero in the
/// INQUIRY data of every model), so a transport ends such a command with ILLEGAL REQUEST 49h/00h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskAttribute {
    /// SIMPLE: after the ORDERED and HEAD OF QUEUE commands that came before it.
    #[default]
    Simple,
    /// ORDERED: after all commands that came before it, and before all SIMPLE and ORDERED commands that come later.
    Ordered,
    /// HEAD OF QUEUE: before all commands that wait.
    HeadOfQueue,
}

/// One command without its data buffers, as a device server executes it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The I_T nexus of the command, announced before by [`TransportEvent::NexusEstablished`].
    pub nexus: NexusId,
    /// The eight bytes of the LUN as a big-endian number. A logical unit does not check it.
    pub lun: u64,
    /// The transport's identifier of the command.
    pub tag: Tag,
    /// The task attribute. A logical unit runs one command at a time, so only the owner of its queue uses it.
    pub attribute: TaskAttribute,
    /// COMMAND PRIORITY, 0 to 15; 0 is no priority (SAM-5 §8.7). It is carried and has no effect.
    pub priority: u8,
    /// The CDB as received, at most 260 bytes. No command of a tape drive or medium changer has more than 16.
    pub cdb: &'a [u8],
    /// The row of the command in the table of its unit, if the caller has looked it up. `None`: the unit looks it up.
    pub row: Option<CommandRef>,
    /// The time at which the command runs.
    pub now: Now,
}

impl<'a> Request<'a> {
    /// A SIMPLE command to LUN 0 with the tag 0 and no priority, at time `now`.
    #[must_use]
    pub const fn new(nexus: NexusId, cdb: &'a [u8], now: Now) -> Self {
        Self { nexus, lun: 0, tag: Tag(0), attribute: TaskAttribute::Simple, priority: 0, cdb, row: None, now }
    }
}

/// The bytes of a CDB. Up to 16 bytes, the length of every CDB without an extension, need no allocation.
pub type CdbBytes = SmallVec<[u8; 16]>;

/// The data buffers of a command. The owner of a unit's queue passes them on with the command and returns them with its
/// completion, so that the transport can use them again.
#[derive(Default)]
pub struct DataBuffers {
    /// Data-Out buffer; the data is its first [`Self::data_out_len`] bytes.
    pub data_out: Vec<u8>,
    /// Number of Data-Out bytes that the initiator sent.
    pub data_out_len: usize,
    /// Data-In buffer. With fewer than [`Self::data_in_capacity`] bytes, it is replaced before the command runs.
    pub data_in: Vec<u8>,
    /// Most Data-In bytes that the initiator accepts.
    pub data_in_capacity: usize,
}

impl fmt::Debug for DataBuffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The data is omitted: Data-Out may contain an encryption key.
        write!(f, "{} bytes Data-Out, Data-In up to {} bytes", self.data_out_len, self.data_in_capacity)
    }
}

/// One command with its data buffers, from a transport to the queue of a logical unit. Its Data-Out is complete.
#[derive(Debug)]
pub struct Command {
    /// The I_T nexus of the command.
    pub nexus: NexusId,
    /// The eight bytes of the LUN as a big-endian number.
    pub lun: u64,
    /// The transport's identifier of the command.
    pub tag: Tag,
    /// The task attribute, which decides the place of the command in the queue.
    pub attribute: TaskAttribute,
    /// COMMAND PRIORITY, 0 to 15; 0 is no priority.
    pub priority: u8,
    /// The CDB as received, at most 260 bytes.
    pub cdb: CdbBytes,
    /// The Data-Out and Data-In buffers.
    pub data: DataBuffers,
}

impl Command {
    /// The command as its unit runs it at time `now`.
    #[must_use]
    pub fn request(&self, row: Option<CommandRef>, now: Now) -> Request<'_> {
        let Self { nexus, lun, tag, attribute, priority, ref cdb, .. } = *self;
        Request { nexus, lun, tag, attribute, priority, cdb, row, now }
    }

    /// Ends the command with this completion.
    #[must_use]
    pub fn complete(self, completion: Completion) -> CompletedCommand {
        CompletedCommand { tag: self.tag, data: self.data, aborted: completion.dropped, completion }
    }

    /// Ends the command without running it because it was aborted: the initiator gets no response.
    #[must_use]
    pub fn abort(self) -> CompletedCommand {
        CompletedCommand { aborted: true, ..self.complete(Completion::with_status(Status::TASK_ABORTED)) }
    }
}

/// A command that was run or aborted.
#[derive(Debug)]
pub struct CompletedCommand {
    /// The transport's identifier of the command.
    pub tag: Tag,
    /// Status, sense data and transfer lengths.
    pub completion: Completion,
    /// The buffers of the command; the Data-In buffer has the data for the initiator.
    pub data: DataBuffers,
    /// The command was aborted before its status was sent, or was lost ([`Completion::dropped`]): no response is sent.
    pub aborted: bool,
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
    /// Number of Data-Out bytes that a request asks for with its CDB, for transports that do not state the transfer length.
    /// Only its CDB and its row are used.
    fn expected_data_out(&self, request: &Request<'_>) -> usize;
}

/// Runs a command for a LUN without logical unit (SAM-5, incorrect LUN; SPC-4 §6.6.2). INQUIRY returns PERIPHERAL QUALIFIER 011b, REQUEST
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
    let mut completion = Completion::new(&outcome, SenseFormat::Fixed);
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

    /// SAM-5 and SPC-4 §6.6.2, incorrect LUN: PERIPHERAL QUALIFIER 011b, PERIPHERAL DEVICE TYPE 1Fh.
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

    #[test]
    fn debug_output_has_no_data() {
        let data = DataBuffers { data_out: b"secret".to_vec(), data_out_len: 6, ..DataBuffers::default() };
        let cdb = CdbBytes::from_slice(&[0xb5, 0x20]);
        let (nexus, tag, attribute) = (NexusId(7), Tag(9), TaskAttribute::Ordered);
        let command = Command { nexus, lun: 1 << 48, tag, attribute, priority: 3, cdb, data };
        let shown = format!("{command:?}");
        assert!(shown.contains("[181, 32]") && shown.contains("6 bytes Data-Out"), "{shown}");
        assert!(!shown.contains("115, 101") && !shown.contains("secret"), "{shown}");
        let aborted = command.abort();
        assert!(aborted.aborted && !format!("{aborted:?}").contains("115, 101"));
        assert_eq!((aborted.tag, aborted.completion.status.0, aborted.data.data_out.len()), (Tag(9), 0x40, 6));
    }

    #[test]
    fn cdb_of_16_bytes_is_not_allocated() {
        assert!(!CdbBytes::from_slice(&[0x8f; 16]).spilled());
        assert!(CdbBytes::from_slice(&[0x7f; 32]).spilled());
    }
}
