//! System calls without the functions of the C library, which this library replaces, and that may be replaced by others.

use super::memory::Memory;
use libc::{c_int, c_long};
use linux_scsi::Errno;
use rustix::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::ffi::CStr;
use std::io::Write;

/// Lowest number of the file descriptors that this library has for itself, if the limit on open files allows it: programs
/// expect the lowest free numbers for their files.
const OWN_DESCRIPTORS: c_int = 700;
/// Most parts of a message.
const MAX_PARTS: usize = 4;

fn checked(result: c_long) -> Result<usize, Errno> {
    usize::try_from(result).map_err(|_| errno())
}

/// The error number of the last system call of this thread.
pub(crate) fn errno() -> Errno {
    // SAFETY: the C library returns the address of a variable of this thread.
    Errno(u16::try_from(unsafe { *libc::__errno_location() }).unwrap_or(Errno::EIO.0))
}

/// Sets the error number that the program sees.
pub(crate) fn set_errno(Errno(number): Errno) {
    // SAFETY: as in `errno`.
    unsafe { *libc::__errno_location() = c_int::from(number) };
}

fn from_rustix(error: rustix::io::Errno) -> Errno {
    Errno(u16::try_from(error.raw_os_error()).unwrap_or(Errno::EIO.0))
}

/// A file descriptor of the program for one system call; `None` for a number that cannot be one.
pub(crate) fn borrow(fd: c_int) -> Option<BorrowedFd<'static>> {
    // SAFETY: -1 is excluded. The descriptor may be closed, also by another thread of the program: then the kernel returns
    // EBADF, as it does for the program's own calls.
    (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Closes a file descriptor of this library.
pub(crate) fn close(fd: c_int) {
    if fd >= 0 {
        // SAFETY: the caller owns the descriptor and does not use it again.
        unsafe { rustix::io::close(fd) };
    }
}

/// Inode number and device of an open file; `None` if the descriptor is not open.
pub(crate) fn inode(fd: c_int) -> Option<(u64, FileKind)> {
    let stat = rustix::fs::fstat(borrow(fd)?).ok()?;
    let is_socket = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Socket;
    Some((stat.st_ino, if is_socket { FileKind::Socket } else { FileKind::Other }))
}

/// Device and inode number of a file.
pub(crate) type Identity = (u64, u64);

/// The file that is open as a descriptor; `None` if none is.
pub(crate) fn identity(fd: c_int) -> Option<Identity> {
    rustix::fs::fstat(borrow(fd)?).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// The text of a symbolic link; `None` for any other file.
pub(crate) fn read_link<'a>(directory: c_int, path: &CStr, into: &'a mut [u8]) -> Option<&'a [u8]> {
    let directory = if directory == libc::AT_FDCWD { rustix::fs::CWD } else { borrow(directory)? };
    let len = rustix::fs::readlinkat_raw(directory, path, &mut *into).ok()?;
    into.get(..len)
}

/// The path of the current directory and its length.
pub(crate) fn current_directory(into: &mut [u8]) -> Option<usize> {
    // SAFETY: the kernel writes no more than the length of the memory.
    let len = checked(unsafe { libc::syscall(libc::SYS_getcwd, into.as_mut_ptr(), into.len()) }).ok()?;
    // The length has the final NUL. A directory that cannot be reached has no path from the root.
    (into.first() == Some(&b'/')).then(|| len.saturating_sub(1))
}

/// The path of an open directory and its length, from `/proc`.
pub(crate) fn path_of_descriptor(fd: c_int, into: &mut [u8]) -> Option<usize> {
    const BEGIN: &[u8] = b"/proc/self/fd/";
    let mut link = [0; BEGIN.len() + 11];
    let (begin, digits) = link.split_at_mut(BEGIN.len());
    begin.copy_from_slice(BEGIN);
    write!(&mut *digits, "{fd}").ok()?;
    read_link(libc::AT_FDCWD, CStr::from_bytes_until_nul(&link).ok()?, into).map(<[u8]>::len)
}

/// Kind of an open file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Socket,
    Other,
}

