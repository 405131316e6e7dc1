//! The console: a page for browsers, whose files are in the program. The directory `console` has its sources.

use super::answer::Answer;
use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;

/// Everything comes from this server; there is no script or style in the page itself.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
/// For a URL whose query is the digest of the file: a file with this digest never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The path, the media type and the content of each file.
const FILES: [(&str, &str, &[u8]); 4] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../../../../console/dist/index.html")),
    ("/console.js", "text/javascript; charset=utf-8", include_bytes!("../../../../console/dist/console.js")),
    ("/style.css", "text/css; charset=utf-8", include_bytes!("../../../../console/dist/style.css")),
    ("/icon.svg", "image/svg+xml", include_bytes!("../../../../console/dist/icon.svg")),
];

/// The routes of the files. They need no login: the page has a field for the token.
pub(super) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, (path, content_type, content)| {
        let file = Answer::ok(content_type, Bytes::from_static(content));
        let etag: Arc<str> = file.etag().into();
        router.route(path, get(async move |request: Request| respond(file, &etag, &request)))
    })
}

fn respond(file: Answer, etag: &str, request: &Request) -> Response {
    let is_named_by_digest = request.uri().query().is_some_and(|query| etag.trim_matches('"') == query);
    let caching = if is_named_by_digest { IMMUTABLE } else { "no-cache" };
    let mut response = file.into_tagged_response(etag, request.headers());
    for (name, value) in [(CACHE_CONTROL, caching), (CONTENT_SECURITY_POLICY, POLICY)] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
