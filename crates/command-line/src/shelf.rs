//! Shelves on object storage, with the credentials of the environment.

use shelf::{Shelf, ShelfError, ShelfOptions};
use std::io;
use std::sync::Arc;

/// Beginnings of the names of variables that are settings of the clients of stores.
const SETTINGS: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Opens the shelf at a URL. Credentials and other settings of the client are those of the environment, by convention of the
/// stores. For operators, leases and manifests have the name of the program, its process id and the name of the host.
/// `random` fills a slice with random bytes.
///
/// # Errors
/// As [`Shelf::open`].
pub fn open_shelf(url: &str, program: &str, random: fn(&mut [u8]) -> io::Result<()>) -> Result<Shelf, ShelfError> {
    let variables = std::env::vars_os();
    let variables = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = variables.filter(|(name, _)| SETTINGS.iter().any(|own| name.starts_with(own)));
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let owner = format!("{program}, process {} of {host}", std::process::id());
    Shelf::open(url, settings, ShelfOptions::new(owner), Arc::new(random))
}
