//! The named pipe on which mhvtl's daemons report their state: `Sun Nov 22 00:29:20 2026 - 11: - Loaded`, a line for
//! each change.
//!
//! The names of the states are as mhvtl intends them; from the sixth on, mhvtl itself prints the preceding name. Lines
//! without a reader are lost and do not block the daemon.

use crate::CommandHook;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use scsi_core::command_spec::CommandRef;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;
use vtl::clock::Clock;
use vtl::events::{Event, EventRecord};
use vtl::inventory::Location;
use vtl::library::Library;
use vtl::site::Site;

/// The state pipe of one unit, or none. The pipe is removed when the last copy is dropped.
#[derive(Clone, Default)]
pub struct Fifo(Option<Arc<Pipe>>);

struct Pipe {
    unit: u16,
    path: PathBuf,
    file: File,
    last: Mutex<String>,
}

impl Fifo {
    /// Creates the pipe of a unit at `path`; without a path, no state is reported.
    ///
    /// # Errors
    /// The pipe cannot be created, or `path` exists and is not a named pipe.
    pub fn create(unit: u16, path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        match mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0) {
            Err(rustix::io::Errno::EXIST) if fs::symlink_metadata(path)?.file_type().is_fifo() => {}
            created => created?,
        }
        // Also opened for reading, so that opening and writing succeed without a reader.
        let file = File::from(open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
        let fifo = Self(Some(Arc::new(Pipe { unit, path: path.into(), file, last: Mutex::default() })));
        fifo.notify("Initialising v2");
        Ok(fifo)
    }

    /// Reports a state unless it is the last one reported.
    pub fn notify(&self, state: &str) {
        let Some(pipe) = &self.0 else { return };
        let mut last = pipe.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != state {
            state.clone_into(&mut last);
            let line = format!("{} - {}: - {state}\n", ctime_text(Clock::real().now().wall.seconds()), pipe.unit);
            // If the pipe is full, the line is lost.
            let _ = (&pipe.file).write_all(line.as_bytes());
        }
    }

    /// Returns the hook that reports the state of a drive before each command.
    #[must_use]
    pub fn command_hook(&self) -> CommandHook {
        let fifo = self.clone();
        Box::new(move |cdb, row| activity_text(cdb, row).into_iter().for_each(|state| fifo.notify(state)))
    }

    /// Reports the events of a library until its site closes.
    ///
    /// # Errors
    /// The thread cannot be spawned.
    pub fn subscribe(&self, site: &Site, library: &Arc<Library>) -> io::Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        let (events, library, fifo) = (site.subscribe(), Arc::clone(library), self.clone());
        fifo.notify("Online");
        let write =
            move |record: &EventRecord| event_text(&library, record).into_iter().for_each(|text| fifo.notify(&text));
        let report = move || {
            for record in events {
                // A panic loses the line of this event only.
                let _ = catch_unwind(AssertUnwindSafe(|| write(&record)));
            }
        };
        std::thread::Builder::new().name("fifo".into()).spawn(report).map(drop)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The state to report for an event; `None` if the event is of another library or has no state.
fn event_text(library: &Library, record: &EventRecord) -> Option<String> {
    if let Some((from, to)) = record.event.locations() {
        let (from, to) = (element_text(library, from)?, element_text(library, to)?);
        return Some(format!("Moving {} from {from} to {to}", record.barcode.as_deref()?));
    }
    match &record.event {
        Event::OperatorState { state } if record.library.as_deref() == Some(library.name()) => Some(
            match (state.offline, state.station_open) {
                (true, _) => "Offline",
                (false, true) => "Opening MAP",
                (false, false) => "Online",
            }
            .into(),
        ),
        _ => None,
    }
}

/// mhvtl's name of an element of this library: its type and its number from 1.
fn element_text(library: &Library, place: &Location) -> Option<String> {
    let Location::Element { library: name, address, .. } = place else { return None };
    let layout = library.layout();
    let (address, in_this_library) = (smc::element::ElementAddress(*address), name == library.name());
    let groups = [("Storage slot", layout.storage), ("drive", layout.drives), ("MAP", layout.import_export)];
    let name = groups.into_iter().find_map(|(kind, range)| Some((kind, range.index(address)? + 1)));
    name.filter(|_| in_this_library).map(|(kind, number)| format!("{kind} {number}"))
}

/// The state that a command puts a drive into.
fn activity_text(cdb: &[u8], row: Option<CommandRef>) -> Option<&'static str> {
    let row = row?;
    let spec = row.spec();
    let loads = spec.fields.iter().any(|field| field.name == "LOAD" && !field.value(cdb).is_zero());
    Some(match spec.name.split('(').next().unwrap_or_default() {
        "READ" | "READ REVERSE" | "RECOVER BUFFERED DATA" => "Reading",
        "WRITE" | "WRITE FILEMARKS" => "Writing",
        "REWIND" => "Rewinding",
        "SPACE" => "Positioning",
        "LOCATE" => "Locate",
        "ERASE" | "FORMAT MEDIUM" => "Erasing",
        "VERIFY" => "Verify",
        "LOAD UNLOAD" if loads => "Loading",
        "LOAD UNLOAD" => "Unloading",
        _ => return None,
    })
}

/// Formats seconds since 1970 as C's `ctime` does, in UTC.
fn ctime_text(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let time = time.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (weekday, month, day, year) = (time.weekday().to_string(), time.month().to_string(), time.day(), time.year());
    format!("{weekday:.3} {month:.3} {day:>2} {:02}:{:02}:{:02} {year}", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn each_change_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let fifo = Fifo::create(11, Some(&path)).unwrap();
        let mut reader = File::open(&path).unwrap();
        for state in ["Loading", "Loaded", "Loaded", "Reading"] {
            fifo.notify(state);
        }
        let mut text = [0; 4096];
        let length = reader.read(&mut text).unwrap();
        let text = String::from_utf8_lossy(&text[..length]).into_owned();
        let states: Vec<&str> = text.lines().map(|line| line.split_once(" - 11: - ").unwrap().1).collect();
        assert_eq!(states, ["Initialising v2", "Loading", "Loaded", "Reading"]);
        assert_eq!(text.lines().next().unwrap().split_once(" - ").unwrap().0.len(), 24);
        // Without a reader, lines are lost and the writer does not block.
        for number in 0..10_000 {
            fifo.notify(&number.to_string());
        }
        drop(fifo);
        assert!(!path.exists());
        std::fs::write(&path, "no pipe").unwrap();
        assert!(Fifo::create(11, Some(&path)).is_err());
        Fifo::create(11, None).unwrap().notify("Online");
    }

    #[test]
    fn times_and_commands_are_formatted() {
        assert_eq!(ctime_text(1_795_307_360), "Sun Nov 22 00:29:20 2026");
        for (cdb, state) in [
            ("08 00 00 00 01 00", Some("Reading")),
            ("80 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00", Some("Writing")),
            ("1b 00 00 00 01 00", Some("Loading")),
            ("1b 00 00 00 00 00", Some("Unloading")),
            ("34 00 00 00 00 00 00 00 00 00", None),
            ("00 00 00 00 00 00", None),
        ] {
            let bytes: Vec<u8> = cdb.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
            assert_eq!(activity_text(&bytes, ssc::table::COMMANDS.lookup(&bytes)), state, "{cdb}");
        }
    }
}
