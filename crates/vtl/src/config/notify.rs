//! Targets of notifications: what they receive, and how it is delivered.

use super::file::secret_key;
use super::{ConfigError, ValueError};
use crate::events::{EVENT_KINDS, EventLevel, EventRecord};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program that the robot runs before each move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveCommand {
    /// The program and its first arguments; not empty.
    pub command: Vec<String>,
    /// Time after which the program is killed, and the move fails.
    pub timeout: Duration,
}

/// A value that no output shows. `Debug` output does not contain it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Configuration of one target of notifications: its events, and where they are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotifySetup {
    /// Name of the target, unique in the site.
    pub name: String,
    /// The events that the target receives.
    pub filter: EventFilter,
    /// Time for which the delivery of an event is tried again.
    pub retry: Duration,
    /// Time after which an attempt has failed.
    pub timeout: Duration,
    /// How events are delivered, and where to.
    pub method: NotifyMethod,
    /// Path of the configuration file, as the caller gave it, and line of the table in it.
    pub place: (String, usize),
}

/// Kind of the delivery of events to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotifyMethod {
    /// POST requests to a URL.
    Webhook(WebhookSetup),
    /// Mails over SMTP to one or more recipients.
    Mail(MailSetup),
    /// A program with its arguments, which runs once for each event.
    Command(Vec<String>),
}

/// A webhook: its URL, and the secret with which its requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebhookSetup {
    /// The URL, which begins with `https://` or `http://`.
    pub url: String,
    /// The secret of the signature; without one, requests are not signed.
    pub secret: Option<SecretSource>,
    /// File with trusted certificates in PEM; those of the system if `None`.
    pub ca_file: Option<PathBuf>,
}

/// Place of a secret: the configuration itself, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// The secret as the configuration has it.
    Text(Secret),
    /// A file that contains the secret; white space at its end is not part of it.
    File(PathBuf),
}

/// Mail over SMTP: server, login and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailSetup {
    /// Host name or address of the mail server.
    pub host: String,
    /// TCP port of the mail server.
    pub port: u16,
    /// Encryption of the connection to it.
    pub security: SmtpSecurity,
    /// User name, and the file that contains the password.
    pub login: Option<(String, PathBuf)>,
    /// Mail address of the sender.
    pub from: String,
    /// Addresses of the recipients, at least one.
    pub to: Vec<String>,
    /// Time during which events are collected for one mail.
    pub digest: Duration,
    /// File with trusted certificates in PEM; those of the system if `None`.
    pub ca_file: Option<PathBuf>,
}

/// Encryption of a connection to a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// STARTTLS after the connection was opened (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// No encryption, only to a loopback address.
    None,
}

impl SmtpSecurity {
    /// The value in the configuration: `starttls`, `tls` or `none`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Tls => "tls",
            Self::None => "none",
        }
    }
}

/// A selection of events by name, level and library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Names of events and levels, as the configuration has them.
    events: Vec<String>,
    /// Names of the events that are selected.
    names: BTreeSet<&'static str>,
    /// Libraries whose events are selected; all if `None`.
    libraries: Option<Vec<String>>,
}

impl Default for EventFilter {
    /// The events of the levels `warn` and `error`.
    fn default() -> Self {
        let names = names_of_level(EventLevel::Warn).collect();
        Self { events: vec![EventLevel::Warn.name().into()], names, libraries: None }
    }
}

fn names_of_level(level: EventLevel) -> impl Iterator<Item = &'static str> {
    EVENT_KINDS.iter().filter(move |(_, of)| *of >= level).map(|(name, _)| *name)
}

impl EventFilter {
    /// A selection by names of events and of levels, which stand for all events of this level and above.
    ///
    /// # Errors
    /// [`ValueError::Event`] with the text that names neither an event nor a level.
    pub fn new(events: Vec<String>) -> Result<Self, ValueError> {
        let mut names = BTreeSet::new();
        for text in &events {
            match (EventLevel::from_name(text), EVENT_KINDS.iter().find(|(name, _)| name == text)) {
                (Some(level), _) => names.extend(names_of_level(level)),
                (None, Some((name, _))) => drop(names.insert(*name)),
                (None, None) => return Err(ValueError::Event(text.clone())),
            }
        }
        Ok(Self { events, names, libraries: None })
    }

    /// The same selection without the events that concern other libraries than these.
    #[must_use]
    pub fn with_libraries(self, libraries: Vec<String>) -> Self {
        Self { libraries: Some(libraries), ..self }
    }

    /// Whether an event is selected. Events that concern no library are selected by their names only.
    #[must_use]
    pub fn selects(&self, record: &EventRecord) -> bool {
        let in_library = match (&self.libraries, &record.library) {
            (Some(libraries), Some(library)) => libraries.contains(library),
            _ => true,
        };
        in_library && self.names.contains(record.event.name())
    }

    /// Names of events and levels as the configuration has them, and libraries.
    pub(super) fn parts(&self) -> (&[String], Option<&[String]>) {
        (&self.events, self.libraries.as_deref())
    }
}

/// Whether a host name or address is on this machine.
#[must_use]
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Scheme, host and port of a URL: the part before the path.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(host..).and_then(|rest| rest.find(['/', '?', '#'])).map_or(url.len(), |at| host + at);
    url.get(..end).unwrap_or(url)
}

