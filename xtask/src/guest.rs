//! Ring 2: Debian's stock kernel in QEMU, with Debian's tape programs, against the daemon.
//!
//! The guest's root is an overlay of the host's root and a folder of unpacked packages, both read-only over 9p, so that
//! host programs and new builds run in it and the host is not changed. `xtask/guest/` has its scripts.

use crate::shell::{check, file_error, output, print_line, run as shell};
use crate::{compatibility, packages, pages, tape_driver};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Debian packages that the guest needs in addition to the kernel.
const GUEST_PACKAGES: [&str; 19] = [
    "open-iscsi",
    "libopeniscsiusr",
    "libisns0",
    "mtx",
    "mt-st",
    "sg3-utils",
    "stenc",
    "libsgutils2-1.46-2",
    "lsscsi",
    "kmod",
    "libkmod2",
    "stenc",
    "attr",
    "mbuffer",
    "libibverbs1",
    "librdmacm1",
    "libnl-3-200",
    "libnl-route-3-200",
    "libaio1",
];
/// Kernel modules that the first stage needs.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"];
/// Time limit of one boot with its job, in seconds.
const LIMIT: &str = "1200";

/// Configurations of the jobs.
const CONFIGURATIONS: [&str; 4] = ["ferric.toml", "libraries.toml", "backup.toml", "personality.toml"];

/// Jobs whose programs are those of the other tests, which are not optimised.
const WITHOUT_DAEMON: [&str; 2] = ["personality", "tape-driver"];

/// Guests that run at the same time: each leaves the processors idle for a good part of its time.
const GUESTS: usize = 2;

type Outcome<T = ()> = Result<T, String>;
type Job<'a> = dyn Fn() -> Outcome + Sync + 'a;

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

fn folder() -> PathBuf {
    workspace().join("target/guest")
}

