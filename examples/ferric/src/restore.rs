//! `ferric site restore`: a site on a new machine, from its copy on a shelf.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{self, print_line};
use crate::shelf::{OpenShelf, shelf_error};
use command_line::data_dir;
use serde::Serialize;
use shelf::SiteCopy;
use std::io;
use std::path::{Path, PathBuf};
use tape_store::backend::Folder;
use tape_store::backend::file::{OsFolder, create_private_folders};
use vtl::data_dir::mark_restored;

pub(crate) const EXAMPLES: &str = "Examples:
  ferric site restore file://$PWD/shelf ./restored
  ferric site restore file://$PWD/shelf ./other --site 0a1b2c3d";

#[derive(clap::Args)]
pub(crate) struct Restore {
    /// URL of a shelf of the site: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///DIRECTORY.
    /// Credentials are taken from the environment
    url: String,
    /// Data directory to create; it does not exist or is empty [default: that of --data]
    #[arg(conflicts_with = "data")]
    directory: Option<PathBuf>,
    /// Identifier of the site, if the shelf has several
    #[arg(long, value_name = "ID")]
    site: Option<String>,
}

/// The result.
#[derive(Serialize)]
struct Restored {
    site: String,
    directory: PathBuf,
    /// The configuration file, if the site had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<PathBuf>,
    files: Vec<String>,
}

pub(crate) fn run(options: &Options, arguments: &Restore) -> Result<(), CliError> {
    let directory = arguments.directory.clone().or_else(|| data_dir::chosen(options.data.clone()));
    let directory = directory.unwrap_or_else(|| data_dir::LOCAL.into());
    check_empty(&directory)?;
    let open = OpenShelf::open(&arguments.url)?;
    let site = match &arguments.site {
        Some(site) => site.clone(),
        None => only_site(&open, &arguments.url)?,
    };
    let copy = open.runtime.block_on(open.shelf.site(&site)).map_err(shelf_error)?;
    let missing = || CliError::not_found(format!("{} has no copy of a site {site}", arguments.url));
    let copy = copy.ok_or_else(missing)?;
    write(&directory, &copy)?;
    let files: Vec<String> = copy.files.keys().cloned().collect();
    let configuration =
        files.iter().any(|name| name == SiteCopy::CONFIGURATION).then(|| directory.join(SiteCopy::CONFIGURATION));
    options.output.show(&Restored { site, directory, configuration, files }, print)
}

/// Refuses a directory that has anything in it.
fn check_empty(directory: &Path) -> Result<(), CliError> {
    let shown = directory.display();
    match std::fs::read_dir(directory).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliError::conflict(format!("{shown} is not empty: a site is restored into a new directory"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::system(&error, format!("{shown}: {error}"))),
    }
}

/// The site of a shelf that has one.
fn only_site(open: &OpenShelf, url: &str) -> Result<String, CliError> {
    let mut sites = open.runtime.block_on(open.shelf.sites()).map_err(shelf_error)?;
    match (sites.pop(), sites.is_empty()) {
        (Some(site), true) => Ok(site),
        (None, _) => Err(CliError::not_found(format!("{url} has no copy of a site"))),
        (Some(last), false) => {
            let all = format!("{}, {last}", sites.join(", "));
            Err(CliError::conflict(format!("{url} has copies of several sites; select one with --site: {all}")))
        }
    }
}

fn write(directory: &Path, copy: &SiteCopy) -> Result<(), CliError> {
    let failed = |error: io::Error| CliError::system(&error, format!("{}: {error}", directory.display()));
    create_private_folders(directory).map_err(failed)?;
    let mut folder = OsFolder::at(directory.to_path_buf());
    mark_restored(&mut folder).map_err(failed)?;
    copy.files.iter().try_for_each(|(name, bytes)| folder.replace(name, bytes)).map_err(failed)
}

fn print(restored: &Restored) -> Result<(), CliError> {
    let Restored { site, directory, configuration, files } = restored;
    let files = output::format_count(files.len() as u64, "file");
    print_line(format!("site {site} is restored in {}: {files}", directory.display()))?;
    let config = configuration.as_ref().map(|path| format!(" --config {}", path.display())).unwrap_or_default();
    print_line(format!("start it with: ferric-iscsid --data {}{config}", directory.display()))
}
