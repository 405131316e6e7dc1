//! A device of a configuration, in memory.

use crate::capture::{Capture, CommandDevice, Exchange, capture};
use crate::dump::Dump;
use std::io;
use vtl::clock::VirtualClock;
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::frontend::SiteOptions;
use vtl::host::{CommandResponse, Host};
use vtl::site::Site;

/// PERIPHERAL DEVICE TYPE of the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeviceType {
    Drive,
    Changer,
}

struct Twin {
    host: Host,
    lun: usize,
}

impl CommandDevice for Twin {
    fn command(&mut self, cdb: &[u8], capacity: usize) -> io::Result<Exchange> {
        let CommandResponse { status, sense, data } = self.host.command(self.lun, cdb, capacity);
        Ok(Exchange { cdb: cdb.to_vec(), status: status.0, sense, data })
    }
}

/// The pages of the first device of a type that a configuration has.
///
/// # Errors
/// As [`capture_of`].
pub(crate) fn pages(configuration: &str, device: DeviceType) -> Result<Dump, String> {
    capture_of(configuration, device).map(|capture| capture.dump())
}

/// A capture of the first device of a type that a configuration has.
///
/// # Errors
/// The configuration is not valid, or the site cannot be opened.
pub(crate) fn capture_of(configuration: &str, device: DeviceType) -> Result<Capture, String> {
    let config = parse("the imported configuration", configuration).map_err(|error| error.to_string())?;
    // Its clock does not advance, so that counters of time are the same in each capture.
    let options = SiteOptions::default().with_clock(VirtualClock::default().clock());
    let site = Site::open_with(DataDir::in_memory(), &config, options).map_err(|error| error.to_string())?;
    let target = site.targets().into_iter().next().ok_or("the imported configuration has no target")?;
    // The changer is the first unit of its target, and the drives follow it.
    let lun = match device {
        DeviceType::Changer => target.luns().first().copied(),
        DeviceType::Drive => target.luns().get(1).copied(),
    };
    let host = Host::login(&target, 1);
    let mut twin = Twin { host, lun: lun.ok_or("the imported configuration has no such device")? };
    capture(&mut twin).map_err(|error| error.to_string())
}
