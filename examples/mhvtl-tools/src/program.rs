//! The program `ferric-mhvtl`: runs the tool whose name it is called by, or which its first argument names.

use crate::{DEFAULT_CONFIG_DIR, Invocation, Tool, ToolError, create_links};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: ferric-mhvtl [--config-dir DIR] TOOL [ARGUMENTS]
       ferric-mhvtl links DIR     create links in DIR by which the tools are called

--config-dir DIR is the directory of mhvtl.conf [/etc/mhvtl]. Tools:";

/// Runs a tool with the command line of this process. Returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let arguments: Vec<String> = arguments.collect();
    match Tool::by_name(&name) {
        Some(tool) => run_to_exit_code(tool, &call(&name, &arguments, DEFAULT_CONFIG_DIR.into())),
        None => by_first_argument(&arguments),
    }
}

fn by_first_argument(arguments: &[String]) -> ExitCode {
    let (etc, arguments) = match arguments {
        [option, directory, rest @ ..] if option == "--config-dir" => (PathBuf::from(directory), rest),
        _ => (PathBuf::from(DEFAULT_CONFIG_DIR), arguments),
    };
    match arguments {
        [word, directory] if word == "links" => match create_links(Path::new(directory), &mut io::stdout()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => report_error("ferric-mhvtl", &failure),
        },
        [name, rest @ ..] => match Tool::by_name(name) {
            Some(tool) => run_to_exit_code(tool, &call(name, rest, etc)),
            None => usage(["-h", "--help"].contains(&name.as_str())),
        },
        [] => usage(false),
    }
}

fn usage(requested: bool) -> ExitCode {
    let names: String = Tool::all().map(|tool| format!("\n  {}", tool.name)).collect();
    if requested {
        let _ = writeln!(io::stdout(), "{USAGE}{names}");
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(io::stderr(), "{USAGE}{names}");
    ExitCode::FAILURE
}

fn call<'a>(name: &'a str, arguments: &'a [String], etc: PathBuf) -> Invocation<'a> {
    #[expect(clippy::disallowed_methods, reason = "mhvtl's mktape reads SOURCE_DATE_EPOCH, for reproducible builds")]
    let fixed = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok()).filter(|time| *time > 0);
    let now =
        fixed.unwrap_or_else(|| i64::try_from(vtl::clock::Clock::real().now().wall.seconds()).unwrap_or(i64::MAX));
    Invocation { name, arguments, etc, now }
}

fn run_to_exit_code(tool: &Tool, call: &Invocation<'_>) -> ExitCode {
    let mut out = Output::new(tool);
    let done = tool.run(call, &mut out);
    match done.and_then(|()| out.failed.map_or(Ok(()), |error| Err(ToolError::Output(error)))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = report_error(tool.name, &failure);
            if failure.wants_usage() {
                let _ = write!(io::stderr(), "{}", tool.usage(call));
            }
            code
        }
    }
}

/// Standard output. A write error does not stop a tool that changes something; a tool that only prints stops.
struct Output {
    prints_only: bool,
    failed: Option<io::Error>,
}

impl Output {
    fn new(tool: &Tool) -> Self {
        Self { prints_only: ["dump_tape", "dump_messageQ"].contains(&tool.name), failed: None }
    }

    fn end(&mut self, written: io::Result<()>) -> io::Result<()> {
        match written {
            Err(error) if !self.prints_only => {
                self.failed.get_or_insert(error);
                Ok(())
            }
            written => written,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = if self.failed.is_none() { io::stdout().write_all(bytes) } else { Ok(()) };
        self.end(written).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = if self.failed.is_none() { io::stdout().flush() } else { Ok(()) };
        self.end(flushed)
    }
}

/// Prints an error to standard error and returns the exit code. A closed output pipe is not an error.
fn report_error(name: &str, failure: &ToolError) -> ExitCode {
    match failure {
        ToolError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        ToolError::Output(error) => drop(writeln!(io::stderr(), "{name}: standard output: {error}")),
        ToolError::Refused { text, .. } if text.is_empty() => {}
        ToolError::Refused { text, .. } => drop(writeln!(io::stderr(), "{text}")),
    }
    ExitCode::from(failure.code())
}
