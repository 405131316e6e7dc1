//! Bacula: its test of drives and changers, and backups with all of its daemons and a catalogue in SQLite.

use crate::compatibility::record;
use crate::{Directory, assert_contains, documented};
use std::net::TcpListener;

pub(crate) const CHANGER_SCRIPT: &str = include_str!("bacula/changer.sh");
pub(crate) const DAEMONS: &str = include_str!("bacula/daemons.sh");

/// Writes the configuration files of Bacula.
pub(crate) fn configure(directory: &Directory) {
    let listeners =
        ["DIRECTOR_PORT", "STORAGE_PORT", "FILE_PORT"].map(|name| (name, TcpListener::bind("127.0.0.1:0").unwrap()));
    // The resources of the user documentation, with the copy of the script.
    let documented = documented("bacula-sd.conf").replace("/etc/bacula/scripts", "HERE");
    for (file, text) in [
        ("director.conf", include_str!("bacula/director.conf")),
        ("storage.conf", &[include_str!("bacula/storage.conf"), &documented].concat()),
        ("file.conf", include_str!("bacula/file.conf")),
        ("console.conf", include_str!("bacula/console.conf")),
    ] {
        let text = text.replace("HERE", directory.path().to_str().unwrap());
        let text = listeners.iter().fold(text, |text, (name, listener)| {
            text.replace(name, &listener.local_addr().unwrap().port().to_string())
        });
        directory.write(file, text);
    }
}

#[test]
fn btape_finds_no_fault() {
    let directory = Directory::new();
    configure(&directory);
    directory.write("library.toml", "[[library.cartridges]]\npattern = \"A#L8\"\ncount = 4\nsize = \"200MB\"\n");
    let script = "mtx -f /dev/sg0 load 1 0
        printf 'test\\ny\\ny\\nquit\\n' | btape -c $PWD/storage.conf /dev/nst0 2>&1
        mt -f /dev/nst0 rewind && mt -f /dev/nst0 weof && mt -f /dev/nst0 rewind
        printf 'fill\\ns\\nquit\\n' | btape -c $PWD/storage.conf /dev/nst0 2>&1";
    let out = directory.succeed(&["--config", "library.toml"], &[CHANGER_SCRIPT, script].concat());
    assert_contains(
        &out,
        &[
            "Block re-read correct. Test succeeded!",
            "Total files=4, blocks=7, bytes = 451,136",
            "We should be in file 4. I am at file 4. This is correct!",
            "We should be in file 5. I am at file 5. This is correct!",
            "The test autochanger worked!!",
            "The last block on the tape matches. Test succeeded.",
        ],
    );
    assert!(!out.contains("NOT correct") && !out.contains("You must correct this error"), "{out}");
    record(&[["Bacula btape", "bacula-sd", "test, also of the autochanger; fill"]]);
}

#[test]
fn bacula_restores_full_and_incremental_backups_from_several_cartridges() {
    let directory = Directory::new();
    configure(&directory);
    directory.write(
        "library.toml",
        "[[library.cartridges]]\npattern = \"A#L8\"\nsize = \"1GB\"\n\
         [[library.cartridges]]\npattern = \"B#L8\"\ncount = 2\nsize = \"40MB\"\n",
    );
    let out = directory.succeed(
        &["--config", "library.toml", "--load", "A1L8"],
        &[CHANGER_SCRIPT, DAEMONS, include_str!("bacula/backup.sh")].concat(),
    );
    assert_contains(
        &out,
        &[
            "Volume \"A1L8\", Slot 1  successfully created",
            "Volume \"B1L8\", Slot 2  successfully created",
            "Volume \"B2L8\", Slot 3  successfully created",
            "End of medium on Volume \"B1L8\"",
            "Wrote label to prelabeled Volume \"B2L8\"",
            "VolumeTag = B2L8",
        ],
    );
    record(&[[
        "Bacula director (SQLite), storage and file daemon",
        "bacula-director",
        "label barcodes; full backup of 310 MB; incremental backup; a job on two cartridges; restores, and comparison of all files",
    ]]);
}

/// Bacula repeats a WRITE with an error, so that a single one has no effect. After four errors, it ends the cartridge, writes the block to
/// the next one, and warns; the restore has all data. A block that cannot be read ends a restore.
#[test]
fn bacula_continues_on_the_next_cartridge_after_a_write_error() {
    let directory = Directory::new();
    configure(&directory);
    directory.write(
        "library.toml",
        "[[library]]\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 2\n\
         [[library.cartridges]]\npattern = \"B#L8\"\ncount = 2\nsize = \"40MB\"\n",
    );
    let path = format!("PATH=$PATH:{}\n", crate::installed().display());
    // The start of Bacula takes a minute if the drive is empty.
    let script =
        [&path, "mtx -f /dev/sg0 load 1 0\n", CHANGER_SCRIPT, DAEMONS, include_str!("bacula/fault.sh")].concat();
    let out = directory.succeed(&["--config", "library.toml"], &script);
    assert_contains(
        &out,
        &[
            "End of medium on Volume \"B2L8\" Bytes=20,",
            "New volume \"B1L8\" mounted",
            "Volume name(s):         B2L8|B1L8",
            "Termination:            Backup OK -- with warnings",
            "one error: write_error, finished, 1 of ",
            "bad spot: write_error, active, 4 of ",
            "\nsame\n",
            "Termination:            *** Restore Error ***",
        ],
    );
    record(&[[
        "Bacula director (SQLite), storage and file daemon",
        "bacula-director",
        "a job on two cartridges with write errors on the first one, its restore; a restore with a read error",
    ]]);
}
