//! LOG SENSE, SPC-4 §6.8, and LOG SELECT, §6.7; log pages, §7.3.

use crate::test_unit::TestUnit;

#[test]
fn log_sense_lists_the_pages() {
    TestUnit::ready().play(
        "
        A > 4d 00 40 00 00 00 00 00 ff 00
        < 00 in 00 00 00 04 00 02 03 30
        A > 4d 00 40 ff 00 00 00 00 ff 00
        < 00 in 40 ff 00 0c 00 00 00 ff 02 00 03 00 30 00 30 01
        A > 4d 00 70 ff 00 00 00 00 ff 00
        < 00 in 70 ff 00 06 30 00 30 01 30 ff
        ",
    );
}

/// Parameters have a code, a control byte, a length and a value. PARAMETER POINTER skips lower codes.
#[test]
fn log_sense_returns_parameters_from_the_pointer_on() {
    TestUnit::ready().play(
        "
        A > 4d 00 70 00 00 00 00 00 ff 00
        < 00 in 30 00 00 0d 00 10 41 03 'abc 80 00 43 02 01 02
        A > 4d 00 70 00 00 00 11 00 ff 00
        < 00 in 30 00 00 06 80 00 43 02 01 02
        A > 4d 00 70 00 00 80 00 00 ff 00
        < 00 in 30 00 00 06 80 00 43 02 01 02
        A > 4d 00 70 00 00 80 01 00 ff 00
        < 02 05 24 00 c0 00 05
        A > 4d 00 70 01 00 00 00 00 ff 00
        < 00 in 70 01 00 06 00 01 c0 02 12 34
        # Truncation keeps PAGE LENGTH.
        A > 4d 00 70 00 00 00 00 00 06 00
        < 00 in 30 00 00 0d 00 10
        A > 4d 00 70 00 00 00 00 00 00 00
        < 00
        ",
    );
}

#[test]
fn log_sense_rejects_unknown_pages_and_sp() {
    TestUnit::ready().play(
        "
        A > 4d 00 45 00 00 00 00 00 ff 00
        < 02 05 24 00 c0 00 02
        A > 4d 00 70 02 00 00 00 00 ff 00
        < 02 05 24 00 c0 00 03
        A > 4d 00 45 ff 00 00 00 00 ff 00
        < 02 05 24 00 c0 00 03
        A > 4d 00 40 00 00 00 01 00 ff 00
        < 02 05 24 00 c0 00 05
        # SP and PPC (obsolete), bits 0 and 1 of byte 1.
        A > 4d 01 40 00 00 00 00 00 ff 00
        < 02 05 24 00 c8 00 01
        A > 4d 02 40 00 00 00 00 00 ff 00
        < 02 05 24 00 c9 00 01
        ",
    );
}

/// The device is notified that a page was read, so that it can clear flags; not if only the header was read.
#[test]
fn reading_a_page_clears_its_flags() {
    TestUnit::ready().play(
        "
        A > 4d 00 42 00 00 00 00 00 04 00
        < 00 in 02 00 00 18
        A > 4d 00 42 00 00 00 00 00 ff 00
        < 00 in 02 00 00 18 00 00 40 04 00*3 01 00 01 40 04 00*3 02 00 02 40 04 00*3 03
        A > 4d 00 42 00 00 00 02 00 ff 00
        < 00 in 02 00 00 08 00 02 40 04 00*4
        ",
    );
}

/// PCR=1 resets the counters of one page, or of all pages with page 00h, and raises UNIT ATTENTION 2Ah/02h for others.
#[test]
fn log_select_resets_counters() {
    for page in ["00", "02"] {
        TestUnit::ready().play(&format!(
            "
            A > 4c 02 {page} 00*7
            < 00
            A > 4d 00 42 00 00 00 00 00 ff 00
            < 00 in 02 00 00 18 00 00 40 04 00*4 00 01 40 04 00*4 00 02 40 04 00*4
            B > 00*6
            < 02 06 2a 02
            A > 00*6
            < 00
            "
        ));
    }
    TestUnit::ready().play(
        "
        # A page without counters: nothing changed.
        A > 4c 02 30 00*7
        < 00
        B > 00*6
        < 00
        # PC=11b resets the counters to their defaults too; PC=01b without a list changes nothing.
        A > 4c 00 40 00*7
        < 00
        B > 00*6
        < 00
        A > 4c 00 c0 00*7
        < 00
        B > 00*6
        < 02 06 2a 02
        ",
    );
}

