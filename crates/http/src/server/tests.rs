//! Requests to a server, as bytes on a socket.

mod access;
mod client;
mod conditions;
mod console;
mod events;
mod hostile;
mod lists;
mod requests;
mod schema;
mod tls;

use super::HttpServer;
use client::{Client, Response};
use vtl::{Config, OpenSite, Site};

/// A site with a library of four slots, two drives, an I/O element and three cartridges, and its server.
struct Served {
    server: HttpServer,
    site: OpenSite,
    _data: tempfile::TempDir,
}

const SITE: &str = r##"
[[library]]
slots = 4
import_export = 1
[[library.drive]]
model = "ULT3580-TD8"
count = 2
[[library.cartridges]]
pattern = "A#L8"
count = 3
size = "64MB"
[[pool]]
name = "scratch"
pattern = "P#L8"
size = "64MB"
"##;

fn serve(config: &str) -> Served {
    let data = tempfile::tempdir().unwrap();
    let mut config: Config = vtl::config::parse("f", config).unwrap();
    config.http = config.http.with_listen("127.0.0.1:0");
    let site = Site::open(data.path(), &config).unwrap();
    let server = HttpServer::open(&site, &config.http).unwrap().unwrap();
    Served { server, site, _data: data }
}

impl Served {
    fn client(&self) -> Client {
        Client::connect(self.server.address())
    }

    fn get(&self, target: &str) -> Response {
        self.client().send("GET", target, &[], None)
    }

    fn send(&self, method: &str, target: &str, body: &str) -> Response {
        self.client().send(method, target, &[], Some(body))
    }
}

#[test]
fn the_status_names_the_url_until_the_server_is_closed() {
    let served = serve(SITE);
    let url = format!("http://{}", served.server.address());
    assert_eq!((served.server.url(), served.site.status().http), (url.as_str(), vec![url.clone()]));
    assert_eq!(served.get("/v1/status").json()["http"][0], url);
    let Served { server, site, .. } = served;
    let address = server.address();
    drop(server);
    assert_eq!(site.status().http, [""; 0]);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn the_network_needs_tls() {
    let served = serve(SITE);
    let error =
        HttpServer::open(&served.site, &vtl::config::HttpSetup::default().with_listen("0.0.0.0:0")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "0.0.0.0:0 is open to the network without TLS; set http.certificate and http.key, or http.insecure = true"
    );
    assert!(HttpServer::open(&served.site, &vtl::config::HttpSetup::default()).unwrap().is_none());
}
