//! `--site URL`: a site that is stored in an object store. This daemon takes it, restores its files if another daemon has run it
//! since, writes heartbeats, and releases it at its end.

mod lease_file;

use crate::daemon::arguments::Arguments;
use crate::daemon::divided::setup_of;
use command_line::shelf::open_shelf;
use lease_file::LeaseFile;
use rustix::fs::{FlockOperation, flock};
use shelf::{DrivesSetup, Shelf, SiteCopies, SiteCopy, SiteLease, TakeSiteError};
use signal_hook::consts::SIGTERM;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;
use tape_store::backend::file::{OsFolder, create_private_folders};
use tape_store::backend::{Folder, free_name};
use tokio::runtime::Runtime;
use tokio::sync::oneshot::{Receiver, Sender, channel};
use vtl::data_dir::mark_restored;

/// File in the data directory that is locked while a daemon uses it.
const LOCK: &str = "site.lease.lock";
/// Files whose existence shows that a data directory has a state.
const STATE: [&str; 2] = ["state.1", "state.2"];
/// Time for the release of the site, when the daemon stops.
const RELEASE: Duration = Duration::from_secs(10);

/// The site in the object store that this daemon runs. Dropping it releases the site.
#[derive(Debug)]
pub(crate) struct SharedSite {
    site: String,
    epoch: u64,
    /// The setup of this daemon, if it serves only drives of a site.
    drives: Option<DrivesSetup>,
    copies: SiteCopies,
    stop: Option<Sender<()>>,
    /// Returns the error that another daemon has taken the site over.
    heartbeats: Option<JoinHandle<Result<(), String>>>,
    _lock: File,
}

