//! `vtlcmd`: sends a command to a library or a drive and prints the reply.

use crate::cartridges::{barcode, cartridge_error, open_store};
use crate::{Invocation, ToolError, ToolResult, VERSION};
use mhvtl_lld::queue::{MAX_TEXT, Message, Queue, Received, TOOL_ID};
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;
use vtl::clock::Clock;
use vtl::config::mhvtl::{DeviceKind, DeviceSummary, device_summaries, directory};

/// Time limit for the reply of a unit: as long as the robot may take for the command of another sender.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval at which the queue and the lock are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The types of units that a command is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UnitTypes {
    Library,
    Drive,
    Both,
}

/// A command of the tool.
struct Verb {
    words: &'static [&'static str],
    units: UnitTypes,
    /// The argument after the words.
    value: Value,
    /// Text that is printed before the reply; `None` if the unit does not reply.
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

const fn verb(words: &'static [&'static str], whom: UnitTypes, value: Value, answer: Option<&'static str>) -> Verb {
    Verb { words, units: whom, value, answer }
}

/// All commands. The first one whose words match, ignoring case, is sent, with its words as written here.
const VERBS: [Verb; 24] = [
    verb(&["verbose"], UnitTypes::Both, Value::None, None),
    verb(&["debug"], UnitTypes::Both, Value::None, None),
    verb(&["exit"], UnitTypes::Both, Value::None, None),
    verb(&["status"], UnitTypes::Both, Value::None, Some("")),
    verb(&["TapeAlert"], UnitTypes::Both, Value::Flags, None),
    verb(&["InquiryDataChange"], UnitTypes::Both, Value::None, None),
    verb(&["dump"], UnitTypes::Drive, Value::None, None),
    verb(&["Append", "Only"], UnitTypes::Drive, Value::OneOf(&["Yes", "No"]), None),
    verb(&["compression"], UnitTypes::Drive, Value::OneOf(&["zlib", "lzo"]), None),
    verb(&["delay", "load"], UnitTypes::Drive, Value::Seconds, None),
    verb(&["delay", "unload"], UnitTypes::Drive, Value::Seconds, None),
    verb(&["delay", "rewind"], UnitTypes::Drive, Value::Seconds, None),
    verb(&["delay", "position"], UnitTypes::Drive, Value::Seconds, None),
    verb(&["delay", "thread"], UnitTypes::Drive, Value::Seconds, None),
    verb(&["load", "map"], UnitTypes::Library, Value::Word, Some("")),
    verb(&["load"], UnitTypes::Drive, Value::Word, None),
    verb(&["unload"], UnitTypes::Drive, Value::Word, None),
    verb(&["add", "slot"], UnitTypes::Library, Value::None, Some("")),
    verb(&["online"], UnitTypes::Library, Value::None, None),
    verb(&["offline"], UnitTypes::Library, Value::None, None),
    verb(&["list", "map"], UnitTypes::Library, Value::None, Some("Contents: ")),
    verb(&["empty", "map"], UnitTypes::Library, Value::None, Some("")),
    verb(&["open", "map"], UnitTypes::Library, Value::None, Some("")),
    verb(&["close", "map"], UnitTypes::Library, Value::None, Some("")),
];

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage  : {name} <DeviceNo> <command> [-h|-help]
Version: {VERSION}
   Where 'DeviceNo' is the number of a library or drive in device.conf

Global commands:
   verbose, debug       -> lower, or raise, the log level
   TapeAlert #          -> set the 64 TapeAlert flags (hex)
   InquiryDataChange    -> report INQUIRY DATA HAS CHANGED to hosts
   exit                 -> stop the unit
   status               -> show whether the unit is online, or why it is faulty

Tape specific commands:
   load ID              -> load a cartridge
   unload ID            -> unload a cartridge
   Append Only [Yes|No] -> accept writes at the end of data only
   compression [zlib|lzo]
   delay load|unload|rewind|position|thread n -> set a delay in seconds
   dump                 -> log the supported media

