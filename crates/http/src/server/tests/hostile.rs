//! Slow, idle and malicious clients.

use super::{SITE, Served, serve};
use crate::server::{HttpServer, TIMEOUTS, Timeouts};
use std::time::Duration;

/// A server whose clients have no time in one respect.
fn serve_with(timeouts: Timeouts) -> Served {
    let Served { server, site, _data } = serve(SITE);
    drop(server);
    let setup = vtl::config::HttpSetup::default().with_listen("127.0.0.1:0");
    let server = HttpServer::open_with(&site, &setup, timeouts).unwrap().unwrap();
    Served { server, site, _data }
}

#[test]
fn slow_headers_end_the_connection() {
    let served = serve_with(Timeouts { header: Duration::ZERO, ..TIMEOUTS });
    let mut client = served.client();
    assert_eq!(client.try_line("GET /v1/robot HT"), None);
}

#[test]
fn a_slow_body_is_408() {
    let served = serve_with(Timeouts { body: Duration::ZERO, ..TIMEOUTS });
    let mut client = served.client();
    client.write(
        b"POST /v1/moves HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    );
    let (status, _, detail) = client.read_response().problem();
    assert_eq!((status, detail.as_str()), (408, "the body did not arrive within 0 s"));
}

/// Responses that the client does not read fill the buffers of the socket; the connection then ends, and with it its memory.
#[test]
fn a_client_that_reads_nothing_is_closed() {
    let served = serve_with(Timeouts { write: Duration::from_millis(1), ..TIMEOUTS });
    let mut client = served.client();
    // About 200 kB in each response, so that all of them exceed the buffers.
    client.write("GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100).as_bytes());
    let runtime = served.server.runtime.as_ref().unwrap();
    let ended = async { tokio::time::timeout(Duration::from_secs(60), served.server.connections.ended()).await };
    runtime.block_on(ended).unwrap();
    assert_eq!(served.get("/v1/robot").status, 200);
}

#[test]
fn paths_name_only_objects_of_the_site() {
    let served = serve(SITE);
    for (target, status) in [
        ("/v1/cartridges/..%2F..%2Fetc%2Fpasswd", 422),
        ("/v1/cartridges/A1L8%00", 422),
        ("/v1/cartridges/%2e%2e", 422),
        ("/v1/libraries/..%2f", 404),
        ("/v1//status", 404),
        ("/v1/status/", 404),
        ("/V1/status", 404),
        ("//evil.example/v1/status", 404),
        ("/v1/%73tatus", 404),
        ("/v1/cartridges/%zz", 422),
    ] {
        let response = served.get(target);
        assert_eq!(response.problem().0, status, "{target}: {response:?}");
    }
    // A request for a proxy names the server, too; another name is that of another server.
    let proxied = |host: &str| {
        let mut client = served.client();
        client.write(format!("GET http://{host}/v1/robot HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        client.read_response().status
    };
    assert_eq!(proxied("localhost"), 200);
    for method in ["TRACE", "CONNECT", "OPTIONS", "BREW"] {
        assert_eq!(served.client().send(method, "/v1/robot", &[], None).status, 405, "{method}");
    }
    let mut head = served.client();
    head.write(b"HEAD /v1/robot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(head.line(), "HTTP/1.1 200 OK");
}
