//! `ferric site recover`: a site whose state is lost or damaged, without a daemon.

use crate::cli_error::CliError;
use crate::output::{done, print_line, warn_config};
use std::path::PathBuf;
use vtl::config::{Config, mhvtl, parse};
use vtl::recover::SiteRecovery;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Recover a site whose state files are lost or damaged, from their intact parts, its identities and its
    /// cartridges
    Recover(Recover),
}

#[derive(clap::Args)]
pub(crate) struct Recover {
    /// Data directory; no daemon may use it meanwhile
    directory: PathBuf,
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

pub(crate) fn run(Command::Recover(options): Command) -> Result<(), CliError> {
    let refused = |error: vtl::library::LibraryError| CliError::Usage(error.to_string());
    let recovery = SiteRecovery::plan(&options.directory, &configuration(&options)?).map_err(refused)?;
    let directory = options.directory.display();
    if recovery.is_intact() {
        return print_line(format!("{directory}: the state is whole; there is nothing to restore"));
    }
    recovery.plan_lines().iter().try_for_each(print_line)?;
    if options.dry_run {
        return Ok(());
    }
    if !options.yes {
        return Err(CliError::Usage(format!(
            "{directory}: nothing was changed; add --yes to restore the site like this"
        )));
    }
    let aside = recovery.apply().map_err(refused)?;
    done(match aside.as_slice() {
        [] => print_line(format!("{directory}: restored; there were no old files")),
        files => print_line(format!("{directory}: restored; the old files are {}", files.join(", "))),
    })
}

fn configuration(options: &Recover) -> Result<Config, CliError> {
    let wrong = |error: vtl::config::ConfigError| CliError::Usage(error.to_string());
    if let Some(directory) = &options.mhvtl_config {
        let imported = mhvtl::import(directory).map_err(wrong)?;
        return imported.config().map_err(wrong);
    }
    let Some(path) = &options.config else { return Ok(Config::default()) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| CliError::Usage(format!("{name}: {error}")))?;
    let config = parse(&name, &text).map_err(wrong)?;
    warn_config(&config);
    Ok(config)
}
