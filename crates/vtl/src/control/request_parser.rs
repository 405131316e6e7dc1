//! Reads the requests of the control socket, and explains errors in terms of the request.

use super::former_words::{FormerWord, replace_in_json};
use super::{ControlError, ControlRequest, PROTOCOL_VERSION};
use crate::error_text::wrong_value;
use serde::Deserialize;
use serde_json::Value;

/// Parses one line. Returns the request, and the words of the previous release that it was written in.
///
/// # Errors
/// The request is malformed, or of another version of the protocol; the message names the member where that is known.
pub(super) fn parse(line: &[u8]) -> Result<(ControlRequest, Vec<FormerWord>), ControlError> {
    let invalid = |message: &str| ControlError::invalid(message);
    if line.trim_ascii().is_empty() {
        return Err(invalid(r#"the request is an empty line; it must be a JSON object such as {"op":"status"}"#));
    }
    let mut value: Value = serde_json::from_slice(line).map_err(|error| {
        let message = error.to_string();
        invalid(&format!("the request is not JSON: {}", message.replace("at line 1 column", "at character")))
    })?;
    let Some(fields) = value.as_object_mut() else {
        return Err(invalid(r#"the request is not a JSON object such as {"op":"status"}"#));
    };
    if let Some(version) = fields.remove("version") {
        check_version(&version)?;
    }
    let mut former = replace_in_json(fields).map_err(ControlError::invalid)?;
    match fields.get("op") {
        None => {
            let message = r#"the request has no "op", which names the operation, such as "status""#;
            return Err(invalid(message).with_member("op"));
        }
        Some(Value::String(_)) => {}
        Some(other) => {
            return Err(invalid(&format!(r#"the request: "op" must be a string, not {other}"#)).with_member("op"));
        }
    }
    let mut request = ControlRequest::from_json(&value)?;
    former.extend(request.replace_former_element_names());
    Ok((request, former))
}

impl ControlRequest {
    /// Reads a request: a JSON object with the member `op` and the members of the operation, in current words and without
    /// `version`.
    ///
    /// # Errors
    /// [`ErrorCode::Invalid`](super::ErrorCode::Invalid): an operation or member is unknown, or a value is of the wrong
    /// type; the message names the member where that is known.
    pub fn from_json(value: &Value) -> Result<Self, ControlError> {
        Self::deserialize(value).map_err(|error| explain(&error.to_string(), value))
    }
}

/// Refuses a client with another version of the protocol.
fn check_version(version: &Value) -> Result<(), ControlError> {
    let own = PROTOCOL_VERSION;
    let message = match version.as_u64() {
        Some(version) if version == u64::from(own) => return Ok(()),
        Some(version) => format!(
            "the client has version {version} of the control protocol, and the daemon version {own}: use the client of \
             the daemon's release, or restart the daemon after an update"
        ),
        None => format!(r#"the request: "version" must be a number, not {version}"#),
    };
    Err(ControlError::invalid(message).with_member("version"))
}

/// An error of the JSON reader, in plain words, with the member of the request where that is known.
fn explain(error: &str, request: &Value) -> ControlError {
    let command = request.get("op").and_then(Value::as_str).unwrap_or_default();
    let invalid = |message: String| ControlError::invalid(format!("the request: {message}"));
    if let Some(field) = error.strip_prefix("missing field ") {
        return invalid(format!("{command:?} needs {}", quoted(field))).with_member(field.trim_matches('`'));
    }
    if let Some((field, known)) = error.strip_prefix("unknown field ").and_then(|rest| rest.split_once(", expected ")) {
        let message = format!("{command:?} has no field {}; it has {}", quoted(field), listed(known));
        return invalid(message).with_member(field.trim_matches('`'));
    }
    if let Some((word, known)) = error.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        let word = word.trim_matches('`');
        if word == command {
            let message = format!("{word:?} is not an operation; known are {}", listed(known));
            return invalid(message).with_member("op");
        }
        return in_member(request, &Value::from(word), &format!("{word:?} is not known; known are {}", listed(known)));
    }
    if let Some((found, expected)) = wrong_value(error) {
        let value = serde_json::from_str(found).unwrap_or_else(|_| Value::from(found));
        return in_member(request, &value, &format!("expected {expected}, not {found}"));
    }
    invalid(error.into())
}

/// The error of a value, which names the member if only one has this value.
fn in_member(request: &Value, value: &Value, message: &str) -> ControlError {
    let fields = request.as_object().into_iter().flatten();
    let mut with = fields.filter(|(_, other)| *other == value).map(|(name, _)| name);
    match (with.next(), with.next()) {
        (Some(only), None) => ControlError::invalid(format!("the request: {only:?}: {message}")).with_member(only),
        _ => ControlError::invalid(format!("the request: {message}")),
    }
}

/// A name between backquotes, between double quotes.
fn quoted(name: &str) -> String {
    format!("{:?}", name.trim_matches('`'))
}

/// "`a`, `b`" or "one of `a`, `b`", without backquotes.
fn listed(known: &str) -> String {
    known.strip_prefix("one of ").unwrap_or(known).replace('`', "").replace("there are no fields", "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_requests_are_explained() {
        for (line, expected) in [
            ("\n", r#"the request is an empty line; it must be a JSON object such as {"op":"status"}"#),
            ("status", "the request is not JSON: expected value at character 1"),
            ("[]", r#"the request is not a JSON object such as {"op":"status"}"#),
            ("{}", r#"the request has no "op", which names the operation, such as "status""#),
            (r#"{"op":3}"#, r#"the request: "op" must be a string, not 3"#),
            (r#"{"op":"move","from":"slot1"}"#, r#"the request: "move" needs "to""#),
            (
                r#"{"op":"unload","drive":"drive1","x":1}"#,
                r#"the request: "unload" has no field "x"; it has library or drive"#,
            ),
            (
                r#"{"op":"create","pool":"s","count":"many"}"#,
                r#"the request: "count": expected a number from 0, not "many""#,
            ),
            (
                r#"{"op":"alert","flag":700,"raised":true}"#,
                r#"the request: "flag": expected a number from 0 to 255, not 700"#,
            ),
            (
                r#"{"op":"alert","flag":7,"raised":"yes"}"#,
                r#"the request: "raised": expected true or false, not "yes""#,
            ),
            (r#"{"op":"unload","drive":7}"#, r#"the request: "drive": expected a string, not 7"#),
            (
                r#"{"op":"door","door":"front","open":true}"#,
                r#"the request: "door": "front" is not known; known are access or io_station"#,
            ),
        ] {
            assert_eq!(parse(line.as_bytes()).unwrap_err().message, expected, "{line}");
        }
        let error = parse(br#"{"op":"dance"}"#).unwrap_err().message;
        assert!(
            error.starts_with(r#"the request: "dance" is not an operation; known are status, find, move"#),
            "{error}"
        );
    }
}
