//! PERSISTENT RESERVE IN, SPC-4 §6.15, and PERSISTENT RESERVE OUT, §6.16; persistent reservations, §5.13.
//!
//! A, B and C use the keys 0Ah, 0Bh and 0Ch.

use crate::test_unit::TestUnit;

/// Registers A, B and C.
const REGISTER_ALL: &str = "
    A > 5f 00 00*6 18 00 out 00*15 0a 00*8
    < 00
    B > 5f 00 00*6 18 00 out 00*15 0b 00*8
    < 00
    C > 5f 00 00*6 18 00 out 00*15 0c 00*8
    < 00
    ";

/// TransportIDs of the initiator ports (SPC-4 §7.6.4.6: iSCSI, format 01b).
const PORT_A: &str = "45 00 00 18 'iqn.a,i,0x800000000001 00*2";
const PORT_B: &str = "45 00 00 18 'iqn.b,i,0x800000000002 00*2";
const PORT_C: &str = "45 00 00 18 'iqn.c,i,0x800000000003 00*2";

/// READ KEYS by A must return PRGENERATION and these keys.
fn keys(generation: u8, keys: &[&str]) -> String {
    let list: String = keys.iter().map(|key| format!(" 00*7 {key}")).collect();
    format!("A > 5e 00 00*5 00 ff 00\n< 00 in 00*3 {generation:02x} 00*3 {:02x}{list}\n", 8 * keys.len())
}

/// READ RESERVATION by A must return a reservation of this type, with this key; `None` if there is none.
fn reservation(generation: u8, holder: Option<(&str, u8)>) -> String {
    let body = holder.map_or("00*4".into(), |(key, kind)| format!("00*3 10 00*7 {key} 00*4 00 {kind:02x} 00 00"));
    format!("A > 5e 01 00*5 00 ff 00\n< 00 in 00*3 {generation:02x} {body}\n")
}

/// A command with the basic parameter list.
fn out(nexus: &str, action: u8, scope_type: u8, key: &str, action_key: &str, response: &str) -> String {
    let cdb = format!("5f {action:02x} {scope_type:02x} 00*5 18 00");
    format!("{nexus} > {cdb} out 00*7 {key} 00*7 {action_key} 00*8\n< {response}\n")
}

/// A, B and C are registered, and A holds a reservation of this type.
fn reserved(kind: u8) -> TestUnit {
    let mut unit = TestUnit::ready();
    unit.play(REGISTER_ALL).play(&out("A", 1, kind, "0a", "00", "00"));
    unit
}

/// Table 67 (REGISTER) and table 68 (REGISTER AND IGNORE EXISTING KEY) of SPC-4 §5.13.7.
#[test]
fn registrations() {
    let mut unit = TestUnit::ready();
    unit.play(
        &[
            keys(0, &[]),
            // Unregistered: both keys zero, no effect; RESERVATION KEY not zero, conflict.
            out("A", 0, 0, "00", "00", "00"),
            keys(0, &[]),
            out("A", 0, 0, "0a", "0a", "18"),
            out("A", 0, 0, "00", "0a", "00"),
            keys(1, &["0a"]),
            // Registered: wrong key; a new key; the key of another nexus is not shared.
            out("A", 0, 0, "00", "1a", "18"),
            out("A", 0, 0, "0b", "1a", "18"),
            out("A", 0, 0, "0a", "1a", "00"),
            keys(2, &["1a"]),
            out("B", 0, 0, "00", "1a", "00"),
            keys(3, &["1a", "1a"]),
            // SERVICE ACTION RESERVATION KEY zero unregisters.
            out("A", 0, 0, "1a", "00", "00"),
            keys(4, &["1a"]),
            out("A", 6, 0, "00", "00", "00"),
            keys(4, &["1a"]),
            // IGNORE EXISTING KEY.
            out("A", 6, 0, "77", "0a", "00"),
            keys(5, &["1a", "0a"]),
            out("B", 6, 0, "77", "0b", "00"),
            keys(6, &["0b", "0a"]),
            out("B", 6, 0, "77", "00", "00"),
            keys(7, &["0a"]),
        ]
        .concat(),
    );
}

