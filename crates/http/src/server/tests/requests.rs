//! Each route with its response, and the problems.

use super::{SITE, client::Client, schema, serve};
use serde_json::{Value, json};

/// Requests, each with the response that it has after those before it. An empty response is only checked against its schema.
const REQUESTS: &[(&str, &str, &str, &str)] = &[
    ("GET", "/v1/status", "", ""),
    ("GET", "/v1/libraries", "", ""),
    ("GET", "/v1/robot", "", r#"{"library":"main","online":true}"#),
    ("PATCH", "/v1/robot?library=main", r#"{"online":false}"#, r#"{"library":"main","online":false}"#),
    ("GET", "/v1/robot", "", r#"{"library":"main","online":false}"#),
    ("PATCH", "/v1/robot", r#"{"online":true}"#, r#"{"library":"main","online":true}"#),
    ("PATCH", "/v1/doors/access", r#"{"open":true}"#, r#"{"door":"access","library":"main","open":true}"#),
    ("GET", "/v1/doors/access", "", r#"{"door":"access","library":"main","open":true}"#),
    ("PATCH", "/v1/doors/access", r#"{"open":false}"#, r#"{"door":"access","library":"main","open":false}"#),
    ("GET", "/v1/doors/io_station", "", r#"{"door":"io_station","library":"main","open":false}"#),
    (
        "POST",
        "/v1/loads",
        r#"{"cartridge":"A1L8"}"#,
        r#"{"cartridge":"A1L8","from":1000,"from_element":"slot1","library":"main","to":500,"to_element":"drive1"}"#,
    ),
    ("GET", "/v1/drives/A1L8", "", ""),
    ("GET", "/v1/drives", "", ""),
    (
        "POST",
        "/v1/unloads",
        r#"{"drive":"drive1"}"#,
        r#"{"cartridge":"A1L8","from":500,"from_element":"drive1","library":"main","to":1000,"to_element":"slot1"}"#,
    ),
    ("PATCH", "/v1/drives/drive2", r#"{"online":false}"#, r#"{"drive":"drive2","library":"main","online":false}"#),
    (
        "POST",
        "/v1/moves",
        r#"{"from":"slot3","to":"io1"}"#,
        r#"{"cartridge":"A3L8","from":1002,"from_element":"slot3","library":"main","to":10,"to_element":"io1"}"#,
    ),
    (
        "POST",
        "/v1/exports",
        r#"{"from":"A3L8"}"#,
        r#"{"cartridge":"A3L8","from":10,"from_element":"io1","library":"main","shelf":"main"}"#,
    ),
    ("GET", "/v1/shelves", "", r#"{"items":[{"shelf":"main","cartridges":1}]}"#),
    ("GET", "/v1/object-shelves", "", r#"{"items":[]}"#),
    (
        "POST",
        "/v1/imports",
        r#"{"cartridge":"A3L8"}"#,
        r#"{"cartridge":"A3L8","library":"main","shelf":"main","to":10,"to_element":"io1"}"#,
    ),
    (
        "PATCH",
        "/v1/slots/slot4",
        r#"{"fault":"disabled"}"#,
        r#"{"element":"slot4","fault":"disabled","library":"main"}"#,
    ),
    (
        "GET",
        "/v1/slots/slot4",
        "",
        r#"{"library":"main","element":"slot4","number":4,"address":1003,"fault":"disabled"}"#,
    ),
    ("PATCH", "/v1/slots/1003", r#"{"fault":null}"#, r#"{"element":"slot4","library":"main"}"#),
    ("GET", "/v1/slots", "", ""),
    ("GET", "/v1/elements/A2L8?drive=false", "", r#"{"address":1001,"element":"slot2","library":"main"}"#),
    (
        "PUT",
        "/v1/alerts/28",
        r#"{"raised":true}"#,
        r#"{"library":"main","flag":28,"name":"Power supply","raised":true}"#,
    ),
    (
        "GET",
        "/v1/alerts?flag=28",
        "",
        r#"{"items":[{"library":"main","flag":28,"name":"Power supply","raised":true}]}"#,
    ),
    ("PUT", "/v1/cartridges/A2L8/label", r#"{"label":"unreadable"}"#, r#"{"barcode":"A2L8","label":"unreadable"}"#),
    ("PUT", "/v1/cartridges/A2L8/label", "{}", r#"{"barcode":"A2L8"}"#),
    ("PUT", "/v1/cartridges/A2L8/write-protect", r#"{"on":true}"#, r#"{"barcode":"A2L8","write_protected":true}"#),
    (
        "PUT",
        "/v1/cartridges/A2L8/retention",
        r#"{"until":4102444800}"#,
        r#"{"barcode":"A2L8","retained_until":4102444800}"#,
    ),
    (
        "PUT",
        "/v1/cartridges/A2L8/legal-hold",
        r#"{"on":true,"reason":"case 7"}"#,
        r#"{"barcode":"A2L8","legal_hold":true}"#,
    ),
    ("GET", "/v1/cartridges/A2L8", "", ""),
    ("GET", "/v1/cartridges", "", ""),
    ("GET", "/v1/notifications", "", r#"{"items":[]}"#),
    ("GET", "/v1/cartridges/A1L8/contents", "", ""),
    ("GET", "/v1/cartridges/A1L8/files?partition=0&object=0&max=5", "", r#"{"files":[]}"#),
    ("GET", "/v1/configuration", "", ""),
    (
        "POST",
        "/v1/configuration/check",
        r#"{"text":"[[library]]\nslots = 4\n"}"#,
        r#"{"warnings":[],"libraries":1,"drives":2,"pools":0}"#,
    ),
    ("POST", "/v1/configuration/check", r#"{"text":"[[library]]\nslots = 0\n"}"#, ""),
    ("GET", "/v1/models", "", ""),
    ("GET", "/v1/alarms", "", ""),
    ("GET", "/v1/sessions", "", r#"{"items":[]}"#),
    ("POST", "/v1/jobs", r#"{"kind":"verify","cartridges":["A1L8","A2L8"]}"#, ""),
    ("GET", "/v1/jobs/1?wait_ms=1000", "", ""),
    ("GET", "/v1/jobs", "", ""),
    ("POST", "/v1/pools/scratch/cartridges", r#"{"count":1}"#, r#"{"created":["P1L8"]}"#),
    (
        "GET",
        "/v1/pools/scratch",
        "",
        r#"{"pool":"scratch","pattern":"P#L8","library":"main","size":64000000,"cartridges":1,"scratch":1,"wanted":0}"#,
    ),
    ("GET", "/v1/pools", "", ""),
    ("POST", "/v1/cartridges/P1L8/forget", "", r#"{"barcode":"P1L8"}"#),
    ("POST", "/v1/exports", r#"{"library":"main","from":"io1"}"#, ""),
    ("DELETE", "/v1/cartridges/A3L8", "", r#"{"barcode":"A3L8"}"#),
    (
        "POST",
        "/v1/faults/scripts",
        r#"{"text":"[[fault]]\nname = \"a\"\nkind = \"busy\"\n"}"#,
        r#"{"items":[{"name":"a","fault":{"kind":"busy","name":"a"},"matched":0,"fired":0,"active":true}]}"#,
    ),
    ("GET", "/v1/faults", "", ""),
    ("POST", "/v1/faults/clear", r#"{"name":"a"}"#, r#"{"cleared":["a"]}"#),
    ("POST", "/v1/faults", r#"{"fault":"pick","nth":900,"count":2}"#, r#"{"fault":"pick","library":"main"}"#),
    ("GET", "/v1/trace?unit=drive1&max=5", "", ""),
    ("GET", "/v1/counters", "", ""),
    ("GET", "/v1/metrics", "", ""),
    ("GET", "/v1/audit?object=P1L8", "", ""),
    ("GET", "/v1/audit?after=9999", "", r#"{"items":[]}"#),
    ("GET", "/v1/audit/verify", "", ""),
    ("GET", "/v1/openapi.json", "", ""),
    ("POST", "/v1/tokens", r#"{"name":"console","role":"operate"}"#, ""),
    ("GET", "/v1/tokens", "", ""),
    ("DELETE", "/v1/tokens/console", "", r#"{"name":"console"}"#),
];

#[test]
fn each_route_has_its_response() {
    let served = serve(SITE);
    let host = vtl::Host::login(&served.site.targets()[0], 1);
    host.clear_unit_attentions();
    let document = schema::document();
    for (method, target, body, expected) in REQUESTS {
        let body = (!body.is_empty()).then_some(*body);
        let response = served.client().send(method, target, &[], body);
        assert_eq!(response.status, 200, "{method} {target}: {response:?}");
        let json = response.json();
        if !expected.is_empty() {
            assert_eq!(json, serde_json::from_str::<Value>(expected).unwrap(), "{method} {target}");
        }
        let path = target.split('?').next().unwrap();
        let matches = |known: &str| {
            let (known, path) = (known.split('/'), path.split('/'));
            known.clone().count() == path.clone().count()
                && known.zip(path).all(|(known, part)| known.starts_with('{') || known == part)
        };
        let paths = document["paths"].as_object().unwrap();
        let (_, item) = paths
            .iter()
            .find(|(known, item)| matches(known) && item.get(method.to_lowercase()).is_some())
            .unwrap_or_else(|| panic!("{target}"));
        let content = &item[method.to_lowercase()]["responses"]["200"]["content"];
        schema::check(&document, &content["application/json"]["schema"], &json).unwrap();
    }
    // The requests above have reached each route but these.
    let reached = |route: &crate::routes::Route| {
        let is = |part: &str| part.starts_with('{');
        REQUESTS.iter().any(|(method, target, ..)| {
            let path = target.split('?').next().unwrap();
            *method == route.method.name()
                && path.split('/').count() == route.path.split('/').count()
                && route.path.split('/').zip(path.split('/')).all(|(known, part)| is(known) || known == part)
        })
    };
    // The tests of access have those of sessions, and the test of partitions that of assignments.
    let missing: Vec<&str> = crate::routes::all().filter(|route| !reached(route)).map(|route| route.path).collect();
    assert_eq!(
        missing,
        [
            "/v1/events",
            "/v1/alarms/acknowledge",
            "/metrics",
            "/v1/log",
            "/v1/configuration",
            "/v1/reload",
            "/v1/notifications/{target}/test",
            "/v1/session",
            "/v1/session",
            "/v1/session",
            "/v1/libraries/{library}",
            "/v1/assignments",
            "/v1/jobs/{job}"
        ]
    );
}

/// Requests that are refused, with the status, the code and the beginning of the text.
const REFUSED: &[(&str, &str, &str, u16, &str, &str)] = &[
    ("GET", "/v1/libraries/far", "", 404, "not_found", "there is no library \"far\"; the site has \"main\""),
    ("POST", "/v1/notifications/pager/test", "", 404, "not_found", "there is no notification target \"pager\""),
    ("DELETE", "/v1/jobs/9", "", 404, "not_found", "there is no job 9"),
    (
        "POST",
        "/v1/jobs",
        r#"{"kind":"create","pool":"scratch"}"#,
        422,
        "invalid",
        "the request: \"start_job\" needs \"count\"",
    ),
    (
        "POST",
        "/v1/jobs",
        r#"{"kind":"verify","cartridges":[]}"#,
        422,
        "invalid",
        "\"cartridges\": [] is not accepted; expected a list of 1 to 10000",
    ),
    ("GET", "/v1/cartridges/X1L8", "", 404, "not_found", "there is no cartridge X1L8"),
    ("GET", "/v1/drives/slot1", "", 422, "invalid", "slot1 is not a drive"),
    ("GET", "/v1/slots/drive1", "", 404, "not_found", "drive1 is neither a slot nor an I/O element"),
    ("GET", "/v1/slots?after=9", "", 422, "invalid", "\"9\" is not the `next` of a page, such as slot1000"),
    ("GET", "/v1/slots?limit=0", "", 422, "invalid", "\"limit\": 0 is not accepted; expected a number from 1 to 1000"),
    ("GET", "/v1/slots?limit=%2B1", "", 422, "invalid", "\"limit\": \"+1\" is not accepted"),
    ("GET", "/v1/slots?full=1", "", 422, "invalid", "\"full\": \"1\" is not accepted; expected true or false"),
    (
        "GET",
        "/v1/slots?size=1",
        "",
        422,
        "invalid",
        "\"size\" is not a member of the query of this request; expected library, ",
    ),
    ("GET", "/v1/robot?library=main&library=main", "", 422, "invalid", "\"library\" is given twice"),
    (
        "GET",
        "/v1/doors/front",
        "",
        422,
        "invalid",
        "\"door\": \"front\" is not accepted; expected access or io_station",
    ),
    ("POST", "/v1/moves", "{\"from\":\"A1L8\",\"to\":\"slot2\"}", 409, "conflict", "slot2 holds A2L8"),
    ("POST", "/v1/moves", "{\"from\":\"A1L8\"}", 422, "invalid", "\"to\" is required"),
    ("POST", "/v1/moves", "{\"from\":\"A1L8\",\"op\":\"load\"}", 422, "invalid", "\"op\" is not a member of the body"),
    (
        "POST",
        "/v1/moves",
        "{\"from\":7,\"to\":\"slot2\"}",
        422,
        "invalid",
        "\"from\": 7 is not accepted; expected a text",
    ),
    ("POST", "/v1/loads", "{\"cartridge\":\"A1L8\",\"drive\":null}", 422, "invalid", "\"drive\": null is not accepted"),
    ("POST", "/v1/moves", "[]", 400, "malformed", "the body is not a JSON object"),
    ("POST", "/v1/moves", "{", 400, "malformed", "the body is not JSON: "),
    ("POST", "/v1/reload", "", 503, "unavailable", "this site has no configuration file"),
    (
        "PUT",
        "/v1/cartridges/A1L8/retention",
        "{\"until\":1577836800}",
        422,
        "invalid",
        "A1L8 cannot be retained until 2020-01-01",
    ),
    ("GET", "/v1/robots", "", 404, "not_found", "there is no /v1/robots; /v1/openapi.json lists the paths"),
    ("GET", "/v1/../etc/passwd", "", 404, "not_found", "there is no /v1/../etc/passwd"),
    ("GET", "/v1/cartridges/%ff", "", 400, "malformed", "Invalid UTF-8 in `cartridge`"),
    ("DELETE", "/v1/moves", "", 405, "method_not_allowed", "DELETE is not a method of this path"),
];

/// The library and the status of a site with partitions; a cartridge in the shared I/O station stays in its slot.
#[test]
fn cartridges_are_assigned_to_partitions() {
    let served = serve(include_str!("../../../../../examples/partitions/msl3040.toml"));
    let document = schema::document();
    let moved = served.send("POST", "/v1/moves", r#"{"from":"B00001L9","to":"io2"}"#);
    assert_eq!(moved.status, 200, "{}", moved.body);
    let assigned = served.send("POST", "/v1/assignments", r#"{"cartridge":"B00001L9","library":"archive"}"#);
    let expected = json!({"cartridge": "B00001L9", "from_library": "backup", "from": 102, "from_element": "io2",
        "library": "archive", "to": 102, "to_element": "io2"});
    assert_eq!(assigned.json(), expected);
    schema::check(&document, &json!({"$ref": "#/components/schemas/AssignedCartridge"}), &assigned.json()).unwrap();
    let again = served.send("POST", "/v1/assignments", r#"{"cartridge":"B00001L9","library":"archive","to":"slot9"}"#);
    assert_eq!((again.problem().0, again.problem().1.as_str()), (409, "conflict"));
    let status = served.get("/v1/status").json();
    schema::check(&document, &json!({"$ref": "#/components/schemas/SiteStatus"}), &status).unwrap();
    assert_eq!(status["chassis"][0]["partitions"][1]["slots"], json!([31, 40]));
    assert_eq!(served.get("/v1/libraries/archive").json()["chassis"], "msl");
}

#[test]
fn refused_requests_are_problems() {
    let served = serve(SITE);
    for (method, target, body, status, code, detail) in REFUSED {
        let response = served.client().send(method, target, &[], (!body.is_empty()).then_some(*body));
        let problem = response.problem();
        assert_eq!((problem.0, problem.1.as_str()), (*status, *code), "{method} {target}: {}", problem.2);
        assert!(problem.2.starts_with(detail), "{method} {target}: {}", problem.2);
        schema::check(&schema::document(), &json!({"$ref": "#/components/schemas/Problem"}), &response.json()).unwrap();
    }
    let response = served.send("DELETE", "/v1/drives/drive1", "");
    assert_eq!((response.status, response.header("allow")), (405, Some("GET,HEAD,PATCH")));
    let fields = served.get("/v1/libraries/far").json();
    assert_eq!(fields["fields"], json!({"library": "far"}));
    assert_eq!((&fields["title"], &fields["type"]), (&json!("Not Found"), &json!("about:blank")));
}

#[test]
fn metrics_are_text_for_prometheus() {
    let served = serve(SITE);
    let get = |accept: &str| served.client().send("GET", "/metrics", &[("Accept", accept)], None);
    let open = get("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3");
    let expected = Some("application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_eq!((open.status, open.header("content-type")), (200, expected));
    assert!(
        open.body.contains("\nferric_drive_written_bytes_total{library=\"main\",drive=\"drive2\""),
        "{}",
        open.body
    );
    assert!(open.body.ends_with("\n# EOF\n"));
    let text = get("*/*");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(text.body.contains("ferric_build_info") && !text.body.contains("# EOF"));
}

#[test]
fn changes_are_recorded_with_the_address_and_the_request() {
    let served = serve(SITE);
    let load = |key: &str| {
        let mut client = served.client();
        let response = client.send("POST", "/v1/loads", &[("Idempotency-Key", key)], Some(r#"{"cartridge":"A1L8"}"#));
        (response.header("x-request-id").unwrap().to_owned(), client.local_address())
    };
    let ((done, from), (refused, other_from)) = (load("k1"), load("k2"));
    assert_ne!(done, refused);
    // The repeated answer is that of the recorded request.
    assert_eq!(load("k1").0, done);
    let read = served.get("/v1/audit?object=A1L8");
    assert_ne!(read.header("x-request-id"), None);
    let records = read.json();
    let found: Vec<Value> = records["items"].as_array().unwrap().iter().map(|record| record["actor"].clone()).collect();
    let actor = |from: &str, id: &str| json!({"kind": "http_client", "name": "", "from": from, "request_id": id});
    assert_eq!(found, [actor(&from, &done), actor(&other_from, &refused)]);
    let results = [0, 1].map(|index| records["items"][index]["result"].clone());
    assert_eq!(results, ["done", "conflict"]);
    assert_eq!(served.get("/v1/audit?max=1&after=1").json()["items"][0]["seq"], 2);
}

#[test]
fn a_locked_library_is_423() {
    let served = serve(SITE);
    let host = vtl::Host::login(&served.site.targets()[0], 1);
    host.clear_unit_attentions();
    assert_eq!(host.command(0, &[0x1e, 0, 0, 0, 1, 0], 0).status.0, 0);
    let response = served.send("PATCH", "/v1/doors/access", r#"{"open":true}"#);
    assert_eq!(response.problem().0, 423);
}

#[test]
fn bodies_are_limited_and_must_be_json() {
    let served = serve(SITE);
    let mut client = served.client();
    client.write(
        b"POST /v1/moves HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n",
    );
    assert_eq!(client.read_response().problem().0, 413);
    // A body whose length is not declared, in chunks of 64 KiB.
    let mut client = served.client();
    client.write(
        b"POST /v1/moves HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    for _ in 0..17 {
        client.write(b"10000\r\n");
        client.write(&[b' '; 0x10000]);
        client.write(b"\r\n");
    }
    assert_eq!(client.read_response().problem().0, 413);
    let text: &[(&str, &str)] = &[("Content-Length", "2"), ("Content-Type", "text/plain")];
    let mut client = served.client();
    let head: String = text.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    client.write(format!("POST /v1/moves HTTP/1.1\r\nHost: localhost\r\n{head}\r\n{{}}").as_bytes());
    let (status, _, detail) = client.read_response().problem();
    assert_eq!((status, detail.as_str()), (415, "the body has the type \"text/plain\"; expected application/json"));
}

#[test]
fn malformed_http_ends_the_connection() {
    let served = serve(SITE);
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"GET\r\n\r\n", &[b'x'; 40_000]] {
        let mut client = Client::connect(served.server.address());
        client.write(bytes);
        client.write(b"\r\n\r\n");
        let line = client.line();
        assert!(line.is_empty() || line.starts_with("HTTP/1.1 4"), "{line}");
    }
    assert_eq!(served.get("/v1/robot").status, 200);
}

/// Niceness of the threads of this process with a name, in increasing order.
fn niceness(name: &str) -> Vec<i32> {
    let mut all = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end meanwhile.
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (start, fields) = stat.rsplit_once(')').unwrap();
        if start.split_once('(').unwrap().1 == name {
            all.push(fields.split_whitespace().nth(16).unwrap().parse().unwrap());
        }
    }
    all.sort_unstable();
    all
}

#[test]
fn requests_have_a_low_priority_and_the_drives_that_they_add_do_not() {
    let served = serve(SITE);
    let own = rustix::process::getpriority_process(None).unwrap();
    let added =
        "[[library]]\nname = \"added\"\nslots = 2\ncartridges = []\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n";
    let named = SITE.replacen("[[library]]", "[[library]]\nname = \"main\"", 1);
    let config: vtl::Config = vtl::config::parse("f", &format!("{named}{added}")).unwrap();
    let site = std::sync::Arc::downgrade(&served.site);
    served.site.set_reload_handler(std::sync::Arc::new(move || {
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), (own + 10).min(19));
        Ok(site.upgrade().unwrap().reload(&config).unwrap())
    }));
    let response = served.send("POST", "/v1/reload", "");
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(niceness("added/drive1"), [own]);
}
