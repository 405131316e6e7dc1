//! One connection: reads a frame, executes its command, writes the response.

use crate::connections::Slot;
use crate::frame::{self, COMMAND_LEN, CommandFields, ErrorNumber, FrameError, FrameType, HEADER_LEN, Header, Open};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::status::Status;
use scsi_core::target::{CdbBytes, Command, CompletedCommand, DataBuffers, Tag, TransportEvent};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use vtl::site::Site;
use vtl::target::Target;

/// Time limit for the next bytes of a frame that has begun, and for the client to read a response.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(30);

/// The end of a connection.
#[derive(Debug)]
pub(crate) enum End {
    /// The client closed the connection between two frames.
    Closed,
    /// The connection failed.
    Io(io::Error),
    /// The client gets an ERROR frame.
    Refused(FrameError),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Refused(error)
    }
}

/// Serves a connection until its end. `peer` is the process of the client, for events.
pub(crate) fn serve(stream: &UnixStream, site: &Site, slot: &Slot<'_>, peer: String) -> End {
    let (Ok(()), Ok(())) =
        (stream.set_read_timeout(Some(TRANSFER_TIMEOUT)), stream.set_write_timeout(Some(TRANSFER_TIMEOUT)))
    else {
        return End::Closed;
    };
    let end = Connection::open(stream, site, slot, peer).map(|mut connection| {
        loop {
            if let Err(end) = connection.serve_frame() {
                break end;
            }
        }
    });
    let end = end.unwrap_or_else(|end| end);
    if let End::Refused(error) = &end {
        refuse(stream, error);
    }
    end
}

/// Sends an ERROR frame. A write error is ignored: the connection is closed anyway.
pub(crate) fn refuse(mut stream: &UnixStream, error: &FrameError) {
    let _ = stream.write_all(&frame::error(error));
}

/// A connection with its I_T nexus, which ends when this is dropped.
struct Connection<'a> {
    stream: &'a UnixStream,
    site: &'a Site,
    target: Arc<Target>,
    nexus: NexusId,
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.target.logout(self.nexus);
    }
}

impl<'a> Connection<'a> {
    /// Reads the OPEN frame, and establishes the I_T nexus.
    fn open(mut stream: &'a UnixStream, site: &'a Site, slot: &Slot<'_>, peer: String) -> Result<Self, End> {
        let header = read_header(stream)?;
        if header.kind != FrameType::OPEN {
            let message = format!("frame type {:02X}h; expected OPEN (01h) as the first frame", header.kind.0);
            return Err(FrameError::new(ErrorNumber::MALFORMED, message).into());
        }
        let mut body = vec![0; header.length];
        stream.read_exact(&mut body)?;
        let Open { host, target: name } = Open::parse(&body)?;
        let found = if name.is_empty() { site.targets().into_iter().next() } else { site.target(&name) };
        let Some(target) = found else {
            let message = format!("there is no target {name:?}");
            return Err(FrameError::new(ErrorNumber::NO_TARGET, message).into());
        };
        let host = slot.open(host, target.name())?;
        let nexus = target.login_from(&TransportId::local(host), Some(peer));
        let connection = Self { stream, site, target, nexus };
        stream.write_all(&frame::opened(host, connection.target.name()))?;
        Ok(connection)
    }

    /// Reads a frame, and responds.
    fn serve_frame(&mut self) -> Result<(), End> {
        let header = read_header(self.stream)?;
        match header.kind {
            FrameType::COMMAND => self.command(header.length),
            FrameType::RESET => self.reset(),
            _ => Err(FrameError::new(ErrorNumber::MALFORMED, "a second OPEN frame; expected COMMAND or RESET").into()),
        }
    }

    /// LOGICAL UNIT RESET (SAM-5 §7.6).
    fn reset(&mut self) -> Result<(), End> {
        let mut lun = [0; 8];
        self.stream.read_exact(&mut lun)?;
        let unit = self.target.unit(u64::from_be_bytes(lun));
        if let Some(unit) = &unit {
            unit.abort(|_, _| true);
            unit.post(TransportEvent::UnitReset);
        }
        self.stream.write_all(&frame::reset_done(unit.is_some()))?;
        Ok(())
    }

