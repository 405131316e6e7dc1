//! Webhooks against an HTTP server: signature, retries, order, reload, floods and TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Response, open, serve, server, virtual_clock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sha2::{Digest, Sha256};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use vtl::ErrorCode;
use vtl::clock::Clock;
use vtl::config::parse;
use vtl::control::{ControlRequest, Door, ReloadChange};
use vtl_notify::NotifyPlan;

/// HMAC-SHA256 of RFC 2104, from the hash function alone; keys up to one block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(block, key)| *block ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn hmac_of_the_test_is_right() {
    // RFC 4231, test case 2.
    let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let hex: String = hmac(b"Jefe", b"what do ya want for nothing?").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

#[test]
fn events_are_signed_and_in_order() {
    for (secret, key) in [
        ("0123456789abcdef", b"0123456789abcdef".to_vec()),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()),
    ] {
        let server = server(&[]);
        let url = format!("http://{}/hook?a=b", server.address);
        let text = format!(
            "[[notify]]\nname = \"ops\"\nurl = \"{url}\"\nsecret = \"{secret}\"\nevents = [\"started\", \"door\"]\n"
        );
        let fixture = open(&text, virtual_clock().clock());
        let door = ControlRequest::Door { library: None, door: Door::Access, open: true };
        fixture.site.control(&door).unwrap();
        let start = fixture.site.event_position().start;
        for event in ["started", "door"] {
            let request = server.requests.recv().unwrap();
            let body = request.event();
            let seq = &body["seq"];
            assert_eq!(request.line, "POST /hook?a=b HTTP/1.1");
            assert_eq!(request.header("content-type"), "application/json");
            assert_eq!(request.header("user-agent"), concat!("ferric/", env!("CARGO_PKG_VERSION")));
            assert_eq!(request.header("webhook-id"), format!("{start}-{seq}"));
            assert_eq!(request.header("webhook-timestamp"), "1795307362");
            let mut message = format!("{start}-{seq}.1795307362.").into_bytes();
            message.extend_from_slice(&request.body);
            let expected = format!("v1,{}", STANDARD.encode(hmac(&key, &message)));
            assert_eq!(request.header("webhook-signature"), expected);
            assert_eq!((&body["event"], &body["start"]), (&event.into(), &start.clone().into()));
        }
        let status = fixture.wait(|status| status.delivered == 2);
        assert_eq!((status.waiting, status.failed_attempts, status.last_delivery), (0, 0, Some(1_795_307_362_999)));
        assert_eq!((status.kind.as_str(), status.destination), ("webhook", format!("http://{}", server.address)));
        // Nothing that the site shows has the secret or the path.
        let shown = serde_json::to_string(&fixture.site.status()).unwrap() + &format!("{:?}", fixture.site.metrics());
        assert!(!shown.contains(secret) && !shown.contains("hook?"), "{shown}");
        assert!(!format!("{:?}", parse("f", &text).unwrap()).contains(secret));
        assert!(!parse("f", &text).unwrap().to_string().contains(secret));
    }
}

#[test]
fn without_a_secret_there_is_no_signature() {
    let server = server(&[]);
    let fixture = open(&format!("[[notify]]\nname = \"o\"\nurl = \"http://{}\"\n", server.address), Clock::real());
    fixture.send([1]);
    let request = server.requests.recv().unwrap();
    assert!(request.headers.iter().all(|(name, _)| name != "webhook-signature"));
    // The default filter: "started" is not sent.
    assert_eq!(request.event()["barcode"], "A1");
}