/// The basic list has 24 bytes; TYPE, SCOPE, the service action and reserved bits are checked.
#[test]
fn invalid_parameter_lists_are_rejected() {
    let mut unit = TestUnit::ready();
    unit.play(REGISTER_ALL);
    unit.play(
        "
        A > 5f 00 00*6 17 00 out 00*23
        < 02 05 1a 00
        A > 5f 00 00*6 00 00
        < 02 05 1a 00
        A > 5f 00 00*6 19 00 out 00*7 0a 00*17
        < 02 05 1a 00
        A > 5f 00 00*6 18 00 out 00*20
        < 02 05 1a 00
        A > 5f 00 00*4 ff ff 18 00 out 00*24
        < 02 05 1a 00
        # Reserved bits of byte 20, and byte 21.
        A > 5f 00 00*6 18 00 out 00*7 0a 00*8 00*4 02 00*3
        < 02 05 26 00 89 00 14
        A > 5f 00 00*6 18 00 out 00*7 0a 00*8 00*5 40 00*2
        < 02 05 26 00 8e 00 15
        # Service actions 08h (REPLACE LOST RESERVATION) and 09h.
        A > 5f 08 00*6 18 00 out 00*24
        < 02 05 24 00 cc 00 01
        A > 5f 09 00*6 18 00 out 00*24
        < 02 05 24 00 cc 00 01
        # SCOPE other than LU_SCOPE, and undefined types.
        A > 5f 01 13 00*5 18 00 out 00*7 0a 00*16
        < 02 05 24 00 cf 00 02
        A > 5f 01 00 00*5 18 00 out 00*7 0a 00*16
        < 02 05 24 00 cb 00 02
        A > 5f 01 02 00*5 18 00 out 00*7 0a 00*16
        < 02 05 24 00 cb 00 02
        A > 5f 02 04 00*5 18 00 out 00*7 0a 00*16
        < 02 05 24 00 cb 00 02
        A > 5f 04 09 00*5 18 00 out 00*7 0a 00*7 0b 00*8
        < 02 05 24 00 cb 00 02
        A > 5f 05 0f 00*5 18 00 out 00*7 0a 00*7 0b 00*8
        < 02 05 24 00 cb 00 02
        # They are ignored where they have no meaning: REGISTER and CLEAR.
        A > 5f 00 ff 00*5 18 00 out 00*7 0a 00*7 0a 00*8
        < 00
        A > 5f 03 ff 00*5 18 00 out 00*7 0a 00*16
        < 00
        ",
    );
}

