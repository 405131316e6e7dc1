//! The daemon of one drive, with mhvtl's command line.
//!
//! The program `vtltape` calls [`main`], and `ferric serve vtltape` [`serve`].

use crate::daemon::{self, Arguments, SignalWaiter};
use crate::fifo::Fifo;
use crate::lock::Lock;
use crate::log::Log;
use crate::standalone_drive::StandaloneDrive;
use crate::{Attachment, Frontend, MessageHandler, MessageListener};
use mhvtl_lld::KernelModule;
use mhvtl_lld::queue::{Queue, TOOL_ID};
use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::mhvtl;
use vtl::host::Host;
use vtl::observer::TraceFile;
use vtl::standalone::Standalone;

/// Runs the daemon with the command line of this process. Returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    daemon::main(&daemon::VTLTAPE, run)
}

/// Serves one drive until a signal ends this process, or starts a process in the background that does.
///
/// # Errors
/// The daemon cannot be started, or ends by an error.
pub fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    daemon::start(arguments, run)
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (log, unit) = (Log::start(arguments.verbosity()), arguments.unit);
    let (imported, library) =
        mhvtl::import_drive(&mhvtl::resolve_directory(arguments.mhvtl_config.as_deref())?, unit.into())?;
    imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let config = imported.config()?;
    let (Some(setup), Some(slot)) = (config.libraries.first(), imported.device_slots.first()) else {
        return Err("the configuration has no such drive".into());
    };
    let signals = SignalWaiter::new()?;
    let module = KernelModule::find()?;
    let lock = Lock::acquire(unit.into())?;
    let data = arguments.open_data(&config)?;
    let drive = Arc::new(Standalone::open(data, setup)?);
    arguments.trace.start(|path, data_len| {
        drive.add_observer(Arc::new(TraceFile::create(path, data_len)?));
        Ok(())
    })?;
    let queue = Queue::open().map_err(|error| format!("cannot open mhvtl's message queue: {error}"))?;
    // The control tool's messages from before the start are discarded, those of the library are not.
    queue.remove_pending(unit, TOOL_ID)?;
    let library = library.and_then(|library| u16::try_from(library).ok());
    let fifo = Fifo::create(unit, arguments.fifo.as_deref().or(slot.fifo.as_deref()))?;
    let mut handler = StandaloneDrive::new(Arc::clone(&drive), unit, library, &queue, &log, &fifo);
    let host = Arc::new(Host::login(drive.target(), 1));
    let mut attachment = Attachment::new(slot, Arc::clone(drive.unit()), host)?;
    attachment.before = Some(fifo.command_hook());
    attachment.after = Some(handler.eject_notifier());
    attachment.lock = Some(lock);
    let frontend = Frontend::open(&module, vec![attachment])?;
    let receive = Box::new(move |message: &_| handler.receive(message));
    let handlers = frontend.stop_flags().into_iter().map(|exit_requested| (exit_requested, unit)).zip([receive]);
    let handlers =
        handlers.map(|((exit_requested, unit), receive)| MessageHandler { unit, exit_requested, receive }).collect();
    let messages = MessageListener::open(&queue, handlers, daemon::request_exit)?;
    daemon::print_ready(&format!("drive {unit}"));
    // A drive reads its configuration at the start only.
    signals.wait_for_exit(|| Ok::<(), Infallible>(()));
    // Running commands may wait for replies: the listener ends after them.
    frontend.close();
    drop(messages);
    Ok(drive.shut_down()?)
}
