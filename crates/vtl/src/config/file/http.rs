//! `[http]`: address and access of the HTTP API.

use super::iscsi::check_bind;
use super::source::Source;
use crate::config::tables::{HttpTable, Text};
use crate::config::{ConfigError, HttpSetup, TlsSetup};
use crate::tokens::Role;
use std::path::PathBuf;
use toml::Spanned;

pub(super) fn http(source: &Source<'_>, table: HttpTable) -> Result<HttpSetup, ConfigError> {
    if let Some(listen) = &table.listen {
        check_bind(listen.get_ref())
            .map_err(|error| source.error(listen.span().start, "http.listen", error.to_string()))?;
    }
    let loopback = word(source, &table.loopback, "http.loopback", &["open", "token"])?;
    let client_role = word(source, &table.client_role, "http.client_role", &["read", "operate", "admin"])?;
    let client_role = [Role::Read, Role::Operate, Role::Admin].get(client_role).copied().unwrap_or(Role::Read);
    let path = |text: &Text| text.as_ref().map(|text| PathBuf::from(text.get_ref()));
    let missing = |text: &Text, key: &str, other: &str| {
        let at = text.as_ref().map_or(0, |text| text.span().start);
        Err(source.error(at, key, format!("needs http.{other}, too")))
    };
    let tls = match (path(&table.certificate), path(&table.key)) {
        (Some(certificate), Some(key)) => {
            Some(TlsSetup { certificate, key, client_ca: path(&table.client_ca), client_role })
        }
        (Some(_), None) => return missing(&table.certificate, "http.certificate", "key"),
        (None, Some(_)) => return missing(&table.key, "http.key", "certificate"),
        (None, None) if table.client_ca.is_some() => {
            return missing(&table.client_ca, "http.client_ca", "certificate");
        }
        (None, None) => None,
    };
    Ok(HttpSetup {
        listen: table.listen.map(Spanned::into_inner),
        loopback_tokens: loopback == 1,
        tls,
        insecure: table.insecure.is_some_and(Spanned::into_inner),
        hosts: table.hosts.into_iter().map(Spanned::into_inner).collect(),
    })
}

/// The index of a value among the known words; 0 if it is not given.
fn word(source: &Source<'_>, text: &Text, key: &str, known: &[&str]) -> Result<usize, ConfigError> {
    let Some(text) = text else { return Ok(0) };
    known.iter().position(|word| word == text.get_ref()).ok_or_else(|| {
        let message = format!("{:?} is not known; expected {}", text.get_ref(), known.join(" or "));
        source.error(text.span().start, key, message)
    })
}