impl SharedSite {
    /// Takes the site of the command line. Afterwards, the data directory has the newest state of it, or none if the site is new.
    ///
    /// # Errors
    /// Another daemon runs the site, the data directory has the state of another site, or the store or the disk fails.
    pub(crate) fn join(url: &str, arguments: &mut Arguments) -> Result<Self, String> {
        let data = arguments.data_directory();
        let failed = |error: io::Error| format!("{}: {error}", data.display());
        create_private_folders(&data).map_err(failed)?;
        let lock = lock(&data)?;
        let mut folder = OsFolder::at(data.clone());
        let name = arguments.lease_name();
        let mut file = LeaseFile::read(&mut folder, &data, &name, url)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| format!("starting threads: {error}"))?;
        let shelf = {
            let _context = runtime.enter();
            open_shelf(url, "ferric-iscsid", vtl::entropy::fill).map_err(|error| error.to_string())?
        };
        let drives = arguments.drives.as_ref().map(|daemon| setup_of(url, &arguments.name, daemon)).transpose()?;
        tracing::info!(url, site = name, "taking the site");
        let lease = take(&runtime, &shelf, &mut file, (url, &name), (&mut folder, &data))?;
        let prepared = prepare(&runtime, &lease, &mut file, url, (&mut folder, &data))
            .and_then(|()| choose_configuration(&mut folder, arguments, drives.as_ref()));
        if let Err(error) = prepared {
            release(&runtime, &lease);
            return Err(error);
        }
        Self::start(runtime, lease, drives, lock)
    }

    fn start(runtime: Runtime, lease: SiteLease, drives: Option<DrivesSetup>, lock: File) -> Result<Self, String> {
        let (site, copies, epoch) = (lease.site().to_owned(), lease.copies(), lease.remembered().epoch);
        let (stop, stopped) = channel();
        let run = move || write_heartbeats(runtime, &lease, stopped);
        let heartbeats = std::thread::Builder::new().name("site lease".into()).spawn(run);
        let heartbeats = heartbeats.map_err(|error| format!("starting threads: {error}"))?;
        Ok(Self { site, epoch, drives, copies, stop: Some(stop), heartbeats: Some(heartbeats), _lock: lock })
    }

    /// Name of the site in the store.
    pub(crate) fn name(&self) -> &str {
        &self.site
    }

    /// Number of the lease under which this daemon runs the site, or serves drives of it.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The setup of this daemon, if it serves only drives of a site.
    pub(crate) const fn drives(&self) -> Option<&DrivesSetup> {
        self.drives.as_ref()
    }

    /// Writes the copies of the site.
    pub(crate) fn copies(&self) -> SiteCopies {
        self.copies.clone()
    }

    /// Releases the site.
    ///
    /// # Errors
    /// Another daemon has taken it over.
    pub(crate) fn leave(mut self) -> Result<(), String> {
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
        drop(self.stop.take());
        self.heartbeats.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for SharedSite {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Locks the data directory for this use: a second daemon would believe that the first one has ended.
fn lock(data: &Path) -> Result<File, String> {
    let path = data.join(LOCK);
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(format!("{} is in use by another ferric-iscsid", data.display()));
    }
    Ok(file)
}

/// Takes a site, by its URL and its name. The lease that is asked for is in the file before.
fn take(
    runtime: &Runtime,
    shelf: &Shelf,
    file: &mut LeaseFile,
    (url, site): (&str, &str),
    (folder, data): (&mut OsFolder, &Path),
) -> Result<SiteLease, String> {
    let failed = |error: TakeSiteError| match error {
        TakeSiteError::InUse { .. } => format!("{url}: {error}; stop it first, or use another --name"),
        other => format!("{url}: {other}"),
    };
    let claim = runtime.block_on(shelf.claim_site(site, &file.leases)).map_err(failed)?;
    file.leases = claim.asked().clone();
    file.write(folder, data)?;
    runtime.block_on(claim.take()).map_err(failed)
}

/// Brings the newest state of the site into the data directory, and remembers the lease there.
fn prepare(
    runtime: &Runtime,
    lease: &SiteLease,
    file: &mut LeaseFile,
    url: &str,
    (folder, data): (&mut OsFolder, &Path),
) -> Result<(), String> {
    let (site, shown) = (lease.site(), data.display());
    let failed = |error: io::Error| format!("{shown}: {error}");
    let names = folder.list().map_err(failed)?;
    let has_state = names.iter().any(|name| STATE.contains(&name.as_str()));
    // The state of this directory is the newest one if no other daemon has run the site since.
    if !(has_state && lease.continues() && !file.is_restoring) {
        if let Some(owner) = lease.former_owner().filter(|_| has_state && !file.has_site()) {
            return Err(format!(
                "{shown} has the state of another site, and site {site} was run by {owner}; use an empty directory, or another --name"
            ));
        }
        let copy = runtime.block_on(lease.former_copy()).map_err(|error| format!("{url}: {error}"))?;
        match copy {
            Some(copy) => {
                // If this is interrupted, the next start restores the site again.
                file.is_restoring = true;
                file.write(folder, data)?;
                restore(folder, &copy).map_err(failed)?;
            }
            None if has_state => {
                return Err(format!(
                    "another daemon has run site {site} since {shown} was used, and left no copy of its state in {url}"
                ));
            }
            None => tracing::info!(site, "the store has no copy of the site: it is new"),
        }
    }
    (file.leases, file.is_restoring) = (lease.remembered(), false);
    file.write(folder, data)
}

/// Uses the configuration file of the site, unless the command line names one: then that is the file of the site from now on.
/// Drives of the site have the one that its daemon has told.
fn choose_configuration(
    folder: &mut OsFolder,
    arguments: &mut Arguments,
    drives: Option<&DrivesSetup>,
) -> Result<(), String> {
    let own = arguments.data_directory().join(SiteCopy::CONFIGURATION);
    if let Some(setup) = drives {
        let replaced = folder.replace(SiteCopy::CONFIGURATION, setup.configuration.as_bytes());
        replaced.map_err(|error| format!("{}: {error}", own.display()))?;
    } else if let Some(text) = arguments.read_config_text()? {
        return folder
            .replace(SiteCopy::CONFIGURATION, text.as_bytes())
            .map_err(|error| format!("{}: {error}", own.display()));
    }
    if own.exists() {
        arguments.set_default_config(own);
    }
    Ok(())
}

/// Replaces the files of the site by those of its copy. Former states are renamed.
fn restore(folder: &mut OsFolder, copy: &SiteCopy) -> io::Result<()> {
    mark_restored(folder)?;
    let names = folder.list()?;
    for name in names.iter().filter(|name| STATE.contains(&name.as_str())) {
        let aside = free_name(folder, &format!("{name}.before"))?;
        folder.rename(name, &aside)?;
    }
    copy.files.iter().try_for_each(|(name, bytes)| folder.replace(name, bytes))?;
    tracing::info!(files = copy.files.len(), "the site was restored from its copy in the store");
    Ok(())
}

/// Writes heartbeats until the daemon stops, and releases the site. If another daemon has taken the site over, the daemon is
/// stopped.
fn write_heartbeats(runtime: Runtime, lease: &SiteLease, stopped: Receiver<()>) -> Result<(), String> {
    let stop = async {
        let _ = stopped.await;
    };
    let ended = match runtime.block_on(lease.write_heartbeats(stop)) {
        Some(owner) => {
            let site = lease.site();
            tracing::error!(site, owner, "the site was taken over by another daemon; this one stops");
            let _ = signal_hook::low_level::raise(SIGTERM);
            Err(format!("site {site} was taken over by {owner}"))
        }
        None => {
            release(&runtime, lease);
            Ok(())
        }
    };
    // A store in a directory may hang in a system call.
    runtime.shutdown_background();
    ended
}

fn release(runtime: &Runtime, lease: &SiteLease) {
    let released = runtime.block_on(async { tokio::time::timeout(RELEASE, lease.release()).await });
    let error = match released {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no response in {} s", RELEASE.as_secs()),
    };
    tracing::warn!(site = lease.site(), error, "the site was not released; the next daemon waits for three heartbeats");
}
