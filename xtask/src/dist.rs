//! The distribution, in `target/dist`: the static program, packages, an archive, lists of their contents, and the checks of
//! them.
//!
//! `target/dist/ferric` is the program, `target/dist/tree` has the other files of the packages at their places.

mod archive;
mod deb;
mod install;
mod program;
mod rpm;
mod tree;
mod units;

use crate::guest::workspace;
use crate::shell::{output, print_line};
use std::path::PathBuf;
use std::time::Instant;

/// A step by its name. The steps follow each other; a step that takes long runs only by name.
struct Step {
    name: &'static str,
    takes_long: bool,
    run: fn() -> Result<(), String>,
}

const STEPS: [Step; 7] = [
    Step { name: "units", takes_long: false, run: units::check },
    Step { name: "build", takes_long: false, run: program::build },
    Step { name: "tree", takes_long: false, run: tree::write },
    Step { name: "deb", takes_long: false, run: deb::build },
    Step { name: "rpm", takes_long: false, run: rpm::build },
    Step { name: "archive", takes_long: false, run: archive::build },
    Step { name: "install", takes_long: true, run: install::check },
];

/// Runs the steps with these names, or without names all that do not take long, and writes the checksums.
pub(crate) fn run(names: &[String]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(format!("cargo xtask dist {unknown}: unknown step; known are {}", known.join(", ")));
    }
    let is_wanted =
        |step: &&Step| if names.is_empty() { !step.takes_long } else { names.iter().any(|name| name == step.name) };
    for step in STEPS.iter().filter(is_wanted) {
        #[expect(clippy::disallowed_methods, reason = "the time that a step takes is printed")]
        let started = Instant::now();
        (step.run)().map_err(|error| format!("cargo xtask dist {}: {error}", step.name))?;
        print_line(&format!("dist {}: done in {} s", step.name, started.elapsed().as_secs()));
    }
    if names.is_empty() { archive::write_checksums() } else { Ok(()) }
}

/// The directory of all results.
fn folder() -> PathBuf {
    workspace().join("target/dist")
}

/// Version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Time of the last commit in seconds since 1970: the time of every file in packages and archives.
fn source_date() -> Result<String, String> {
    let time = output("git", ["-C", &workspace().display().to_string(), "log", "-1", "--format=%ct"])?;
    Ok(String::from_utf8_lossy(&time).trim().to_owned())
}