Library specific commands:
   add slot             -> add a slot
   online, offline
   list map             -> list the cartridges in the MAP
   empty map            -> remove the cartridges from the MAP
   open map, close map
   load map ID          -> put a cartridge into the MAP
"
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    run_with_queue(call, Queue::open_existing, REPLY_TIMEOUT, out)
}

/// Sends the command of a call over a queue and waits for the reply, with a time limit.
///
/// # Errors
/// The arguments are invalid, the unit does not exist or does not support the command, the queue is not available or
/// full, or no reply is received in time.
pub fn run_with_queue(
    call: &Invocation<'_>,
    queue: impl FnOnce() -> io::Result<Queue>,
    timeout: Duration,
    out: &mut dyn Write,
) -> ToolResult {
    let requests = |words: &[&str]| call.arguments.iter().any(|word| words.contains(&word.as_str()));
    if requests(&["-h", "-help", "--help", "/h"]) || call.arguments.is_empty() {
        return Err(ToolError::usage(""));
    }
    if requests(&["-v", "-V"]) {
        return Err(ToolError::new(format!("Version: {VERSION}")));
    }
    let [number, words @ ..] = call.arguments else { return Err(ToolError::usage("")) };
    let number: u16 = number_of(number)?;
    let verb = find_verb(words)?;
    let etc = directory(&call.etc)?;
    let devices = etc.join("device.conf");
    let unit = device_summaries(&etc)?.into_iter().find(|unit| unit.id == u32::from(number)).ok_or_else(|| {
        let devices = devices.display();
        ToolError::new(format!("No tape/library ({devices}) configured with device number: {number}"))
    })?;
    check_unit_type(verb, &unit)?;
    if let (["load", "map"], DeviceKind::Library { home_directory: home }) = (verb.words, &unit.kind) {
        check_barcode_exists(home, words.last().map_or("", String::as_str))?;
    }
    let text = message_text(verb, words);
    if text.len() > MAX_TEXT {
        return Err(ToolError::new(format!("Command line too long (max {MAX_TEXT} bytes)")));
    }
    let unavailable = |error| ToolError::new(format!("MessageQueue not available: {error}"));
    let client = QueueClient { queue: queue().map_err(unavailable)?, unit: number, deadline: now() + timeout };
    client.send_and_wait(&text, verb.answer, &devices, out)
}

fn number_of(text: &str) -> Result<u16, ToolError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ToolError::new(format!("DeviceNo not numeric: {text}")));
    }
    let invalid = || ToolError::new(format!("Invalid device number for tape/library: {text}"));
    text.parse().ok().filter(|number| *number < TOOL_ID).ok_or_else(invalid)
}

/// Finds the verb of these words and checks its argument.
fn find_verb(words: &[String]) -> Result<&'static Verb, ToolError> {
    let wrong = |what: &str| ToolError::usage(format!("Please check command, parameter '{what}' wrong.\n"));
    let begins = |verb: &&Verb| {
        verb.words.iter().zip(words).filter(|(one, other)| one.eq_ignore_ascii_case(other)).count() == verb.words.len()
    };
    let verb = VERBS.iter().find(begins).ok_or_else(|| wrong(&words.join(" ")))?;
    let value = words.get(verb.words.len()..).unwrap_or_default();
    let fits = match (verb.value, value) {
        (Value::None, []) | (Value::Word, [_]) => true,
        (Value::Flags, [flags]) => {
            if flags.is_empty() || flags.len() > 16 || !flags.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(ToolError::new(format!("Value not hexadecimal: {flags}")));
            }
            true
        }
        (Value::Seconds, [seconds]) => seconds.parse::<u16>().is_ok(),
        (Value::OneOf(known), [word]) => known.iter().any(|known| known.eq_ignore_ascii_case(word)),
        _ => false,
    };
    if fits { Ok(verb) } else { Err(wrong(&verb.words.join(" "))) }
}