/// SPEC_I_PT=1 registers the named unregistered ports too. A registered port in the list, and SPEC_I_PT by a registered
/// nexus, are INVALID FIELD IN PARAMETER LIST (table 67, notes b and c); no registration is made then.
#[test]
fn spec_i_pt_registers_other_ports() {
    let mut unit = TestUnit::ready();
    unit.play(&format!(
        "
        # B and C, not in the order of their login. A port that is named twice, and the sender, are registered once.
        A > 5f 00 00*6 8c 00 out 00*15 0a 00*4 08 00*3 00*3 70 {PORT_C} {PORT_B} {PORT_C} {PORT_A}
        < 00
        {}
        A > 5e 03 00*5 00 ff 00
        < 00 in 00*3 01 00*3 9c 00*7 0a 00*4 00 00 00*4 00 01 00*3 1c {PORT_A} 00*7 0a 00*4 00 00 00*4 00 01 00*3 1c {PORT_C} 00*7 0a 00*4 00 00 00*4 00 01 00*3 1c {PORT_B}
        # SPEC_I_PT by a registered nexus, even with an empty list.
        A > 5f 00 00*6 1c 00 out 00*7 0a 00*7 1a 00*4 08 00*3 00*4
        < 02 05 26 00 8b 00 14
        A > 5f 00 00*6 1c 00 out 00*7 0a 00*8 00*4 08 00*3 00*4
        < 02 05 26 00 8b 00 14
        # A wrong key is a conflict first.
        A > 5f 00 00*6 1c 00 out 00*7 1a 00*7 1a 00*4 08 00*3 00*4
        < 18
        ",
        keys(1, &["0a", "0a", "0a"])
    ));
    let mut unit = TestUnit::ready();
    unit.play(&out("B", 0, 0, "00", "0b", "00"));
    unit.play(&format!(
        "
        # B is registered: the pointer is to its TransportID, 28 bytes after that of C.
        A > 5f 00 00*6 54 00 out 00*15 0a 00*4 08 00*3 00*3 38 {PORT_C} {PORT_B}
        < 02 05 26 00 80 00 38
        {}
        # Truncated lists; a TransportID of 20 bytes; an iSCSI name without ISID that names no port.
        A > 5f 00 00*6 18 00 out 00*15 0a 00*4 08 00*3
        < 02 05 1a 00
        A > 5f 00 00*6 20 00 out 00*15 0a 00*4 08 00*3 00*3 1c 45 00 00 18
        < 02 05 1a 00
        A > 5f 00 00*6 30 00 out 00*15 0a 00*4 08 00*3 00*3 14 45 00 00 10 'iqn.c 00*11
        < 02 05 26 00 80 00 1c
        A > 5f 00 00*6 34 00 out 00*15 0a 00*4 08 00*3 00*3 18 05 00 00 14 'iqn.x 00*15
        < 02 05 26 00 80 00 1c
        # REGISTER AND IGNORE EXISTING KEY does not take it.
        A > 5f 06 00*6 1c 00 out 00*15 0a 00*4 08 00*3 00*4
        < 02 05 26 00 8b 00 14
        # Both keys zero: no effect, whatever the list names.
        A > 5f 00 00*6 38 00 out 00*16 00*4 08 00*3 00*3 1c {PORT_B}
        < 00
        # The name without ISID stands for the port of C.
        A > 5f 00 00*6 34 00 out 00*15 0a 00*4 08 00*3 00*3 18 05 00 00 14 'iqn.c 00*15
        < 00
        {}
        ",
        keys(1, &["0b"]),
        keys(2, &["0b", "0a", "0a"])
    ));
}

/// REPORT CAPABILITIES, READ KEYS, READ RESERVATION and READ FULL STATUS.
#[test]
fn persistent_reserve_in_reports_the_state() {
    let mut unit = TestUnit::ready();
    unit.play(
        "
        # SIP_C, ATP_C, PTPL_C; TMV; WR_EX_AR, EX_AC_RO, WR_EX_RO, EX_AC, WR_EX; EX_AC_AR.
        A > 5e 02 00*5 00 ff 00
        < 00 in 00 08 0d 80 ea 01 00 00
        A > 5e 03 00*5 00 ff 00
        < 00 in 00*8
        A > 5e 04 00*5 00 ff 00
        < 02 05 24 00 cc 00 01
        # ALL_TG_PT and APTPL: PTPL_A.
        A > 5f 00 00*6 18 00 out 00*15 0a 00*4 05 00*3
        < 00
        A > 5e 02 00*5 00 ff 00
        < 00 in 00 08 0d 81 ea 01 00 00
        B > 5f 00 00*6 18 00 out 00*15 0b 00*8
        < 00
        A > 5e 02 00*5 00 04 00
        < 00 in 00 08 0d 80
        ",
    );
    unit.play(&reservation(2, None));
    unit.play(&out("A", 1, 5, "0a", "00", "00")).play(&reservation(2, Some(("0a", 5))));
    unit.play(&format!(
        "
        A > 5e 03 00*5 00 ff 00
        < 00 in 00*3 02 00*3 68 00*7 0a 00*4 03 05 00*4 00 01 00*3 1c {PORT_A} 00*7 0b 00*4 00 00 00*4 00 01 00*3 1c {PORT_B}
        A > 5e 00 00*5 00 0c 00
        < 00 in 00*3 02 00*3 10 00*4
        "
    ));
    // All registrants hold the reservation; its key is zero.
    let mut unit = TestUnit::ready();
    unit.play(&out("A", 0, 0, "00", "0a", "00")).play(&out("B", 0, 0, "00", "0b", "00"));
    unit.play(&out("A", 1, 8, "0a", "00", "00")).play(&reservation(2, Some(("00", 8))));
    unit.play(&format!(
        "
        A > 5e 03 00*5 00 ff 00
        < 00 in 00*3 02 00*3 68 00*7 0a 00*4 01 08 00*4 00 01 00*3 1c {PORT_A} 00*7 0b 00*4 01 08 00*4 00 01 00*3 1c {PORT_B}
        "
    ));
}

