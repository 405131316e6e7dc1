//! Creates the links by which the tools are called.

use crate::{Tool, ToolError, ToolResult};
use command_line::links;
use std::io::Write;
use std::path::Path;

/// Creates a link to this program for every tool in a directory, and lists the links on `out`. Other files with these
/// names are not replaced.
///
/// # Errors
/// Another file has the name of a tool, or the directory cannot be written.
pub fn create_links(directory: &Path, out: &mut dyn Write) -> ToolResult {
    let created = links::create(directory, Tool::all().map(|tool| tool.name));
    for (link, program) in created.map_err(|error| ToolError::new(format!("error: {error}")))? {
        writeln!(out, "{} -> {}", link.display(), program.display())?;
    }
    Ok(())
}
