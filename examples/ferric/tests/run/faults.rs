//! Each script of `examples/faults` with a program that backs up, restores or moves cartridges: what the program does.

use crate::bacula::CHANGER_SCRIPT;
use crate::{Directory, assert_contains, noise};
use std::path::Path;

/// The drives take the thousandth part of the time of hardware.
const LIBRARY: &str = "time = \"scaled:1000\"\n[[library]]\nslots = 8\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
    [[library.cartridges]]\npattern = \"A#L8\"\ncount = 4\nsize = \"40MB\"\n";

fn script(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../faults").join(name).with_extension("toml");
    std::fs::read_to_string(path).unwrap()
}

/// Runs lines of bash with the faults of a script; A1L8 is in the first drive. `ferric` is in the path, `noise` is a file of 5 MB,
/// and a line ends with its exit code if `try` runs it.
fn run(name: &str, lines: &str) -> String {
    let directory = Directory::new();
    directory.write("library.toml", LIBRARY);
    directory.write("faults.toml", script(name));
    directory.write("noise", noise(5_000_000));
    let path = format!("PATH=$PATH:{}\n", crate::installed().display());
    let prelude = "try() { local code=0; \"$@\" 2>&1 || code=$?; echo \"= $code\"; }\n";
    let options = ["--config", "library.toml", "--load", "A1L8", "--faults", "faults.toml"];
    directory.succeed(&options, &[&path, prelude, lines].concat())
}

/// Faults of connections are tried with Linux' initiator, in the guest of `cargo xtask guest`.
#[test]
fn every_script_has_a_test() {
    let (tests, guest) = (include_str!("faults.rs"), include_str!("../../../../xtask/guest/faults.sh"));
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../faults")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let is_tried =
            tests.contains(&format!("run(\n        \"{name}\",")) || guest.contains(&format!("begin {name}\n"));
        assert!(is_tried, "{name} has no test");
    }
}

/// The driver and mtx repeat busy commands: nothing is lost.
#[test]
fn tar_and_mtx_wait_for_busy_units() {
    let out = run(
        "busy-storm",
        "try tar -b 128 -cf /dev/nst0 noise
         mt -f /dev/nst0 rewind
         try tar -b 128 -df /dev/nst0
         try mtx -f /dev/sg0 transfer 2 5
         ferric fault list",
    );
    assert_eq!(out.matches("= 0\n").count(), 3, "{out}");
    let failed = out.lines().find(|line| line.starts_with("busy drives: ")).unwrap();
    assert!(!failed.contains(", 0 of"), "{failed}");
}

/// Bacula's changer script reports the failure, and the drive still has its cartridge.
#[test]
fn changer_script_of_bacula_reports_a_stuck_cartridge() {
    let out = run(
        "cartridge-stuck",
        &[
            CHANGER_SCRIPT,
            "mt -f /dev/nst0 offline
             try ./mtx-changer /dev/sg0 unload 1 /dev/nst0 0
             ./mtx-changer /dev/sg0 loaded 1 /dev/nst0 0
             ferric fault clear stuck
             try ./mtx-changer /dev/sg0 unload 1 /dev/nst0 0
             ./mtx-changer /dev/sg0 loaded 1 /dev/nst0 0",
        ]
        .concat(),
    );
    assert_contains(&out, &["MOVE MEDIUM from Element Address 500 to 1000 Failed", "stuck: cleared"]);
    let codes: Vec<&str> = out.lines().filter(|line| line.starts_with("= ") || line.len() == 1).collect();
    assert_eq!(codes, ["= 1", "1", "= 0", "0"], "{out}");
}

/// tar does not see the recovered error; sg_logs shows the request until the drive is cleaned.
#[test]
fn tar_goes_on_while_the_drive_requests_cleaning() {
    let out = run(
        "cleaning-in-a-job",
        "try tar -b 128 -cf /dev/nst0 noise
         sg_logs -p 0x2e /dev/sg1 | grep ': 1$'
         mt -f /dev/nst0 rewind
         try tar -b 128 -df /dev/nst0",
    );
    assert_eq!(out.matches("= 0\n").count(), 2, "{out}");
    assert_contains(&out, &["Cleaning required: 1"]);
}

#[test]
fn mtx_reports_a_door_that_is_opened_in_a_move() {
    let out = run(
        "door-opened",
        "try mtx -f /dev/sg0 transfer 2 5
         ferric door access close
         mtx -f /dev/sg0 status | grep 'Element 2:'
         try mtx -f /dev/sg0 transfer 2 5",
    );
    assert_contains(&out, &["MOVE MEDIUM from Element Address 1001 to 1004 Failed", "Element 2:Full :VolumeTag=A2L8"]);
    assert!(out.contains("= 1\n") && out.ends_with("= 0\n"), "{out}");
}

