//! Tests the Python package in a virtual environment, and the Go package if Go is installed; builds the wheel.

use crate::guest::{copy, workspace};
use crate::shell::{check, file_error, output, print_line, run};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The tools, from PyPI.
const TOOLS: [&str; 4] = ["maturin==1.16.0", "mypy==2.4.1", "pytest==9.2.0", "setuptools==80.9.0"];
/// Time limit of the tests in seconds.
const LIMIT: &str = "180";

/// Installs the package, without the programs, and runs its tests with those of this build.
pub(crate) fn run_python(arguments: &[String]) -> Result<(), String> {
    let environment = Environment::create()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => environment.test(),
        ["wheel"] => environment.build_wheel(),
        _ => Err(format!("python: {}: expected nothing, or wheel", arguments.join(" "))),
    }
}

/// The virtual environment, in `target/python`.
struct Environment {
    directory: PathBuf,
}

impl Environment {
    /// Creates it, with the tools, unless it has them.
    fn create() -> Result<Self, String> {
        let directory = workspace().join("target/python");
        fs::create_dir_all(&directory).map_err(file_error(&directory))?;
        let environment = Self { directory };
        let installed = environment.directory.join("tools");
        if fs::read_to_string(&installed).is_ok_and(|tools| tools == TOOLS.join("\n")) {
            return Ok(environment);
        }
        run("python3", ["-m", "venv", "--clear", &environment.path("venv")])?;
        environment.pip(&TOOLS)?;
        fs::write(&installed, TOOLS.join("\n")).map_err(file_error(&installed))?;
        Ok(environment)
    }

    fn path(&self, name: &str) -> String {
        self.directory.join(name).to_string_lossy().into_owned()
    }

    fn pip(&self, arguments: &[&str]) -> Result<(), String> {
        let install = ["install", "--quiet", "--disable-pip-version-check"];
        run(&self.path("venv/bin/pip"), install.into_iter().chain(arguments.iter().copied()))
    }

    fn test(&self) -> Result<(), String> {
        run("cargo", ["build", "--quiet", "--workspace", "--all-features"])?;
        let package = self.copy_package()?;
        self.pip(&["--no-build-isolation", "--no-deps", "--force-reinstall", &package.to_string_lossy()])?;
        print_line("\npython:");
        let python = workspace().join("python");
        check("mypy", Command::new(self.path("venv/bin/mypy")).current_dir(&python))?;
        let mut pytest = Command::new("timeout");
        pytest.arg(LIMIT).arg(self.path("venv/bin/pytest")).args(["--quiet", "-p", "no:cacheprovider"]);
        pytest.env("FERRIC_PROGRAMS", workspace().join("target/debug")).env("PYTHONDONTWRITEBYTECODE", "1");
        check("pytest", pytest.current_dir(&python))?;
        test_go()
    }

    /// A copy of the package that setuptools installs in a second: maturin would build the programs for release.
    fn copy_package(&self) -> Result<PathBuf, String> {
        let (python, package) = (workspace().join("python"), self.directory.join("package"));
        let _ = fs::remove_dir_all(&package);
        let source = package.join("src");
        fs::create_dir_all(&source).map_err(file_error(&source))?;
        copy(&python.join("src/ferric"), &source)?;
        let read = |name: &str| fs::read_to_string(python.join(name)).map_err(file_error(&python.join(name)));
        let mut project = read("pyproject.toml")?;
        for (from, to) in [
            ("requires = [\"maturin==1.16.*\"]", "requires = [\"setuptools\"]"),
            ("build-backend = \"maturin\"", "build-backend = \"setuptools.build_meta\""),
            ("dynamic = [\"version\"]", "version = \"0\""),
        ] {
            if !project.contains(from) {
                return Err(format!("python/pyproject.toml: expected the line {from}"));
            }
            project = project.replacen(from, to, 1);
        }
        project += "\n[tool.setuptools.package-data]\nferric = [\"py.typed\"]\n";
        let write = |name: &str, text: &str| fs::write(package.join(name), text).map_err(file_error(&package));
        write("pyproject.toml", &project)?;
        write("README.md", &read("README.md")?)?;
        Ok(package)
    }

    /// Builds the wheel with the programs for release, and tests it in a new environment.
    fn build_wheel(&self) -> Result<(), String> {
        run("cargo", ["build", "--release", "--quiet", "--package", "ferric-run"])?;
        let preloaded = self.directory.join("data/data/lib/ferric");
        fs::create_dir_all(&preloaded).map_err(file_error(&preloaded))?;
        let library = workspace().join("target/release/libferric_run.so");
        fs::copy(&library, preloaded.join("libferric_run.so")).map_err(file_error(&library))?;
        let wheels = self.directory.join("wheels");
        let _ = fs::remove_dir_all(&wheels);
        let python = workspace().join("python");
        let mut maturin = Command::new(self.path("venv/bin/maturin"));
        maturin.args(["build", "--release", "--out"]).arg(&wheels).current_dir(&python);
        check("maturin", &mut maturin)?;
        let wheel = fs::read_dir(&wheels).map_err(file_error(&wheels))?.flatten().map(|entry| entry.path()).next();
        let wheel = wheel.ok_or("maturin has made no wheel")?;
        run("python3", ["-m", "venv", "--clear", &self.path("clean")])?;
        let install = ["install", "--quiet", "--disable-pip-version-check", "pytest==9.2.0"];
        run(&self.path("clean/bin/pip"), install.into_iter().chain([&*wheel.to_string_lossy()]))?;
        let mut pytest = Command::new("timeout");
        pytest.arg(LIMIT).arg(self.path("clean/bin/pytest")).args(["--quiet", "-p", "no:cacheprovider"]);
        check("pytest", pytest.current_dir(&python))
    }
}

/// Runs the tests of the Go package, which needs no other packages.
fn test_go() -> Result<(), String> {
    if output("go", ["version"]).is_err() {
        print_line("go: skipped, because Go is not installed (Debian: golang-go)");
        return Ok(());
    }
    let directory = workspace().join("go/ferrictest");
    let unformatted = output("gofmt", ["-l", &directory.to_string_lossy()])?;
    if !unformatted.is_empty() {
        return Err(format!("gofmt: not formatted:\n{}", String::from_utf8_lossy(&unformatted)));
    }
    for arguments in [&["vet", "./..."][..], &["test", "-count=1", "./..."]] {
        let mut go = Command::new("go");
        go.args(arguments).env("FERRIC_PROGRAMS", workspace().join("target/debug")).env("GOPROXY", "off");
        check("go", go.current_dir(&directory))?;
    }
    Ok(())
}