#[test]
fn failures_are_tried_again_after_growing_delays() {
    let script =
        [Response::Status(500), Response::Close, Response::Status(307), Response::Nothing, Response::Status(429)];
    let (server, clock) = (server(&script), virtual_clock());
    let text = format!("[[notify]]\nname = \"o\"\nurl = \"http://{}\"\ntimeout_seconds = 1\n", server.address);
    let fixture = open(&text, clock.clock());
    fixture.send([1, 2]);
    for (failures, seconds, error) in [
        (1, 1, "HTTP status 500"),
        (2, 2, ""),
        (3, 4, "HTTP status 307: redirects are not followed"),
        (4, 8, "timeout: global"),
        (5, 16, "HTTP status 429"),
    ] {
        assert_eq!(server.requests.recv().unwrap().event()["barcode"], "A1");
        let status = fixture.wait(|status| status.failures == failures);
        let shown = status.last_error.unwrap();
        assert!(if error.is_empty() { !shown.is_empty() } else { shown == error }, "{shown}");
        assert_eq!((status.waiting, status.delivered), (2, 0));
        assert_eq!(clock.advance_to_deadline(), Duration::from_secs(seconds));
    }
    for barcode in ["A1", "A2"] {
        let request = server.requests.recv().unwrap();
        assert_eq!(request.event()["barcode"], barcode);
        assert_eq!(request.line, "POST / HTTP/1.1");
    }
    let status = fixture.wait(|status| status.delivered == 2);
    assert_eq!((status.failures, status.failed_attempts, status.dead_letters), (0, 5, 0));
    assert!(server.requests.try_recv().is_err(), "a redirect was followed");
}

/// An address at which nothing listens.
fn closed_port() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn a_reload_keeps_the_events_and_tries_again_at_once() {
    let (server, clock) = (server(&[]), virtual_clock());
    let target = |name: &str, address| format!("[[notify]]\nname = \"{name}\"\nurl = \"http://{address}\"\n");
    let fixture = open(&target("o", closed_port()), clock.clock());
    fixture.send([1, 2]);
    let status = fixture.wait(|status| status.failures == 1);
    assert!(status.last_error.as_ref().unwrap().contains("Connection refused"), "{status:?}");
    let changes = fixture.reload(&target("o", server.address));
    assert_eq!(changes, [ReloadChange::NotifyTargetChanged { target: "o".into() }]);
    for barcode in ["A1", "A2"] {
        assert_eq!(server.requests.recv().unwrap().event()["barcode"], barcode);
    }
    fixture.wait(|status| status.delivered == 2);
    assert_eq!(fixture.reload(&target("o", server.address)), []);
    // Another name is another target: it receives the events from now on.
    let changes = fixture.reload(&target("p", server.address));
    let changed = |target: &str| ReloadChange::NotifyTargetChanged { target: target.into() };
    assert_eq!(changes, [changed("p"), changed("o")]);
    fixture.send([3]);
    assert_eq!(server.requests.recv().unwrap().event()["barcode"], "A3");
    assert_eq!(fixture.reload(""), [changed("p")]);
    assert!(fixture.site.notify_status().is_empty());
    fixture.send([4]);
    // The site is still open.
    fixture.notifier.close();
    assert!(server.requests.try_recv().is_err());
}

#[test]
fn a_dead_receiver_costs_bounded_memory_and_is_told_what_it_missed() {
    const EVENTS: usize = 20_000;
    let (server, clock) = (server(&[]), virtual_clock());
    let target = |address| format!("[[notify]]\nname = \"o\"\nurl = \"http://{address}\"\n");
    let fixture = open(&target(closed_port()), clock.clock());
    fixture.send(0..EVENTS);
    // The last event was received, and the first delivery has failed.
    let status = fixture.wait(|status| status.dead_letters >= (EVENTS - 1024) as u64 && status.failures > 0);
    assert_eq!(status.waiting, 1024, "{status:?}");
    fixture.reload(&target(server.address));
    let (mut missed, mut last) = (0, 0);
    let mut received = 0;
    while last < EVENTS as u64 + 1 {
        let event = server.requests.recv().unwrap().event();
        let seq = event["seq"].as_u64().unwrap();
        assert!(seq > last, "{event}");
        last = seq;
        match event["missed"].as_u64() {
            Some(events) => missed += events,
            None => received += 1,
        }
    }
    // "started", which the target does not want, is among the lost events if the ring has lost it.
    assert!((1000..=1023).contains(&received), "{received}");
    assert!([EVENTS as u64, EVENTS as u64 + 1].contains(&(missed + received)), "{missed} {received}");
}

