//! `mhvtl-device-conf-generator`: the systemd generator that adds the units of all libraries and drives to
//! `mhvtl.target`.

use crate::{Invocation, ToolError, ToolResult};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use vtl::config::mhvtl::{DeviceKind, DeviceSummary, device_summaries, directory};

const WANTS: &str = "mhvtl.target.wants";
const UNITS: &str = "/lib/systemd/system";

pub(crate) fn usage(name: &str) -> String {
    format!("Usage: {name} [-d] normal-dir early-dir late-dir\n")
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let (debug, arguments) = match call.arguments {
        [option, rest @ ..] if option == "-d" => (true, rest),
        all => (false, all),
    };
    let [normal, _early, _late] = arguments else {
        return Err(ToolError::usage(format!("error: expected 3 arguments, got {}", arguments.len())));
    };
    let wanted = wants(Path::new(normal), &device_summaries(&directory(&call.etc)?)?)?;
    for (link, unit) in &wanted {
        if debug {
            writeln!(out, "DEBUG: creating symlink: {} => {}", link.display(), unit.display())?;
        }
        symlink(unit, link).map_err(|error| ToolError::at(link, error))?;
    }
    Ok(())
}

/// Creates the directory of the links, and returns the links and their targets, libraries first.
fn wants(normal: &Path, units: &[DeviceSummary]) -> Result<Vec<(PathBuf, PathBuf)>, ToolError> {
    if !normal.is_dir() {
        return Err(ToolError::at(normal, io::Error::from(io::ErrorKind::NotADirectory)));
    }
    let wants = normal.join(WANTS);
    fs::create_dir(&wants).map_err(|error| ToolError::at(&wants, error))?;
    let link = |name: &str, id| {
        (wants.join(format!("{name}@{id}.service")), Path::new(UNITS).join(format!("{name}@.service")))
    };
    let is_library = |unit: &&DeviceSummary| matches!(unit.kind, DeviceKind::Library { .. });
    let libraries = units.iter().filter(is_library).map(|unit| link("vtllibrary", unit.id));
    let drives = units.iter().filter(|unit| !is_library(unit)).map(|unit| link("vtltape", unit.id));
    Ok(libraries.chain(drives).collect())
}
