//! The units of systemd: that they are valid, and what they expose.

use crate::guest::workspace;
use crate::shell::{file_error, output, print_line};
use std::fs;
use std::process::Command;

/// The highest exposure of the units that serve iSCSI, as `systemd-analyze security` computes it: 0 to 10.
const MAX_EXPOSURE: f64 = 2.0;

/// Checks the units of `dist/`.
pub(super) fn check() -> Result<(), String> {
    verify()?;
    for unit in ["ferric.service", "ferric@.service"] {
        let path = workspace().join("dist/systemd").join(unit).display().to_string();
        let table = output("systemd-analyze", ["security", "--no-pager", "--offline=yes", &path])?;
        let table = String::from_utf8_lossy(&table).into_owned();
        let exposure = exposure(&table).ok_or_else(|| format!("systemd-analyze: no level of exposure: {table}"))?;
        print_line(&format!("{unit}: exposure {exposure}"));
        if exposure >= MAX_EXPOSURE {
            return Err(format!("{unit}: exposure {exposure}; expected below {MAX_EXPOSURE}\n{table}"));
        }
    }
    Ok(())
}

/// The number in the last line: `→ Overall exposure level for ferric.service: 1.4 OK`.
fn exposure(table: &str) -> Option<f64> {
    let line = table.lines().rev().find(|line| line.contains("Overall exposure level"))?;
    line.rsplit_once(": ")?.1.split(' ').next()?.parse().ok()
}

/// Lets systemd read all units, in a directory where the programs of their commands exist.
fn verify() -> Result<(), String> {
    let root = workspace().join("target/dist-units");
    let _ = fs::remove_dir_all(&root);
    let (units, programs) = (root.join("units"), root.join("bin"));
    for directory in [&units, &programs] {
        fs::create_dir_all(directory).map_err(file_error(directory))?;
    }
    let program = programs.join("program");
    fs::copy("/bin/true", &program).map_err(file_error(&program))?;
    let mut names = Vec::new();
    for directory in ["dist/systemd", "dist/mhvtl"].map(|name| workspace().join(name)) {
        for entry in fs::read_dir(&directory).map_err(file_error(&directory))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if ![".service", ".socket", ".target"].iter().any(|end| name.ends_with(end)) {
                continue;
            }
            let text = fs::read_to_string(entry.path()).map_err(file_error(&entry.path()))?;
            let replaced =
                ["/usr/bin/ferric", "/usr/bin/vtltape", "/usr/bin/vtllibrary"].iter().fold(text, |text, path| {
                    text.replace(&format!("ExecStart={path} "), &format!("ExecStart={} ", program.display()))
                });
            let path = units.join(&name);
            fs::write(&path, replaced).map_err(file_error(&path))?;
            names.push(path.display().to_string().replace("@.service", "@10.service"));
        }
    }
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(&names)
        .env("SYSTEMD_UNIT_PATH", format!("{}:", units.display()))
        .output();
    let verified = verified.map_err(|error| format!("systemd-analyze: {error}"))?;
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    // Units of the machine are not ours.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("ferric") || line.contains("vtl")).collect();
    print_line(&format!("systemd-analyze verify: {} units", names.len()));
    if ours.is_empty() { Ok(()) } else { Err(ours.join("\n")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn exposure_is_read_from_the_last_line() {
        let table = "✗ PrivateNetwork=  Service has access to the host's network  0.5\n\n→ Overall exposure level for a: b@i.service: 1.4 OK :-)\n";
        assert_eq!(super::exposure(table), Some(1.4));
        assert_eq!(super::exposure("nothing"), None);
    }
}
