//! RESERVE and RELEASE, SPC-2 §7.16 to §7.22, and PREVENT ALLOW MEDIUM REMOVAL, SSC-4 §7.5.

use crate::test_unit::TestUnit;

#[test]
fn reserve_excludes_other_nexuses_until_release() {
    for (reserve, release) in [("16 00*5", "17 00*5"), ("56 00*9", "57 00*9"), ("16 00*5", "57 00*9")] {
        TestUnit::ready().play(&format!(
            "
            A > {reserve}
            < 00
            A > {reserve}
            < 00
            A > 00*6
            < 00
            B > 00*6
            < 18
            B > {reserve}
            < 18
            # RELEASE by another nexus succeeds without an effect.
            B > {release}
            < 00
            B > 00*6
            < 18
            A > {release}
            < 00
            A > {release}
            < 00
            B > {reserve}
            < 00
            A > 00*6
            < 18
            "
        ));
    }
}

/// I_T nexus loss of the holder, LOGICAL UNIT RESET and target reset release the reservation (SPC-2 §5.5.1).
#[test]
fn loss_of_the_holder_and_resets_release_the_reservation() {
    for (event, attention) in [("logout A", None), ("reset", Some("29 03")), ("target-reset", Some("29 02"))] {
        let mut unit = TestUnit::ready();
        unit.play("A > 16 00*5\n< 00\nB > 00*6\n< 18").play(&format!("! {event}"));
        if let Some(attention) = attention {
            unit.play(&format!("B > 00*6\n< 02 06 {attention}"));
        }
        unit.play("B > 00*6\n< 00");
    }
    let mut unit = TestUnit::ready();
    unit.play("A > 16 00*5\n< 00\n! logout C\nB > 00*6\n< 18");
}

/// Third-party reservations and reservations of elements or extents are obsolete since SPC-3.
#[test]
fn third_party_reservations_are_rejected() {
    TestUnit::ready().play(
        "
        A > 16 10 00*4
        < 02 05 24 00 cc 00 01
        A > 16 01 00*4
        < 02 05 24 00 c8 00 01
        A > 16 00 05 00*3
        < 02 05 24 00 ca 00 02
        A > 17 10 00*4
        < 02 05 24 00 cc 00 01
        A > 56 12 00*8
        < 02 05 24 00 cc 00 01
        A > 56 00 00 00 00 00 00 00 08 00 out 00*8
        < 02 05 24 00 cb 00 08
        A > 57 02 00*8
        < 02 05 24 00 c9 00 01
        ",
    );
}

/// While any nexus is registered, RESERVE and RELEASE of all nexuses conflict (CRH=0, SPC-4 §5.13.3); while a nexus has
/// reserved, PERSISTENT RESERVE OUT conflicts, even by this nexus, and PERSISTENT RESERVE IN by others.
#[test]
fn both_kinds_of_reservations_exclude_each_other() {
    let mut unit = TestUnit::ready();
    unit.play(
        "
        A > 5f 00 00*6 18 00 out 00*15 0a 00*8
        < 00
        A > 16 00*5
        < 18
        A > 17 00*5
        < 18
        B > 56 00*9
        < 18
        A > 5f 00 00*6 18 00 out 00*7 0a 00*16
        < 00
        A > 16 00*5
        < 00
        A > 5f 00 00*6 18 00 out 00*15 0a 00*8
        < 18
        B > 5f 06 00*6 18 00 out 00*15 0b 00*8
        < 18
        A > 5e 00 00*5 00 08 00
        < 00 in 00 00 00 02 00*4
        B > 5e 00 00*5 00 08 00
        < 18
        ",
    );
}

#[test]
fn each_nexus_prevents_removal() {
    let mut unit = TestUnit::ready();
    assert!(!unit.removal_prevented());
    let mut check = |script: &str, prevented: bool| {
        unit.play(script);
        assert_eq!(unit.removal_prevented(), prevented, "{script}");
    };
    check("A > 1e 00 00 00 01 00\n< 00", true);
    check("A > 1e 00 00 00 01 00\n< 00", true);
    check("B > 1e 00 00 00 01 00\n< 00", true);
    check("C > 1e 00*5\n< 00", true);
    check("A > 1e 00*5\n< 00", true);
    check("B > 1e 00*5\n< 00", false);
    check("A > 1e 00 00 00 01 00\n< 00\n! logout A", false);
    check("B > 1e 00 00 00 01 00\n< 00\n! reset", false);
    check("B > 00*6\n< 02 06 29 03", false);
    // PREVENT 10b and 11b are obsolete.
    check("B > 1e 00 00 00 02 00\n< 02 05 24 00 c9 00 04\nB > 1e 00 00 00 03 00\n< 02 05 24 00 c9 00 04", false);
}
