//! From a request to its response.

use super::access::{Access, Client, Peer};
use super::answer::{Answer, REQUEST_ID, matches_etag};
use super::events::{self, Subscribers};
use super::idempotency::{Answers, Begin};
use super::problem::Problem;
use super::{console, lists, members, objects};
use crate::openapi;
use crate::routes::{self, Action, Method, Route, Shape};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::FromRequestParts;
use axum::extract::{Query, RawPathParams, Request};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, IF_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use metrics::TextFormat;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use vtl::audit::Actor;
use vtl::control::{ControlRequest, ControlResponse};
use vtl::{ControlError, Site};

/// Maximum length of the body of a request in bytes.
const MAX_BODY_LEN: usize = 1 << 20;
/// Maximum length of `If-Match`.
const MAX_TAGS_LEN: usize = 1000;
/// Maximum length of an `Idempotency-Key`.
const MAX_KEY_LEN: usize = 128;

/// The site that is served, and what its requests share.
pub(super) struct Service {
    site: Arc<Site>,
    access: Arc<Access>,
    /// Time for the body of a request to arrive.
    body_timeout: Duration,
    answers: Answers,
    /// A change with `If-Match` has this lock exclusively, so that no other request of the API changes the object between
    /// the comparison and the change.
    changes: RwLock<()>,
    /// Held while a long response is composed, so that its memory is needed once.
    composing: Arc<Mutex<()>>,
    subscribers: Subscribers,
    request_ids: RequestIds,
}

/// Makes the identifiers of requests: a random number for each start of a server, and the number of the request.
struct RequestIds {
    start: u64,
    last: AtomicU64,
}

impl RequestIds {
    fn new() -> io::Result<Self> {
        let mut start = [0; 8];
        vtl::entropy::fill(&mut start)?;
        Ok(Self { start: u64::from_be_bytes(start), last: AtomicU64::new(0) })
    }

