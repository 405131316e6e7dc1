//! Client of the control socket.

use crate::cli_error::CliError;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use vtl::control::Request;
use vtl::control::socket::with_short_path;

/// Why there is no connection, and what to do about it.
fn connection_error(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            format!("no daemon answers at {path}: start ferric-iscsid, or name its data directory with --data DIR")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{path}: permission denied: only root and the user who runs the daemon may use its control socket")
        }
        _ => format!("{path}: cannot connect to the daemon: {error}"),
    }
}

pub(super) struct Client {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    path: String,
}

impl Client {
    pub(super) fn connect(path: &Path) -> Result<Self, CliError> {
        let name = path.display().to_string();
        let failed = |error: io::Error| CliError::Usage(connection_error(&name, &error));
        let stream = with_short_path(path, |path| UnixStream::connect(path)).map_err(failed)?;
        let lines = BufReader::new(stream.try_clone().map_err(failed)?);
        Ok(Self { stream, lines, path: name })
    }

    /// One request and its answer, as a value.
    pub(super) fn request_as<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, CliError> {
        let answer = self.request(request)?;
        serde_json::from_value(answer).map_err(|error| {
            let what = "the daemon's answer is not understood; is it of this version?";
            CliError::Usage(format!("{}: {what} ({error})", self.path))
        })
    }

    /// One request and its answer.
    pub(super) fn request(&mut self, request: &Request) -> Result<Value, CliError> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let gone = |error: io::Error| CliError::Usage(format!("{}: {error}", self.path));
        self.stream.write_all(&line).map_err(gone)?;
        let mut said = self.read_value()?.ok_or_else(|| {
            CliError::Usage(format!("{}: the daemon closed the connection without an answer", self.path))
        })?;
        match said.get("error").and_then(Value::as_str) {
            Some(error) => Err(CliError::Usage(error.into())),
            None => Ok(said.get_mut("ok").map(Value::take).unwrap_or_default()),
        }
    }

    fn read_value(&mut self) -> Result<Option<Value>, CliError> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        let read = read.map_err(|error| CliError::Usage(format!("{}: {error}", self.path)))?;
        if read == 0 { Ok(None) } else { Ok(Some(serde_json::from_str(&line)?)) }
    }

    /// Every event, until the daemon ends.
    pub(super) fn subscribe(&mut self, each: impl Fn(&Value) -> Result<(), CliError>) -> Result<(), CliError> {
        self.request(&Request::Events)?;
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
        let error = |kind: io::ErrorKind| connection_error("d/control.sock", &kind.into());
        assert_eq!(
            error(io::ErrorKind::NotFound),
            "no daemon answers at d/control.sock: start ferric-iscsid, or name its data directory with --data DIR"
        );
        assert_eq!(
            error(io::ErrorKind::PermissionDenied),
            "d/control.sock: permission denied: only root and the user who runs the daemon may use its control socket"
        );
        assert!(error(io::ErrorKind::OutOfMemory).starts_with("d/control.sock: cannot connect to the daemon: "));
    }
}
