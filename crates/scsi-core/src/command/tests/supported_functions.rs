//! REPORT SUPPORTED OPERATION CODES, SPC-4 §6.35, and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS, §6.36.

use crate::test_unit::TestUnit;

/// REPORTING OPTIONS 000b: a descriptor of 8 bytes for each command, of 20 bytes with timeouts (RCTD=1).
#[test]
fn all_commands_are_reported() {
    TestUnit::ready().play(
        "
        A > a3 0c 00 00 00 00 00 00 10 00 00 00
        < 00 in 00 00 01 28 00*7 06 03 00*6 06 12 00*6 06 15 00*6 06 ..
        A > a3 0c 80 00 00 00 00 00 10 00 00 00
        < 00 in 00 00 02 e4 00*5 02 00 06 00 0a 00*5 01 00*3 3c 03 00*4 02 00 06 00 0a 00*5 01 00*3 3c ..
        ",
    );
    // SERVACTV with a service action: 5E/00 to 5E/03, and A4/0F as the last command.
    let mut unit = TestUnit::ready();
    let all = unit.run("A", &[0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0], &[], 4096).data;
    let rows: Vec<&[u8]> = all[4..].chunks(8).collect();
    assert_eq!(rows.len(), 37);
    assert_eq!(rows[18], [0x5e, 0, 0, 0, 0, 1, 0, 10]);
    assert_eq!(rows[21], [0x5e, 0, 0, 3, 0, 1, 0, 10]);
    assert_eq!(rows[36], [0xa4, 0, 0, 0x0f, 0, 1, 0, 12]);
}

/// One command: SUPPORT 3h with CDB USAGE DATA, in which the service action has its value, or SUPPORT 1h.
#[test]
fn one_command_is_reported() {
    TestUnit::ready().play(
        "
        A > a3 0c 01 12 00 00 00 00 01 00 00 00
        < 00 in 00 03 00 06 12 01 ff ff ff 00
        A > a3 0c 81 12 00 00 00 00 01 00 00 00
        < 00 in 00 83 00 06 12 01 ff ff ff 00 00 0a 00*5 01 00*3 3c
        A > a3 0c 02 5e 00 02 00 00 01 00 00 00
        < 00 in 00 03 00 0a 5e 02 00*5 ff ff 00
        A > a3 0c 02 a3 00 0c 00 00 01 00 00 00
        < 00 in 00 03 00 0c a3 0c 87 ff*7 00 00
        A > a3 0c 03 12 00 00 00 00 01 00 00 00
        < 00 in 00 03 00 06 12 01 ff ff ff 00
        A > a3 0c 03 5f 00 07 00 00 01 00 00 00
        < 00 in 00 03 00 0a 5f 07 ff 00 00 ff*4 00
        # Not supported: opcode, service action, service action of an opcode that has none.
        A > a3 0c 01 b8 00 00 00 00 01 00 00 00
        < 00 in 00 01 00 00
        A > a3 0c 02 5e 00 09 00 00 01 00 00 00
        < 00 in 00 01 00 00
        A > a3 0c 82 5e 00 09 00 00 01 00 00 00
        < 00 in 00 01 00 00
        A > a3 0c 03 12 00 01 00 00 01 00 00 00
        < 00 in 00 01 00 00
        # 001b with service actions, 010b without: invalid REPORTING OPTIONS, as 100b.
        A > a3 0c 01 5e 00 00 00 00 01 00 00 00
        < 02 05 24 00 ca 00 02
        A > a3 0c 02 12 00 00 00 00 01 00 00 00
        < 02 05 24 00 ca 00 02
        A > a3 0c 04 12 00 00 00 00 01 00 00 00
        < 02 05 24 00 ca 00 02
        A > a3 0c 01 12 00 00 00 00 00 03 00 00
        < 00 in 00 03 00
        ",
    );
}

/// ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, TARGET RESET; timeouts in units of 100 ms.
#[test]
fn task_management_functions_are_reported() {
    TestUnit::ready().play(
        "
        A > a3 0d 00 00 00 00 00 00 00 04 00 00
        < 00 in da 00 00 00
        A > a3 0d 80 00 00 00 00 00 00 10 00 00
        < 00 in da 00 00 0c 01 00*3 00 00 02 58 00*3 64
        A > a3 0d 80 00 00 00 00 00 00 05 00 00
        < 00 in da 00 00 0c 01
        # ALLOCATION LENGTH must be at least 4.
        A > a3 0d 00 00 00 00 00 00 00 03 00 00
        < 02 05 24 00 c0 00 06
        A > a3 0d 40 00 00 00 00 00 00 04 00 00
        < 02 05 24 00 ce 00 02
        ",
    );
}
