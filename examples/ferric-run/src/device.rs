//! Opening a device, `ioctl(2)` on it, and what `stat(2)` says about it.

use crate::channel::{self, Channel};
use crate::descriptor;
use crate::path::PathBuffer;
use crate::sys::kernel;
use crate::sys::memory::Memory;
use crate::sys::run::{Run, run};
use linux_scsi::Errno;
use linux_scsi::argument::Argument;
use linux_scsi::call::{MAX_DATA, MAX_INLINE, NODE_MODE, REPLY_LEN, Reply, Request};
use linux_scsi::node::Node;
use linux_scsi::sg::{self, Driver};
use rustix::fs::{Access, AtFlags, CWD};

/// Whether `ferric run` takes connections.
pub(crate) fn is_served() -> bool {
    run().and_then(|run| kernel::connect(run.socket()).ok()).inspect(|fd| kernel::close(*fd)).is_some()
}

/// Whether `ferric run` answers requests. While it is being killed, it may still take connections.
pub(crate) fn is_answered() -> bool {
    let Some(fd) = run().and_then(|run| kernel::connect(run.socket()).ok()) else { return false };
    let message = Request::Open { device: u32::MAX, flags: 0 }.encode();
    let mut reply = [0; REPLY_LEN];
    let is_answered = kernel::send(fd, &[Memory::of(&message)], None).is_ok()
        && kernel::receive(fd, &[Memory::of_mut(&mut reply)], false) == Ok(REPLY_LEN);
    kernel::close(fd);
    is_answered
}

/// Whether a file of the tree is missing because `ferric run` has ended: the next one removes its files.
pub(crate) fn is_gone(path: &PathBuffer) -> bool {
    rustix::fs::stat(path.c_str()).is_err() && !is_served()
}

/// The device number of the node for which a file stands; `None` if it is any other file.
pub(crate) fn node(path: &PathBuffer) -> Option<u32> {
    let stat = rustix::fs::stat(path.c_str()).ok()?;
    let is_node = is_node(run()?, stat.st_dev, stat.st_mode);
    is_node.then(|| u32::try_from(stat.st_size).ok()).flatten()
}

/// Whether a file stands for a device node. Its size is the device number.
pub(crate) fn is_node(run: &Run, device: u64, mode: u32) -> bool {
    device == run.device && mode == libc::S_IFREG | NODE_MODE
}

/// Whether the program may open a node with these flags of `open(2)`.
pub(crate) fn check_access(path: &PathBuffer, flags: i32) -> Result<(), Errno> {
    let wanted = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => Access::READ_OK,
        libc::O_WRONLY => Access::WRITE_OK,
        _ => Access::READ_OK | Access::WRITE_OK,
    };
    rustix::fs::accessat(CWD, path.c_str(), wanted, AtFlags::EACCESS).map_err(|_| Errno::EACCES)
}

/// Opens a device and returns its descriptor.
pub(crate) fn open(device: u32, flags: u32) -> Result<i32, Errno> {
    let is_set = |flag: i32| flags & flag.cast_unsigned() != 0;
    let Some(run) = run() else { return Err(Errno::ENXIO) };
    let fd = kernel::connect(run.socket()).map_err(|error| match error {
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM => error,
        // Many connections wait.
        Errno::EAGAIN => Errno::ENFILE,
        _ => {
            channel::gone();
            Errno::ENXIO
        }
    })?;
    let opened = request_open(fd, device, flags)
        .and_then(|()| kernel::set_flags(fd, is_set(libc::O_CLOEXEC), is_set(libc::O_NONBLOCK)));
    opened.inspect_err(|_| kernel::close(fd))?;
    descriptor::opened(fd);
    Ok(fd)
}

fn request_open(fd: i32, device: u32, flags: u32) -> Result<(), Errno> {
    let message = Request::Open { device, flags }.encode();
    kernel::send(fd, &[Memory::of(&message)], None).map_err(|_| channel::refused())?;
    let mut reply = [0; REPLY_LEN];
    match kernel::receive(fd, &[Memory::of_mut(&mut reply)], true) {
        Err(Errno::EINTR) => Err(Errno::EINTR),
        Ok(REPLY_LEN) => Reply::decode(&reply).map_or(Err(Errno::EIO), |Reply(result)| result.map(drop)),
        _ => Err(channel::refused()),
    }
}

