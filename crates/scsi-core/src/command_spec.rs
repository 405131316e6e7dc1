//! One row of facts per command. Dispatch, the check of reserved bits, REPORT SUPPORTED OPERATION CODES, reservations
//! and the report of unit attentions all use it.

use crate::asc::Asc;
use crate::cdb::{Cdb, Opcode, ServiceAction};
use crate::cdb_field::{CdbField, covered_bits};

use crate::field;
use crate::sense::Sense;
use crate::target::Request;

/// The reservations of other I_T nexuses that conflict with a command: SPC-4 §5.13.1, table 65; SSC-4 and SMC-3 for
/// the commands that they define.
///
/// "RESERVE" means a reservation by RESERVE(6) or (10) (SPC-2); the others are types of persistent reservations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Conflicts with no reservation of any kind.
    Always,
    /// Conflicts with RESERVE only; for commands that report status.
    Status,
    /// Conflicts with RESERVE and with exclusive access.
    Read,
    /// Conflicts with RESERVE, write exclusive and exclusive access.
    Write,
    /// PERSISTENT RESERVE IN: conflicts with RESERVE only.
    PersistentReserveIn,
    /// PERSISTENT RESERVE OUT: conflicts with RESERVE by any nexus; the service action checks the rest.
    PersistentReserveOut,
    /// RESERVE(6) and (10): conflicts with RESERVE and with any registration.
    Reserve,
    /// RELEASE(6) and (10): conflicts with any registration; no effect while another nexus has reserved.
    Release,
    /// PREVENT ALLOW MEDIUM REMOVAL: as [`Self::Write`], but ALLOW never conflicts.
    Prevent,
    /// READ ELEMENT STATUS: as [`Self::Write`], but never conflicts with CURDATA=1.
    ElementStatus,
}

/// The effect of a pending unit attention on a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionPolicy {
    /// The command ends with the unit attention and does not run.
    Report,
    /// The command runs and the unit attention stays pending (INQUIRY, REPORT LUNS, REQUEST SENSE).
    LeavePending,
}

bitflags::bitflags! {
    /// Accesses to the medium that wait on some media only. A device reports which of them may wait now.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct MediumAccess: u8 {
        /// Reads blocks.
        const READ = 0x01;
        /// Writes blocks, or removes them.
        const WRITE = 0x02;
        /// Needs exact sizes, and therefore all accepted blocks on the medium.
        const DRAIN = 0x04;
    }
}

/// The facts of one command of a device.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// OPERATION CODE, byte 0 of the CDB.
    pub opcode: Opcode,
    /// SERVICE ACTION; `None` if the operation code has no service actions.
    pub service_action: Option<ServiceAction>,
    /// The name of the command in the standard.
    pub name: &'static str,
    /// CDB USAGE DATA: the operation code, then a mask of the bits that may be set. As long as the CDB.
    pub cdb_usage: &'static [u8],
    /// The reservations that conflict with the command.
    pub access: Access,
    /// The effect of a pending unit attention.
    pub attention: AttentionPolicy,
    /// The command may wait for a disk or a robot, so a transport must not run it on the thread of a connection.
    pub may_block: bool,
    /// The command may store state of the unit before its status, so that it blocks in this sense only. Its timeouts and
    /// what its owner publishes after it are those of a command that does not block.
    pub saves_state: bool,
    /// Accesses of a command that does not always block. If one of them may wait, the command may block
    /// ([`Self::may_wait`]).
    pub medium_access: MediumAccess,
    /// The Data-Out of the command may contain an encryption key. The holder of a buffer with it must wipe the buffer.
    pub carries_key: bool,
    /// NOMINAL and RECOMMENDED COMMAND TIMEOUT in seconds.
    pub timeout: (u32, u32),
    /// The fields of the CDB by name, without OPERATION CODE, SERVICE ACTION and CONTROL.
    pub fields: &'static [CdbField],
}

