//! Words of the previous release, which this release still accepts with a warning and the next one refuses.

use super::ControlRequest;
use serde_json::{Map, Value};

/// A word of the previous release, with the word that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerWord {
    /// The given word, such as `port2` or `"do"`.
    pub former: String,
    /// The word to write instead, such as `io2` or `"op"`.
    pub current: String,
}

/// The current name of an import/export element: `io2` for its former name `port2`, and `None` for any other text. No
/// barcode is a former name, since barcodes have no lower-case letters.
#[must_use]
pub fn current_element_name(text: &str) -> Option<String> {
    let number = text.strip_prefix("port")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("io{number}"))
}

/// Replaces former words in a JSON request, and returns them.
///
/// # Errors
/// The request has a former field and the field that replaces it.
pub(super) fn replace_in_json(request: &mut Map<String, Value>) -> Result<Vec<FormerWord>, String> {
    let mut replaced = Vec::new();
    rename_field(request, ["do", "op"], &mut replaced)?;
    replace_value(request, "op", ["fail", "inject_fault"], &mut replaced);
    replace_value(request, "op", ["make", "create"], &mut replaced);
    match request.get("op").and_then(Value::as_str) {
        Some("inject_fault") => rename_field(request, ["failure", "fault"], &mut replaced)?,
        Some("element") => rename_field(request, ["trouble", "fault"], &mut replaced)?,
        Some("door") => replace_value(request, "door", ["station", "io_station"], &mut replaced),
        _ => {}
    }
    Ok(replaced)
}

fn rename_field(
    request: &mut Map<String, Value>,
    [former, current]: [&str; 2],
    replaced: &mut Vec<FormerWord>,
) -> Result<(), String> {
    let Some(value) = request.remove(former) else { return Ok(()) };
    if request.contains_key(current) {
        return Err(format!(
            "the request has both {former:?} and {current:?}, its current name; send only {current:?}"
        ));
    }
    request.insert(current.into(), value);
    replaced.push(FormerWord { former: format!("{former:?}"), current: format!("{current:?}") });
    Ok(())
}

fn replace_value(
    request: &mut Map<String, Value>,
    field: &str,
    [former, current]: [&str; 2],
    replaced: &mut Vec<FormerWord>,
) {
    let Some(value) = request.get_mut(field).filter(|value| *value == former) else { return };
    *value = current.into();
    let pair = |word: &str| format!("{field:?}: {word:?}");
    replaced.push(FormerWord { former: pair(former), current: pair(current) });
}

impl ControlRequest {
    /// Replaces the former names of elements (`port2`) by the current ones (`io2`), and returns the names that were
    /// replaced, for a warning.
    pub fn replace_former_element_names(&mut self) -> Vec<FormerWord> {
        let replace = |name: &mut String| {
            let current = current_element_name(name)?;
            let former = std::mem::replace(name, current.clone());
            Some(FormerWord { former, current })
        };
        self.elements().into_iter().filter_map(replace).collect()
    }

    /// The fields that name an element.
    fn elements(&mut self) -> Vec<&mut String> {
        match self {
            Self::Find { element, .. } | Self::Element { element, .. } => vec![element],
            Self::Move { from, to, .. } => vec![from, to],
            Self::Load { cartridge, drive, .. } => std::iter::once(cartridge).chain(drive).collect(),
            Self::Unload { drive, .. } => vec![drive],
            Self::Export { from, .. } => vec![from],
            Self::Import { to: name, .. }
            | Self::Assign { to: name, .. }
            | Self::Online { drive: name, .. }
            | Self::Alert { drive: name, .. }
            | Self::Alerts { drive: name, .. } => name.iter_mut().collect(),
            Self::Status
            | Self::Door { .. }
            | Self::Label { .. }
            | Self::InjectFault { .. }
            | Self::FaultAdd { .. }
            | Self::FaultList
            | Self::FaultClear { .. }
            | Self::Cartridges { .. }
            | Self::Pools { .. }
            | Self::Create { .. }
            | Self::Protect { .. }
            | Self::Retain { .. }
            | Self::Hold { .. }
            | Self::Delete { .. }
            | Self::Forget { .. }
            | Self::StartJob { .. }
            | Self::Jobs { .. }
            | Self::CancelJob { .. }
            | Self::Trace { .. }
            | Self::Counters { .. }
            | Self::Metrics
            | Self::Audit { .. }
            | Self::AuditVerify
            | Self::Tokens
            | Self::TokenCreate { .. }
            | Self::TokenRemove { .. }
            | Self::Reload
            | Self::NotifyList
            | Self::ShelfList
            | Self::Sessions
            | Self::Configuration
            | Self::ConfigurationCheck { .. }
            | Self::ConfigurationAdd { .. }
            | Self::Models
            | Self::Log
            | Self::Alarms
            | Self::Acknowledge { .. }
            | Self::CartridgeContents { .. }
            | Self::CartridgeFiles { .. }
            | Self::NotifyTest { .. }
            | Self::Events { .. } => Vec::new(),
        }
    }
}

