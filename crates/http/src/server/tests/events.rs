//! Server-sent events.

use super::client::Client;
use super::{SITE, Served, serve};
use serde_json::Value;
use vtl::tokens::Role;

/// A message of the stream: its fields by name.
#[derive(Debug, Default, PartialEq)]
struct Message {
    event: String,
    id: String,
    data: String,
}

impl Message {
    fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The next message; `None` at the end of the stream.
fn next(client: &mut Client) -> Option<Message> {
    let mut message = Message::default();
    loop {
        // Each message is one chunk: its length, and a line end after it.
        match client.line() {
            line if line == "0" => return None,
            line => match line.split_once(": ") {
                Some(("event", text)) => message.event = text.into(),
                Some(("id", text)) => message.id = text.into(),
                Some(("data", text)) => message.data = text.into(),
                _ if line.is_empty() && !message.data.is_empty() => {
                    client.line();
                    return Some(message);
                }
                _ => {}
            },
        }
    }
}

fn subscribe(served: &Served, target: &str, headers: &[(&str, &str)]) -> Client {
    let mut client = served.client();
    let response = client.send("GET", target, headers, None);
    assert_eq!((response.status, response.header("content-type")), (200, Some("text/event-stream")), "{response:?}");
    client
}

#[test]
fn events_follow_a_snapshot_without_a_gap() {
    let served = serve(SITE);
    let mut client = subscribe(&served, "/v1/events", &[]);
    let begin = next(&mut client).unwrap();
    let snapshot = begin.json();
    assert_eq!((begin.event.as_str(), &snapshot["snapshot"]["libraries"][0]["name"]), ("snapshot", &"main".into()));
    let (start, seq) = (snapshot["start"].as_str().unwrap(), snapshot["seq"].as_u64().unwrap());
    assert_eq!(begin.id, format!("{start}/{seq}"));
    served.send("POST", "/v1/loads", r#"{"cartridge":"A1L8"}"#);
    let loaded = next(&mut client).unwrap();
    assert_eq!(
        (loaded.event.as_str(), &loaded.json()["event"], &loaded.json()["barcode"]),
        ("", &"loaded".into(), &"A1L8".into())
    );
    assert_eq!(loaded.id, format!("{start}/{}", seq + 1));
    drop(client);
    // What happens while the client is away follows when it returns.
    served.send("POST", "/v1/unloads", r#"{"drive":"drive1"}"#);
    for (target, headers) in [
        ("/v1/events", vec![("Last-Event-ID", loaded.id.as_str())]),
        (&*format!("/v1/events?since={}", seq + 1), vec![]),
    ] {
        let mut client = subscribe(&served, target, &headers);
        let begin = next(&mut client).unwrap();
        assert_eq!((begin.event.as_str(), begin.json().get("snapshot")), ("resumed", None));
        let unloaded = next(&mut client).unwrap();
        assert_eq!(
            (unloaded.id.as_str(), &unloaded.json()["event"]),
            (&*format!("{start}/{}", seq + 2), &"unloaded".into())
        );
    }
    // A position of an earlier start of the daemon.
    let mut client = subscribe(&served, "/v1/events", &[("Last-Event-ID", "0123456789abcdef/7")]);
    assert_eq!(next(&mut client).unwrap().event, "snapshot");
    let refused = served.client().send("GET", "/v1/events", &[("Last-Event-ID", "seven")], None);
    assert_eq!(refused.problem().2, "\"seven\" is not the position of an event, such as 5f1c0d2e3a4b5c6d/12");
}

#[test]
fn subscriptions_end_with_the_site() {
    let served = serve(SITE);
    let mut client = subscribe(&served, "/v1/events", &[]);
    next(&mut client).unwrap();
    served.site.shut_down().unwrap();
    let stopped = next(&mut client).unwrap();
    assert_eq!(stopped.json()["event"], "stopped");
    assert_eq!(next(&mut client), None);
}

#[test]
fn subscriptions_end_with_their_token() {
    let served = super::access::serve_closed();
    let token = |name: &str| format!("Bearer {}", served.site.create_token(name, Role::Operate).unwrap().token);
    let [removed, kept] = [token("removed"), token("kept")];
    let mut streams =
        [&removed, &kept].map(|token| subscribe(&served, "/v1/events", &[("Authorization", token.as_str())]));
    streams.iter_mut().for_each(|stream| drop(next(stream).unwrap()));
    served.site.remove_token("removed").unwrap();
    let load = Some(r#"{"cartridge":"A1L8"}"#);
    assert_eq!(served.client().send("POST", "/v1/loads", &[("Authorization", kept.as_str())], load).status, 200);
    let [removed, kept] = streams.each_mut().map(next);
    assert_eq!((removed, kept.unwrap().json()["event"].as_str()), (None, Some("loaded")));
    served.site.shut_down().unwrap();
}

#[test]
fn the_number_of_subscribers_is_limited() {
    let served = serve(SITE);
    let mut clients: Vec<Client> = (0..32).map(|_| subscribe(&served, "/v1/events", &[])).collect();
    let (status, _, detail) = served.get("/v1/events").problem();
    assert_eq!((status, detail.as_str()), (503, "32 clients receive events already, which is the maximum"));
    assert_eq!(served.get("/v1/robot").status, 200);
    clients.iter_mut().for_each(|client| drop(next(client)));
    served.site.shut_down().unwrap();
}
