//! Installs and purges the packages in a clean Debian, which debootstrap makes. Needs root and a mirror.

use super::deb;
use crate::guest::workspace;
use crate::shell::{check as run, file_error, output, print_line};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The release of Debian.
const SUITE: &str = "bookworm";

/// Installs, uses, removes and purges the packages.
pub(super) fn check() -> Result<(), String> {
    let root = clean_debian()?;
    let copies: Vec<String> = deb::PACKAGES
        .iter()
        .map(|(name, _)| {
            let file = deb::file(name);
            fs::copy(&file, root.join("tmp").join(file.file_name().unwrap_or_default())).map_err(file_error(&file))?;
            Ok(format!("/tmp/{}", file.file_name().unwrap_or_default().to_string_lossy()))
        })
        .collect::<Result<_, String>>()?;
    let script = SCRIPT.replace("PACKAGES", &copies.join(" ")).replace("VERSION", super::VERSION);
    let script_file = root.join("tmp/check");
    fs::write(&script_file, script).map_err(file_error(&script_file))?;
    run(
        "unshare",
        Command::new("unshare")
            .args(["--mount", "chroot"])
            .arg(&root)
            .args(["sh", "-eu", "/tmp/check"])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )?;
    fs::remove_dir_all(&root).map_err(file_error(&root))
}

/// A directory with Debian's minimal system. The archive of its packages is kept for the next run.
fn clean_debian() -> Result<PathBuf, String> {
    let (root, kept) = (workspace().join("target/dist-debian"), workspace().join("target/dist-debian.tar"));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).map_err(file_error(&root))?;
    let (root_text, kept_text) = (root.display().to_string(), kept.display().to_string());
    if !kept.is_file() {
        print_line(&format!("debootstrap {SUITE}"));
        let mirror = mirror()?;
        let arguments = ["--variant=minbase", "--include=adduser,init-system-helpers", SUITE, &root_text, &mirror];
        run("debootstrap", Command::new("debootstrap").args(arguments))
            .map_err(|error| format!("{error}; apt-get install debootstrap"))?;
        run("tar", Command::new("tar").args(["-C", &root_text, "-cf", &kept_text, "."]))?;
    } else {
        run("tar", Command::new("tar").args(["-C", &root_text, "-xpf", &kept_text]))?;
    }
    Ok(root)
}

/// The mirror of this machine.
fn mirror() -> Result<String, String> {
    let known = output("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])?;
    let known = String::from_utf8_lossy(&known).into_owned();
    let mirror = known.lines().find(|line| line.starts_with("http") && !line.contains("security"));
    mirror.map(str::to_owned).ok_or_else(|| "apt-get indextargets names no mirror".into())
}

/// The commands of an administrator, and checks of their results.
const SCRIPT: &str = r#"
mount -t proc proc /proc
dpkg --install PACKAGES
echo '- installed: the user, the files and their owners'
getent passwd ferric
test "$(stat -c '%U:%G %a' /etc/ferric/ferric.toml)" = 'root:ferric 640'
test -x /usr/bin/ferric && test "$(ferric --version)" = "ferric VERSION"
test "$(ferric-iscsid --version)" = "ferric-iscsid VERSION"
test "$(vtltape --version)" = "vtltape VERSION"
mktape -V
test -e /usr/lib/systemd/system/ferric.service && test -e /usr/lib/systemd/system/mhvtl.target
ferric config check /etc/ferric/ferric.toml
echo '- the command of the unit, as its user'
install -d -o ferric -g ferric -m 700 /var/lib/ferric
command=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/ferric.service)
setpriv --reuid=ferric --regid=ferric --clear-groups $command --bind 127.0.0.1:0 > /tmp/ready &
daemon=$!
for wait in 1 2 3 4 5 6 7 8 9 10; do grep -q ^ready /tmp/ready && break; sleep 1; done
grep ^ready /tmp/ready
ferric status > /dev/null
ferric load V00001L8
kill $daemon && wait $daemon
echo '- ferric run with the library of the package'
ferric run --load V00001L8 -- sh -c 'test -c /dev/nst0 && echo data > /dev/nst0'
echo '- an upgrade keeps a changed configuration'
echo '# changed' >> /etc/ferric/ferric.toml
dpkg --force-confold --install PACKAGES
grep -q '# changed' /etc/ferric/ferric.toml
echo '- remove and purge keep cartridges'
dpkg --remove ferric-mhvtl ferric
test ! -e /usr/bin/ferric && test -e /etc/ferric/ferric.toml
dpkg --purge ferric-mhvtl ferric
test ! -e /etc/ferric && test -d /var/lib/ferric/cartridges/V00001L8
echo '- unless FERRIC_PURGE_DATA=yes'
dpkg --install PACKAGES
FERRIC_PURGE_DATA=yes dpkg --purge ferric-mhvtl ferric
test ! -e /var/lib/ferric
echo '- nothing of the packages is left'
! find / -xdev \( -name '*ferric*' -o -name 'vtltape*' \) -not -path '/tmp/*' -not -path '/proc/*' | grep .
"#;
