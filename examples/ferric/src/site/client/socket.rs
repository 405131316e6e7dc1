//! The control socket of a daemon.

use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use command_line::data_dir;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use vtl::control::socket::{FILE_NAME, with_short_path};
use vtl::control::{ControlRequest as Request, PROTOCOL_VERSION};

/// Variable of the command of `ferric run`: the socket of its library.
pub(crate) const SOCKET_VARIABLE: &str = "FERRIC_SOCKET";

/// The sockets at which the daemon may listen, in the order in which they are tried: that of `--socket`; or else the one
/// in the data directory of `--data`; or else `FERRIC_SOCKET`, or the one in `FERRIC_DATA`; or else those in `./ferric-data` and
/// `/var/lib/ferric`.
fn sockets(options: &Options) -> Vec<PathBuf> {
    match options.socket.clone().or_else(|| from_variable().filter(|_| options.data.is_none())) {
        Some(socket) => vec![socket],
        None => data_dir::candidates(options.data.clone()).iter().map(|directory| directory.join(FILE_NAME)).collect(),
    }
}

/// The socket that the variable names.
fn from_variable() -> Option<PathBuf> {
    std::env::var_os(SOCKET_VARIABLE).filter(|socket| !socket.is_empty()).map(PathBuf::from)
}

/// Whether no daemon listens at a socket. After other errors, a daemon may listen there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory)
}

/// No daemon listens at any of these sockets.
fn no_daemon(sockets: &[PathBuf]) -> CliError {
    let tried: Vec<String> = sockets.iter().map(|path| path.display().to_string()).collect();
    let advice = match from_variable() {
        Some(socket) if sockets == [socket.as_path()] => "FERRIC_SOCKET names it, and ferric run has ended; unset it",
        _ => "start ferric serve iscsi, or name its data directory with --data DIR",
    };
    CliError::new(ErrorCode::Unavailable, format!("no daemon answers at {}: {advice}", tried.join(" or ")))
}

/// Reason why the daemon at a socket cannot be reached, and the remedy.
fn connection_error(path: &str, error: &io::Error) -> CliError {
    let message = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("{path}: permission denied: only root and the user who runs the daemon may use its control socket")
        }
        _ => format!("{path}: cannot connect to the daemon: {error}"),
    };
    CliError::new(ErrorCode::Unavailable, message)
}

pub(crate) struct SocketClient {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    pub(in crate::site) path: PathBuf,
}

impl SocketClient {
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

    /// One request and its answer. The request has the version of the protocol, which a daemon of version 1 does not
    /// know.
    pub(super) fn request(&mut self, request: &Request) -> Result<Value, CliError> {
        let mut value = serde_json::to_value(request)?;
        if let Some(members) = value.as_object_mut() {
            members.insert("version".into(), PROTOCOL_VERSION.into());
        }
        let mut line = serde_json::to_vec(&value)?;
        line.push(b'\n');
        self.stream.write_all(&line).map_err(|error| self.failed(error))?;
        let mut response =
            self.read_value()?.ok_or_else(|| self.failed("the daemon closed the connection without an answer"))?;
        if is_version_1(request, &response) {
            return Err(CliError::new(
                ErrorCode::Refused,
                format!(
                    "{}: the daemon is older than this ferric: it has version 1 of the control protocol, and ferric \
                     version {PROTOCOL_VERSION}; restart the daemon with the installed release",
                    self.path.display()
                ),
            ));
        }
        let mut take = |member: &str| response.get_mut(member).map(Value::take);
        let Some(message) = take("error") else { return Ok(take("ok").unwrap_or_default()) };
        let mut error = json!({ "code": take("code"), "message": message });
        if let (Some(fields), Some(error)) = (take("fields"), error.as_object_mut()) {
            error.insert("fields".into(), fields);
        }
        Err(CliError::Daemon(error))
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

    /// Sends the request for events. Passes its answer to `begin`, and then every event to `each`, until the daemon ends.
    pub(super) fn subscribe(
        &mut self,
        request: &Request,
        begin: impl FnOnce(&Value) -> Result<(), CliError>,
        each: impl Fn(&Value) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        begin(&self.request(request)?)?;
        while let Some(event) = self.read_value()? {
            each(&event)?;
        }
        Ok(())
    }
}

/// Whether a response is of a daemon with version 1 of the protocol: an error without a code, a response without
/// content, or a status without a version.
fn is_version_1(request: &Request, response: &Value) -> bool {
    let ok = response.get("ok");
    match request {
        _ if response.get("error").is_some() => response.get("code").is_none(),
        Request::Status => ok.is_none_or(|status| status.get("version").is_none()),
        _ => ok.is_none_or(Value::is_null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon on a socket pair that reads one line and sends one.
    fn answered_with(response: &str, request: &Request) -> (String, Result<Value, CliError>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (&theirs).write_all(format!("{response}\n").as_bytes()).unwrap();
        let lines = BufReader::new(ours.try_clone().unwrap());
        let answer = SocketClient { stream: ours, lines, path: "d/control.sock".into() }.request(request);
        let mut line = String::new();
        BufReader::new(theirs).read_line(&mut line).unwrap();
        (line, answer)
    }

    #[test]
    fn an_older_daemon_is_named() {
        let older = "d/control.sock: the daemon is older than this ferric: it has version 1 of the control protocol, \
                     and ferric version 2; restart the daemon with the installed release";
        let unload = Request::Unload { library: None, drive: "drive1".into() };
        let (line, _) = answered_with(r#"{"ok":null}"#, &unload);
        assert_eq!(line, "{\"drive\":\"drive1\",\"op\":\"unload\",\"version\":2}\n");
        for (response, request) in [
            (
                r#"{"error":"the request: \"unload\" has no field \"version\"; it has library or drive"}"#,
                unload.clone(),
            ),
            (r#"{"ok":null}"#, Request::Reload),
            (r#"{"ok":null}"#, Request::Events { since: None }),
            (r#"{"ok":{"libraries":[],"shelves":{}}}"#, Request::Status),
        ] {
            let error = answered_with(response, &request).1.unwrap_err();
            assert_eq!(error.to_string(), older, "{response}");
        }
        let refused = r#"{"error":"drive1 is empty","code":"conflict","fields":{"element":"drive1"}}"#;
        let error = answered_with(refused, &unload).1.unwrap_err();
        assert_eq!(error.to_string(), "drive1 is empty");
        assert_eq!(
            error.document().to_string(),
            r#"{"code":"conflict","fields":{"element":"drive1"},"message":"drive1 is empty"}"#
        );
        let status = r#"{"ok":{"version":2,"libraries":[],"shelves":{}}}"#;
        assert_eq!(answered_with(status, &Request::Status).1.unwrap()["version"], 2);
    }

    #[test]
    fn connection_errors_give_advice() {
        assert_eq!(
            no_daemon(&["./ferric-data/control.sock".into(), "/var/lib/ferric/control.sock".into()]).to_string(),
            "no daemon answers at ./ferric-data/control.sock or /var/lib/ferric/control.sock: start ferric serve iscsi, or \
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
