//! The command line, and the configuration that it selects.

use clap::{Args, Parser, ValueEnum};
use command_line::completion::CompletionsArgument;
use command_line::data_dir;
use command_line::trace::TraceArguments;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use vtl::config::{Config, check_bind, mhvtl, parse, parse_advertise, read_text};

// The command line of `ferric-iscsid`. A doc comment would replace its description.
#[derive(Parser)]
#[command(name = NAME, version, max_term_width = command_line::HELP_WIDTH, after_help = after_help(EXAMPLES))]
pub(crate) struct ProgramArguments {
    #[command(flatten)]
    pub(crate) arguments: Arguments,
    #[command(flatten)]
    _completions: CompletionsArgument,
}

/// Name of the daemon as a program.
pub(crate) const NAME: &str = "ferric-iscsid";

/// Serve virtual tape libraries over iSCSI: a medium changer at LUN 0, tape drives from LUN 1
#[derive(Args, Clone)]
pub struct Arguments {
    /// Data directory: cartridges, inventory and serial numbers [default: $FERRIC_DATA, else ./ferric-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Store all data in a temporary directory and remove it on exit
    #[arg(long, conflicts_with_all = ["data", "mhvtl_config"])]
    pub(crate) ephemeral: bool,
    /// Configuration file (TOML) [default: an STK L700 with two LTO-8 drives]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of an mhvtl configuration, instead of --config; its cartridges are used in place
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) mhvtl_config: Option<PathBuf>,
    /// Run a site that is stored in an object store: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or
    /// file:///DIRECTORY. New cartridges are created there, and existing ones found. On an empty data directory, the site
    /// returns from its copy there, with its configuration file unless --config is given
    #[arg(long, value_name = "URL", conflicts_with_all = ["ephemeral", "mhvtl_config"])]
    pub(crate) site: Option<String>,
    /// Name of the site in the object store. One daemon at a time runs it
    #[arg(long, value_name = "NAME", default_value = "main", requires = "site", value_parser = site_name)]
    pub(crate) name: String,
    /// Serve only the drives of the site whose configuration has `daemon = "DAEMON"`, for the daemon that runs the site and its
    /// robots. Their target has the name of the library's target, a point and DAEMON
    #[arg(long, value_name = "DAEMON", requires = "site", conflicts_with_all = ["config", "new_site"], value_parser = site_name)]
    pub(crate) drives: Option<String>,
    /// Address to listen on; port 0 selects a free port [default: iscsi.bind of the configuration, 127.0.0.1:3260]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) bind: Option<String>,
    /// Address to report in SendTargets; "none" reports none, and initiators use the address of their discovery session
    /// [default: iscsi.advertise of the configuration]
    #[arg(long, value_name = "ADDR:PORT")]
    advertise: Option<String>,
    /// Address of the HTTP API; port 0 selects a free port [default: http.listen of the configuration, no HTTP]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) http: Option<String>,
    /// Serve commands on this Unix socket, too, for clients without iSCSI (docs/stream.md)
    #[arg(long, value_name = "FILE")]
    pub(crate) stream: Option<PathBuf>,
    /// Create a new site although the data directory has cartridges or identities but no state
    #[arg(long)]
    pub(crate) new_site: bool,
    /// Print the configuration in effect as TOML and exit
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Format of the ready line on standard output
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ReadyFormat::Text)]
    pub(crate) ready: ReadyFormat,
    /// Write the ready line to this open file descriptor instead of standard output
    #[arg(long, value_name = "N", value_parser = parse_descriptor)]
    pub(crate) ready_fd: Option<u16>,
    /// Write the process ID to this file when the daemon is ready; remove the file on exit
    #[arg(long, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,
    /// Allow core dumps and debuggers; encryption keys are excluded from dumps
    #[arg(long)]
    pub(crate) allow_core_dumps: bool,
    #[command(flatten)]
    pub(crate) trace: TraceArguments,
    /// Log level of standard error: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = level)]
    pub(crate) log: tracing::Level,
}

/// Formats of the ready line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadyFormat {
    /// The words "ready iscsi", the address and the iSCSI names of the targets
    Text,
    /// Address, targets, data directory, control socket and process ID
    Json,
}

const EXAMPLES: &str = "Examples:
  ferric-iscsid                # the default library, with its data in ./ferric-data
  ferric-iscsid --data /srv/tapes --bind 0.0.0.0:3260
  ferric-iscsid --config ferric.toml --print-config
  ferric-iscsid --data /var/lib/ferric --site s3://tapes/archive --name rack1
  ferric-iscsid --data /var/lib/ferric --site s3://tapes/archive --name rack1 --drives tape2
  ferric-iscsid --ephemeral --bind 127.0.0.1:0 --ready json";

const SIGNALS_AND_ENVIRONMENT: &str = "Signals:
  SIGTERM, SIGINT  close all connections, commit the state and exit
  SIGHUP           read the configuration file again

Environment:
  FERRIC_DATA                data directory, if --data is not given
  LISTEN_FDS, LISTEN_PID     a listening socket of the service manager, used instead of --bind
  NOTIFY_SOCKET              socket for the ready and stop notifications
  AWS_*, AZURE_*, GOOGLE_*   credentials and settings of the stores of --site and [[shelf]], such as
                             AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT

