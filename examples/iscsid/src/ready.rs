//! What the daemon says when it is ready: a table for people, a line for programs, a file with its process number.

use crate::arguments::{Arguments, ReadyFormat};
use crate::sys;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use vtl::config::Advertise;
use vtl::site::Site;

/// An address that a person can connect to, where the daemon listens on all of them.
fn connectable_address(address: SocketAddr) -> SocketAddr {
    let local: IpAddr = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    SocketAddr::new(if address.ip().is_unspecified() { local } else { address.ip() }, address.port())
}

/// Units, and how to connect, on the standard error. Output that cannot be written changes nothing.
pub(crate) fn print_overview(site: &Site, address: SocketAddr, advertise: &Advertise) {
    let shown = match advertise {
        Advertise::Portal(address) => address.clone(),
        Advertise::Connection | Advertise::Nothing => connectable_address(address).to_string(),
    };
    let _ = io::stderr().write_all(overview(site, &shown).as_bytes());
}

/// Every unit, and how to connect from Linux.
fn overview(site: &Site, shown: &str) -> String {
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
    text += &format!("To connect from Linux:\n  iscsiadm -m discovery -t sendtargets -p {shown}\n");
    for target in site.targets() {
        text += &format!("  iscsiadm -m node -T {} -p {shown} --login\n", target.name());
    }
    text
}

/// The ready line as JSON.
#[derive(Serialize)]
struct ReadyLine<'a> {
    ready: &'static str,
    address: String,
    targets: &'a [String],
    data: &'a Path,
    control: &'a Path,
    pid: u32,
}

/// The descriptor that `--ready-fd` names, to write to.
///
/// # Errors
/// It is not open.
pub(crate) fn descriptor(number: u16) -> io::Result<File> {
    sys::duplicate(number).map_err(|error| io::Error::other(format!("--ready-fd {number}: {error}")))
}

/// Says to the program that started the daemon that it is ready.
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
            let [data, control] = [&arguments.data, control].map(std::path::absolute);
            let (data, control) = (&*data?, &*control?);
            let (address, pid) = (address.to_string(), std::process::id());
            let line = ReadyLine { ready: "iscsi", address, targets: &names, data, control, pid };
            serde_json::to_string(&line).map_err(io::Error::other)? + "\n"
        }
    };
    // Output that cannot be written changes nothing.
    let _ = match descriptor {
        None => {
            let mut out = io::stdout().lock();
            out.write_all(line.as_bytes()).and_then(|()| out.flush())
        }
        // Closed behind the line: who reads from it sees the end.
        Some(mut file) => file.write_all(line.as_bytes()),
    };
    // Without a supervisor that asked for it this does nothing.
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    Ok(())
}

/// A file with the number of this process, which goes when this is dropped.
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file; one that another process left is replaced.
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
        // Not the file of a process that came later.
        let own = format!("{}\n", std::process::id());
        if fs::read_to_string(&self.0).is_ok_and(|text| text == own) {
            let _ = fs::remove_file(&self.0);
        }
    }
}
