//! One row of facts per command. It feeds parsing, the check of reserved bits, REPORT SUPPORTED
//! OPERATION CODES, and the reservation and attention policy.

use crate::asc::Asc;
use crate::cdb::{Cdb, Opcode, ServiceAction};
use crate::field;
use crate::sense::Sense;

/// How reservations of other nexuses bear on a command (SPC-5 table 66, SSC-5 table 6, SMC-3 table 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Never conflicts.
    Always,
    /// Conflicts with RESERVE only.
    Status,
    /// Conflicts with RESERVE and exclusive access.
    Read,
    /// Conflicts with RESERVE, write exclusive and exclusive access.
    Write,
    /// PERSISTENT RESERVE IN: conflicts with RESERVE only.
    PersistentReserveIn,
    /// PERSISTENT RESERVE OUT: decided by the service action.
    PersistentReserveOut,
    /// RESERVE(6) and (10).
    Reserve,
    /// RELEASE(6) and (10).
    Release,
    /// As [`Self::Write`] unless it allows removal.
    Prevent,
    /// As [`Self::Write`] unless CURDATA promises that nothing moves.
    ElementStatus,
}

/// Whether a pending unit attention takes the place of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionPolicy {
    /// It is reported and the command does not run.
    Report,
    /// The command runs and the attention stays (INQUIRY, REPORT LUNS, REQUEST SENSE).
    LeavePending,
}

/// The facts of one command.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// OPERATION CODE.
    pub opcode: Opcode,
    /// SERVICE ACTION, where the opcode has several.
    pub service_action: Option<ServiceAction>,
    /// The name of the standard.
    pub name: &'static str,
    /// CDB USAGE DATA: the opcode, then the bits that may be set. Its length is the CDB's.
    pub cdb_usage: &'static [u8],
    /// Reservation policy.
    pub access: Access,
    /// Attention policy.
    pub attention: AttentionPolicy,
    /// The command may wait for a disk or a robot, so a transport must not run it on its own thread.
    pub may_block: bool,
    /// NOMINAL and RECOMMENDED COMMAND TIMEOUT in seconds.
    pub timeout: (u32, u32),
}

impl CommandSpec {
    /// A command with the common policies; change the fields that differ.
    #[must_use]
    pub const fn new(name: &'static str, usage: &'static [u8], access: Access) -> Self {
        #[expect(clippy::indexing_slicing, reason = "evaluated at compile time: an empty usage does not build")]
        let opcode = Opcode(usage[0]);
        let attention = AttentionPolicy::Report;
        Self {
            opcode,
            service_action: None,
            name,
            cdb_usage: usage,
            access,
            attention,
            may_block: false,
            timeout: (1, 60),
        }
    }

    /// The same command under one service action.
    #[must_use]
    pub const fn with_service_action(mut self, action: u16) -> Self {
        self.service_action = Some(ServiceAction(action));
        self
    }

    /// The command runs in spite of a unit attention.
    #[must_use]
    pub const fn leaves_attention_pending(mut self) -> Self {
        self.attention = AttentionPolicy::LeavePending;
        self
    }

    /// The command may block, and its timeouts are these.
    #[must_use]
    pub const fn blocking_with_timeouts(mut self, nominal: u32, recommended: u32) -> Self {
        self.may_block = true;
        self.timeout = (nominal, recommended);
        self
    }

    /// The command's timeouts are these.
    #[must_use]
    pub const fn with_timeouts(mut self, nominal: u32, recommended: u32) -> Self {
        self.timeout = (nominal, recommended);
        self
    }

    /// Refuses bits that the command does not define.
    ///
    /// A host takes a device of SCSI-2 for one that finds its LUN in bits 7 to 5 of byte 1 (SCSI-2 §7.2.2), and before it
    /// has asked with INQUIRY, whatever is beside such a device, too. There those bits mean nothing.
    ///
    /// # Errors
    /// 5/24/00 pointing at the most significant bit set that may not be.
    pub fn check_reserved_bits(&self, cdb: &Cdb, scsi_2: bool) -> Result<(), Sense> {
        const LUN: u8 = 0xe0;
        let lun = if scsi_2 || self.opcode == Opcode::INQUIRY { LUN } else { 0 };
        let more = |index: usize| if index == 1 { lun } else { 0 };
        let usage = self.cdb_usage.iter().enumerate().map(|(index, mask)| mask | more(index));
        let bytes = cdb.bytes().iter().copied().zip(usage);
        // The operation code is what found this row.
        if let Some(field) = field::first_undefined(bytes.skip(1)) {
            return Err(Sense::invalid_field_in_cdb(field.offset_by(1).pointer(), field.bit));
        }
        Ok(())
    }
}

/// A command of some device: its facts and the variant that its dispatcher matches on.
#[derive(Clone, Copy, Debug)]
pub struct CommandRow<K: 'static> {
    /// The facts.
    pub spec: CommandSpec,
    /// What runs it.
    pub command: K,
}

/// All commands of a device, ascending by opcode and service action.
#[derive(Clone, Copy, Debug)]
pub struct CommandTable<K: 'static>(pub &'static [CommandRow<K>]);

impl<K: Copy> CommandTable<K> {
    /// The row of a CDB.
    ///
    /// # Errors
    /// 5/20/00 for an unknown opcode, 5/24/00 at byte 1 for an unknown service action.
    pub fn find(&self, cdb: &Cdb) -> Result<&'static CommandRow<K>, Sense> {
        let first = self.0.partition_point(|row| row.spec.opcode < cdb.opcode());
        let rows = self.0.get(first..).unwrap_or_default();
        let mut same = rows.iter().take_while(|row| row.spec.opcode == cdb.opcode()).peekable();
        if same.peek().is_none() {
            return Err(Sense::illegal_request(Asc::INVALID_COMMAND_OPERATION_CODE));
        }
        same.find(|row| row.spec.service_action.is_none_or(|action| action == cdb.service_action()))
            .ok_or(Sense::invalid_field_in_cdb(1, Some(4)))
    }

    /// The facts of every command, in order.
    #[must_use]
    pub fn specs(&self) -> Vec<CommandSpec> {
        self.0.iter().map(|row| row.spec).collect()
    }

    /// What every table must hold: ascending rows without a twin, and a CDB length that its opcode allows.
    /// The name of the first row that does not, for a test.
    #[must_use]
    pub fn inconsistency(&self) -> Option<&'static str> {
        let key = |row: &CommandRow<K>| (row.spec.opcode, row.spec.service_action);
        let unsorted = self.0.windows(2).find(|pair| matches!(pair, [a, b] if key(a) >= key(b)));
        let wrong_length = self.0.iter().find(|row| {
            let expected = match row.spec.opcode.0 >> 5 {
                0 => 6,
                1 | 2 => 10,
                4 => 16,
                5 => 12,
                _ => row.spec.cdb_usage.len(),
            };
            row.spec.cdb_usage.len() != expected
        });
        unsorted.and_then(|pair| pair.first()).or(wrong_length).map(|row| row.spec.name)
    }
}
