//! Runs the shell lines of README.md and docs/*.md in order, as a reader would type them.
//!
//! Each page gets an empty directory and one shell. A line with another exit code than 0 fails the run, with page and
//! line number. Blocks tagged `sh guest` need Linux's SCSI drivers and run in the guest (`xtask/guest/loopback.sh`).
//! The lines of a `json` block are requests to the control socket, each followed by the expected response.

use crate::guest::workspace;
use crate::shell::{file_error, print_line, run};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The treatment of a line that is not run to its end.
enum LineMode {
    /// Not run, for this reason.
    Skipped(&'static str),
    /// In the background until the page ends; the line is done when the program prints `ready`.
    Background,
    /// Interrupted after two seconds, because it does not end by itself.
    Interrupted,
}

/// Prefixes of lines that are not run to their end.
const SPECIAL: [(&str, LineMode); 15] = [
    ("git clone", LineMode::Skipped("the tests run in a clone")),
    ("cargo build --release", LineMode::Skipped("the programs are built already")),
    ("mkdir -p ferric && curl -fsSL \"$FERRIC_ARCHIVE\"", LineMode::Skipped("the programs are on the path already")),
    ("cargo install", LineMode::Skipped("would build everything a second time")),
    ("cargo xtask test", LineMode::Skipped("is running already")),
    ("apt-get install", LineMode::Skipped("the guest has the packages")),
    ("ferric-mhvtld", LineMode::Skipped("needs mhvtl's kernel module")),
    (
        "ferric run --keep ./tapes --load V00001L8 -- bacula-sd",
        LineMode::Skipped("a test of ferric run runs all daemons of Bacula"),
    ),
    ("ferric run --keep ./tapes -- am", LineMode::Skipped("a test of ferric run runs Amanda as its user")),
    ("ferric archive", LineMode::Skipped("a test of ferric has a shelf, and runs it")),
    ("ferric recall", LineMode::Skipped("a test of ferric has a shelf, and runs it")),
    ("vtlcmd", LineMode::Skipped("needs a running mhvtl daemon")),
    ("ferric events", LineMode::Interrupted),
    ("ferric-iscsid", LineMode::Background),
    ("cargo run --release", LineMode::Background),
];

/// Marks the end of the output of a line, before its exit code.
const MARK: &str = "typed, exit code ";

type Outcome<T = ()> = Result<T, String>;

/// A fenced block of a page.
struct Block {
    /// The words after the fence, such as `sh guest`.
    tag: String,
    /// Number and text of each line.
    lines: Vec<(usize, String)>,
}

/// Runs the pages with these names, such as `control.md`, or every page if there are none.
pub(crate) fn run_pages(names: &[String]) -> Outcome {
    run("cargo", ["build", "--quiet", "--workspace", "--all-features"])?;
    let docs = workspace().join("docs");
    let mut pages: Vec<PathBuf> =
        fs::read_dir(&docs).map_err(file_error(&docs))?.flatten().map(|page| page.path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.push(workspace().join("README.md"));
    pages.sort();
    let is_wanted = |page: &PathBuf, name: &String| page.ends_with(name);
    if let Some(unknown) = names.iter().find(|name| !pages.iter().any(|page| is_wanted(page, name))) {
        return Err(format!("{unknown}: there is no such page"));
    }
    pages.retain(|page| names.is_empty() || names.iter().any(|name| is_wanted(page, name)));
    print_line("\npages, run line by line:");
    pages.iter().try_for_each(|page| run_page(page))
}

/// The lines of the page for beginners that run in the guest, one per line.
pub(crate) fn guest_lines() -> Outcome<String> {
    let blocks = blocks(&workspace().join("docs/five-minutes.md"))?;
    let lines = blocks.iter().filter(|block| block.tag == "sh guest").flat_map(|block| &block.lines);
    let typed = lines.filter(|(_, line)| !matches!(line_mode(line), Some(LineMode::Skipped(_))));
    let lines: Vec<&str> = typed.map(|(_, line)| line.as_str()).collect();
    if lines.is_empty() {
        Err("docs/five-minutes.md has no block `sh guest`".into())
    } else {
        Ok(lines.join("\n") + "\n")
    }
}

fn blocks(page: &Path) -> Outcome<Vec<Block>> {
    let text = fs::read_to_string(page).map_err(file_error(page))?;
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(tag), None) => open = Some(Block { tag: tag.into(), lines: Vec::new() }),
            (None, Some(_)) if line.trim().is_empty() || line.starts_with('#') => {}
            (None, Some(block)) => match block.lines.last_mut() {
                Some((_, document)) if is_open_document(document) => document.extend(["\n", line]),
                _ => block.lines.push((number, line.into())),
            },
            (None, None) => {}
        }
    }
    Ok(blocks)
}

/// Whether the lines are a here-document of the shell without its end.
fn is_open_document(lines: &str) -> bool {
    lines.lines().next().is_some_and(|first| first.ends_with("<<'END'")) && !lines.ends_with("\nEND")
}

fn line_mode(line: &str) -> Option<&'static LineMode> {
    let ends = ["--help", "--version", "--print-config"];
    let (_, typing) = SPECIAL.iter().find(|(begin, _)| line.starts_with(begin))?;
    if matches!(typing, LineMode::Background) && ends.iter().any(|end| line.contains(end)) {
        None
    } else {
        Some(typing)
    }
}

