//! `docs/control.md` shows every request, error code and event as it is: its examples are replayed and read.

use super::*;
use crate::events::EventRecord;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../../docs/control.md");

/// The code blocks of a language in the section of the protocol.
fn blocks(language: &str) -> Vec<&'static str> {
    let section = PAGE.split("## The control protocol").nth(1).unwrap();
    let start = format!("```{language}\n");
    section.split(start.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Whether a value is as documented; `"…"` stands for any value.
fn is_as_documented(documented: &Value, value: &Value) -> bool {
    match (documented, value) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(documented), Value::Object(value)) => {
            documented.keys().eq(value.keys())
                && documented.iter().all(|(name, documented)| is_as_documented(documented, &value[name]))
        }
        (documented, value) => documented == value,
    }
}

/// The words that the parser lists for an unknown one: all operations, or all events.
fn known_words<T: serde::de::DeserializeOwned>(tag: &str) -> BTreeSet<String> {
    let error = serde_json::from_value::<T>(json!({ tag: "?" })).map(drop).unwrap_err().to_string();
    let list = error.split_once("expected one of ").unwrap().1;
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn requests_are_answered_as_documented() {
    let config = parse("docs/control.md", blocks("toml")[0]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let site = Site::open(directory.path(), &config).unwrap();
    let (mut operations, mut codes, mut request) = (BTreeSet::new(), BTreeSet::new(), "");
    for line in blocks("text").into_iter().flat_map(str::lines) {
        if let Some(text) = line.strip_prefix("> ") {
            request = text;
            operations.insert(serde_json::from_str::<Value>(text).unwrap()["op"].as_str().unwrap().to_owned());
            continue;
        }
        let documented: Value = serde_json::from_str(line.strip_prefix("< ").unwrap()).unwrap();
        let response = match send_request(&site, request) {
            Ok(response) => json!({ "ok": response }),
            Err(error) => serde_json::to_value(error).unwrap(),
        };
        assert!(
            is_as_documented(&documented, &response),
            "{request}\nis documented: {documented}\nanswered: {response}"
        );
        codes.extend(response.get("code").and_then(Value::as_str).map(str::to_owned));
    }
    assert_eq!(operations, known_words::<ControlRequest>("op"));
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["conflict", "invalid", "locked", "not_found", "unavailable"]);
    for word in operations.iter().map(String::as_str).chain(["busy", "internal"]) {
        assert!(PAGE.contains(&format!("`{word}`")), "{word} is in no table");
    }
    for change in known_words::<ReloadChange>("change") {
        assert!(PAGE.contains(&format!("| `{change}` |")), "{change} is in no table");
    }
}

#[test]
fn events_are_as_documented() {
    let mut documented = BTreeSet::new();
    for line in blocks("jsonl").into_iter().flat_map(str::lines) {
        let record: EventRecord = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(serde_json::to_string(&record).unwrap(), line);
        documented.insert(serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(documented, known_words::<crate::events::Event>("event"));
    for event in documented {
        assert!(PAGE.contains(&format!("`{event}`")), "{event} is in no table");
    }
}
