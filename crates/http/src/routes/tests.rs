use super::*;
use serde_json::json;
use std::collections::BTreeSet;
use vtl::control::ControlRequest;

/// The operations of the control protocol, from the error that lists them.
fn operations() -> BTreeSet<String> {
    let error = ControlRequest::from_json(&json!({ "op": "?" })).unwrap_err().message;
    let list = error.split_once("known are ").unwrap().1.replace(" or ", ", ").replace(" and ", ", ");
    list.split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

#[test]
fn every_control_request_has_a_route() {
    let operations = operations();
    assert!(operations.len() >= 25 && operations.contains("move"), "{operations:?}");
    let routed: BTreeSet<String> = all().map(|route| route.op.to_owned()).filter(|op| !op.is_empty()).collect();
    assert_eq!(operations, routed);
}

#[test]
fn each_method_and_path_is_unique() {
    let mut seen = BTreeSet::new();
    for route in all() {
        assert!(seen.insert((route.method.name(), route.path)), "{} {}", route.method.name(), route.path);
        assert!(route.path.starts_with("/v1/") || route.path == "/metrics", "{}", route.path);
        let changes = route.object.is_none_or(|path| all().any(|read| read.method == Method::Get && read.path == path));
        assert!(changes, "{}: no GET of {:?}", route.path, route.object);
    }
}

#[test]
fn control_requests_are_located() {
    let no_body = None::<Value>;
    for (request, method, target, body) in [
        (json!({"op": "status"}), "GET", "/v1/status", no_body.clone()),
        (json!({"op": "cartridges"}), "GET", "/v1/cartridges", no_body.clone()),
        (json!({"op": "cartridges", "cartridge": "V1L8"}), "GET", "/v1/cartridges/V1L8", no_body.clone()),
        (json!({"op": "online", "online": false}), "PATCH", "/v1/robot", Some(json!({"online": false}))),
        (
            json!({"op": "online", "library": "a", "drive": "drive 1/2", "online": true}),
            "PATCH",
            "/v1/drives/drive%201%2F2?library=a",
            Some(json!({"online": true})),
        ),
        (json!({"op": "alert", "flag": 28, "raised": true}), "PUT", "/v1/alerts/28", Some(json!({"raised": true}))),
        (json!({"op": "element", "element": "slot3"}), "PATCH", "/v1/slots/slot3", Some(json!({}))),
        (json!({"op": "trace", "unit": "drive1", "since": 5}), "GET", "/v1/trace?unit=drive1&since=5", no_body.clone()),
        (
            json!({"op": "create", "pool": "scratch", "count": 2}),
            "POST",
            "/v1/pools/scratch/cartridges",
            Some(json!({"count": 2})),
        ),
        (
            json!({"op": "audit", "filter": {"after": 7, "since": 0, "object": "main/slot1"}, "max": 5}),
            "GET",
            "/v1/audit?after=7&since=0&object=main%2Fslot1&max=5",
            no_body.clone(),
        ),
        (json!({"op": "jobs", "job": 3, "wait_ms": 200}), "GET", "/v1/jobs/3?wait_ms=200", no_body.clone()),
        (
            json!({"op": "start_job", "work": {"kind": "export", "library": "a", "cartridges": ["V1L8"]}}),
            "POST",
            "/v1/jobs",
            Some(json!({"kind": "export", "library": "a", "cartridges": ["V1L8"]})),
        ),
        (json!({"op": "cancel_job", "job": 3}), "DELETE", "/v1/jobs/3", no_body.clone()),
        (
            json!({"op": "events", "since": {"start": "5f1c", "seq": 7}}),
            "GET",
            "/v1/events?since=5f1c%2F7",
            no_body.clone(),
        ),
        (json!({"op": "audit_verify"}), "GET", "/v1/audit/verify", no_body.clone()),
        (json!({"op": "metrics"}), "GET", "/v1/metrics", no_body.clone()),
        (json!({"op": "reload"}), "POST", "/v1/reload", no_body),
    ] {
        let located = locate(request.as_object().unwrap()).unwrap();
        let found = (located.method.name(), located.target.as_str(), located.body.map(Value::Object));
        assert_eq!(found, (method, target, body), "{request}");
    }
    let locate_op = |op: &str| locate(json!({ "op": op }).as_object().unwrap()).unwrap();
    let cartridges = locate_op("cartridges");
    assert_eq!((cartridges.shape, &*cartridges.page_after("A 1")), (Shape::Items, "/v1/cartridges?after=A%201"));
    assert_eq!((locate_op("status").shape, locate_op("pools").shape), (Shape::Whole, Shape::Items));
    let pool = locate(json!({"op": "pools", "pool": "a"}).as_object().unwrap()).unwrap();
    assert_eq!((pool.shape, &*pool.page_after("b")), (Shape::Only, "/v1/pools/a?after=b"));
    assert_eq!(locate(json!({"op": "dance"}).as_object().unwrap()), None);
}
