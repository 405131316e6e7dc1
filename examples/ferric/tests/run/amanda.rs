//! Amanda, with its interface for robots. Its programs run as the user `backup` only. Its setuid programs read the files of a
//! backup, and run without the devices.

use crate::compatibility::record;
use crate::{Directory, assert_contains, documented};

#[test]
fn amanda_restores_full_and_incremental_backups_from_several_cartridges() {
    assert!(rustix::process::geteuid().is_root(), "Amanda runs as the user `backup` only: run this test as root");
    let directory = Directory { user: &["--reuid=backup", "--regid=backup", "--init-groups"], ..Directory::new() };
    let configuration = [include_str!("amanda/amanda.conf"), documented("amanda.conf")].concat();
    directory.write("amanda.conf", configuration.replace("HERE", directory.path().to_str().unwrap()));
    directory.write("library.toml", "[[library.cartridges]]\npattern = \"A#L8\"\ncount = 5\nsize = \"150MB\"\n");
    let out = directory.succeed(&["--config", "library.toml"], include_str!("amanda/backup.sh"));
    assert_contains(
        &out,
        &[
            "slot 5: label DAILY-5 barcode A5L8 (in drive ",
            "slot 28: empty (import/export slot)",
            "Will write to volume 'DAILY-1' in slot 1.",
            "Client check: 1 host checked",
            "0 DAILY-1 1 1/6 OK",
            "0 DAILY-2 2 6/6 OK",
            "1 DAILY-3 1 1/1 OK",
        ],
    );
    record(&[[
        "Amanda",
        "amanda-server",
        "as the user backup, with chg-robot and amgtar: amlabel, amtape, amcheck; amdump of 200 MB on two cartridges, and incremental; amfetchdump, and comparison of all files",
    ]]);
}