Exit codes:
  0  ended by a signal
  1  not started, or ended by an error
  2  the command line is wrong";

/// The text after the options in the help of the daemon under one of its names, for which it has these examples.
#[must_use]
pub fn after_help(examples: &str) -> String {
    format!("{examples}\n\n{SIGNALS_AND_ENVIRONMENT}")
}

impl Arguments {
    /// The data directory: that of `--data`, or of `FERRIC_DATA`, or `./ferric-data`.
    pub(crate) fn data_directory(&self) -> PathBuf {
        data_dir::chosen(self.data.clone()).unwrap_or_else(|| data_dir::LOCAL.into())
    }

    /// Name under which the store has the lease and the state of this daemon: that of the site, or one of its drives' daemons.
    #[cfg(feature = "shelf")]
    pub(crate) fn lease_name(&self) -> String {
        let daemon = self.drives.as_ref();
        daemon.map_or_else(|| self.name.clone(), |daemon| format!("{}.drives.{daemon}", self.name))
    }

    /// Whether the data is stored in a temporary directory.
    #[must_use]
    pub const fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// Prints the ready line as JSON.
    pub const fn set_json(&mut self) {
        self.ready = ReadyFormat::Json;
    }

    /// Replaces the data directory, regardless of the command line and the environment.
    pub fn set_data_directory(&mut self, directory: &Path) {
        self.data = Some(directory.into());
    }

    /// Uses this configuration file, unless the command line names one.
    #[cfg(feature = "shelf")]
    pub(crate) fn set_default_config(&mut self, file: PathBuf) {
        self.config.get_or_insert(file);
    }

    /// The file or directory of the configuration; `None` for the default configuration.
    pub(crate) fn config_path(&self) -> Option<&Path> {
        self.config.as_deref().or(self.mhvtl_config.as_deref())
    }

    /// The configuration file of `--config`.
    pub(crate) fn config_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Reads the text of the configuration file; `None` without `--config`.
    pub(crate) fn read_config_text(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.config else { return Ok(None) };
        read_text(path).map(Some).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Parses the text of the configuration file and applies the command line, which takes precedence.
    pub(crate) fn read_config(&self, text: Option<&str>) -> Result<Config, String> {
        let mut config = self.parse_config(text)?;
        if let Some(bind) = &self.bind {
            check_bind(bind).map_err(|message| format!("--bind: {message}"))?;
            config.iscsi.bind.clone_from(bind);
        }
        if let Some(listen) = &self.http {
            check_bind(listen).map_err(|message| format!("--http: {message}"))?;
            config.http = config.http.with_listen(listen);
        }
        if let Some(advertise) = &self.advertise {
            config.iscsi.advertise = parse_advertise(advertise).map_err(|message| format!("--advertise: {message}"))?;
        }
        if let Some(url) = &self.site {
            config.add_site_shelf(url, "--site").map_err(|error| error.to_string())?;
        }
        if self.ephemeral && !config.cartridge_directories.is_empty() {
            return Err(
                "--ephemeral: storage.cartridges names directories that would not be removed; use only one of the two"
                    .into(),
            );
        }
        if self.ephemeral && !config.shelves.is_empty() {
            return Err(
                "--ephemeral: the file has [[shelf]], whose cartridges would not be removed; use only one of the two"
                    .into(),
            );
        }
        Ok(config)
    }

    fn parse_config(&self, text: Option<&str>) -> Result<Config, String> {
        if let Some(directory) = &self.mhvtl_config {
            let imported = mhvtl::import(directory).map_err(|error| error.to_string())?;
            imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
            return imported.config().map_err(|error| error.to_string());
        }
        let (Some(path), Some(text)) = (&self.config, text) else { return Ok(Config::default()) };
        let name = path.display().to_string();
        let config = parse(&name, text).map_err(|error| error.to_string())?;
        config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let has_secrets = !config.iscsi.users.is_empty() || config.iscsi.mutual.is_some();
        let others = std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o077);
        if has_secrets && others != 0 {
            tracing::warn!(
                file = name,
                "configuration file with CHAP secrets is readable by other users; run chmod 600"
            );
        }
        Ok(config)
    }
}

/// Parses the name of a site in an object store.
fn site_name(text: &str) -> Result<String, String> {
    let is_valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if (1..=32).contains(&text.len()) && text.bytes().all(is_valid) {
        return Ok(text.to_owned());
    }
    Err("expected 1 to 32 of a-z, 0-9, - and _".into())
}

/// Parses a log level.
fn level(text: &str) -> Result<tracing::Level, String> {
    text.parse().map_err(|_| "expected error, warn, info, debug or trace".into())
}

/// Parses the number of an open file descriptor.
fn parse_descriptor(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected the number of an open file descriptor, 0 to 65535".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use command_line::help;

    #[test]
    fn help_matches_snapshot() {
        let texts = help::texts(ProgramArguments::command());
        insta::with_settings!({ snapshot_path => "../../tests/help", prepend_module_to_snapshot => false, omit_expression => true }, {
            texts.iter().for_each(|(name, text)| insta::assert_snapshot!(name.as_str(), text));
        });
    }

    #[test]
    fn examples_parse() {
        assert_eq!(help::check_examples(NAME, ProgramArguments::command), Ok(()));
    }
}
