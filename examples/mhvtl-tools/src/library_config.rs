//! `build_library_config`: until 1.5 the script that started mhvtl's daemons, one for each drive and library.
//!
//! `ferric-mhvtld` serves all of them, so this tool starts it and waits until it serves its units.

use crate::{Invocation, ToolError, ToolResult};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use vtl::config::mhvtl::{assignments, device_summaries, directory};

const DAEMON: &str = "ferric-mhvtld";

pub(crate) fn usage(name: &str) -> String {
    format!("Usage: {name} [username: accepted, has no effect]\n")
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    if call.arguments.len() > 1 {
        return Err(ToolError::usage(""));
    }
    let etc = directory(&call.etc)?;
    device_summaries(&etc)?;
    start_daemon(&daemon(), &etc, out)
}

/// The daemon in the directory of this program, or by its name.
fn daemon() -> PathBuf {
    let sibling = std::env::current_exe().ok().map(|program| program.with_file_name(DAEMON));
    sibling.filter(|path| path.is_file()).unwrap_or_else(|| DAEMON.into())
}

/// Starts the daemon for a configuration and waits for its ready line. The daemon keeps running.
fn start_daemon(daemon: &Path, etc: &Path, out: &mut dyn Write) -> ToolResult {
    let level = assignments(etc)?.get("VERBOSE").and_then(|text| text.parse::<u8>().ok()).unwrap_or(0);
    let mut child = Command::new(daemon)
        .arg("--mhvtl-config")
        .arg(etc)
        .arg(format!("-v{level}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| ToolError::at(daemon, error))?;
    let mut ready = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut ready).map_err(|error| ToolError::at(daemon, error))?;
    }
    if ready.starts_with("ready") {
        return Ok(out.write_all(ready.as_bytes())?);
    }
    let ended = child.wait().map_err(|error| ToolError::at(daemon, error))?;
    Err(ToolError::at(daemon, format!("the daemon did not start: {ended}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn library_config_waits_for_units() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mhvtl.conf"), "VERBOSE=2\n").unwrap();
        let daemon = dir.path().join("daemon");
        let with = |script: &str| {
            fs::write(&daemon, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&daemon, fs::Permissions::from_mode(0o755)).unwrap();
            let mut out = Vec::new();
            let done = start_daemon(&daemon, dir.path(), &mut out).map_err(|failure| format!("{failure:?}"));
            done.map(|()| String::from_utf8(out).unwrap())
        };
        let etc = dir.path().display();
        assert_eq!(with("echo ready $*").unwrap(), format!("ready --mhvtl-config {etc} -v2\n"));
        assert!(with("exit 3").unwrap_err().contains("the daemon did not start: exit status: 3"));
    }
}
