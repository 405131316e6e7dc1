//! What is printed: lines of a name and a value, JSON, sizes that people read, and a bar for what takes long.

use crate::failure::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// A line of a listing.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{}", text.as_ref())?)
}

/// A name and its value.
pub(crate) fn row(name: &str, value: impl AsRef<str>) -> Result<(), Failure> {
    line(format!("{name:<16}{}", value.as_ref()))
}

pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value)?)
}

/// Bytes as people say them: `12 TB`, `500 MiB`, `1.5 GB`, and below a thousand in full.
pub(crate) fn size(bytes: u64) -> String {
    const BINARY: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    const DECIMAL: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    let fits = |units: &[(&'static str, u64); 4]| units.iter().find(|(_, unit)| bytes >= *unit).copied();
    let exact = |(_, unit): &(&str, u64)| bytes.is_multiple_of(*unit);
    let Some((name, unit)) = fits(&DECIMAL) else { return format!("{bytes} bytes") };
    if let Some((name, unit)) = fits(&BINARY).filter(exact) {
        return format!("{} {name}", bytes / unit);
    }
    let tenths = bytes / (unit / 10);
    let fraction = if tenths.is_multiple_of(10) { String::new() } else { format!(".{}", tenths % 10) };
    format!("{}{fraction} {name}", tenths / 10)
}

/// How many there are of something.
pub(crate) fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A bar over so many bytes; nothing where nobody watches.
pub(crate) fn bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Bytes in rows of sixteen, as hexadecimal and as text.
pub(crate) fn hex(bytes: &[u8]) -> Result<(), Failure> {
    for (row, chunk) in bytes.chunks(16).enumerate() {
        let hex: String = chunk.iter().map(|byte| format!("{byte:02x} ")).collect();
        let printable = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        let text: String = chunk.iter().map(printable).collect();
        line(format!("  {:08x}  {hex:<48} {text}", row * 16))?;
    }
    Ok(())
}

/// Writes a file that is not there yet.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Usage(format!("{}: {error}; nothing was written", path.display()));
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1024, "1 KiB"),
            (1000, "1 kB"),
            (1500, "1.5 kB"),
            (1025 * 1024, "1 MB"),
            (524_288_000, "500 MiB"),
            (12_000_000_000_000, "12 TB"),
            (2_550_000_000, "2.5 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