fn check_unit_type(verb: &Verb, unit: &DeviceSummary) -> ToolResult {
    match (&unit.kind, verb.units) {
        (DeviceKind::Library { .. }, UnitTypes::Drive) => Err(ToolError::new("Command for library not allowed")),
        (DeviceKind::Drive { .. }, UnitTypes::Library) => Err(ToolError::new("Command for tape not allowed")),
        _ => Ok(()),
    }
}

/// Refuses the barcode of a cartridge that does not exist.
fn check_barcode_exists(home: &Path, label: &str) -> ToolResult {
    let barcode = barcode(label)?;
    if home.is_dir() && open_store(home)?.exists(&barcode).map_err(|error| cartridge_error(&barcode, &error))? {
        return Ok(());
    }
    let path = home.join(label);
    Err(ToolError::new(format!(
        "Could not open {}: no cartridge\nHint: Use command 'mktape' to create media first",
        path.display()
    )))
}

/// The text of a message: words as units compare them, each followed by a blank.
fn message_text(verb: &Verb, words: &[String]) -> String {
    let value = words.get(verb.words.len()..).unwrap_or_default().iter().map(String::as_str);
    let value = value.map(|word| match verb.value {
        Value::OneOf(known) => known.iter().find(|known| known.eq_ignore_ascii_case(word)).copied().unwrap_or(word),
        _ => word,
    });
    verb.words.iter().copied().chain(value).map(|word| format!("{word} ")).collect()
}

fn now() -> Duration {
    Duration::from_micros(Clock::real().monotonic().0)
}

/// Exchanges messages with a unit until a deadline.
struct QueueClient {
    queue: Queue,
    unit: u16,
    deadline: Duration,
}

impl QueueClient {
    fn send_and_wait(&self, text: &str, answer: Option<&str>, devices: &Path, out: &mut dyn Write) -> ToolResult {
        let Some(prefix) = answer else { return self.send(text) };
        // All processes of this tool receive under one number, so any could take the reply: they take turns.
        let turn = File::open(devices).map_err(|error| ToolError::at(devices, error))?;
        self.poll_until_deadline("another vtlcmd still waits for a reply", || match turn.try_lock() {
            Ok(()) => Ok(Some(())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(ToolError::at(devices, error)),
        })?;
        // Replies that earlier calls did not read are discarded.
        while self.receive()?.is_some() {}
        self.send(text)?;
        let no_reply = format!("library {} does not answer", self.unit);
        let answer = self.poll_until_deadline(&no_reply, || {
            Ok(match self.receive()? {
                Some(Received::Message(Message { sender, text })) if sender == u64::from(self.unit) => Some(text),
                _ => None,
            })
        })?;
        Ok(writeln!(out, "{prefix}{answer}")?)
    }

    fn send(&self, text: &str) -> ToolResult {
        self.poll_until_deadline("Message Queue Error: the queue is full; no daemon reads it", || {
            match self.queue.send(self.unit, TOOL_ID, text) {
                Ok(()) => Ok(Some(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(queue_error(&error)),
            }
        })
    }

    fn receive(&self) -> Result<Option<Received>, ToolError> {
        self.queue.receive(TOOL_ID).map_err(|error| queue_error(&error))
    }

    /// Polls until `query` returns a value; after the deadline fails with the text `timeout_text`.
    fn poll_until_deadline<T>(
        &self,
        timeout_text: &str,
        query: impl Fn() -> Result<Option<T>, ToolError>,
    ) -> Result<T, ToolError> {
        loop {
            if let Some(found) = query()? {
                return Ok(found);
            }
            if now() >= self.deadline {
                return Err(ToolError::new(timeout_text));
            }
            #[expect(clippy::disallowed_methods, reason = "a command-line tool may block")]
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

fn queue_error(error: &io::Error) -> ToolError {
    ToolError::new(format!("Message Queue Error: {error}"))
}
