//! `vtltape`: one drive, whose library is another process, with the command line of mhvtl's.

use mhvtl_lld::Kernel;
use mhvtl_lld::queue::{Queue, TOOL};
use mhvtld::daemon::{self, Arguments, Waiting};
use mhvtld::fifo::Fifo;
use mhvtld::lock::Lock;
use mhvtld::log::Log;
use mhvtld::lone::Lone;
use mhvtld::{Door, Ear, Messages, Placed};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::mhvtl;
use vtl::host::Host;
use vtl::standalone::Standalone;

fn main() -> ExitCode {
    daemon::main("vtltape", run)
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (log, unit) = (Log::start(arguments.level()), arguments.unit);
    let (imported, library) = mhvtl::import_drive(&mhvtl::named(arguments.mhvtl_config.as_deref())?, unit.into())?;
    imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let config = imported.config()?;
    let (Some(setup), Some(seat)) = (config.libraries.first(), imported.seats.first()) else {
        return Err("there is no drive in it".into());
    };
    let waiting = Waiting::new()?;
    let module = Kernel::find()?;
    let lock = Lock::take(unit.into())?;
    let data = arguments.open_data(&config)?;
    let drive = Arc::new(Standalone::open(data, setup)?);
    let queue = Queue::open().map_err(|error| format!("mhvtl's message queue: {error}"))?;
    // What was said before it was there is no order; what its library has said is.
    queue.withdraw(unit, TOOL)?;
    let library = library.and_then(|library| u16::try_from(library).ok());
    let fifo = Fifo::make(unit, arguments.fifo.as_deref().or(seat.fifo.as_deref()))?;
    let mut lone = Lone::new(Arc::clone(&drive), unit, library, &queue, &log, &fifo);
    let host = Arc::new(Host::login(drive.target(), 1));
    let mut placed = Placed::of(seat, Arc::clone(drive.unit()), host)?;
    placed.before = Some(fifo.announce());
    placed.after = Some(lone.watch());
    placed.lock = Some(lock);
    let door = Door::open(&module, vec![placed])?;
    let hear = Box::new(move |message: &_| lone.hear(message));
    let ears = door.stops().into_iter().map(|ends| (ends, unit)).zip([hear]);
    let ears = ears.map(|((ends, unit), hear)| Ear { unit, ends, hear }).collect();
    let messages = Messages::open(&queue, ears, daemon::end)?;
    daemon::ready(&format!("drive {unit}"));
    // A drive reads its configuration when it begins.
    waiting.until_end(|| Ok(()));
    // What is under way may need an answer: nobody is deaf before it is done.
    door.close();
    drop(messages);
    Ok(drive.shut_down()?)
}
