//! Delivery by e-mail.

use crate::Delivery;
use crate::words::{sentence, time_text};
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use vtl::ConfigError;
use vtl::config::{MailSetup, NotifySetup, SmtpSecurity};
use vtl::events::EventRecord;
use vtl::scsi_core::time::Timestamp;

/// Most events in one mail.
pub(crate) const MAX_EVENTS: usize = 100;

/// A mail server with sender and recipients, ready to use.
pub(crate) struct Mail {
    transport: SmtpTransport,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    /// Reads the password and the trusted certificates.
    pub(crate) fn new(setup: &NotifySetup, mail: &MailSetup) -> Result<Self, ConfigError> {
        let address = |text: &String, key: &str| {
            text.parse()
                .map(|address| Mailbox::new(None, address))
                .map_err(|error| setup.error(key, format!("{text:?} is not a mail address: {error}")))
        };
        let tls = match mail.security {
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::StartTls => Tls::Required(tls_parameters(setup, mail)?),
            SmtpSecurity::Tls => Tls::Wrapper(tls_parameters(setup, mail)?),
        };
        let mut transport =
            SmtpTransport::builder_dangerous(&mail.host).port(mail.port).tls(tls).timeout(Some(setup.timeout));
        if let Some((user, file)) = &mail.login {
            let password = setup.read_secret("smtp_password_file", file)?;
            transport = transport.credentials(Credentials::new(user.clone(), password.0));
        }
        Ok(Self {
            transport: transport.build(),
            from: address(&mail.from, "mail_from")?,
            to: mail.to.iter().map(|to| address(to, "mail_to")).collect::<Result<_, _>>()?,
        })
    }

    fn message(&self, events: &[Arc<EventRecord>]) -> Result<Message, String> {
        let mut message = Message::builder().from(self.from.clone()).subject(subject(events));
        for to in &self.to {
            message = message.to(to.clone());
        }
        message.header(ContentType::TEXT_PLAIN).body(body(events)).map_err(|error| error.to_string())
    }
}

fn tls_parameters(setup: &NotifySetup, mail: &MailSetup) -> Result<TlsParameters, ConfigError> {
    let mut parameters = TlsParameters::builder(mail.host.clone());
    if let Some(path) = &mail.ca_file {
        let error = |error: &dyn std::fmt::Display| setup.error("ca_file", format!("{}: {error}", path.display()));
        let text = vtl::config::read_regular_text(path).map_err(|reason| error(&reason))?;
        let certificate = Certificate::from_pem(text.as_bytes()).map_err(|reason| error(&reason))?;
        parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    parameters.build_rustls().map_err(|error| setup.error("smtp", format!("{:?}: {error}", mail.host)))
}

/// The subject of a mail: the name of the event, or the number of events of each name.
fn subject(events: &[Arc<EventRecord>]) -> String {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    events.iter().for_each(|record| *names.entry(record.event.name()).or_default() += 1);
    let listed: Vec<String> = names
        .iter()
        .map(|(name, count)| if *count == 1 { (*name).to_owned() } else { format!("{count} {name}") })
        .collect();
    let library = events.first().and_then(|record| record.library.as_deref());
    let common = library.filter(|library| events.iter().all(|record| record.library.as_deref() == Some(*library)));
    match common {
        Some(library) => format!("[ferric] {library}: {}", listed.join(", ")),
        None => format!("[ferric] {}", listed.join(", ")),
    }
}

/// The text of a mail: a paragraph for each event.
fn body(events: &[Arc<EventRecord>]) -> String {
    let mut text = String::new();
    for record in events {
        let EventRecord { seq, at, event, .. } = &**record;
        let _ = writeln!(text, "{} UTC, {}, event {} ({seq}):", time_text(*at), event.level(), event.name());
        let _ = writeln!(text, "  {}\n", sentence(record));
    }
    text
}

impl Delivery for Mail {
    fn deliver(&self, events: &[Arc<EventRecord>], _now: Timestamp) -> Result<String, String> {
        let response = self.transport.send(&self.message(events)?).map_err(|error| reason(&error))?;
        Ok(format!("SMTP reply {}", response.code()))
    }
}

/// An error with its causes.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
