//! System calls of one process on an open device.

use crate::description::{Description, lock};
use crate::socket;
use crate::unit::{Caller, ResetScope, UnitKind};
use linux_scsi::argument::CHIOGSTATUS;
use linux_scsi::call::{Description as Attached, MAX_DATA, MAX_INLINE, REQUEST_LEN, Reply, Request};
use linux_scsi::node::Node;
use linux_scsi::sg::ioctl::Reset;
use linux_scsi::sg::{self, Ended};
use linux_scsi::{Errno, ScsiDevice};
use linux_scsi::{ch, mtio};
use rustix::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use zerocopy::IntoBytes;
use zeroize::Zeroize;

/// Stack of the thread of a channel.
const STACK: usize = 256 << 10;

/// Serves a channel on a separate thread, until the process closes it.
pub(crate) fn spawn(description: Arc<Description>, socket: OwnedFd, file: OwnedFd) {
    let serve = move || Channel { description, socket, file, buffer: Vec::new(), reply: Vec::new() }.serve();
    // Without a thread, the channel is closed: the process gets EIO.
    let _ = std::thread::Builder::new().name("channel".into()).stack_size(STACK).spawn(serve);
}

struct Channel {
    description: Arc<Description>,
    socket: OwnedFd,
    /// The file for more data than fits into a message.
    file: OwnedFd,
    /// The data of a call.
    buffer: Vec<u8>,
    /// The data of its reply that fits into a message.
    reply: Vec<u8>,
}

impl Channel {
    fn serve(mut self) {
        let Description { node, flags, .. } = &*self.description;
        let inode = self.description.shared.inode(*node);
        let attached = Attached { device: node.number().into(), flags: (*flags).into(), inode: inode.into() };
        if socket::send(self.socket.as_fd(), &[&Reply(Ok(0)).encode(), attached.as_bytes()]).is_err() {
            return;
        }
        let mut message = vec![0; REQUEST_LEN + MAX_INLINE + sg::MAX_HEADER + sg::MAX_CDB];
        let mut attempts = 0;
        while let Ok(Some(received)) = socket::receive_soon(self.socket.as_fd(), &mut message, attempts) {
            if received.len == 0 {
                break;
            }
            let bytes = message.get(..received.len).unwrap_or_default();
            self.reply.clear();
            let request = Request::decode(bytes);
            attempts = request.map_or(0, |(request, _)| request.attempts());
            let result = request.ok_or(Errno::EINVAL).and_then(|(request, data)| self.call(request, data));
            if socket::send(self.socket.as_fd(), &[&Reply(result).encode(), &self.reply]).is_err() {
                break;
            }
        }
    }

    fn call(&mut self, request: Request, data: &[u8]) -> Result<u64, Errno> {
        self.description.handle_messages();
        match request {
            Request::Read { length, in_file } => self.read(length, in_file),
            Request::Write { length, in_file } => self.write(length, Some(data).filter(|_| !in_file)),
            Request::Ioctl { code } => {
                self.description.shared.release_closed();
                self.ioctl(code, data)
            }
            Request::Scsi => {
                self.description.shared.release_closed();
                self.scsi(data)
            }
            Request::Closed => match self.description.release_if_closed() {
                None => Ok(0),
                Some(result) => result.map(|()| 1),
            },
            Request::Open { .. } | Request::Attach => Err(Errno::EINVAL),
        }
    }

    /// The buffer, with at least `length` bytes.
    fn buffer(&mut self, length: u64) -> Result<usize, Errno> {
        let length = usize::try_from(length.min(MAX_DATA + 1)).map_err(|_| Errno::ENOMEM)?;
        if u64::try_from(length).is_ok_and(|length| length > MAX_DATA) {
            return Err(Errno::ENOMEM);
        }
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        Ok(length)
    }

    fn read(&mut self, length: u64, in_file: bool) -> Result<u64, Errno> {
        let length = self.buffer(length)?;
        let buffer = self.buffer.get_mut(..length).unwrap_or_default();
        let read = self.description.with_tape(|drive, caller, tape| drive.read(caller, tape, buffer))?;
        let data = self.buffer.get(..read).unwrap_or_default();
        if in_file || read > MAX_INLINE {
            store(&self.file, data)?;
        } else {
            self.reply.extend_from_slice(data);
        }
        u64::try_from(read).map_err(|_| Errno::EIO)
    }

    /// Writes the data, or without any the first bytes of the file.
    fn write(&mut self, length: u64, inline: Option<&[u8]>) -> Result<u64, Errno> {
        self.description.take_deferred()?;
        let data = match inline {
            Some(data) => data,
            None => {
                let length = self.buffer(length)?;
                let buffer = self.buffer.get_mut(..length).unwrap_or_default();
                load(&self.file, buffer)?;
                buffer
            }
        };
        let written = self.description.with_tape(|drive, caller, tape| drive.write(caller, tape, data))?;
        u64::try_from(written).map_err(|_| Errno::EIO)
    }