/// The former and the current words, as two lists for one log line.
pub(super) fn lists(words: &[FormerWord]) -> (String, String) {
    let list = |text: fn(&FormerWord) -> &str| words.iter().map(text).collect::<Vec<_>>().join(", ");
    (list(|word| &word.former), list(|word| &word.current))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::request_parser::parse;

    /// Each former word of a request, the same request in current words, and the words of the warning.
    #[test]
    fn former_words_of_requests_are_replaced() {
        for (former, current, words) in [
            (r#"{"do":"status"}"#, r#"{"op":"status"}"#, r#""do" -> "op""#),
            (
                r#"{"op":"fail","library":"a","failure":"load"}"#,
                r#"{"op":"inject_fault","library":"a","fault":"load"}"#,
                r#""op": "fail", "failure" -> "op": "inject_fault", "fault""#,
            ),
            (
                r#"{"op":"make","pool":"p","count":2}"#,
                r#"{"op":"create","pool":"p","count":2}"#,
                r#""op": "make" -> "op": "create""#,
            ),
            (
                r#"{"op":"element","element":"slot1","trouble":"blocked"}"#,
                r#"{"op":"element","element":"slot1","fault":"blocked"}"#,
                r#""trouble" -> "fault""#,
            ),
            (
                r#"{"op":"door","door":"station","open":true}"#,
                r#"{"op":"door","door":"io_station","open":true}"#,
                r#""door": "station" -> "door": "io_station""#,
            ),
            (
                r#"{"op":"move","from":"port1","to":"port20"}"#,
                r#"{"op":"move","from":"io1","to":"io20"}"#,
                "port1, port20 -> io1, io20",
            ),
            (r#"{"op":"load","cartridge":"port1"}"#, r#"{"op":"load","cartridge":"io1"}"#, "port1 -> io1"),
            (
                r#"{"op":"import","cartridge":"A","to":"port1"}"#,
                r#"{"op":"import","cartridge":"A","to":"io1"}"#,
                "port1 -> io1",
            ),
            (r#"{"op":"export","from":"port1"}"#, r#"{"op":"export","from":"io1"}"#, "port1 -> io1"),
            (r#"{"op":"find","element":"port1"}"#, r#"{"op":"find","element":"io1"}"#, "port1 -> io1"),
            (
                r#"{"do":"element","element":"port1","trouble":"disabled"}"#,
                r#"{"op":"element","element":"io1","fault":"disabled"}"#,
                r#""do", "trouble", port1 -> "op", "fault", io1"#,
            ),
        ] {
            let (request, replaced) = parse(former.as_bytes()).unwrap();
            assert_eq!((request, Vec::new()), parse(current.as_bytes()).unwrap(), "{former}");
            let (former_words, current_words) = lists(&replaced);
            assert_eq!(format!("{former_words} -> {current_words}"), words, "{former}");
        }
    }

    #[test]
    fn a_former_field_and_its_replacement_are_refused() {
        for (request, expected) in [
            (
                r#"{"do":"status","op":"status"}"#,
                r#"the request has both "do" and "op", its current name; send only "op""#,
            ),
            (
                r#"{"op":"inject_fault","failure":"load","fault":"load"}"#,
                r#"the request has both "failure" and "fault", its current name; send only "fault""#,
            ),
            (
                r#"{"op":"element","element":"slot1","trouble":"blocked","fault":"blocked"}"#,
                r#"the request has both "trouble" and "fault", its current name; send only "fault""#,
            ),
        ] {
            assert_eq!(parse(request.as_bytes()).unwrap_err().message, expected);
        }
    }

    #[test]
    fn current_words_are_not_replaced() {
        for text in ["port", "portal1", "port1x", "PORT1", "io1", "slot1", "xport1"] {
            assert_eq!(current_element_name(text), None, "{text}");
        }
        // Only `element` had a field with this former name.
        let error = parse(br#"{"op":"unload","drive":"drive1","trouble":"blocked"}"#).unwrap_err().message;
        assert!(error.contains(r#""unload" has no field "trouble""#), "{error}");
    }
}
