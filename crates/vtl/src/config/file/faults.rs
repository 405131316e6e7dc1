//! `faults` and `[[fault]]`: the faults that a site has from its start.

use super::source::Source;
use crate::config::tables::{Tables, Text};
use crate::config::{ConfigError, FaultSetup};
use crate::faults::Fault;

/// The script and the tables of a file. The script itself is read when it is used.
pub(super) fn faults(source: &Source<'_>, script: Text, tables: Tables<Fault>) -> Result<FaultSetup, ConfigError> {
    let mut setup = FaultSetup { file: source.file.into(), ..FaultSetup::default() };
    if let Some(script) = script {
        let at = script.span().start;
        let path = script.into_inner();
        if path.is_empty() || path.contains('\0') {
            return Err(source.error(at, "faults", format!("{path:?} is not a file")));
        }
        (setup.line, setup.script) = (source.line(at), Some(path.into()));
    }
    for table in tables {
        let at = table.span().start;
        let fault = table.into_inner();
        fault.check().map_err(|(key, reason)| source.error(at, &format!("fault.{key}"), reason))?;
        setup.faults.push(fault);
    }
    Ok(setup)
}
