//! `vtllibrary`: one library, whose drives are other processes, with the command line of mhvtl's.

use mhvtl_lld::Kernel;
use mhvtl_lld::queue::Queue;
use mhvtld::daemon::{self, Arguments, Waiting};
use mhvtld::far::Far;
use mhvtld::fifo::Fifo;
use mhvtld::lock::Lock;
use mhvtld::log::Log;
use mhvtld::robot::{self, Lines};
use mhvtld::{Door, Messages, placed, site};
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use vtl::config::Config;
use vtl::config::mhvtl::{self, Imported};
use vtl::control::socket::{self, Control};
use vtl::site::Site;

fn main() -> ExitCode {
    daemon::main("vtllibrary", run)
}

fn read(arguments: &Arguments) -> Result<(Imported, Config), String> {
    let directory = mhvtl::named(arguments.mhvtl_config.as_deref()).map_err(|error| error.to_string())?;
    let imported = mhvtl::import_library(&directory, arguments.unit.into()).map_err(|error| error.to_string())?;
    imported.notes.iter().for_each(|note| tracing::warn!("{note}"));
    let config = imported.config().map_err(|error| error.to_string())?;
    Ok((imported, config))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (log, unit) = (Log::start(arguments.level()), arguments.unit);
    let (imported, config) = read(arguments)?;
    let waiting = Waiting::new()?;
    let module = Kernel::find()?;
    let lock = Lock::take(unit.into())?;
    let queue = Queue::open().map_err(|error| format!("mhvtl's message queue: {error}"))?;
    // What was said before it was there is no order.
    while queue.receive(unit)?.is_some() {}
    let lines = Lines::of(&queue, unit, &imported.seats)?;
    let doors = {
        let lines = lines.clone();
        Box::new(move |_: &str, drive, name| Box::new(Far::new(lines.to(drive), name)) as _)
    };
    let folder = arguments.folder();
    let data = arguments.open_data(&config)?;
    let site = Site::without_drives(data, &config, doors)?;
    let reload = {
        let (site, lines, arguments) = (Arc::downgrade(&site), lines.clone(), arguments.clone());
        move || {
            let (imported, config) = read(&arguments)?;
            let new = lines.grow(&imported.seats).map_err(|error| error.to_string())?;
            site.upgrade().ok_or("it ends")?.reload(&config).map_err(|error| error.to_string())?;
            new.iter().for_each(|line| line.begin());
            Ok(())
        }
    };
    let control = folder.join(socket::FILE);
    let _control = Control::open(&control, &site, Arc::new(reload.clone()))
        .map_err(|error| format!("{}: {error}", control.display()))?;
    let seats: Vec<_> = imported.seats.iter().filter(|seat| seat.unit == 0).cloned().collect();
    let own = seats.first().and_then(|seat| seat.fifo.as_deref());
    let fifo = Fifo::make(unit, arguments.fifo.as_deref().or(own))?;
    site.libraries().iter().try_for_each(|library| fifo.follow(&site, library))?;
    let mut placed = placed(&site, &seats)?;
    placed.iter_mut().zip([lock]).for_each(|(unit, lock)| unit.lock = Some(lock));
    let door = Door::open(&module, placed)?;
    let ears = robot::ears(&site, &door, &seats, &lines, &queue, &log)?;
    let messages = Messages::open(&queue, ears, daemon::end)?;
    lines.begin();
    daemon::ready(&format!("library {unit}"));
    waiting.until_end(reload);
    // What is under way may need an answer: nobody is deaf before it is done.
    door.close();
    drop(messages);
    site::save(&site, &imported.saved);
    Ok(site.shut_down()?)
}
