//! `vtlcmd`: what is said to a library or a drive, and its answer.

use crate::cartridges::{barcode, failed, shelf};
use crate::{Call, Done, Failure, VERSION};
use mhvtl_lld::queue::{Message, Queue, Received, TEXT, TOOL};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use vtl::clock;
use vtl::config::mhvtl::{Outline, OutlineKind, directory, outline};

/// How long a unit may take to answer: as long as a site's robot may work on an order of others.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what wakes nobody.
const PAUSE: Duration = Duration::from_millis(10);

/// To which units something can be said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Library,
    Drive,
    Both,
}

/// What can be said.
struct Verb {
    words: &'static [&'static str],
    whom: For,
    /// What follows the words.
    value: Value,
    /// What is printed before the answer, if one comes.
    answer: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    /// One word.
    Word,
    /// Up to sixteen hexadecimal digits.
    Flags,
    Seconds,
    OneOf(&'static [&'static str]),
}

const fn verb(words: &'static [&'static str], whom: For, value: Value, answer: Option<&'static str>) -> Verb {
    Verb { words, whom, value, answer }
}

/// The first whose words match counts, in any case; they are sent as they stand here.
const VERBS: [Verb; 23] = [
    verb(&["verbose"], For::Both, Value::None, None),
    verb(&["debug"], For::Both, Value::None, None),
    verb(&["exit"], For::Both, Value::None, None),
    verb(&["TapeAlert"], For::Both, Value::Flags, None),
    verb(&["InquiryDataChange"], For::Both, Value::None, None),
    verb(&["dump"], For::Drive, Value::None, None),
    verb(&["Append", "Only"], For::Drive, Value::OneOf(&["Yes", "No"]), None),
    verb(&["compression"], For::Drive, Value::OneOf(&["zlib", "lzo"]), None),
    verb(&["delay", "load"], For::Drive, Value::Seconds, None),
    verb(&["delay", "unload"], For::Drive, Value::Seconds, None),
    verb(&["delay", "rewind"], For::Drive, Value::Seconds, None),
    verb(&["delay", "position"], For::Drive, Value::Seconds, None),
    verb(&["delay", "thread"], For::Drive, Value::Seconds, None),
    verb(&["load", "map"], For::Library, Value::Word, Some("")),
    verb(&["load"], For::Drive, Value::Word, None),
    verb(&["unload"], For::Drive, Value::Word, None),
    verb(&["add", "slot"], For::Library, Value::None, Some("")),
    verb(&["online"], For::Library, Value::None, None),
    verb(&["offline"], For::Library, Value::None, None),
    verb(&["list", "map"], For::Library, Value::None, Some("Contents: ")),
    verb(&["empty", "map"], For::Library, Value::None, Some("")),
    verb(&["open", "map"], For::Library, Value::None, Some("")),
    verb(&["close", "map"], For::Library, Value::None, Some("")),
];

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage  : {name} <DeviceNo> <command> [-h|-help]
Version: {VERSION}
   Where 'DeviceNo' is the number of a library or drive in device.conf

Global commands:
   verbose, debug       -> more, or less, in its log
   TapeAlert #          -> set the 64 TapeAlert flags (hex)
   InquiryDataChange    -> hosts hear that inquiry data has changed
   exit                 -> end the unit

Tape specific commands:
   load ID              -> load a cartridge
   unload ID            -> unload it
   Append Only [Yes|No] -> writes at the end only
   compression [zlib|lzo]
   delay load|unload|rewind|position|thread n -> so many seconds
   dump                 -> which media it loads, in its log

Library specific commands:
   add slot             -> one more slot
   online, offline
   list map             -> what is in the MAP
   empty map            -> take out what is in it
   open map, close map
   load map ID          -> put a cartridge into it
"
    )
}

pub(crate) fn run(call: &Call<'_>, out: &mut dyn Write) -> Done {
    run_at(call, Queue::existing, PATIENCE, out)
}

/// Says what a call says, over a queue, and waits so long for the answer.
///
/// # Errors
/// What is wrong with the call, or with the unit.
pub fn run_at(
    call: &Call<'_>,
    queue: impl FnOnce() -> io::Result<Queue>,
    patience: Duration,
    out: &mut dyn Write,
) -> Done {
    let asks = |words: &[&str]| call.arguments.iter().any(|word| words.contains(&word.as_str()));
    if asks(&["-h", "-help", "--help", "/h"]) || call.arguments.is_empty() {
        return Err(Failure::usage(""));
    }
    if asks(&["-v", "-V"]) {
        return Err(Failure::new(format!("Version: {VERSION}")));
    }
    let [number, words @ ..] = call.arguments else { return Err(Failure::usage("")) };
    let number: u16 = number_of(number)?;
    let verb = understood(words)?;
    let etc = directory(&call.etc)?;
    let devices = etc.join("device.conf");
    let unit = outline(&etc)?.into_iter().find(|unit| unit.id == u32::from(number)).ok_or_else(|| {
        let devices = devices.display();
        Failure::new(format!("No tape/library ({devices}) configured with device number: {number}"))
    })?;
    fits(verb, &unit)?;
    if let (["load", "map"], OutlineKind::Library { home }) = (verb.words, &unit.kind) {
        is_there(home, words.last().map_or("", String::as_str))?;
    }
    let text = said(verb, words);
    if text.len() > TEXT {
        return Err(Failure::new(format!("Command line too long (max {TEXT} bytes)")));
    }
    let unavailable = |error| Failure::new(format!("MessageQueue not available: {error}"));
    let line = Line { queue: queue().map_err(unavailable)?, unit: number, until: now() + patience };
    line.say(&text, verb.answer, &devices, out)
}

