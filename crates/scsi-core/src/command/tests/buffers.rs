//! READ BUFFER(10), SPC-4 §6.18, and WRITE BUFFER, §6.49.

use crate::dump::DumpSupport;
use crate::test_unit::TestUnit;

/// Modes 00h and 02h of buffer 0, 64 KiB, which all nexuses share.
#[test]
fn shared_buffer_returns_written_data() {
    TestUnit::ready().play(
        "
        A > 3b 02 00 00 00 01 00 00 03 00 out 'abc
        < 00
        B > 3c 02 00 00 00 00 00 00 06 00
        < 00 in 00 'abc 00 00
        B > 3c 02 00 00 00 02 00 00 02 00
        < 00 in 'bc
        # The last byte of the buffer, and beyond it.
        A > 3c 02 00 00 ff ff 00 00 08 00
        < 00 in 00
        A > 3c 02 00 01 00 00 00 00 08 00
        < 00
        A > 3c 02 00 01 00 01 00 00 08 00
        < 02 05 24 00 c0 00 03
        # Combined header and data: BUFFER CAPACITY, then the data.
        A > 3b 00 00 00 00 00 00 00 06 00 out 00*4 'xy
        < 00
        A > 3c 00 00 00 00 00 00 00 08 00
        < 00 in 00 01 00 00 'xybc
        A > 3b 00 00 00 00 00 00 00 05 00 out 00 01 00*3
        < 02 05 26 00 88 00 01
        ! reset
        A > 00*6
        < 02 06 29 03
        A > 3c 02 00 00 00 00 00 00 03 00
        < 00 in 00*3
        ",
    );
}

/// Mode 03h describes a buffer: OFFSET BOUNDARY and BUFFER CAPACITY; zeros if no buffer has the ID (SPC-4 §6.18.5).
#[test]
fn descriptors_of_buffers() {
    TestUnit::ready().play(
        "
        A > 3c 03 00 00 00 00 00 00 04 00
        < 00 in 00 01 00 00
        A > 3c 03 05 00 00 00 00 00 04 00
        < 00 in 00*4
        # Echo buffer descriptor: EBOS, because each nexus has its own buffer, and the capacity.
        A > 3c 0b 00 00 00 00 00 00 04 00
        < 00 in 01 00 10 00
        ",
    );
}

/// Mode 0Ah: an echo buffer per nexus. BUFFER ID and BUFFER OFFSET are ignored (SPC-4 §6.18.6 and §6.49.9).
#[test]
fn echo_buffers_are_separate() {
    TestUnit::ready().play(
        "
        A > 3c 0a 00 00 00 00 00 00 04 00
        < 02 05 2c 00
        A > 3b 0a 00 00 00 00 00 00 03 00 out 'abc
        < 00
        B > 3b 0a 07 00 00 09 00 00 02 00 out 'de
        < 00
        A > 3c 0a 00 00 00 00 00 00 ff 00
        < 00 in 'abc
        B > 3c 0a 03 00 00 02 00 00 ff 00
        < 00 in 'de
        A > 3b 0a 00 00 00 00 00 10 01 00 out 61*4097
        < 02 05 24 00 c0 00 06
        ! logout A
        ! login A
        A > 00*6
        < 02 06 29 07
        A > 3c 0a 00 00 00 00 00 00 04 00
        < 02 05 2c 00
        ",
    );
}

#[test]
fn invalid_modes_ids_offsets_and_lengths_are_rejected() {
    TestUnit::ready().play(
        "
        # MODE, bits 4 to 0 of byte 1; MODE SPECIFIC, bits 7 to 5.
        A > 3c 1f 00 00 00 00 00 00 04 00
        < 02 05 24 00 cc 00 01
        A > 3b 1f 00 00 00 00 00 00 01 00 out 00
        < 02 05 24 00 cc 00 01
        A > 3c 22 00 00 00 00 00 00 04 00
        < 02 05 24 00 cd 00 01
        A > 3b 22 00 00 00 00 00 00 01 00 out 00
        < 02 05 24 00 cf 00 01
        # BUFFER ID; BUFFER OFFSET of combined mode; offset and length beyond the capacity.
        A > 3c 02 01 00 00 00 00 00 04 00
        < 02 05 24 00 c0 00 02
        A > 3b 02 01 00 00 00 00 00 01 00 out 00
        < 02 05 24 00 c0 00 02
        A > 3c 00 00 00 00 01 00 00 04 00
        < 02 05 24 00 c0 00 03
        A > 3b 00 00 00 00 01 00 00 04 00 out 00*4
        < 02 05 24 00 c0 00 03
        A > 3b 02 00 00 ff ff 00 00 02 00 out 00*2
        < 02 05 24 00 c0 00 06
        A > 3b 02 00 01 00 01 00 00 01 00 out 00
        < 02 05 24 00 c0 00 03
        # The initiator sends less than PARAMETER LIST LENGTH.
        A > 3b 02 00 00 00 00 00 00 04 00 out 'abc
        < 02 05 1a 00
        ",
    );
}

