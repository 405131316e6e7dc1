//! SEND DIAGNOSTIC, SPC-4 §6.42, RECEIVE DIAGNOSTIC RESULTS, §6.28, and the self-test results log page, §7.3.16.

use crate::dump::DumpSupport;
use crate::test_unit::TestUnit;

#[test]
fn self_tests_succeed() {
    TestUnit::ready().play(
        "
        # Default self-test; background short and extended; foreground short and extended.
        A > 1d 04 00*4
        < 00
        A > 1d 20 00*4
        < 00
        A > 1d 40 00*4
        < 00
        A > 1d a0 00*4
        < 00
        A > 1d c0 00*4
        < 00
        # No self-test, no page: nothing to do.
        A > 1d 10 00*4
        < 00
        # The results, newest first, without those of the default self-test: SELF-TEST CODE and result 0h; ADDRESS OF
        # FIRST FAILURE is FFFFFFFFFFFFFFFFh without a failure.
        A > 4d 00 50 00 00 00 00 00 68 00
        < 00 in 10 00 01 90 00 01 43 10 c0 00*3 ff*8 00*4 00 02 43 10 a0 00*3 ff*8 00*4 00 03 43 10 40 00*3 ff*8 00*4 00 04 43 10 20 00*3 ff*8 00*4 00 05 43 10 00*16
        ",
    );
}

/// A foreground self-test ends with its failure. A background self-test only logs it, with result 4h (a segment that is
/// not known) and the sense.
#[test]
fn failed_self_tests_are_reported_and_logged() {
    TestUnit::ready().play(
        "
        ! self-test 04 3e 03
        A > 1d 04 00*4
        < 02 04 3e 03
        A > 1d a0 00*4
        < 02 04 3e 03
        A > 1d 20 00*4
        < 00
        A > 4d 00 50 00 00 00 00 00 2c 00
        < 00 in 10 00 01 90 00 01 43 10 24 00*3 ff*8 04 3e 03 00 00 02 43 10 a4 00*3 ff*8 04 3e 03 00
        ",
    );
}

/// The log keeps 20 results.
#[test]
fn log_keeps_the_newest_results() {
    let mut unit = TestUnit::ready();
    unit.play("A > 1d 20 00*4\n< 00");
    unit.play(&"A > 1d a0 00*4\n< 00\n".repeat(20));
    unit.play("A > 4d 00 50 00 00 00 14 00 ff 00\n< 00 in 10 00 00 14 00 14 43 10 a0 00*3 ff*8 00*4");
}

#[test]
fn invalid_send_diagnostic_is_rejected() {
    TestUnit::ready().play(
        "
        # Abort background self-test (100b) is valid only while one runs (SPC-4 §6.42), and none runs here.
        A > 1d 80 00*4
        < 02 05 24 00 cf 00 01
        # Reserved SELF-TEST CODEs; a code with SELFTEST=1; a list with SELFTEST=1 or a code; a list with PF=0.
        A > 1d 60 00*4
        < 02 05 24 00 cf 00 01
        A > 1d e0 00*4
        < 02 05 24 00 cf 00 01
        A > 1d 24 00*4
        < 02 05 24 00 cf 00 01
        A > 1d 14 00 00 04 00 out 00*4
        < 02 05 24 00 c0 00 03
        A > 1d b0 00 00 04 00 out 00*4
        < 02 05 24 00 c0 00 03
        A > 1d 00 00 00 04 00 out 00*4
        < 02 05 24 00 cc 00 01
        A > 1d 08 00*4
        < 02 05 24 00 cb 00 01
        # An unknown page, a wrong PAGE LENGTH, a truncated page, a second page.
        A > 1d 10 00 00 04 00 out 40 00*3
        < 02 05 26 00 80 00 00
        A > 1d 10 00 00 04 00 out 00 00 00 01
        < 02 05 26 00 80 00 02
        A > 1d 10 00 00 03 00 out 00*3
        < 02 05 1a 00
        A > 1d 10 00 00 05 00 out 00*5
        < 02 05 1a 00
        A > 1d 10 00 00 04 00 out 00 01 00 00
        < 02 05 26 00 88 00 01
        ",
    );
}

#[test]
fn supported_diagnostic_pages_are_listed() {
    let mut unit = TestUnit::ready();
    unit.play(
        "
        A > 1d 10 00 00 04 00 out 00*4
        < 00
        A > 1c 00 00 00 ff 00
        < 00 in 00 00 00 01 00
        A > 1c 01 00 00 ff 00
        < 00 in 00 00 00 01 00
        A > 1c 01 00 00 04 00
        < 00 in 00 00 00 01
        A > 1c 01 40 00 ff 00
        < 02 05 24 00 c0 00 02
        A > 1c 02 00 00 ff 00
        < 02 05 24 00 c9 00 01
        A > 1d 10 00 00 08 00 out 80 00 00 04 01 60 00 00
        < 02 05 26 00 80 00 00
        ",
    );
    // IBM page 80h, diagnostic 0160h (force dump): READ BUFFER returns the dump.
    unit.device.dumps = DumpSupport { force_dump: true, buffer: Some(0), error_history: false };
    unit.play(
        "
        A > 1c 01 00 00 ff 00
        < 00 in 00 00 00 02 00 80
        A > 3c 03 00 00 00 00 00 00 04 00
        < 00 in 00 01 00 00
        A > 1d 10 00 00 08 00 out 80 00 00 04 01 60 00 00
        < 00
        A > 3c 02 00 00 00 00 00 00 ff 00
        < 00 in 'dump
        A > 1d 10 00 00 08 00 out 80 00 00 04 01 61 00 00
        < 02 05 26 00 80 00 04
        A > 1d 10 00 00 08 00 out 80 00 00 03 01 60 00 00
        < 02 05 26 00 80 00 02
        ",
    );
}
