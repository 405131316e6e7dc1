//! INQUIRY, SPC-4 §6.6, with VPD pages, §7.8; REPORT LUNS, identifying information, REQUEST SENSE and timestamps.

use crate::asc::Asc;
use crate::sense::{Sense, SenseKey, SenseKeySpecific};
use crate::test_unit::TestUnit;

#[test]
fn standard_inquiry_data() {
    TestUnit::ready().play(
        "
        A > 12 00 00 00 ff 00
        < 00 in 01 80 07 02 3b 00 10 02 'FERRIC 20*2 'TEST 20 'UNIT 20*7 '0001 'S123 20*16 00*2 00 a0 09 60 05 c0
        # ADDITIONAL LENGTH is not truncated.
        A > 12 00 00 00 05 00
        < 00 in 01 80 07 02 3b
        A > 12 00 00 00 00 00
        < 00
        # A host that does not know the version sends the LUN in byte 1.
        A > 12 e0 00 00 04 00
        < 00 in 01 80 07 02
        # PAGE CODE without EVPD, CMDDT (obsolete), CONTROL.
        A > 12 00 80 00 ff 00
        < 02 05 24 00 c0 00 02
        A > 12 02 00 00 ff 00
        < 02 05 24 00 c9 00 01
        A > 12 00 00 00 ff 01
        < 02 05 24 00 c8 00 05
        ",
    );
}

#[test]
fn vital_product_data_pages() {
    TestUnit::ready().play(
        "
        A > 12 01 00 00 ff 00
        < 00 in 01 00 00 08 00 80 83 85 86 87 88 c0
        A > 12 01 80 00 ff 00
        < 00 in 01 80 00 04 'S123
        # Designators: T10 vendor ID and NAA of the unit; relative port and SCSI name of the iSCSI target port (PIV,
        # protocol 5h); SCSI name of the target device.
        A > 12 01 83 00 ff 00
        < 00 in 01 83 00 54 02 01 00 1c 'FERRIC 20*2 'TEST 20 'UNIT 20*7 'S123 01 03 00 08 30 00*6 01 51 94 00 04 00*3 01 53 98 00 10 'iqn.t,t,0x0001 00*2 53 a8 00 08 'iqn.t 00*3
        A > 12 01 85 00 ff 00
        < 00 in 01 85 00 00
        # SIMPSUP; maximum sense data length 48.
        A > 12 01 86 00 ff 00
        < 00 in 01 86 00 3c 00 01 00*7 30 00*50
        # Page 0Fh is per I_T nexus, all other pages are shared.
        A > 12 01 87 00 ff 00
        < 00 in 01 87 00 08 0f 00 03 00 3f ff 00 00
        A > 12 01 88 00 ff 00
        < 00 in 01 88 00 20 00 00 00 01 00*6 00 14 53 98 00 10 'iqn.t,t,0x0001 00*2
        A > 12 01 c0 00 ff 00
        < 00 in 01 c0 00 02 c0 5a
        A > 12 01 83 00 06 00
        < 00 in 01 83 00 54 02 01
        # A page that page 00h does not list.
        A > 12 01 b0 00 ff 00
        < 02 05 24 00 c0 00 02
        ",
    );
}

#[test]
fn report_luns_selects_by_select_report() {
    TestUnit::ready().play(
        "
        A > a0 00 00 00 00 00 00 00 01 00 00 00
        < 00 in 00*3 08 00*12
        A > a0 00 02 00 00 00 00 00 01 00 00 00
        < 00 in 00*3 08 00*12
        # There are no well-known logical units.
        A > a0 00 01 00 00 00 00 00 01 00 00 00
        < 00 in 00*8
        A > a0 00 00 00 00 00 00 00 00 04 00 00
        < 00 in 00*3 08
        A > a0 00 03 00 00 00 00 00 01 00 00 00
        < 02 05 24 00 c0 00 02
        A > a0 00 00 01 00 00 00 00 01 00 00 00
        < 02 05 24 00 c8 00 03
        ",
    );
}

