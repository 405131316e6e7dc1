//! The part of a site that a daemon serves which was built without shelves: all of it.

use crate::daemon::arguments::Arguments;
use std::convert::Infallible;
use std::sync::Arc;
use vtl::config::Config;
use vtl::frontend::SiteOptions;
use vtl::site::Site;

pub(crate) struct Part;

impl Part {
    pub(crate) fn of(_: &Arguments, _: Option<&Infallible>, config: &mut Config) -> Result<Self, String> {
        let drives = config.libraries.iter().flat_map(|library| &library.drives);
        match drives.filter_map(|drive| drive.daemon.as_ref()).next() {
            None => Ok(Self),
            Some(daemon) => Err(format!("drive.daemon {daemon:?}: this daemon was built without the feature shelf")),
        }
    }

    pub(crate) const fn options(&self, options: SiteOptions) -> SiteOptions {
        options
    }

    pub(crate) const fn start(
        &self,
        _: &Arc<Site>,
        _: &Arguments,
        _: Option<&str>,
    ) -> Result<Option<Infallible>, String> {
        Ok(None)
    }

    pub(crate) const fn stop(&self) {}
}
