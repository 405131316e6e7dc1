//! `vtltape`: one drive, whose library is another process, with the command line of mhvtl's.

use mhvtl_lld::KernelModule;
use mhvtl_lld::queue::{Queue, TOOL_ID};
use mhvtld::daemon::{self, Arguments, SignalWaiter};
use mhvtld::fifo::Fifo;
use mhvtld::lock::Lock;
use mhvtld::log::Log;
use mhvtld::standalone_drive::StandaloneDrive;
use mhvtld::{Attachment, Frontend, MessageHandler, MessageListener};
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
    let (log, unit) = (Log::start(arguments.verbosity()), arguments.unit);
    let (imported, library) =
        mhvtl::import_drive(&mhvtl::resolve_directory(arguments.mhvtl_config.as_deref())?, unit.into())?;
    imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let config = imported.config()?;
    let (Some(setup), Some(seat)) = (config.libraries.first(), imported.device_slots.first()) else {
        return Err("there is no drive in it".into());
    };
    let waiting = SignalWaiter::new()?;
    let module = KernelModule::find()?;
    let lock = Lock::acquire(unit.into())?;
    let data = arguments.open_data(&config)?;
    let drive = Arc::new(Standalone::open(data, setup)?);
    let queue = Queue::open().map_err(|error| format!("mhvtl's message queue: {error}"))?;
    // What was said before it was there is no order; what its library has said is.
    queue.remove_pending(unit, TOOL_ID)?;
    let library = library.and_then(|library| u16::try_from(library).ok());
    let fifo = Fifo::create(unit, arguments.fifo.as_deref().or(seat.fifo.as_deref()))?;
    let mut lone = StandaloneDrive::new(Arc::clone(&drive), unit, library, &queue, &log, &fifo);
    let host = Arc::new(Host::login(drive.target(), 1));
    let mut placed = Attachment::new(seat, Arc::clone(drive.unit()), host)?;
    placed.before = Some(fifo.command_hook());
    placed.after = Some(lone.eject_notifier());
    placed.lock = Some(lock);
    let door = Frontend::open(&module, vec![placed])?;
    let hear = Box::new(move |message: &_| lone.receive(message));
    let ears = door.stop_flags().into_iter().map(|ends| (ends, unit)).zip([hear]);
    let ears = ears.map(|((ends, unit), hear)| MessageHandler { unit, exit_requested: ends, receive: hear }).collect();
    let messages = MessageListener::open(&queue, ears, daemon::request_exit)?;
    daemon::print_ready(&format!("drive {unit}"));
    // A drive reads its configuration when it begins.
    waiting.wait_for_exit(|| Ok(()));
    // What is under way may need an answer: nobody is deaf before it is done.
    door.close();
    drop(messages);
    Ok(drive.shut_down()?)
}
