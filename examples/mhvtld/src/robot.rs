//! A library whose drives are other processes: what is said to it.

use crate::far::{Doubts, Line, locked};
use crate::log::Log;
use crate::{Door, DoorError, Ear, Heard, minor, site};
use mhvtl_lld::queue::{Message, Queue};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Builder;
use std::time::Duration;
use vtl::config::mhvtl::Seat;
use vtl::site::Site;

/// How long a drive may take for an answer: longer than any delay that can be set. With one that is slow and one that is
/// silent, a move ends before the module gives it up, which is after 50 s at the least.
const PATIENCE: Duration = Duration::from_secs(22);
/// Messages that wait for a move to end; more are refused.
const WAITING: usize = 64;

/// The lines to the drives of a library.
#[derive(Clone)]
pub struct Lines {
    queue: Queue,
    library: u16,
    patience: Duration,
    doubts: Doubts,
    /// In the order of their elements.
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
}

impl Lines {
    /// Lines to the drives that have seats.
    ///
    /// # Errors
    /// The number of a drive cannot be a unit's.
    pub fn of(queue: &Queue, library: u16, seats: &[Seat]) -> Result<Self, DoorError> {
        Self::with_patience(queue, library, seats, PATIENCE)
    }

    /// As [`Self::of`], with another patience.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn with_patience(queue: &Queue, library: u16, seats: &[Seat], patience: Duration) -> Result<Self, DoorError> {
        let (queue, lines, doubts) = (queue.clone(), Arc::default(), Arc::default());
        let lines = Self { queue, library, patience, doubts, lines };
        lines.grow(seats)?;
        Ok(lines)
    }

    /// Adds the lines to drives that have come; those there are stay. The new ones.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn grow(&self, seats: &[Seat]) -> Result<Vec<Arc<Line>>, DoorError> {
        let minors = seats.iter().filter(|seat| seat.unit > 0).map(minor).collect::<Result<Vec<u16>, _>>()?;
        let mut lines = self.all();
        let line = |drive: &u16| Line::new(&self.queue, self.library, *drive, self.patience, &self.doubts);
        let new: Vec<Arc<Line>> = minors.iter().skip(lines.len()).map(line).collect();
        lines.extend(new.iter().cloned());
        *locked(&self.lines) = lines;
        Ok(new)
    }

    fn all(&self) -> Vec<Arc<Line>> {
        locked(&self.lines).clone()
    }

    /// The line to a drive, by its number in the library.
    #[must_use]
    pub fn to(&self, drive: usize) -> Arc<Line> {
        // One that nobody has a number for does not answer.
        let nobody = || Line::new(&self.queue, self.library, 0, Duration::ZERO, &self.doubts);
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
            match desk.try_send(message.clone()) {
                Ok(()) => Heard::Silent,
                Err(_) => Heard::Refused("too many wait already".into()),
            }
        });
    }
    Ok(ears)
}

/// A thread that does what an ear did, and answers.
fn desk(ear: &mut Ear, queue: &Queue) -> std::io::Result<SyncSender<Message>> {
    let (sender, messages) = sync_channel::<Message>(WAITING);
    let mut hear = std::mem::replace(&mut ear.hear, Box::new(|_| Heard::Silent));
    let (queue, unit) = (queue.clone(), ear.unit);
    let work = move || {
        for message in messages {
            Heard::handle(&queue, unit, &message, &mut hear);
        }
    };
    Builder::new().name(format!("desk{unit}")).spawn(work)?;
    Ok(sender)
}
