//! An open file description of a device: from `open(2)` to the close of its last descriptor.

use crate::server::Shared;
use crate::socket;
use crate::unit::{Caller, Unit, UnitKind};
use linux_scsi::call::{Reply, Request};
use linux_scsi::node::Node;
use linux_scsi::sg::Driver;
use linux_scsi::sg::ioctl::Settings;
use linux_scsi::st::{Access, OpenTape, Opening};
use linux_scsi::{Errno, ScsiDevice};
use rustix::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

/// Longest message on the socket of a description: what a program writes with the C library's own streams.
const MAX_MESSAGE: usize = 1 << 20;

/// Flags of `open(2)`.
const ACCESS_MODE: u32 = 3;
const WRITE_ONLY: u32 = 1;
const READ_WRITE: u32 = 2;
const EXCLUSIVE: u32 = 0o200;
const NONBLOCK: u32 = 0o4000;
/// Time between two attempts to open a node of sg that is open with O_EXCL.
const OPEN_INTERVAL: Duration = Duration::from_millis(20);

/// An open device.
pub(crate) struct Description {
    pub(crate) shared: Arc<Shared>,
    /// The frontend's end of the socket whose other end is the program's descriptor.
    pub(crate) socket: OwnedFd,
    pub(crate) unit: Arc<Unit>,
    pub(crate) node: Node,
    pub(crate) flags: u32,
    /// The tape, until it is closed. The lock orders the calls of all processes that have the description.
    tape: Mutex<Option<OpenTape>>,
    pub(crate) settings: Arc<Mutex<Settings>>,
    /// An error of data that the program wrote without waiting for a reply.
    deferred: Mutex<Option<Errno>>,
    released: OnceLock<Result<(), Errno>>,
    inbox: Mutex<()>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Description {
    /// `open(2)` of a node.
    ///
    /// # Errors
    /// ENXIO if there is no such node, EBUSY if a program has the tape open, and the errors of the driver.
    pub(crate) fn open(
        shared: &Arc<Shared>,
        socket: OwnedFd,
        number: u32,
        flags: u32,
    ) -> Result<Self, (OwnedFd, Errno)> {
        let opened = Node::from_number(number)
            .and_then(|node| Some((node, shared.nodes.unit(node)?)))
            .ok_or(Errno::ENXIO)
            .and_then(|(node, unit)| {
                open_generic(shared, unit, node, flags, &socket)?;
                Ok((node, Arc::clone(unit), open_tape(unit, node, flags, &socket)?))
            });
        match opened {
            Err(errno) => Err((socket, errno)),
            Ok((node, unit, tape)) => Ok(Self {
                settings: unit.settings(Driver::of(node)),
                shared: Arc::clone(shared),
                socket,
                unit,
                node,
                flags,
                tape: Mutex::new(tape),
                deferred: Mutex::default(),
                released: OnceLock::new(),
                inbox: Mutex::default(),
            }),
        }
    }

    /// The driver of the node.
    pub(crate) const fn driver(&self) -> Driver {
        Driver::of(self.node)
    }

    pub(crate) fn is_released(&self) -> bool {
        self.released.get().is_some()
    }

    /// Calls the tape driver.
    ///
    /// # Errors
    /// EIO if the description was closed, EINVAL if the node is not a tape; else that of the driver.
    pub(crate) fn with_tape<T>(
        &self,
        call: impl FnOnce(&mut linux_scsi::st::Drive, &mut Caller<'_>, &OpenTape) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let (Node::Tape { .. }, UnitKind::Tape(_, drive)) = (self.node, &self.unit.kind) else {
            return Err(Errno::EINVAL);
        };
        let tape = lock(&self.tape);
        let tape = tape.as_ref().ok_or(Errno::EIO)?;
        let mut caller = Caller { backend: &*self.unit.backend, socket: Some(self.socket.as_fd()) };
        call(&mut lock(drive), &mut caller, tape)
    }

    /// The error of data that was written before, once.
    ///
    /// # Errors
    /// That error.
    pub(crate) fn take_deferred(&self) -> Result<(), Errno> {
        lock(&self.deferred).take().map_or(Ok(()), Err)
    }

    /// Handles the messages that are on the socket: new channels, and data that the program wrote with the C library's own
    /// streams, which do not use the preloaded functions.
    pub(crate) fn handle_messages(self: &Arc<Self>) {
        // Two threads that handle messages would change their order.
        let _inbox = lock(&self.inbox);
        if !socket::has_message(&self.socket) {
            return;
        }
        let mut buffer = vec![0; MAX_MESSAGE];
        while let Ok(Some(message)) = socket::receive(self.socket.as_fd(), &mut buffer, false) {
            let data = buffer.get(..message.len).unwrap_or_default();
            let mut descriptors = message.descriptors.into_iter();
            match (descriptors.next(), descriptors.next()) {
                (Some(channel), Some(file))
                    if Request::decode(data).is_some_and(|(request, _)| request == Request::Attach) =>
                {
                    crate::channel::spawn(Arc::clone(self), channel, file);
                }
                _ if message.len == 0 => break,
                // A channel for which this process has no room. Its other end is closed: the program gets an error.
                _ if message.lost_descriptors => {}
                _ => self.write_unasked(data),
            }
        }
    }

    fn write_unasked(&self, data: &[u8]) {
        let written = self.with_tape(|drive, caller, tape| drive.write(caller, tape, data));
        if let Err(errno) = written {
            lock(&self.deferred).get_or_insert(errno);
        }
    }

    /// Closes the device if no process has it open. Returns whether it is closed, with the result of the driver.
    pub(crate) fn release_if_closed(self: &Arc<Self>) -> Option<Result<(), Errno>> {
        let is_closed = socket::hung_up([self.socket.as_fd()]) == [true];
        is_closed.then(|| {
            self.handle_messages();
            self.release()
        })
    }

    /// Closes the device: the driver writes a filemark and rewinds, as is defined for the node.
    pub(crate) fn release(&self) -> Result<(), Errno> {
        let mut open = lock(&self.tape);
        // Its channels stay: the process that closed it requests the result there.
        *self.released.get_or_init(|| self.close_tape(open.take()).and(self.take_deferred()))
    }

    fn close_tape(&self, tape: Option<OpenTape>) -> Result<(), Errno> {
        if let Node::Generic(_) = self.node {
            lock(&self.unit.openings).close();
        }
        let (Some(tape), UnitKind::Tape(_, drive)) = (tape, &self.unit.kind) else { return Ok(()) };
        lock(drive).close(&mut Caller { backend: &*self.unit.backend, socket: None }, tape)
    }

    /// Serves the description until its last descriptor is closed.
    pub(crate) fn serve(self: &Arc<Self>) {
        let sent = socket::send(self.socket.as_fd(), &[&Reply(Ok(0)).encode()]);
        // Without further messages, the kernel reports that a tape can be read, as it does for a device without poll(2), and
        // a stream of the C library that reads the socket itself gets the end of the file.
        if sent.is_ok() && !matches!(self.node, Node::Generic(_) | Node::Block(_)) {
            socket::end_messages(&self.socket);
        }
        while self.release_if_closed().is_none() {
            socket::wait(&self.socket);
            self.handle_messages();
        }
    }
}

const fn access(flags: u32) -> Access {
    match flags & ACCESS_MODE {
        WRITE_ONLY => Access::Write,
        READ_WRITE => Access::ReadWrite,
        _ => Access::Read,
    }
}

/// Opens a node of sg, and waits while a program has it open with O_EXCL.
fn open_generic(shared: &Shared, unit: &Unit, node: Node, flags: u32, socket: &OwnedFd) -> Result<(), Errno> {
    let Node::Generic(_) = node else { return Ok(()) };
    let mut caller = Caller { backend: &*unit.backend, socket: Some(socket.as_fd()) };
    loop {
        let opened = lock(&unit.openings).open(access(flags), flags & EXCLUSIVE != 0);
        if opened != Err(Errno::EBUSY) || flags & NONBLOCK != 0 {
            return opened;
        }
        caller.wait(OPEN_INTERVAL).map_err(|_| Errno::EINTR)?;
        shared.release_closed();
    }
}

fn open_tape(unit: &Unit, node: Node, flags: u32, socket: &OwnedFd) -> Result<Option<OpenTape>, Errno> {
    let (Node::Tape { mode, rewinds, .. }, UnitKind::Tape(_, drive)) = (node, &unit.kind) else { return Ok(None) };
    // Every program may set options: ferric run is for users without the privilege that Linux requires for that.
    let opening =
        Opening { access: access(flags), nonblocking: flags & NONBLOCK != 0, mode, rewinds, privileged: true };
    let mut drive = match drive.try_lock() {
        Ok(drive) => drive,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Another open waits for the drive to become ready, or an open tape is in use.
        Err(TryLockError::WouldBlock) => return Err(Errno::EBUSY),
    };
    let mut caller = Caller { backend: &*unit.backend, socket: Some(socket.as_fd()) };
    drive.open(&mut caller, opening).map(Some)
}
