//! A file with every command and the first bytes of its data: one line of JSON for each command (docs/trace.md).

use super::trace_entry::{FORMAT, VERSION};
use super::{CommandObserver, CommandRecord, TraceEntry, TraceRecord, TracedSite};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Entries that may wait to be written; further ones are lost, and counted in the file.
const QUEUE_LEN: usize = 8192;
/// Bytes of data in entries that may wait.
const MAX_WAITING: usize = 64 << 20;
/// Time after which written lines are in the file although no command follows.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// An entry with its number in the file.
type Numbered = (u64, TraceEntry);

/// Writes every command, login, logout and operation of a site to a file. Dropping it writes what still waits.
pub struct TraceFile {
    sender: Mutex<Option<SyncSender<Numbered>>>,
    /// Bytes of data in the entries that wait.
    waiting: Arc<AtomicUsize>,
    /// Number of the next command.
    next_command: AtomicU64,
    /// Number of the next entry.
    next: Arc<AtomicU64>,
    data_len: usize,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl TraceFile {
    /// Creates a file that only its owner can read, or truncates it. Each record has the first `data_len` bytes of the data in each direction. Data of
    /// commands that carry keys is never written.
    ///
    /// # Errors
    /// The file cannot be created, or its thread cannot be spawned.
    pub fn create(path: &Path, data_len: usize) -> io::Result<Self> {
        // The first bytes of user data are in it.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        let mut file = BufWriter::new(file);
        writeln!(file, "{{\"format\":\"{FORMAT}\",\"version\":{VERSION}}}")?;
        file.flush()?;
        let (sender, receiver) = sync_channel(QUEUE_LEN);
        let path = path.to_owned();
        let next = Arc::new(AtomicU64::new(1));
        let end = Arc::clone(&next);
        let waiting = Arc::new(AtomicUsize::new(0));
        let written_bytes = Arc::clone(&waiting);
        let write = move || {
            let written =
                catch_unwind(AssertUnwindSafe(|| write_entries(&mut file, &receiver, (&end, &written_bytes))));
            if let Ok(Err(error)) = written {
                tracing::error!(path = %path.display(), %error, "cannot write the trace file; the trace ends");
            }
        };
        let writer = std::thread::Builder::new().name("trace".into()).spawn(write)?;
        let next_command = AtomicU64::new(1);
        let (sender, writer) = (Mutex::new(Some(sender)), Mutex::new(Some(writer)));
        Ok(Self { sender, waiting, next_command, next, data_len, writer })
    }

    /// Writes the libraries of the site.
    pub(crate) fn write_site(&self, site: TracedSite) {
        self.send(|| TraceEntry::Site(site));
    }

    fn send(&self, entry: impl FnOnce() -> TraceEntry) {
        let sender = crate::locks::lock(&self.sender);
        if let Some(sender) = &*sender {
            // The number is taken under the lock, so that numbers ascend in the file and a gap is a loss.
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let entry = entry();
            let bytes = data_bytes(&entry);
            if self.waiting.load(Ordering::Relaxed).saturating_add(bytes) <= MAX_WAITING {
                self.waiting.fetch_add(bytes, Ordering::Relaxed);
                if sender.try_send((number, entry)).is_err() {
                    self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Bytes of data in an entry.
fn data_bytes(entry: &TraceEntry) -> usize {
    match entry {
        TraceEntry::Command(record) => record.data_in.len() + record.data_out.len(),
        _ => 0,
    }
}

fn write_entries(
    file: &mut BufWriter<File>,
    entries: &Receiver<Numbered>,
    (end, waiting): (&AtomicU64, &AtomicUsize),
) -> io::Result<()> {
    let mut expected = 1;
    let gap = |file: &mut BufWriter<File>, lost: u64| {
        if lost > 0 { writeln!(file, "{{\"lost\":{lost}}}") } else { Ok(()) }
    };
    loop {
        match entries.recv_timeout(FLUSH_INTERVAL) {
            Ok((number, entry)) => {
                gap(file, number - expected)?;
                expected = number + 1;
                serde_json::to_writer(&mut *file, &entry).map_err(io::Error::other)?;
                waiting.fetch_sub(data_bytes(&entry), Ordering::Relaxed);
                writeln!(file)?;
            }
            Err(RecvTimeoutError::Timeout) => file.flush()?,
            Err(RecvTimeoutError::Disconnected) => {
                gap(file, end.load(Ordering::Relaxed) - expected)?;
                return file.flush();
            }
        }
    }
}

impl CommandObserver for TraceFile {
    fn observe(&self, record: &CommandRecord<'_>) {
        self.send(|| {
            let seq = self.next_command.fetch_add(1, Ordering::Relaxed);
            TraceEntry::Command(Box::new(TraceRecord::new(seq, record, self.data_len)))
        });
    }

    fn observe_entry(&self, entry: &TraceEntry) {
        self.send(|| entry.clone());
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        drop(crate::locks::lock(&self.sender).take());
        if let Some(writer) = crate::locks::lock(&self.writer).take() {
            let _ = writer.join();
        }
    }
}
