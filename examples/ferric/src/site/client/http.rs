//! The HTTP API of a daemon (`--url`).

use crate::cli_error::{CliError, ErrorCode};
use crate::options::RemoteDaemon;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Request, Response};
use ureq::tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem};
use vtl_http::routes::{self, Located, Shape};

/// Time to connect to the daemon.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct HttpClient {
    agent: Agent,
    /// URL without a slash at its end.
    pub(super) url: String,
    token: Option<String>,
}

impl HttpClient {
    /// Reads the token and the certificates. Nothing is sent before the first request.
    pub(super) fn new(daemon: &RemoteDaemon) -> Result<Self, CliError> {
        let token = daemon.token_file.as_deref().map(read_token).transpose()?;
        let roots = match &daemon.ca {
            Some(file) => read_certificates(file)?,
            None if daemon.url.starts_with("https://") => system_certificates(),
            None => Vec::new(),
        };
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(roots))
            .client_cert(daemon.client.as_ref().map(|(certificate, key)| read_client(certificate, key)).transpose()?)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("ferric/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), url: daemon.url.trim_end_matches('/').into(), token })
    }

    /// Executes a control request, given as its members with `op`, and returns its response.
    pub(super) fn request(&self, request: &Map<String, Value>) -> Result<Value, CliError> {
        let located = locate(request)?;
        let response = self.json(&located, &located.target)?;
        match located.shape {
            Shape::Whole => Ok(response),
            Shape::Only => Ok(json!([response])),
            Shape::Items => self.all_pages(&located, response).map(Value::Array),
        }
    }

    /// The items of a page and of those after it.
    fn all_pages(&self, located: &Located, mut page: Value) -> Result<Vec<Value>, CliError> {
        let mut all = Vec::new();
        loop {
            let items = page.get_mut("items").map(Value::take);
            let Some(Value::Array(items)) = items else { return Err(self.failed("the response has no items")) };
            all.extend(items);
            let Some(next) = page.get("next").and_then(Value::as_str) else { return Ok(all) };
            page = self.json(located, &located.page_after(next))?;
        }
    }

    /// Passes each message of the stream of events that a control request names to `each`.
    pub(super) fn subscribe(
        &self,
        request: &Map<String, Value>,
        mut each: impl FnMut(Value) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let located = locate(request)?;
        let stream = self.send(&located, &located.target)?;
        for line in BufReader::new(stream).lines() {
            let line = line.map_err(|error| self.failed(error))?;
            if let Some(data) = line.strip_prefix("data: ") {
                each(serde_json::from_str(data)?)?;
            }
        }
        Ok(())
    }

    fn json(&self, located: &Located, target: &str) -> Result<Value, CliError> {
        let response = BufReader::new(self.send(located, target)?);
        serde_json::from_reader(response)
            .map_err(|error| self.failed(format!("the response is not understood: {error}")))
    }

    /// Sends a request, and returns the body of the response if it is a success.
    fn send(&self, located: &Located, target: &str) -> Result<impl Read + use<>, CliError> {
        let mut request = Request::builder().method(located.method.name()).uri(format!("{}{target}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let is_empty = matches!(located.method, routes::Method::Get | routes::Method::Delete);
        let sent = if is_empty {
            request.body(()).map(|request| self.agent.run(request))
        } else {
            let body = located.body.as_ref().map(|members| json!(members).to_string()).unwrap_or_default();
            request.header("content-type", "application/json").body(body).map(|request| self.agent.run(request))
        };
        let sent = sent.map_err(|error| CliError::invalid(format!("--url {:?}: {error}", self.url)))?;
        let response = sent.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            Ok(response.into_body().into_reader())
        } else {
            Err(self.refused(response))
        }
    }

    /// The error in a response that is not a success: a problem of the daemon (RFC 9457), or else its status.
    fn refused(&self, response: Response<ureq::Body>) -> CliError {
        let status = response.status();
        let mut problem: Value = serde_json::from_reader(response.into_body().into_reader()).unwrap_or_default();
        let mut take = |member: &str| problem.get_mut(member).map(Value::take);
        let (Some(code), Some(detail)) = (take("code"), take("detail")) else {
            return self.failed(format!("the response has the status {status}; is this the HTTP API of a daemon?"));
        };
        let message = match (status.as_u16(), &self.token) {
            (401, None) => json!(format!("{}: the daemon needs a token: --token-file FILE", self.url)),
            (401, Some(_)) => json!(format!("{}: {}", self.url, detail.as_str().unwrap_or_default())),
            _ => detail,
        };
        let mut error = json!({ "code": code, "message": message });
        if let (Some(fields), Some(error)) = (take("fields"), error.as_object_mut()) {
            error.insert("fields".into(), fields);
        }
        CliError::Daemon(error)
    }

    fn unreachable(&self, error: &ureq::Error) -> CliError {
        let text = error.to_string();
        if text.contains("UnknownIssuer") {
            return self.failed(
                "the certificate of the daemon is of an unknown authority; name its certificate with --ca FILE",
            );
        }
        self.failed(format!("cannot reach the daemon: {text}"))
    }

    fn failed(&self, reason: impl std::fmt::Display) -> CliError {
        CliError::new(ErrorCode::Unavailable, format!("{}: {reason}", self.url))
    }
}

fn locate(request: &Map<String, Value>) -> Result<Located, CliError> {
    routes::locate(request).ok_or_else(|| CliError::invalid("the HTTP API has no such request"))
}

fn read_token(file: &Path) -> Result<String, CliError> {
    let name = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    let token = text.trim();
    // A token is in a header: no other characters can be sent.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CliError::invalid(format!("{name} has no token; expected the output of ferric token create")));
    }
    Ok(token.into())
}

/// The certificate of this client with those of its authorities, and its private key.
fn read_client(certificate: &Path, key: &Path) -> Result<ClientCert, CliError> {
    let name = key.display();
    let text = std::fs::read(key).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    let private_key = |item| if let Ok(PemItem::PrivateKey(key)) = item { Some(key) } else { None };
    let key = parse_pem(&text).find_map(private_key);
    let key = key.ok_or_else(|| CliError::invalid(format!("{name} has no private key in PEM")))?;
    let client = ClientCert::new_with_certs(&read_certificates(certificate)?, key);
    // The library of HTTP would panic.
    check_client(certificate, &client)?;
    Ok(client)
}

/// Refuses a key that cannot be used, or that is not the key of the certificate.
fn check_client(file: &Path, client: &ClientCert) -> Result<(), CliError> {
    let name = file.display();
    let wrong =
        |error: rustls::Error| CliError::invalid(format!("{name}: the client certificate cannot be used: {error}"));
    let key = PrivateKeyDer::try_from(client.private_key().der().to_vec());
    let key = key.map_err(|reason| CliError::invalid(format!("{name}: the private key cannot be used: {reason}")))?;
    let chain = client.certs().iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(drop).map_err(wrong)
}

fn read_certificates(file: &Path) -> Result<Vec<Certificate<'static>>, CliError> {
    let name = file.display();
    let text = std::fs::read(file).map_err(|error| CliError::system(&error, format!("{name}: {error}")))?;
    let certificate = |item| if let Ok(PemItem::Certificate(certificate)) = item { Some(certificate) } else { None };
    let certificates: Vec<_> = parse_pem(&text).filter_map(certificate).collect();
    if certificates.is_empty() {
        return Err(CliError::invalid(format!("{name} has no certificate in PEM")));
    }
    Ok(certificates)
}

/// The certificates of the authorities that the system trusts.
fn system_certificates() -> Vec<Certificate<'static>> {
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
}
