//! Entity tags and idempotency keys.

use super::{SITE, serve};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vtl::configuration::{ConfigurationFile, ConfigurationFileState, ConfigurationFileStatus};
use vtl::control::{ControlError, ReloadReport};

#[test]
fn a_known_object_is_not_sent_again() {
    let served = serve(SITE);
    let first = served.get("/v1/drives/drive1");
    let etag = first.header("etag").unwrap();
    let again = |tags: &str| served.client().send("GET", "/v1/drives/drive1", &[("If-None-Match", tags)], None);
    for tags in [etag, &format!("\"other\", W/{etag}"), "*"] {
        let response = again(tags);
        assert_eq!((response.status, response.body.as_str(), response.header("etag")), (304, "", Some(etag)), "{tags}");
    }
    assert_eq!(again("\"other\"").status, 200);
    served.send("PATCH", "/v1/drives/drive1", r#"{"online":false}"#);
    assert_eq!(again(etag).status, 200);
}

#[test]
fn a_change_of_an_old_state_is_refused() {
    let served = serve(SITE);
    let change = |tags: &str, body: &str| {
        let target = "/v1/drives/drive1?library=main";
        served.client().send("PATCH", target, &[("If-Match", tags)], Some(body))
    };
    let etag = served.get("/v1/drives/drive1").header("etag").unwrap().to_owned();
    assert_eq!(change(&etag, r#"{"online":false}"#).status, 200);
    let (status, code, _) = change(&etag, r#"{"online":true}"#).problem();
    assert_eq!((status, code.as_str()), (412, "precondition_failed"));
    assert_eq!(served.get("/v1/drives/drive1").json()["online"], false);
    for malformed in ["", "\u{e9}", &"\"x\",".repeat(300)] {
        assert_eq!(change(malformed, r#"{"online":true}"#).problem().0, 400, "{malformed:?}");
    }
    // A weak tag does not match, any tag does.
    let etag = served.get("/v1/drives/drive1").header("etag").unwrap().to_owned();
    assert_eq!(change(&format!("W/{etag}"), r#"{"online":true}"#).status, 412);
    assert_eq!(change("*", r#"{"online":true}"#).status, 200);
    let body = r#"{"cartridge":"A1L8"}"#;
    assert_eq!(served.client().send("POST", "/v1/loads", &[("If-Match", "*")], Some(body)).status, 412);
}

/// A configuration file that counts its changes.
#[derive(Default)]
struct File(AtomicUsize);

impl ConfigurationFile for File {
    fn status(&self) -> Option<ConfigurationFileStatus> {
        let path = format!("site{}.toml", self.0.load(Ordering::Relaxed));
        Some(ConfigurationFileStatus { path, state: ConfigurationFileState::InUse, reason: None })
    }

    fn add(&self, _: &str) -> Result<ReloadReport, ControlError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(ReloadReport::default())
    }
}

#[test]
fn a_configuration_that_has_changed_is_not_extended() {
    let served = serve(SITE);
    let file = Arc::new(File::default());
    served.site.set_configuration_file(Arc::clone(&file) as _);
    let add = |tag: &str| {
        let body = Some(r#"{"text":"[[library]]\nname = \"b\"\n"}"#);
        served.client().send("POST", "/v1/configuration", &[("If-Match", tag)], body).status
    };
    let tag = served.get("/v1/configuration").header("etag").unwrap().to_owned();
    assert_eq!((add(&tag), add(&tag), file.0.load(Ordering::Relaxed)), (200, 412, 1));
    let tag = served.get("/v1/configuration").header("etag").unwrap().to_owned();
    assert_eq!((add(&tag), file.0.load(Ordering::Relaxed)), (200, 2));
}

#[test]
fn a_request_with_a_key_is_executed_once() {
    let served = serve(SITE);
    let create = |key: &str, count: &str| {
        let target = "/v1/pools/scratch/cartridges";
        served.client().send("POST", target, &[("Idempotency-Key", key)], Some(count))
    };
    let first = create("k1", r#"{"count":2}"#);
    assert_eq!((first.status, first.body.as_str()), (200, r#"{"created":["P1L8","P2L8"]}"#));
    let again = create("k1", r#"{"count":2}"#);
    assert_eq!((again.status, again.body), (200, first.body));
    let (status, code, _) = create("k1", r#"{"count":3}"#).problem();
    assert_eq!((status, code.as_str()), (422, "idempotency_key_reused"));
    assert_eq!(create("k2", r#"{"count":1}"#).body, r#"{"created":["P3L8"]}"#);
    assert_eq!(create(&"k".repeat(129), r#"{"count":1}"#).problem().0, 400);
    assert_eq!(served.site.cartridges().len(), 6);
}