/// A backup on two tapes: tar asks for the next tape at early warning, and restores both parts.
#[test]
fn tar_continues_on_the_next_tape() {
    let out = run(
        "end-of-medium-early",
        "cat > next <<'END'
#!/bin/bash -e
mt -f /dev/nst0 offline
case $TAR_VOLUME in 2) from=1 to=2;; esac
[ $TAR_SUBCOMMAND = -c ] || { from=2 to=3; }
echo next tape $TAR_VOLUME >&2
mtx -f /dev/sg0 unload 1 0 >&2; mtx -f /dev/sg0 load 2 0 >&2
ferric fault clear >&2 || true
END
         chmod 755 next
         try tar -c -M -b 64 -F ./next -f /dev/nst0 noise
         mt -f /dev/nst0 offline
         mtx -f /dev/sg0 unload 2 0; mtx -f /dev/sg0 load 1 0
         mkdir restored
         try tar -x -M -b 64 -C restored -F $PWD/next -f /dev/nst0
         cmp noise restored/noise && echo same",
    );
    assert_eq!(out.matches("= 0\n").count(), 2, "{out}");
    assert_eq!(out.matches("next tape 2").count(), 2, "{out}");
    assert!(out.ends_with("same\n"), "{out}");
}

/// dd ends with the error; the blocks before it are on the tape.
#[test]
fn dd_reports_an_error_before_early_warning() {
    let out = run(
        "error-before-early-warning",
        "for i in 1 2 3 4 5 6 7 8 9; do cat noise; done > large
         try dd if=large of=/dev/nst0 bs=64k
         mt -f /dev/nst0 tell
         sg_logs -p 2 /dev/sg1 | grep 'Total uncorrected'
         ferric fault list",
    );
    assert_contains(
        &out,
        &[
            "error writing '/dev/nst0': Input/output error",
            "= 1\n",
            "Total uncorrected errors = 1",
            "finished, 1 of 1 failed",
        ],
    );
    let written: u64 = out.lines().find_map(|line| line.strip_suffix("+0 records out")).unwrap().parse().unwrap();
    // Behind the blocks, the driver has written a filemark when dd closed the device.
    assert_contains(&out, &[&format!("At block {}.", written + 1)]);
    // 40 MB are 610 blocks; the last ones are behind early warning.
    assert!((500..610).contains(&written), "{written}");
}

/// mt reports the failed unload; after it, the tape has one file instead of two.
#[test]
fn mt_reports_a_filemark_that_is_lost_at_unload() {
    let out = run(
        "filemark-lost-at-unload",
        "tar -b 128 -cf /dev/nst0 noise
         tar -b 128 -cf /dev/nst0 noise
         try mt -f /dev/nst0 offline
         try mt -f /dev/nst0 offline
         mtx -f /dev/sg0 unload 1 0
         mtx -f /dev/sg0 load 1 0
         mt -f /dev/nst0 eod
         mt -f /dev/nst0 status | grep File",
    );
    assert_contains(&out, &["/dev/nst0: Input/output error\n= 2\n= 0\n", "File number=1,"]);
}

#[test]
fn mtx_and_mt_report_failed_loads() {
    let out = run(
        "load-failure",
        "try mtx -f /dev/sg0 load 2 1
         mtx -f /dev/sg0 status | grep 'Element 2:'
         try mtx -f /dev/sg0 load 2 1
         mt -f /dev/nst0 offline
         try mt -f /dev/nst0 load
         try mt -f /dev/nst0 load
         try mt -f /dev/nst0 rewind",
    );
    let codes: Vec<&str> = out.lines().filter(|line| line.starts_with("= ")).collect();
    assert_eq!(codes, ["= 1", "= 0", "= 2", "= 0", "= 0"], "{out}");
    assert_contains(&out, &["MOVE MEDIUM from Element Address 1001 to 501 Failed", "Element 2:Full :VolumeTag=A2L8"]);
}

/// The fifth write has no response within its time, and its block is on the tape.
#[test]
fn sg_raw_loses_a_response_and_not_the_block() {
    let out = run(
        "lost-response",
        "head -c 512 noise > block
         for i in 1 2 3 4; do sg_raw -t 1 -s 512 -i block /dev/sg1 0a 00 00 02 00 00 > /dev/null 2>&1; done
         try timeout 20 sg_raw -t 1 -s 512 -i block /dev/sg1 0a 00 00 02 00 00
         sg_raw -r 20 /dev/sg1 34 00 00 00 00 00 00 00 00 00 2>&1 | grep ' 00  '",
    );
    let code = out.lines().find(|line| line.starts_with("= ")).unwrap();
    assert_ne!(code, "= 0", "{out}");
    assert_contains(&out, &["00 00 00 05"]);
}

/// tar and dd stop at the block; without the fault, the file is whole.
#[test]
fn tar_and_dd_report_a_block_that_cannot_be_read() {
    let out = run(
        "read-error-on-restore",
        "tar -b 64 -cf /dev/nst0 noise
         mt -f /dev/nst0 rewind
         try tar -b 64 -tf /dev/nst0
         mt -f /dev/nst0 rewind
         try dd if=/dev/nst0 of=part bs=32k
         ferric fault clear
         mt -f /dev/nst0 rewind
         try tar -b 64 -df /dev/nst0",
    );
    assert_contains(
        &out,
        &["tar: /dev/nst0: Cannot read: Input/output error", "10+0 records in", "bad block: cleared"],
    );
    let codes: Vec<&str> = out.lines().filter(|line| line.starts_with("= ")).collect();
    assert_eq!(codes, ["= 2", "= 1", "= 0"], "{out}");
}