impl CommandSpec {
    /// A command that reports unit attentions, does not block, and has timeouts of 1 s and 60 s. `usage` is CDB USAGE
    /// DATA.
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
            saves_state: false,
            medium_access: MediumAccess::empty(),
            carries_key: false,
            timeout: (1, 60),
            fields: &[],
        }
    }

    /// The same command with this SERVICE ACTION.
    #[must_use]
    pub const fn with_service_action(mut self, action: u16) -> Self {
        self.service_action = Some(ServiceAction(action));
        self
    }

    /// The same command, run despite a pending unit attention.
    #[must_use]
    pub const fn leaves_attention_pending(mut self) -> Self {
        self.attention = AttentionPolicy::LeavePending;
        self
    }

    /// The same command, which may block, with these NOMINAL and RECOMMENDED COMMAND TIMEOUTs in seconds.
    #[must_use]
    pub const fn blocking_with_timeouts(mut self, nominal: u32, recommended: u32) -> Self {
        self.may_block = true;
        self.timeout = (nominal, recommended);
        self
    }

    /// The same command, which may store state of the unit ([`crate::fault::Save`]), or have a record in the audit log, before
    /// its status.
    #[must_use]
    pub const fn saving_state(mut self) -> Self {
        self.saves_state = true;
        self
    }

    /// The same command, which blocks if this access to the medium may wait.
    #[must_use]
    pub const fn accessing_medium(mut self, access: MediumAccess) -> Self {
        self.medium_access = access;
        self
    }

    /// Whether the command may block, for the storing of state or on a device on which the accesses `slow` to the medium
    /// may wait.
    #[must_use]
    pub const fn may_wait(&self, slow: MediumAccess) -> bool {
        self.may_block || self.saves_state || self.medium_access.intersects(slow)
    }

    /// The same command, whose Data-Out may contain an encryption key.
    #[must_use]
    pub const fn carrying_key(mut self) -> Self {
        self.carries_key = true;
        self
    }

    /// The same command with these NOMINAL and RECOMMENDED COMMAND TIMEOUTs in seconds.
    #[must_use]
    pub const fn with_timeouts(mut self, nominal: u32, recommended: u32) -> Self {
        self.timeout = (nominal, recommended);
        self
    }

    /// The place of the command in a table: by operation code, then by service action.
    pub(crate) const fn order(&self) -> u32 {
        let action = match self.service_action {
            None => 0,
            Some(ServiceAction(action)) => action + 1,
        };
        let [high, low] = action.to_be_bytes();
        u32::from_be_bytes([0, self.opcode.0, high, low])
    }

    /// The same command with the fields of its CDB.
    #[must_use]
    pub const fn with_fields(mut self, fields: &'static [CdbField]) -> Self {
        self.fields = fields;
        self
    }

    /// The bits of the CDB that the command defines and that no field names, as byte and mask; `None` if there are
    /// none.
    fn unnamed_bits(&self) -> Option<(usize, u8)> {
        let service_action = |byte| if byte == 1 && self.service_action.is_some() { 0x1f } else { 0 };
        let usage = self.cdb_usage.iter().copied().enumerate().skip(1);
        let unnamed = usage.map(|(byte, mask)| (byte, mask & !service_action(byte) & !covered_bits(self.fields, byte)));
        unnamed.into_iter().find(|(_, mask)| *mask != 0)
    }

    /// Rejects a CDB that sets bits which the command does not define.
    ///
    /// A host sends the LUN in bits 7 to 5 of byte 1 to a SCSI-2 device (SCSI-2 §7.2.2), and in an INQUIRY to any
    /// device, because it does not know the version yet. These bits are ignored in both cases; `scsi_2` states that the
    /// device claims SCSI-2.
    ///
    /// # Errors
    /// ILLEGAL REQUEST 24h/00h, with a pointer to the first byte with an undefined bit set and the most significant
    /// such bit.
    pub fn check_reserved_bits(&self, cdb: &Cdb, scsi_2: bool) -> Result<(), Sense> {
        const LUN: u8 = 0xe0;
        let lun = if scsi_2 || self.opcode == Opcode::INQUIRY { LUN } else { 0 };
        let more = |index: usize| if index == 1 { lun } else { 0 };
        let usage = self.cdb_usage.iter().enumerate().map(|(index, mask)| mask | more(index));
        let bytes = cdb.bytes().iter().copied().zip(usage);
        // Byte 0 matches: it selected this row.
        if let Some(field) = field::first_undefined(bytes.skip(1)) {
            return Err(Sense::invalid_field_in_cdb(field.offset_by(1).pointer(), field.bit));
        }
        Ok(())
    }
}

/// A command of a device: its facts and the variant that the device's dispatcher matches.
#[derive(Clone, Copy, Debug)]
pub struct CommandRow<K: 'static> {
    /// The facts of the command.
    pub spec: CommandSpec,
    /// The dispatcher's variant for the command.
    pub command: K,
}

/// All commands of a device, in ascending order of operation code and service action.
#[derive(Clone, Copy, Debug)]
pub struct CommandTable<K: 'static>(pub &'static [CommandRow<K>]);

/// A command that was found in the table of its device: its facts and its position there. The owner of a logical unit
/// looks a command up once and passes the reference on with it.
#[derive(Clone, Copy, Debug)]
pub struct CommandRef {
    spec: &'static CommandSpec,
    index: usize,
}

impl CommandRef {
    /// The facts of the command.
    #[must_use]
    pub const fn spec(&self) -> &'static CommandSpec {
        self.spec
    }
}

impl<K: Copy> CommandTable<K> {
    /// Looks up the command of a CDB of any length. `None` if the table does not have it.
    #[must_use]
    pub fn lookup(&self, cdb: &[u8]) -> Option<CommandRef> {
        let (index, row) = self.position(cdb.len(), &Cdb::new(cdb)).ok()?;
        Some(CommandRef { spec: &row.spec, index })
    }

