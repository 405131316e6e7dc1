//! Writes the changes of the cartridges of a shelf to its catalog, a moment later and several at once.

use super::lock;
use crate::{CatalogChange, Shelf, ShelfError};
use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::Handle;

/// Time between two changes of the catalog.
const INTERVAL: Duration = Duration::from_secs(2);
/// Time for one change. It is tried again if it takes longer.
const LIMIT: Duration = Duration::from_secs(10);

/// The changes that the catalog does not have yet.
#[derive(Clone, Default)]
pub(super) struct PendingChanges {
    changes: Arc<Mutex<CatalogChange>>,
    /// Held while changes are written, so that [`Self::flush`] waits for them.
    writing: Arc<Mutex<()>>,
}

impl PendingChanges {
    /// Notes whether a cartridge is on the shelf from now on.
    pub(super) fn note(&self, barcode: &str, exists: bool) {
        lock(&self.changes).cartridges.insert(barcode.to_owned(), exists);
    }

    /// Notes changes that could not be written, unless newer ones have come.
    fn put_back(&self, change: CatalogChange) {
        let mut pending = lock(&self.changes);
        for (barcode, exists) in change.cartridges {
            pending.cartridges.entry(barcode).or_insert(exists);
        }
    }

    /// Writes the changes, which takes up to 10 seconds. If they cannot be written, they stay pending; the result has their number.
    pub(super) fn flush(&self, shelf: &Shelf, runtime: &Handle) -> Result<(), (usize, ShelfError)> {
        let _writing = lock(&self.writing);
        let change = std::mem::take(&mut *lock(&self.changes));
        if change.cartridges.is_empty() {
            return Ok(());
        }
        let written = runtime.block_on(async { tokio::time::timeout(LIMIT, shelf.change_catalog(&change)).await });
        let no_response = || ShelfError::Interrupted(format!("no response in {} s", LIMIT.as_secs()));
        written.unwrap_or_else(|_| Err(no_response())).map_err(|error| {
            let count = change.cartridges.len();
            self.put_back(change);
            (count, error)
        })
    }
}

/// The thread that writes the changes. Dropping it writes the last ones.
pub(super) struct CatalogWriter {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CatalogWriter {
    pub(super) fn start(shelf: Shelf, runtime: Handle, pending: PendingChanges) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            let mut has_failed = false;
            loop {
                let is_last = stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Disconnected);
                let written = pending.flush(&shelf, &runtime);
                if let Err((cartridges, error)) = &written {
                    report(error, *cartridges, is_last, has_failed);
                }
                has_failed = written.is_err();
                if is_last {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("shelf catalog".into()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for CatalogWriter {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The first failure is logged, and the last one.
fn report(error: &ShelfError, cartridges: usize, is_last: bool, has_failed: bool) {
    if is_last {
        tracing::warn!(%error, cartridges, "the catalog of the shelf lacks changes; `ferric shelf catalog --rebuild` rebuilds it");
    } else if !has_failed {
        tracing::warn!(%error, cartridges, "the catalog of the shelf was not changed; this is tried again");
    }
}
