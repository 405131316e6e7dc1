//! The named pipe that mhvtl's daemons tell of their state: `Sun Nov 22 00:29:20 2026 - 11: - Loaded`, a line for each change.
//!
//! The words are those that mhvtl means; from the sixth on it prints the one before. Who does not read misses lines, and
//! keeps nobody.

use crate::CommandHook;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;
use vtl::clock;
use vtl::events::Event;
use vtl::inventory::Location;
use vtl::library::Library;
use vtl::site::Site;

/// A pipe of one unit, or none. It is gone when the last copy is dropped.
#[derive(Clone, Default)]
pub struct Fifo(Option<Arc<Pipe>>);

struct Pipe {
    unit: u16,
    path: PathBuf,
    file: File,
    last: Mutex<String>,
}

impl Fifo {
    /// Makes the pipe of a unit, if one is wanted.
    ///
    /// # Errors
    /// It cannot be made, or something else is in its place.
    pub fn create(unit: u16, path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        match mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o644), 0) {
            Err(rustix::io::Errno::EXIST) if fs::symlink_metadata(path)?.file_type().is_fifo() => {}
            made => made?,
        }
        // Also for reading, so that it opens, and takes lines, without a reader.
        let file = File::from(open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?);
        let fifo = Self(Some(Arc::new(Pipe { unit, path: path.into(), file, last: Mutex::default() })));
        fifo.notify("Initialising v2");
        Ok(fifo)
    }

    /// Tells of a state, if it is another than before.
    pub fn notify(&self, state: &str) {
        let Some(pipe) = &self.0 else { return };
        let mut last = pipe.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != state {
            state.clone_into(&mut last);
            let line = format!("{} - {}: - {state}\n", ctime_text(clock::now().wall.0 / 1000), pipe.unit);
            // One that is full loses the line.
            let _ = (&pipe.file).write_all(line.as_bytes());
        }
    }

    /// What is done before each command of a drive: its state is told.
    #[must_use]
    pub fn command_hook(&self) -> CommandHook {
        /// LOAD, in the fifth byte of LOAD UNLOAD.
        const LOAD: u8 = 0x01;
        let fifo = self.clone();
        Box::new(move |cdb| {
            let loads = cdb.get(4).is_some_and(|flags| flags & LOAD != 0);
            ssc::table::command_name(cdb)
                .and_then(|name| activity_text(name, loads))
                .into_iter()
                .for_each(|state| fifo.notify(state));
        })
    }

    /// Tells of what happens in a library, until its site ends.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn subscribe(&self, site: &Site, library: &Arc<Library>) -> io::Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        let (events, library, fifo) = (site.subscribe(), Arc::clone(library), self.clone());
        fifo.notify("Online");
        let write = move |event: &Event| event_text(&library, event).into_iter().for_each(|text| fifo.notify(&text));
        let tell = move || {
            for event in events {
                // An event whose line panics is lost, those behind it are not.
                let _ = catch_unwind(AssertUnwindSafe(|| write(&event)));
            }
        };
        std::thread::Builder::new().name("fifo".into()).spawn(tell).map(drop)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What is said of an event, if it is of this library.
fn event_text(library: &Library, event: &Event) -> Option<String> {
    match event {
        Event::Moved { barcode, from, to } => {
            let (from, to) = (element_text(library, from)?, element_text(library, to)?);
            Some(format!("Moving {barcode} from {from} to {to}"))
        }
        Event::OperatorState { library: name, state: condition } if name == library.name() => Some(
            match (condition.offline, condition.station_open) {
                (true, _) => "Offline",
                (false, true) => "Opening MAP",
                (false, false) => "Online",
            }
            .into(),
        ),
        _ => None,
    }
}

/// What mhvtl calls an element: its kind and number.
fn element_text(library: &Library, place: &Location) -> Option<String> {
    let Location::Element { library: name, address, .. } = place else { return None };
    let layout = library.layout();
    let (address, ours) = (smc::element::ElementAddress(*address), name == library.name());
    let groups = [("Storage slot", layout.storage), ("drive", layout.drives), ("MAP", layout.import_export)];
    let found = groups.into_iter().find_map(|(what, range)| Some((what, range.index(address)? + 1)));
    found.filter(|_| ours).map(|(what, number)| format!("{what} {number}"))
}

/// What a drive does about a command of this name.
fn activity_text(command: &str, loads: bool) -> Option<&'static str> {
    let name = command.split('(').next().unwrap_or_default();
    Some(match name {
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

/// A time as C's `ctime` writes it, in UTC.
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
    fn a_line_for_each_change() {
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
        // Nobody reads: lines are lost, and nobody waits.
        for number in 0..10_000 {
            fifo.notify(&number.to_string());
        }
        drop(fifo);
        assert!(!path.exists());
        std::fs::write(&path, "no pipe").unwrap();
        assert!(Fifo::create(11, Some(&path)).is_err());
        Fifo::create(11, None).unwrap().notify("to nobody");
    }

    #[test]
    fn times_and_commands() {
        assert_eq!(ctime_text(1_795_307_360), "Sun Nov 22 00:29:20 2026");
        for (command, loads, state) in [
            ("READ(6)", false, Some("Reading")),
            ("WRITE FILEMARKS(16)", false, Some("Writing")),
            ("LOAD UNLOAD", true, Some("Loading")),
            ("LOAD UNLOAD", false, Some("Unloading")),
            ("READ POSITION", false, None),
            ("TEST UNIT READY", false, None),
        ] {
            assert_eq!(activity_text(command, loads), state, "{command}");
        }
    }
}