/// RESERVE: by a registered nexus with its key; again with the same type; other types and other nexuses conflict.
#[test]
fn reserve_and_release() {
    for kind in [1, 3, 5, 6, 7, 8] {
        let all = matches!(kind, 7 | 8);
        let holder = if all { "00" } else { "0a" };
        let mut unit = reserved(kind);
        unit.play(
            &[
                reservation(3, Some((holder, kind))),
                out("A", 1, kind, "0a", "00", "00"),
                out(
                    "A",
                    1,
                    kind ^ 2,
                    "0a",
                    "00",
                    if kind ^ 2 == 4 || kind ^ 2 == 10 { "02 05 24 00 cb 00 02" } else { "18" },
                ),
                // All registrants hold the reservation of an all registrants type.
                out("B", 1, kind, "0b", "00", if all { "00" } else { "18" }),
                // RELEASE: wrong key, wrong type (26h/04h), a registered nexus that is not a holder.
                out("A", 2, kind, "0b", "00", "18"),
                out("A", 2, if kind == 1 { 3 } else { 1 }, "0a", "00", "02 05 26 04"),
                reservation(3, Some((holder, kind))),
            ]
            .concat(),
        );
        if !all {
            unit.play(&out("B", 2, kind, "0b", "00", "00")).play(&reservation(3, Some((holder, kind))));
        }
        unit.play(&out("A", 2, kind, "0a", "00", "00")).play(&reservation(3, None));
        // RESERVATIONS RELEASED for registrants only and all registrants types; PRGENERATION does not change.
        let response = if kind >= 5 { "02 06 2a 04" } else { "00" };
        unit.play(&format!("B > 00*6\n< {response}\nC > 00*6\n< {response}\nA > 00*6\n< 00"));
        unit.play(&keys(3, &["0a", "0b", "0c"]));
        unit.play(&out("A", 2, kind, "0a", "00", "00"));
    }
    // An unregistered nexus.
    let mut unit = TestUnit::ready();
    for action in [1, 2, 3, 4, 5] {
        unit.play(&out("A", action, 3, "00", "00", "18"));
    }
}

/// Unregistering the holder releases the reservation, except for all registrants types until the last (§5.13.11.2.3).
#[test]
fn unregistering_the_holder_releases_the_reservation() {
    for (kind, attention) in [(1, "00"), (3, "00"), (5, "02 06 2a 04"), (6, "02 06 2a 04")] {
        let mut unit = reserved(kind);
        unit.play(&out("A", 0, 0, "0a", "00", "00")).play(&reservation(4, None));
        unit.play(&format!("B > 00*6\n< {attention}\nA > 00*6\n< 00"));
    }
    for kind in [7, 8] {
        let mut unit = reserved(kind);
        unit.play(
            &[
                out("A", 6, 0, "00", "00", "00"),
                reservation(4, Some(("00", kind))),
                out("B", 0, 0, "0b", "00", "00"),
                reservation(5, Some(("00", kind))),
                out("C", 0, 0, "0c", "00", "00"),
                reservation(6, None),
            ]
            .concat(),
        );
    }
    // A nexus that is not the holder.
    let mut unit = reserved(3);
    unit.play(&out("B", 0, 0, "0b", "00", "00")).play(&reservation(4, Some(("0a", 3))));
}

