//! Tokens, roles, host names, origins and TLS.

use super::{SITE, Served, serve};
use serde_json::json;
use vtl::tokens::Role;
use vtl::{OpenSite, Site};

/// A site whose server needs tokens.
pub(super) fn serve_closed() -> Served {
    let data = tempfile::tempdir().unwrap();
    let mut config = vtl::config::parse("f", SITE).unwrap();
    config.http = config.http.with_listen("127.0.0.1:0").with_loopback_tokens();
    let site: OpenSite = Site::open(data.path(), &config).unwrap();
    let server = super::HttpServer::open(&site, &config.http).unwrap().unwrap();
    Served { server, site, _data: data }
}

#[test]
fn roles_allow_what_they_are_for() {
    let served = serve_closed();
    let token = |name: &str, role| format!("Bearer {}", served.site.create_token(name, role).unwrap().token);
    let (read, operate, admin) = (token("r", Role::Read), token("o", Role::Operate), token("a", Role::Admin));
    let send = |authorization: &str, method: &str, target: &str, body: &str| {
        let body = (!body.is_empty()).then_some(body);
        served.client().send(method, target, &[("Authorization", authorization)], body)
    };
    let create = ("POST", "/v1/tokens", r#"{"name":"x","role":"read"}"#);
    for (method, target, body, expected) in [
        ("GET", "/v1/status", "", [200, 200, 200]),
        ("PATCH", "/v1/robot", r#"{"online":true}"#, [403, 200, 200]),
        ("DELETE", "/v1/cartridges/A1L8", "", [403, 403, 409]),
        (create.0, create.1, create.2, [403, 403, 200]),
    ] {
        let found = [&read, &operate, &admin].map(|token| send(token, method, target, body).status);
        assert_eq!(found, expected, "{method} {target}");
    }
    let (_, _, detail) = send(&read, "PATCH", "/v1/robot", r#"{"online":true}"#).problem();
    assert_eq!(detail, "r has the role read, and this request needs the role operate");
    let response = served.get("/v1/status");
    assert_eq!((response.problem().0, response.header("www-authenticate")), (401, Some("Bearer")));
    // A token of another site, and one that was removed.
    let other = serve_closed().site.create_token("r", Role::Admin).unwrap().token;
    assert_eq!(send(&format!("Bearer {other}"), "GET", "/v1/status", "").problem().0, 401);
    served.site.remove_token("r").unwrap();
    assert_eq!(send(&read, "GET", "/v1/status", "").problem().0, 401);
    assert_eq!(send("Basic cjpy", "GET", "/v1/status", "").problem().0, 401);
    // Many unknown tokens do not lock out a known one.
    let statuses: Vec<u16> = (0..20).map(|_| send("Bearer x", "GET", "/v1/status", "").status).collect();
    assert_eq!((statuses[0], statuses[19]), (401, 429));
    assert_eq!(send(&operate, "GET", "/v1/status", "").status, 200);
}

#[test]
fn every_route_needs_a_token_except_the_login() {
    let served = serve_closed();
    for route in crate::routes::all() {
        let status = served.client().send(route.method.name(), route.path, &[], None).status;
        let expected = if (route.path, route.method.name()) == ("/v1/session", "POST") { 415 } else { 401 };
        assert_eq!(status, expected, "{} {}", route.method.name(), route.path);
    }
}

#[test]
fn a_session_stands_for_its_token() {
    let served = serve_closed();
    let token = served.site.create_token("console", Role::Operate).unwrap().token;
    let login = served.send("POST", "/v1/session", &format!(r#"{{"token":"{token}"}}"#));
    let csrf = login.json()["csrf"].as_str().unwrap().to_owned();
    let status = json!({"name": "console", "role": "operate", "csrf": csrf});
    assert_eq!((login.status, login.json(), csrf.len()), (200, status.clone(), 64));
    let cookie = login.header("set-cookie").unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict");
    assert!(pair.starts_with("ferric_session=") && pair.len() == 79 && !pair.contains(&csrf) && !pair.contains(&token));
    let send = |method: &str, target: &str, csrf: Option<&str>, body: Option<&str>| {
        let mut headers = vec![("Cookie", pair)];
        headers.extend(csrf.map(|csrf| ("X-CSRF-Token", csrf)));
        served.client().send(method, target, &headers, body)
    };
    assert_eq!(send("GET", "/v1/session", None, None).json(), status);
    let offline = Some(r#"{"online":false}"#);
    for refused in [None, Some(""), Some(&csrf[1..]), Some(&pair[15..])] {
        let (status, code, _) = send("PATCH", "/v1/robot", refused, offline).problem();
        assert_eq!((status, code.as_str()), (403, "csrf_token"), "{refused:?}");
    }
    assert_eq!(served.get("/v1/session").problem().0, 401);
    assert_eq!(send("PATCH", "/v1/robot", Some(&csrf), offline).status, 200);
    assert_eq!(send("DELETE", "/v1/cartridges/A1L8", Some(&csrf), None).problem().1, "forbidden");
    let records = send("GET", "/v1/audit?object=main", None, None).json();
    assert_eq!(records["items"][0]["actor"]["kind"], "token");
    assert_eq!((&records["items"][0]["actor"]["name"], &records["items"][1]), (&json!("console"), &json!(null)));
    // It ends with a logout, and with its token.
    let logout = send("DELETE", "/v1/session", Some(&csrf), None);
    assert_eq!((logout.status, logout.json()), (200, json!({"name": "console"})));
    let cookie = "ferric_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict";
    assert_eq!(logout.header("set-cookie"), Some(cookie));
    assert_eq!(send("GET", "/v1/session", None, None).problem().2, "the session has ended; log in again");
    let login = served.send("POST", "/v1/session", &format!(r#"{{"token":"{token}"}}"#));
    let pair = login.header("set-cookie").unwrap().split(';').next().unwrap();
    let get = || served.client().send("GET", "/v1/session", &[("Cookie", pair)], None).status;
    assert_eq!(get(), 200);
    served.site.remove_token("console").unwrap();
    served.site.create_token("console", Role::Admin).unwrap();
    assert_eq!(get(), 401);
}

#[test]
fn refused_logins_are_limited() {
    let served = serve_closed();
    let login = || served.send("POST", "/v1/session", r#"{"token":"ferric_00"}"#);
    let statuses: Vec<u16> = (0..12).map(|_| login().status).collect();
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 2]].concat());
    assert_eq!(login().header("retry-after"), Some("1"));
    assert_eq!(served.send("POST", "/v1/session", "{}").problem().0, 422);
    let origin = &[("Origin", "http://evil.example")];
    assert_eq!(served.client().send("POST", "/v1/session", origin, Some("{}")).problem().1, "cross_site");
}

#[test]
fn a_loopback_client_without_a_token_is_an_administrator() {
    let served = serve(SITE);
    assert_eq!(served.get("/v1/session").json(), json!({"name": "", "role": "admin", "csrf": ""}));
    assert_eq!(served.client().send("GET", "/v1/session", &[("Authorization", "Bearer x")], None).problem().0, 401);
    assert_eq!(served.client().send("GET", "/v1/session", &[("Cookie", "ferric_session=x")], None).status, 200);
    assert_eq!(served.send("DELETE", "/v1/session", "").problem().0, 404);
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let served = serve(SITE);
    let address = served.server.address();
    let send = |host: &str, headers: &str| {
        let mut client = served.client();
        let body = r#"{"online":false}"#;
        let head = format!("PATCH /v1/robot HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Type: application/json\r\n");
        client.write(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        client.read_response().status
    };
    let own = format!("Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n");
    for (host, headers, expected) in [
        ("evil.example", "", 421),
        ("evil.example:8080", "Origin: http://evil.example:8080\r\n", 421),
        ("localhost:1", "Origin: http://evil.example\r\n", 403),
        ("localhost:1", "Origin: null\r\n", 403),
        ("localhost:1", "Sec-Fetch-Site: cross-site\r\n", 403),
        ("localhost:1", "Sec-Fetch-Site: same-site\r\n", 403),
        ("localhost:1\r\nHost: localhost:1", "", 400),
        ("localhost:1", "Origin: http://localhost:1\r\n", 200),
        ("[::1]:1", "", 200),
        (&*address.to_string(), own.as_str(), 200),
    ] {
        assert_eq!(send(host, headers), expected, "{host} {headers}");
    }
    let response = served.get("/v1/robot");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("cache-control", "no-cache, private"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
    assert_eq!(response.header("access-control-allow-origin"), None);
}
