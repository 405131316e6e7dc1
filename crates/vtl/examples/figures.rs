//! Measures large sites on this machine.
//!
//! `cargo run --release -p vtl --example figures -- DIRECTORY` creates subdirectories in DIRECTORY.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement that cannot be made")]
#![expect(clippy::disallowed_methods, reason = "a program, which measures")]

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::host::Host;
use vtl::site::{OpenSite, Site};

/// Resident memory in MB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1000
}

fn print_line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// The median and the 99th percentile of `count` calls.
fn percentiles(count: usize, mut call: impl FnMut(usize)) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..count)
        .map(|number| {
            let start = Instant::now();
            call(number);
            start.elapsed()
        })
        .collect();
    times.sort();
    (times[count / 2], times[count * 99 / 100])
}

fn moves(name: &str, site: &OpenSite, count: usize) {
    let library = &site.libraries()[0];
    let first = library.layout().storage.first;
    let host = Host::login(library.target(), 1);
    host.clear_unit_attentions();
    let (p50, p99) = percentiles(count, |number| {
        let slots = [first, first + library.layout().storage.count - 1];
        let mut cdb = vec![0xa5, 0, 0, 0];
        [slots[number % 2], slots[(number + 1) % 2]].iter().for_each(|slot| cdb.extend(slot.to_be_bytes()));
        host.command(0, &cdb, 0).into_result().unwrap();
    });
    print_line(&format!("MOVE MEDIUM, {name}: p50 {p50:?}, p99 {p99:?} of {count}"));
}

fn slots() {
    let text = "[library]\nmodel = \"Ferric\"\nslots = 65000\n[[drive]]\nmodel = \"ULT3580-TD9\"\ncount = 200\n\
        [[cartridges]]\npattern = \"C#####L9\"\ncount = 64999\nsize = \"64MB\"\n";
    let start = Instant::now();
    let site = Site::open_data_dir(DataDir::in_memory(), &parse("figures", text).unwrap()).unwrap();
    print_line(&format!(
        "65,000 slots, 64,999 cartridges, 200 drives, in memory: made in {:?}, {} MB",
        start.elapsed(),
        resident()
    ));
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let mut bytes = 0;
    let (p50, p99) = percentiles(20, |_| {
        let cdb = [0xb8, 0x10, 0, 0, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0, 0];
        bytes = host.command(0, &cdb, 0xff_ffff).into_result().unwrap().len();
    });
    print_line(&format!(
        "READ ELEMENT STATUS of all, volume tags, drives' identifiers: p50 {p50:?}, p99 {p99:?}, {bytes} bytes"
    ));
    let (p50, p99) = percentiles(2000, |number| {
        let [a, b] = u16::try_from(0x200 + number * 30).unwrap().to_be_bytes();
        host.command(0, &[0xb8, 0x12, a, b, 0, 1, 0, 0, 1, 0, 0, 0], 256).into_result().unwrap();
    });
    print_line(&format!("READ ELEMENT STATUS of one: p50 {p50:?}, p99 {p99:?}"));
    moves("65,000 slots, in memory", &site, 2000);
}

fn cartridges(directory: &Path) {
    let text = "[library]\nmodel = \"Ferric\"\nslots = 10001\n[[drive]]\nmodel = \"ULT3580-TD9\"\ncount = 4\n\
        [[cartridges]]\npattern = \"C#####L9\"\ncount = 10000\nsize = \"64MB\"\n";
    let config = parse("figures", text).unwrap();
    let path = directory.join("cartridges");
    for what in ["made", "started again"] {
        let (before, start) = (resident(), Instant::now());
        let site = Site::open(&path, &config).unwrap();
        print_line(&format!(
            "10,000 cartridges on disk: {what} in {:?}, {} MB more",
            start.elapsed(),
            resident().saturating_sub(before)
        ));
        if what == "started again" {
            moves("10,000 cartridges, on disk", &site, 2000);
        }
    }
}

fn luns() {
    let library = |number: usize| {
        format!(
            "[[library]]\nname = \"l{number}\"\nmodel = \"Ferric\"\ntarget = \"all\"\nslots = 300\n[[library.drive]]\n\
             model = \"ULT3580-TD9\"\ncount = 249\n"
        )
    };
    let config = parse("figures", &(0..4).map(library).collect::<String>()).unwrap();
    let (before, start) = (resident(), Instant::now());
    let site = Site::open_data_dir(DataDir::in_memory(), &config).unwrap();
    let more = resident().saturating_sub(before);
    print_line(&format!("1,000 LUNs behind one target: started in {:?}, {more} MB more", start.elapsed()));
    let (p50, p99) = percentiles(200, |_| {
        let host = Host::login(&site.targets()[0], 1);
        let luns = host.command(999, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0], 8192).into_result().unwrap();
        assert_eq!(luns.len(), 8 + 8000);
    });
    print_line(&format!("login and REPORT LUNS: p50 {p50:?}, p99 {p99:?}"));
}

fn main() {
    let directory: PathBuf = std::env::args().nth(1).unwrap_or_else(|| "figures".into()).into();
    slots();
    cartridges(&directory);
    luns();
}