/// Microcode is received and rejected; none can be activated (mode 0Fh).
#[test]
fn microcode_is_rejected() {
    let mut unit = TestUnit::ready();
    for mode in ["04", "05", "06", "07", "0d", "0e"] {
        unit.play(&format!("A > 3b {mode} 00 00 00 00 00 00 02 00 out ff ff\n< 02 05 26 00 80 00 00"));
    }
    unit.play("A > 3b 0f 00 00 00 00 00 00 00 00\n< 02 05 2c 00");
}

/// Mode 1Ch, SPC-4 §6.18.9: the directory, the snapshot and the error history I_T nexus.
#[test]
fn error_history_belongs_to_one_nexus() {
    let mut unit = TestUnit::ready();
    unit.play("A > 3c 1c 00 00 00 00 00 01 00 00\n< 02 05 24 00 cc 00 01");
    unit.device.dumps = DumpSupport { error_history: true, ..DumpSupport::NONE };
    let directory = |flags: &str| {
        let entries = "00 00*3 00*3 48 01 00*3 00*3 48 02 00*3 00*3 48 03 00*3 00*3 48 10 00*3 00*3 04";
        format!("< 00 in 'FERRIC 20*2 01 {flags} 00*20 00 28 {entries}")
    };
    unit.play(&format!(
        "
        A > 3c 1c 10 00 00 00 00 01 00 00
        < 02 05 2c 00
        # EHS_RETRIEVED 10b: not retrieved. EHS_SOURCE 01b: created by this command, then 10b: by an earlier command.
        A > 3c 1c 00 00 00 00 00 01 00 00
        {}
        A > 3c 1c 00 00 00 00 00 01 00 00
        {}
        A > 3c 1c 10 00 00 01 00 01 00 00
        < 00 in 'ump
        B > 3c 1c 00 00 00 00 00 01 00 00
        < 02 05 00 16
        B > 3c 1c 10 00 00 00 00 01 00 00
        < 02 05 00 16
        # BUFFER ID 02h makes B the error history I_T nexus.
        B > 3c 1c 02 00 00 00 00 01 00 00
        {}
        A > 3c 1c fe 00 00 00 00 00 00 00
        < 02 05 00 16
        # FEh clears the nexus and marks the snapshot as retrieved (01b); FFh releases the snapshot too.
        B > 3c 1c fe 00 00 00 00 00 00 00
        < 00
        A > 3c 1c 00 00 00 00 00 01 00 00
        {}
        A > 3c 1c ff 00 00 00 00 00 00 00
        < 00
        A > 3c 1c 10 00 00 00 00 01 00 00
        < 02 05 2c 00
        A > 3c 1c 11 00 00 00 00 01 00 00
        < 02 05 24 00 c0 00 02
        A > 3c 1c 00 00 00 01 00 01 00 00
        < 02 05 24 00 c0 00 03
        A > 3c 1c 01 00 00 00 00 01 00 00
        {}
        A > 3c 1c 10 00 00 05 00 01 00 00
        < 02 05 24 00 c0 00 03
        ",
        directory("12"),
        directory("14"),
        directory("14"),
        directory("0c"),
        directory("12")
    ));
}

/// A vendor-specific buffer that returns the diagnostic dump.
#[test]
fn dump_buffer_returns_the_dump() {
    let mut unit = TestUnit::ready();
    unit.device.dumps = DumpSupport { buffer: Some(1), ..DumpSupport::NONE };
    unit.play(
        "
        A > 3c 03 01 00 00 00 00 00 04 00
        < 00 in 00 00 00 04
        A > 3c 02 01 00 00 01 00 00 ff 00
        < 00 in 'ump
        A > 3c 02 01 00 00 05 00 00 ff 00
        < 02 05 24 00 c0 00 03
        ",
    );
}