/// The process ID, from the kernel: it differs between `vfork` and `exec`.
pub(crate) fn process() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// A connected socket at a path. It has the lowest free descriptor, as that of `open(2)`.
pub(crate) fn connect(path: &[u8]) -> Result<c_int, Errno> {
    let address = SocketAddrUnix::new(path).map_err(from_rustix)?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let socket = raw(socket.map_err(from_rustix)?);
    let connected =
        borrow(socket).ok_or(Errno::EBADF).and_then(|fd| rustix::net::connect(fd, &address).map_err(from_rustix));
    connected.map(|()| socket).inspect_err(|_| close(socket))
}

fn raw(fd: OwnedFd) -> c_int {
    fd.into_raw_fd()
}

/// Whether a socket is connected to the socket at a path.
pub(crate) fn is_connected_to(fd: c_int, path: &[u8]) -> bool {
    let peer = borrow(fd).and_then(|fd| rustix::net::getpeername(fd).ok()).flatten();
    let peer = peer.and_then(|peer| SocketAddrUnix::try_from(peer).ok());
    peer.is_some_and(|peer| peer.path_bytes() == Some(path))
}

/// Two connected sockets: the first for this library, the second to send to another process.
pub(crate) fn socket_pair() -> Result<(c_int, c_int), Errno> {
    let (own, other) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .map_err(from_rustix)?;
    Ok((out_of_the_way(raw(own)), raw(other)))
}

/// A file in memory that cannot become shorter.
pub(crate) fn memory_file() -> Result<c_int, Errno> {
    use rustix::fs::{MemfdFlags, SealFlags};
    let file = rustix::fs::memfd_create(c"ferric-run", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING);
    let file = file.map_err(from_rustix)?;
    let sealed = rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK).map_err(from_rustix);
    let file = raw(file);
    sealed.map(|()| out_of_the_way(file)).inspect_err(|_| close(file))
}

/// Moves a descriptor of this library to a high number, if that is possible.
fn out_of_the_way(fd: c_int) -> c_int {
    for lowest in [OWN_DESCRIPTORS, OWN_DESCRIPTORS / 4] {
        let moved = borrow(fd).and_then(|fd| rustix::io::fcntl_dupfd_cloexec(fd, lowest).ok());
        if let Some(moved) = moved {
            close(fd);
            return raw(moved);
        }
    }
    fd
}

/// Sets or clears the flags of an open device that `open(2)` sets on its descriptor and its open file description.
pub(crate) fn set_flags(fd: c_int, close_on_exec: bool, non_blocking: bool) -> Result<(), Errno> {
    let fd = borrow(fd).ok_or(Errno::EBADF)?;
    if !close_on_exec {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).map_err(from_rustix)?;
    }
    if non_blocking {
        rustix::fs::fcntl_setfl(fd, rustix::fs::OFlags::NONBLOCK).map_err(from_rustix)?;
    }
    Ok(())
}

/// Waits until a socket takes another message.
fn wait_writable(fd: c_int) {
    use rustix::event::{PollFd, PollFlags};
    if let Some(fd) = borrow(fd) {
        let _ = rustix::event::poll(&mut [PollFd::new(&fd, PollFlags::OUT)], None);
    }
}

/// Sends a message of up to four parts, with two file descriptors if there are any.
pub(crate) fn send(fd: c_int, parts: &[Memory], descriptors: Option<[c_int; 2]>) -> Result<(), Errno> {
    loop {
        match with_message(parts, descriptors, |message| {
            // SAFETY: the parts are memory of this library, or of the program: the kernel returns EFAULT for addresses that
            // the program cannot read.
            unsafe { libc::syscall(libc::SYS_sendmsg, fd, message, libc::MSG_NOSIGNAL) }
        }) {
            Err(Errno::EINTR) => {}
            // The program has set O_NONBLOCK.
            Err(Errno::EAGAIN) => wait_writable(fd),
            sent => return sent.map(drop),
        }
    }
}

