//! `ferric-stream`: streams records to or from a tape and prints the throughput as one line of JSON. For measurements.

use clap::{CommandFactory, Parser, ValueEnum};
use command_line::completion::{CompletionsArgument, print_if_requested};
use initiator::{Error, Initiator, Options, Transfer};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::process::ExitCode;

/// Stream records to or from a tape drive of an iSCSI target and print the throughput as JSON
#[derive(Parser)]
#[command(name = "ferric-stream", version, max_term_width = command_line::HELP_WIDTH, after_help = EXAMPLES)]
struct Arguments {
    /// Portal of the target, ADDRESS:PORT
    portal: String,
    /// iSCSI name of the target
    target: String,
    /// LUN of the drive
    #[arg(long, default_value_t = 1)]
    lun: u64,
    /// Direction of the transfer
    #[arg(long, value_enum, default_value_t = Mode::Write)]
    mode: Mode,
    /// Record length in bytes, up to 16777215
    #[arg(long, default_value_t = 262_144)]
    block: u32,
    /// Number of records
    #[arg(long, default_value_t = 4096)]
    count: u32,
    /// Number of commands in flight
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// Content of the records
    #[arg(long, value_enum, default_value_t = Content::Random)]
    content: Content,
    /// Move a cartridge between these element addresses first, with the changer at LUN 0
    #[arg(long = "move", value_name = "FROM,TO", value_delimiter = ',')]
    first_move: Vec<u16>,
    /// Disable data compression first, with MODE SELECT
    #[arg(long)]
    uncompressed: bool,
    #[command(flatten)]
    _completions: CompletionsArgument,
}

const EXAMPLES: &str = "Examples:
  ferric-stream 127.0.0.1:3260 iqn.2026-01.com.example:tape --move 1000,500
  ferric-stream 127.0.0.1:3260 iqn.2026-01.com.example:tape --mode read --depth 8

Exit codes:
  0  all records were transferred
  1  the target cannot be reached, or has refused a command
  2  the command line is wrong";

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    /// Write records from the beginning of the tape, then a filemark
    Write,
    /// Read records from the beginning of the tape
    Read,
}

#[derive(Clone, Copy, ValueEnum)]
enum Content {
    /// Random bytes, which do not compress
    Random,
    /// Words and numbers, which compress as log files do
    Text,
    /// Bytes of zero
    Zeros,
}