/// The host of a URL, without its port.
pub(super) fn host_of(url: &str) -> &str {
    let authority = origin(url).split_once("://").map_or("", |(_, authority)| authority);
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

impl NotifySetup {
    /// Whether two tables say the same, possibly at different places of their files.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        Self { place: other.place.clone(), ..self.clone() } == *other
    }

    /// Kind of the target: `webhook`, `mail` or `command`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.method {
            NotifyMethod::Webhook(_) => "webhook",
            NotifyMethod::Mail(_) => "mail",
            NotifyMethod::Command(_) => "command",
        }
    }

    /// The destination without anything secret: scheme, host and port of a URL; mail server; path of a program.
    #[must_use]
    pub fn destination(&self) -> String {
        match &self.method {
            NotifyMethod::Webhook(webhook) => origin(&webhook.url).into(),
            NotifyMethod::Mail(mail) => format!("smtp://{}:{}", mail.host, mail.port),
            NotifyMethod::Command(command) => command.first().cloned().unwrap_or_default(),
        }
    }

    /// The target without what may be a secret: the path and the query of a URL, and the arguments of a command.
    pub(crate) fn without_secrets(&self) -> Self {
        let mut shown = self.clone();
        match &mut shown.method {
            NotifyMethod::Webhook(webhook) => webhook.url = self.destination(),
            NotifyMethod::Mail(_) => {}
            NotifyMethod::Command(command) => command.truncate(1),
        }
        shown
    }

    /// Conditions that need an operator: events that are sent over a network without encryption.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let NotifyMethod::Webhook(webhook) = &self.method else { return None };
        let is_open = webhook.url.starts_with("http://") && !is_loopback(host_of(&webhook.url));
        is_open.then(|| {
            format!("notify {:?} sends events to {} without encryption: use https", self.name, self.destination())
        })
    }

    /// The key for the signatures of a webhook; `None` if it has no secret. Reads the file of the secret.
    ///
    /// # Errors
    /// The file cannot be read, or its content is not a secret.
    pub fn signing_key(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        let NotifyMethod::Webhook(WebhookSetup { secret: Some(secret), .. }) = &self.method else { return Ok(None) };
        let (key, text) = match secret {
            SecretSource::Text(secret) => ("secret", secret.0.clone()),
            SecretSource::File(path) => ("secret_file", self.read_secret("secret_file", path)?.0),
        };
        secret_key(&text).map(Some).map_err(|message| self.error(key, message))
    }

    /// Reads a secret from a file, without the white space at its end.
    ///
    /// # Errors
    /// The file cannot be read, is not text or is empty.
    pub fn read_secret(&self, key: &str, path: &Path) -> Result<Secret, ConfigError> {
        let text = super::read_regular_text(path);
        let text = text.map_err(|error| self.error(key, format!("{}: {error}", path.display())))?;
        match text.trim_end() {
            "" => Err(self.error(key, format!("{} is empty", path.display()))),
            secret => Ok(Secret(secret.into())),
        }
    }

    /// Checks the files that the target needs.
    pub(super) fn check_files(&self) -> Result<(), ConfigError> {
        self.signing_key()?;
        let (NotifyMethod::Webhook(WebhookSetup { ca_file, .. }) | NotifyMethod::Mail(MailSetup { ca_file, .. })) =
            &self.method
        else {
            return Ok(());
        };
        if let Some(path) = ca_file {
            super::read_regular_text(path)
                .map_err(|error| self.error("ca_file", format!("{}: {error}", path.display())))?;
        }
        match &self.method {
            NotifyMethod::Mail(MailSetup { login: Some((_, path)), .. }) => {
                self.read_secret("smtp_password_file", path).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// The error that a file or another value of this target cannot be used.
    #[must_use]
    pub fn error(&self, key: &str, message: String) -> ConfigError {
        let (file, line) = self.place.clone();
        ConfigError { file, line, key: format!("notify.{key}"), column: 0, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Cause, Event, Subject};

    fn record(library: Option<&str>, event: Event) -> EventRecord {
        let subject = Subject { library: library.map(Into::into), ..Subject::new(Cause::site()) };
        subject.into_record("s".into(), 1, 0, event)
    }

    #[test]
    fn events_are_selected_by_name_level_and_library() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let damaged = || Event::Damaged { reason: String::new() };
        let raised = || Event::AlertRaised { flag: 3, name: String::new() };
        for (events, started, raised_selected, damaged_selected) in [
            (vec!["info"], true, true, true),
            (vec!["warn"], false, true, true),
            (vec!["error"], false, false, true),
            (vec!["error", "started"], true, false, true),
            (vec!["alert_raised"], false, true, false),
            (vec![], false, false, false),
        ] {
            let filter = EventFilter::new(texts(&events)).unwrap();
            let selected = |event| filter.selects(&record(None, event));
            let start = Event::Started { release: String::new(), version: 2 };
            let all = (selected(start), selected(raised()), selected(damaged()));
            assert_eq!(all, (started, raised_selected, damaged_selected), "{events:?}");
        }
        assert_eq!(EventFilter::new(texts(&["warn", "crashed"])), Err(ValueError::Event("crashed".into())));
        let filter = EventFilter::default().with_libraries(texts(&["main"]));
        assert!(filter.selects(&record(Some("main"), raised())) && filter.selects(&record(None, raised())));
        assert!(!filter.selects(&record(Some("other"), raised())));
        assert!(!filter.selects(&record(Some("main"), Event::Deleted)));
    }

    #[test]
    fn parts_of_urls() {
        for (url, parts, host) in [
            ("https://a.example/b?c=d", "https://a.example", "a.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1"),
            ("http://[::1]:80/x", "http://[::1]:80", "::1"),
            ("https://a?token", "https://a", "a"),
        ] {
            assert_eq!((origin(url), host_of(url)), (parts, host));
        }
        assert!(["localhost", "127.3.0.1", "::1", "[::1]", "::ffff:127.0.0.1"].into_iter().all(is_loopback));
        assert!(!["localhost.example", "10.0.0.1", "127.0.0.1.example"].into_iter().any(is_loopback));
    }
}
