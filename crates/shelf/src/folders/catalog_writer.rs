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
/// Time for the last change, when the store is closed.
const LAST_CHANGE: Duration = Duration::from_secs(10);

/// The changes that the catalog does not have yet.
#[derive(Clone, Default)]
pub(super) struct PendingChanges(Arc<Mutex<CatalogChange>>);

impl PendingChanges {
    /// Notes whether a cartridge is on the shelf from now on.
    pub(super) fn note(&self, barcode: &str, exists: bool) {
        lock(&self.0).cartridges.insert(barcode.to_owned(), exists);
    }

    /// Notes changes that could not be written, unless newer ones have come.
    fn put_back(&self, change: CatalogChange) {
        let mut pending = lock(&self.0);
        for (barcode, exists) in change.cartridges {
            pending.cartridges.entry(barcode).or_insert(exists);
        }
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
                let change = std::mem::take(&mut *lock(&pending.0));
                if !change.cartridges.is_empty() {
                    let written = write(&shelf, &runtime, &change, is_last);
                    if let Err(error) = &written {
                        report(error, change.cartridges.len(), is_last, has_failed);
                        pending.put_back(change);
                    }
                    has_failed = written.is_err();
                }
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

fn write(shelf: &Shelf, runtime: &Handle, change: &CatalogChange, is_last: bool) -> Result<(), ShelfError> {
    let write = shelf.change_catalog(change);
    if !is_last {
        return runtime.block_on(write);
    }
    let limited = runtime.block_on(async { tokio::time::timeout(LAST_CHANGE, write).await });
    limited.unwrap_or_else(|_| Err(ShelfError::Interrupted(format!("no response in {} s", LAST_CHANGE.as_secs()))))
}

/// The first failure is logged, and the last one.
fn report(error: &ShelfError, cartridges: usize, is_last: bool, has_failed: bool) {
    if is_last {
        tracing::warn!(%error, cartridges, "the catalog of the shelf lacks changes; `ferric shelf catalog --rebuild` rebuilds it");
    } else if !has_failed {
        tracing::warn!(%error, cartridges, "the catalog of the shelf was not changed; this is tried again");
    }
}
