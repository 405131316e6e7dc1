//! TLS: its certificate, those of clients, and a renewed certificate.

use super::client::Client;
use super::{SITE, Served};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sha2::Digest;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use vtl::Site;

/// A certificate for `localhost` that is its own authority, as files `NAME.pem` and `NAME.key`.
struct Certificate {
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn certificate(dir: &Path, name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join(format!("{name}.pem")), made.cert.pem()).unwrap();
    std::fs::write(dir.join(format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
    Certificate {
        der: made.cert.der().clone(),
        key: PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
    }
}

fn serve(dir: &Path, keys: &str) -> Served {
    let data = tempfile::tempdir().unwrap();
    let [certificate, key] = ["server.pem", "server.key"].map(|name| dir.join(name));
    let text = format!(
        "{SITE}[http]\nlisten = \"127.0.0.1:0\"\nloopback = \"token\"\ncertificate = {certificate:?}\nkey = {key:?}\n{keys}"
    );
    let config = vtl::config::parse("f", &text).unwrap();
    let site = Site::open(data.path(), &config).unwrap();
    let server = super::HttpServer::open(&site, &config.http).unwrap().unwrap();
    Served { server, site, _data: data }
}

/// A client that trusts `server` only, and has the certificate `own`.
fn connect(served: &Served, server: &Certificate, own: Option<&Certificate>) -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(server.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots);
    let config = match own {
        Some(own) => config.with_client_auth_cert(vec![own.der.clone()], own.key.clone_key()).unwrap(),
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(served.server.address()).unwrap();
    Client::over(StreamOwned::new(connection, stream), "localhost")
}

#[test]
fn requests_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let server = certificate(dir.path(), "server");
    let served = serve(dir.path(), "");
    assert_eq!(served.server.url(), format!("https://{}", served.server.address()));
    let token = served.site.create_token("t", vtl::tokens::Role::Read).unwrap().token;
    let mut client = connect(&served, &server, None);
    assert_eq!(client.send("GET", "/v1/robot", &[], None).status, 401);
    let authorization = format!("Bearer {token}");
    assert_eq!(client.send("GET", "/v1/robot", &[("Authorization", &authorization)], None).status, 200);
    let login = client.send("POST", "/v1/session", &[], Some(&format!(r#"{{"token":"{token}"}}"#)));
    assert!(login.header("set-cookie").unwrap().ends_with("; HttpOnly; SameSite=Strict; Secure"), "{login:?}");
    // Plain HTTP on the same port gets no response.
    let mut plain = served.client();
    plain.write(b"GET /v1/robot HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(!plain.line().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_client_with_a_certificate_needs_no_token() {
    let dir = tempfile::tempdir().unwrap();
    let server = certificate(dir.path(), "server");
    let [own, other] = ["own", "other"].map(|name| certificate(dir.path(), name));
    let served =
        serve(dir.path(), &format!("client_ca = {:?}\nclient_role = \"operate\"\n", dir.path().join("own.pem")));
    let mut client = connect(&served, &server, Some(&own));
    assert_eq!(client.send("PATCH", "/v1/robot", &[], Some(r#"{"online":true}"#)).status, 200);
    assert_eq!(client.send("GET", "/v1/tokens", &[], None).problem().0, 403);
    let digest: String = sha2::Sha256::digest(&own.der).iter().map(|byte| format!("{byte:02x}")).collect();
    let actor = client.send("GET", "/v1/audit?object=main", &[], None).json()["items"][0]["actor"].clone();
    assert_eq!((&actor["kind"], &actor["name"]), (&"certificate".into(), &digest.into()));
    assert_eq!(connect(&served, &server, None).send("GET", "/v1/robot", &[], None).problem().0, 401);
    // The certificate of another authority ends the connection.
    let mut refused = connect(&served, &server, Some(&other));
    assert!(
        !refused.try_line("GET /v1/robot HTTP/1.1\r\nHost: localhost\r\n\r\n").is_some_and(|line| line.contains("200"))
    );
}

#[test]
fn a_renewed_certificate_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let first = certificate(dir.path(), "server");
    let setup = vtl::config::parse(
        "f",
        &format!(
            "[http]\ncertificate = {:?}\nkey = {:?}\n",
            dir.path().join("server.pem"),
            dir.path().join("server.key")
        ),
    );
    let tls = crate::server::tls::Tls::open(&setup.unwrap().http.tls.unwrap()).unwrap();
    assert!(!tls.refresh(), "nothing has changed");
    let second = certificate(dir.path(), "server");
    assert_ne!(first.der, second.der);
    set_modified(dir.path(), 1000);
    assert!(tls.refresh());
    std::fs::write(dir.path().join("server.pem"), "none").unwrap();
    set_modified(dir.path(), 2000);
    assert!(!tls.refresh(), "the file cannot be used");
}

/// Sets the time of the last change of the certificate, in seconds since 1970.
fn set_modified(dir: &Path, seconds: u64) {
    let file = std::fs::File::options().write(true).open(dir.join("server.pem")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
}
