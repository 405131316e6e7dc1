//! Sockets of messages (SOCK_SEQPACKET) and the messages on them.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, Shutdown,
    SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::path::Path;

/// Length of the queue of connections that were not accepted yet.
const BACKLOG: i32 = 512;

/// Listens at a path.
pub(crate) fn listen(path: &Path) -> io::Result<OwnedFd> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// A received message.
pub(crate) struct Received {
    /// Number of bytes; 0 at the end of the connection.
    pub(crate) len: usize,
    /// Descriptors that came with it.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Descriptors came with it that this process could not open.
    pub(crate) lost_descriptors: bool,
}

/// Receives a message; `None` if there is none and `wait` is false.
pub(crate) fn receive(socket: BorrowedFd<'_>, into: &mut [u8], wait: bool) -> io::Result<Option<Received>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = if wait { RecvFlags::CMSG_CLOEXEC } else { RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT };
    let received = loop {
        match rustix::net::recvmsg(socket, &mut [IoSliceMut::new(into)], &mut control, flags) {
            Err(Errno::INTR) => {}
            // The peer has closed its socket with a message that it did not read. Its earlier messages follow.
            Err(Errno::CONNRESET) => {}
            Err(Errno::AGAIN) => return Ok(None),
            received => break received?,
        }
    };
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(io::Error::other("a message is too long"));
    }
    let lost_descriptors = received.flags.contains(ReturnFlags::CTRUNC);
    Ok(Some(Received { len: received.bytes, descriptors, lost_descriptors }))
}

/// Receives a message, and looks for it as often as `attempts` says before it waits.
pub(crate) fn receive_soon(socket: BorrowedFd<'_>, into: &mut [u8], attempts: u32) -> io::Result<Option<Received>> {
    for _ in 0..attempts {
        if let Some(received) = receive(socket, into, false)? {
            return Ok(Some(received));
        }
        // A thread that has work to do goes first.
        std::thread::yield_now();
    }
    receive(socket, into, true)
}

/// Sends a message of several parts.
pub(crate) fn send(socket: BorrowedFd<'_>, parts: &[&[u8]]) -> io::Result<()> {
    let parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    loop {
        match rustix::net::sendmsg(socket, &parts, &mut Default::default(), SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => return Ok(sent.map(drop)?),
        }
    }
}

/// Tells the peer that no further messages follow.
pub(crate) fn end_messages(socket: &OwnedFd) {
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
}

/// Which of these sockets have lost their peer.
pub(crate) fn hung_up<'a>(sockets: impl IntoIterator<Item = BorrowedFd<'a>>) -> Vec<bool> {
    let mut polled: Vec<PollFd<'_>> =
        sockets.into_iter().map(|socket| PollFd::from_borrowed_fd(socket, PollFlags::empty())).collect();
    let _ = poll(&mut polled, Some(&Timespec::default()));
    polled.iter().map(|socket| socket.revents().contains(PollFlags::HUP)).collect()
}

/// Waits until there is a message, or the peer has gone.
pub(crate) fn wait(socket: &OwnedFd) {
    let _ = poll_input(socket, None);
}

/// Whether a message can be received.
pub(crate) fn has_message(socket: &OwnedFd) -> bool {
    poll_input(socket, Some(&Timespec::default()))
}

fn poll_input(socket: &OwnedFd, timeout: Option<&Timespec>) -> bool {
    let mut polled = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
    let _ = poll(&mut polled, timeout);
    let [polled] = polled;
    polled.revents().contains(PollFlags::IN)
}
