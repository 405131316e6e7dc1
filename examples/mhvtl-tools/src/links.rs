//! Creates the links by which the tools are called.

use crate::{Tool, ToolError, ToolResult};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Creates a link to this program for every tool in a directory, and lists the links on `out`. Other files with these
/// names are not replaced.
///
/// # Errors
/// Another file has the name of a tool, or the directory cannot be written.
pub fn create_links(directory: &Path, out: &mut dyn Write) -> ToolResult {
    let program = std::env::current_exe().map_err(|error| ToolError::new(format!("error: this program: {error}")))?;
    for tool in Tool::all() {
        let link = directory.join(tool.name);
        match symlink(&program, &link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_link(&link).ok().as_deref() != Some(&program) {
                    return Err(ToolError::at(&link, "another file has this name and was not replaced"));
                }
            }
            created => created.map_err(|error| ToolError::at(&link, error))?,
        }
        writeln!(out, "{} -> {}", link.display(), program.display())?;
    }
    Ok(())
}
