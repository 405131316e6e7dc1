//! The HTTP API of the daemon, in builds that have it.

use std::net::SocketAddr;
use std::sync::Arc;
use vtl::config::HttpSetup;
use vtl::site::Site;

#[cfg(feature = "http")]
pub(crate) use vtl_http::HttpServer;

/// Never exists: this build has no HTTP API.
#[cfg(not(feature = "http"))]
pub(crate) enum HttpServer {}

/// The address in the URL of a server.
pub(crate) fn address(url: &str) -> Option<SocketAddr> {
    url.split_once("://")?.1.parse().ok()
}

/// Serves the HTTP API if the configuration has an address for it.
pub(crate) fn open(site: &Arc<Site>, setup: &HttpSetup) -> Result<Option<HttpServer>, String> {
    let Some(listen) = &setup.listen else { return Ok(None) };
    #[cfg(feature = "http")]
    let opened = HttpServer::open(site, setup);
    #[cfg(not(feature = "http"))]
    let opened: Result<Option<HttpServer>, &str> = {
        let _ = site;
        Err("this daemon was built without the feature http")
    };
    opened.map_err(|error| format!("cannot serve HTTP on {listen}: {error}"))
}
