//! `vtlcmd` with a private queue: its arguments, its messages, and the replies that it accepts.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use mhvtl_lld::queue::{Message, Queue, Received, TOOL_ID};
use mhvtl_lld::simulator::Simulator;
use mhvtl_tools::{Invocation, ToolError, vtlcmd};
use mhvtld::log::Log;
use mhvtld::site_messages::message_handlers;
use mhvtld::{Frontend, MessageListener, attachments};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;
use tempfile::{TempDir, tempdir};
use vtl::config::{mhvtl::import, parse};
use vtl::site::Site;

const DEVICES: &str = "Library: 10 CHANNEL: 00 TARGET: 00 LUN: 00\n Vendor identification: STK\n Product identification: L700\n \
Unit serial number: XYZZY_A\n Home directory: HOME\n\nDrive: 11 CHANNEL: 00 TARGET: 01 LUN: 00\n Library ID: 10 Slot: 01\n \
Vendor identification: IBM\n Product identification: ULT3580-TD8\n Unit serial number: XYZZY_A1\n\n";

fn etc() -> TempDir {
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join("home")).unwrap();
    fs::write(dir.path().join("device.conf"), DEVICES.replace("HOME", &dir.path().join("home").display().to_string()))
        .unwrap();
    dir
}

/// Runs a call and returns its output or its error.
fn call(queue: &Queue, etc: &Path, line: &str, timeout: Duration) -> Result<String, String> {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let call = Invocation { name: "vtlcmd", arguments: &arguments, etc: etc.into(), now: 0 };
    let mut out = Vec::new();
    match vtlcmd::run_with_queue(&call, || Ok(queue.clone()), timeout, &mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(ToolError::Refused { text, code: 1, usage }) => Err(text + if usage { "(usage)" } else { "" }),
        Err(other) => panic!("{other:?}"),
    }
}

fn refused(line: &str) -> String {
    let (etc, queue) = (etc(), Queue::open_private().unwrap());
    let printed = call(&queue, etc.path(), line, Duration::ZERO).unwrap_err();
    assert_eq!(queue.receive_any().unwrap(), None, "nothing was sent");
    queue.remove().unwrap();
    printed.replace(&etc.path().display().to_string(), "DIR")
}

#[test]
fn invalid_commands_are_refused() {
    for line in ["", "-h", "10 list map -h", "10 /h", "10"] {
        assert!(refused(line).ends_with("(usage)"), "{line}");
    }
    for (line, printed) in [
        ("x list map", "DeviceNo not numeric: x"),
        ("32768 online", "Invalid device number for tape/library: 32768"),
        ("99999 online", "Invalid device number for tape/library: 99999"),
        ("99 list map", "No tape/library (DIR/device.conf) configured with device number: 99"),
        ("10 load X", "Command for library not allowed"),
        ("10 delay load 3", "Command for library not allowed"),
        ("11 list map", "Command for tape not allowed"),
        ("10 TapeAlert xyz", "Value not hexadecimal: xyz"),
        ("10 TapeAlert 12345678901234567", "Value not hexadecimal: 12345678901234567"),
        ("10 list", "Please check command, parameter 'list' wrong.\n(usage)"),
        ("10 list mop", "Please check command, parameter 'list mop' wrong.\n(usage)"),
        ("10 list map more", "Please check command, parameter 'list map' wrong.\n(usage)"),
        ("10 load map", "Please check command, parameter 'load map' wrong.\n(usage)"),
        ("11 delay load -3", "Please check command, parameter 'delay load' wrong.\n(usage)"),
        ("11 compression zip", "Please check command, parameter 'compression' wrong.\n(usage)"),
        ("10 load map e01", "error: \"e01\" is not a barcode: 1 to 16 of A-Z, 0-9, - and _(usage)"),
        (
            "10 load map E01001L8",
            "Could not open DIR/home/E01001L8: no cartridge\nHint: Use command 'mktape' to create media first",
        ),
    ] {
        assert_eq!(refused(line), printed, "{line}");
    }
    assert_eq!(refused(&format!("11 load {}", "X".repeat(1019))), "Command line too long (max 1024 bytes)");
}

#[test]
fn commands_are_sent_as_mhvtl_does() {
    let (etc, queue) = (etc(), Queue::open_private().unwrap());
    for (line, unit, text) in [
        ("10 verbose", 10, "verbose "),
        ("11 debug", 11, "debug "),
        ("11 dump", 11, "dump "),
        ("11 exit", 11, "exit "),
        ("10 TapeAlert 00fF", 10, "TapeAlert 00fF "),
        ("11 InquiryDataChange", 11, "InquiryDataChange "),
        ("10 online", 10, "online "),
        ("10 offline", 10, "offline "),
        ("11 load E01001L8", 11, "load E01001L8 "),
        ("11 unload E01001L8", 11, "unload E01001L8 "),
        ("11 delay position 20", 11, "delay position 20 "),
        ("11 DELAY Thread 0", 11, "delay thread 0 "),
        ("11 compression ZLIB", 11, "compression zlib "),
        ("11 append only yes", 11, "Append Only Yes "),
    ] {
        assert_eq!(call(&queue, etc.path(), line, Duration::ZERO).unwrap(), "", "{line}");
        let message = Received::Message(Message { sender: 32_768, text: text.into() });
        assert_eq!(queue.receive_any().unwrap(), Some((unit, message)), "{line}");
    }
    queue.remove().unwrap();
}

