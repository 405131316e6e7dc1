//! Copies of the site's state, identities and configuration on its shelves, from which `ferric site restore` restores it.

use crate::daemon::arguments::Arguments;
use crate::daemon::shared_site::SharedSite;
use command_line::shelf::open_shelf;
use shelf::{Shelf, ShelfError, SiteCopies, SiteCopy};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use vtl::Site;
use vtl::config::ShelfSetup;

/// The files of the data directory that a copy has. One of the two state files is always whole.
const FILES: [&str; 3] = ["state.1", "state.2", "identities.toml"];
/// Shortest time between two copies.
const INTERVAL: Duration = Duration::from_secs(2);
/// At most this part of the time is spent on copies: one in so many.
const SHARE: u32 = 10;
/// Longest time between two copies, also after failures.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Time for the last copy, when the daemon stops.
const LAST_COPY: Duration = Duration::from_secs(10);

/// Copies the files of a site to its shelves when they change, until it is dropped; then once more.
#[derive(Debug)]
pub(crate) struct SiteCopier {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for SiteCopier {
    fn drop(&mut self) {
        let _ = self.stop.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The place of the copies.
enum Place {
    /// The copy of a site on a shelf of its configuration, by the identifier of the site.
    Shelf(Shelf),
    /// The copies of the site that this daemon has taken with `--site`.
    Leased(SiteCopies),
}

impl Place {
    async fn put(&self, copy: &SiteCopy) -> Result<(), ShelfError> {
        match self {
            Self::Shelf(shelf) => shelf.put_site(copy).await,
            Self::Leased(copies) => copies.put(copy).await,
        }
    }
}

/// A shelf, and what its copy has.
struct Target {
    name: String,
    place: Place,
    copied: Option<Changes>,
    /// Whether the last copy failed, which is logged once.
    has_failed: bool,
}

/// Length and time of the last change of each file.
type Changes = Vec<Option<(u64, SystemTime)>>;

struct Source {
    site: String,
    data: PathBuf,
    configuration: Option<PathBuf>,
}

impl Source {
    fn paths(&self) -> impl Iterator<Item = (&'static str, PathBuf)> {
        let files = FILES.map(|name| (name, self.data.join(name)));
        files.into_iter().chain(self.configuration.clone().map(|path| (SiteCopy::CONFIGURATION, path)))
    }

    fn changes(&self) -> Changes {
        let change = |path: PathBuf| fs::metadata(path).and_then(|data| Ok((data.len(), data.modified()?))).ok();
        self.paths().map(|(_, path)| change(path)).collect()
    }

    fn copy(&self) -> io::Result<SiteCopy> {
        let mut files = BTreeMap::new();
        for (name, path) in self.paths() {
            match fs::read(&path) {
                Ok(bytes) => drop(files.insert(name.to_owned(), bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            }
        }
        Ok(SiteCopy { site: self.site.clone(), files })
    }
}

/// Starts the copies of a site to the shelves of its configuration, and of one that was taken with `--site` to its store.
///
/// # Errors
/// A shelf cannot be opened, or a thread cannot be spawned.
pub(crate) fn start(
    site: &Site,
    shelves: &[ShelfSetup],
    arguments: &Arguments,
    shared: Option<&SharedSite>,
) -> Result<Vec<SiteCopier>, String> {
    let (data, configuration) = (arguments.data_directory(), arguments.config_file());
    // A store has one copy of a site.
    let is_other = |shelf: &&ShelfSetup| {
        arguments.site.as_ref().is_none_or(|url| url.trim_end_matches('/') != shelf.url.trim_end_matches('/'))
    };
    let others: Vec<ShelfSetup> = shelves.iter().filter(is_other).cloned().collect();
    let mut copiers: Vec<_> = SiteCopier::start(site, &others, &data, configuration)?.into_iter().collect();
    if let Some(shared) = shared {
        copiers.push(SiteCopier::start_leased(shared.name(), shared.copies(), &data, configuration)?);
    }
    Ok(copiers)
}

impl SiteCopier {
    /// Starts the copies of a site to the shelves of its configuration; `None` if it has none.
    ///
    /// # Errors
    /// A shelf cannot be opened, or the thread cannot be spawned.
    fn start(
        site: &Site,
        shelves: &[ShelfSetup],
        data: &Path,
        configuration: Option<&Path>,
    ) -> Result<Option<Self>, String> {
        if shelves.is_empty() {
            return Ok(None);
        }
        let failed = |error: io::Error| format!("copies of the site: {error}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut targets = Vec::new();
        for setup in shelves {
            let _context = runtime.enter();
            let shelf = open_shelf(&setup.url, "ferric-iscsid", vtl::entropy::fill);
            let shelf = shelf.map_err(|error| format!("shelf {}: {error}", setup.name))?;
            targets.push(Target::new(&setup.name, Place::Shelf(shelf)));
        }
        let (site, configuration) = (site.identifier().to_owned(), configuration.map(Path::to_path_buf));
        let source = Source { site, data: data.to_path_buf(), configuration };
        Self::spawn(runtime, source, targets).map(Some).map_err(failed)
    }

    /// Starts the copies of a site that this daemon has taken with `--site`.
    ///
    /// # Errors
    /// The thread cannot be spawned.
    fn start_leased(site: &str, copies: SiteCopies, data: &Path, configuration: Option<&Path>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("copies of the site: {error}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let configuration = configuration.map(Path::to_path_buf);
        let source = Source { site: site.to_owned(), data: data.to_path_buf(), configuration };
        Self::spawn(runtime, source, vec![Target::new("--site", Place::Leased(copies))]).map_err(failed)
    }

    fn spawn(runtime: Runtime, source: Source, mut targets: Vec<Target>) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let run = move || loop {
            let began = Instant::now();
            targets.iter_mut().for_each(|target| target.update(&source, &runtime, Duration::MAX));
            let pause = INTERVAL.max(began.elapsed() * SHARE).min(MAX_PAUSE);
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return targets.iter_mut().for_each(|target| target.update(&source, &runtime, LAST_COPY));
            }
        };
        let thread = std::thread::Builder::new().name("site copy".into()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Target {
    fn new(name: &str, place: Place) -> Self {
        Self { name: name.to_owned(), place, copied: None, has_failed: false }
    }

    /// Replaces the copy on the shelf, if the site has changed.
    fn update(&mut self, source: &Source, runtime: &Runtime, limit: Duration) {
        // What changes while the files are read is copied the next time.
        let changes = source.changes();
        if self.copied.as_ref() == Some(&changes) {
            return;
        }
        let put = source.copy().map_err(|error| error.to_string()).and_then(|copy| {
            let put = async { tokio::time::timeout(limit, self.place.put(&copy)).await };
            let ended = runtime.block_on(put).map_err(|_| format!("no response in {} s", limit.as_secs()))?;
            ended.map_err(|error| error.to_string())
        });
        let shelf = &self.name;
        match put {
            Ok(()) => {
                self.copied = Some(changes);
                if std::mem::take(&mut self.has_failed) {
                    tracing::info!(shelf, "the copy of the site is up to date again");
                }
            }
            Err(error) if self.has_failed => tracing::debug!(shelf, error, "the site was not copied"),
            Err(error) => {
                self.has_failed = true;
                tracing::warn!(shelf, error, "the site was not copied to the shelf; this is tried again");
            }
        }
    }
}