/// Boots the guest for each job, or for those of the given names, and prints the results of its clients.
pub(crate) fn run(names: &[String]) -> Outcome {
    packages::install()?;
    let guest = Guest::prepare()?;
    if names.is_empty() || !names.iter().all(|name| WITHOUT_DAEMON.contains(&name.as_str())) {
        build_daemon()?;
    }
    let backup = ["bacula", "amanda"].map(|program| workspace().join("examples/ferric/tests/run").join(program));
    let backup = [daemon_binary(), workspace().join("docs/run.md")].into_iter().chain(backup).collect::<Vec<_>>();
    let clients = || {
        let daemon = Daemon::start()?;
        guest.boot("clients", &daemon.attachments(), &[daemon_binary()])
    };
    let faults = [daemon_binary(), workspace().join("examples/faults")];
    let personality = || {
        shell("cargo", ["build", "--quiet", "--all-features", "--package", "ferric"])?;
        guest.boot("personality", &[], &[workspace().join("target/debug/ferric")])
    };
    let jobs: [(&str, &Job<'_>); 7] = [
        ("clients", &clients),
        ("loopback", &|| guest.boot("loopback", &[], &[daemon_binary()])),
        ("libraries", &|| guest.boot("libraries", &[], &[daemon_binary()])),
        ("backup", &|| guest.boot("backup", &[], &backup)),
        ("faults", &|| guest.boot("faults", &[], &faults)),
        ("personality", &personality),
        ("tape-driver", &|| tape_driver::compare(&guest, &[])),
    ];
    if let Some(unknown) = names.iter().find(|name| !jobs.iter().any(|(job, _)| name == job)) {
        return Err(format!("no job {unknown:?} in the guest"));
    }
    let wanted = jobs.into_iter().filter(|(job, _)| names.is_empty() || names.iter().any(|name| name == job));
    run_jobs(wanted.map(|(_, run)| run).collect())
}

/// Runs the jobs, so many at a time. One that fails does not stop the others.
fn run_jobs(jobs: Vec<&Job<'_>>) -> Outcome {
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let lane = || std::iter::from_fn(|| next().map(|run| run())).collect::<Vec<Outcome>>();
    let ended: Vec<Outcome> = thread::scope(|scope| {
        let lanes = [(); GUESTS].map(|()| scope.spawn(lane));
        lanes.into_iter().flat_map(|lane| lane.join().unwrap_or_else(|_| vec![Err("a job panicked".into())])).collect()
    });
    ended.into_iter().collect()
}

/// Builds the daemon as users run it.
pub(crate) fn build_daemon() -> Outcome {
    shell("cargo", ["build", "--quiet", "--release", "--package", "iscsid"])
}

pub(crate) struct Guest {
    root: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
}

impl Guest {
    /// Downloads and unpacks the packages, and creates kernel and initrd, unless they exist.
    pub(crate) fn prepare() -> Outcome<Self> {
        let folder = folder();
        let guest =
            Self { root: folder.join("root"), kernel: folder.join("vmlinux"), initrd: folder.join("initrd.gz") };
        if !guest.initrd.exists() {
            fs::create_dir_all(&folder).map_err(file_error(&folder))?;
            let packages = folder.join("packages");
            download(&packages)?;
            unpack(&packages, &guest.root)?;
            let version = kernel_version(&guest.root)?;
            extract_kernel(&guest.root.join("boot").join(format!("vmlinuz-{version}")), &guest.kernel)?;
            make_initrd(&guest.root, &version, &guest.initrd)?;
        }
        Ok(guest)
    }

    /// The directory of a job, which the guest can write.
    pub(crate) fn job(name: &str) -> PathBuf {
        folder().join(format!("job-{name}"))
    }

    /// Boots the guest, runs a job and returns its result. The job finds `files`, which may be directories of files, in its
    /// directory.
    pub(crate) fn boot(&self, name: &str, attachments: &[String], files: &[PathBuf]) -> Outcome {
        let job = Self::job(name);
        let _ = fs::remove_dir_all(&job);
        fs::create_dir_all(&job).map_err(file_error(&job))?;
        let scripts = workspace().join("xtask/guest");
        for file in CONFIGURATIONS.iter().chain(&["stage2.sh", "checks.sh"]) {
            fs::copy(scripts.join(file), job.join(file)).map_err(file_error(&job))?;
        }
        fs::copy(scripts.join(format!("{name}.sh")), job.join("job.sh")).map_err(file_error(&job))?;
        fs::write(job.join("readme.txt"), pages::guest_lines()?).map_err(file_error(&job))?;
        for file in files {
            copy(file, &job)?;
        }
        let booted = check("qemu", self.qemu(&job).args(attachments));
        let report = fs::read_to_string(job.join("output.log")).unwrap_or_default();
        print_line(&format!("\nring 2, {name}:\n{}", report.trim_end()));
        collect_records(name, &job)?;
        match fs::read_to_string(job.join("exitcode")).as_deref().map(str::trim) {
            Ok("0") => booted,
            Ok(code) => Err(format!("ring 2, {name}: the job ended with status {code}")),
            Err(_) => {
                let serial = fs::read_to_string(job.join("serial.log")).unwrap_or_default();
                let console = fs::read_to_string(job.join("console.log")).unwrap_or_default();
                Err(format!("ring 2, {name}: the guest did not finish ({booted:?})\n{serial}\n{console}"))
            }
        }
    }

    /// The QEMU command, with TCG and not KVM: where /dev/kvm exists, a guest may still not run with it.
    fn qemu(&self, job: &Path) -> Command {
        let share = |path: &Path, tag: &str, read_only: bool| {
            let mode = if read_only { ",readonly=on" } else { "" };
            format!("local,path={},mount_tag={tag},security_model=none{mode},multidevs=remap", path.display())
        };
        let mut qemu = Command::new("timeout");
        qemu.args(["-k", "5", LIMIT, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-M", "q35"]);
        qemu.args(["-smp", "2", "-m", "3072", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
        qemu.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.initrd);
        qemu.arg("-serial").arg(format!("file:{}", job.join("serial.log").display()));
        qemu.args(["-append", "console=ttyS0 console=hvc0 quiet panic=-1", "-device", "virtio-serial-pci"]);
        qemu.arg("-chardev").arg(format!("file,id=con,path={}", job.join("console.log").display()));
        qemu.args(["-device", "virtconsole,chardev=con"]);
        for share in [share(Path::new("/"), "host", true), share(&self.root, "pkgs", true), share(job, "job", false)] {
            qemu.arg("-virtfs").arg(share);
        }
        qemu
    }
}

/// Copies a file, or a directory of files, into a directory.
pub(crate) fn copy(from: &Path, directory: &Path) -> Outcome {
    let to = directory.join(from.file_name().unwrap_or_default());
    if !from.is_dir() {
        return fs::copy(from, to).map(drop).map_err(file_error(from));
    }
    fs::create_dir_all(&to).map_err(file_error(&to))?;
    let mut entries = fs::read_dir(from).map_err(file_error(from))?;
    entries.try_for_each(|entry| copy(&entry.map_err(file_error(from))?.path(), &to))
}

/// Copies the records of a job for `docs/compatibility.md`, if it wrote any.
fn collect_records(name: &str, job: &Path) -> Outcome {
    let records = job.join("compatibility.tsv");
    if records.exists() {
        let directory = compatibility::directory();
        fs::create_dir_all(&directory).map_err(file_error(&directory))?;
        fs::copy(&records, directory.join(format!("guest-{name}.tsv"))).map_err(file_error(&records))?;
    }
    Ok(())
}

fn download(packages: &Path) -> Outcome {
    fs::create_dir_all(packages).map_err(file_error(packages))?;
    let depends = output("apt-cache", ["depends", "linux-image-amd64"])?;
    let depends = String::from_utf8_lossy(&depends);
    let kernel = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: ").filter(|name| name.starts_with("linux-image")));
    let kernel = kernel.ok_or("apt-cache does not know linux-image-amd64: run apt-get update")?;
    print_line(&format!("downloading {kernel} and the guest's programs"));
    let mut apt = Command::new("apt-get");
    apt.args(["download", "--quiet", kernel]).args(GUEST_PACKAGES).current_dir(packages).stderr(Stdio::null());
    check("apt-get download", &mut apt)
}

/// Unpacks with Debian's merged folders created first, so that no package masks the host's dynamic loader.
fn unpack(packages: &Path, root: &Path) -> Outcome {
    let _ = fs::remove_dir_all(root);
    for part in ["bin", "sbin", "lib"] {
        let merged = root.join("usr").join(part);
        fs::create_dir_all(&merged).map_err(file_error(&merged))?;
        std::os::unix::fs::symlink(format!("usr/{part}"), root.join(part)).map_err(file_error(root))?;
    }
    for entry in fs::read_dir(packages).map_err(file_error(packages))? {
        let package = entry.map_err(file_error(packages))?.path();
        let mut archive = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(&package)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(file_error(&package))?;
        let Some(stream) = archive.stdout.take() else { return Err("dpkg-deb has no output".into()) };
        let mut tar = Command::new("tar");
        let status = tar
            .args(["-x", "--keep-directory-symlink", "-C"])
            .arg(root)
            .stdin(stream)
            .status()
            .map_err(file_error(root))?;
        let listed = archive.wait().map_err(file_error(&package))?;
        if !status.success() || !listed.success() {
            return Err(format!("{}: cannot be unpacked", package.display()));
        }
    }
    Ok(())
}

fn kernel_version(root: &Path) -> Outcome<String> {
    let modules = root.join("usr/lib/modules");
    let entry = fs::read_dir(&modules).map_err(file_error(&modules))?.flatten().next().ok_or("no kernel modules")?;
    let version = entry.file_name().to_string_lossy().into_owned();
    shell("depmod", ["-b", &root.display().to_string(), &version])?;
    Ok(version)
}

/// Extracts the uncompressed kernel, which QEMU boots 3 s faster: the xz stream at the payload offset of the boot
/// header.
fn extract_kernel(image: &Path, kernel: &Path) -> Outcome {
    let bytes = fs::read(image).map_err(file_error(image))?;
    let word = |at: usize| bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_le_bytes);
    let payload = (|| {
        let sectors = usize::from(*bytes.get(0x1f1)?);
        let start = (sectors + 1) * 512 + usize::try_from(word(0x248)?).ok()?;
        let len = usize::try_from(word(0x24c)?).ok()?.checked_sub(4)?;
        bytes.get(start..start + len)
    })();
    let payload =
        payload.filter(|_| bytes.get(0x202..0x206) == Some(b"HdrS")).ok_or("the kernel image has no boot header")?;
    let compressed = kernel.with_extension("xz");
    fs::write(&compressed, payload).map_err(file_error(&compressed))?;
    let file = File::create(kernel).map_err(file_error(kernel))?;
    check("xz", Command::new("xz").arg("-dc").arg(&compressed).stdout(file))
}

/// Creates the first stage: busybox, the modules in the order of their dependencies, and `xtask/guest/init`.
fn make_initrd(root: &Path, version: &str, initrd: &Path) -> Outcome {
    let tree = initrd.with_extension("tree");
    let _ = fs::remove_dir_all(&tree);
    for part in ["bin", "dev", "proc", "sys", "mnt", "m"] {
        fs::create_dir_all(tree.join(part)).map_err(file_error(&tree))?;
    }
    let mut list = Vec::new();
    for module in MODULES {
        let needed = output("modprobe", ["-d", &root.display().to_string(), "-S", version, "--show-depends", module])?;
        for line in String::from_utf8_lossy(&needed).lines() {
            let Some(path) = line.strip_prefix("insmod ").map(str::trim) else { continue };
            let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if !list.contains(&name) {
                fs::copy(path, tree.join("m").join(format!("{name}.ko"))).map_err(file_error(Path::new(path)))?;
                list.push(name);
            }
        }
    }
    fs::write(tree.join("modules.list"), list.join("\n")).map_err(file_error(&tree))?;
    let busybox = output("which", ["busybox"])?;
    fs::copy(String::from_utf8_lossy(&busybox).trim(), tree.join("bin/busybox")).map_err(file_error(&tree))?;
    fs::copy(workspace().join("xtask/guest/init"), tree.join("init")).map_err(file_error(&tree))?;
    shell("chmod", ["755", &tree.join("init").display().to_string(), &tree.join("bin/busybox").display().to_string()])?;
    let script = format!(
        "cd '{}' && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet | gzip -1 -n > '{}'",
        tree.display(),
        initrd.display()
    );
    shell("sh", ["-c", &script])
}

fn daemon_binary() -> PathBuf {
    workspace().join("target/release/ferric-iscsid")
}

/// The daemon on the host, for the job `clients`.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) portal: String,
    pub(crate) iqn: String,
}

impl Daemon {
    pub(crate) fn start() -> Outcome<Self> {
        let data = folder().join("data");
        let _ = fs::remove_dir_all(&data);
        let mut command = Command::new(daemon_binary());
        command.arg("--data").arg(&data).arg("--config").arg(workspace().join("xtask/guest/ferric.toml"));
        let mut child =
            command.args(["--bind", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().map_err(file_error(&data))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(file_error(&data))?;
        }
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["ready", "iscsi", portal, iqn] => Ok(Self { child, portal: (*portal).into(), iqn: (*iqn).into() }),
            _ => Err(format!("unexpected ready line of the daemon: {line:?}")),
        }
    }

    /// QEMU arguments that attach each LUN with QEMU's own initiator.
    fn attachments(&self) -> Vec<String> {
        let mut arguments = vec!["-device".to_owned(), "virtio-scsi-pci,id=vs".to_owned()];
        for lun in 0..3 {
            let blockdev = format!(
                "driver=iscsi,node-name=t{lun},transport=tcp,portal={},target={},lun={lun}",
                self.portal, self.iqn
            );
            arguments.extend(["-blockdev".to_owned(), blockdev]);
            arguments.extend(["-device".to_owned(), format!("scsi-generic,drive=t{lun},bus=vs.0,scsi-id={lun}")]);
        }
        arguments
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
