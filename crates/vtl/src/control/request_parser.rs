//! Reads the requests of the control socket, and explains errors in terms of the request.

use super::Request;
use super::former_words::{FormerWord, replace_in_json};
use crate::error_text::wrong_value;
use serde_json::Value;

/// Parses one line. Returns the request, and the words of the previous release that it was written in.
///
/// # Errors
/// The request is malformed; the message names the field where that is known.
pub(super) fn parse(line: &[u8]) -> Result<(Request, Vec<FormerWord>), String> {
    if line.trim_ascii().is_empty() {
        return Err(r#"the request is an empty line; it must be a JSON object such as {"op":"status"}"#.into());
    }
    let mut value: Value = serde_json::from_slice(line).map_err(|error| {
        let message = error.to_string();
        format!("the request is not JSON: {}", message.replace("at line 1 column", "at character"))
    })?;
    let Some(fields) = value.as_object_mut() else {
        return Err(r#"the request is not a JSON object such as {"op":"status"}"#.into());
    };
    let mut former = replace_in_json(fields)?;
    match fields.get("op") {
        None => return Err(r#"the request has no "op", which names the operation, such as "status""#.into()),
        Some(Value::String(_)) => {}
        Some(other) => return Err(format!(r#"the request: "op" must be a string, not {other}"#)),
    }
    let mut request: Request = serde_json::from_value(value.clone())
        .map_err(|error| format!("the request: {}", explain(&error.to_string(), &value)))?;
    former.extend(request.replace_former_element_names());
    Ok((request, former))
}

/// An error of the JSON reader, in plain words.
fn explain(error: &str, request: &Value) -> String {
    let command = request.get("op").and_then(Value::as_str).unwrap_or_default();
    if let Some(field) = error.strip_prefix("missing field ") {
        return format!("{command:?} needs {}", quoted(field));
    }
    if let Some((field, known)) = error.strip_prefix("unknown field ").and_then(|rest| rest.split_once(", expected ")) {
        return format!("{command:?} has no field {}; it has {}", quoted(field), listed(known));
    }
    if let Some((word, known)) = error.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        let what = match word.trim_matches('`') {
            word if word == command => format!("{word:?} is not an operation"),
            word => format!("{}{word:?} is not known", field_prefix(request, &Value::from(word))),
        };
        return format!("{what}; known are {}", listed(known));
    }
    if let Some((found, expected)) = wrong_value(error) {
        let value = serde_json::from_str(found).unwrap_or_else(|_| Value::from(found));
        return format!("{}expected {expected}, not {found}", field_prefix(request, &value));
    }
    error.into()
}

/// `"field": `, if only one field has this value.
fn field_prefix(request: &Value, value: &Value) -> String {
    let fields = request.as_object().into_iter().flatten();
    let mut with = fields.filter(|(_, other)| *other == value).map(|(name, _)| name);
    match (with.next(), with.next()) {
        (Some(only), None) => format!("{only:?}: "),
        _ => String::new(),
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
            assert_eq!(parse(line.as_bytes()).unwrap_err(), expected, "{line}");
        }
        let error = parse(br#"{"op":"dance"}"#).unwrap_err();
        assert!(
            error.starts_with(r#"the request: "dance" is not an operation; known are status, find, move"#),
            "{error}"
        );
    }
}
