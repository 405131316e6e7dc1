//! Man pages of a program and of each of its commands.

use clap::Command;
use clap_mangen::Man;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Option with which `cargo xtask man` calls a program: `PROGRAM --man-pages DIR`. It is not part of the command line that
/// the program documents.
pub const OPTION: &str = "--man-pages";

/// Writes the pages of a program if its command line is [`OPTION`] and a directory. Returns `None` for any other command
/// line.
pub fn write_if_requested(definition: impl FnOnce() -> Command, section: &str) -> Option<io::Result<()>> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let [option, directory] = words.as_slice() else { return None };
    (option == OPTION).then(|| write_pages(definition(), section, Path::new(directory)).map(drop))
}

/// Writes the pages of a program into a directory, which is created if it does not exist: `ferric.1`,
/// `ferric-tape-show.1`. Hidden commands have no page. Returns the paths of the pages.
///
/// # Errors
/// The directory cannot be created, or a page cannot be written; the error names it.
pub fn write_pages(command: Command, section: &str, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let failed = |path: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut written = Vec::new();
    for (name, page) in pages(command, section)? {
        let path = directory.join(name);
        fs::write(&path, page).map_err(|error| failed(&path, error))?;
        written.push(path);
    }
    Ok(written)
}

/// Name and roff text of each page.
fn pages(command: Command, section: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut all = Vec::new();
    collect(&command, section, &mut all)?;
    Ok(all)
}

fn collect(command: &Command, section: &str, all: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let man = Man::new(command.clone()).section(section).source("Ferric").manual("Ferric");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|child| !child.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        page.extend(preformatted(&text.to_string()).into_bytes());
    }
    all.push((man.get_filename(), page));
    command.get_subcommands().filter(|child| !child.is_hide_set()).try_for_each(|child| collect(child, section, all))
}

/// The text after the help as sections: a line that ends in a colon is a heading, the lines below it stay as they are
/// printed.
fn preformatted(text: &str) -> String {
    let (mut page, mut end) = (String::new(), "");
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_suffix(':').filter(|heading| !heading.starts_with(' ')) {
            Some(heading) => {
                page += &format!("{end}.SH {}\n.nf\n", heading.to_uppercase());
                end = ".fi\n";
            }
            None => page += &format!("\\&{}\n", escaped(line.trim())),
        }
    }
    page + end
}

/// Text in which roff changes no character.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines() {
        let command = Command::new("prog")
            .about("Do it")
            .after_help("Examples:\n  prog --all\n  prog 'a\\b'\n\nExit codes:\n  0  done\n");
        let pages = pages(command, "1").unwrap();
        assert_eq!(pages[0].0, "prog.1");
        let page = String::from_utf8(pages[0].1.clone()).unwrap();
        assert!(page.contains(".SH NAME\nprog \\- Do it\n"), "{page}");
        assert!(page.ends_with(".SH EXAMPLES\n.nf\n\\&prog \\-\\-all\n\\&prog \\(aqa\\eb\\(aq\n.fi\n.SH EXIT CODES\n.nf\n\\&0  done\n.fi\n"), "{page}");
    }
}
