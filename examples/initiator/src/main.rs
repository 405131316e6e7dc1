//! `ferric-stream`: streams records to or from a tape and says how fast, as one line of JSON. For measurements.

use clap::{Parser, ValueEnum};
use initiator::{Error, Initiator, Options, Transfer};
use std::collections::VecDeque;
use std::io::{self, Write};

/// Streams records to or from a tape behind an iSCSI target.
#[derive(Parser)]
struct Arguments {
    /// ADDRESS:PORT of the target
    portal: String,
    /// Name of the target
    target: String,
    /// LUN of the drive
    #[arg(long, default_value_t = 1)]
    lun: u64,
    /// What to do
    #[arg(long, value_enum, default_value_t = Mode::Write)]
    mode: Mode,
    /// Bytes of a record
    #[arg(long, default_value_t = 262_144)]
    block: u32,
    /// Records
    #[arg(long, default_value_t = 4096)]
    count: u32,
    /// Commands in flight
    #[arg(long, default_value_t = 1)]
    depth: usize,
    /// What the records hold
    #[arg(long, value_enum, default_value_t = Content::Random)]
    content: Content,
    /// Element addresses of a move to make first, by the changer at LUN 0
    #[arg(long = "move", value_name = "FROM,TO", value_delimiter = ',')]
    first_move: Vec<u16>,
    /// MODE SELECT data compression off first
    #[arg(long)]
    uncompressed: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Mode {
    Write,
    Read,
}

#[derive(Clone, Copy, ValueEnum)]
enum Content {
    Random,
    Text,
    Zeros,
}

fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
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
    let moved = stream(&mut session, &arguments, &records)?;
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

/// TEST UNIT READY through unit attentions and a load under way; nothing else goes by itself.
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
    let mut flight: VecDeque<(u32, Transfer<'_>)> = VecDeque::new();
    let (mut records, mut moved) = (records.iter().cycle(), 0.0);
    for _ in 0..arguments.count {
        let transfer = match records.next() {
            Some(record) if writes => Transfer::Out(record),
            _ => Transfer::In(arguments.block as usize),
        };
        flight.push_back((session.start(arguments.lun, &cdb, transfer)?, transfer));
        if flight.len() >= arguments.depth {
            moved += finish(session, &mut flight, arguments)?;
        }
    }
    while !flight.is_empty() {
        moved += finish(session, &mut flight, arguments)?;
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
    flight: &mut VecDeque<(u32, Transfer<'_>)>,
    arguments: &Arguments,
) -> Result<f64, Error> {
    let Some((tag, transfer)) = flight.pop_front() else { return Ok(0.0) };
    let reply = session.finish(tag, transfer)?;
    if reply.status != 0 || (arguments.mode == Mode::Read && reply.data.len() != arguments.block as usize) {
        return Err(
            format!("status {:02x}, sense {:02x?}, {} bytes", reply.status, reply.sense, reply.data.len()).into()
        );
    }
    Ok(f64::from(arguments.block))
}

/// A few different records of the kind, so that no cache sees the same one twice in a row.
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
