//! Pages that the configuration of a unit overrides: INQUIRY, MODE SENSE, MODE SELECT, LOG SENSE and LOG SELECT.

use crate::mode::PageId;
use crate::page_override::{ModeValues, OverriddenPage, PageChange, PageOverride};
use crate::test_unit::TestUnit;
use crate::transcript::bytes;

fn change(page: OverriddenPage, change: PageChange) -> PageOverride {
    PageOverride::new(page, change, 0x01).unwrap()
}

fn whole(page: OverriddenPage, words: &str) -> PageOverride {
    change(page, PageChange::Whole(bytes(&words.split(' ').collect::<Vec<_>>())))
}

fn at(page: OverriddenPage, offset: usize, words: &str) -> PageOverride {
    change(page, PageChange::Bytes { offset, bytes: bytes(&words.split(' ').collect::<Vec<_>>()) })
}

fn mode(page: u8, subpage: u8, values: ModeValues) -> OverriddenPage {
    OverriddenPage::Mode(PageId { page, subpage }, values)
}

fn log(page: u8, subpage: u8) -> OverriddenPage {
    OverriddenPage::Log(PageId { page, subpage })
}

#[test]
fn bytes_of_inquiry_data() {
    TestUnit::with_overrides(vec![
        at(OverriddenPage::Inquiry, 2, "06"),
        at(OverriddenPage::Inquiry, 40, "'LTO"),
        // Behind the end of the data, which has 64 bytes.
        at(OverriddenPage::Inquiry, 62, "aa bb cc"),
    ])
    .play(
        "
        A > 12 00 00 00 ff 00
        < 00 in 01 80 06 02 3b 00 10 02 'FERRIC 20*2 'TEST 20 'UNIT 20*7 '0001 'S123 'LTO 20*13 00*2 00 a0 09 60 aa bb
        ",
    );
}

#[test]
fn whole_inquiry_data_has_its_own_length() {
    TestUnit::with_overrides(vec![whole(OverriddenPage::Inquiry, "01 80 03 02 1f 00*3 'ACME 20*4 'T1 20*14 '0002")])
        .play(
            "
        A > 12 00 00 00 ff 00
        < 00 in 01 80 03 02 1f 00*3 'ACME 20*4 'T1 20*14 '0002
        ",
        );
}

#[test]
fn vpd_pages_are_added_changed_and_absent() {
    TestUnit::with_overrides(vec![
        whole(OverriddenPage::Vpd(0xc7), "01 c7 00 02 ab cd"),
        whole(OverriddenPage::Vpd(0x80), "01 80 00 03 'XYZ"),
        at(OverriddenPage::Vpd(0xc0), 5, "77"),
        change(OverriddenPage::Vpd(0x85), PageChange::Absent),
    ])
    .play(
        "
        A > 12 01 00 00 ff 00
        < 00 in 01 00 00 08 00 80 83 86 87 88 c0 c7
        A > 12 01 c7 00 ff 00
        < 00 in 01 c7 00 02 ab cd
        A > 12 01 80 00 ff 00
        < 00 in 01 80 00 03 'XYZ
        A > 12 01 c0 00 ff 00
        < 00 in 01 c0 00 02 c0 77
        A > 12 01 85 00 ff 00
        < 02 05 24 00 c0 00 02
        ",
    );
}

/// A page that is given whole keeps PARAMETER POINTER, and is listed. Bytes at an offset leave the counters.
#[test]
fn log_pages_are_added_changed_and_absent() {
    TestUnit::with_overrides(vec![
        whole(log(0x37, 0), "37 00 00 0c 00 01 43 01 aa 00 02 43 03 'abc"),
        whole(log(0x2f, 0), "2f 00 00 08 00 00 03 04 00*4"),
        // Without parameters, such as a log of text.
        whole(log(0x36, 0), "36 00 00 03 3c 2f 3e"),
        at(log(0x02, 0), 8, "00 00 ff"),
        change(log(0x30, 1), PageChange::Absent),
    ])
    .play(
        "
        A > 4d 00 40 00 00 00 00 00 ff 00
        < 00 in 00 00 00 07 00 02 03 2f 30 36 37
        A > 4d 00 40 ff 00 00 00 00 ff 00
        < 00 in 40 ff 00 10 00 00 00 ff 02 00 03 00 2f 00 30 00 36 00 37 00
        A > 4d 00 70 ff 00 00 00 00 ff 00
        < 00 in 70 ff 00 04 30 00 30 ff
        A > 4d 00 70 01 00 00 00 00 ff 00
        < 02 05 24 00 c0 00 03
        A > 4d 00 77 00 00 00 00 00 ff 00
        < 00 in 37 00 00 0c 00 01 43 01 aa 00 02 43 03 'abc
        A > 4d 00 77 00 00 00 02 00 ff 00
        < 00 in 37 00 00 07 00 02 43 03 'abc
        A > 4d 00 77 00 00 00 03 00 ff 00
        < 02 05 24 00 c0 00 05
        A > 4d 00 76 00 00 00 00 00 ff 00
        < 00 in 36 00 00 03 3c 2f 3e
        A > 4d 00 76 00 00 00 01 00 ff 00
        < 02 05 24 00 c0 00 05
        # The counters are 1, 2 and 3; the last one is cleared when it is read.
        A > 4d 00 42 00 00 00 00 00 ff 00
        < 00 in 02 00 00 18 00 00 40 04 00 00 ff 01 00 01 40 04 00 00 00 02 00 02 40 04 00 00 00 03
        A > 4d 00 42 00 00 00 01 00 ff 00
        < 00 in 02 00 00 10 00 01 40 04 00 00 00 02 00 02 40 04 00 00 00 00
        ",
    );
}

