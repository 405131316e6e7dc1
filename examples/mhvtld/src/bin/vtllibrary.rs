//! `vtllibrary`: one library, whose drives are other processes, with the command line of mhvtl's.

use mhvtl_lld::KernelModule;
use mhvtl_lld::queue::Queue;
use mhvtld::daemon::{self, Arguments, SignalWaiter};
use mhvtld::fifo::Fifo;
use mhvtld::lock::Lock;
use mhvtld::log::Log;
use mhvtld::remote_bay::RemoteBay;
use mhvtld::remote_drives::{self, QueueClients};
use mhvtld::{Frontend, MessageListener, attachments, site_messages};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::Config;
use vtl::config::mhvtl::{self, ImportedConfig};
use vtl::control::socket::{self, ControlSocket};
use vtl::site::Site;

fn main() -> ExitCode {
    daemon::main("vtllibrary", run)
}

fn read(arguments: &Arguments) -> Result<(ImportedConfig, Config), String> {
    let directory = mhvtl::resolve_directory(arguments.mhvtl_config.as_deref()).map_err(|error| error.to_string())?;
    let imported = mhvtl::import_library(&directory, arguments.unit.into()).map_err(|error| error.to_string())?;
    imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let config = imported.config().map_err(|error| error.to_string())?;
    Ok((imported, config))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (log, unit) = (Log::start(arguments.verbosity()), arguments.unit);
    let (imported, config) = read(arguments)?;
    let waiting = SignalWaiter::new()?;
    let module = KernelModule::find()?;
    let lock = Lock::acquire(unit.into())?;
    let queue = Queue::open().map_err(|error| format!("mhvtl's message queue: {error}"))?;
    // What was said before it was there is no order.
    while queue.receive(unit)?.is_some() {}
    let lines = QueueClients::new(&queue, unit, &imported.device_slots)?;
    let doors = {
        let lines = lines.clone();
        Box::new(move |_: &str, drive, name| Box::new(RemoteBay::new(lines.client(drive), name)) as _)
    };
    let folder = arguments.folder();
    let data = arguments.open_data(&config)?;
    let site = Site::open_with_remote_drives(data, &config, doors)?;
    let reload = {
        let (site, lines, arguments) = (Arc::downgrade(&site), lines.clone(), arguments.clone());
        move || {
            let (imported, config) = read(&arguments)?;
            let new = lines.add_drives(&imported.device_slots).map_err(|error| error.to_string())?;
            site.upgrade().ok_or("it ends")?.reload(&config).map_err(|error| error.to_string())?;
            new.iter().for_each(|line| line.start());
            Ok(())
        }
    };
    let control = folder.join(socket::FILE_NAME);
    let _control = ControlSocket::open(&control, &site, Arc::new(reload.clone()))
        .map_err(|error| format!("{}: {error}", control.display()))?;
    let seats: Vec<_> = imported.device_slots.iter().filter(|seat| seat.unit == 0).cloned().collect();
    let own = seats.first().and_then(|seat| seat.fifo.as_deref());
    let fifo = Fifo::create(unit, arguments.fifo.as_deref().or(own))?;
    site.libraries().iter().try_for_each(|library| fifo.subscribe(&site, library))?;
    let mut placed = attachments(&site, &seats)?;
    placed.iter_mut().zip([lock]).for_each(|(unit, lock)| unit.lock = Some(lock));
    let door = Frontend::open(&module, placed)?;
    let ears = remote_drives::message_handlers(&site, &door, &seats, &lines, &queue, &log)?;
    let messages = MessageListener::open(&queue, ears, daemon::request_exit)?;
    lines.start();
    daemon::print_ready(&format!("library {unit}"));
    waiting.wait_for_exit(reload);
    // What is under way may need an answer: nobody is deaf before it is done.
    door.close();
    drop(messages);
    site_messages::save_contents(&site, &imported.contents_files);
    Ok(site.shut_down()?)
}
