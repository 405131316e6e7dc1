//! Shelves on object storage, with the credentials of the environment.

use shelf::{KeyRing, Shelf, ShelfError, ShelfOptions, WrappingKey};
use std::fs::File;
use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Beginnings of the names of variables that are settings of the clients of stores.
const SETTINGS: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Longest file, variable or output with a key, in bytes.
const MAX_KEY_TEXT: u64 = 1024;

/// Opens the shelf at a URL. Credentials and other settings of the client are those of the environment, by convention of the
/// stores. For operators, leases and manifests have the name of the program, its process id and the name of the host.
/// `random` fills a slice with random bytes.
///
/// # Errors
/// As [`Shelf::open`].
pub fn open_shelf(url: &str, program: &str, random: fn(&mut [u8]) -> io::Result<()>) -> Result<Shelf, ShelfError> {
    let variables = std::env::vars_os();
    let variables = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = variables.filter(|(name, _)| SETTINGS.iter().any(|own| name.starts_with(own)));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let owner = format!("{program}, process {} of {host}", std::process::id());
    Shelf::open(url, settings, ShelfOptions::new(owner), Arc::new(random))
}

/// The error of a key of a shelf: its place, and the reason. The key is not in it.
#[derive(Debug, thiserror::Error)]
#[error("key {place:?}: {reason}")]
pub struct KeyError {
    place: String,
    reason: String,
}

/// Reads the keys of a shelf: the current one, and former ones. A place is `file:PATH`, `variable:NAME` of the environment, or
/// `command:PROGRAM ARGUMENT...`, which prints the key.
///
/// # Errors
/// A key cannot be read, or is not 64 hexadecimal digits; the error names its place.
pub fn read_keys(current: &str, former: &[String]) -> Result<KeyRing, KeyError> {
    Ok(KeyRing::new(read_key(current)?, former.iter().map(|place| read_key(place)).collect::<Result<_, _>>()?))
}

fn read_key(place: &str) -> Result<WrappingKey, KeyError> {
    let error = |reason: String| KeyError { place: place.to_owned(), reason };
    let text = match place.split_once(':') {
        Some(("file", path)) => read_limited(File::open(path)).map_err(|failed| error(failed.to_string()))?,
        Some(("variable", name)) => variable(name).map_err(|failed| error(failed.to_string()))?,
        Some(("command", line)) => print_key(line).map_err(error)?,
        // The text may be the key itself.
        _ => {
            let reason = "expected file:PATH, variable:NAME or command:PROGRAM ARGUMENT...".into();
            return Err(KeyError { place: "...".into(), reason });
        }
    };
    WrappingKey::parse(&text).ok_or_else(|| error("it is not 64 hexadecimal digits".into()))
}

#[expect(clippy::disallowed_methods, reason = "the configuration names the variable")]
fn variable(name: &str) -> Result<String, std::env::VarError> {
    std::env::var(name)
}

fn read_limited(from: io::Result<impl Read>) -> io::Result<String> {
    let mut text = String::new();
    from?.take(MAX_KEY_TEXT).read_to_string(&mut text)?;
    Ok(text)
}

/// Executes a program, which prints a key.
fn print_key(line: &str) -> Result<String, String> {
    let mut words = line.split_whitespace();
    let program = words.next().ok_or("there is no program")?;
    let mut command = Command::new(program);
    let started = command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|failed| format!("{program}: {failed}"))?;
    let output = child.stdout.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into());
    let text = read_limited(output).map_err(|failed| format!("{program}: {failed}"));
    let ended = child.wait().map_err(|failed| format!("{program}: {failed}"))?;
    if ended.success() { text } else { Err(format!("{program}: {ended}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_files_variables_and_programs() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        let digits = "0123456789abcdef".repeat(4);
        std::fs::write(path("key"), format!("{digits}\n")).unwrap();
        std::fs::write(path("short"), &digits[1..]).unwrap();
        let id = |place: &str| read_key(place).unwrap().id().to_owned();
        assert_eq!(id(&format!("file:{}", path("key"))), id(&format!("command:cat {}", path("key"))));
        let error = |place: &str| read_key(place).unwrap_err().to_string();
        let short = format!("file:{}", path("short"));
        assert_eq!(error(&short), format!("key {short:?}: it is not 64 hexadecimal digits"));
        let missing = format!("file:{}", path("missing"));
        assert_eq!(error(&missing), format!("key {missing:?}: No such file or directory (os error 2)"));
        assert_eq!(error("command:false"), "key \"command:false\": false: exit status: 1");
        assert!(error("command: ").ends_with("there is no program"));
        assert!(error("variable:FERRIC_NO_SUCH_VARIABLE").ends_with("environment variable not found"));
        // It may be the key itself.
        assert_eq!(error(&digits), "key \"...\": expected file:PATH, variable:NAME or command:PROGRAM ARGUMENT...");
        let former = [format!("file:{}", path("key")), missing];
        assert!(read_keys(&format!("file:{}", path("key")), &former[..1]).is_ok());
        assert!(read_keys(&format!("file:{}", path("key")), &former).is_err());
    }
}