/// A list with PC=00b sets thresholds, which LOG SENSE returns with PC=00b. A reset restores the maximum.
#[test]
fn log_select_sets_thresholds() {
    TestUnit::ready().play(
        "
        A > 4d 00 02 00 00 00 00 00 ff 00
        < 00 in 02 00 00 18 00 00 40 04 ff*4 00 01 40 04 ff*4 00 02 40 04 ff*4
        A > 4c 00 00 00 00 00 00 00 0c 00 out 02 00 00 08 00 01 40 04 00 00 10 00
        < 00
        B > 00*6
        < 02 06 2a 02
        A > 4d 00 02 00 00 00 01 00 ff 00
        < 00 in 02 00 00 10 00 01 40 04 00 00 10 00 00 02 40 04 ff*4
        # Default thresholds and current values.
        A > 4d 00 82 00 00 00 01 00 ff 00
        < 00 in 02 00 00 10 00 01 40 04 ff*4 00 02 40 04 ff*4
        A > 4d 00 42 00 00 00 01 00 0c 00
        < 00 in 02 00 00 10 00 01 40 04 00*3 02
        # The same threshold again: nothing changed.
        A > 4c 00 00 00 00 00 00 00 0c 00 out 02 00 00 08 00 01 40 04 00 00 10 00
        < 00
        B > 00*6
        < 00
        ! reset
        A > 00*6
        < 02 06 29 03
        A > 4d 00 02 00 00 00 01 00 0c 00
        < 00 in 02 00 00 10 00 01 40 04 ff*4
        ",
    );
}

/// PC=10b restores default thresholds: of one page if PAGE CODE names one (SPC-4 §6.7), of all pages with 00h.
#[test]
fn log_select_restores_the_thresholds_of_the_page() {
    let set = "
        A > 4c 00 00 00 00 00 00 00 18 00 out 02 00 00 08 00 00 40 04 00*3 05 03 00 00 08 00 00 40 04 00*3 06
        < 00
        B > 00*6
        < 02 06 2a 02
        ";
    let read = |two: &str, three: &str| {
        format!(
            "
            A > 4d 00 02 00 00 00 00 00 0c 00
            < 00 in 02 00 00 18 00 00 40 04 {two}
            A > 4d 00 03 00 00 00 00 00 0c 00
            < 00 in 03 00 00 08 00 00 40 04 {three}
            "
        )
    };
    TestUnit::ready()
        .play(set)
        .play(&read("00*3 05", "00*3 06"))
        .play("A > 4c 00 82 00*7\n< 00")
        .play(&read("ff*4", "00*3 06"))
        .play(
            "
        B > 00*6
        < 02 06 2a 02
        # Nothing is left to restore.
        A > 4c 00 82 00*7
        < 00
        B > 00*6
        < 00
        A > 4c 00 80 00*7
        < 00
        B > 00*6
        < 02 06 2a 02
        ",
        )
        .play(&read("ff*4", "ff*4"));
    // The same with a list that names the page.
    TestUnit::ready()
        .play(set)
        .play("A > 4c 00 80 00 00 00 00 00 04 00 out 03 00 00 00\n< 00")
        .play(&read("00*3 05", "ff*4"));
}

#[test]
fn invalid_log_select_is_rejected() {
    TestUnit::ready().play(
        "
        # PCR=1 with a list; SP=1; no such page; a list with a page in the CDB.
        A > 4c 02 00 00 00 00 00 00 04 00 out 02 00 00 00
        < 02 05 24 00 c9 00 01
        A > 4c 01 00*8
        < 02 05 24 00 c8 00 01
        A > 4c 02 05 00*7
        < 02 05 24 00 cd 00 02
        A > 4c 00 02 00 00 00 00 00 04 00 out 02 00 00 00
        < 02 05 24 00 cd 00 02
        # A truncated page header and a truncated page.
        A > 4c 00 00 00 00 00 00 00 03 00 out 02 00 00
        < 02 05 1a 00
        A > 4c 00 00 00 00 00 00 00 08 00 out 02 00 00 08 00 01 40 04
        < 02 05 1a 00
        # No such page; SPF=1 with subpage 00h; SPF=0 with a subpage.
        A > 4c 00 00 00 00 00 00 00 04 00 out 05 00 00 00
        < 02 05 26 00 80 00 00
        A > 4c 00 00 00 00 00 00 00 04 00 out 42 00 00 00
        < 02 05 26 00 8e 00 00
        A > 4c 00 00 00 00 00 00 00 04 00 out 02 01 00 00
        < 02 05 26 00 88 00 01
        # A page without thresholds; counters cannot be set (PC=01b).
        A > 4c 00 00 00 00 00 00 00 0a 00 out 70 01 00 06 00 01 c0 02 00 00
        < 02 05 26 00 80 00 04
        A > 4c 00 40 00 00 00 00 00 0c 00 out 02 00 00 08 00 01 40 04 00*4
        < 02 05 26 00 80 00 04
        # No such parameter; PARAMETER LENGTH differs; a truncated parameter header.
        A > 4c 00 00 00 00 00 00 00 0c 00 out 02 00 00 08 00 09 40 04 00*4
        < 02 05 26 00 80 00 04
        A > 4c 00 00 00 00 00 00 00 0a 00 out 02 00 00 06 00 01 40 02 00 00
        < 02 05 26 00 80 00 07
        A > 4c 00 00 00 00 00 00 00 06 00 out 02 00 00 02 00 01
        < 02 05 26 00 80 00 04
        # A list is applied completely or not at all.
        A > 4c 00 00 00 00 00 00 00 10 00 out 02 00 00 08 00 01 40 04 00*4 05 00 00 00
        < 02 05 26 00 80 00 0c
        A > 4d 00 02 00 00 00 01 00 0c 00
        < 00 in 02 00 00 10 00 01 40 04 ff*4
        B > 00*6
        < 00
        ",
    );
}