#[test]
fn tar_reports_a_reservation_conflict() {
    let out = run(
        "reservation-conflict",
        "try tar -b 64 -cf /dev/nst0 library.toml
         ferric fault clear
         try tar -b 64 -cf /dev/nst0 library.toml",
    );
    assert_contains(&out, &["tar: /dev/nst0: Cannot open: Input/output error", "= 2\n"]);
    assert!(out.ends_with("= 0\n"), "{out}");
}

/// 2.5 MB take more than a second, and nothing fails.
#[test]
fn tar_waits_for_a_slow_drive() {
    let out = run(
        "slow-drive",
        "head -c 2500000 noise > half
         begin=$(date +%s%N)
         try tar -b 64 -cf /dev/nst0 half
         echo $((($(date +%s%N) - begin) / 1000000)) ms",
    );
    assert_contains(&out, &["= 0\n"]);
    let ms: u64 = out.lines().find_map(|line| line.strip_suffix(" ms")).unwrap().parse().unwrap();
    assert!(ms >= 1250, "{ms}");
}

/// mtx shows a full element without a label, and moves the cartridge by its element.
#[test]
fn mtx_shows_a_cartridge_without_its_label() {
    let out = run(
        "unreadable-label",
        "mtx -f /dev/sg0 status | grep 'Element [02]:'
         try mtx -f /dev/sg0 unload 1 0
         mtx -f /dev/sg0 status | grep 'Element 1:' | grep -v Transfer",
    );
    assert_contains(&out, &["Element 0:Full (Storage Element 1 Loaded)\n", "Element 2:Full :VolumeTag=A2L8"]);
    assert!(out.trim_end().ends_with("Storage Element 1:Full"), "{out}");
}

/// tar ends with an error. The backup is gone, and the tape is at its beginning: a program that repeats the block there overwrites what was
/// on the tape before.
#[test]
fn tar_loses_a_backup_when_the_power_fails() {
    let out = run(
        "power-loss-in-a-backup",
        "tar -b 64 -cf /dev/nst0 library.toml
         try tar -b 64 -cf /dev/nst0 noise
         ferric fault list
         mt -f /dev/nst0 tell
         try tar -b 64 -tf /dev/nst0
         mt -f /dev/nst0 eod
         mt -f /dev/nst0 tell",
    );
    assert_contains(
        &out,
        &[
            "tar: /dev/nst0: Cannot write: Input/output error",
            "power loss: power_loss, finished, 1 of 1 failed\nAt block 0.\n",
        ],
    );
    // One block of the first archive, and its filemark.
    assert!(out.ends_with("library.toml\n= 0\nAt block 2.\n"), "{out}");
}

/// mt waits for the slow rewind.
#[test]
fn mt_waits_for_a_slow_rewind() {
    let out = run(
        "slow-rewind",
        "ms() { local begin=$(date +%s%N); \"$@\"; echo $((($(date +%s%N) - begin) / 1000000)) ms; }
         dd if=noise of=/dev/nst0 bs=64k 2> /dev/null
         ms mt -f /dev/nst0 rewind
         ferric fault list",
    );
    assert_contains(&out, &["slow rewind: slow_by_factor, finished, 1 of 1 failed"]);
    // 4.4 s of hardware times 20, by 1000.
    let ms: u64 = out.lines().find_map(|line| line.strip_suffix(" ms")).unwrap().parse().unwrap();
    assert!(ms >= 80, "{out}");
}

/// The drive adds the CRC to each block once LBP_R is set. The check that a program makes fails for the second block, until it is read
/// again.
#[test]
fn sg_raw_reads_a_block_with_a_wrong_crc() {
    let out = run(
        "wrong-crc-on-restore",
        "for i in 1 2 3; do head -c 512 noise; done > blocks
         dd if=blocks of=/dev/nst0 bs=512 2> /dev/null
         mt -f /dev/nst0 rewind
         printf '\\0\\0\\0\\0\\0\\0\\0\\0\\x4a\\xf0\\0\\x1c\\x02\\x04\\x40' > page
         head -c 25 /dev/zero >> page
         sg_raw -s 40 -i page /dev/sg1 55 10 00 00 00 00 00 00 28 00
         block() { sg_raw -r 516 -o block /dev/sg1 08 00 00 02 04 00 2> /dev/null; tail -c 4 block | od -An -tx1; }
         block; block
         sg_raw /dev/sg1 2b 00 00 00 00 00 01 00 00 00
         block",
    );
    let [first, second, again] = out.lines().collect::<Vec<_>>()[..] else { panic!("{out}") };
    assert_eq!((first, first.len()), (again, 12), "{out}");
    assert_ne!(first, second);
}
