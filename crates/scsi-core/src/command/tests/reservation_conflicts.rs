//! Commands in the presence of reservations of other I_T nexuses: SPC-4 §5.13.1, tables 65 and 66, with RESERVE of
//! SPC-2 §5.5.1.

use crate::test_unit::TestUnit;

/// The columns of [`CONFLICTS`]: RESERVE by B; Write Exclusive and Exclusive Access of B, with A unregistered and
/// registered; registrants only and all registrants types, with A registered, then unregistered.
const COLUMNS: [(&[u8], Option<bool>); 7] = [
    (&[], None),
    (&[1], Some(false)),
    (&[1], Some(true)),
    (&[3], Some(false)),
    (&[3], Some(true)),
    (&[5, 6, 7, 8], Some(true)),
    (&[5, 7], Some(false)),
];
/// The same for Exclusive Access types of registrants, with A unregistered.
const LAST_COLUMN: (&[u8], Option<bool>) = (&[6, 8], Some(false));

/// A is allowed, C conflicts, in the order of the columns.
const CONFLICTS: [(&str, &str, &str); 33] = [
    ("INQUIRY", "12 00*5", "AAAAAAAA"),
    ("REPORT LUNS", "a0 00*11", "AAAAAAAA"),
    ("REQUEST SENSE", "03 00*5", "AAAAAAAA"),
    ("LOG SENSE", "4d 00 40 00*7", "AAAAAAAA"),
    ("TEST UNIT READY", "00*6", "CAAAAAAA"),
    ("MODE SENSE(6)", "1a 00 0a 00*3", "CAACCAAC"),
    ("MODE SENSE(10)", "5a 00 0a 00*7", "CAACCAAC"),
    ("MODE SELECT(6)", "15 10 00*4", "CCCCCACC"),
    ("MODE SELECT(10)", "55 10 00*8", "CCCCCACC"),
    ("LOG SELECT", "4c 00*9", "CCCCCACC"),
    ("READ BUFFER(10)", "3c 03 00*8", "CAACCAAC"),
    ("WRITE BUFFER", "3b 02 00*8", "CCCCCACC"),
    ("RECEIVE DIAGNOSTIC RESULTS", "1c 00*5", "CAACCAAC"),
    ("SEND DIAGNOSTIC", "1d 04 00*4", "CCCCCACC"),
    ("PREVENT ALLOW MEDIUM REMOVAL, allow", "1e 00*5", "AAAAAAAA"),
    ("PREVENT ALLOW MEDIUM REMOVAL, prevent", "1e 00 00 00 01 00", "CCCCCACC"),
    ("RESERVE(6)", "16 00*5", "CCCCCCCC"),
    ("RESERVE(10)", "56 00*9", "CCCCCCCC"),
    ("RELEASE(6)", "17 00*5", "ACCCCCCC"),
    ("RELEASE(10)", "57 00*9", "ACCCCCCC"),
    ("READ KEYS", "5e 00*9", "CAAAAAAA"),
    ("READ RESERVATION", "5e 01 00*8", "CAAAAAAA"),
    ("REPORT CAPABILITIES", "5e 02 00*8", "CAAAAAAA"),
    ("READ FULL STATUS", "5e 03 00*8", "CAAAAAAA"),
    ("REPORT SUPPORTED OPERATION CODES", "a3 0c 00*10", "CAACCAAC"),
    ("REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS", "a3 0d 00*7 04 00 00", "CAACCAAC"),
    ("REPORT IDENTIFYING INFORMATION", "a3 05 00*10", "CAAAAAAA"),
    ("SET IDENTIFYING INFORMATION", "a4 06 00*10", "CCCCCACC"),
    ("REPORT TIMESTAMP", "a3 0f 00*10", "CAAAAAAA"),
    ("SET TIMESTAMP", "a4 0f 00*10", "CCCCCACC"),
    ("REGISTER", "5f 00 00*6 18 00", "CAAAAAAA"),
    ("REGISTER AND IGNORE EXISTING KEY", "5f 06 00*6 18 00", "CAAAAAAA"),
    // A has no reservation to move, so the unit refuses it as it would with a reservation of another nexus.
    ("REGISTER AND MOVE", "5f 07 00*6 34 00", "CCCCCCCC"),
];

