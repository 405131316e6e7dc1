//! Reads the members of a request from its path, its query and its body.

use super::problem::Problem;
use crate::routes::{Kind, Member, Route};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

/// Most characters of a text.
pub(crate) const MAX_TEXT: usize = 255;

/// The members in the path and the query, which are texts, by their types.
pub(super) fn of_target(
    route: &Route,
    path: impl IntoIterator<Item = (String, String)>,
    query: Vec<(String, String)>,
) -> Result<Map<String, Value>, Problem> {
    let mut members = Map::new();
    for (name, text) in path {
        let member = route.path_members().find(|known| *known == name).map(crate::routes::in_path);
        members.insert(name, convert(member.as_ref(), &text)?);
    }
    for (name, text) in query {
        let Some(member) = route.query.iter().find(|member| member.name == name) else {
            return Err(unknown_member(&name, "query", route.query));
        };
        if members.insert(name, convert(Some(member), &text)?).is_some() {
            return Err(Problem::invalid(member.name, format!("{:?} is given twice", member.name)));
        }
    }
    Ok(members)
}

/// Adds the members of the body, which is a JSON object.
pub(super) fn of_body(
    route: &Route,
    headers: &HeaderMap,
    body: &[u8],
    members: &mut Map<String, Value>,
) -> Result<(), Problem> {
    if body.is_empty() && route.body.iter().all(|member| !member.required) {
        return Ok(());
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        let detail = format!("the body has the type {content_type:?}; expected application/json");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
    }
    let malformed = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "malformed", detail);
    let value = serde_json::from_slice(body).map_err(|error| malformed(format!("the body is not JSON: {error}")))?;
    let Value::Object(object) = value else { return Err(malformed("the body is not a JSON object".into())) };
    for (name, value) in object {
        let Some(member) = route.body.iter().find(|member| member.name == name) else {
            return Err(unknown_member(&name, "body", route.body));
        };
        check(member, &value)?;
        members.insert(name, value);
    }
    Ok(())
}

/// Refuses a request without a member that it needs.
pub(super) fn check_required(route: &Route, members: &Map<String, Value>) -> Result<(), Problem> {
    let mut required = route.query.iter().chain(route.body).filter(|member| member.required);
    match required.find(|member| !members.contains_key(member.name)) {
        Some(member) => Err(Problem::invalid(member.name, format!("{:?} is required", member.name))),
        None => Ok(()),
    }
}

fn unknown_member(name: &str, place: &str, known: &[Member]) -> Problem {
    let names: Vec<&str> = known.iter().map(|member| member.name).collect();
    let expected = if names.is_empty() { "no member".to_owned() } else { names.join(", ") };
    let name: String = name.chars().take(MAX_TEXT).collect();
    Problem::invalid(&name, format!("{name:?} is not a member of the {place} of this request; expected {expected}"))
}

/// The value of a text in the path or the query.
fn convert(member: Option<&Member>, text: &str) -> Result<Value, Problem> {
    let Some(member) = member else { return Ok(text.into()) };
    let value = match member.kind {
        // A sign or leading zeros are not accepted.
        Kind::Number(..) => text.parse::<u64>().ok().filter(|number| number.to_string() == text).map(Value::from),
        Kind::Flag => text.parse::<bool>().ok().map(Value::from),
        Kind::Text | Kind::LongText(_) | Kind::Texts(_) | Kind::Words(_) | Kind::WordsOrNull(_) => Some(text.into()),
    };
    let value = value.unwrap_or_else(|| text.into());
    check(member, &value)?;
    Ok(value)
}

/// Refuses a value that is not of the type of its member.
fn check(member: &Member, value: &Value) -> Result<(), Problem> {
    let in_words = |words: &[&str]| value.as_str().is_some_and(|text| words.contains(&text));
    let is_within = |value: &Value, most| value.as_str().is_some_and(|text| text.chars().count() <= most);
    let is_text = |value: &Value| is_within(value, MAX_TEXT);
    let (is_valid, expected) = match member.kind {
        Kind::Text => (is_text(value), format!("expected a text of at most {MAX_TEXT} characters")),
        Kind::LongText(most) => (is_within(value, most), format!("expected a text of at most {most} characters")),
        Kind::Texts(most) => (
            value.as_array().is_some_and(|list| (1..=most).contains(&list.len()) && list.iter().all(is_text)),
            format!("expected a list of 1 to {most} texts of at most {MAX_TEXT} characters"),
        ),
        Kind::Number(least, most) => (
            value.as_u64().is_some_and(|number| (least..=most).contains(&number)),
            format!("expected a number from {least} to {most}"),
        ),
        Kind::Flag => (value.is_boolean(), "expected true or false".into()),
        Kind::Words(words) => (in_words(words), format!("expected {}", words.join(" or "))),
        Kind::WordsOrNull(words) => {
            (value.is_null() || in_words(words), format!("expected {} or null", words.join(" or ")))
        }
    };
    if is_valid {
        return Ok(());
    }
    let mut shown = value.to_string();
    if shown.len() > MAX_TEXT {
        shown = "the value".into();
    }
    Err(Problem::invalid(member.name, format!("{:?}: {shown} is not accepted; {expected}", member.name)))
}
