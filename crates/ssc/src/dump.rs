//! Diagnostic dump of a drive: identity, medium, position, TapeAlert flags, and the last commands with their sense.
//!
//! The dump is text: each line is a list of `name=value`, and the last line is `end`. It contains no user data and no
//! keys. Of a command with secret data it shows only the operation code.

use crate::device::DriveState;
use crate::media::Load;
use crate::mounted::Mounted;
use scsi_core::cdb::Cdb;
use scsi_core::fault::Completion;
use scsi_core::hex::Hex;
use scsi_core::identity::Identity;
use scsi_core::nexus::NexusId;
use scsi_core::sense::SenseBytes;
use scsi_core::status::Status;
use scsi_core::target::Request;
use scsi_core::time::Timestamp;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use tape_store::cartridge::Cartridge;
use tape_store::medium::Warnings;

/// Number of commands in the history.
const HISTORY_LENGTH: usize = 64;

/// History of the last commands, oldest first.
#[derive(Debug, Default)]
pub(crate) struct CommandHistory(VecDeque<CommandEntry>);

#[derive(Debug)]
struct CommandEntry {
    at: Timestamp,
    nexus: NexusId,
    cdb: Cdb,
    len: usize,
    status: Status,
    sense: Option<SenseBytes>,
}

impl CommandHistory {
    /// Records a command with its status and sense.
    pub(crate) fn record(&mut self, request: &Request<'_>, cdb: &Cdb, completion: &Completion) {
        if self.0.len() == HISTORY_LENGTH {
            self.0.pop_front();
        }
        self.0.push_back(CommandEntry {
            at: request.now.wall,
            nexus: request.nexus,
            cdb: *cdb,
            len: request.cdb.len().min(Cdb::MAX),
            status: completion.status,
            sense: completion.sense,
        });
    }
}

/// Renders a dump of the drive's present state.
pub(crate) fn render(state: &DriveState, identity: &Identity) -> Vec<u8> {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(state, identity, &mut text);
    text.into_bytes()
}

fn write(state: &DriveState, identity: &Identity, w: &mut String) -> fmt::Result {
    let model = &identity.strings;
    writeln!(w, "drive dump version=1")?;
    writeln!(
        w,
        "vendor={} product={} revision={} serial={}",
        model.vendor, model.product, model.revision, identity.serial
    )?;
    let now = state.health.last_seen;
    writeln!(w, "time_ms={} power_on_s={}", now.wall.0, state.health.power_on_seconds(now))?;
    writeln!(
        w,
        "loads={} online={} tape_alert={:016x}",
        state.health.loads,
        !state.media.offline,
        state.health.alerts.raised_flags().bits()
    )?;
    writeln!(w, "block_length={} buffered_mode={}", state.modes.block_length, state.modes.buffered_mode())?;
    let load = state.media.load();
    match load.cartridge() {
        None => writeln!(w, "medium=none")?,
        Some(cartridge) => medium(cartridge, name(load), w)?,
    }
    if let Load::Unusable(_, sense) = load {
        writeln!(w, "medium_sense={}", Hex(sense.fixed().as_slice()))?;
    }
    if let Some(mounted) = state.media.threaded() {
        threaded(mounted, w)?;
    }
    writeln!(w, "commands={}", state.health.history.0.len())?;
    for entry in &state.health.history.0 {
        command(entry, w)?;
    }
    writeln!(w, "end")
}

/// Name of a load state.
const fn name(load: &Load) -> &'static str {
    match load {
        Load::Empty => "empty",
        Load::Ejected(_) => "ejected",
        Load::Threading(..) => "threading",
        Load::Thawing(_) => "thawing",
        Load::LoadedNotThreaded(_) => "loaded, not threaded",
        Load::Mounted(_) | Load::Verifying(..) => "mounted",
        Load::Unusable(..) => "unusable",
    }
}

fn medium(cartridge: &Cartridge, state: &str, w: &mut String) -> fmt::Result {
    let (barcode, media) = (cartridge.barcode(), cartridge.media());
    writeln!(w, "medium={barcode} type={} kind={:?} state=\"{state}\"", media.name, cartridge.kind())
}

fn threaded(mounted: &Mounted, w: &mut String) -> fmt::Result {
    let at = mounted.medium.position();
    let Warnings { early, programmable } = mounted.medium.warnings();
    writeln!(
        w,
        "partition={} object={} file={} early_warning={early} programmable_early_warning={programmable}",
        at.partition, at.object, at.file
    )?;
    let (write_protected, append_only) = (mounted.write_protection.is_some(), mounted.append_only);
    writeln!(
        w,
        "write_protected={write_protected} write_failed={} append_only={append_only}",
        mounted.write_error.is_some()
    )?;
    for partition in 0..mounted.medium.partitions() {
        if let Ok(usage) = mounted.medium.usage(partition) {
            let (capacity, used, objects) = (usage.capacity, usage.used, usage.objects);
            writeln!(w, "usage partition={partition} capacity={capacity} used={used} objects={objects}")?;
        }
    }
    let counters = &mounted.counters;
    writeln!(w, "bytes_written={} bytes_read={}", counters.written_by_host, counters.read_by_host)?;
    writeln!(w, "write_failures={} read_failures={}", counters.write_failures, counters.read_failures)
}

fn command(entry: &CommandEntry, w: &mut String) -> fmt::Result {
    let cdb = entry.cdb.bytes().get(..entry.len).unwrap_or_default();
    let carries_key = crate::table::COMMANDS.lookup(cdb).is_some_and(|row| row.spec().carries_key);
    let shown = if carries_key { cdb.get(..1).unwrap_or_default() } else { cdb };
    write!(w, "time_ms={} nexus={} cdb={} status={:02x}", entry.at.0, entry.nexus.0, Hex(shown), entry.status.0)?;
    if let Some(sense) = &entry.sense {
        write!(w, " sense={}", Hex(sense.as_slice()))?;
    }
    writeln!(w)
}
