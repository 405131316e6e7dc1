//! The faults that a site has from its start.

use super::{ConfigError, read_regular_text};
use crate::faults::{Fault, FaultScript};
use std::fmt;
use std::path::PathBuf;

/// Faults that the configuration of a site adds at its start: those of a script, and those of the file itself.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FaultSetup {
    /// File of a script; none by default.
    pub script: Option<PathBuf>,
    /// The tables `[[fault]]`, in order of the file.
    pub faults: Vec<Fault>,
    /// The configuration file, and the line of the key `faults` in it.
    pub(super) file: String,
    pub(super) line: usize,
}

impl FaultSetup {
    /// The faults of the script and of the file, in this order.
    ///
    /// # Errors
    /// The script cannot be read, or has an error; the message names it.
    pub fn read(&self) -> Result<Vec<Fault>, ConfigError> {
        let Some(path) = &self.script else { return Ok(self.faults.clone()) };
        let error = |reason: String| ConfigError {
            file: self.file.clone(),
            line: self.line,
            key: "faults".into(),
            column: 0,
            message: format!("{}: {reason}", path.display()),
        };
        let text = read_regular_text(path).map_err(|failure| error(failure.to_string()))?;
        let mut faults = FaultScript::parse(&text).map_err(|failure| error(failure.to_string()))?.faults;
        faults.extend(self.faults.iter().cloned());
        Ok(faults)
    }

    /// The same faults, without a script: a reader of this configuration needs no other file. Unchanged if the script cannot be
    /// read.
    pub(crate) fn inlined(&self) -> Self {
        self.read().map_or_else(|_| self.clone(), |faults| Self { script: None, faults, ..self.clone() })
    }

    /// Writes the key `faults`, which comes before all tables.
    pub(super) fn write_script(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.script.as_ref().map_or(Ok(()), |script| writeln!(f, "faults = {script:?}\n"))
    }

    /// Writes the tables `[[fault]]`.
    pub(super) fn write_tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            write!(f, "\n[[fault]]\n{}", toml::to_string(fault).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}
