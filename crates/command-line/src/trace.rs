//! Options of a daemon that writes the commands of hosts to a trace file.

use clap::Args;
use std::io;
use std::path::{Path, PathBuf};

// Trace options of a daemon, for `#[command(flatten)]`.
#[derive(Args, Clone, Debug)]
#[expect(missing_docs, reason = "a doc comment would become the description of the program")]
pub struct TraceArguments {
    /// Write every command of hosts with the first bytes of its data to this file, for ferric trace --file; keys are left
    /// out
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Bytes of the data of each command in the trace file, in each direction
    #[arg(long, value_name = "BYTES", default_value_t = 64, requires = "trace", value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub trace_data: u32,
}

/// Reason why a trace file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("--trace: {}: {source}", path.display())]
#[non_exhaustive]
pub struct TraceError {
    /// Path of the file, as given on the command line.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

impl TraceArguments {
    /// Calls `create` with the path and the number of data bytes, if `--trace` is given.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn start(&self, create: impl FnOnce(&Path, usize) -> io::Result<()>) -> Result<(), TraceError> {
        let Some(path) = &self.trace else { return Ok(()) };
        let data_len = usize::try_from(self.trace_data).unwrap_or(usize::MAX);
        create(path, data_len).map_err(|source| TraceError { path: path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        trace: TraceArguments,
    }

    #[test]
    fn options_of_a_trace() {
        let started = |words: &[&str]| {
            let parsed = Program::try_parse_from([&["p"], words].concat()).map_err(|error| error.to_string())?;
            let mut with = None;
            let with_error = parsed.trace.start(|path, data_len| {
                with = Some((path.display().to_string(), data_len));
                if data_len == 7 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
            });
            let error = with_error.err().map(|error| error.to_string());
            error.map_or(Ok(()), Err)?;
            Ok::<_, String>(with)
        };
        assert_eq!(started(&[]), Ok(None));
        assert_eq!(started(&["--trace", "f"]), Ok(Some(("f".into(), 64))));
        assert_eq!(started(&["--trace", "f", "--trace-data", "0"]), Ok(Some(("f".into(), 0))));
        assert_eq!(started(&["--trace", "f", "--trace-data", "7"]), Err("--trace: f: entity not found".into()));
        assert!(started(&["--trace-data", "0"]).is_err());
    }
}