    fn next(&self) -> String {
        format!("{:016x}-{}", self.start, self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A request whose members were read.
struct Call {
    route: &'static Route,
    members: Map<String, Value>,
    headers: HeaderMap,
    client: Client,
    peer: Peer,
    actor: Actor,
}

impl Service {
    pub(super) fn new(site: Arc<Site>, access: Access, body_timeout: Duration) -> io::Result<Self> {
        Ok(Self {
            site,
            access: Arc::new(access),
            body_timeout,
            answers: Answers::default(),
            changes: RwLock::default(),
            composing: Arc::default(),
            subscribers: Subscribers::default(),
            request_ids: RequestIds::new()?,
        })
    }

    /// The routes of the table and the console, and problem answers for every other path and method.
    pub(super) fn into_router(self) -> Router {
        let service = Arc::new(self);
        let mut paths: BTreeMap<&str, MethodRouter> = BTreeMap::new();
        for route in routes::all() {
            let service = Arc::clone(&service);
            let handler = move |request| respond(Arc::clone(&service), route, request);
            let methods = paths.remove(route.path).unwrap_or_default();
            paths.insert(route.path, methods.on(filter(route.method), handler));
        }
        let router = paths.into_iter().fold(console::router(), |router, (path, methods)| router.route(path, methods));
        router
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method)
            .layer(axum::middleware::map_response(with_security_headers))
    }

    /// Executes a request. A change is compared with `If-Match` first.
    fn execute(&self, call: &Call) -> Answer {
        let members = call.members.clone();
        let answer = if call.route.method == Method::Get {
            self.run(call, call.route, members)
        } else if call.headers.contains_key(IF_MATCH) {
            let _exclusive = self.changes.write().unwrap_or_else(PoisonError::into_inner);
            self.check_match(call).and_then(|()| self.run(call, call.route, members))
        } else {
            let _shared = self.changes.read().unwrap_or_else(PoisonError::into_inner);
            self.run(call, call.route, members)
        };
        let request_id = call.actor.request_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
        Answer { request_id, ..answer.unwrap_or_else(Problem::into_answer) }
    }

    /// Refuses a change of an object that has changed since the client read it.
    fn check_match(&self, call: &Call) -> Result<(), Problem> {
        let is_valid = |tags: &HeaderValue| !tags.is_empty() && tags.len() <= MAX_TAGS_LEN && tags.to_str().is_ok();
        if !call.headers.get_all(IF_MATCH).iter().all(is_valid) {
            return Err(malformed(format!(
                "If-Match is not a list of entity tags of at most {MAX_TAGS_LEN} characters"
            )));
        }
        let failed = |detail: &str| Err(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail));
        let read = routes::all().find(|read| read.method == Method::Get && Some(read.path) == call.route.object);
        let Some(read) = read else { return failed("this request changes no object with an ETag; omit If-Match") };
        let is_of_read = |name: &str| {
            read.path_members().any(|member| member == name) || read.query.iter().any(|member| member.name == name)
        };
        let members = call.members.iter().filter(|(name, _)| is_of_read(name));
        let members = members.map(|(name, value)| (name.clone(), value.clone())).collect();
        let etag = self.run(call, read, members)?.etag();
        if call.headers.get_all(IF_MATCH).iter().any(|tags| matches_etag(tags, &etag, false)) {
            return Ok(());
        }
        failed("the object has changed since the client read it; read it again")
    }

    /// Does the work of a route, which is that of the call, or the one that reads its object.
    fn run(&self, call: &Call, route: &Route, members: Map<String, Value>) -> Result<Answer, Problem> {
        match route.action {
            Action::Control(shape) => self.control(&call.actor, route, shape, members),
            Action::List(list) => lists::list(&self.site, list, &members),
            Action::Object(object) => objects::get(&self.site, object, &members),
            Action::Events => Err(ControlError::internal("events are no JSON document").into()),
            Action::Metrics => {
                let accept = call.headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
                let format = TextFormat::accepted(accept);
                Ok(Answer::ok(format.content_type(), metrics::render(self.site.metrics(), format)))
            }
            Action::OpenApi => Answer::json(&openapi::document()),
            Action::LogIn => self.log_in(call, &members),
            Action::Session => Answer::json(&session_status(&call.client)),
            Action::LogOut => {
                let (name, cookie) = self.access.log_out(&call.client, &call.headers)?;
                Ok(Answer { cookie: HeaderValue::from_str(&cookie).ok(), ..Answer::json(&json!({ "name": name }))? })
            }
        }
    }

    fn log_in(&self, call: &Call, members: &Map<String, Value>) -> Result<Answer, Problem> {
        let token = members.get("token").and_then(Value::as_str).unwrap_or_default();
        let (session, cookie) = self.access.log_in(token, &call.peer)?;
        let status = session_status(&Client::of_session(session));
        Ok(Answer { cookie: HeaderValue::from_str(&cookie).ok(), ..Answer::json(&status)? })
    }

    fn control(
        &self,
        actor: &Actor,
        route: &Route,
        shape: Shape,
        mut members: Map<String, Value>,
    ) -> Result<Answer, Problem> {
        for (member, group) in
            route.query.iter().chain(route.body).filter_map(|member| member.group.map(|group| (member, group)))
        {
            if let Some(value) = members.remove(member.name) {
                let group = members.entry(group).or_insert_with(|| Value::Object(Map::new()));
                group.as_object_mut().map(|group| group.insert(member.name.into(), value));
            }
        }
        members.insert("op".into(), route.op.into());
        let request = ControlRequest::from_json(&Value::Object(members))?;
        let is_long = matches!(request, ControlRequest::Status);
        let _composing = is_long.then(|| self.composing.lock().unwrap_or_else(PoisonError::into_inner));
        let response = self.site.control_as(actor, &request)?;
        match (shape, response) {
            (Shape::Whole, response) => Answer::json(&response),
            (Shape::Items, response) => Answer::json(&BTreeMap::from([("items", response)])),
            (Shape::Only, ControlResponse::Cartridges(items)) => Answer::json(&items.first()),
            (Shape::Only, ControlResponse::Pools(items)) => Answer::json(&items.first()),
            (Shape::Only, ControlResponse::Jobs(items)) => Answer::json(&items.first()),
            (Shape::Only, response) => Answer::json(&response),
        }
    }
}

/// The client of a request: its name, its role, and the CSRF token of its session, if it has one.
fn session_status(client: &Client) -> Value {
    let csrf = client.session.as_ref().map_or("", |session| session.csrf.as_str());
    json!({ "name": client.name, "role": client.role, "csrf": csrf })
}

const fn filter(method: Method) -> MethodFilter {
    match method {
        Method::Get => MethodFilter::GET,
        Method::Post => MethodFilter::POST,
        Method::Put => MethodFilter::PUT,
        Method::Patch => MethodFilter::PATCH,
        Method::Delete => MethodFilter::DELETE,
    }
}

/// Pages of this server load from it only, and run no inline script.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Adds the headers that keep browsers from using a response in another way than it is meant.
async fn with_security_headers(mut response: Response) -> Response {
    for (name, value) in [
        (CACHE_CONTROL, "no-cache, private"),
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn unknown_path(request: Request) -> Response {
    let path: String = request.uri().path().chars().take(members::MAX_TEXT).collect();
    let detail = format!("there is no {path}; /v1/openapi.json lists the paths");
    Problem::new(StatusCode::NOT_FOUND, "not_found", detail).into_answer().into_response()
}

async fn wrong_method(request: Request) -> Response {
    let detail = format!("{} is not a method of this path; the header Allow lists its methods", request.method());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).into_answer().into_response()
}

async fn respond(service: Arc<Service>, route: &'static Route, request: Request) -> Response {
    let id = service.request_ids.next();
    let mut response = execute_request(&service, route, request, &id)
        .await
        .unwrap_or_else(|problem| problem.into_answer().into_response());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
    response
}

async fn execute_request(
    service: &Arc<Service>,
    route: &'static Route,
    request: Request,
    id: &str,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().cloned();
    let peer = peer.ok_or_else(|| ControlError::internal("the peer of the connection is unknown"))?;
    let client = service.access.admit(route, &parts, &peer)?;
    if route.action == Action::Events {
        return subscribe(service, route, parts, peer);
    }
    let actor = client.actor(&peer, id);
    let call = Call { route, members: Map::new(), headers: parts.headers.clone(), client, peer, actor };
    let answer = answer(Arc::clone(service), call, &mut parts, body).await?;
    let is_read = route.method == Method::Get && answer.status == StatusCode::OK;
    Ok(if is_read { answer.into_read_response(&parts.headers) } else { answer.into_response() })
}

/// Begins a stream of events after the position in `Last-Event-ID`, or else in the query. It ends when the client may no
/// longer read them.
fn subscribe(service: &Service, route: &'static Route, parts: Parts, peer: Peer) -> Result<Response, Problem> {
    let members = members::of_target(route, [], query(&parts)?)?;
    let last = parts.headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let since = last.or_else(|| members.get("since")?.as_str()).map(events::position).transpose()?;
    let access = Arc::clone(&service.access);
    let is_admitted = move || access.admit(route, &parts, &peer).is_ok();
    service.subscribers.subscribe(Arc::clone(&service.site), since, Arc::clone(&service.composing), is_admitted)
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
}

/// The members of the query, in their order.
fn query(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let Query(query) = Query::try_from_uri(&parts.uri).map_err(|error| malformed(error.body_text()))?;
    Ok(query)
}

async fn answer(service: Arc<Service>, mut call: Call, parts: &mut Parts, body: Body) -> Result<Answer, Problem> {
    let route = call.route;
    let path = RawPathParams::from_request_parts(parts, &()).await.map_err(|error| malformed(error.body_text()))?;
    let path = path.iter().map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut members = members::of_target(route, path, query(parts)?)?;
    let body = read_body(&parts.headers, body, service.body_timeout).await?;
    if route.method != Method::Get {
        members::of_body(route, &parts.headers, &body, &mut members)?;
    }
    members::check_required(route, &members)?;
    let execution = match idempotency_key(route, &parts.headers)? {
        None => None,
        Some(key) => match service.answers.begin(key, fingerprint(&call.client, parts, &body))? {
            Begin::Repeat(answer) => return Ok(answer),
            Begin::Execute(execution) => Some(execution),
        },
    };
    call.members = members;
    // Runs to its end even if the client closes the connection.
    let executed = tokio::task::spawn_blocking(move || {
        let answer = service.execute(&call);
        if let Some(execution) = execution {
            execution.finish(&answer);
        }
        answer
    });
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error; the log has more");
    executed.await.map_err(failed)
}

/// Reads the body of a request within the limits of length and time.
async fn read_body(headers: &HeaderMap, body: Body, timeout: Duration) -> Result<Bytes, Problem> {
    let too_long = || {
        let detail = format!("the body is longer than {MAX_BODY_LEN} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", detail)
    };
    let declared = headers.get(CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|len| len > MAX_BODY_LEN) {
        return Err(too_long());
    }
    match tokio::time::timeout(timeout, Limited::new(body, MAX_BODY_LEN).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(error)) => Err(Problem::new(StatusCode::BAD_REQUEST, "malformed", format!("the body: {error}"))),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", timeout.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail))
        }
    }
}

/// The `Idempotency-Key` of a POST request.
fn idempotency_key<'a>(route: &Route, headers: &'a HeaderMap) -> Result<Option<&'a str>, Problem> {
    let Some(key) = headers.get("idempotency-key").filter(|_| route.has_idempotency_key()) else { return Ok(None) };
    let is_valid =
        |key: &&str| (1..=MAX_KEY_LEN).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let detail =
        || format!("the Idempotency-Key has {} bytes; expected 1 to {MAX_KEY_LEN} visible ASCII characters", key.len());
    match key.to_str().ok().filter(is_valid) {
        Some(key) => Ok(Some(key)),
        None => Err(Problem::new(StatusCode::BAD_REQUEST, "malformed", detail())),
    }
}

/// Identifies a request: its client, its target and its body.
fn fingerprint(client: &Client, parts: &Parts, body: &Bytes) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(&client.name);
    hash.update([0]);
    hash.update(parts.uri.to_string());
    hash.update([0]);
    hash.update(body);
    hash.finalize().into()
}
