//! Replays golden transcripts: the commands that Linux programs and the `ch` driver send to each library model, and
//! that LTFS sends to two drives concurrently.
#![allow(clippy::unwrap_used, reason = "test code")]

use scsi_core::transcript;
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::frontend::{Frontend, SiteOptions};
use vtl::host::Host;
use vtl::site::Site;

const TRANSCRIPTS: [&str; 9] = [
    include_str!("transcripts/l700.txt"),
    include_str!("transcripts/l180.txt"),
    include_str!("transcripts/i3584.txt"),
    include_str!("transcripts/i3573.txt"),
    include_str!("transcripts/msl.txt"),
    include_str!("transcripts/python.txt"),
    include_str!("transcripts/i500.txt"),
    include_str!("transcripts/ferric.txt"),
    include_str!("transcripts/ltfs.txt"),
];

#[test]
fn transcripts_replay() {
    let config = parse("site.toml", include_str!("transcripts/site.toml")).unwrap();
    let site =
        Site::open_with(DataDir::in_memory(), &config, SiteOptions::default().with_frontend(Frontend::ISCSI)).unwrap();
    for text in TRANSCRIPTS {
        let (name, steps) = transcript::parse(text);
        let library = site.library(name).unwrap();
        let host = Host::login(library.target(), 1);
        for step in steps {
            let (lun, cdb) = (step.lun, step.cdb.as_slice());
            let response = if step.data_out.is_empty() {
                host.command(lun, cdb, step.data_in_capacity)
            } else {
                host.command_with_data(lun, cdb, &step.data_out)
            };
            let response =
                transcript::Response { status: response.status.0, sense: response.sense, data: response.data };
            assert_eq!(step.comparable(response), step.expected, "{name}.txt:{}: {cdb:02x?}", step.line);
        }
    }
}
