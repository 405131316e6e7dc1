//! SEND DIAGNOSTIC, SPC-5 §6.42.  Bytes: 0 opcode · 1 SELF-TEST CODE(7-5) PF(4) SELFTEST(2) DEVOFFL(1) UNITOFFL(0) · 3-4 PARAMETER LIST LENGTH · 5 control
//!
//! **Deviations:** the default self-test only; self-test codes and parameter lists are refused with 5/24/00.

use crate::cdb::Cdb;
use crate::fault::Outcome;
use crate::lu::Device;
use crate::sense::Sense;
use crate::spec::{Access, CommandSpec};

/// Facts of the command.
pub const SPEC: CommandSpec =
    CommandSpec::new("SEND DIAGNOSTIC", &[0x1d, 0x17, 0, 0, 0, 0], Access::Write).blocks(1, 300);

pub(super) fn run(cdb: &Cdb, device: &mut dyn Device) -> Outcome {
    if cdb.bytes()[1] & 0x04 == 0 {
        return Err(Sense::cdb_field(1, Some(2)).into());
    }
    device.self_test()
}