    /// Returns the row of a request: the one that its [`CommandRef`] refers to, or that of its CDB. `cdb` is its CDB.
    ///
    /// # Errors
    /// As [`Self::find`]; ILLEGAL REQUEST 20h/00h for a CDB of more than 16 bytes.
    pub fn row(&self, request: &Request<'_>, cdb: &Cdb) -> Result<&'static CommandRow<K>, Sense> {
        match request.row.and_then(|row| self.0.get(row.index)) {
            // The check costs little, and a reference into the table of another device has no effect.
            Some(row) if row.spec.opcode == cdb.opcode() => Ok(row),
            _ => self.position(request.cdb.len(), cdb).map(|(_, row)| row),
        }
    }

    /// Returns the row for a CDB.
    ///
    /// # Errors
    /// ILLEGAL REQUEST 20h/00h for an unknown operation code, 24h/00h with a pointer to byte 1 for an unknown service
    /// action.
    pub fn find(&self, cdb: &Cdb) -> Result<&'static CommandRow<K>, Sense> {
        self.position(Cdb::MAX, cdb).map(|(_, row)| row)
    }

    /// The position and the row of a CDB of `len` bytes.
    fn position(&self, len: usize, cdb: &Cdb) -> Result<(usize, &'static CommandRow<K>), Sense> {
        let first = self.0.partition_point(|row| row.spec.opcode < cdb.opcode());
        let rows = (first..).zip(self.0.get(first..).unwrap_or_default());
        let mut same = rows.take_while(|(_, row)| row.spec.opcode == cdb.opcode()).peekable();
        if len > Cdb::MAX || same.peek().is_none() {
            return Err(Sense::illegal_request(Asc::INVALID_COMMAND_OPERATION_CODE));
        }
        same.find(|(_, row)| row.spec.service_action.is_none_or(|action| action == cdb.service_action()))
            .ok_or(Sense::invalid_field_in_cdb(1, Some(4)))
    }

    /// The facts of every command, in ascending order.
    #[must_use]
    pub fn specs(&self) -> Vec<CommandSpec> {
        self.specs_without(&[])
    }

    /// The facts of every command that is not named in `unsupported`, in ascending order.
    #[must_use]
    pub fn specs_without(&self, unsupported: &[&str]) -> Vec<CommandSpec> {
        self.0.iter().map(|row| row.spec).filter(|spec| !unsupported.contains(&spec.name)).collect()
    }

    /// Checks the table, for tests: rows must be unique and in ascending order, each CDB as long as the group of its
    /// operation code requires, and each bit of its CDB usage data in a field. Returns the name of the first command that violates this.
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
        let unnamed = self.0.iter().find(|row| row.spec.unnamed_bits().is_some());
        unsorted.and_then(|pair| pair.first()).or(wrong_length).or(unnamed).map(|row| row.spec.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdb_field::{bit, number};
    use crate::nexus::NexusId;
    use crate::time::Now;

    const TABLE: CommandTable<char> = CommandTable(&[
        CommandRow {
            spec: CommandSpec::new("WRITE(6)", &[0x0a, 0, 0, 0, 0, 0], Access::Write)
                .with_fields(&[bit("FIXED", 1, 0), number("TRANSFER LENGTH", 2, 3)]),
            command: 'w',
        },
        CommandRow {
            spec: CommandSpec::new("KEYS", &[0x5e, 0, 0, 0, 0, 0, 0, 0, 0, 0], Access::Always).with_service_action(0),
            command: 'k',
        },
        CommandRow {
            spec: CommandSpec::new("HOLDER", &[0x5e, 1, 0, 0, 0, 0, 0, 0, 0, 0], Access::Always).with_service_action(1),
            command: 'h',
        },
    ]);

    fn run(cdb: &[u8], row: Option<CommandRef>) -> Result<char, (u8, u8)> {
        let request = Request { row, ..Request::new(NexusId(1), cdb, Now::default()) };
        let found = TABLE.row(&request, &Cdb::new(cdb));
        found.map(|row| row.command).map_err(|sense| (sense.asc.code(), sense.asc.qualifier()))
    }

    #[test]
    fn row_of_a_request_is_looked_up_or_carried() {
        for (cdb, expected) in [
            (&[0x0a, 0, 0, 0, 1, 0][..], Ok('w')),
            (&[0x5e, 1, 0, 0, 0, 0, 0, 0, 8, 0], Ok('h')),
            (&[0x5e, 9, 0, 0, 0, 0, 0, 0, 8, 0], Err((0x24, 0x00))),
            (&[0x7f, 0], Err((0x20, 0x00))),
            // An extended CDB is an unknown command, regardless of its operation code.
            (&[0x0a; 17], Err((0x20, 0x00))),
            (&[0x7f; 260], Err((0x20, 0x00))),
        ] {
            assert_eq!(run(cdb, None), expected, "{cdb:02x?}");
            let found = TABLE.lookup(cdb);
            assert_eq!((found.is_some(), run(cdb, found)), (expected.is_ok(), expected), "{cdb:02x?}");
        }
        assert_eq!(TABLE.lookup(&[0x5e, 1]).map(|found| found.spec().name), Some("HOLDER"));
        // A reference to another command has no effect.
        assert_eq!(run(&[0x0a, 0, 0, 0, 1, 0], TABLE.lookup(&[0x5e, 0])), Ok('w'));
    }
}