    fn command(&mut self, body_length: usize) -> Result<(), End> {
        let mut fields = [0; COMMAND_LEN];
        self.stream.read_exact(&mut fields)?;
        let fields = CommandFields::parse(fields, body_length)?;
        let mut cdb = CdbBytes::from_elem(0, fields.cdb_length);
        self.stream.read_exact(&mut cdb)?;
        let Some(data_out) = self.read_data_out(fields.data_out_length)? else {
            self.stream.write_all(&frame::response(fields.tag, Status::BUSY, &[], 0, 0))?;
            return Ok(());
        };
        let data = DataBuffers {
            data_out,
            data_out_len: fields.data_out_length,
            data_in: Vec::new(),
            data_in_capacity: fields.data_in_capacity,
        };
        let (lun, tag, attribute) = (fields.lun, Tag(fields.tag), fields.attribute);
        let command = Command { nexus: self.nexus, lun, tag, attribute, priority: 0, cdb, data };
        let shut_down = || FrameError::new(ErrorNumber::SHUT_DOWN, "the daemon was shut down during the command");
        let done = self.target.submit_and_wait(command).ok_or_else(shut_down)?;
        let sent = self.respond(&fields, &done);
        let DataBuffers { data_out, data_in, .. } = done.data;
        self.site.buffers().release(data_out);
        self.site.buffers().release(data_in);
        Ok(sent?)
    }

    /// Reads the Data-Out into a buffer of the site. `None`: the system has no memory for it; the data is skipped.
    fn read_data_out(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        if length == 0 {
            return Ok(Some(Vec::new()));
        }
        let Some(mut buffer) = self.site.buffers().acquire(length) else {
            let mut skipped = self.stream.take(u64::try_from(length).unwrap_or(u64::MAX));
            io::copy(&mut skipped, &mut io::sink())?;
            return Ok(None);
        };
        self.stream.read_exact(buffer.get_mut(..length).unwrap_or_default())?;
        Ok(Some(buffer))
    }

    /// Sends the response. There is none for a command whose response an injected fault has lost.
    fn respond(&mut self, fields: &CommandFields, done: &CompletedCommand) -> io::Result<()> {
        let completion = &done.completion;
        if completion.dropped {
            return Ok(());
        }
        let status = if done.aborted { Status::TASK_ABORTED } else { completion.status };
        let sense = completion.sense.as_ref().map_or(&[][..], |sense| sense.as_slice());
        let produced = completion.data_in.min(fields.data_in_capacity);
        let data_in = done.data.data_in.get(..produced).unwrap_or_default();
        let residual = if fields.data_out_length > 0 {
            residual(fields.data_out_length, completion.data_out, fields.data_out_length + completion.data_out_missing)
        } else {
            residual(fields.data_in_capacity, produced, completion.data_in_wanted.max(completion.data_out_missing))
        };
        let frame = frame::response(fields.tag, status, sense, residual, data_in.len());
        write_both(self.stream, &frame, data_in)
    }
}

/// The residual of a command: bytes of the expected length that were not moved; negative for the bytes beyond it that the
/// command would have moved.
fn residual(expected: usize, moved: usize, wanted: usize) -> i32 {
    let count = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    if wanted > expected { -count(wanted - expected) } else { count(expected.saturating_sub(moved)) }
}

/// Writes a frame and the data at its end without a copy.
fn write_both(mut stream: &UnixStream, frame: &[u8], data: &[u8]) -> io::Result<()> {
    let written = stream.write_vectored(&[IoSlice::new(frame), IoSlice::new(data)])?;
    stream.write_all(frame.get(written..).unwrap_or_default())?;
    stream.write_all(data.get(written.saturating_sub(frame.len())..).unwrap_or_default())
}

/// Reads the header of the next frame. The wait for its first byte has no limit.
fn read_header(mut stream: &UnixStream) -> Result<Header, End> {
    let mut bytes = [0; HEADER_LEN];
    let (first, rest) = bytes.split_at_mut(1);
    loop {
        match stream.read(first) {
            Ok(0) => return Err(End::Closed),
            Ok(_) => break,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error.into()),
        }
    }
    stream.read_exact(rest)?;
    Ok(Header::parse(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_have_a_sign() {
        assert_eq!((residual(12, 7, 7), residual(12, 12, 12), residual(4, 4, 10), residual(0, 0, 5)), (5, 0, -6, -5));
    }
}