/// Thresholds of a page that is given whole: those of its parameters, not of the model's.
#[test]
fn thresholds_of_overridden_counters() {
    TestUnit::with_overrides(vec![whole(log(0x02, 0), "02 00 00 06 00 07 60 02 12 34")]).play(
        "
        A > 4d 00 42 00 00 00 00 00 ff 00
        < 00 in 02 00 00 06 00 07 60 02 12 34
        A > 4d 00 02 00 00 00 00 00 ff 00
        < 00 in 02 00 00 06 00 07 60 02 ff ff
        A > 4c 00 00 00 00 00 00 00 0a 00 out 02 00 00 06 00 07 00 02 00 09
        < 00
        A > 4d 00 02 00 00 00 00 00 ff 00
        < 00 in 02 00 00 06 00 07 60 02 00 09
        # The model's first counter is not one of the unit.
        A > 4c 00 00 00 00 00 00 00 0a 00 out 02 00 00 06 00 00 00 02 00 09
        < 02 05 26 00 80 00 04
        ",
    );
}

/// Page 0Ah/F0h of the model is 12 00 34 00: bytes 4 and 7, and the low bits of byte 6, can be changed.
#[test]
fn mode_pages_keep_what_hosts_set() {
    let mut unit = TestUnit::with_overrides(vec![
        at(mode(0x0a, 0xf0, ModeValues::All), 4, "21 43"),
        at(mode(0x0a, 0xf0, ModeValues::Changeable), 7, "00"),
    ]);
    unit.play(
        "
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 21 43 34 00
        A > 1a 08 8a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 21 43 34 00
        A > 1a 08 4a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 ff 00 0f 00
        # Byte 4 is 22h from now on. Byte 5 of the page is 43h, which a host can only repeat.
        A > 15 10 00 00 0c 00 out 00 00 10 00 4a f0 00 04 22 43 34 00
        < 00
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 22 43 34 00
        A > 1a 08 8a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 21 43 34 00
        A > 15 10 00 00 0c 00 out 00 00 10 00 4a f0 00 04 22 00 34 00
        < 02 05 26 00 8e 00 09
        A > 15 11 00 00 0c 00 out 00 00 10 00 4a f0 00 04 23 43 34 00
        < 00
        ! power-cycle
        A > 00 00 00 00 00 00
        < 02 06 29 00
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 23 43 34 00
        A > 1a 08 ca f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 23 43 34 00
        A > 1a 08 8a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 21 43 34 00
        ",
    );
}

#[test]
fn values_of_mode_pages_can_differ() {
    TestUnit::with_overrides(vec![
        at(mode(0x0a, 0xf0, ModeValues::Current), 4, "01"),
        at(mode(0x0a, 0xf0, ModeValues::Default), 4, "02"),
        at(mode(0x0a, 0xf0, ModeValues::Saved), 4, "03"),
    ])
    .play(
        "
        A > 1a 08 0a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 01 00 34 00
        A > 1a 08 8a f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 02 00 34 00
        A > 1a 08 ca f0 ff 00
        < 00 in 0b 88 10 00 ca f0 00 04 03 00 34 00
        ",
    );
}

