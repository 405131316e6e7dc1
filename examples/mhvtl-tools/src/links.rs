//! The names by which the tools are called.

use crate::{Tool, ToolError, ToolResult};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes a link to this program for every tool in a directory. Other files of these names stay.
///
/// # Errors
/// A name is taken, or the directory cannot be written.
pub fn create_links(directory: &Path, out: &mut dyn Write) -> ToolResult {
    let program = std::env::current_exe().map_err(|error| ToolError::new(format!("error: this program: {error}")))?;
    for tool in Tool::all() {
        let link = directory.join(tool.name);
        match symlink(&program, &link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if fs::read_link(&link).ok().as_deref() != Some(&program) {
                    return Err(ToolError::at(&link, "something else has this name; it stays"));
                }
            }
            made => made.map_err(|error| ToolError::at(&link, error))?,
        }
        writeln!(out, "{} -> {}", link.display(), program.display())?;
    }
    Ok(())
}
