//! Channels: each is a socket and a file in memory, for the system calls of this process on one open device. One call at
//! a time uses a channel; when several threads call at once, each has its own.

use crate::path::PathBuffer;
use crate::sys::kernel::{self, FileKind};
use crate::sys::memory::Memory;
use linux_scsi::Errno;
use linux_scsi::call::{Description, MAX_DATA, MAX_INLINE, REPLY_LEN, Reply, Request};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};
use zerocopy::{FromZeros, IntoBytes};

/// A place for a channel. Its fields are only used by the thread that has set `state` to BUSY.
struct Slot {
    state: AtomicU8,
    /// Inode number of the device's socket, which identifies the open file description.
    description: AtomicU64,
    socket: OwnFile,
    file: OwnFile,
    device: AtomicU32,
    flags: AtomicU32,
    node: AtomicU64,
}

/// A descriptor of this library, with the inode number by which it is recognised: the program may have closed it with all
/// others, and opened another file with its number.
struct OwnFile {
    fd: AtomicI32,
    inode: AtomicU64,
}

const FREE: u8 = 0;
const BUSY: u8 = 1;
const IDLE: u8 = 2;

impl OwnFile {
    const fn none() -> Self {
        Self { fd: AtomicI32::new(-1), inode: AtomicU64::new(0) }
    }

    fn set(&self, fd: i32) {
        self.inode.store(kernel::inode(fd).map_or(0, |(inode, _)| inode), Ordering::Relaxed);
        self.fd.store(fd, Ordering::Relaxed);
    }

    /// The descriptor; `None` if the program has closed it.
    fn get(&self) -> Option<i32> {
        let fd = self.fd.load(Ordering::Relaxed);
        let (inode, _) = kernel::inode(fd)?;
        (inode == self.inode.load(Ordering::Relaxed)).then_some(fd)
    }

    fn close(&self) {
        if let Some(fd) = self.get() {
            kernel::close(fd);
        }
        self.fd.store(-1, Ordering::Relaxed);
    }
}

impl Slot {
    const fn new() -> Self {
        Self {
            state: AtomicU8::new(FREE),
            description: AtomicU64::new(0),
            socket: OwnFile::none(),
            file: OwnFile::none(),
            device: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            node: AtomicU64::new(0),
        }
    }

