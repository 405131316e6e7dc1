//! Access to a request: its host name, its origin, its token or certificate, and the role that the route needs.

use super::problem::Problem;
use super::sessions::{self, Session, Sessions};
use crate::routes::Route;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use vtl::audit::{Actor, ActorKind};
use vtl::config::HttpSetup;
use vtl::throttle::Throttle;
use vtl::tokens::{Role, TokenStatus};
use vtl::{ControlError, Site};

/// Refused tokens of one address in one period; after them, the answer is 429.
const MAX_FAILURES: u32 = 10;
/// Length of the period in microseconds.
const FAILURE_PERIOD_US: u64 = 60_000_000;
/// Addresses whose refused tokens are counted.
const MAX_ADDRESSES: usize = 1024;

/// The other side of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// SHA-256 of its certificate, which is of `http.client_ca`.
    pub(super) certificate: Option<Arc<str>>,
}

/// A client that may make a request.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) kind: ActorKind,
    /// Name of the token, or SHA-256 of the certificate; empty for a client with neither.
    pub(super) name: String,
    pub(super) role: Role,
    /// The session of the cookie, if the client has no other credentials.
    pub(super) session: Option<Session>,
}

impl Client {
    fn new(kind: ActorKind, name: impl Into<String>, role: Role) -> Self {
        Self { kind, name: name.into(), role, session: None }
    }

    fn of_token(token: TokenStatus) -> Self {
        Self::new(ActorKind::Token, token.name, token.role)
    }

    /// The client that has logged in with a token.
    pub(super) fn of_session(session: Session) -> Self {
        Self { session: Some(session.clone()), ..Self::of_token(session.token) }
    }

    /// The client in audit records, with its address and the identifier of its request.
    pub(super) fn actor(&self, peer: &Peer, request_id: &str) -> Actor {
        let actor = Actor::new(self.kind, self.name.clone()).with_origin(peer.address.to_string());
        Actor { request_id: Some(request_id.into()), ..actor }
    }
}

/// Refused tokens of one address.
struct Failures {
    count: u32,
    /// Begin of the period in microseconds of the monotonic clock.
    since: u64,
}

/// The rules of access.
pub(super) struct Access {
    site: Arc<Site>,
    /// True if every request is allowed without a token.
    is_open: bool,
    pub(super) has_tls: bool,
    /// Host names, besides addresses and `localhost`, that a request without TLS may name.
    hosts: Vec<String>,
    certificate_role: Role,
    sessions: Sessions,
    failures: Mutex<BTreeMap<IpAddr, Failures>>,
    logged: Mutex<Throttle>,
}

impl Access {
    /// The rules of a setup, for a server that listens on this address.
    pub(super) fn new(site: Arc<Site>, setup: &HttpSetup, address: IpAddr) -> Self {
        Self {
            site,
            is_open: address.is_loopback() && !setup.loopback_tokens,
            has_tls: setup.tls.is_some(),
            hosts: setup.hosts.clone(),
            certificate_role: setup.tls.as_ref().map_or(Role::Read, |tls| tls.client_role),
            sessions: Sessions::default(),
            failures: Mutex::default(),
            logged: Mutex::default(),
        }
    }

    /// Returns the client of a request that may use the route.
    pub(super) fn admit(&self, route: &Route, parts: &Parts, peer: &Peer) -> Result<Client, Problem> {
        self.check_host(&parts.headers)?;
        self.check_origin(&parts.method, &parts.headers)?;
        let Some(needed) = route.role else { return Ok(Client::new(ActorKind::HttpClient, "", Role::Read)) };
        let client = self.authenticate(&parts.headers, peer)?;
        check_csrf(&client, parts)?;
        if client.role >= needed {
            return Ok(client);
        }
        let Client { name, role, .. } = client;
        let detail = format!("{name} has the role {role}, and this request needs the role {needed}");
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }

    /// Begins a session of a token. Returns it, and the value of `Set-Cookie`.
    pub(super) fn log_in(&self, token: &str, peer: &Peer) -> Result<(Session, String), Problem> {
        let token = self.site.authenticate(token).ok_or_else(|| self.refuse_token(peer.address.ip()))?;
        let now = self.site.clock().monotonic().0;
        let (id, session) =
            self.sessions.begin(token, now).map_err(|error| ControlError::internal(error.to_string()))?;
        tracing::info!(token = %session.token.name, peer = %peer.address, "login over HTTP");
        Ok((session, sessions::set_cookie(Some(&id), self.has_tls)))
    }

    /// Ends the session of a request. Returns its token, and the value of `Set-Cookie`.
    pub(super) fn log_out(&self, client: &Client, headers: &HeaderMap) -> Result<(String, String), Problem> {
        let (Some(session), Some(id)) = (&client.session, sessions::id(headers)) else {
            return Err(ControlError::not_found("the request has no session").into());
        };
        self.sessions.end(id);
        tracing::info!(token = %session.token.name, "logout over HTTP");
        Ok((session.token.name.clone(), sessions::set_cookie(None, self.has_tls)))
    }

