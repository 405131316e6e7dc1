//! A library whose drives are other processes: what is said to it.

use crate::far::Line;
use crate::log::Log;
use crate::{Door, DoorError, Ear, Heard, minor, site};
use mhvtl_lld::queue::{Message, Queue};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;
use vtl::config::mhvtl::Seat;
use vtl::site::Site;

/// How long a drive may take for an answer: longer than any delay that can be set, and within the module's time.
const PATIENCE: Duration = Duration::from_secs(35);

/// The lines to the drives of a library.
#[derive(Clone)]
pub struct Lines {
    queue: Queue,
    library: u16,
    /// In the order of their elements.
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
}

impl Lines {
    /// Lines to the drives that have seats.
    #[must_use]
    pub fn of(queue: &Queue, library: u16, seats: &[Seat]) -> Self {
        Self::with_patience(queue, library, seats, PATIENCE)
    }

    /// As [`Self::of`], with another patience.
    #[must_use]
    pub fn with_patience(queue: &Queue, library: u16, seats: &[Seat], patience: Duration) -> Self {
        let minors = seats.iter().filter(|seat| seat.unit > 0).filter_map(|seat| minor(seat).ok());
        let lines = minors.map(|drive| Line::new(queue, library, drive, patience)).collect();
        Self { queue: queue.clone(), library, lines: Arc::new(Mutex::new(lines)) }
    }

    fn all(&self) -> Vec<Arc<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The line to a drive, by its number in the library.
    #[must_use]
    pub fn to(&self, drive: usize) -> Arc<Line> {
        // One that nobody has a number for does not answer.
        let nobody = || Line::new(&self.queue, self.library, 0, Duration::ZERO);
        drive.checked_sub(1).and_then(|index| self.all().get(index).cloned()).unwrap_or_else(nobody)
    }

    /// The robot begins to work.
    pub fn begin(&self) {
        self.all().iter().for_each(|line| line.begin());
    }

    /// A drive may have said something; whether it was one.
    fn hear(&self, message: &Message) -> bool {
        let line = self.all().into_iter().find(|line| u64::from(line.drive()) == message.sender);
        line.inspect(|line| line.hear(&message.text)).is_some()
    }
}

/// What a library does about messages. What its drives say is heard at once: a move waits for it, and all else may wait
/// for the move.
///
/// # Errors
/// The library's number cannot be a unit's, or there is no thread to be had.
pub fn ears(
    site: &Arc<Site>,
    door: &Door,
    seats: &[Seat],
    lines: &Lines,
    queue: &Queue,
    log: &Log,
) -> Result<Vec<Ear>, DoorError> {
    let mut ears = site::ears(site, door, seats, log)?;
    for ear in &mut ears {
        let desk = desk(ear, queue).map_err(|error| DoorError::Module(ear.unit.into(), error))?;
        let lines = lines.clone();
        ear.hear = Box::new(move |message| {
            if lines.hear(message) {
                return Heard::Silent;
            }
            if message.text.starts_with("exit") {
                return Heard::Exit;
            }
            let _ = desk.send(message.clone());
            Heard::Silent
        });
    }
    Ok(ears)
}

/// A thread that does what an ear did, and answers.
fn desk(ear: &mut Ear, queue: &Queue) -> std::io::Result<Sender<Message>> {
    let (sender, messages) = channel::<Message>();
    let mut hear = std::mem::replace(&mut ear.hear, Box::new(|_| Heard::Silent));
    let (queue, unit) = (queue.clone(), ear.unit);
    let work = move || messages.iter().for_each(|message| hear(&message).answer(&queue, unit, &message));
    Builder::new().name(format!("desk{unit}")).spawn(work)?;
    Ok(sender)
}