fn main() -> ExitCode {
    let written = command_line::man::write_if_requested(Arguments::command, "1");
    let done = match written.or_else(|| print_if_requested(Arguments::command)) {
        Some(written) => written.map_err(Into::into),
        None => run(&Arguments::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "ferric-stream: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut session = Initiator::login(&arguments.portal, &arguments.target, Options::default())?;
    if let [from, to] = arguments.first_move.as_slice() {
        let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
        wait_until_ready(&mut session, 0)?;
        let moved = session.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], Transfer::None)?;
        if moved.status != 0 {
            return Err(format!("MOVE MEDIUM: {:?}", moved.sense_codes()).into());
        }
    }
    wait_until_ready(&mut session, arguments.lun)?;
    if arguments.uncompressed {
        let page = [0, 0, 0x10, 0, 0x0f, 0x0e, 0x40, 0x80, 0, 0, 0, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0];
        session.command(arguments.lun, &[0x15, 0x10, 0, 0, 20, 0], Transfer::Out(&page))?;
    }
    session.command(arguments.lun, &[0x01, 0, 0, 0, 0, 0], Transfer::None)?;
    let records = records(arguments.content, arguments.block as usize);
    #[expect(clippy::disallowed_methods, reason = "this measures time")]
    let start = std::time::Instant::now();
    let moved = stream(&mut session, arguments, &records)?;
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = moved / 1e6;
    let rate = f64::from(arguments.count) / seconds;
    let written = writeln!(
        io::stdout(),
        "{{\"MB\": {megabytes:.1}, \"s\": {seconds:.3}, \"MB/s\": {:.1}, \"records/s\": {rate:.0}}}",
        megabytes / seconds
    );
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Repeats TEST UNIT READY while the unit reports UNIT ATTENTION or BECOMING READY (2h/04h/01h).
fn wait_until_ready(session: &mut Initiator, lun: u64) -> Result<(), Error> {
    loop {
        let reply = session.command(lun, &[0; 6], Transfer::None)?;
        match reply.sense_codes() {
            _ if reply.status == 0 => return Ok(()),
            Some((6, ..) | (2, 4, 1)) => {}
            codes => {
                return Err(format!("unit {lun} is not ready: status {:02x}, sense {codes:02x?}", reply.status).into());
            }
        }
    }
}

fn stream(session: &mut Initiator, arguments: &Arguments, records: &[Vec<u8>]) -> Result<f64, Error> {
    let [_, a, b, c] = arguments.block.to_be_bytes();
    let writes = arguments.mode == Mode::Write;
    let cdb = [if writes { 0x0a } else { 0x08 }, 0, a, b, c, 0];
    let mut in_flight: VecDeque<(u32, Transfer<'_>)> = VecDeque::new();
    let (mut records, mut moved) = (records.iter().cycle(), 0.0);
    for _ in 0..arguments.count {
        let transfer = match records.next() {
            Some(record) if writes => Transfer::Out(record),
            _ => Transfer::In(arguments.block as usize),
        };
        in_flight.push_back((session.start(arguments.lun, &cdb, transfer)?, transfer));
        if in_flight.len() >= arguments.depth {
            moved += finish(session, &mut in_flight, arguments)?;
        }
    }
    while !in_flight.is_empty() {
        moved += finish(session, &mut in_flight, arguments)?;
    }
    if writes {
        let reply = session.command(arguments.lun, &[0x10, 0, 0, 0, 1, 0], Transfer::None)?;
        if reply.status != 0 {
            return Err(format!("WRITE FILEMARKS: {reply:?}").into());
        }
    }
    Ok(moved)
}

fn finish(
    session: &mut Initiator,
    in_flight: &mut VecDeque<(u32, Transfer<'_>)>,
    arguments: &Arguments,
) -> Result<f64, Error> {
    let Some((tag, transfer)) = in_flight.pop_front() else { return Ok(0.0) };
    let reply = session.finish(tag, transfer)?;
    if reply.status != 0 || (arguments.mode == Mode::Read && reply.data.len() != arguments.block as usize) {
        return Err(
            format!("status {:02x}, sense {:02x?}, {} bytes", reply.status, reply.sense, reply.data.len()).into()
        );
    }
    Ok(f64::from(arguments.block))
}

/// Eight different records with this content, so that no cache gets the same one twice in a row.
fn records(content: Content, len: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    const WORDS: [&str; 16] = [
        "tape",
        "drive",
        "library",
        "slot",
        "filemark",
        "record",
        "partition",
        "cartridge",
        "error",
        "INFO",
        "at",
        "2026-11-22",
        "is",
        "mounted",
        "127.0.0.1",
        "=",
    ];
    let make = |_| match content {
        Content::Zeros => vec![0; len],
        Content::Random => (0..len.div_ceil(8)).flat_map(|_| next().to_be_bytes()).take(len).collect(),
        Content::Text => {
            let mut text = Vec::with_capacity(len + 32);
            while text.len() < len {
                let random = next();
                let word = WORDS.get((random & 15) as usize).copied().unwrap_or_default();
                text.extend_from_slice(word.as_bytes());
                text.extend_from_slice(format!(" {} ", random >> 54).as_bytes());
            }
            text.truncate(len);
            text
        }
    };
    (0..8).map(make).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use command_line::help;

    #[test]
    fn help_matches_snapshot() {
        let texts = help::texts(Arguments::command());
        insta::with_settings!({ snapshot_path => "../tests/help", prepend_module_to_snapshot => false, omit_expression => true }, {
            texts.iter().for_each(|(name, text)| insta::assert_snapshot!(name.as_str(), text));
        });
    }

    #[test]
    fn examples_parse() {
        assert_eq!(help::check_examples("ferric-stream", Arguments::command), Ok(()));
    }
}
