//! Delivery by POST requests.

use crate::{Delivery, delivery_id, signature};
use rustls::crypto::aws_lc_rs::default_provider;
use std::path::Path;
use std::sync::Arc;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use vtl::ConfigError;
use vtl::config::{NotifySetup, WebhookSetup};
use vtl::events::EventRecord;
use vtl::scsi_core::time::Timestamp;

/// A webhook that is ready to use.
pub(crate) struct Webhook {
    agent: Agent,
    url: String,
    key: Option<Vec<u8>>,
}

impl Webhook {
    /// Reads the secret and the trusted certificates.
    pub(crate) fn new(setup: &NotifySetup, webhook: &WebhookSetup) -> Result<Self, ConfigError> {
        let roots = match &webhook.ca_file {
            Some(path) => certificates(path).map_err(|message| setup.error("ca_file", message))?,
            None if webhook.url.starts_with("https://") => system_certificates(),
            None => Vec::new(),
        };
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(roots))
            .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(setup.timeout))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("ferric/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), url: webhook.url.clone(), key: setup.signing_key()? })
    }
}

/// The certificates in a PEM file.
fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let text = vtl::config::read_regular_text(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let items = parse_pem(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let items = items.map_err(|error| format!("{}: {error}", path.display()))?;
    let certificates: Vec<_> = items
        .into_iter()
        .filter_map(|item| if let PemItem::Certificate(certificate) = item { Some(certificate) } else { None })
        .collect();
    if certificates.is_empty() { Err(format!("{} has no certificate", path.display())) } else { Ok(certificates) }
}

/// The certificates that the system trusts.
fn system_certificates() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        tracing::warn!("the system has no trusted certificates; set notify.ca_file");
    }
    found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}

impl Delivery for Webhook {
    fn deliver(&self, events: &[Arc<EventRecord>], now: Timestamp) -> Result<String, String> {
        let Some(record) = events.first() else { return Ok(String::new()) };
        let body = serde_json::to_vec(record).map_err(|error| error.to_string())?;
        let (id, seconds) = (delivery_id(record), now.0 / 1000);
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", seconds.to_string());
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, &id, seconds, &body));
        }
        let response = request.send(body.as_slice()).map_err(|error| error.to_string())?;
        let status = response.status();
        match () {
            () if status.is_success() => Ok(format!("HTTP status {}", status.as_u16())),
            () if status.is_redirection() => {
                Err(format!("HTTP status {}: redirects are not followed", status.as_u16()))
            }
            () => Err(format!("HTTP status {}", status.as_u16())),
        }
    }
}
