//! Answers of the API, before they become HTTP responses.

use super::problem::Problem;
use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use vtl::scsi_core::hex::Hex;

/// Header with the identifier of a request, as in its audit record.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A complete answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    /// True if the same request can succeed after a short time.
    pub(crate) is_busy: bool,
    /// Identifier of the request that was executed, as in its audit record; `None` if none was.
    pub(crate) request_id: Option<HeaderValue>,
    /// Value of `Set-Cookie`, after a login or logout.
    pub(crate) cookie: Option<HeaderValue>,
}

impl Answer {
    /// An answer with the status 200 and a document of a type.
    pub(crate) fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: body.into(), is_busy: false, request_id: None, cookie: None }
    }

    /// An answer with the status 200 and a JSON document.
    pub(crate) fn json(value: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(value)
            .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
        Ok(Self::ok("application/json", body))
    }

    /// The entity tag of the document: it changes with every change of the document.
    pub(crate) fn etag(&self) -> String {
        let mut digest = Hex(&Sha256::digest(&self.body)).to_string();
        digest.truncate(16);
        format!("\"{digest}\"")
    }

    /// The response to a GET: with an entity tag, and without a body if the client has it already.
    pub(crate) fn into_read_response(self, request: &HeaderMap) -> Response {
        let etag = self.etag();
        self.into_tagged_response(&etag, request)
    }

    /// Does the same as [`Self::into_read_response`], with the entity tag of the answer.
    pub(crate) fn into_tagged_response(self, etag: &str, request: &HeaderMap) -> Response {
        let is_known = request.get_all(IF_NONE_MATCH).iter().any(|tags| matches_etag(tags, etag, true));
        let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { self.into_response() };
        if let Ok(etag) = HeaderValue::from_str(etag) {
            response.headers_mut().insert(ETAG, etag);
        }
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(CONTENT_TYPE, self.content_type)], self.body).into_response();
        if let Some(id) = self.request_id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        if let Some(cookie) = self.cookie {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.is_busy {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Whether a list of entity tags has this one (RFC 9110 §8.8.3.2). A weak tag matches only if `weak` is true.
pub(crate) fn matches_etag(tags: &HeaderValue, etag: &str, weak: bool) -> bool {
    tags.to_str().unwrap_or_default().split(',').map(str::trim).any(|tag| {
        let tag = if weak { tag.strip_prefix("W/").unwrap_or(tag) } else { tag };
        tag == "*" || tag == etag
    })
}
