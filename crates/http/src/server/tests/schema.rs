//! Checks a JSON value against the schemas of the OpenAPI document.

use crate::openapi;
use serde_json::Value;

/// The document that clients get.
pub(super) fn document() -> Value {
    serde_json::to_value(openapi::document()).unwrap()
}

/// Reason why a value does not conform to a schema.
pub(super) fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let failed = |reason: &str| Err(format!("{value}: {reason}: {schema}"));
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#')).ok_or_else(|| format!("no {reference}"))?;
        return check(document, named, value);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return match choices.iter().filter(|choice| check(document, choice, value).is_ok()).count() {
            1 => Ok(()),
            _ => failed("not exactly one"),
        };
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return failed("not a known word");
    }
    if schema["type"].is_null() {
        return Ok(());
    }
    let is_of_type = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => return failed("unknown type"),
    };
    if !is_of_type {
        return failed("wrong type");
    }
    for item in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], item)?;
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return failed(&format!("no {name}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(property), _) => check(document, property, member)?,
            (None, Value::Bool(false)) => return failed(&format!("unknown member {name}")),
            (None, additional @ Value::Object(_)) => check(document, additional, member)?,
            (None, _) => {}
        }
    }
    Ok(())
}

#[test]
fn the_check_finds_faults() {
    let document = document();
    let schema = serde_json::json!({ "$ref": "#/components/schemas/DoorStatus" });
    let check = |text: &str| check(&document, &schema, &serde_json::from_str(text).unwrap()).is_ok();
    assert!(check(r#"{"door":"access","library":"main","open":true}"#));
    assert!(!check(r#"{"door":"station","library":"main","open":true}"#));
    assert!(!check(r#"{"door":"access","library":"main"}"#));
    assert!(!check(r#"{"door":"access","library":"main","open":1}"#));
    assert!(!check(r#"{"door":"access","library":"main","open":true,"more":1}"#));
}

/// `cargo run -p vtl-http --example openapi > docs/openapi.json` writes the file.
#[test]
fn the_committed_document_is_that_of_the_routes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let committed: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(committed == document(), "docs/openapi.json is not up to date");
}