/// CLEAR removes everything: UNIT ATTENTION 2Ah/03h for all other registered nexuses.
#[test]
fn clear_removes_registrations_and_reservation() {
    let mut unit = reserved(3);
    unit.play(&[out("B", 3, 0, "0a", "00", "18"), out("B", 3, 0, "0b", "00", "00")].concat());
    unit.play("A > 00*6\n< 02 06 2a 03\nC > 00*6\n< 02 06 2a 03\nB > 00*6\n< 00");
    unit.play(&keys(4, &[])).play(&reservation(4, None));
}

/// PREEMPT with the key of the holder: takes over the reservation and removes the registrations with that key, except
/// that of the sender (§5.13.11.2.4.3). 2Ah/05h for removed nexuses; 2Ah/04h for others if the type changes.
#[test]
fn preempting_the_holder_moves_the_reservation() {
    for (new_type, attention_of_c) in [(3, "00"), (1, "02 06 2a 04")] {
        let mut unit = reserved(3);
        unit.play(
            &[
                out("B", 4, new_type, "0a", "0a", "18"),
                out("B", 4, new_type, "0b", "0a", "00"),
                format!("A > 00*6\n< 02 06 2a 05\nB > 00*6\n< 00\nC > 00*6\n< {attention_of_c}\n"),
                "! aborts\n".into(),
                reservation(4, Some(("0b", new_type))),
                keys(4, &["0b", "0c"]),
            ]
            .concat(),
        );
    }
    // The holder preempts itself: it keeps its registration and gets the new type.
    let mut unit = reserved(3);
    unit.play(
        &[out("A", 4, 1, "0a", "0a", "00"), reservation(4, Some(("0a", 1))), keys(4, &["0a", "0b", "0c"])].concat(),
    );
    unit.play("A > 00*6\n< 00\nB > 00*6\n< 02 06 2a 04");
}

/// PREEMPT with another key removes the registrations with that key, and nothing else (§5.13.11.2.5): also that of the
/// sender, which gets no unit attention. A key that no nexus has is a conflict; zero is an invalid field.
#[test]
fn preempting_registrations_does_not_change_the_reservation() {
    let mut unit = reserved(3);
    unit.play(
        &[
            // TYPE is ignored but must be defined.
            out("B", 4, 1, "0b", "0c", "00"),
            reservation(4, Some(("0a", 3))),
            keys(4, &["0a", "0b"]),
            "C > 00*6\n< 02 06 2a 05\nA > 00*6\n< 00\n".into(),
            out("B", 4, 3, "0b", "0c", "18"),
            out("B", 4, 3, "0b", "00", "02 05 26 00 80 00 08"),
            keys(4, &["0a", "0b"]),
            // B and C share a key: both registrations are removed.
            out("C", 0, 0, "00", "0b", "00"),
            out("B", 4, 3, "0b", "0b", "00"),
            keys(6, &["0a"]),
            reservation(6, Some(("0a", 3))),
            "C > 00*6\n< 02 06 2a 05\nB > 12 00 00 00 00 00\n< 00\nB > 03 00 00 00 03 00\n< 00 in 70 00 00\n".into(),
        ]
        .concat(),
    );
    // Without a reservation.
    let mut unit = TestUnit::ready();
    unit.play(REGISTER_ALL).play(&out("A", 4, 3, "0a", "0b", "00")).play(&keys(4, &["0a", "0c"]));
    unit.play(&reservation(4, None)).play(&out("A", 4, 3, "0a", "00", "02 05 26 00 80 00 08"));
    unit.play(&out("A", 4, 3, "0a", "0a", "00")).play(&keys(5, &["0c"]));
}

