//! Runs schemathesis, which makes requests from the OpenAPI document, against a daemon.

use crate::guest::workspace;
use crate::shell::{check, file_error, print_line, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The release of schemathesis, from PyPI.
const RELEASE: &str = "schemathesis==4.32.*";
/// Time limit of the run in seconds.
const LIMIT: &str = "60";
/// Time in seconds in which schemathesis makes requests.
const TIME_BUDGET: &str = "30";

/// The site of the daemon: one library, a pool, and a shelf with a cartridge.
const SITE: &str = r##"[[library]]
slots = 8
import_export = 2
[[library.drive]]
model = "ULT3580-TD8"
count = 2
[[library.cartridges]]
pattern = "V#####L8"
count = 4
size = "64MB"
[[pool]]
name = "scratch"
pattern = "S#L8"
size = "64MB"
[http]
listen = "127.0.0.1:0"
loopback = "token"
"##;

/// A daemon that is killed when it is dropped.
struct Daemon {
    process: Child,
    ready: Value,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Daemon {
    fn start(config: &Path) -> Result<Self, String> {
        let program = workspace().join("target/debug/ferric-iscsid");
        let mut command = Command::new(program);
        command.args(["--ephemeral", "--bind", "127.0.0.1:0", "--ready", "json", "--config"]).arg(config);
        let mut process = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("ferric-iscsid: {error}"))?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("ferric-iscsid: no output")?;
        let read = BufReader::new(output).read_line(&mut line);
        read.map_err(|error| format!("ferric-iscsid: {error}"))?;
        let ready = serde_json::from_str(&line).map_err(|error| format!("ferric-iscsid: {line}: {error}"))?;
        Ok(Self { process, ready })
    }

    fn text(&self, name: &str) -> &str {
        self.ready.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Installs schemathesis into `target/schemathesis` and runs it.
pub(crate) fn run_schemathesis() -> Result<(), String> {
    run("cargo", ["build", "--quiet", "--workspace", "--bins", "--all-features"])?;
    let directory = workspace().join("target/schemathesis");
    let program = directory.join("bin/schemathesis");
    if !program.exists() {
        run("python3", ["-m", "venv", &directory.to_string_lossy()])?;
        let pip = directory.join("bin/pip");
        run(&pip.to_string_lossy(), ["install", "--quiet", RELEASE])?;
    }
    let config = directory.join("site.toml");
    fs::write(&config, SITE).map_err(file_error(&config))?;
    let daemon = Daemon::start(&config)?;
    let ferric = workspace().join("target/debug/ferric");
    let socket = ["--socket", daemon.text("control"), "token", "create", "schemathesis", "--role", "admin"];
    let token = crate::shell::output(&ferric.to_string_lossy(), socket)?;
    let token = String::from_utf8_lossy(&token).trim().to_owned();
    print_line("\nschemathesis:");
    let settings = workspace().join("xtask/schemathesis.toml");
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(&program).arg("--config-file").arg(&settings).arg("run");
    command.arg(format!("{}/v1/openapi.json", daemon.text("http")));
    command.args(["--max-time", TIME_BUDGET, "--header", &format!("Authorization: Bearer {token}")]);
    check("schemathesis", command.current_dir(&directory))
}
