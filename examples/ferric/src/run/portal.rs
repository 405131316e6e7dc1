//! The iSCSI portal whose targets the command uses instead of a separate library: `--portal`, `--data` and `--socket`,
//! and the login with CHAP.

use super::Arguments;
use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use clap::Args;
use run_frontend::{Credentials, LoginRefused, TargetUnits};
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Environment variable with the secret of `--user`.
const SECRET: &str = "FERRIC_CHAP_SECRET";
/// Environment variable with the secret of the target.
const TARGET_SECRET: &str = "FERRIC_CHAP_TARGET_SECRET";
/// Variables that the command does not get.
pub(crate) const SECRETS: [&str; 2] = [SECRET, TARGET_SECRET];
/// Login status of a failed authentication (RFC 7143 11.13.5).
const AUTHENTICATION_FAILURE: u16 = 0x0201;
/// Login status of an initiator that may not use the target.
const AUTHORIZATION_FAILURE: u16 = 0x0202;

// Options of the login at a portal, for `#[command(flatten)]`.
#[derive(Args)]
pub(crate) struct LoginArguments {
    /// Log in to the portal with CHAP as this user; the secret is that of --secret-file or $FERRIC_CHAP_SECRET
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// File with the CHAP secret of the user
    #[arg(long, value_name = "FILE", requires = "user")]
    secret_file: Option<PathBuf>,
    /// File with the secret of the target: log in only if the target proves that it has it (mutual CHAP) [default:
    /// $FERRIC_CHAP_TARGET_SECRET, else any target]
    #[arg(long, value_name = "FILE", requires = "user")]
    target_secret_file: Option<PathBuf>,
}

/// Checks options that do not apply together.
///
/// # Errors
/// An option is for a library of the command and another for a portal, or the user has no portal or no secret.
pub(crate) fn check(options: &Options, arguments: &Arguments) -> Result<(), CliError> {
    let usage = |message: String| Err(CliError::new(ErrorCode::Usage, message));
    let Arguments { config, keep, restore, snapshot, load, faults, trace, portal, login, .. } = arguments;
    let of_portal =
        [("--portal", portal.is_some()), ("--data", options.data.is_some()), ("--socket", options.socket.is_some())];
    let mut of_portal = of_portal.into_iter().filter_map(|(option, is_given)| is_given.then_some(option));
    let Some(chosen) = of_portal.next() else {
        return match login.user {
            Some(_) => usage("the option '--user' needs '--portal', '--data' or '--socket'".into()),
            None => Ok(()),
        };
    };
    if let (Some(second), "--portal") = (of_portal.next(), chosen) {
        return usage(format!("the option '{second}' does not apply with '--portal'"));
    }
    let of_own_library = [
        ("--config", config.is_some()),
        ("--keep", keep.is_some()),
        ("--restore", restore.is_some()),
        ("--snapshot", snapshot.is_some()),
        ("--trace", trace.trace.is_some()),
        ("--load", !load.is_empty()),
        ("--faults", faults.is_some()),
    ];
    match of_own_library.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => usage(format!("the option '{option}' does not apply with '{chosen}'")),
        None => Ok(()),
    }
}

/// The portal that the options choose, `ADDRESS:PORT`; `None` for a library of the command.
///
/// # Errors
/// No daemon answers, or it has no iSCSI portal.
pub(crate) fn address(options: &Options, arguments: &Arguments) -> Result<Option<String>, CliError> {
    if arguments.portal.is_some() || (options.data.is_none() && options.socket.is_none()) {
        return Ok(arguments.portal.clone());
    }
    let portals = crate::site::portals(options)?;
    let mut portal = *portals.first().ok_or_else(|| CliError::conflict("the daemon serves no targets over iSCSI"))?;
    if portal.ip().is_unspecified() {
        portal.set_ip(if portal.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    Ok(Some(portal.to_string()))
}

/// Logs in to all targets of a portal.
///
/// # Errors
/// A secret cannot be read, or the portal does not answer or refuses the login.
pub(crate) fn log_in(portal: &str, login: &LoginArguments) -> Result<Vec<TargetUnits>, CliError> {
    let credentials = login.credentials()?;
    run_frontend::log_in(portal, &credentials).map_err(|error| {
        let hint = match error.downcast_ref::<LoginRefused>().map(|refused| refused.status) {
            Some(AUTHENTICATION_FAILURE) if login.user.is_some() => {
                " (authentication failure): check --user, its secret, and whether the portal uses CHAP"
            }
            Some(AUTHENTICATION_FAILURE) => " (authentication failure): the portal requires CHAP, give --user",
            Some(AUTHORIZATION_FAILURE) => " (authorization failure): the target does not accept this initiator",
            _ => "",
        };
        CliError::new(ErrorCode::Unavailable, format!("iSCSI portal {portal}: {error}{hint}"))
    })
}

impl LoginArguments {
    fn credentials(&self) -> Result<Credentials, CliError> {
        let Some(user) = &self.user else { return Ok(Credentials::default()) };
        let Some(secret) = read_secret(self.secret_file.as_deref(), SECRET)? else {
            let message = format!("the option '--user' needs a secret: give --secret-file or set {SECRET}");
            return Err(CliError::invalid(message));
        };
        let target_secret = read_secret(self.target_secret_file.as_deref(), TARGET_SECRET)?;
        Ok(Credentials { user: Some((user.clone(), secret)), target_secret })
    }
}

/// A secret from a file, which may end with a line feed, or else from an environment variable.
fn read_secret(file: Option<&Path>, variable: &str) -> Result<Option<String>, CliError> {
    let Some((text, place)) = (match file {
        Some(path) => {
            let place = path.display().to_string();
            let text = fs::read_to_string(path);
            Some((text.map_err(|error| CliError::system(&error, format!("{place}: {error}")))?, place))
        }
        None => std::env::var_os(variable).map(|text| (text.into_string().unwrap_or_default(), variable.to_owned())),
    }) else {
        return Ok(None);
    };
    let text = Zeroizing::new(text);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    if line.is_empty() || line.contains(char::is_control) {
        return Err(CliError::invalid(format!("{place}: expected a CHAP secret, one line of text")));
    }
    Ok(Some(line.to_owned()))
}