    fn ioctl(&mut self, code: u32, argument: &[u8]) -> Result<u64, Errno> {
        if let Node::Tape { .. } = self.description.node
            && let Some(request) = mtio::Request::decode(code, argument)?
        {
            let reply = self.description.with_tape(|drive, caller, tape| drive.ioctl(caller, tape, request))?;
            self.reply = reply.encode();
            return Ok(0);
        }
        let unit = &self.description.unit;
        if let (Node::Changer(_), UnitKind::Changer(_, changer), Some(request)) =
            (self.description.node, &unit.kind, ch::Request::decode(code, argument)?)
        {
            let mut caller = Caller { backend: &*unit.backend, socket: Some(self.description.socket.as_fd()) };
            let mut changer = lock(changer);
            let attached = match changer.take() {
                Some(attached) => attached,
                None => ch::Changer::attach(&mut caller)?,
            };
            let reply = changer.insert(attached).ioctl(&mut caller, request)?;
            if code == CHIOGSTATUS {
                store(&self.file, &reply)?;
                return u64::try_from(reply.len()).map_err(|_| Errno::EIO);
            }
            self.reply = reply;
            return Ok(0);
        }
        let driver = self.description.driver();
        if let Some(cdb) = sg::ioctl::command(driver, code) {
            let mut caller = Caller { backend: &*unit.backend, socket: Some(self.description.socket.as_fd()) };
            return sg::ioctl::run(&mut caller, cdb).map(|()| 0);
        }
        if let Node::Tape { .. } = self.description.node {
            self.description.with_tape(|drive, _, _| drive.check_position())?;
        }
        let (address, device_type) = (unit.address, unit.found.device_type());
        let mut settings = lock(&self.description.settings);
        let reply = settings.ioctl(driver, code, argument, address, device_type)?;
        drop(settings);
        if let Some(reset) = reply.reset
            && !self.reset(reset)
        {
            return Err(Errno::EIO);
        }
        self.reply = reply.bytes;
        Ok(reply.value.into())
    }

    /// Resets units, and tells the tape drivers of all units that this concerns.
    fn reset(&self, reset: Reset) -> bool {
        let Description { unit, shared, .. } = &*self.description;
        let is_done = match reset {
            Reset::Unit => unit.backend.reset(ResetScope::Unit),
            Reset::Target => unit.backend.reset(ResetScope::Target),
            Reset::AllTargets => {
                let mut units: Vec<_> = shared.nodes.units.iter().collect();
                units.dedup_by_key(|unit| unit.address.target);
                units.into_iter().all(|unit| unit.backend.reset(ResetScope::Target))
            }
        };
        for other in shared.nodes.units.iter().filter(|other| match reset {
            Reset::Unit => Arc::ptr_eq(unit, other),
            Reset::Target => unit.address.target == other.address.target,
            Reset::AllTargets => true,
        }) {
            if let UnitKind::Tape(_, drive) = &other.kind {
                lock(drive).notice_reset();
            }
        }
        is_done
    }

    /// SG_IO: `message` is the structure of the program with its CDB.
    fn scsi(&mut self, message: &[u8]) -> Result<u64, Errno> {
        let driver = self.description.driver();
        let (header, cdb) = message.split_at_checked(driver.header_len()).ok_or(Errno::EFAULT)?;
        let header = sg::Header::decode(driver, header)?;
        let memory = header.memory(driver)?;
        let timeout = header.timeout(lock(&self.description.settings).timeout(driver));
        let is_out = memory.data_out.len > 0;
        let length = self.buffer(memory.data_out.len.max(memory.data_in.len))?;
        let Description { unit, socket, .. } = &*self.description;
        let mut caller = Caller { backend: &*unit.backend, socket: Some(socket.as_fd()) };
        let now = || self.description.shared.clock.now().mono;
        let data = self.buffer.get_mut(..length).unwrap_or_default();
        let begin = now();
        let completion = if is_out {
            if memory.is_discarded {
                data.fill(0);
            } else {
                load(&self.file, data)?;
            }
            let completion = caller.transfer(cdb, data, &mut [], timeout);
            // It may have been a key.
            data.zeroize();
            completion
        } else {
            caller.transfer(cdb, &[], data, timeout)
        };
        let duration = begin.duration_until(now());
        let received = completion.as_ref().map_or(0, |completion| completion.data_in.min(length));
        store(&self.file, data.get(..received).unwrap_or_default())?;
        let ended = Ended { completion: completion.as_ref().map_err(|error| *error), duration };
        self.reply = header.complete(driver, &ended);
        u64::try_from(received).map_err(|_| Errno::EIO)
    }
}

/// Writes data to the beginning of the shared file.
fn store(file: &OwnedFd, mut data: &[u8]) -> Result<(), Errno> {
    let mut offset = 0;
    while !data.is_empty() {
        let written = rustix::io::pwrite(file, data, offset).map_err(|_| Errno::ENOMEM)?;
        offset += u64::try_from(written).map_err(|_| Errno::ENOMEM)?;
        data = data.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Reads the beginning of the shared file.
fn load(file: &OwnedFd, buffer: &mut [u8]) -> Result<(), Errno> {
    let mut done = 0;
    while done < buffer.len() {
        let offset = u64::try_from(done).map_err(|_| Errno::EFAULT)?;
        let rest = buffer.get_mut(done..).unwrap_or_default();
        match rustix::io::pread(file, rest, offset).map_err(|_| Errno::EFAULT)? {
            0 => return Err(Errno::EFAULT),
            read => done += read,
        }
    }
    Ok(())
}
