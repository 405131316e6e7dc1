//! Output when the daemon is ready: an overview for operators, the ready line for programs, and the file with the process
//! ID.

use crate::daemon::arguments::{Arguments, ReadyFormat};
use crate::daemon::sys;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use vtl::config::Advertise;
use vtl::site::Site;

/// The listening address, with the loopback address for an unspecified one, so that a client can connect to it.
fn connectable_address(address: SocketAddr) -> SocketAddr {
    let local: IpAddr = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(if address.ip().is_unspecified() { local } else { address.ip() }, address.port())
}

/// Prints the overview to standard error. A write error is ignored.
pub(crate) fn print_overview(site: &Site, address: SocketAddr, advertise: &Advertise) {
    let portal = match advertise {
        Advertise::Portal(address) => address.clone(),
        Advertise::Connection | Advertise::Nothing => connectable_address(address).to_string(),
    };
    let _ = io::stderr().write_all(overview(site, &portal).as_bytes());
}

/// A table of all units, and the commands to connect from Linux.
fn overview(site: &Site, portal: &str) -> String {
    let mut text = String::new();
    for target in site.targets() {
        text += &format!("{}\nLUN  Vendor   Product           Rev   Serial      Loaded\n", target.name());
        for unit in site.overview(&target) {
            let model = unit.model;
            text += &format!(
                "{:>3}  {:<8} {:<16}  {:<4}  {:<10}  {}\n",
                unit.lun, model.vendor, model.product, model.revision, unit.serial, unit.content
            );
        }
        text += "\n";
    }
    for url in site.http_urls() {
        text += &format!("HTTP API: {url}\n\n");
    }
    if site.targets().is_empty() {
        text += "No library yet: ferric config add FILE adds one to the configuration file, or the console";
        return text + " at the URL of the HTTP API\n";
    }
    text += &format!("To connect from Linux:\n  iscsiadm -m discovery -t sendtargets -p {portal}\n");
    for target in site.targets() {
        text += &format!("  iscsiadm -m node -T {} -p {portal} --login\n", target.name());
    }
    text
}

/// The ready line as JSON.
#[derive(Serialize)]
struct ReadyLine<'a> {
    ready: &'static str,
    address: String,
    /// URL of the HTTP API, if it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,
    targets: &'a [String],
    data: &'a Path,
    control: &'a Path,
    /// The socket of `--stream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<PathBuf>,
    pid: u32,
}

/// Opens the descriptor of `--ready-fd` for writing.
///
/// # Errors
/// The number is not an open descriptor.
pub(crate) fn descriptor(number: u16) -> io::Result<File> {
    sys::duplicate(number).map_err(|error| io::Error::other(format!("--ready-fd {number}: {error}")))
}

/// Writes the ready line and notifies the service manager.
pub(crate) fn report_ready(
    arguments: &Arguments,
    descriptor: Option<File>,
    site: &Site,
    address: SocketAddr,
    control: &Path,
) -> io::Result<()> {
    let names: Vec<String> = site.targets().iter().map(|target| target.name().to_owned()).collect();
    let line = match arguments.ready {
        ReadyFormat::Text => format!("ready iscsi {address} {}\n", names.join(" ")),
        ReadyFormat::Json => {
            let [data, control] = [&*arguments.data_directory(), control].map(std::path::absolute);
            let (data, control) = (&*data?, &*control?);
            let (address, pid) = (address.to_string(), std::process::id());
            let http = site.http_urls().into_iter().next();
            let stream = arguments.stream.as_ref().map(std::path::absolute).transpose()?;
            let line = ReadyLine { ready: "iscsi", address, http, targets: &names, data, control, stream, pid };
            serde_json::to_string(&line).map_err(io::Error::other)? + "\n"
        }
    };
    // A write error is ignored: the daemon serves without its ready line.
    let _ = match descriptor {
        None => {
            let mut out = io::stdout().lock();
            out.write_all(line.as_bytes()).and_then(|()| out.flush())
        }
        // Closed after the line, so that the reader gets end of file.
        Some(mut file) => file.write_all(line.as_bytes()),
    };
    // Has no effect unless a service manager set NOTIFY_SOCKET.
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    Ok(())
}

/// Notifies the service manager that the daemon ends.
pub(crate) fn report_stop() {
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]);
}

/// A file with the process ID, removed when this is dropped.
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file and replaces one left by another process.
    pub(crate) fn write(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("--pid-file: {}: {error}", path.display());
        let new = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&new, format!("{}\n", std::process::id())).map_err(failed)?;
        fs::rename(&new, path).map_err(failed)?;
        Ok(Self(path.into()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A file that a later process has written is left in place.
        let own = format!("{}\n", std::process::id());
        if fs::read_to_string(&self.0).is_ok_and(|text| text == own) {
            let _ = fs::remove_file(&self.0);
        }
    }
}
