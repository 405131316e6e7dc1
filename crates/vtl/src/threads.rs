//! The threads of a site.

use crate::locks::lock;
use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// A thread to be spawned, and the channel for its handle.
struct Spawn {
    name: String,
    run: Box<dyn FnOnce() + Send>,
    thread: Sender<io::Result<JoinHandle<()>>>,
}

/// The threads for which the shutdown of a site waits. One of them spawns the others: a thread inherits the priority of its
/// parent, and a request that adds a drive may be executed by a thread of low priority.
#[derive(Debug)]
pub(crate) struct Threads {
    spawner: Sender<Spawn>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

fn spawn(requests: &Receiver<Spawn>) {
    while let Ok(Spawn { name, run, thread }) = requests.recv() {
        let _ = thread.send(Builder::new().name(name).spawn(run));
    }
}

impl Threads {
    /// Spawns the thread that spawns the others. It has the priority of the caller, and ends when this is dropped.
    ///
    /// # Errors
    /// The thread cannot be spawned.
    pub(crate) fn new() -> io::Result<Self> {
        let (spawner, requests) = channel();
        Builder::new().name("spawner".into()).spawn(move || spawn(&requests))?;
        Ok(Self { spawner, running: Mutex::default() })
    }

    /// Spawns a thread.
    ///
    /// # Errors
    /// The thread cannot be spawned.
    pub(crate) fn spawn(&self, name: String, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let (thread, spawned) = channel();
        let ended = || io::Error::other("the thread that spawns others has ended");
        self.spawner.send(Spawn { name, run: Box::new(run), thread }).map_err(|_| ended())?;
        let thread = spawned.recv().map_err(|_| ended())??;
        let mut running = lock(&self.running);
        running.retain(|thread| !thread.is_finished());
        running.push(thread);
        Ok(())
    }

    /// Waits until all threads have ended.
    pub(crate) fn join(&self) {
        let running = std::mem::take(&mut *lock(&self.running));
        for thread in running {
            let _ = thread.join();
        }
    }
}
