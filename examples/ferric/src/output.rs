//! Output of commands: rows, JSON, readable sizes, hexadecimal dumps, progress bars and warnings.

use crate::cli_error::CliError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

/// Template of a progress bar that counts bytes.
pub(crate) const BYTES: &str = "{bar:40} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec}, {eta} left";
/// Template of a progress bar that counts bytes, if their total is unknown.
pub(crate) const UNKNOWN_BYTES: &str = "{spinner} {decimal_bytes} {decimal_bytes_per_sec}";
/// Template of a progress bar that counts cartridges.
pub(crate) const CARTRIDGES: &str = "{bar:40} {pos}/{len} cartridges, {eta} left";
/// Template of a progress bar that counts the parts of a catalog.
pub(crate) const PARTS: &str = "{bar:40} {pos}/{len} parts, {eta} left";
/// Template of a progress bar that counts blocks and filemarks.
pub(crate) const OBJECTS: &str = "{bar:40} {pos}/{len} objects, {eta} left";

/// The form of all output of a command: text, or JSON for programs.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// JSON, or text.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints a result: as one document of JSON, or with `print`.
    pub(crate) fn show<T: Serialize + ?Sized>(
        self,
        result: &T,
        print: impl FnOnce(&T) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        if self.json { print_line(serde_json::to_string_pretty(result)?) } else { print(result) }
    }

    /// The result of a command that has made its change: if its output cannot be written, this prints a note on standard
    /// error instead of failing. A closed pipe needs no note.
    pub(crate) fn done(self, reported: Result<(), CliError>) -> Result<(), CliError> {
        let Err(CliError::Output(error)) = reported else { return reported };
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.note(&format!("the command was done, but its output cannot be written: {error}"));
        }
        Ok(())
    }

    /// Prints an error on standard error.
    pub(crate) fn error(self, error: &CliError) {
        let text =
            if self.json { json!({ "error": error.document() }).to_string() } else { format!("ferric: {error}") };
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Prints a warning on standard error.
    pub(crate) fn warning(self, text: &str) {
        self.message("warning", text);
    }

    /// Prints a note on standard error.
    pub(crate) fn note(self, text: &str) {
        self.message("note", text);
    }

    fn message(self, kind: &str, text: &str) {
        let text = if self.json { json!({ kind: text }).to_string() } else { format!("ferric: {kind}: {text}") };
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Prints one warning about words of the previous release, each with the current one; nothing for none.
    pub(crate) fn warn_former<'a>(self, words: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let words: Vec<String> =
            words.into_iter().map(|(former, current)| format!("write {current} instead of {former}")).collect();
        if !words.is_empty() {
            self.warning(&format!("{}; the next release refuses the former words", words.join(", ")));
        }
    }

    /// A progress bar with one of the templates of this module. It is hidden if standard error is not a terminal, and with
    /// JSON.
    pub(crate) fn progress_bar(self, total: Option<u64>, template: &str) -> ProgressBar {
        let target = if self.json { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(total, target);
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        // Shown from the beginning, also if the first step takes long.
        bar.tick();
        bar
    }

    /// Prints the warnings about a configuration.
    pub(crate) fn warn_config(self, config: &vtl::config::Config) {
        config.warnings.iter().for_each(|warning| self.warning(&warning.to_string()));
    }
}

/// Counts the bytes of each object that is done with a progress bar.
pub(crate) fn counting(bar: &ProgressBar) -> impl FnMut(u64) -> ControlFlow<()> {
    |stored| {
        bar.inc(stored);
        ControlFlow::Continue(())
    }
}

/// A line of a listing.
pub(crate) fn print_line(text: impl AsRef<str>) -> Result<(), CliError> {
    Ok(writeln!(io::stdout(), "{}", text.as_ref())?)
}

/// A name and its value.
pub(crate) fn print_row(name: &str, value: impl AsRef<str>) -> Result<(), CliError> {
    print_line(format!("{name:<16}{}", value.as_ref()))
}

/// Bytes in decimal units with a tenth: `12 TB`, `1.5 GB`; below 1000 in full.
pub(crate) fn format_size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];
    let tenths = |unit: u64| bytes.saturating_add(unit / 20) / (unit / 10);
    // 999,950 bytes are 1 MB, not 1000 kB.
    let fits = |(_, unit): &&(&str, u64)| tenths(*unit) < 10_000 || *unit == 1_000_000_000_000;
    let Some((name, unit)) = UNITS.iter().find(fits).filter(|_| bytes >= 1000) else { return format!("{bytes} bytes") };
    let (whole, tenth) = (tenths(*unit) / 10, tenths(*unit) % 10);
    if tenth == 0 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
}

/// How many there are of something.
pub(crate) fn format_count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// Bytes in rows of sixteen, as hexadecimal and as text.
pub(crate) fn print_hex(bytes: &[u8]) -> Result<(), CliError> {
    for (row, chunk) in bytes.chunks(16).enumerate() {
        let hex: String = chunk.iter().map(|byte| format!("{byte:02x} ")).collect();
        let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let text: String = chunk.iter().map(printable).collect();
        print_line(format!("  {:08x}  {hex:<48} {text}", row * 16))?;
    }
    Ok(())
}

/// Writes a new file; an existing one is an error.
pub(crate) fn create_file(path: &Path, text: &str) -> Result<(), CliError> {
    let failed =
        |error: io::Error| CliError::system(&error, format!("{}: {error}; nothing was written", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::format_size;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1 kB"),
            (1024, "1 kB"),
            (1500, "1.5 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1 MB"),
            (524_288_000, "524.3 MB"),
            (12_000_000_000_000, "12 TB"),
            (2_549_999_999, "2.5 GB"),
            (2_550_000_000, "2.6 GB"),
            (999_949_999_999, "999.9 GB"),
            (999_950_000_000, "1 TB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(format_size(bytes), text);
        }
    }
}