    /// The session of a cookie. It ends with its token.
    fn session(&self, headers: &HeaderMap) -> Option<Client> {
        let session = self.sessions.find(sessions::id(headers)?, self.site.clock().monotonic().0)?;
        let is_known = self.site.tokens().contains(&session.token);
        is_known.then(|| Client::of_session(session))
    }

    /// Refuses the name of another host: a page of that host, whose name resolves to this address, must not use the API
    /// (DNS rebinding). With TLS, the certificate prevents it.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(Ok(host)), None) = (hosts.next().map(|host| host.to_str()), hosts.next()) else {
            let detail = "the request has no header Host, or more than one";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "malformed", detail));
        };
        let name = host_name(host);
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let is_known = |known: &String| known.eq_ignore_ascii_case(name);
        if self.has_tls || is_address || name.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(is_known) {
            return Ok(());
        }
        let name: String = name.chars().take(super::MAX_TEXT).collect();
        let detail = format!("{name:?} is not a name of this server; add it to http.hosts, or use an address");
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected_request", detail))
    }

    /// Refuses changes that a page of another origin requests (cross-site request forgery).
    fn check_origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        if method.is_safe() {
            return Ok(());
        }
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let scheme = if self.has_tls { "https" } else { "http" };
        let own = format!("{scheme}://{}", text(HOST).unwrap_or_default());
        let is_own = text(ORIGIN).is_none_or(|origin| origin.eq_ignore_ascii_case(&own));
        let site = headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or_default());
        if is_own && site.is_none_or(|site| site == "same-origin" || site == "none") {
            return Ok(());
        }
        let detail = "a page of another origin must not change anything here";
        Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", detail))
    }

    fn authenticate(&self, headers: &HeaderMap, peer: &Peer) -> Result<Client, Problem> {
        let Some(authorization) = headers.get(AUTHORIZATION) else {
            return match (self.session(headers), &peer.certificate) {
                (Some(client), _) => Ok(client),
                (None, Some(digest)) => {
                    Ok(Client::new(ActorKind::Certificate, digest.to_string(), self.certificate_role))
                }
                (None, None) if self.is_open => Ok(Client::new(ActorKind::HttpClient, "", Role::Admin)),
                (None, None) if sessions::id(headers).is_some() => {
                    Err(unauthorized("the session has ended; log in again"))
                }
                (None, None) => Err(unauthorized("send a token: Authorization: Bearer TOKEN (ferric token create)")),
            };
        };
        let token = authorization.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        match token.and_then(|token| self.site.authenticate(token)) {
            Some(token) => Ok(Client::of_token(token)),
            None => Err(self.refuse_token(peer.address.ip())),
        }
    }

    /// Counts a refused token. A valid one is accepted at any time, so that no client locks out another one.
    fn refuse_token(&self, address: IpAddr) -> Problem {
        let now = self.site.clock().monotonic().0;
        let is_over = {
            let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
            failures.retain(|_, failures| now.saturating_sub(failures.since) < FAILURE_PERIOD_US);
            if failures.len() >= MAX_ADDRESSES && !failures.contains_key(&address) {
                true
            } else {
                let failures = failures.entry(address).or_insert(Failures { count: 0, since: now });
                failures.count = failures.count.saturating_add(1);
                failures.count > MAX_FAILURES
            }
        };
        if let Some(suppressed) = self.logged.lock().unwrap_or_else(PoisonError::into_inner).admit(now) {
            tracing::warn!(peer = %address, suppressed, "HTTP request with an unknown token refused");
        }
        if is_over {
            let detail = format!("more than {MAX_FAILURES} unknown tokens in a minute");
            return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        }
        unauthorized("the token is unknown; it was removed, or is of another site")
    }
}

/// Refuses a change that has the cookie of a session, and not its CSRF token.
fn check_csrf(client: &Client, parts: &Parts) -> Result<(), Problem> {
    let Some(session) = client.session.as_ref().filter(|_| !parts.method.is_safe()) else { return Ok(()) };
    let sent = parts.headers.get("x-csrf-token").map(|value| value.as_bytes());
    if sent == Some(session.csrf.as_bytes()) {
        return Ok(());
    }
    let detail = "send the header X-CSRF-Token with the value of csrf in the response to GET /v1/session";
    Err(Problem::new(StatusCode::FORBIDDEN, "csrf_token", detail))
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

/// The host of a Host header, without its port.
fn host_name(host: &str) -> &str {
    let end = if host.starts_with('[') { host.find(']').map(|end| end + 1) } else { host.rfind(':') };
    end.and_then(|end| host.get(..end)).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_not_part_of_the_name() {
        for (host, name) in [
            ("localhost:80", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:8080", "127.0.0.1"),
        ] {
            assert_eq!(host_name(host), name);
        }
    }
}