    fn acquire(&self, from: u8) -> bool {
        self.state.compare_exchange(from, BUSY, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn has(&self, description: u64) -> bool {
        self.description.load(Ordering::Relaxed) == description
    }

    /// Closes the channel and makes the place free. The caller has set `state` to BUSY.
    fn discard(&self) {
        self.socket.close();
        self.file.close();
        self.description.store(0, Ordering::Relaxed);
        self.state.store(FREE, Ordering::Release);
    }
}

#[expect(clippy::declare_interior_mutable_const, reason = "the initial value of each place of the table")]
const NEW: Slot = Slot::new();
static SLOTS: [Slot; 64] = [NEW; 64];

/// Forgets the channels of the parent after `fork`: they are the parent's.
pub(crate) fn forget_all() {
    for slot in &SLOTS {
        if slot.state.load(Ordering::Relaxed) != FREE {
            slot.discard();
        }
    }
}

/// Whether this descriptor is one of this library, which the program does not know.
pub(crate) fn is_own(fd: i32) -> bool {
    let is_its = |file: &OwnFile| file.fd.load(Ordering::Relaxed) == fd && file.get().is_some();
    fd > 0
        && SLOTS
            .iter()
            .any(|slot| slot.state.load(Ordering::Relaxed) != FREE && (is_its(&slot.socket) || is_its(&slot.file)))
}

/// The lowest descriptor of this library between two numbers.
pub(crate) fn first_own(first: u32, last: u32) -> Option<u32> {
    let files = SLOTS.iter().filter(|slot| slot.state.load(Ordering::Relaxed) != FREE);
    let files = files.flat_map(|slot| [&slot.socket, &slot.file]).filter_map(OwnFile::get);
    files.filter_map(|fd| u32::try_from(fd).ok()).filter(|fd| (first..=last).contains(fd)).min()
}

/// Whether this process has a channel for an open file description.
pub(crate) fn exists(description: u64) -> bool {
    SLOTS.iter().any(|slot| slot.state.load(Ordering::Relaxed) != FREE && slot.has(description))
}

/// A channel that this thread uses until the value is dropped.
pub(crate) struct Channel {
    slot: &'static Slot,
    socket: i32,
    file: i32,
    reusable: bool,
}

impl Channel {
    /// A channel for the device that is open as `fd`; `description` is the inode number of its socket.
    ///
    /// # Errors
    /// EIO if `ferric run` has ended; ENOMEM if 64 threads call at once; EMFILE.
    pub(crate) fn of(fd: i32, description: u64) -> Result<Self, Errno> {
        for slot in SLOTS.iter().filter(|slot| slot.has(description)) {
            if !slot.acquire(IDLE) {
                continue;
            }
            match (slot.socket.get(), slot.file.get()) {
                (Some(socket), Some(file)) if slot.has(description) => {
                    return Ok(Self { slot, socket, file, reusable: true });
                }
                _ => slot.discard(),
            }
        }
        let slot = free_slot().ok_or(Errno::ENOMEM)?;
        Self::attach(slot, fd, description).inspect_err(|_| slot.discard())
    }

    fn attach(slot: &'static Slot, fd: i32, description: u64) -> Result<Self, Errno> {
        let (socket, other) = kernel::socket_pair()?;
        slot.socket.set(socket);
        let file = kernel::memory_file().inspect_err(|_| kernel::close(other))?;
        slot.file.set(file);
        let message = Request::Attach.encode();
        let sent = kernel::send(fd, &[Memory::of(&message)], Some([other, file]));
        kernel::close(other);
        sent.map_err(|_| refused())?;
        let channel = Self { slot, socket, file, reusable: true };
        let mut answer = Description::new_zeroed();
        let received = channel.receive(&[Memory::of_mut(answer.as_mut_bytes())]);
        // An error drops the value, which would make the place idle; `of` discards it.
        let Some(Ok(_)) = received else {
            std::mem::forget(channel);
            return Err(refused());
        };
        slot.description.store(description, Ordering::Relaxed);
        slot.device.store(answer.device.get(), Ordering::Relaxed);
        slot.flags.store(answer.flags.get(), Ordering::Relaxed);
        slot.node.store(answer.inode.get(), Ordering::Relaxed);
        Ok(channel)
    }

    /// The device number of the node.
    pub(crate) fn device(&self) -> u32 {
        self.slot.device.load(Ordering::Relaxed)
    }

    /// The flags of `open(2)`.
    pub(crate) fn flags(&self) -> u32 {
        self.slot.flags.load(Ordering::Relaxed)
    }

    /// Number of the file that stands for the node.
    pub(crate) fn node(&self) -> u64 {
        self.slot.node.load(Ordering::Relaxed)
    }

    /// The file in memory, through which more than 4 KiB go.
    pub(crate) const fn file(&self) -> i32 {
        self.file
    }

    /// Closes the channel when the value is dropped.
    pub(crate) fn forget(&mut self) {
        self.reusable = false;
    }

    /// Sends a system call with data and returns its result; data of the reply goes into `into`.
    ///
    /// # Errors
    /// That of the system call; EFAULT for memory that the program cannot access; EIO if `ferric run` has ended.
    pub(crate) fn call(&mut self, request: Request, data: &[Memory], into: &[Memory]) -> Result<u64, Errno> {
        let message = request.encode();
        let mut parts = [Memory::of(&message), Memory::EMPTY, Memory::EMPTY, Memory::EMPTY];
        parts.iter_mut().skip(1).zip(data).for_each(|(part, data)| *part = *data);
        match kernel::send(self.socket, &parts, None) {
            Ok(()) => {}
            Err(Errno::EFAULT) => return Err(Errno::EFAULT),
            Err(_) => return Err(self.lost()),
        }
        kernel::look_for_message(self.socket, request.attempts());
        self.receive(into).unwrap_or_else(|| Err(gone()))
    }

    /// Receives a reply; `None` if the channel is closed.
    fn receive(&self, into: &[Memory]) -> Option<Result<u64, Errno>> {
        let mut message = [0; REPLY_LEN];
        let mut parts = [Memory::of_mut(&mut message), Memory::EMPTY, Memory::EMPTY, Memory::EMPTY];
        parts.iter_mut().skip(1).zip(into).for_each(|(part, into)| *part = *into);
        match kernel::receive(self.socket, &parts, false) {
            Err(Errno::EFAULT) => Some(Err(Errno::EFAULT)),
            Ok(0) | Err(_) => None,
            Ok(_) => Some(Reply::decode(&message).map_or(Err(Errno::EIO), |Reply(result)| result)),
        }
    }

    fn lost(&mut self) -> Errno {
        self.reusable = false;
        gone()
    }

    /// Reads into memory of the program.
    pub(crate) fn read(&mut self, into: Memory) -> Result<usize, Errno> {
        self.check_reads_and_writes()?;
        let length = u64::try_from(into.len).unwrap_or(u64::MAX);
        let inline = into.first(MAX_INLINE);
        let result = self.call(Request::Read { length, in_file: false }, &[], &[inline])?;
        let read = usize::try_from(result).map_err(|_| Errno::EIO)?;
        if read > MAX_INLINE {
            kernel::load(self.file, into.first(read), 0)?;
        }
        Ok(read)
    }

    /// Writes memory of the program.
    pub(crate) fn write(&mut self, from: Memory) -> Result<usize, Errno> {
        self.check_reads_and_writes()?;
        let length = u64::try_from(from.len).unwrap_or(u64::MAX);
        let in_file = from.len > MAX_INLINE;
        if in_file && length <= MAX_DATA {
            kernel::store(self.file, from, 0)?;
        }
        let inline = if in_file { Memory::EMPTY } else { from };
        let result = self.call(Request::Write { length, in_file }, &[inline], &[])?;
        usize::try_from(result).map_err(|_| Errno::EIO)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if self.reusable {
            self.slot.state.store(IDLE, Ordering::Release);
        } else {
            self.slot.discard();
        }
    }
}

impl Channel {
    /// Refuses the interface of sg with `write(2)` and `read(2)`.
    pub(crate) fn check_reads_and_writes(&self) -> Result<(), Errno> {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !crate::device::is_generic(self.device()) {
            return Ok(());
        }
        if !TOLD.swap(true, Ordering::Relaxed) {
            warn(
                b"this program sends SCSI commands with write(2) and read(2) on sg, which is not supported: use SG_IO",
            );
        }
        Err(Errno::ENOSYS)
    }
}

/// A free place, BUSY from now on. Without one, an idle channel of a device that was closed makes room.
fn free_slot() -> Option<&'static Slot> {
    SLOTS.iter().find(|slot| slot.acquire(FREE)).or_else(|| {
        let slot = SLOTS.iter().find(|slot| slot.acquire(IDLE))?;
        slot.socket.close();
        slot.file.close();
        Some(slot)
    })
}

/// The error of a request for a channel or a device that was closed without a reply: too many open files in `ferric run`,
/// or its end.
pub(crate) fn refused() -> Errno {
    if crate::device::is_answered() { Errno::ENFILE } else { gone() }
}

/// The error of a call after the end of `ferric run`, of which a message is printed once. It closes no channel before.
pub(crate) fn gone() -> Errno {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        warn(b"ferric run has ended, and its devices with it: every call on them fails");
    }
    Errno::EIO
}

