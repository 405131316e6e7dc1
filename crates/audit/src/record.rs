//! The content of an audit record.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Largest JSON text, in bytes, of one value in a record. A larger value is replaced by its size.
const MAX_VALUE_LEN: usize = 8 * 1024;

/// Kind of the person or program that caused a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActorKind {
    /// A user of the operating system, through the control socket.
    User,
    /// The holder of an access token.
    Token,
    /// The holder of a certificate of the HTTP API, which the name identifies by its SHA-256 digest.
    Certificate,
    /// A client of the HTTP API that needs no token.
    HttpClient,
    /// An initiator port of a host.
    Initiator,
    /// A signal to the daemon.
    Signal,
    /// The program that contains the site.
    Program,
    /// The site: its policies, its start and its end.
    Site,
}

/// The cause of a change: a person or a program, and the origin of its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Kind of the actor, such as a user or an initiator.
    pub kind: ActorKind,
    /// Name of the user, token or initiator port, or of the signal; may be empty.
    pub name: String,
    /// Number of the user, for a user of the operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Origin of the request: `control socket`, or the address and port of a connection.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// Identifier of the request, if the frontend has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Actor {
    /// An actor of this kind and name, from nowhere in particular.
    #[must_use]
    pub fn new(kind: ActorKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), uid: None, from: String::new(), request_id: None }
    }

    /// The same actor, with the address or socket that it used.
    #[must_use]
    pub fn with_origin(self, from: impl Into<String>) -> Self {
        Self { from: from.into(), ..self }
    }
}

/// The content of a record, without its number and time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The cause of the change, with its origin.
    pub actor: Actor,
    /// Name of the change: the operation of a control request, or the name of an event.
    pub action: String,
    /// The objects concerned: a library, a unit such as `main/drive1`, an element such as `main/slot3`, a barcode, a pool.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<String>,
    /// The request, or the members of the event.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
    /// State of the object before the change; null if it is not known.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// State of the object after the change; null if it is not known.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// `done`, or the code of the error, such as `conflict`.
    pub result: String,
    /// Message of the error, if the change was refused or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Entry {
    /// A change that was done.
    #[must_use]
    pub fn new(actor: Actor, action: impl Into<String>) -> Self {
        Self {
            actor,
            action: action.into(),
            objects: Vec::new(),
            details: Value::Null,
            before: Value::Null,
            after: Value::Null,
            result: "done".into(),
            error: None,
        }
    }

    /// A change of the site itself, such as of its log, that was done.
    #[must_use]
    pub fn of_site(action: impl Into<String>) -> Self {
        Self::new(Actor::new(ActorKind::Site, ""), action)
    }

    /// Replaces values that are too large for a record by their size.
    pub(crate) fn limited(mut self) -> Self {
        for value in [&mut self.details, &mut self.before, &mut self.after] {
            let len = value.to_string().len();
            if len > MAX_VALUE_LEN {
                *value = serde_json::json!({ "omitted_bytes": len });
            }
        }
        self
    }
}

/// A record of the log: the change, who made it, from where, and its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the record, from 1, without gaps; the files of the log continue it.
    pub seq: u64,
    /// Time of the record in milliseconds since 1970, UTC.
    pub at: u64,
    /// The change, with its actor and its result.
    #[serde(flatten)]
    pub entry: Entry,
}
