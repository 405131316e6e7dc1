//! Runs the programs with threads of the tests of `ferric run` under ThreadSanitizer. The preload library and the standard
//! library in it are instrumented, for which the component `rust-src` is necessary; the runtime is that of GCC.

use crate::fuzz::host;
use crate::guest::workspace;
use crate::shell::{check, file_error, print_line};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The programs, in the folder of the tests.
const PROGRAMS: [&str; 2] = ["storm", "threads"];
/// Functions that the compiler calls and GCC's runtime does not have.
const MISSING: &str = "#include <string.h>
void *__tsan_memcpy(void *to, const void *from, size_t length) { return memcpy(to, from, length); }
void *__tsan_memmove(void *to, const void *from, size_t length) { return memmove(to, from, length); }
void *__tsan_memset(void *to, int byte, size_t length) { return memset(to, byte, length); }
";
/// `has_reader` has the lock of the C library's list of streams, which the sanitizer does not see.
const SUPPRESSIONS: &str = "race:has_reader\n";

/// Builds all and runs the programs.
///
/// # Errors
/// A part does not build, a program fails, or there is a data race; standard error says where.
pub(crate) fn run() -> Result<(), String> {
    let (root, host) = (workspace(), host()?);
    let folder = root.join("target/thread-sanitizer");
    fs::create_dir_all(&folder).map_err(file_error(&folder))?;
    check("cargo build", Command::new("cargo").args(["build", "--quiet", "--package", "ferric"]).current_dir(&root))?;
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "--package", "ferric-run", "-Zbuild-std", "--target", &host]).current_dir(&root);
    // The stable compiler accepts unstable options with this variable.
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=thread").env("CARGO_TARGET_DIR", &folder);
    check("cargo build with ThreadSanitizer; it needs: rustup component add rust-src", &mut build)?;
    let library = folder.join(host).join("debug/libferric_run.so");
    for file in [&root.join("target/debug/ferric"), &library] {
        let copy = folder.join(file.file_name().unwrap_or_default());
        fs::copy(file, &copy).map_err(file_error(file))?;
    }
    for (name, text) in [("missing.c", MISSING), ("suppressions", SUPPRESSIONS)] {
        let file = folder.join(name);
        fs::write(&file, text).map_err(file_error(&file))?;
    }
    PROGRAMS.iter().try_for_each(|name| run_program(&root, &folder, name))
}

fn run_program(root: &Path, folder: &Path, name: &str) -> Result<(), String> {
    let (source, program) = (root.join("examples/ferric/tests/run").join(name).with_extension("c"), folder.join(name));
    let mut compile = Command::new("cc");
    // The library takes the functions of the program.
    compile.args(["-O1", "-g", "-fsanitize=thread", "-rdynamic", "-pthread", "-o"]).arg(&program);
    check("cc", compile.arg(source).arg(folder.join("missing.c")))?;
    let mut run = Command::new(folder.join("ferric"));
    run.args(["run", "--load", "V00001L8", "--"]).arg(&program).current_dir(folder);
    run.env("TSAN_OPTIONS", format!("suppressions={}", folder.join("suppressions").display()));
    check(name, &mut run)?;
    print_line(&format!("{name}: no data race"));
    Ok(())
}