/// All registrants types: key zero preempts the reservation and all other registrations; another key only removes
/// registrations (table 72).
#[test]
fn preempting_all_registrants() {
    let mut unit = reserved(8);
    unit.play(
        &[
            out("C", 4, 7, "0c", "00", "00"),
            "A > 00*6\n< 02 06 2a 05\nB > 00*6\n< 02 06 2a 05\nC > 00*6\n< 00\n".into(),
            keys(4, &["0c"]),
            reservation(4, Some(("00", 7))),
        ]
        .concat(),
    );
    let mut unit = reserved(7);
    unit.play(
        &[
            out("B", 4, 3, "0b", "0a", "00"),
            "A > 00*6\n< 02 06 2a 05\n".into(),
            keys(4, &["0b", "0c"]),
            reservation(4, Some(("00", 7))),
            out("B", 4, 3, "0b", "77", "18"),
        ]
        .concat(),
    );
    // The last registration removes the reservation, also by PREEMPT of the sender itself (table 71).
    unit.play(
        &[out("C", 0, 0, "0c", "00", "00"), out("B", 4, 3, "0b", "0b", "00"), keys(6, &[]), reservation(6, None)]
            .concat(),
    );
}

/// PREEMPT AND ABORT does the same and aborts the commands of the removed nexuses; they no longer prevent removal.
#[test]
fn preempt_and_abort_aborts_commands() {
    let mut unit = reserved(3);
    unit.play("A > 1e 00 00 00 01 00\n< 00");
    assert!(unit.removal_prevented());
    unit.play(&out("B", 5, 3, "0b", "0a", "00")).play("! aborts A");
    assert!(!unit.removal_prevented());
    unit.play(&reservation(4, Some(("0b", 3))).replace("A >", "C >")).play("A > 00*6\n< 02 06 2a 05");
}

/// The other commands of the sender are aborted too if its registration has the key (SPC-4 §5.12.11.2.6), whether it is
/// removed, or kept because the sender takes over the reservation.
#[test]
fn preempt_and_abort_of_the_sender() {
    let mut unit = reserved(3);
    unit.play(&out("B", 5, 3, "0b", "0b", "00")).play("! aborts B").play(&keys(4, &["0a", "0c"]));
    let mut unit = reserved(3);
    unit.play(&out("A", 5, 1, "0a", "0a", "00")).play("! aborts A").play(&keys(4, &["0a", "0b", "0c"]));
    // SERVICE ACTION RESERVATION KEY zero: all registrants.
    let mut unit = reserved(8);
    unit.play(&out("A", 5, 8, "0a", "00", "00")).play("! aborts A B C");
}

/// REGISTER AND MOVE registers the port and moves the reservation to it; UNREG=1 removes the registration of the sender
/// (§5.13.8).
#[test]
fn register_and_move() {
    let list = |key: &str, action_key: &str, flags: &str, port: &str| {
        format!("5f 07 00*6 34 00 out 00*7 {key} 00*7 {action_key} 00 {flags} {port} 00*3 1c")
    };
    let mut unit = TestUnit::ready();
    unit.play(&out("A", 0, 0, "00", "0a", "00")).play(&out("A", 1, 6, "0a", "00", "00"));
    unit.play(&format!(
        "
        # Wrong key; not the holder; SERVICE ACTION RESERVATION KEY zero; the sender itself.
        A > {} {PORT_B}
        < 18
        B > {} {PORT_C}
        < 18
        A > {} {PORT_B}
        < 02 05 26 00 80 00 08
        A > {} {PORT_A}
        < 02 05 26 00 80 00 18
        # RELATIVE TARGET PORT IDENTIFIER; reserved bits; TransportID length longer and shorter than the list.
        A > {} {PORT_B}
        < 02 05 26 00 80 00 12
        A > {} {PORT_B}
        < 02 05 26 00 8a 00 11
        A > 5f 07 00*6 34 00 out 00*7 0a 00*7 0b 00 00 00 01 00*3 20 {PORT_B}
        < 02 05 1a 00
        A > 5f 07 00*6 34 00 out 00*7 0a 00*7 0b 00 00 00 01 00*3 18 {PORT_B}
        < 02 05 26 00 80 00 14
        A > 5f 07 00*6 18 00 out 00*7 0a 00*7 0b 00 00 00 01 00*4
        < 02 05 26 00 80 00 18
        {}
        # UNREG=0: both are registered; B is the holder.
        A > {} {PORT_B}
        < 00
        {}
        # B moves it on with UNREG=1.
        B > {} {PORT_C}
        < 00
        {}
        ",
        list("0b", "0b", "00", "00 01"),
        list("0b", "0b", "00", "00 01"),
        list("0a", "00", "00", "00 01"),
        list("0a", "0b", "00", "00 01"),
        list("0a", "0b", "00", "00 02"),
        list("0a", "0b", "04", "00 01"),
        keys(1, &["0a"]),
        list("0a", "0b", "00", "00 01"),
        keys(2, &["0a", "0b"]) + &reservation(2, Some(("0b", 6))),
        list("0b", "0c", "02", "00 01"),
        keys(3, &["0a", "0c"]) + &reservation(3, Some(("0c", 6))),
    ));
    // All registrants types cannot be moved, and there must be a reservation.
    let mut unit = reserved(8);
    unit.play(&format!("A > {} {PORT_B}\n< 18", list("0a", "0b", "00", "00 01")));
    let mut unit = TestUnit::ready();
    unit.play(&out("A", 0, 0, "00", "0a", "00"));
    unit.play(&format!("A > {} {PORT_B}\n< 18", list("0a", "0b", "00", "00 01")));
}

