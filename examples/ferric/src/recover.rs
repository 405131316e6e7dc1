//! `ferric site recover`: a site whose state is lost or damaged, without a daemon.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{Output, print_line};
use command_line::data_dir;
use serde::Serialize;
use std::path::{Path, PathBuf};
use vtl::config::{Config, mhvtl, parse};
use vtl::recover::SiteRecovery;

pub(crate) const EXAMPLES: &str = "Examples:
  ferric site recover ./ferric-data --dry-run
  ferric site recover ./ferric-data --config ferric.toml --yes";

#[derive(clap::Args)]
pub(crate) struct Recover {
    /// Data directory, which no daemon may use meanwhile [default: that of --data]
    #[arg(conflicts_with = "data")]
    directory: Option<PathBuf>,
    /// Configuration of the daemon [default: the default library]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the mhvtl configuration, if the daemon uses one
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    mhvtl_config: Option<PathBuf>,
    /// Show the plan and change nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Execute the plan; keep the old files under other names
    #[arg(long)]
    yes: bool,
}

/// The work on a data directory.
#[derive(Serialize)]
struct Report<'a> {
    directory: &'a Path,
    /// Whether the state needs no recovery.
    intact: bool,
    /// The steps, in words.
    plan: Vec<String>,
    /// Whether the plan was executed.
    recovered: bool,
    /// New names of the old files.
    old_files: Vec<String>,
}

impl Report<'_> {
    fn print(&self) -> Result<(), CliError> {
        let directory = self.directory.display();
        if self.intact {
            return print_line(format!("{directory}: the state is intact; nothing needs to be recovered"));
        }
        self.plan.iter().try_for_each(print_line)?;
        match self.old_files.as_slice() {
            _ if !self.recovered => Ok(()),
            [] => print_line(format!("{directory}: recovered; there were no old files")),
            files => print_line(format!("{directory}: recovered; the old files are {}", files.join(", "))),
        }
    }
}

pub(crate) fn run(options: &Options, arguments: &Recover) -> Result<(), CliError> {
    let output = options.output;
    let directory = arguments.directory.clone().map_or_else(|| find_directory(options), Ok)?;
    let refused = |error: vtl::library::LibraryError| CliError::conflict(error.to_string());
    let recovery = SiteRecovery::plan(&directory, &configuration(output, arguments)?).map_err(refused)?;
    let mut report = Report {
        directory: &directory,
        intact: recovery.is_intact(),
        plan: Vec::new(),
        recovered: false,
        old_files: Vec::new(),
    };
    if report.intact {
        return output.show(&report, Report::print);
    }
    report.plan = recovery.plan_lines().iter().map(ToString::to_string).collect();
    if arguments.yes {
        (report.old_files, report.recovered) = (recovery.apply().map_err(refused)?, true);
        return output.done(output.show(&report, Report::print));
    }
    output.show(&report, Report::print)?;
    if arguments.dry_run {
        return Ok(());
    }
    let what = "nothing was changed; add --yes to recover the site according to this plan";
    Err(CliError::conflict(format!("{}: {what}", directory.display())))
}

/// The first of the directories that a daemon may use which exists.
fn find_directory(options: &Options) -> Result<PathBuf, CliError> {
    let candidates = data_dir::candidates(options.data.clone());
    candidates.iter().find(|directory| directory.is_dir()).cloned().ok_or_else(|| {
        let tried: Vec<String> = candidates.iter().map(|directory| directory.display().to_string()).collect();
        CliError::not_found(format!("there is no data directory at {}; name it", tried.join(" or ")))
    })
}

fn configuration(output: Output, arguments: &Recover) -> Result<Config, CliError> {
    let invalid = |error: vtl::config::ConfigError| CliError::invalid(error.to_string());
    if let Some(directory) = &arguments.mhvtl_config {
        let imported = mhvtl::import(directory).map_err(invalid)?;
        return imported.config().map_err(invalid);
    }
    let Some(path) = &arguments.config else { return Ok(Config::default()) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    let config = parse(&name, &text).map_err(invalid)?;
    output.warn_config(&config);
    Ok(config)
}
