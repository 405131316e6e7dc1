//! TLS: the certificate of the server, those of clients, and their renewal.

use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio_rustls::TlsAcceptor;
use vtl::config::TlsSetup;

/// The files of a setup, and the configuration that was made from them.
pub(super) struct Tls {
    setup: TlsSetup,
    current: Mutex<(Versions, TlsAcceptor)>,
}

/// Time of the last change of each file, as far as it is known.
type Versions = Vec<Option<SystemTime>>;

impl Tls {
    /// Reads the files of a setup.
    ///
    /// # Errors
    /// A file cannot be read or has no certificate or key, or the key is not that of the certificate.
    pub(super) fn open(setup: &TlsSetup) -> io::Result<Self> {
        let versions = versions(setup);
        Ok(Self { setup: setup.clone(), current: Mutex::new((versions, acceptor(setup)?)) })
    }

    /// The acceptor for a new connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Reads the files again if one of them has changed, and returns whether new ones are in use. If they cannot be used,
    /// those before stay in use.
    pub(super) fn refresh(&self) -> bool {
        let versions = versions(&self.setup);
        if self.current.lock().unwrap_or_else(PoisonError::into_inner).0 == versions {
            return false;
        }
        let acceptor = acceptor(&self.setup);
        match &acceptor {
            Ok(_) => tracing::info!(certificate = %self.setup.certificate.display(), "TLS certificate reloaded"),
            Err(error) => tracing::warn!(%error, "changed TLS certificate not used; the one before stays in use"),
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.0 = versions;
        match acceptor {
            Ok(acceptor) => {
                current.1 = acceptor;
                true
            }
            Err(_) => false,
        }
    }
}

fn versions(setup: &TlsSetup) -> Versions {
    let files = [Some(&setup.certificate), Some(&setup.key), setup.client_ca.as_ref()];
    let changed = |file: &PathBuf| std::fs::metadata(file).and_then(|file| file.modified()).ok();
    files.into_iter().flatten().map(changed).collect()
}

fn acceptor(setup: &TlsSetup) -> io::Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let builder = match &setup.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| in_file(file, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.allow_unauthenticated().build().map_err(|error| in_file(file, error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&setup.key).map_err(|error| in_file(&setup.key, error))?;
    let config = builder
        .with_single_cert(certificates(&setup.certificate)?, key)
        .map_err(|error| in_file(&setup.certificate, error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| in_file(file, error))?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(|error| in_file(file, error))?;
    if certificates.is_empty() { Err(in_file(file, "has no certificate in PEM")) } else { Ok(certificates) }
}

fn in_file(file: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", file.display()))
}
