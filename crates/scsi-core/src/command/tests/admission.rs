//! The order of the checks before a command: SAM-5 §5.14 and SPC-4 §5.13, IBM LTO SCSI reference §4.1, and the HP LTO
//! Ultrium technical reference, volume 3.

use crate::lu::{AdmissionCheck, DEFAULT_ORDER, HP_ORDER, IBM_ORDER};
use crate::test_unit::TestUnit;

/// A unit for which all checks fail for nexus A: power-on attention 29h/00h and 2Ah/01h are pending, B has reserved the
/// unit, and a deferred error is pending.
fn unit_failing_all_checks(order: &'static [AdmissionCheck]) -> TestUnit {
    let mut unit = TestUnit::powered_on(order);
    unit.play(
        "
        B > 00*6
        < 02 06 29 00
        B > 15 10 00 00 0c 00 out 00*4 4a f0 00 04 55 00 34 00
        < 00
        B > 16 00*5
        < 00
        ! deferred A 03 0c 00
        ",
    );
    unit
}

const RELEASE: &str = "B > 17 00*5\n< 00";
const DEFERRED: &str = "sense 71 00 03 00*4 0a 00*4 0c 00 00*4";

/// Repeats a command of A until it reaches its end, with RELEASE by B after RESERVATION CONFLICT.
fn reports(order: &'static [AdmissionCheck], cdb: &str, responses: &[&str]) {
    let mut unit = unit_failing_all_checks(order);
    for response in responses {
        unit.play(&format!("A > {cdb}\n< {response}"));
        if *response == "18" {
            unit.play(RELEASE);
        }
    }
}

#[test]
fn default_order_of_checks() {
    reports(DEFAULT_ORDER, "00*6", &["02 06 29 00", "18", "02 06 2a 01", &format!("02 {DEFERRED}"), "00", "00"]);
    // A reserved bit, an unknown service action and an unknown operation code come last.
    for (cdb, end) in [("00 01 00*4", "02 05 24 00 c8 00 01"), ("00 00*3 80 00", "02 05 24 00 cf 00 04")] {
        reports(DEFAULT_ORDER, cdb, &["02 06 29 00", "18", "02 06 2a 01", &format!("02 {DEFERRED}"), end, end]);
    }
    for (cdb, end) in [("a3 1f 00*10", "02 05 24 00 cc 00 01"), ("fe 00*5", "02 05 20 00")] {
        reports(DEFAULT_ORDER, cdb, &["02 06 29 00", "02 06 2a 01", &format!("02 {DEFERRED}"), end, end]);
    }
}

#[test]
fn hp_drives_check_the_cdb_first() {
    let conflict_first = ["18", &format!("02 {DEFERRED}"), "02 06 29 00", "02 06 2a 01", "00"];
    reports(HP_ORDER, "00*6", &conflict_first);
    for (cdb, end) in
        [("00 01 00*4", "02 05 24 00 c8 00 01"), ("a3 1f 00*10", "02 05 24 00 cc 00 01"), ("fe 00*5", "02 05 20 00")]
    {
        reports(HP_ORDER, cdb, &[end, end]);
    }
}

#[test]
fn ibm_drives_check_reservations_first() {
    reports(IBM_ORDER, "00*6", &["18", "02 06 29 00", "02 06 2a 01", &format!("02 {DEFERRED}"), "00"]);
    reports(
        IBM_ORDER,
        "00 01 00*4",
        &["18", "02 06 29 00", "02 06 2a 01", &format!("02 {DEFERRED}"), "02 05 24 00 c8 00 01"],
    );
    reports(IBM_ORDER, "fe 00*5", &["02 06 29 00", "02 06 2a 01", &format!("02 {DEFERRED}"), "02 05 20 00"]);
}

/// INQUIRY, REPORT LUNS and REQUEST SENSE run despite all of them; the first two leave them pending (SAM-5 §5.14).
#[test]
fn inquiry_report_luns_and_request_sense_always_run() {
    for order in [DEFAULT_ORDER, HP_ORDER, IBM_ORDER] {
        unit_failing_all_checks(order).play(&format!(
            "
            A > 12 00 00 00 02 00
            < 00 in 01 80
            A > a0 00 00 00 00 00 00 00 00 04 00 00
            < 00 in 00*3 08
            # Errors of these commands are reported at once.
            A > 12 00 80 00 ff 00
            < 02 05 24 00 c0 00 02
            A > 03 00 00 00 04 00
            < 00 in 71 00 03 00
            A > 03 00 00 00 0e 00
            < 00 in 70 00 06 00*4 0a 00*4 29 00
            A > 03 00 00 00 0e 00
            < 00 in 70 00 06 00*4 0a 00*4 2a 01
            A > 00*6
            < 18
            {RELEASE}
            A > 00*6
            < 00
            "
        ));
    }
}

/// A deferred error is reported once, to the nexus of the command that caused it.
#[test]
fn deferred_errors_go_to_their_nexus() {
    TestUnit::ready().play(&format!(
        "
        ! deferred A 03 0c 00
        B > 00*6
        < 00
        A > 00*6
        < 02 {DEFERRED}
        A > 00*6
        < 00
        ! deferred A 03 0c 00
        ! logout A
        ! login A
        A > 00*6
        < 02 06 29 07
        A > 00*6
        < 00
        ! deferred A 03 0c 00
        ! reset
        A > 00*6
        < 02 06 29 03
        A > 00*6
        < 00
        "
    ));
}

/// A command of a nexus that was lost while the command was queued ends with BUSY.
#[test]
fn commands_of_a_lost_nexus_are_busy() {
    TestUnit::ready().play("! logout A\nA > 00*6\n< 08\nA > 12 00 00 00 ff 00\n< 08");
}

/// Unit attentions: a reset replaces unit attentions that are pending; I_T nexus loss, CLEAR TASK SET by another nexus.
#[test]
fn unit_attentions_of_events() {
    TestUnit::ready().play(
        "
        ! cleared A
        A > 00*6
        < 00
        B > 00*6
        < 02 06 2f 00
        ! cleared A
        ! target-reset
        B > 00*6
        < 02 06 29 02
        B > 00*6
        < 00
        ! logout B
        ! login B
        ! cleared A
        B > 00*6
        < 02 06 29 07
        B > 00*6
        < 02 06 2f 00
        B > 00*6
        < 00
        ",
    );
}
