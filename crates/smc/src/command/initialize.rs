//! INITIALIZE ELEMENT STATUS, SMC-3 §6.2.             Bytes: 0 opcode · 5 control
//! INITIALIZE ELEMENT STATUS WITH RANGE, SMC-3 §6.3.  Bytes: 0 opcode · 1 FAST(1) RANGE(0) · 2-3 STARTING ELEMENT ADDRESS · 6-7 NUMBER OF ELEMENTS · 9 control
//!
//! The inventory is always known and exact, so a scan finds what is known.
//!
//! **Deviations:** none.

use scsi_core::spec::{Access, CommandSpec};

/// Facts of the form without range.
pub(crate) const SPEC: CommandSpec =
    CommandSpec::new("INITIALIZE ELEMENT STATUS", &[0x07, 0, 0, 0, 0, 0], Access::Write).within(60, 1800);
/// Facts of the form with range.
pub(crate) const RANGE: CommandSpec = CommandSpec::new(
    "INITIALIZE ELEMENT STATUS WITH RANGE",
    &[0x37, 0x03, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0],
    Access::Write,
)
.within(60, 1800);
