//! `make_vtl_devices`: creates the character devices of all units, until 0.18 a script of mhvtl. The daemons of mhvtl
//! and of Ferric create the devices themselves now; the tool can set their owner, or create them before a daemon runs.

use crate::{Invocation, ToolError, ToolResult};
use mhvtl_lld::KernelModule;
use std::io::{self, Write};
use std::os::unix::fs::chown;
use std::path::Path;
use vtl::config::mhvtl::{device_summaries, directory};

pub(crate) fn usage(name: &str) -> String {
    format!("Usage: {name} [username: owner of the devices]\n")
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let owner = match call.arguments {
        [] => None,
        [user] => Some(ids(user, Path::new("/etc/passwd"))?),
        _ => return Err(ToolError::usage("")),
    };
    let units = device_summaries(&directory(&call.etc)?)?;
    let module = KernelModule::find().map_err(|error| ToolError::new(format!("error: {error}")))?;
    for unit in units {
        let failed = |error: io::Error| ToolError::new(format!("error: unit {}: {error}", unit.id));
        let minor = u16::try_from(unit.id).map_err(|_| failed(io::ErrorKind::InvalidInput.into()))?;
        let node = module.create_node(minor).map_err(failed)?;
        if let Some((uid, gid)) = owner {
            chown(&node, Some(uid), Some(gid)).map_err(failed)?;
        }
        writeln!(out, "Made node for {}", node.display())?;
    }
    Ok(())
}

/// The user ID and the group ID of a user.
fn ids(user: &str, passwd: &Path) -> Result<(u32, u32), ToolError> {
    let text = std::fs::read_to_string(passwd).map_err(|error| ToolError::at(passwd, error))?;
    let ids_of_user = text.lines().find_map(|line| {
        let [name, _, uid, gid, ..] = line.split(':').collect::<Vec<_>>()[..] else { return None };
        Some((uid.parse().ok()?, gid.parse().ok()?)).filter(|_| name == user)
    });
    ids_of_user.ok_or_else(|| ToolError::at(passwd, format!("there is no user {user:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_group_ids_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let passwd = dir.path().join("passwd");
        std::fs::write(&passwd, "root:x:0:0::/root:/bin/sh\n\nvtl:x:900:901:VTL:/opt:/bin/false\n").unwrap();
        assert_eq!(ids("vtl", &passwd).unwrap(), (900, 901));
        assert!(ids("vt", &passwd).is_err());
    }
}
