//! `ferric cartridge contents` and `files`: what the files of a cartridge have, from the daemon.

use super::client::Client;
use super::command::CartridgeRead;
use crate::cli_error::CliError;
use crate::output::{Output, format_count, format_size, print_line};
use crate::tape::show::print_contents;
use vtl::contents::{CartridgeContents, TapeFile, TapeFileEnd, TapeFiles};
use vtl::control::ControlRequest as Request;

/// Reads from a cartridge. `before` is a word between `cartridge` and the name of the command.
pub(super) fn run(
    output: Output,
    client: &mut Client,
    before: Option<&str>,
    read: CartridgeRead,
) -> Result<(), CliError> {
    if let Some(word) = before {
        return Err(CliError::invalid(format!("{word} is before the name of the command; write the barcode after it")));
    }
    match read {
        CartridgeRead::Copy(arguments) => crate::shelf::copy(output, &arguments),
        CartridgeRead::Contents { cartridge } => {
            let request = Request::CartridgeContents { cartridge: cartridge.clone() };
            let contents: CartridgeContents = client.request_as(&request)?;
            output.show(&contents, |contents| {
                print_contents(&cartridge, "", contents)?;
                contents.attributes.iter().try_for_each(|attribute| {
                    let name = if attribute.name.is_empty() { "attribute" } else { &attribute.name };
                    print_line(format!("{} {name}: {}", attribute.id, attribute.value))
                })
            })
        }
        CartridgeRead::Files { cartridge, partition } => {
            let files = files(client, &cartridge, partition)?;
            output.show(files.as_slice(), print_files)
        }
    }
}

/// All files of a partition. A file that goes on in the next part of the map is one.
fn files(client: &mut Client, cartridge: &str, partition: u8) -> Result<Vec<TapeFile>, CliError> {
    let mut all: Vec<TapeFile> = Vec::new();
    let mut object = 0;
    loop {
        let request = Request::CartridgeFiles { cartridge: cartridge.into(), partition, object, max: None };
        let part: TapeFiles = client.request_as(&request)?;
        for file in part.files {
            match all.last_mut().filter(|last| last.file == file.file) {
                Some(last) => last.extend(file),
                None => all.push(file),
            }
        }
        match part.next {
            Some(next) => object = next,
            None => return Ok(all),
        }
    }
}

fn print_files(files: &[TapeFile]) -> Result<(), CliError> {
    if files.is_empty() {
        return print_line("the partition has no data");
    }
    for TapeFile { file, object, blocks, bytes, stored, smallest, largest, damaged, end } in files {
        let sizes = if smallest == largest { format!("{largest}") } else { format!("{smallest} to {largest}") };
        let (blocks, stored) = (format_count(*blocks, "block"), format_size(*stored));
        let end = if *end == TapeFileEnd::Filemark { "" } else { ", no filemark" };
        let damaged = if *damaged == 0 { String::new() } else { format!(", {damaged} damaged objects") };
        let size = format_size(*bytes);
        print_line(format!(
            "{file:>4}  object {object}  {blocks} of {sizes} bytes, {size}, {stored} stored{end}{damaged}"
        ))?;
    }
    Ok(())
}