/// `ioctl(2)` on a device. `argument` is a number or an address.
pub(crate) fn ioctl(channel: &mut Channel, code: u32, argument: usize) -> Result<u64, Errno> {
    let memory = |len: u16| Memory { address: argument, len: len.into() };
    let request = Request::Ioctl { code };
    match Argument::of(code) {
        Argument::Value => channel.call(request, &[], &[]),
        Argument::Memory { read, written } => channel.call(request, &[memory(read)], &[memory(written)]),
        Argument::HostName => host_name(channel, request, argument),
        Argument::ElementStatus => element_status(channel, request, argument),
        Argument::Scsi => scsi(channel, argument),
    }
}

/// SCSI_IOCTL_PROBE_HOST: the number of bytes in the argument limits the name that replaces it. A null pointer gets no name.
fn host_name(channel: &mut Channel, request: Request, argument: usize) -> Result<u64, Errno> {
    if argument == 0 {
        return channel.call(request, &[], &[]);
    }
    let mut len = [0; 4];
    copy(channel, Memory { address: argument, len: len.len() }, &mut len)?;
    let len = usize::try_from(u32::from_le_bytes(len)).unwrap_or(usize::MAX).min(MAX_INLINE);
    channel.call(request, &[], &[Memory { address: argument, len }])
}

/// CHIOGSTATUS: the argument is an element type and the address of one byte for each element.
fn element_status(channel: &mut Channel, request: Request, argument: usize) -> Result<u64, Errno> {
    let mut structure = [0; 16];
    copy(channel, Memory { address: argument, len: structure.len() }, &mut structure)?;
    let [.., a, b, c, d, e, f, g, h] = structure;
    let address = usize::try_from(u64::from_le_bytes([a, b, c, d, e, f, g, h])).map_err(|_| Errno::EFAULT)?;
    let elements = channel.call(request, &[Memory::of(&structure)], &[])?;
    let len = usize::try_from(elements).map_err(|_| Errno::EIO)?;
    kernel::load(channel.file(), Memory { address, len }, 0)?;
    Ok(0)
}

/// SG_IO: the structure, its CDB and its data are in memory of the program.
fn scsi(channel: &mut Channel, argument: usize) -> Result<u64, Errno> {
    let driver = Node::from_number(channel.device()).map_or(Driver::Other, Driver::of);
    let mut bytes = [0; sg::MAX_HEADER];
    let bytes = bytes.get_mut(..driver.header_len()).unwrap_or_default();
    copy(channel, Memory { address: argument, len: bytes.len() }, bytes)?;
    let mut header = sg::Header::decode(driver, bytes)?;
    let memory = header.memory(driver)?;
    let block = |block: sg::Block| {
        let address = usize::try_from(block.address).map_err(|_| Errno::EFAULT)?;
        Ok::<_, Errno>(Memory { address, len: usize::try_from(block.len).map_err(|_| Errno::ENOMEM)? })
    };
    let (mut data, vectors, is_out) = (block(memory.data())?, memory.data().vectors, memory.data_out.len > 0);
    if vectors > 0 && data.len > 0 {
        let mut total = 0;
        for_each_piece(channel, data, vectors, usize::MAX, |piece, _| {
            total += piece.len;
            Ok(())
        })?;
        header.limit_data(u64::try_from(total).unwrap_or(u64::MAX))?;
        data.len = data.len.min(total);
    }
    let (has_data, file) = (data.len > 0 && !memory.is_discarded, channel.file());
    if has_data && is_out {
        for_each_piece(channel, data, vectors, data.len, |piece, at| kernel::store(file, piece, at))?;
    }
    let (cdb, sense) = (block(memory.cdb)?, block(memory.sense)?);
    let sent = Memory::of(header.as_bytes());
    let received = channel.call(Request::Scsi, &[sent, cdb], &[Memory::of_mut(bytes), sense])?;
    let received = usize::try_from(received).map_err(|_| Errno::EIO)?;
    if has_data && received > 0 {
        for_each_piece(channel, data, vectors, received, |piece, at| kernel::load(file, piece, at))?;
    }
    let results = header.results();
    let address = argument.wrapping_add(results.start);
    copy_back(channel, bytes.get(results).unwrap_or_default(), address).map(|()| 0)
}