fn run_page(page: &Path) -> Outcome {
    let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let blocks: Vec<Block> =
        blocks(page)?.into_iter().filter(|block| ["sh", "json"].contains(&block.tag.as_str())).collect();
    if blocks.is_empty() {
        return Ok(());
    }
    let mut shell = Shell::start(&name)?;
    let (mut typed, mut skipped) = (0, Vec::new());
    for block in &blocks {
        if block.tag == "json" {
            typed += run_requests(&name, block, &shell.directory.join("ferric-data/control.sock"))?;
            continue;
        }
        for (number, line) in &block.lines {
            match line_mode(line) {
                Some(LineMode::Skipped(reason)) => skipped.push(format!("skip  {name}:{number}: {line}: {reason}")),
                special => {
                    shell.run_line(line, special).map_err(|printed| format!("{name}:{number}: {line}\n{printed}"))?;
                    typed += 1;
                }
            }
        }
    }
    print_line(&format!("ok    {name}: {typed} lines"));
    skipped.iter().for_each(|line| print_line(line));
    Ok(())
}

/// Sends the requests of a block and compares the responses. Returns the number of requests.
fn run_requests(name: &str, block: &Block, socket: &Path) -> Outcome<usize> {
    let connect = || -> std::io::Result<_> {
        let stream = UnixStream::connect(socket)?;
        Ok((stream.try_clone()?, BufReader::new(stream)))
    };
    let (mut sender, mut responses) = connect().map_err(file_error(socket))?;
    let (mut requests, mut responded) = (0, 0);
    for (number, line) in &block.lines {
        let expected: Value =
            serde_json::from_str(line).map_err(|error| format!("{name}:{number}: {line}: {error}"))?;
        if expected.get("op").is_some() {
            writeln!(sender, "{line}").map_err(file_error(socket))?;
            requests += 1;
            continue;
        }
        if responded == requests {
            return Err(format!("{name}:{number}: {line}\nthe line is a response without a request"));
        }
        responded += 1;
        let mut response = String::new();
        responses.read_line(&mut response).map_err(file_error(socket))?;
        let actual: Value =
            serde_json::from_str(&response).map_err(|error| format!("{name}:{number}: {response}: {error}"))?;
        if actual != expected {
            return Err(format!("{name}:{number}: {line}\nthe daemon responds {}", response.trim_end()));
        }
    }
    Ok(requests)
}

/// A shell in an empty directory, with the programs of this build on its path.
struct Shell {
    directory: PathBuf,
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn start(page: &str) -> Outcome<Self> {
        let directory = workspace().join("target/pages").join(page);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).map_err(file_error(&directory))?;
        let programs = workspace().join("target/debug");
        let mut shell = Command::new("timeout");
        shell.args(["300", "bash", "--noprofile", "--norc"]).current_dir(&directory).env("HOME", &directory);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = shell.spawn().map_err(|error| format!("bash: {error}"))?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(input), Some(output)) => {
                let mut shell = Self { directory, process, input: Some(input), output: BufReader::new(output) };
                shell.run_line(&format!("PATH={}:$PATH", programs.display()), None)?;
                Ok(shell)
            }
            _ => Err("bash: no pipes".into()),
        }
    }

    /// Runs a line and waits for its end. The error is its output.
    fn run_line(&mut self, line: &str, special: Option<&LineMode>) -> Outcome {
        // `cargo run --release` is replaced by the daemon that is already built.
        let line = line.replacen("cargo run --release", "ferric-iscsid", 1);
        let script = match special {
            Some(LineMode::Background) => format!(
                "{{ exec {line}\n}} >daemon.out 2>daemon.err </dev/null &\n\
                 for _ in $(seq 600); do grep -q ready daemon.out && break; kill -0 $! 2>/dev/null || break; sleep 0.1; done\n\
                 grep -q ready daemon.out || {{ cat daemon.err; false; }}\n"
            ),
            Some(LineMode::Interrupted) => format!("timeout 2 {line} </dev/null 2>&1\n[ $? = 124 ]\n"),
            _ => format!("{{ {line}\n}} </dev/null 2>&1\n"),
        };
        let input = self.input.as_mut().ok_or("the shell has ended")?;
        writeln!(input, "{script}echo \"{MARK}$?\"").map_err(|error| format!("bash: {error}"))?;
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).map_err(|error| format!("bash: {error}"))?;
            match line.trim_end().rsplit_once(MARK) {
                Some((rest, "0")) => return if rest.contains("panicked") { Err(rest.into()) } else { Ok(()) },
                Some((rest, code)) => return Err(format!("{printed}{rest}\nexit code {code}")),
                None if read == 0 => return Err(format!("{printed}\nthe shell ended")),
                None => printed.push_str(&line),
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if let Some(mut input) = self.input.take() {
            let _ = writeln!(input, "kill $(jobs -p) 2>/dev/null; wait");
        }
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    /// The jobs in docs/ci.md run the lines of its plain shell, which the pages' run executes.
    #[test]
    fn jobs_of_ci_have_the_lines_of_the_plain_shell() {
        let blocks = blocks(&workspace().join("docs/ci.md")).unwrap();
        let tagged = |tag: &'static str| blocks.iter().filter(move |block| block.tag == tag);
        let plain: Vec<&str> = tagged("sh").next().unwrap().lines.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(plain.len(), 3);
        assert_eq!(tagged("yaml").count(), 2);
        for job in tagged("yaml") {
            let lines: Vec<&str> =
                job.lines.iter().map(|(_, line)| line.trim_start().trim_start_matches("- ")).collect();
            assert!(lines.windows(3).any(|lines| lines == plain), "{lines:?}");
        }
    }
}
