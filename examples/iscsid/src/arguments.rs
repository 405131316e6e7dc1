//! The command line, and the configuration that it selects.

use clap::{Parser, ValueEnum};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use vtl::config::{Config, check_bind, mhvtl, parse, parse_advertise, read_text};

/// Serve virtual tape libraries over iSCSI: a medium changer at LUN 0, tape drives from LUN 1.
#[derive(Clone, Parser)]
#[command(name = "ferric-iscsid", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Data directory: cartridges, inventory and serial numbers
    #[arg(long, value_name = "DIR", default_value = "./ferric-data")]
    pub(crate) data: PathBuf,
    /// Keep all data in a temporary directory and remove it on exit
    #[arg(long, conflicts_with_all = ["data", "mhvtl_config"])]
    pub(crate) ephemeral: bool,
    /// Configuration file (TOML) [default: an STK L700 with two LTO-8 drives]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of an mhvtl configuration, instead of --config; its cartridges are used in place
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) mhvtl_config: Option<PathBuf>,
    /// Address to listen on; port 0 selects a free port [default: 127.0.0.1:3260]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) bind: Option<String>,
    /// Address to report in SendTargets; with "none", initiators use the address of their discovery session
    #[arg(long, value_name = "ADDR:PORT")]
    advertise: Option<String>,
    /// Create a new site although DIR has cartridges or identities but no state
    #[arg(long)]
    pub(crate) new_site: bool,
    /// Print the configuration in effect and exit
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Format of the ready line; json has address, targets, data directory, control socket and process ID
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
    /// Log level: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = level)]
    pub(crate) log: tracing::Level,
}

/// Formats of the ready line.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadyFormat {
    // The names of the values are their help.
    Text,
    Json,
}

const EXAMPLES: &str = "Examples:
  ferric-iscsid                                   the default library, with its data in ./ferric-data
  ferric-iscsid --data /srv/tapes --bind 0.0.0.0:3260
  ferric-iscsid --config ferric.toml --print-config
  ferric-iscsid --bind 127.0.0.1:0                a free port; \"ready iscsi ADDR:PORT IQN\" names it
  ferric-iscsid --ephemeral --bind 127.0.0.1:0 --ready json";

impl Arguments {
    /// Whether the configuration comes from a file, so that it can be reloaded.
    pub(crate) const fn has_config_file(&self) -> bool {
        self.config.is_some() || self.mhvtl_config.is_some()
    }

    /// Reads the configuration file and applies the command line, which takes precedence.
    pub(crate) fn read_config(&self) -> Result<Config, String> {
        let mut config = self.read_file()?;
        if let Some(bind) = &self.bind {
            check_bind(bind).map_err(|message| format!("--bind: {message}"))?;
            config.iscsi.bind.clone_from(bind);
        }
        if let Some(advertise) = &self.advertise {
            config.iscsi.advertise = parse_advertise(advertise).map_err(|message| format!("--advertise: {message}"))?;
        }
        if self.ephemeral && !config.cartridge_directories.is_empty() {
            return Err(
                "--ephemeral: storage.cartridges names directories that would not be removed; use only one of the two"
                    .into(),
            );
        }
        Ok(config)
    }

    fn read_file(&self) -> Result<Config, String> {
        if let Some(directory) = &self.mhvtl_config {
            let imported = mhvtl::import(directory).map_err(|error| error.to_string())?;
            imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
            return imported.config().map_err(|error| error.to_string());
        }
        let Some(path) = &self.config else { return Ok(Config::default()) };
        let name = path.display().to_string();
        let text = read_text(path).map_err(|error| format!("{name}: {error}"))?;
        let config = parse(&name, &text).map_err(|error| error.to_string())?;
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

/// Parses a log level.
fn level(text: &str) -> Result<tracing::Level, String> {
    text.parse().map_err(|_| "expected error, warn, info, debug or trace".into())
}

/// Parses the number of an open file descriptor.
fn parse_descriptor(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected the number of an open file descriptor, 0 to 65535".into())
}
