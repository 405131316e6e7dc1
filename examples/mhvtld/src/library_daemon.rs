//! The daemon of one library whose drives are served by other processes, with mhvtl's command line.
//!
//! The program `vtllibrary` calls [`main`], and `ferric serve vtllibrary` [`serve`].

use crate::daemon::{self, Arguments, SignalWaiter};
use crate::fifo::Fifo;
use crate::lock::Lock;
use crate::log::Log;
use crate::remote_bay::RemoteBay;
use crate::remote_drives::{self, QueueClients};
use crate::{Frontend, MessageListener, attachments, site_messages};
use mhvtl_lld::KernelModule;
use mhvtl_lld::queue::Queue;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::Config;
use vtl::config::mhvtl::{self, ImportedConfig};
use vtl::control::ControlError;
use vtl::control::socket::{self, ControlSocket};
use vtl::frontend::SiteOptions;
use vtl::site::Site;

/// Runs the daemon with the command line of this process. Returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    daemon::main(&daemon::VTLLIBRARY, run)
}

/// Serves one library until a signal ends this process, or starts a process in the background that does.
///
/// # Errors
/// The daemon cannot be started, or ends by an error.
pub fn serve(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    daemon::start(arguments, run)
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
    let signals = SignalWaiter::new()?;
    let module = KernelModule::find()?;
    let lock = Lock::acquire(unit.into())?;
    let queue = Queue::open().map_err(|error| format!("cannot open mhvtl's message queue: {error}"))?;
    // Messages from before the start are discarded.
    while queue.receive(unit)?.is_some() {}
    let clients = QueueClients::new(&queue, unit, &imported.device_slots)?;
    let bay_factory = {
        let clients = clients.clone();
        Box::new(move |_: &str, drive, name| Box::new(RemoteBay::new(clients.client(drive), name)) as _)
    };
    let folder = arguments.folder();
    let data = arguments.open_data(&config)?;
    let site = Site::open_with(data, &config, SiteOptions::default().with_remote_drives(bay_factory))?;
    arguments.trace.start(|path, data_len| site.trace_to(path, data_len))?;
    let reload = {
        let (site, clients, arguments) = (Arc::downgrade(&site), clients.clone(), arguments.clone());
        move || {
            let (imported, config) = read(&arguments).map_err(ControlError::invalid)?;
            let drives = clients.add_drives(&imported.device_slots);
            let new = drives.map_err(|error| ControlError::unavailable(error.to_string()))?;
            let site = site.upgrade().ok_or_else(|| ControlError::unavailable("the daemon is shutting down"))?;
            let report = site.reload(&config)?;
            new.iter().for_each(|client| client.start());
            Ok(report)
        }
    };
    let control = folder.join(socket::FILE_NAME);
    site.set_reload_handler(Arc::new(reload));
    let _control = ControlSocket::open(&control, &site).map_err(|error| format!("{}: {error}", control.display()))?;
    let slots: Vec<_> = imported.device_slots.iter().filter(|slot| slot.unit == 0).cloned().collect();
    let configured = slots.first().and_then(|slot| slot.fifo.as_deref());
    let fifo = Fifo::create(unit, arguments.fifo.as_deref().or(configured))?;
    site.libraries().iter().try_for_each(|library| fifo.subscribe(&site, library))?;
    let mut attachments = attachments(&site, &slots)?;
    attachments.iter_mut().zip([lock]).for_each(|(unit, lock)| unit.lock = Some(lock));
    let frontend = Frontend::open(&module, attachments)?;
    let handlers = remote_drives::message_handlers(&site, &frontend, &slots, &clients, &queue, &log)?;
    let messages = MessageListener::open(&queue, handlers, daemon::request_exit)?;
    clients.start();
    daemon::print_ready(&format!("library {unit}"));
    signals.wait_for_exit(|| site_messages::reload(&site));
    // Running commands may wait for replies: the listener ends after them.
    frontend.close();
    drop(messages);
    site_messages::save_contents(&site, &imported.contents_files);
    Ok(site.shut_down()?)
}
