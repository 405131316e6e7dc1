//! What is wrong with a request, in the words of those who write requests.

use super::Request;
use crate::error_text::wrong_value;
use serde_json::Value;

/// Reads a request.
///
/// # Errors
/// What is wrong with it, with the name of the field where that is known.
pub(super) fn parse(line: &[u8]) -> Result<Request, String> {
    if line.trim_ascii().is_empty() {
        return Err(r#"the request is an empty line; it must be a JSON object such as {"do":"status"}"#.into());
    }
    let value: Value = serde_json::from_slice(line).map_err(|error| {
        let what = error.to_string();
        format!("the request is not JSON: {}", what.replace("at line 1 column", "at character"))
    })?;
    let Some(fields) = value.as_object() else {
        return Err(r#"the request is not a JSON object such as {"do":"status"}"#.into());
    };
    match fields.get("do") {
        None => return Err(r#"the request has no "do", which names what to do, such as "status""#.into()),
        Some(Value::String(_)) => {}
        Some(other) => return Err(format!(r#"the request: "do" must be a text, not {other}"#)),
    }
    serde_json::from_value(value.clone())
        .map_err(|error| format!("the request: {}", explain(&error.to_string(), &value)))
}

/// An error of the JSON reader, in plain words.
fn explain(error: &str, request: &Value) -> String {
    let command = request.get("do").and_then(Value::as_str).unwrap_or_default();
    if let Some(field) = error.strip_prefix("missing field ") {
        return format!("{command:?} needs {}", quoted(field));
    }
    if let Some((field, known)) = error.strip_prefix("unknown field ").and_then(|rest| rest.split_once(", expected ")) {
        return format!("{command:?} has no field {}; it has {}", quoted(field), listed(known));
    }
    if let Some((word, known)) = error.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        let what = match word.trim_matches('`') {
            word if word == command => format!("{word:?} is not a command"),
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
            ("\n", r#"the request is an empty line; it must be a JSON object such as {"do":"status"}"#),
            ("status", "the request is not JSON: expected value at character 1"),
            ("[]", r#"the request is not a JSON object such as {"do":"status"}"#),
            ("{}", r#"the request has no "do", which names what to do, such as "status""#),
            (r#"{"do":3}"#, r#"the request: "do" must be a text, not 3"#),
            (r#"{"do":"move","from":"slot1"}"#, r#"the request: "move" needs "to""#),
            (
                r#"{"do":"unload","drive":"drive1","x":1}"#,
                r#"the request: "unload" has no field "x"; it has library or drive"#,
            ),
            (
                r#"{"do":"make","pool":"s","count":"many"}"#,
                r#"the request: "count": expected a number from 0, not "many""#,
            ),
            (
                r#"{"do":"alert","flag":700,"raised":true}"#,
                r#"the request: "flag": expected a number from 0 to 255, not 700"#,
            ),
            (
                r#"{"do":"alert","flag":7,"raised":"yes"}"#,
                r#"the request: "raised": expected true or false, not "yes""#,
            ),
            (r#"{"do":"unload","drive":7}"#, r#"the request: "drive": expected a text, not 7"#),
            (
                r#"{"do":"door","door":"front","open":true}"#,
                r#"the request: "door": "front" is not known; known are access or station"#,
            ),
        ] {
            assert_eq!(parse(line.as_bytes()).unwrap_err(), expected, "{line}");
        }
        let error = parse(br#"{"do":"dance"}"#).unwrap_err();
        assert!(error.starts_with(r#"the request: "dance" is not a command; known are status, find, move"#), "{error}");
    }
}