/// Receives a message into up to four parts, and returns its length. A message that is longer is cut. With
/// `interruptible`, a signal handler ends it with EINTR.
pub(crate) fn receive(fd: c_int, parts: &[Memory], interruptible: bool) -> Result<usize, Errno> {
    loop {
        match with_message(parts, None, |message| {
            // SAFETY: the parts are memory of this library that the caller has borrowed mutably, or memory of the program that
            // it passed for this purpose: the kernel returns EFAULT for addresses that the program cannot write.
            unsafe { libc::syscall(libc::SYS_recvmsg, fd, message, 0) }
        }) {
            Err(Errno::EINTR) if !interruptible => {}
            // The peer has closed its socket without reading the last message. Its replies follow.
            Err(Errno::ECONNRESET) => {}
            received => return received,
        }
    }
}

/// Looks for a message as often as `attempts` says, so that `receive` need not wait.
pub(crate) fn look_for_message(fd: c_int, attempts: u32) {
    let Some(socket) = borrow(fd) else { return };
    for _ in 0..attempts {
        let peeked = rustix::net::recv(socket, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        if !matches!(peeked, Err(rustix::io::Errno::AGAIN)) {
            return;
        }
        // A thread that has work to do goes first.
        std::thread::yield_now();
    }
}

/// Control data of a message with two file descriptors: a header of 16 bytes and two numbers.
#[repr(C, align(8))]
struct Rights {
    length: usize,
    level: c_int,
    kind: c_int,
    descriptors: [c_int; 2],
}

fn with_message(
    parts: &[Memory],
    descriptors: Option<[c_int; 2]>,
    call: impl FnOnce(*mut libc::msghdr) -> c_long,
) -> Result<usize, Errno> {
    let mut vectors = [Memory::EMPTY; MAX_PARTS];
    let used = parts.len().min(MAX_PARTS);
    vectors.iter_mut().zip(parts).for_each(|(vector, part)| *vector = *part);
    let mut rights = Rights {
        length: size_of::<Rights>(),
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        descriptors: descriptors.unwrap_or_default(),
    };
    // SAFETY: all fields of `msghdr` are numbers and pointers, for which zero is valid.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_mut_ptr().cast();
    message.msg_iovlen = used;
    if descriptors.is_some() {
        message.msg_control = std::ptr::from_mut(&mut rights).cast();
        message.msg_controllen = size_of::<Rights>();
    }
    checked(call(&raw mut message))
}

/// Writes memory to a file at an offset, with one call of `pwritev` or `preadv`.
fn transfer(number: c_long, fd: c_int, vectors: Memory, offset: usize) -> Result<usize, Errno> {
    let count = vectors.len / size_of::<Memory>();
    // SAFETY: the vectors and the memory that they describe are checked by the kernel: EFAULT. The caller may write to
    // them in the direction of the call.
    checked(unsafe { libc::syscall(number, fd, vectors.address, count, offset, 0_usize) })
}

/// Copies memory that `struct iovec`s describe to the beginning of a file; returns the number of bytes. `vectors` is the
/// memory of these structures.
pub(crate) fn gather(file: c_int, vectors: Memory) -> Result<usize, Errno> {
    transfer(libc::SYS_pwritev, file, vectors, 0)
}

/// Copies memory to a file at an offset: all of it.
pub(crate) fn store(file: c_int, mut memory: Memory, mut offset: usize) -> Result<(), Errno> {
    while memory.len > 0 {
        let done = transfer(libc::SYS_pwritev, file, Memory::of(std::slice::from_ref(&memory)), offset)?;
        memory = memory.skip(done);
        offset += done;
    }
    Ok(())
}

/// Copies bytes of a file from an offset to memory, to its end or that of the file.
pub(crate) fn load(file: c_int, mut memory: Memory, mut offset: usize) -> Result<(), Errno> {
    while memory.len > 0 {
        let done = transfer(libc::SYS_preadv, file, Memory::of(std::slice::from_ref(&memory)), offset)?;
        if done == 0 {
            break;
        }
        memory = memory.skip(done);
        offset += done;
    }
    Ok(())
}

/// Writes bytes to a file, for messages to the user.
pub(crate) fn write(fd: c_int, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::io::write(borrow(fd).ok_or(Errno::EBADF)?, bytes).map_err(from_rustix)
}

/// Closes an owned descriptor without the function of the C library.
pub(crate) fn release(fd: OwnedFd) {
    close(raw(fd));
}
