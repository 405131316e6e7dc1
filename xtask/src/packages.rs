//! Debian packages that the tests need.

use crate::shell::{check, file_error, output, print_line};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Debian packages that the host needs; from cpio on, the programs that `ferric run` is tested with. `dma` is the mail
/// program that the others depend on, and the smallest: it runs no daemon. Amanda's packages do not name
/// `libencode-locale-perl`, which they need. The last three are for the tests of the console.
const HOST_PACKAGES: [&str; 31] = [
    "qemu-system-x86",
    "qemu-block-extra",
    "busybox-static",
    "kmod",
    "libiscsi-bin",
    "prometheus",
    "curl",
    "libfaketime",
    "systemd",
    "cpio",
    "mt-st",
    "mtx",
    "sg3-utils",
    "lsscsi",
    "stenc",
    "mbuffer",
    "python3",
    "python3-venv",
    "dma",
    "bacula-director",
    "bacula-director-sqlite3",
    "bacula-sd",
    "bacula-fd",
    "bacula-console",
    "sqlite3",
    "amanda-server",
    "amanda-client",
    "libencode-locale-perl",
    "nodejs",
    "chromium",
    "fonts-dejavu-core",
];

/// Installs the packages that the host lacks. Needs root only if one is missing.
pub(crate) fn install() -> Result<(), String> {
    let installed = |package: &&str| {
        output("dpkg-query", ["-W", "-f=${db:Status-Status}", package]).is_ok_and(|status| status == b"installed")
    };
    let mut missing: Vec<&str> = HOST_PACKAGES.into_iter().filter(|package| !installed(package)).collect();
    // Some distributors' package nodejs contains npm, and excludes Debian's package of this name.
    if output("npm", ["--version"]).is_err() {
        missing.push("npm");
    }
    if missing.is_empty() {
        return Ok(());
    }
    print_line(&format!("installing {}", missing.join(" ")));
    let advise = |error| format!("{error}\nThe tests need these packages: apt-get install {}", missing.join(" "));
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(&missing);
    let apt = |arguments: &[&str]| {
        let retries = ["-o", "Acquire::Retries=5"];
        check("apt-get", Command::new("apt-get").args(retries).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let install = || apt(&["update", "--quiet"]).and_then(|()| apt(&arguments));
    #[expect(clippy::disallowed_methods, reason = "a mirror is asked again later")]
    let again = |error| {
        print_line(&format!("{error}; once more in {} s", WAIT_FOR_MIRROR.as_secs()));
        thread::sleep(WAIT_FOR_MIRROR);
        install()
    };
    NoServices::set().and_then(|_no_services| install().or_else(again)).map_err(advise)
}

/// A mirror that is being updated, or does not respond, is asked again after this time.
const WAIT_FOR_MIRROR: Duration = Duration::from_secs(60);

/// The program that Debian's packages ask whether they may start their services.
const SERVICE_POLICY: &str = "/usr/sbin/policy-rc.d";

/// While this exists, packages do not start their services: the tests start programs themselves.
struct NoServices {
    /// Whether the machine had no policy before.
    created: bool,
}

impl NoServices {
    fn set() -> Result<Self, String> {
        let policy = Path::new(SERVICE_POLICY);
        let created = !policy.exists();
        if created {
            fs::write(policy, "#!/bin/sh\nexit 101\n").map_err(file_error(policy))?;
            fs::set_permissions(policy, Permissions::from_mode(0o755)).map_err(file_error(policy))?;
        }
        Ok(Self { created })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.created {
            let _ = fs::remove_file(SERVICE_POLICY);
        }
    }
}