#[test]
fn mode_pages_are_added_and_absent() {
    TestUnit::with_overrides(vec![
        whole(mode(0x18, 0, ModeValues::All), "98 02 01 02"),
        whole(mode(0x02, 1, ModeValues::All), "42 01 00 01 07"),
        whole(mode(0x18, 0, ModeValues::Changeable), "18 02 00 0f"),
        change(mode(0x0a, 0xf0, ModeValues::All), PageChange::Absent),
        change(mode(0x0a, 0, ModeValues::All), PageChange::Absent),
    ])
    .play(
        "
        A > 1a 08 3f ff ff 00
        < 00 in 10 88 10 00 42 01 00 01 07 0f 02 40 00 98 02 01 02
        A > 1a 08 58 00 ff 00
        < 00 in 07 88 10 00 98 02 00 0f
        A > 1a 08 0a 00 ff 00
        < 02 05 24 00 cd 00 02
        A > 15 10 00 00 08 00 out 00 00 10 00 18 02 01 07
        < 00
        A > 1a 08 18 00 ff 00
        < 00 in 07 88 10 00 98 02 01 07
        A > 15 10 00 00 08 00 out 00 00 10 00 18 02 02 07
        < 02 05 26 00 89 00 06
        ",
    );
}

/// Bytes of the header are at the places of MODE SENSE(10).
#[test]
fn mode_parameter_header() {
    TestUnit::with_overrides(vec![at(OverriddenPage::ModeHeader, 2, "78"), at(OverriddenPage::ModeHeader, 8, "5c")])
        .play(
            "
        A > 1a 00 00 00 ff 00
        < 00 in 0b 78 10 08 5c 00*4 00 02 00
        A > 5a 00 00 00 00 00 00 00 ff 00
        < 00 in 00 0e 78 10 00 00 00 08 5c 00*4 00 02 00
        A > 1a 08 00 00 ff 00
        < 00 in 03 78 10 00
        ",
        );
}

/// The bytes by which clients find their way in the data agree with it.
#[test]
fn headers_agree_with_the_data() {
    let error = |page, change| PageOverride::new(page, change, 0x01).unwrap_err().to_string();
    let words = |words: &str| PageChange::Whole(bytes(&words.split(' ').collect::<Vec<_>>()));
    let part = |offset, words: &str| PageChange::Bytes { offset, bytes: bytes(&words.split(' ').collect::<Vec<_>>()) };
    for (page, change, expected) in [
        (OverriddenPage::Inquiry, words("01 80 06 02 1f"), "5 bytes are no page: its header has 36"),
        (
            OverriddenPage::Inquiry,
            words("08 80 06 02 1f 00*31"),
            "byte 0 (PERIPHERAL DEVICE TYPE) is 08h; expected 01h",
        ),
        (OverriddenPage::Inquiry, words("01 80 06 02 20 00*31"), "byte 4 (ADDITIONAL LENGTH) is 20h; expected 1Fh"),
        (
            OverriddenPage::Inquiry,
            part(3, "02 5b"),
            "byte 4 (ADDITIONAL LENGTH) is a part of the header; give the whole page to change it",
        ),
        (OverriddenPage::Inquiry, PageChange::Absent, "this page cannot be absent"),
        (OverriddenPage::Inquiry, PageChange::Bytes { offset: 9, bytes: Vec::new() }, "there are no bytes"),
        (OverriddenPage::Vpd(0), PageChange::Absent, "this page cannot be absent"),
        (OverriddenPage::Vpd(0xc0), words("01 c1 00 00"), "byte 1 (PAGE CODE) is C1h; expected C0h"),
        (OverriddenPage::Vpd(0xc0), words("01 c0 00 04 'ABC"), "byte 2 (PAGE LENGTH) is 04h; expected 03h"),
        (OverriddenPage::Vpd(0xc0), words("01 c0 00"), "3 bytes are no page: its header has 4"),
        (mode(0x0a, 0, ModeValues::All), words("0b 00"), "byte 0 (PAGE CODE) is 0Bh; expected 0Ah"),
        (mode(0x0a, 0, ModeValues::All), words("8a 0b 00*10"), "byte 1 (PAGE LENGTH) is 0Bh; expected 0Ah"),
        (mode(0x0a, 1, ModeValues::All), words("0a 01 00 00"), "byte 0 (PAGE CODE) is 0Ah; expected 4Ah"),
        (mode(0x0a, 1, ModeValues::All), words("4a 02 00 00"), "byte 1 (SUBPAGE CODE) is 02h; expected 01h"),
        (
            mode(0x0a, 0, ModeValues::All),
            part(1, "0b"),
            "byte 1 (PAGE LENGTH) is a part of the header; give the whole page to change it",
        ),
        (log(0x2e, 0), words("2e 00 01 40"), "byte 2 (PAGE LENGTH) is 140h; expected 00h"),
        (log(0x00, 0), PageChange::Absent, "this page cannot be absent"),
        (OverriddenPage::ModeHeader, part(15, "00 00"), "byte 16 is behind the end: there are 16 bytes"),
        (
            OverriddenPage::ModeHeader,
            words("00*16"),
            "byte 0 (MODE DATA LENGTH) is a part of the header; give the whole page to change it",
        ),
    ] {
        assert_eq!(error(page, change.clone()), expected, "{page:?} {change:?}");
    }
}
