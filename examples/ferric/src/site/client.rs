//! Client of the control socket.

use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use command_line::data_dir;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use vtl::control::ControlRequest as Request;
use vtl::control::socket::{FILE_NAME, with_short_path};

/// The sockets at which the daemon may listen, in the order in which they are tried: that of `--socket`; or else the one
/// in the data directory of `--data` or `FERRIC_DATA`; or else those in `./ferric-data` and `/var/lib/ferric`.
fn sockets(options: &Options) -> Vec<PathBuf> {
    match &options.socket {
        Some(socket) => vec![socket.clone()],
        None => data_dir::candidates(options.data.clone()).iter().map(|directory| directory.join(FILE_NAME)).collect(),
    }
}

/// Whether no daemon listens at a socket. After other errors, a daemon may listen there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory)
}

/// No daemon listens at any of these sockets.
fn no_daemon(sockets: &[PathBuf]) -> CliError {
    let tried: Vec<String> = sockets.iter().map(|path| path.display().to_string()).collect();
    let advice = "start ferric-iscsid, or name its data directory with --data DIR";
    CliError::new(ErrorCode::Unavailable, format!("no daemon answers at {}: {advice}", tried.join(" or ")))
}

/// Why the daemon at a socket cannot be reached, and what to do about it.
fn connection_error(path: &str, error: &io::Error) -> CliError {
    let message = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{path}: permission denied: only root and the user who runs the daemon may use its control socket")
        }
        _ => format!("{path}: cannot connect to the daemon: {error}"),
    };
    CliError::new(ErrorCode::Unavailable, message)
}

pub(super) struct Client {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// Connects to the first daemon that answers.
    pub(super) fn connect(options: &Options) -> Result<Self, CliError> {
        let sockets = sockets(options);
        for path in &sockets {
            match Self::connect_to(path) {
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(connection_error(&path.display().to_string(), &error)),
                Ok(client) => return Ok(client),
            }
        }
        Err(no_daemon(&sockets))
    }

    fn connect_to(path: &Path) -> io::Result<Self> {
        let stream = with_short_path(path, |path| UnixStream::connect(path))?;
        let lines = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, lines, path: path.into() })
    }

    /// Opens a second connection to the same daemon, and returns a handle that can end it from another thread.
    pub(super) fn second_connection(&self) -> io::Result<(Self, UnixStream)> {
        let second = Self::connect_to(&self.path)?;
        let handle = second.stream.try_clone()?;
        Ok((second, handle))
    }

    /// One request and its answer, as a value.
    pub(super) fn request_as<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, CliError> {
        let answer = self.request(request)?;
        serde_json::from_value(answer).map_err(|error| {
            self.failed(format!("the daemon's answer is not understood; is it of this version? ({error})"))
        })
    }

    /// One request and its answer.
    pub(super) fn request(&mut self, request: &Request) -> Result<Value, CliError> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(|error| self.failed(error))?;
        let mut said =
            self.read_value()?.ok_or_else(|| self.failed("the daemon closed the connection without an answer"))?;
        match said.get_mut("error").map(Value::take) {
            Some(Value::String(message)) => Err(CliError::new(ErrorCode::Refused, message)),
            Some(error) => Err(CliError::Daemon(error)),
            None => Ok(said.get_mut("ok").map(Value::take).unwrap_or_default()),
        }
    }

    fn read_value(&mut self) -> Result<Option<Value>, CliError> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        let read = read.map_err(|error| self.failed(error))?;
        if read == 0 { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
    }

    /// The connection to the daemon has failed, for this reason.
    fn failed(&self, reason: impl std::fmt::Display) -> CliError {
        CliError::new(ErrorCode::Unavailable, format!("{}: {reason}", self.path.display()))
    }

    /// Every event, until the daemon ends.
    pub(super) fn subscribe(&mut self, each: impl Fn(&Value) -> Result<(), CliError>) -> Result<(), CliError> {
        self.request(&Request::Events { since: None })?;
        while let Some(event) = self.read_value()? {
            each(&event)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_errors_give_advice() {
        assert_eq!(
            no_daemon(&["./ferric-data/control.sock".into(), "/var/lib/ferric/control.sock".into()]).to_string(),
            "no daemon answers at ./ferric-data/control.sock or /var/lib/ferric/control.sock: start ferric-iscsid, or \
             name its data directory with --data DIR"
        );
        let error = |kind: io::ErrorKind| connection_error("d/control.sock", &kind.into()).to_string();
        assert_eq!(
            error(io::ErrorKind::PermissionDenied),
            "d/control.sock: permission denied: only root and the user who runs the daemon may use its control socket"
        );
        assert!(error(io::ErrorKind::OutOfMemory).starts_with("d/control.sock: cannot connect to the daemon: "));
        assert!(!is_absent(&io::ErrorKind::PermissionDenied.into()));
        assert!(is_absent(&io::ErrorKind::ConnectionRefused.into()));
    }
}
