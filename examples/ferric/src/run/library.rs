//! The library of `ferric run`: a site of this process, in memory or in a directory, or the targets of an iSCSI portal.

use super::{Arguments, portal, snapshot};
use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::Output;
use command_line::temporary_dir::TemporaryDir;
use run_frontend::{DriveNumbers, LocalUnit, Nodes, TargetUnits};
use std::path::{Path, PathBuf};
use vtl::FaultScript;
use vtl::config::{Config, parse, read_text};
use vtl::control::ControlRequest;
use vtl::control::socket::{ControlSocket, FILE_NAME};
use vtl::data_dir::DataDir;
use vtl::frontend::SiteOptions;
use vtl::site::{OpenSite, Site};

/// The units behind the device nodes.
pub(crate) enum Library {
    /// A site of this process, with its directory.
    Site(OpenSite, SiteStorage),
    /// The units of each target of a portal.
    Targets(Vec<TargetUnits>),
}

/// The storage of the site of this process.
pub(crate) enum SiteStorage {
    /// In memory: it ends with the process.
    Memory,
    /// In a directory of the user.
    Kept(PathBuf),
    /// In a directory that is removed at the end.
    Temporary(TemporaryDir),
}

/// Prefix of the names of temporary directories.
const PREFIX: &str = "ferric-run-data-";

impl SiteStorage {
    /// The storage that the options select, with the copy of a snapshot if they name one.
    fn prepare(arguments: &Arguments) -> Result<Self, CliError> {
        let storage = match &arguments.keep {
            Some(directory) => Self::Kept(directory.clone()),
            None if arguments.restore.is_some() || arguments.snapshot.is_some() => {
                let parent = std::env::temp_dir();
                let created = TemporaryDir::create(&parent, PREFIX, 0o700);
                let failed = |error| CliError::system(&error, format!("{}: {error}", parent.display()));
                Self::Temporary(created.map_err(failed)?)
            }
            None => Self::Memory,
        };
        if let (Some(snapshot), Some(directory)) = (&arguments.restore, storage.directory()) {
            snapshot::copy(snapshot, &directory)?;
        }
        Ok(storage)
    }

    /// The data directory; `None` in memory.
    fn directory(&self) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Kept(directory) => Some(directory.clone()),
            // The directory itself has the file that shows to whom it belongs.
            Self::Temporary(directory) => Some(directory.path().join("library")),
        }
    }
}

/// Opens the site, starts the trace and loads the cartridges that the user has chosen.
///
/// # Errors
/// The configuration, the directory or a barcode is invalid.
fn open_site(output: Output, arguments: &Arguments) -> Result<Library, CliError> {
    let config = arguments.config.as_deref().map_or(Ok(Config::default()), |path| read_config(output, path))?;
    if !config.cartridge_directories.is_empty() && (arguments.keep.is_none() || arguments.snapshot.is_some()) {
        return Err(CliError::invalid(
            "storage.cartridges names directories outside of the library; use it only with --keep and without --snapshot",
        ));
    }
    let storage = SiteStorage::prepare(arguments)?;
    let data = match storage.directory() {
        Some(directory) => {
            DataDir::open_configured(&directory, &config).map_err(|error| CliError::conflict(error.to_string()))?
        }
        None => DataDir::in_memory(),
    };
    let site = Site::open_with(data, &config, SiteOptions::default())
        .map_err(|error| CliError::conflict(error.to_string()))?;
    let trace = arguments.trace.start(|path, data_len| site.trace_to(path, data_len));
    trace.map_err(|error| CliError::system(&error.source, error.to_string()))?;
    for barcode in &arguments.load {
        let load = ControlRequest::Load { library: None, cartridge: barcode.clone(), drive: None };
        site.control(&load).map_err(|error| CliError::not_found(format!("--load {barcode}: {error}")))?;
    }
    if let Some(script) = &arguments.faults {
        add_faults(&site, script)?;
    }
    Ok(Library::Site(site, storage))
}

fn add_faults(site: &Site, path: &Path) -> Result<(), CliError> {
    let name = path.display();
    let text = read_text(path).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    FaultScript::parse(&text).map_err(|error| CliError::invalid(format!("{name}: {error}")))?;
    // As a request, so that the trace has it.
    site.control(&ControlRequest::FaultAdd { text }).map_err(|error| CliError::conflict(format!("{name}: {error}")))?;
    Ok(())
}

fn read_config(output: Output, path: &Path) -> Result<Config, CliError> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    let config = parse(&name, &text).map_err(|error| CliError::invalid(error.to_string()))?;
    output.warn_config(&config);
    Ok(config)
}

impl Library {
    /// Opens the library that the user has chosen.
    ///
    /// # Errors
    /// The configuration, the directory or a barcode is invalid, or the daemon or the portal does not answer.
    pub(crate) fn open(options: &Options, arguments: &Arguments) -> Result<Self, CliError> {
        match portal::address(options, arguments)? {
            Some(address) => portal::log_in(&address, &arguments.login).map(Self::Targets),
            None => open_site(options.output, arguments),
        }
    }

    /// The units of all targets, with their nodes.
    pub(crate) fn nodes(&self, drives: &DriveNumbers) -> Nodes {
        let targets = match self {
            Self::Site(site, _) => site.targets().iter().map(LocalUnit::login).collect(),
            Self::Targets(targets) => targets.clone(),
        };
        Nodes::scan(targets, drives)
    }

    /// Opens the control socket of a site of this process, in this directory.
    ///
    /// # Errors
    /// The socket cannot be created.
    pub(crate) fn open_control(&self, directory: &Path) -> Result<Option<ControlSocket>, CliError> {
        let Self::Site(site, _) = self else { return Ok(None) };
        let path = directory.join(FILE_NAME);
        let opened = ControlSocket::open(&path, site);
        opened.map(Some).map_err(|error| CliError::system(&error, format!("{}: {error}", path.display())))
    }

    /// Synchronises everything and closes a site of this process. Then it is copied, if a snapshot was asked for.
    ///
    /// # Errors
    /// Something cannot be written.
    pub(crate) fn close(self, snapshot: Option<&Path>) -> Result<(), CliError> {
        let Self::Site(site, storage) = self else { return Ok(()) };
        let closed = site.shut_down().map_err(|error| CliError::conflict(error.to_string()));
        drop(site);
        closed?;
        match (snapshot, storage.directory()) {
            (Some(snapshot), Some(directory)) => snapshot::copy(&directory, snapshot),
            _ => Ok(()),
        }
    }
}
