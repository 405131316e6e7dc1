//! `[[notify]]`: targets of notifications.

use super::source::Source;
use super::values::{identifier, required};
use crate::config::notify::{host_of, is_loopback};
use crate::config::tables::{NotifyTable, Number, SecretText, Tables, Text, Texts};
use crate::config::{
    ConfigError, EventFilter, LibrarySetup, MailSetup, NotifyMethod, NotifySetup, Secret, SecretSource, SmtpSecurity,
    ValueError, WebhookSetup,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;
use std::time::Duration;
use toml::Spanned;

/// Time for which a delivery is tried again, if the configuration has none.
const RETRY_S: u16 = 43_200;
/// Time for one attempt of a webhook or a mail.
const TIMEOUT_S: u16 = 10;
/// Time for one run of a program, as mhvtl has it.
pub(super) const COMMAND_TIMEOUT_S: u16 = 20;
const DIGEST_S: u16 = 60;

/// The targets of notifications; `libraries` are those of the site.
pub(super) fn notify(
    source: &Source<'_>,
    tables: Tables<NotifyTable>,
    libraries: &[LibrarySetup],
) -> Result<Vec<NotifySetup>, ConfigError> {
    let mut targets: Vec<NotifySetup> = Vec::new();
    for table in tables {
        let at = table.span().start;
        let table = table.into_inner();
        let name = required(source, &table.name, "notify.name", at)?;
        let setup = Reader { source, at }.target(&table, identifier(source, name, "notify.name")?, libraries)?;
        if targets.iter().any(|other| other.name == setup.name) {
            let message = format!("there are two targets {:?}", setup.name);
            return Err(source.error(name.span().start, "notify.name", message));
        }
        targets.push(setup);
    }
    Ok(targets)
}

/// A number of seconds, at least 1, or the default.
pub(super) fn seconds(source: &Source<'_>, number: &Number, key: &str, default: u16) -> Result<Duration, ConfigError> {
    match number {
        Some(number) if *number.get_ref() == 0 => {
            Err(source.error(number.span().start, key, "0 is not a time in seconds; expected at least 1"))
        }
        number => {
            let seconds = number.as_ref().map_or(default, |number| *number.get_ref());
            Ok(Duration::from_secs(seconds.into()))
        }
    }
}

/// A program with its arguments: not empty, and without NUL.
pub(super) fn program(source: &Source<'_>, words: &Texts, key: &str, at: usize) -> Result<Vec<String>, ConfigError> {
    let invalid = |word: &&Spanned<String>| word.get_ref().contains('\0');
    if let Some(word) = words.iter().find(invalid) {
        return Err(source.error(word.span().start, key, format!("{:?} has a NUL character", word.get_ref())));
    }
    match words.first() {
        Some(first) if !first.get_ref().is_empty() => Ok(words.iter().map(|word| word.get_ref().clone()).collect()),
        first => {
            let at = first.map_or(at, |first| first.span().start);
            Err(source.error(at, key, "expected a program and its arguments, such as [\"/usr/local/bin/on-event\"]"))
        }
    }
}

/// Reads the table that begins at an offset of the text.
struct Reader<'a> {
    source: &'a Source<'a>,
    at: usize,
}

