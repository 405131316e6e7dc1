//! `ferric config show`, `check` and `add` with a running daemon.

use super::client::Client;
use crate::cli_error::CliError;
use crate::config::{Summary, show_summary};
use crate::options::Options;
use crate::output::print_line;
use std::io::Read as _;
use std::path::Path;
use vtl::configuration::{CheckedConfiguration, ConfigurationFileState, ConfigurationFinding, ConfigurationText};
use vtl::control::{ControlRequest as Request, ReloadReport};

/// Longest text from standard input in bytes, which is more than a daemon accepts.
const MAX_TEXT: u64 = 1 << 20;

/// Prints the configuration in use. A note says how the configuration file of the daemon differs from it.
pub(crate) fn show_configuration(options: &Options) -> Result<(), CliError> {
    let shown: ConfigurationText = Client::connect(options)?.request_as(&Request::Configuration)?;
    options.output.show(&shown, |shown| {
        if let Some(file) = &shown.file {
            let reason = file.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            let state = match file.state {
                ConfigurationFileState::InUse => "its content is in use",
                ConfigurationFileState::Changed => "it was changed since the daemon read it",
                ConfigurationFileState::Refused => "the daemon has refused its content",
                ConfigurationFileState::Unreadable => "the daemon cannot read it",
            };
            options.output.note(&format!("the text is the configuration in use; {}: {state}{reason}", file.path));
        }
        print_line(shown.text.trim_end())
    })
}

/// Lets a daemon check a configuration.
pub(crate) fn check_configuration(options: &Options, file: &Path) -> Result<(), CliError> {
    let request = Request::ConfigurationCheck { text: read(file)? };
    let checked: CheckedConfiguration = Client::connect(options)?.request_as(&request)?;
    let text = |ConfigurationFinding { line, column, key, message }: &ConfigurationFinding| match line {
        0 => format!("{}: {key}: {message}", file.display()),
        _ => format!("{}:{line}:{column}: {key}: {message}", file.display()),
    };
    checked.warnings.iter().for_each(|warning| options.output.warning(&text(warning)));
    if let Some(error) = &checked.error {
        return Err(CliError::invalid(text(error)));
    }
    let CheckedConfiguration { libraries, drives, pools, .. } = checked;
    show_summary(options.output, &Summary { file, libraries, drives, pools })
}

/// Adds the tables of a file to the configuration file of a daemon.
pub(crate) fn add_configuration(options: &Options, file: &Path) -> Result<(), CliError> {
    let request = Request::ConfigurationAdd { text: read(file)? };
    let report: ReloadReport = Client::connect(options)?.request_as(&request)?;
    options.output.done(options.output.show(&report, |report| {
        report.changes.iter().try_for_each(|change| print_line(serde_json::to_string(change)?))
    }))
}

/// Reads a file, or standard input for `-`.
pub(super) fn read(file: &Path) -> Result<String, CliError> {
    let name = file.display();
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().take(MAX_TEXT).read_to_string(&mut text).map(|_| text)
    } else {
        vtl::config::read_text(file)
    };
    text.map_err(|error| CliError::system(&error, format!("{name}: {error}")))
}