/// Service actions of PERSISTENT RESERVE OUT that only registered nexuses may use; RESERVE conflicts with every
/// reservation that A does not hold.
const RESERVE_OUT: [(&str, &str, &str); 5] = [
    ("RESERVE", "5f 01 03 00*5 18 00", "CCCCCCCC"),
    ("RELEASE", "5f 02 03 00*5 18 00", "CCACAACC"),
    ("CLEAR", "5f 03 00 00*5 18 00", "CCACAACC"),
    ("PREEMPT", "5f 04 03 00*5 18 00", "CCACAACC"),
    ("PREEMPT AND ABORT", "5f 05 03 00*5 18 00", "CCACAACC"),
];

/// A unit that B has reserved: with RESERVE(6) (`None`), or with a persistent reservation of this type.
fn reserved_by_b(kind: Option<u8>, a_is_registered: bool) -> TestUnit {
    let mut unit = TestUnit::ready();
    let Some(kind) = kind else {
        unit.play("B > 16 00*5\n< 00");
        return unit;
    };
    if a_is_registered {
        unit.play("A > 5f 00 00*6 18 00 out 00*15 0a 00*8\n< 00");
    }
    unit.play("B > 5f 00 00*6 18 00 out 00*15 0b 00*8\n< 00");
    unit.play(&format!("B > 5f 01 {kind:02x} 00*5 18 00 out 00*7 0b 00*16\n< 00"));
    unit
}

/// The parameter list of A: its key if it is registered, and the key of B as SERVICE ACTION RESERVATION KEY.
fn parameter_list(cdb: &str, is_registered: bool) -> Vec<u8> {
    let mut list = vec![0; 24];
    list[7] = if is_registered { 0x0a } else { 0 };
    if cdb.starts_with("5f 07") {
        (list[15], list[19], list[23]) = (0x0b, 1, 0x1c);
        list.extend_from_slice(b"\x45\0\0\x18iqn.b,i,0x800000000002\0\0");
    } else if cdb.starts_with("5f 00") || cdb.starts_with("5f 06") {
        list[15] = 0x0a;
    } else if cdb.starts_with("5f") {
        list[15] = 0x0b;
    }
    list
}

#[test]
fn every_command_conflicts_as_the_standard_requires() {
    for (name, cdb, expected) in CONFLICTS.into_iter().chain(RESERVE_OUT) {
        let columns = COLUMNS.into_iter().chain([LAST_COLUMN]);
        for ((kinds, registered), expected) in columns.zip(expected.chars()) {
            let is_registered = registered == Some(true);
            let kinds: Vec<Option<u8>> =
                if kinds.is_empty() { vec![None] } else { kinds.iter().copied().map(Some).collect() };
            for kind in kinds {
                let mut unit = reserved_by_b(kind, is_registered);
                let status = unit.status("A", cdb, &parameter_list(cdb, is_registered));
                let conflicts = status == 0x18;
                assert_eq!(
                    conflicts,
                    expected == 'C',
                    "{name}, type {kind:?}, registered {is_registered}: {status:02x}"
                );
                // The holder itself never conflicts, except where RESERVE and persistent reservations exclude each other.
                let excluded =
                    cdb.starts_with("16") || cdb.starts_with("17") || cdb.starts_with("56") || cdb.starts_with("57");
                if !excluded && !cdb.starts_with("5f") {
                    assert_ne!(
                        reserved_by_b(kind, is_registered).status("B", cdb, &[0; 24]),
                        0x18,
                        "{name} by the holder"
                    );
                }
            }
        }
    }
}