impl Reader<'_> {
    fn error<T>(&self, text: &Spanned<T>, key: &str, message: impl Into<String>) -> ConfigError {
        self.source.error(text.span().start, &format!("notify.{key}"), message)
    }

    fn required<'a>(&self, text: &'a Text, key: &str) -> Result<&'a Spanned<String>, ConfigError> {
        required(self.source, text, &format!("notify.{key}"), self.at)
    }

    fn target(
        &self,
        table: &NotifyTable,
        name: String,
        libraries: &[LibrarySetup],
    ) -> Result<NotifySetup, ConfigError> {
        let method = match (&table.url, &table.smtp, &table.command) {
            (Some(url), None, None) => self.webhook(table, url)?,
            (None, Some(smtp), None) => self.mail(table, smtp)?,
            (None, None, Some(words)) => NotifyMethod::Command(program(self.source, words, "notify.command", self.at)?),
            _ => {
                let message = "a target has either url (a webhook), smtp (e-mail) or command (a program)";
                return Err(self.source.error(self.at, "notify", message));
            }
        };
        self.check_keys(table, &method)?;
        let timeout = if table.command.is_some() { COMMAND_TIMEOUT_S } else { TIMEOUT_S };
        Ok(NotifySetup {
            name,
            filter: self.filter(table, libraries)?,
            retry: seconds(self.source, &table.retry_seconds, "notify.retry_seconds", RETRY_S)?,
            timeout: seconds(self.source, &table.timeout_seconds, "notify.timeout_seconds", timeout)?,
            method,
            place: (self.source.file.into(), self.source.line(self.at)),
        })
    }

    /// Refuses keys of another kind of delivery, which would have no effect.
    fn check_keys(&self, table: &NotifyTable, method: &NotifyMethod) -> Result<(), ConfigError> {
        fn at<T>(value: Option<&Spanned<T>>) -> Option<usize> {
            value.map(|value| value.span().start)
        }
        let webhook = matches!(method, NotifyMethod::Webhook(_));
        let mail = matches!(method, NotifyMethod::Mail(_));
        let recipients = table.mail_to.as_ref().map(|to| at(to.first()).unwrap_or(self.at));
        let keys = [
            ("secret", webhook, at(table.secret.as_ref())),
            ("secret_file", webhook, at(table.secret_file.as_ref())),
            ("ca_file", webhook || mail, at(table.ca_file.as_ref())),
            ("smtp_security", mail, at(table.smtp_security.as_ref())),
            ("smtp_user", mail, at(table.smtp_user.as_ref())),
            ("smtp_password_file", mail, at(table.smtp_password_file.as_ref())),
            ("mail_from", mail, at(table.mail_from.as_ref())),
            ("mail_to", mail, recipients),
            ("digest_seconds", mail, at(table.digest_seconds.as_ref())),
        ];
        let unused = keys.into_iter().find_map(|(key, used, at)| Some((key, at.filter(|_| !used)?)));
        match unused {
            None => Ok(()),
            Some((key, at)) => {
                let other = if mail {
                    "smtp"
                } else if webhook {
                    "url"
                } else {
                    "command"
                };
                let message = format!("has no effect in a target with {other}");
                Err(self.source.error(at, &format!("notify.{key}"), message))
            }
        }
    }

    fn filter(&self, table: &NotifyTable, libraries: &[LibrarySetup]) -> Result<EventFilter, ConfigError> {
        let mut filter = EventFilter::default();
        if let Some(events) = &table.events {
            let names = events.iter().map(|text| text.get_ref().clone()).collect();
            filter = EventFilter::new(names).map_err(|error| {
                let is_unknown =
                    |text: &&Spanned<String>| matches!(&error, ValueError::Event(unknown) if unknown == text.get_ref());
                let at = events.iter().find(is_unknown).map_or(self.at, |text| text.span().start);
                self.source.error(at, "notify.events", error.to_string())
            })?;
        }
        let Some(names) = &table.libraries else { return Ok(filter) };
        if let Some(unknown) = names.iter().find(|name| libraries.iter().all(|library| library.name != *name.get_ref()))
        {
            let known = libraries.iter().map(|library| format!("{:?}", library.name)).collect::<Vec<_>>().join(", ");
            let message = format!("there is no library {:?}; the file has {known}", unknown.get_ref());
            return Err(self.error(unknown, "libraries", message));
        }
        Ok(filter.with_libraries(names.iter().map(|name| name.get_ref().clone()).collect()))
    }

    fn webhook(&self, table: &NotifyTable, url: &Spanned<String>) -> Result<NotifyMethod, ConfigError> {
        let text = url.get_ref();
        let host = host_of(text);
        let has_scheme = text.starts_with("https://") || text.starts_with("http://");
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !has_scheme || !plain || host.is_empty() {
            let message = format!("{text:?} is not a URL such as \"https://alerts.example.com/tapes\"");
            return Err(self.error(url, "url", message));
        }
        if host.contains('@') || text.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
            return Err(self.error(url, "url", "a URL with a user name or password is not accepted; use secret"));
        }
        let secret = match (&table.secret, &table.secret_file) {
            (None, None) => None,
            (Some(secret), None) => Some(SecretSource::Text(self.secret(secret)?)),
            (None, Some(file)) => Some(SecretSource::File(self.path(file, "secret_file")?)),
            (Some(_), Some(file)) => {
                return Err(self.error(file, "secret_file", "is given as well as secret; write one of them"));
            }
        };
        Ok(NotifyMethod::Webhook(WebhookSetup { url: text.clone(), secret, ca_file: self.ca_file(table)? }))
    }

    /// A secret in the file. No error shows it.
    fn secret(&self, secret: &Spanned<SecretText>) -> Result<Secret, ConfigError> {
        let text = &secret.get_ref().0;
        secret_key(text).map_err(|message| self.error(secret, "secret", message))?;
        Ok(Secret(text.clone()))
    }

    fn path(&self, text: &Spanned<String>, key: &str) -> Result<PathBuf, ConfigError> {
        if text.get_ref().is_empty() || text.get_ref().contains('\0') {
            return Err(self.error(text, key, format!("{:?} is not a file", text.get_ref())));
        }
        Ok(text.get_ref().into())
    }

    fn ca_file(&self, table: &NotifyTable) -> Result<Option<PathBuf>, ConfigError> {
        table.ca_file.as_ref().map(|file| self.path(file, "ca_file")).transpose()
    }

    fn mail(&self, table: &NotifyTable, smtp: &Spanned<String>) -> Result<NotifyMethod, ConfigError> {
        let (host, port) = smtp
            .get_ref()
            .rsplit_once(':')
            .filter(|_| super::iscsi::is_portal(smtp.get_ref()))
            .and_then(|(host, port)| Some((host, port.parse::<u16>().ok().filter(|port| *port != 0)?)))
            .ok_or_else(|| {
                let message = format!("{:?} is not ADDRESS:PORT, such as \"mail.example.com:587\"", smtp.get_ref());
                self.error(smtp, "smtp", message)
            })?;
        let login = match (&table.smtp_user, &table.smtp_password_file) {
            (None, None) => None,
            (Some(user), Some(file)) => Some((user.get_ref().clone(), self.path(file, "smtp_password_file")?)),
            (Some(user), None) => return Err(self.error(user, "smtp_user", "needs smtp_password_file")),
            (None, Some(file)) => return Err(self.error(file, "smtp_password_file", "needs smtp_user")),
        };
        let from = self.address(self.required(&table.mail_from, "mail_from")?, "mail_from")?;
        let to = table.mail_to.iter().flatten().map(|to| self.address(to, "mail_to")).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(self.source.error(self.at, "notify.mail_to", "is required: at least one address"));
        }
        Ok(NotifyMethod::Mail(MailSetup {
            host: host.trim_matches(['[', ']']).into(),
            port,
            security: self.security(table, host)?,
            login,
            from,
            to,
            digest: Duration::from_secs(
                table.digest_seconds.as_ref().map_or(DIGEST_S, |number| *number.get_ref()).into(),
            ),
            ca_file: self.ca_file(table)?,
        }))
    }

    fn security(&self, table: &NotifyTable, host: &str) -> Result<SmtpSecurity, ConfigError> {
        let Some(text) = &table.smtp_security else { return Ok(SmtpSecurity::StartTls) };
        let known = [SmtpSecurity::StartTls, SmtpSecurity::Tls, SmtpSecurity::None];
        let security = known.into_iter().find(|security| security.name() == text.get_ref()).ok_or_else(|| {
            let message = format!("{:?} is invalid; expected \"starttls\", \"tls\" or \"none\"", text.get_ref());
            self.error(text, "smtp_security", message)
        })?;
        if security == SmtpSecurity::None && !is_loopback(host) {
            let message = format!("\"none\" is only for a mail server on this machine, not for {host:?}");
            return Err(self.error(text, "smtp_security", message));
        }
        Ok(security)
    }

    fn address(&self, text: &Spanned<String>, key: &str) -> Result<String, ConfigError> {
        let is_part = |part: &str| !part.is_empty() && !part.contains(['@', ' ', '<', '>', ',', ';']);
        let known = text.get_ref().split_once('@').is_some_and(|(name, domain)| is_part(name) && is_part(domain));
        if known && !text.get_ref().chars().any(char::is_control) {
            return Ok(text.get_ref().clone());
        }
        let message = format!("{:?} is not a mail address such as \"operators@example.com\"", text.get_ref());
        Err(self.error(text, key, message))
    }
}

/// The key of the secret of a webhook: the bytes that `whsec_` and base64 stand for, or else those of the text. The error
/// does not contain the secret.
pub(in crate::config) fn secret_key(secret: &str) -> Result<Vec<u8>, String> {
    if !(16..=255).contains(&secret.len()) {
        return Err("a secret of a webhook has at least 16 characters, and at most 255".into());
    }
    match secret.strip_prefix("whsec_") {
        None => Ok(secret.as_bytes().to_vec()),
        Some(text) => STANDARD.decode(text).map_err(|_| "what follows whsec_ is not base64".into()),
    }
}

#[cfg(test)]
mod tests;