/// Old replies and replies of other units are ignored, and every wait has a limit.
#[test]
fn unrelated_replies_are_ignored() {
    let (etc, queue) = (etc(), Queue::open_private().unwrap());
    queue.send(TOOL_ID, 10, "an old answer").unwrap();
    queue.send(TOOL_ID, 11, "Unloaded OK").unwrap();
    let daemon = queue.clone();
    let answering = thread::spawn(move || {
        while daemon.receive(10).unwrap().is_none() {
            thread::yield_now();
        }
        daemon.send(TOOL_ID, 11, "reply of another unit").unwrap();
        daemon.send(TOOL_ID, 10, "E01001L8        ").unwrap();
    });
    let printed = call(&queue, etc.path(), "10 list map", Duration::from_secs(60));
    assert_eq!(printed.unwrap(), "Contents: E01001L8        \n");
    answering.join().unwrap();
    let timeout = Duration::from_millis(30);
    assert_eq!(call(&queue, etc.path(), "10 open map", timeout).unwrap_err(), "library 10 does not answer");
    // Two at the same time take turns.
    let other = fs::File::open(etc.path().join("device.conf")).unwrap();
    other.lock().unwrap();
    assert_eq!(call(&queue, etc.path(), "10 open map", timeout).unwrap_err(), "another vtlcmd still waits for a reply");
    drop(other);
    for length in [1000, 0] {
        while queue.send(10, TOOL_ID, &"x".repeat(length)).is_ok() {}
    }
    let full = call(&queue, etc.path(), "11 verbose", timeout);
    assert!(full.unwrap_err().starts_with("Message Queue Error: the queue is full"));
    queue.clone().remove().unwrap();
    assert!(call(&queue, etc.path(), "10 verbose", timeout).unwrap_err().starts_with("Message Queue Error: "));
}

/// With the daemon and a simulated kernel module.
#[test]
fn daemon_replies() {
    let (etc, queue) = (etc(), Queue::open_private().unwrap());
    let contents = "Drive 1:\n\nMAP 1:\n\nSlot 1: E01001L8\nSlot 2:\n";
    fs::write(etc.path().join("library_contents.10"), contents).unwrap();
    let imported = import(etc.path()).unwrap();
    let site = Site::open(&etc.path().join("data"), &parse("made", &imported.text).unwrap()).unwrap();
    let frontend = Frontend::open(&Simulator::default(), attachments(&site, &imported.device_slots).unwrap()).unwrap();
    let handlers = message_handlers(&site, &frontend, &imported.device_slots, &Log::default()).unwrap();
    let messages = MessageListener::open(&queue, handlers, || {}).unwrap();
    let run_vtlcmd = |line: &str| call(&queue, etc.path(), line, vtlcmd::REPLY_TIMEOUT).unwrap();
    assert_eq!(run_vtlcmd("10 list map"), "Contents: \n");
    assert_eq!(run_vtlcmd("10 empty map"), "Can't empty map while MAP is closed\n");
    assert_eq!(run_vtlcmd("10 load map E01001L8"), "MAP not opened\n");
    assert_eq!(run_vtlcmd("10 open map"), "OK\n");
    let made = ["-l", "10", "-m", "E01009L8", "-s", "1", "-t", "data", "-d", "LTO8"].map(str::to_owned);
    let mktape = mhvtl_tools::Tool::by_name("mktape").unwrap();
    mktape
        .run(&Invocation { name: "mktape", arguments: &made, etc: etc.path().into(), now: 0 }, &mut Vec::new())
        .unwrap();
    assert_eq!(run_vtlcmd("10 load map E01009L8"), "OK\n");
    assert_eq!(run_vtlcmd("10 list map"), "Contents: E01009L8        \n");
    assert_eq!(run_vtlcmd("10 close map"), "OK\n");
    assert_eq!(run_vtlcmd("10 add slot"), "slot=3\n");
    // A drive sends no reply that the next call could mistake for its reply.
    assert_eq!(run_vtlcmd("11 load E01001L8") + &run_vtlcmd("11 unload E01001L8"), "");
    assert_eq!(run_vtlcmd("10 list map"), "Contents: E01009L8        \n");
    drop(messages);
    frontend.close();
    queue.remove().unwrap();
}
