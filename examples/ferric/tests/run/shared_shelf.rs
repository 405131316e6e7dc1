//! Backups with Bacula on a cartridge of a shelf that two daemons share. `cargo xtask object-store` runs this on an object store, whose
//! URL is in `FERRIC_TEST_SHELF`; without it, the shelf is a directory. `FERRIC_TEST_MEGABYTES` is the size of the backup.

use crate::bacula::{CHANGER_SCRIPT, DAEMONS, configure};
use crate::compatibility::record;
use crate::{Directory, assert_contains, build};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::tempdir;

#[expect(clippy::disallowed_methods, reason = "cargo xtask object-store passes the address of the store")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A daemon that is ended with its test.
struct Daemon {
    process: Child,
    portal: String,
}

impl Daemon {
    fn start(data: &Path, config: &Path) -> Self {
        let mut command = Command::new(build("iscsid").join("ferric-iscsid"));
        command.arg("--data").arg(data).arg("--config").arg(config).args(["--bind", "127.0.0.1:0"]);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let portal = ready.split_whitespace().nth(2).unwrap_or_else(|| panic!("unexpected ready line {ready:?}"));
        Self { process, portal: portal.to_owned() }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The start of Bacula takes a minute if the drive is empty.
const LOAD: &str = "mtx -f /dev/sg0 load 1 0\n";
/// Returns the cartridge to its slot.
const UNMOUNT: &str = "echo 'unmount storage=Library drive=0' | console | grep 3002\n";
const FULL_BACKUP: &str = "
label Large 1
mkdir tree && head -c \"${LARGE}M\" /dev/urandom > tree/large && echo first > tree/small
job 'run job=Tree level=Full yes'
[ \"$(bytes)\" -ge $((LARGE * 1000000)) ]
";
const RESTORE: &str = "
rm -rf restored
job 'restore client=file-daemon fileset=Tree select current all done' yes
grep 'Ready to read from volume' log
diff -r tree \"restored$PWD/tree\"
";
const INCREMENTAL_BACKUP: &str = "
echo second > tree/small && echo new > tree/new
job 'run job=Tree level=Incremental yes'
[ \"$(bytes)\" -le 10000 ]
";

#[test]
fn bacula_restores_on_another_daemon_what_it_has_written_to_a_shared_shelf() {
    let (site, directory) = (tempdir().unwrap(), Directory::new());
    let path = |name: &str| site.path().join(name);
    fs::create_dir(path("shelf")).unwrap();
    let url = variable("FERRIC_TEST_SHELF").map_or_else(
        || format!("file://{}", path("shelf").display()),
        |url| format!("{url}/bacula-{}", std::process::id()),
    );
    let large = variable("FERRIC_TEST_MEGABYTES").map_or(20, |large| large.parse::<u64>().unwrap());
    let size = large * 2 + 100;
    let config = format!(
        "[library]\nslots = 2\n[[drive]]\nmodel = \"ULT3580-TD8\"\n[[cartridges]]\npattern = \"A#L8\"\ncount = 1\nsize = \"{size}MB\"\n\
         [storage]\nnew_cartridges = \"archive\"\n[[shelf]]\nname = \"archive\"\nurl = \"{url}\"\ncache = \"4GB\"\n"
    );
    fs::write(path("site.toml"), config).unwrap();
    configure(&directory);
    let daemons = ["first", "second"].map(|name| Daemon::start(&path(name), &path("site.toml")));
    let run = |daemon: &Daemon, jobs: &[&str]| {
        let begin = [&format!("LARGE={large}\n"), CHANGER_SCRIPT, LOAD, DAEMONS];
        directory.succeed(&["--portal", &daemon.portal], &[&begin, jobs, &[UNMOUNT]].concat().concat())
    };
    let out = run(&daemons[0], &[FULL_BACKUP]);
    assert_contains(&out, &["Volume \"A1L8\", Slot 1  successfully created"]);
    let restored = "Ready to read from volume \"A1L8\" on Tape device \"Drive-0\" (/dev/nst0)";
    assert_contains(&run(&daemons[1], &[RESTORE, INCREMENTAL_BACKUP]), &[restored]);
    assert_contains(&run(&daemons[0], &[RESTORE]), &[restored]);
    record(&[[
        "Bacula director (SQLite), storage and file daemon",
        "bacula-director",
        "two daemons that share a shelf: full backup on the first; restore and incremental backup on the second; restore on the first",
    ]]);
}
