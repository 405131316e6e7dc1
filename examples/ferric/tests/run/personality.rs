//! Twins of devices: `ferric personality capture` reads a device through its node, `ferric personality import` makes a
//! configuration, and the device of that configuration returns the same bytes.

use crate::{Directory, assert_contains, installed};

/// A drive and a library that no model has as they are.
const CONFIG: &str = "[[library]]
model = \"ADIC Scalar i500\"
serial = \"A0C0123456\"
naa = \"500e09efff0b1234\"

[[library.page]]
kind = \"vpd\"
code = 0xc9
bytes = \"08 c9 00 02 a1 b2\"

[[library.drive]]
model = \"ULT3580-TD9\"
serial = \"10WT001234\"
naa = \"5000e11100001234\"
vendor = \"ACME\"
product = \"ULTRA TAPE 9\"

[[library.drive.page]]
kind = \"log\"
code = 0x3e
bytes = \"3e 00 00 06 00 01 43 02 be ef\"

[[library.drive.page]]
kind = \"log\"
code = 0x11
absent = true

[[library.drive.page]]
kind = \"mode\"
code = 0x2f
bytes = \"af 04 01 02 03 04\"

[[library.drive.page]]
kind = \"mode\"
code = 0x0a
values = \"saved\"
offset = 8
bytes = \"00 3c\"
";

/// A script that finds `ferric`.
fn with_ferric(script: &str) -> String {
    format!("PATH={}:$PATH\n{script}", installed().display())
}

#[test]
fn captured_and_imported_twins_return_the_same_bytes() {
    let directory = Directory::new();
    let run = |config: &[&str], script: &str| directory.succeed(config, &with_ferric(script));
    directory.write("device.toml", CONFIG);
    run(
        &["--config", "device.toml"],
        "for n in 0 1; do ferric personality capture /dev/sg$n --output sg$n.capture; done",
    );
    run(
        &[],
        "ferric personality import sg1.capture --model ULT3580-TD9 > drive.toml 2> notes
         ferric personality import sg0.capture > library.toml 2>> notes
         test ! -s notes",
    );
    run(
        &["--config", "drive.toml"],
        "ferric personality capture /dev/sg1 > drive.capture; cmp sg1.capture drive.capture",
    );
    // The drive of the library is that of the other configuration.
    run(
        &[],
        "cat library.toml drive.toml > both.toml
         grep -q '^# element 0100h: .*10WT001234$' library.toml",
    );
    run(
        &["--config", "both.toml"],
        "for n in 0 1; do ferric personality capture /dev/sg$n > twin.capture; cmp sg$n.capture twin.capture; done",
    );
    let both = run(&[], "cat both.toml; ferric config check both.toml");
    assert_contains(
        &both,
        &["serial = \"10WT001234\"", "product = \"ULTRA TAPE 9\"", "model = \"ADIC Scalar i500\"", "1 library"],
    );
}

/// The output of the tools of sg3_utils, in each of their forms, instead of a capture.
#[test]
fn dumps_of_sg3_utils_are_imported() {
    let directory = Directory::new();
    let run = |config: &[&str], script: &str| directory.succeed(config, &with_ferric(script));
    let device = ["--config", "device.toml"];
    directory.write("device.toml", CONFIG);
    for form in ["-H", "-HHHH"] {
        let pages = "sg_modes -aa FORM /dev/sg1 > modes; sg_inq FORM /dev/sg1 > inq; sg_vpd -a FORM /dev/sg1 > vpd
                     sg_logs -a FORM /dev/sg1 > logs";
        run(&device, &pages.replace("FORM", form));
        let out = run(&[], "ferric personality import inq vpd logs modes --model ULT3580-TD9 2>&1");
        let expected = [
            "code = 0x3e\nbytes = \"3e 00 00 06 00 01 43 02 be ef\"",
            "code = 0x2f\nbytes = \"af 04 01 02 03 04\"",
            "code = 0x11\nabsent = true",
        ];
        assert_contains(&out, &expected);
        assert!(!out.contains("does not return"), "{out}");
    }
    run(
        &device,
        "sg_logs -p 0x3e -r /dev/sg1 > page.bin; sg_inq -r /dev/sg1 > inq.bin
         sg_vpd -p 0xc9 -r /dev/sg0 > c9.bin; sg_inq -r /dev/sg0 > changer.bin",
    );
    let out = run(
        &[],
        "ferric personality import page.bin inq.bin --model ULT3580-TD9; ferric personality import changer.bin c9.bin",
    );
    assert_contains(&out, &["bytes = \"3e 00 00 06 00 01 43 02 be ef\"", "bytes = \"08 c9 00 02 a1 b2\""]);
}

#[test]
fn errors_of_captures_and_imports() {
    let directory = Directory::new();
    directory.write("text", "nothing\n");
    let out = directory.succeed(
        &[],
        &with_ferric(
            "for words in 'capture /dev/sg9' 'capture /dev/null' 'import text' 'import missing'; do
                 ! ferric personality $words 2>&1
             done",
        ),
    );
    assert_contains(
        &out,
        &[
            "ferric: /dev/sg9: No such file or directory",
            "ferric: /dev/null: Inappropriate ioctl for device",
            "ferric: text: has no pages; expected a capture, a trace, or the output of sg_inq",
            "ferric: missing: No such file or directory",
        ],
    );
}