/// Offset in the shared file for bytes that are only copied: data is below it.
const COPY_AT: usize = 1 << 40;

/// Copies values from memory of the program. Through the file, so that the kernel checks the address.
fn copy<T>(channel: &Channel, from: Memory, into: &mut [T]) -> Result<(), Errno> {
    kernel::store(channel.file(), from, COPY_AT)?;
    kernel::load(channel.file(), Memory::of_mut(into), COPY_AT)
}

/// Copies bytes to an address of the program.
fn copy_back(channel: &Channel, from: &[u8], address: usize) -> Result<(), Errno> {
    kernel::store(channel.file(), Memory::of(from), COPY_AT)?;
    kernel::load(channel.file(), Memory { address, len: from.len() }, COPY_AT)
}

/// Calls `each` with the pieces of memory that a block of SG_IO describes, and their offsets, up to `len` bytes.
fn for_each_piece(
    channel: &Channel,
    block: Memory,
    vectors: u32,
    len: usize,
    mut each: impl FnMut(Memory, usize) -> Result<(), Errno>,
) -> Result<(), Errno> {
    if vectors == 0 {
        return each(block.first(len), 0);
    }
    let mut offset = 0;
    for index in 0..usize::try_from(vectors).unwrap_or(usize::MAX) {
        let mut piece = [Memory::EMPTY];
        let address = block.address.wrapping_add(index.wrapping_mul(size_of::<Memory>()));
        copy(channel, Memory { address, len: size_of::<Memory>() }, &mut piece)?;
        let [piece] = piece;
        let piece = piece.first(len.saturating_sub(offset));
        each(piece, offset)?;
        offset += piece.len;
    }
    Ok(())
}

/// The flags that F_GETFL returns for a descriptor: the access mode is that of `open(2)`, not that of a socket.
pub(crate) fn status_flags(fd: i32, of_socket: i32) -> i32 {
    match descriptor::channel(fd) {
        Some(Ok(channel)) => {
            let kept = libc::O_ACCMODE | libc::O_SYNC | libc::O_APPEND;
            (of_socket & !libc::O_ACCMODE) | (channel.flags().cast_signed() & kept)
        }
        _ => of_socket,
    }
}

/// Whether a device number is that of a generic SCSI device.
pub(crate) fn is_generic(device: u32) -> bool {
    matches!(Node::from_number(device), Some(Node::Generic(_)))
}

/// Sum of the lengths of `struct iovec`s.
fn total(channel: &Channel, vectors: Memory) -> Result<usize, Errno> {
    let mut total = 0;
    for_each_piece(channel, vectors, count(vectors), usize::MAX, |piece, at| {
        total = at.checked_add(piece.len).filter(|total| isize::try_from(*total).is_ok()).ok_or(Errno::EINVAL)?;
        Ok(())
    })?;
    Ok(total)
}

fn count(vectors: Memory) -> u32 {
    u32::try_from(vectors.len / size_of::<Memory>()).unwrap_or(u32::MAX)
}

/// `readv(2)`: one system call of the driver for all vectors.
pub(crate) fn read_vectors(channel: &mut Channel, vectors: Memory) -> Result<usize, Errno> {
    channel.check_reads_and_writes()?;
    let length = u64::try_from(total(channel, vectors)?).map_err(|_| Errno::EINVAL)?;
    let read = channel.call(Request::Read { length, in_file: true }, &[], &[])?;
    let read = usize::try_from(read).map_err(|_| Errno::EIO)?;
    let file = channel.file();
    if read > 0 {
        for_each_piece(channel, vectors, count(vectors), read, |piece, at| kernel::load(file, piece, at))?;
    }
    Ok(read)
}

/// `writev(2)`: one system call of the driver for all vectors.
pub(crate) fn write_vectors(channel: &mut Channel, vectors: Memory) -> Result<usize, Errno> {
    channel.check_reads_and_writes()?;
    if u64::try_from(total(channel, vectors)?).map_or(true, |total| total > MAX_DATA) {
        return Err(Errno::ENOMEM);
    }
    let length = kernel::gather(channel.file(), vectors)?;
    let length = u64::try_from(length).map_err(|_| Errno::EINVAL)?;
    let written = channel.call(Request::Write { length, in_file: true }, &[], &[])?;
    usize::try_from(written).map_err(|_| Errno::EIO)
}
