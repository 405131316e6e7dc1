//! Client of a daemon: through its control socket, or through its HTTP API.

mod http;
mod socket;

use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use http::HttpClient;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
pub(crate) use socket::SOCKET_VARIABLE;
use socket::SocketClient;
use vtl::control::ControlRequest as Request;
use vtl::events::EventPosition;

pub(crate) enum Client {
    Socket(SocketClient),
    Http(HttpClient),
}

impl Client {
    /// Connects to the daemon of `--url`, or else to the first one that answers on its control socket.
    pub(crate) fn connect(options: &Options) -> Result<Self, CliError> {
        match &options.remote {
            Some(daemon) => HttpClient::new(daemon).map(Self::Http),
            None => SocketClient::connect(options).map(Self::Socket),
        }
    }

    /// One request and its answer, as a value.
    pub(crate) fn request_as<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T, CliError> {
        let answer = self.request(request)?;
        serde_json::from_value(answer).map_err(|error| {
            let daemon = match self {
                Self::Socket(client) => client.path.display().to_string(),
                Self::Http(client) => client.url.clone(),
            };
            let reason = format!("the daemon's answer is not understood; is it of this version? ({error})");
            CliError::new(ErrorCode::Unavailable, format!("{daemon}: {reason}"))
        })
    }

    /// One request and its answer.
    pub(crate) fn request(&mut self, request: &Request) -> Result<Value, CliError> {
        match self {
            Self::Socket(client) => client.request(request),
            Self::Http(client) => client.request(&members(request)?),
        }
    }

    /// Passes the position where the subscription begins, with its snapshot if it has one, to `begin`, and then every
    /// event to `each`, until the daemon ends.
    pub(crate) fn subscribe(
        &mut self,
        since: Option<EventPosition>,
        begin: impl FnOnce(&Value) -> Result<(), CliError>,
        each: impl Fn(&Value) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let request = Request::Events { since };
        match self {
            Self::Socket(client) => client.subscribe(&request, begin, each),
            Self::Http(client) => {
                let mut begin = Some(begin);
                client.subscribe(&members(&request)?, |message| match begin.take() {
                    Some(begin) => begin(&message),
                    None => each(&message),
                })
            }
        }
    }
}

/// The members of a request, with `op`.
fn members(request: &Request) -> Result<Map<String, Value>, CliError> {
    match serde_json::to_value(request)? {
        Value::Object(members) => Ok(members),
        _ => Ok(Map::new()),
    }
}
