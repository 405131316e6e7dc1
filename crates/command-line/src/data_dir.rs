//! The data directory of a program that is started without one: the environment variable `FERRIC_DATA`, then
//! `./ferric-data`, then `/var/lib/ferric`.

use std::ffi::OsString;
use std::path::PathBuf;

/// Environment variable that names the data directory.
pub const VARIABLE: &str = "FERRIC_DATA";
/// Data directory in the working directory: the default of `ferric-iscsid`.
pub const LOCAL: &str = "./ferric-data";
/// Data directory of the system: the default of `ferric-mhvtld`.
pub const SYSTEM: &str = "/var/lib/ferric";

/// The data directory that the user has chosen: the value of `--data`, or else that of [`VARIABLE`]. `None` if neither is
/// given; an empty variable counts as not given.
#[must_use]
pub fn chosen(option: Option<PathBuf>) -> Option<PathBuf> {
    chosen_from(option, std::env::var_os(VARIABLE))
}

fn chosen_from(option: Option<PathBuf>, variable: Option<OsString>) -> Option<PathBuf> {
    option.or_else(|| variable.filter(|value| !value.is_empty()).map(PathBuf::from))
}

/// The data directories in which a client looks for a running daemon, in order. A directory that the user has chosen
/// ([`chosen`]) is the only one, so that a command never reaches another daemon than the chosen one.
#[must_use]
pub fn candidates(option: Option<PathBuf>) -> Vec<PathBuf> {
    chosen(option).map_or_else(|| vec![LOCAL.into(), SYSTEM.into()], |directory| vec![directory])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_precedes_variable_and_empty_variable_is_ignored() {
        let chosen = |option: Option<&str>, variable: Option<&str>| {
            chosen_from(option.map(PathBuf::from), variable.map(OsString::from))
        };
        assert_eq!(chosen(Some("a"), Some("b")), Some("a".into()));
        assert_eq!(chosen(None, Some("b")), Some("b".into()));
        assert_eq!(chosen(None, Some("")), None);
        assert_eq!(chosen(None, None), None);
    }

    #[test]
    fn chosen_directory_is_the_only_candidate() {
        assert_eq!(candidates(Some("a".into())), [PathBuf::from("a")]);
    }
}