#[test]
fn old_events_become_dead_letters() {
    let (server, clock) = (server(&[Response::Status(500), Response::Status(500)]), virtual_clock());
    let target = format!("[[notify]]\nname = \"o\"\nurl = \"http://{}\"\nretry_seconds = 2\n", server.address);
    let fixture = open(&target, clock.clock());
    fixture.send([1]);
    fixture.wait(|status| status.failures == 1);
    assert_eq!(clock.advance_to_deadline(), Duration::from_secs(1));
    fixture.wait(|status| status.failures == 2);
    assert_eq!(clock.advance_to_deadline(), Duration::from_secs(2));
    let bodies: Vec<_> = (0..3).map(|_| server.requests.recv().unwrap()).collect();
    assert_eq!(bodies[2].event()["event"], "missed");
    assert_eq!(bodies[2].event()["missed"], 1);
    assert!(bodies[2].header("webhook-id").ends_with("-2-missed-1"), "{}", bodies[2].header("webhook-id"));
    let status = fixture.wait(|status| status.waiting == 0);
    assert_eq!((status.delivered, status.dead_letters), (0, 1));
    assert_eq!(fixture.site.metrics().notify[0], status);
}

#[test]
fn a_test_event_reports_the_result() {
    let server = server(&[Response::Status(202), Response::Status(403)]);
    let fixture = open(&format!("[[notify]]\nname = \"o\"\nurl = \"http://{}\"\n", server.address), Clock::real());
    let test = fixture.test("o").unwrap();
    assert_eq!((test.target.as_str(), test.answer.as_str()), ("o", "HTTP status 202"));
    assert_eq!(server.requests.recv().unwrap().event()["event"], "test");
    let error = fixture.test("o").unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::Unavailable, "target \"o\": HTTP status 403"));
    let error = fixture.test("x").unwrap_err();
    let message = "there is no notification target \"x\"; the configuration has \"o\"";
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::NotFound, message));
}

#[test]
fn the_end_of_the_site_is_delivered() {
    let server = server(&[]);
    let text = format!("[[notify]]\nname = \"o\"\nurl = \"http://{}\"\nevents = [\"stopped\"]\n", server.address);
    let fixture = open(&text, Clock::real());
    fixture.site.shut_down().unwrap();
    fixture.notifier.close();
    assert_eq!(server.requests.try_recv().unwrap().event()["event"], "stopped");
}

#[test]
fn certificates_are_verified() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let certificate = CertificateDer::from_pem_file(format!("{data}/certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{data}/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap());
    let server = serve(&[], move |stream| {
        Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream))
    });
    let url = format!("https://localhost:{}/x", server.address.port());
    let target = format!("[[notify]]\nname = \"o\"\nurl = \"{url}\"\n");
    let fixture = open(&target, Clock::real());
    let error = fixture.test("o").unwrap_err();
    assert!(error.message.contains("invalid peer certificate: UnknownIssuer"), "{error}");
    fixture.reload(&format!("{target}ca_file = \"{data}/certificate.pem\"\n"));
    assert_eq!(fixture.test("o").unwrap().answer, "HTTP status 204");
    assert_eq!(server.requests.recv().unwrap().line, "POST /x HTTP/1.1");
}

#[test]
fn files_that_cannot_be_used_are_errors_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("empty"), " \n").unwrap();
    std::fs::write(path("short"), "short\n").unwrap();
    std::fs::write(path("good"), "0123456789abcdef\n").unwrap();
    let url = "[[notify]]\nname = \"o\"\nurl = \"https://localhost\"\n";
    for (key, name, message) in [
        ("secret_file", "missing", "No such file or directory (os error 2)"),
        ("secret_file", "empty", "is empty"),
        ("secret_file", "short", "a secret of a webhook has at least 16 characters, and at most 255"),
        ("ca_file", "good", "has no certificate"),
    ] {
        let config = parse("site.toml", &format!("\n{url}{key} = \"{}\"\n", path(name))).unwrap();
        let Err(error) = NotifyPlan::new(&config.notify) else { panic!("{key} {name}") };
        let error = error.to_string();
        assert!(error.starts_with(&format!("site.toml:2: notify.{key}: ")) && error.ends_with(message), "{error}");
    }
    let config = parse("f", &format!("{url}secret_file = \"{}\"\n", path("good"))).unwrap();
    assert_eq!(config.notify[0].signing_key().unwrap().unwrap(), b"0123456789abcdef");
}
