//! Errors as problem details (RFC 9457).

use super::answer::Answer;
use axum::http::StatusCode;
use serde_json::{Value, json};
use vtl::{ControlError, ErrorCode};

/// An error of a request, with the status of its response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    /// Kind of the error, for programs: that of the control request, or a word for the status.
    code: Value,
    detail: String,
    /// The objects that the error concerns.
    fields: Value,
}

impl Problem {
    /// A problem of the HTTP request itself.
    pub(crate) fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), fields: Value::Null }
    }

    /// A member of the request that has an invalid value, or that does not exist.
    pub(crate) fn invalid(member: &str, detail: impl Into<String>) -> Self {
        ControlError::invalid(detail).with_member(member).into()
    }

    /// The problem as an answer of the type `application/problem+json`.
    pub(crate) fn into_answer(self) -> Answer {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let mut document = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(), "detail": self.detail, "code": self.code,
        });
        let is_busy = self.code == "busy" || self.code == "too_many_requests";
        if let (Value::Object(document), false) = (&mut document, self.fields.is_null()) {
            document.insert("fields".into(), self.fields);
        }
        let body = document.to_string().into_bytes().into();
        Answer {
            status: self.status,
            content_type: "application/problem+json",
            body,
            is_busy,
            request_id: None,
            cookie: None,
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let status = match error.code {
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::Conflict => StatusCode::CONFLICT,
            ErrorCode::Locked => StatusCode::LOCKED,
            ErrorCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorCode::Busy | ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut json = serde_json::to_value(&error).unwrap_or_default();
        let mut take = |member: &str| json.get_mut(member).map(Value::take).unwrap_or_default();
        Self { status, code: take("code"), detail: error.message.clone(), fields: take("fields") }
    }
}