fn number_of(text: &str) -> Result<u16, Failure> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Failure::new(format!("DeviceNo not numeric: {text}")));
    }
    let invalid = || Failure::new(format!("Invalid device number for tape/library: {text}"));
    text.parse().ok().filter(|number| *number < TOOL).ok_or_else(invalid)
}

/// The verb of these words, if what follows it can be.
fn understood(words: &[String]) -> Result<&'static Verb, Failure> {
    let wrong = |what: &str| Failure::usage(format!("Please check command, parameter '{what}' wrong.\n"));
    let begins = |verb: &&Verb| {
        verb.words.iter().zip(words).filter(|(one, other)| one.eq_ignore_ascii_case(other)).count() == verb.words.len()
    };
    let verb = VERBS.iter().find(begins).ok_or_else(|| wrong(&words.join(" ")))?;
    let value = words.get(verb.words.len()..).unwrap_or_default();
    let fits = match (verb.value, value) {
        (Value::None, []) | (Value::Word, [_]) => true,
        (Value::Flags, [flags]) => {
            if flags.is_empty() || flags.len() > 16 || !flags.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(Failure::new(format!("Value not hexadecimal: {flags}")));
            }
            true
        }
        (Value::Seconds, [seconds]) => seconds.parse::<u16>().is_ok(),
        (Value::OneOf(known), [word]) => known.iter().any(|known| known.eq_ignore_ascii_case(word)),
        _ => false,
    };
    if fits { Ok(verb) } else { Err(wrong(&verb.words.join(" "))) }
}

fn fits(verb: &Verb, unit: &Outline) -> Done {
    match (&unit.kind, verb.whom) {
        (OutlineKind::Library { .. }, For::Drive) => Err(Failure::new("Command for library not allowed")),
        (OutlineKind::Drive { .. }, For::Library) => Err(Failure::new("Command for tape not allowed")),
        _ => Ok(()),
    }
}

/// Refuses a label of no cartridge.
fn is_there(home: &Path, label: &str) -> Done {
    let barcode = barcode(label)?;
    if home.is_dir() && shelf(home)?.exists(&barcode).map_err(|error| failed(&barcode, &error))? {
        return Ok(());
    }
    let path = home.join(label);
    Err(Failure::new(format!(
        "Could not open {}: no cartridge\nHint: Use command 'mktape' to create media first",
        path.display()
    )))
}

/// The text of a verb: words as units compare them, each with a blank behind.
fn said(verb: &Verb, words: &[String]) -> String {
    let value = words.get(verb.words.len()..).unwrap_or_default().iter().map(String::as_str);
    let value = value.map(|word| match verb.value {
        Value::OneOf(known) => known.iter().find(|known| known.eq_ignore_ascii_case(word)).copied().unwrap_or(word),
        _ => word,
    });
    verb.words.iter().copied().chain(value).map(|word| format!("{word} ")).collect()
}

fn now() -> Duration {
    Duration::from_micros(clock::now().mono.0)
}

/// The line to a unit, open until a time.
struct Line {
    queue: Queue,
    unit: u16,
    until: Duration,
}

impl Line {
    fn say(&self, text: &str, answer: Option<&str>, devices: &Path, out: &mut dyn Write) -> Done {
        let Some(prefix) = answer else { return self.send(text) };
        // All of us have one number, so answers are for whoever takes them: one at a time.
        let turn = File::open(devices).map_err(|error| Failure::at(devices, error))?;
        self.wait("another vtlcmd has waited too long", || match turn.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Failure::at(devices, error)),
        })?;
        // What nobody waited for before.
        while self.receive()?.is_some() {}
        self.send(text)?;
        let silent = format!("library {} does not answer", self.unit);
        let answer = self.wait(&silent, || {
            Ok(match self.receive()? {
                Some(Received::Message(Message { sender, text })) if sender == u64::from(self.unit) => Some(text),
                _ => None,
            })
        })?;
        Ok(writeln!(out, "{prefix}{answer}")?)
    }

    fn send(&self, text: &str) -> Done {
        self.wait("Message Queue Error: the queue is full, nobody takes messages out of it", || {
            match self.queue.send(self.unit, TOOL, text) {
                Ok(()) => Ok(Some(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(gone(&error)),
            }
        })
    }

    fn receive(&self) -> Result<Option<Received>, Failure> {
        self.queue.receive(TOOL).map_err(|error| gone(&error))
    }

    /// Looks until there is something, or it is too late.
    fn wait<T>(&self, late: &str, look: impl Fn() -> Result<Option<T>, Failure>) -> Result<T, Failure> {
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if now() >= self.until {
                return Err(Failure::new(late));
            }
            #[expect(clippy::disallowed_methods, reason = "a command line may wait for its answer")]
            std::thread::sleep(PAUSE);
        }
    }
}

fn gone(error: &io::Error) -> Failure {
    Failure::new(format!("Message Queue Error: {error}"))
}
