//! The thread that listens to mhvtl's message queue for all units.

use crate::verbs::{Addressee, Heard};
use crate::{Door, DoorError};
use mhvtl_lld::queue::{Message, Queue, Received};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use vtl::config::mhvtl::Seat;
use vtl::site::Site;

/// Between two looks at the queue, which wakes nobody for several receivers.
const PAUSE: Duration = Duration::from_millis(20);

/// Who listens, until this is dropped.
pub struct Messages {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Messages {
    /// Listens for the units of a door. `over` is called when the last of them was told to end.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn open(
        queue: Queue,
        site: &Arc<Site>,
        door: &Door,
        seats: &[Seat],
        over: impl Fn() + Send + 'static,
    ) -> Result<Self, DoorError> {
        let stop = Arc::<AtomicBool>::default();
        let (site, seats, stops) = (Arc::clone(site), seats.to_vec(), door.stops());
        let listen = {
            let stop = Arc::clone(&stop);
            move || {
                while !stop.load(Ordering::Acquire) {
                    for (seat, ends) in seats.iter().zip(&stops) {
                        if let Err(error) = hear_all(&queue, &site, seat, ends) {
                            tracing::error!(%error, "the message queue is gone");
                            return;
                        }
                    }
                    if stops.iter().all(|ends| ends.load(Ordering::Acquire)) {
                        return over();
                    }
                    #[expect(clippy::disallowed_methods, reason = "this thread's work is to wait and look")]
                    std::thread::sleep(PAUSE);
                }
            }
        };
        let failed = |error| DoorError::Module(0, error);
        let thread = Builder::new().name("messages".into()).spawn(listen).map_err(failed)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Everything that waits for a unit.
fn hear_all(queue: &Queue, site: &Site, seat: &Seat, ends: &AtomicBool) -> io::Result<()> {
    let Ok(minor) = u16::try_from(seat.minor) else { return Ok(()) };
    while let Some(received) = queue.receive(minor)? {
        let Message { sender, text } = match received {
            Received::Message(message) => message,
            Received::Refused(why) => {
                tracing::warn!(unit = minor, why, "a message was refused");
                continue;
            }
        };
        let found = site.library(&seat.library).and_then(|library| Some((library.unit(seat.unit)?, library)));
        let Some((unit, library)) = found else { continue };
        match (Addressee { site, library, number: seat.unit, unit }).hear(&text) {
            Heard::Silent => {}
            Heard::Exit => ends.store(true, Ordering::Release),
            Heard::Refused(why) => tracing::warn!(unit = minor, text, why, "a message was not followed"),
            Heard::Said(answer) => {
                let sent = u16::try_from(sender).map_err(|_| io::ErrorKind::InvalidInput.into());
                if let Err(error) = sent.and_then(|sender| queue.send(sender, minor, &answer)) {
                    tracing::warn!(unit = minor, sender, %error, "an answer could not be sent");
                }
            }
        }
    }
    Ok(())
}