/// Writes a line to standard error.
pub(crate) fn warn(text: &[u8]) {
    let line = PathBuffer::concat([b"ferric run: ", text]).and_then(|line| PathBuffer::concat([line.bytes(), b"\n"]));
    if let Some(line) = line {
        // Standard error may be a tape.
        if kernel::inode(2).is_some_and(|(_, kind)| kind == FileKind::Other) {
            let _ = kernel::write(2, line.bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_the_program_has_closed_is_not_used() {
        let file = OwnFile::none();
        assert_eq!(file.get(), None);
        let fd = kernel::memory_file().unwrap();
        file.set(fd);
        assert_eq!(file.get(), Some(fd));
        kernel::close(fd);
        assert_eq!(file.get(), None);
        // Another file with its number: it is not closed.
        let other = kernel::memory_file().unwrap();
        let moved = rustix::io::fcntl_dupfd_cloexec(kernel::borrow(other).unwrap(), fd).unwrap();
        file.close();
        assert!(rustix::fs::fstat(&moved).is_ok());
        kernel::close(other);
    }

    #[test]
    fn a_place_has_one_user() {
        let slot = Slot::new();
        assert!(slot.acquire(FREE) && !slot.acquire(FREE) && !slot.acquire(IDLE));
        slot.description.store(7, Ordering::Relaxed);
        slot.state.store(IDLE, Ordering::Release);
        assert!(slot.has(7) && !slot.has(8) && !slot.acquire(FREE));
        let users = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2000 {
                        if slot.acquire(IDLE) {
                            assert_eq!(users.fetch_add(1, Ordering::Relaxed), 0);
                            users.fetch_sub(1, Ordering::Relaxed);
                            slot.state.store(IDLE, Ordering::Release);
                        }
                    }
                });
            }
        });
        assert!(slot.acquire(IDLE));
        slot.discard();
        assert!(!slot.has(7) && slot.acquire(FREE));
    }

    #[test]
    fn places_run_out_and_idle_ones_are_used_again() {
        let taken: Vec<&Slot> = std::iter::from_fn(free_slot).collect();
        assert_eq!(taken.len(), 64);
        assert!(free_slot().is_none());
        let socket = kernel::memory_file().unwrap();
        taken[3].socket.set(socket);
        taken[3].state.store(IDLE, Ordering::Release);
        assert!(is_own(socket) && !is_own(0));
        assert_eq!(first_own(0, u32::MAX), u32::try_from(socket).ok());
        assert!(std::ptr::eq(free_slot().unwrap(), taken[3]));
        // Its descriptors are closed.
        assert!(!is_own(socket));
        forget_all();
        assert!(SLOTS.iter().all(|slot| slot.state.load(Ordering::Relaxed) == FREE));
    }
}
