//! E-mail against an SMTP server: one mail for several events, retries, login and TLS.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Connection, open, virtual_clock};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use vtl::clock::Clock;

/// One session of a client: its commands, and the lines of the mail.
struct Session {
    commands: Vec<String>,
    mail: Vec<String>,
}

/// TLS of the server.
#[derive(Clone, Copy, PartialEq)]
enum Security {
    None,
    StartTls,
    Tls,
}

/// An SMTP server on a free port. The first `refusals` mails get the reply 451.
fn server(security: Security, refusals: usize) -> (SocketAddr, Receiver<Session>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, sessions) = channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let reply = if number < refusals { "451 4.3.0 later" } else { "250 2.0.0 queued" };
            // A client that does not trust the certificate ends the connection.
            if let Some(session) = session(stream.unwrap(), security, reply)
                && sender.send(session).is_err()
            {
                return;
            }
        }
    });
    (address, sessions)
}

fn secured(stream: TcpStream) -> BufReader<Box<dyn Connection>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let certificate = CertificateDer::from_pem_file(format!("{data}/certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{data}/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    BufReader::new(Box::new(StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)))
}

fn session(raw: TcpStream, security: Security, reply: &str) -> Option<Session> {
    let mut stream: BufReader<Box<dyn Connection>> = match security {
        Security::Tls => secured(raw.try_clone().unwrap()),
        _ => BufReader::new(Box::new(raw.try_clone().unwrap())),
    };
    let (mut commands, mut mail) = (Vec::new(), Vec::new());
    stream.get_mut().write_all(b"220 mail.example ESMTP\r\n").ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return if mail.is_empty() { None } else { Some(Session { commands, mail }) };
        }
        let line = line.trim_end().to_owned();
        let offers_tls = security == Security::StartTls && !commands.contains(&"STARTTLS".to_owned());
        let answer = match line.split(' ').next().unwrap() {
            "EHLO" if offers_tls => "250-mail.example\r\n250 STARTTLS".into(),
            "EHLO" => "250-mail.example\r\n250 AUTH PLAIN".into(),
            "STARTTLS" => "220 go ahead".into(),
            "AUTH" => "235 2.7.0 welcome".into(),
            "DATA" => "354 go ahead".into(),
            "QUIT" => "221 bye".into(),
            _ => "250 ok".to_owned(),
        };
        commands.push(line.clone());
        stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        stream.get_mut().flush().ok()?;
        if line == "STARTTLS" {
            stream = secured(raw.try_clone().unwrap());
        }
        if line == "DATA" {
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).ok()?;
                if line == ".\r\n" {
                    break;
                }
                mail.push(line.trim_end().to_owned());
            }
            stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).ok()?;
            stream.get_mut().flush().ok()?;
        }
        if line == "QUIT" {
            return Some(Session { commands, mail });
        }
    }
}

fn target(address: SocketAddr, more: &str) -> String {
    format!(
        "[[notify]]\nname = \"m\"\nsmtp = \"localhost:{}\"\nmail_from = \"tapes@example.com\"\n\
         mail_to = [\"a@example.com\", \"b@example.com\"]\n{more}",
        address.port()
    )
}

#[test]
fn several_events_become_one_mail() {
    let ((address, sessions), clock) = (server(Security::None, 1), virtual_clock());
    let fixture = open(&target(address, "smtp_security = \"none\"\n"), clock.clock());
    fixture.send([1, 2, 3]);
    fixture.wait(|status| status.waiting == 3);
    assert_eq!(clock.advance_to_deadline(), Duration::from_secs(60));
    // The server refuses the first attempt.
    let refused = sessions.recv().unwrap();
    let status = fixture.wait(|status| status.failures == 1);
    assert!(status.last_error.as_ref().unwrap().contains("451"), "{status:?}");
    assert_eq!(clock.advance_to_deadline(), Duration::from_secs(1));
    let Session { commands, mail } = sessions.recv().unwrap();
    assert_eq!(refused.mail.len(), mail.len());
    let is = |text: &str| commands.iter().any(|command| command == text);
    assert!(
        is("MAIL FROM:<tapes@example.com>") && is("RCPT TO:<a@example.com>") && is("RCPT TO:<b@example.com>"),
        "{commands:?}"
    );
    let (head, body) = mail.split_at(mail.iter().position(String::is_empty).unwrap());
    for line in ["From: tapes@example.com", "To: a@example.com, b@example.com", "Subject: [ferric] 3 damaged"] {
        assert!(head.iter().any(|other| other == line), "{line}: {head:?}");
    }
    assert!(head.iter().any(|line| line.starts_with("Content-Type: text/plain")), "{head:?}");
    let body: Vec<&str> = body.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
    let lines = |number: usize, seq: usize| {
        [
            format!("2026-11-22 00:29:22 UTC, error, event damaged ({seq}):"),
            format!("  cartridge A{number}: the medium has an error, data may be lost: bad"),
        ]
    };
    assert_eq!(body, [lines(1, 2), lines(2, 3), lines(3, 4)].concat());
    let status = fixture.wait(|status| status.delivered == 3);
    assert_eq!((status.kind.as_str(), status.failed_attempts), ("mail", 1));
    assert_eq!(status.destination, format!("smtp://localhost:{}", address.port()));
}

#[test]
fn login_needs_tls_and_a_known_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "do not show\n").unwrap();
    let certificate = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/certificate.pem");
    for (security, name) in [(Security::StartTls, "starttls"), (Security::Tls, "tls")] {
        let (address, sessions) = server(security, 0);
        let login = format!("smtp_security = \"{name}\"\nsmtp_user = \"u\"\nsmtp_password_file = {password:?}\n");
        let fixture = open(&target(address, &login), Clock::real());
        let error = fixture.test("m").unwrap_err();
        assert!(error.message.contains("certificate"), "{name}: {error}");
        fixture.reload(&target(address, &format!("{login}ca_file = \"{certificate}\"\n")));
        assert_eq!(fixture.test("m").unwrap().answer, "SMTP reply 250", "{name}");
        let Session { commands, mail } = sessions.recv().unwrap();
        let expected = format!("AUTH PLAIN {}", STANDARD.encode("\0u\0do not show"));
        assert!(commands.contains(&expected), "{commands:?}");
        assert_eq!(commands.contains(&"STARTTLS".into()), security == Security::StartTls);
        assert!(mail.iter().any(|line| line == "Subject: [ferric] test"), "{mail:?}");
        let shown = format!("{:?} {error}", fixture.site.status());
        assert!(!shown.contains("do not show"), "{shown}");
    }
}

#[test]
fn a_server_without_starttls_gets_no_mail() {
    let (address, _sessions) = server(Security::None, 0);
    let fixture = open(&target(address, ""), Clock::real());
    let error = fixture.test("m").unwrap_err();
    assert!(error.message.to_lowercase().contains("starttls"), "{error}");
}