/// APTPL of the last registration decides whether power loss keeps registrations and reservation. A reset and I_T nexus
/// loss keep them always (§5.13.5).
#[test]
fn power_loss_keeps_the_reservation_with_aptpl() {
    const POWER_CYCLE: &str =
        "! power-cycle\nA > 00*6\n< 02 06 29 00\nB > 00*6\n< 02 06 29 00\nC > 00*6\n< 02 06 29 00\n";
    let mut unit = reserved(3);
    unit.play("! reset\n! logout A\n! login A\nA > 00*6\n< 02 06 29 07").play(&reservation(3, Some(("0a", 3))));
    unit.play(POWER_CYCLE).play(&keys(0, &[])).play(&reservation(0, None));
    let mut unit = reserved(3);
    unit.play("C > 5f 00 00*6 18 00 out 00*7 0c 00*7 0c 00*4 01 00*3\n< 00").play(POWER_CYCLE);
    unit.play(&keys(0, &["0a", "0b", "0c"])).play(&reservation(0, Some(("0a", 3)))).play("B > 1a 08 0a 00 04 00\n< 18");
    // The reservation belongs to the port, regardless of its nexus.
    unit.play("A > 1a 08 0a 00 04 00\n< 00 in 0f 88 10 00");
    // A later registration without APTPL.
    unit.play("B > 5f 00 00*6 18 00 out 00*7 0b 00*7 0b 00*8\n< 00").play(POWER_CYCLE).play(&keys(0, &[]));
}

/// With as many registrations as the unit keeps, one more is INSUFFICIENT REGISTRATION RESOURCES. Ports that are named
/// twice count once, and no port of a failed command is registered.
#[test]
fn registrations_are_limited() {
    let port = |number: u16| format!("45 00 00 18 'iqn.p,i,0x80000000{number:04x} 00*2");
    let ports = |numbers: std::ops::Range<u16>| numbers.map(port).collect::<Vec<_>>().join(" ");
    let with_ports = |count: usize, ports: &str, response: &str| {
        let (list, ids) = (28 + 28 * count, 28 * count);
        let length = |number: usize| format!("00 00 {:02x} {:02x}", number >> 8, number & 0xff);
        format!("A > 5f 00 00*3 {} 00 out 00*15 0a 00*4 08 00*3 {} {ports}\n< {response}", length(list), length(ids))
    };
    let mut unit = TestUnit::ready();
    unit.play(&with_ports(256, &ports(0..256), "02 05 55 04")).play(&keys(0, &[]));
    let twice = format!("{} {}", ports(0..255), port(3));
    unit.play(&with_ports(256, &twice, "00"));
    unit.play("A > 5e 00 00*5 00 08 00\n< 00 in 00 00 00 01 00 00 08 00");
    unit.play(&out("B", 0, 0, "00", "0b", "02 05 55 04"));
}
