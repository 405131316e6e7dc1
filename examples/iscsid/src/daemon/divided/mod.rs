//! Libraries whose drives several daemons serve: the one that runs the site has the robots, others serve drives for it. They
//! exchange requests and answers through the store of the site, by a log for each drive.

mod drives;
mod remote_drive;
mod robot;

pub(crate) use drives::setup_of;

use crate::daemon::arguments::Arguments;
use crate::daemon::shared_site::SharedSite;
use command_line::shelf::open_shelf;
use drives::{DriveDaemon, for_daemon};
use robot::Robot;
use shelf::Shelf;
use signal_hook::consts::SIGTERM;
use std::sync::Arc;
use std::sync::mpsc::channel;
use tokio::runtime::{Handle, Runtime};
use vtl::config::Config;
use vtl::frontend::SiteOptions;
use vtl::site::Site;

/// Which part of the site this daemon serves.
pub(crate) enum Part {
    /// All of it, and nothing else is to be done.
    Whole,
    /// The robots, and the drives that no other daemon serves.
    Robot(Box<Robot>),
    /// The drives of one daemon. The number is the epoch of its lease.
    Drives(String, u64),
}

impl Part {
    /// The part that this daemon serves, and its configuration.
    ///
    /// # Errors
    /// The configuration assigns drives to daemons, but the site is not in a store; or the store cannot be opened.
    pub(crate) fn of(arguments: &Arguments, shared: Option<&SharedSite>, config: &mut Config) -> Result<Self, String> {
        let (Some(shared), Some(url)) = (shared, &arguments.site) else { return whole(config) };
        if let (Some(daemon), Some(setup)) = (&arguments.drives, shared.drives()) {
            for_daemon(config, daemon, setup)?;
            return Ok(Self::Drives(daemon.clone(), shared.epoch()));
        }
        Ok(Robot::open(url, &arguments.name, shared.epoch(), config)?
            .map_or(Self::Whole, |robot| Self::Robot(Box::new(robot))))
    }

    /// The options of the site.
    pub(crate) fn options(&self, options: SiteOptions) -> SiteOptions {
        match self {
            Self::Whole => options,
            Self::Robot(robot) => options.with_divided_drives(robot.bay_factory()),
            Self::Drives(daemon, _) => options.with_drives_of(daemon.as_str()),
        }
    }

    /// Begins the work with the other daemons. `configuration` is the text of the configuration file. The result ends its work when
    /// it is dropped.
    ///
    /// # Errors
    /// The store fails, or another daemon has taken the part over.
    pub(crate) fn start(
        &self,
        site: &Arc<Site>,
        arguments: &Arguments,
        configuration: Option<&str>,
    ) -> Result<Option<DriveDaemon>, String> {
        match (self, &arguments.site) {
            (Self::Robot(robot), _) => robot.start(site, configuration.unwrap_or_default()).map(|()| None),
            (Self::Drives(daemon, epoch), Some(url)) => {
                DriveDaemon::start(url, (&arguments.name, daemon), *epoch, site).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Ends the work with the other daemons, before the site is shut down.
    pub(crate) fn stop(&self) {
        if let Self::Robot(robot) = self {
            robot.stop();
        }
    }
}

/// Refuses drives of other daemons in a site that is not in a store.
fn whole(config: &Config) -> Result<Part, String> {
    let drives = config.libraries.iter().flat_map(|library| &library.drives);
    match drives.filter_map(|drive| drive.daemon.as_ref()).next() {
        None => Ok(Part::Whole),
        Some(daemon) => Err(format!("drive.daemon {daemon:?} requires a site in an object store: --site")),
    }
}

/// Starts threads for requests to the store, and opens it.
fn open(url: &str) -> Result<(Runtime, Shelf), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| format!("starting threads: {error}"))?;
    let shelf = {
        let _context = runtime.enter();
        open_shelf(url, "ferric-iscsid", vtl::entropy::fill).map_err(|error| error.to_string())?
    };
    Ok((runtime, shelf))
}

/// Waits for a future that the threads of `handle` run; the caller may be any thread. `None` if they have ended.
fn wait_for<T: Send + 'static>(handle: &Handle, future: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (sender, receiver) = channel();
    handle.spawn(async move {
        let _ = sender.send(future.await);
    });
    receiver.recv().ok()
}

/// Stops the daemon: another one serves what this one served.
fn stop_daemon() {
    let _ = signal_hook::low_level::raise(SIGTERM);
}