/// Identifier (type 0, at most 64 bytes) and text (type 2, at most 256 bytes, NUL-terminated), SPC-4 §6.32 and §6.43.
#[test]
fn identifying_information_is_stored() {
    let set = |length: &str, kind: &str, out: &str| format!("A > a4 06 00*4 00 00 {length} {kind} 00 out {out}");
    let mut unit = TestUnit::ready();
    unit.play(
        "
        A > a3 05 00*4 00 00 00 ff 00 00
        < 00 in 00*4
        A > a4 06 00*4 00 00 00 03 00 00 out 'abc
        < 00
        B > 00*6
        < 02 06 3f 05
        A > a4 06 00*4 00 00 00 05 04 00 out 'text 00
        < 00
        ! power-cycle
        A > 00*6
        < 02 06 29 00
        A > a3 05 00*4 00 00 00 ff 00 00
        < 00 in 00 00 00 03 'abc
        A > a3 05 00*4 00 00 00 ff 04 00
        < 00 in 00 00 00 05 'text 00
        A > a3 05 00*4 00 00 00 06 04 00
        < 00 in 00 00 00 05 'te
        # Type 7Fh: the types and their maximum lengths.
        A > a3 05 00*4 00 00 00 ff fe 00
        < 00 in 00 00 00 08 00 00 00 40 04 00 01 00
        # Other types; a text without NUL.
        A > a3 05 00*4 00 00 00 ff 02 00
        < 02 05 24 00 cf 00 0a
        A > a4 06 00*4 00 00 00 01 fe 00 out 00
        < 02 05 24 00 cf 00 0a
        A > a4 06 00*4 00 00 00 03 04 00 out 'abc
        < 02 05 26 00 80 00 02
        # Length zero deletes the identifier.
        A > a4 06 00*4 00 00 00 00 00 00
        < 00
        A > a3 05 00*4 00 00 00 ff 00 00
        < 00 in 00*4
        ",
    );
    // The longest lists; one byte more is an invalid PARAMETER LIST LENGTH, byte 6 of the CDB.
    unit.play(&format!("{}\n< 00", set("00 40", "00", "61*64")));
    unit.play(&format!("{}\n< 00", set("01 00", "04", "61*255 00")));
    unit.play(&format!("{}\n< 02 05 24 00 c0 00 06", set("00 41", "00", "61*65")));
    unit.play(&format!("{}\n< 02 05 24 00 c0 00 06", set("01 01", "04", "61*256 00")));
}

/// The clock counts from the time that was set (SPC-4 §6.38 and §6.46), until power-off.
#[test]
fn timestamps_are_set_and_reported() {
    let mut unit = TestUnit::ready();
    unit.play(
        "
        # TIMESTAMP ORIGIN 3: set by another method.
        A > a3 0f 00*4 00 00 00 0c 00 00
        < 00 in 00 0a 03 00 01 90 00*6
        A > a4 0f 00*4 00 00 00 0c 00 00 out 00*8 10 00 00 00
        < 00
        B > 00*6
        < 02 06 2a 10
        A > a3 0f 00*4 00 00 00 0c 00 00
        < 00 in 00 0a 02 00 00 00 00 00 10 00 00 00
        ",
    );
    unit.wall += 0x0105;
    unit.play(
        "
        A > a3 0f 00*4 00 00 00 0c 00 00
        < 00 in 00 0a 02 00 00 00 00 00 11 05 00 00
        A > a3 0f 00*4 00 00 00 04 00 00
        < 00 in 00 0a 02 00
        A > a4 0f 00*4 00 00 00 00 00 00
        < 00
        A > a4 0f 00*4 00 00 00 0b 00 00 out 00*11
        < 02 05 1a 00
        A > a4 0f 00*4 00 00 00 0c 00 00 out 80 00*11
        < 02 05 26 00 8f 00 00
        A > a4 0f 00*4 00 00 00 0c 00 00 out 00*10 00 01
        < 02 05 26 00 88 00 0b
        ! power-cycle
        A > 00*6
        < 02 06 29 00
        A > a3 0f 00*4 00 00 00 03 00 00
        < 00 in 00 0a 03
        ",
    );
}

/// REQUEST SENSE returns, in this order, a deferred error, a unit attention, the state of an operation, NO SENSE.
#[test]
fn request_sense_returns_pending_sense() {
    let mut unit = TestUnit::ready();
    unit.device.progress =
        Some(Sense { key_specific: Some(SenseKeySpecific::Progress(0x4000)), ..Sense::new(SenseKey(0), Asc(0x0016)) });
    unit.play(
        "
        ! deferred A 03 0c 00
        ! cleared B
        A > 03 00 00 00 fc 00
        < 00 in 71 00 03 00*4 0a 00*4 0c 00 00*4
        A > 03 00 00 00 fc 00
        < 00 in 70 00 06 00*4 0a 00*4 2f 00 00*4
        A > 03 00 00 00 fc 00
        < 00 in 70 00 00 00*4 0a 00*4 00 16 00 80 40 00
        A > 03 01 00 00 fc 00
        < 00 in 72 00 00 16 00*3 08 02 06 00 00 80 40 00 00
        ",
    );
    unit.device.progress = None;
    unit.play(
        "
        A > 03 00 00 00 fc 00
        < 00 in 70 00*6 0a 00*10
        A > 03 01 00 00 fc 00
        < 00 in 72 00*7
        A > 03 00 00 00 08 00
        < 00 in 70 00*6 0a
        A > 03 00 00 00 00 00
        < 00
        A > 03 02 00 00 fc 00
        < 02 05 24 00 c9 00 01
        ",
    );
}
