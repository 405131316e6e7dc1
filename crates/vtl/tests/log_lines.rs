//! The log lines of events and commands: their level, and fields that a program can parse.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use scsi_core::nexus::TransportId;
use std::cell::RefCell;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use vtl::config::parse;
use vtl::control::{ControlError, ControlRequest};
use vtl::data_dir::DataDir;
use vtl::host::Host;
use vtl::site::{OpenSite, Site};

const CONFIG: &str = "[iscsi]\niqn = \"iqn.2026-01.org.example:s\"\n[[library]]\nslots = 4\nimport_export = 1\n\
    [[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = 1\n\
    [[library.cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n";

thread_local! {
    /// The lines of this thread since the last call of [`Lines::of`].
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A log of the whole process with the lines of each thread, in the form of the log of a daemon: level, message, and fields
/// with texts in quotes. A subscriber of one thread would get no line of a call that another thread has executed first.
struct Lines;

impl Lines {
    /// The lines of this level that `call` logs on this thread.
    fn of<T>(level: Level, call: impl FnOnce() -> T) -> Vec<String> {
        let _ = tracing::subscriber::set_global_default(Self);
        LINES.take();
        drop(call());
        let lines = LINES.take();
        lines.iter().filter_map(|line| line.strip_prefix(&format!("{level} "))).map(str::to_owned).collect()
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("vtl")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let line = format!("{} {}{}", event.metadata().level(), line.message, line.fields);
        LINES.with_borrow_mut(|lines| lines.push(line));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => write!(self.fields, " {name}={value:?}").unwrap(),
        }
    }
}

fn site() -> OpenSite {
    Site::open_data_dir(DataDir::in_memory(), &parse("f", CONFIG).unwrap()).unwrap()
}

fn control(site: &Site, request: &str) -> Result<(), ControlError> {
    let request: ControlRequest = serde_json::from_str(request).unwrap();
    site.control(&request).map(drop)
}

#[test]
fn lines_of_operators_name_units_and_elements() {
    let site = site();
    let on = r#"library="main""#;
    for (request, expected) in [
        (
            r#"{"op":"move","from":"slot1","to":"drive1"}"#,
            r#"load LIBRARY unit="drive1" barcode="A1L8" from="slot1" to="drive1""#,
        ),
        (
            r#"{"op":"move","from":"drive1","to":"slot3"}"#,
            r#"unload LIBRARY unit="drive1" barcode="A1L8" from="drive1" to="slot3""#,
        ),
        (
            r#"{"op":"move","from":"slot2","to":"io1"}"#,
            r#"move LIBRARY unit="changer" barcode="A2L8" from="slot2" to="io1""#,
        ),
        (
            r#"{"op":"element","element":"slot2","fault":"disabled"}"#,
            r#"operator state LIBRARY robot_offline=false drives_offline="" element_faults="slot2" label_defects="""#,
        ),
        (
            r#"{"op":"online","drive":"drive1","online":false}"#,
            r#"operator state LIBRARY robot_offline=false drives_offline="drive1" element_faults="slot2" label_defects="""#,
        ),
        (r#"{"op":"protect","cartridge":"A1L8","on":true}"#, r#"write protection barcode="A1L8" on=true"#),
    ] {
        let lines = Lines::of(Level::INFO, || control(&site, request).unwrap());
        assert_eq!(lines, [expected.replace("LIBRARY", on)], "{request}");
    }
}

/// TapeAlert flags and moves that a fault ends need a person.
#[test]
fn lines_that_need_a_person_are_warnings() {
    let site = site();
    let lines = Lines::of(Level::WARN, || {
        control(&site, r#"{"op":"alert","drive":"drive1","flag":20,"raised":true}"#).unwrap()
    });
    assert_eq!(lines, [r#"TapeAlert flag raised library="main" unit="drive1" flag=20 name="Clean now""#]);
    control(&site, r#"{"op":"inject_fault","fault":"load"}"#).unwrap();
    let mut refused = None;
    let lines =
        Lines::of(Level::WARN, || refused = control(&site, r#"{"op":"move","from":"slot1","to":"drive1"}"#).err());
    assert!(refused.is_some());
    assert!(
        lines.iter().any(|line| line.starts_with(r#"move failed library="main" unit="changer" error=""#)),
        "{lines:?}"
    );
}

#[test]
fn names_of_initiators_are_those_in_the_lines_of_commands() {
    let site = site();
    let target = Arc::clone(&site.targets()[0]);
    let port = TransportId::iscsi("iqn.2026-01.org.example:host", [0x80, 0, 0, 0, 0, 1]);
    let lines = Lines::of(Level::INFO, || target.login(&port));
    let expected =
        r#"login initiator="iqn.2026-01.org.example:host" isid="0x800000000001" target="iqn.2026-01.org.example:s""#;
    assert_eq!(lines, [expected]);
}

#[test]
fn line_of_a_command_has_quoted_texts_its_position_and_its_time_in_the_queue() {
    let site = site();
    control(&site, r#"{"op":"move","from":"slot1","to":"drive1"}"#).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    let written = Lines::of(Level::TRACE, || host.command_with_data(1, &[0x0a, 0, 0, 0, 5, 0], b"block"));
    let times = written[0].split_once(" queued_us=").unwrap();
    assert_eq!(
        times.0,
        r#" initiator="host1" target="iqn.2026-01.org.example:s" lun=1 unit="drive1" library="main" barcode="A1L8" command="WRITE(6)" cdb="0a0000000500" status="GOOD" bytes_in=0 bytes_out=5 position_before="0:0" position_after="0:1""#
    );
    assert!(times.1.contains(" took_us="), "{}", times.1);
    let failed = Lines::of(Level::DEBUG, || host.command(1, &[0x08, 1, 0, 0, 1, 1], 1));
    let texts = r#" status="CHECK CONDITION" sense="ILLEGAL REQUEST 24h/00h"#;
    assert!(failed[0].contains(texts), "{}", failed[0]);
}
