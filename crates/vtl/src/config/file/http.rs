//! `[http]`: address and access of the HTTP API.

use super::iscsi::check_bind;
use super::source::Source;
use crate::config::tables::HttpTable;
use crate::config::{ConfigError, HttpSetup};
use toml::Spanned;

pub(super) fn http(source: &Source<'_>, table: HttpTable) -> Result<HttpSetup, ConfigError> {
    if let Some(listen) = &table.listen {
        check_bind(listen.get_ref())
            .map_err(|error| source.error(listen.span().start, "http.listen", error.to_string()))?;
    }
    Ok(HttpSetup { listen: table.listen.map(Spanned::into_inner) })
}
