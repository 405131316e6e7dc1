//! Runs cases on the drivers of `linux-scsi` in this process.

use crate::bench::Bench;
use crate::memory::Memory;
use crate::run::Calls;
use crate::script::{NodeKind, Opening, UnitKind};
use linux_scsi::argument::Argument;
use linux_scsi::ch::{self, Changer};
use linux_scsi::device::abort_time;
use linux_scsi::mtio::Request as TapeRequest;
use linux_scsi::sg::ioctl::{Address, Reply, Settings};
use linux_scsi::sg::{self, Driver, Ended, Openings};
use linux_scsi::st::{self, Drive, OpenTape};
use linux_scsi::{Errno, Interrupted, NoStatus, ScsiDevice};
use run_frontend::{Backend, LocalUnit, ResetScope};
use scsi_core::Completion;
use scsi_core::data::Data;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use vtl::clock::Clock;

/// One unit of a bench below the drivers.
pub struct Native {
    device: BenchDevice,
    drive: Drive,
    changer: Option<Changer>,
    address: Address,
    device_type: u8,
    /// The settings of the node of bsg, and of those of st or ch.
    settings: [Settings; 2],
    openings: Openings,
    /// The open file of each group of duplicates.
    open: HashMap<usize, Open>,
    files: HashMap<char, usize>,
    opened: usize,
}

/// An open file.
struct Open {
    node: NodeKind,
    tape: Option<OpenTape>,
    /// The settings of a file of sg.
    settings: Option<Settings>,
}

struct BenchDevice {
    clock: Clock,
    unit: Arc<dyn Backend>,
}

impl ScsiDevice for BenchDevice {
    /// Executes a command, and aborts it if the response is late.
    fn execute(&mut self, cdb: &[u8], data: Data<'_, '_>, timeout: Duration) -> Result<Completion, NoStatus> {
        let begun = self.clock.monotonic();
        let completion = self.unit.execute(cdb, data, timeout, &|_| Ok(()))?;
        let is_late = begun.duration_until(self.clock.monotonic()) > abort_time(timeout);
        if is_late { Err(NoStatus::Aborted) } else { Ok(completion) }
    }

    fn wait(&mut self, _duration: Duration) -> Result<(), Interrupted> {
        Ok(())
    }
}

impl Native {
    /// The drivers on the unit of a case, by the number of the case, as after its attachment.
    ///
    /// # Errors
    /// The bench has no such case, or the changer does not report its elements.
    pub fn new(bench: &Bench, number: usize) -> Result<Self, String> {
        let (target, lun) = bench.lun(number)?;
        let mut units = LocalUnit::login(&target).into_iter();
        let (_, unit) = units.find(|(found, _)| *found == lun).ok_or("the case has no unit")?;
        let mut device = BenchDevice { clock: bench.site().clock().clone(), unit };
        let kind = bench.kind(number)?;
        let changer = match kind {
            UnitKind::Drive => None,
            UnitKind::Changer => {
                let attached = linux_scsi::scan::Identification::read(&mut device).map_err(|error| error.to_string());
                attached.and_then(|_| Changer::attach(&mut device).map_err(|error| error.to_string())).map(Some)?
            }
        };
        let address = Address { lun: u32::try_from(lun).map_err(|error| error.to_string())?, ..Address::default() };
        let device_type = if kind == UnitKind::Changer { 8 } else { 1 };
        let (open, files) = (HashMap::new(), HashMap::new());
        let (settings, openings) = ([Driver::Block, Driver::Other].map(Settings::new), Openings::default());
        let drive = Drive::new();
        Ok(Self { device, drive, changer, address, device_type, settings, openings, open, files, opened: 0 })
    }

    fn file(&mut self, file: char) -> Result<&mut Open, Errno> {
        self.files.get(&file).and_then(|group| self.open.get_mut(group)).ok_or(Errno::EBADF)
    }

    /// The settings of an open file for SG_IO.
    fn settings(&mut self, file: char) -> Result<&mut Settings, Errno> {
        let open = self.files.get(&file).and_then(|group| self.open.get_mut(group)).ok_or(Errno::EBADF)?;
        let [block, other] = &mut self.settings;
        let shared = if open.node.driver() == Driver::Block { block } else { other };
        Ok(open.settings.as_mut().unwrap_or(shared))
    }

    /// A request whose argument is in one place, with the bytes that the driver reads from it.
    fn request(&mut self, file: char, request: u32, argument: &[u8]) -> Result<Reply, Errno> {
        let group = self.files.get(&file).ok_or(Errno::EBADF)?;
        let open = self.open.get_mut(group).ok_or(Errno::EBADF)?;
        if let (Some(tape), Some(request)) = (&open.tape, TapeRequest::decode(request, argument)?) {
            let bytes = self.drive.ioctl(&mut self.device, tape, request)?.encode();
            return Ok(Reply { bytes, ..Reply::default() });
        }
        if let (NodeKind::Changer, Some(changer), Some(request)) =
            (open.node, &mut self.changer, ch::Request::decode(request, argument)?)
        {
            return Ok(Reply { bytes: changer.ioctl(&mut self.device, request)?, ..Reply::default() });
        }
        let driver = open.node.driver();
        if let Some(cdb) = sg::ioctl::command(driver, request) {
            return sg::ioctl::run(&mut self.device, cdb).map(|()| Reply::default());
        }
        if open.tape.is_some() {
            self.drive.check_position()?;
        }
        let (address, device_type) = (self.address, self.device_type);
        let reply = self.settings(file)?.ioctl(driver, request, argument, address, device_type)?;
        if reply.reset.is_some() {
            self.device.unit.reset(ResetScope::Unit);
            self.drive.notice_reset();
        }
        Ok(reply)
    }

    /// SG_IO.
    fn scsi(&mut self, file: char, memory: &mut Memory, argument: u64) -> Result<u32, Errno> {
        let driver = self.file(file)?.node.driver();
        let bytes = memory.at_address(argument, driver.header_len())?.to_vec();
        let mut header = sg::Header::decode(driver, &bytes)?;
        let named = header.memory(driver)?;
        let timeout = header.timeout(self.settings(file)?.timeout(driver));
        let cdb = gather(memory, named.cdb)?;
        let mut data = pieces(memory, named.data())?;
        if named.data().vectors > 0 && named.data().len > 0 {
            header.limit_data(data.iter().map(|(_, len)| *len as u64).sum())?;
        }
        let len = data.iter().map(|(_, len)| len).sum();
        let mut buffer = vec![0; len];
        if named.is_discarded {
            data.clear();
        }
        let completion = if named.data_out.len > 0 {
            copy(memory, &data, &mut buffer, |piece, memory| piece.copy_from_slice(memory))?;
            self.device.transfer(&cdb, &buffer, &mut [], timeout)
        } else {
            let completion = self.device.transfer(&cdb, &[], &mut buffer, timeout);
            buffer.truncate(completion.as_ref().map_or(0, |completion| completion.data_in));
            copy(memory, &data, &mut buffer, |piece, memory| memory.copy_from_slice(piece))?;
            completion
        };
        let results = header.results();
        let reply = header.complete(
            driver,
            &Ended { completion: completion.as_ref().map_err(|error| *error), duration: Duration::ZERO },
        );
        let (header, sense) = reply.split_at(bytes.len());
        if !sense.is_empty() {
            memory.at_address(named.sense.address, sense.len())?.copy_from_slice(sense);
        }
        let stored = header.get(results.clone()).unwrap_or_default();
        let at = u64::try_from(results.start).map_err(|_| Errno::EFAULT)?;
        memory.at_address(argument + at, stored.len())?.copy_from_slice(stored);
        Ok(0)
    }
}

impl NodeKind {
    /// The error of read(2) and write(2) on a node that is not a tape.
    const fn no_transfer(self) -> Errno {
        if matches!(self, Self::Generic) { Errno::ENOSYS } else { Errno::EINVAL }
    }

    const fn driver(self) -> Driver {
        match self {
            Self::Generic => Driver::Generic,
            Self::Block => Driver::Block,
            Self::Tape { .. } | Self::Changer => Driver::Other,
        }
    }
}

/// The addresses and lengths of the pieces of a block of memory.
fn pieces(memory: &mut Memory, block: sg::Block) -> Result<Vec<(u64, usize)>, Errno> {
    let len = usize::try_from(block.len).map_err(|_| Errno::ENOMEM)?;
    if block.vectors == 0 {
        return Ok(vec![(block.address, len)]);
    }
    let count = usize::try_from(block.vectors).map_err(|_| Errno::EINVAL)?;
    let vectors = memory.at_address(block.address, count * 16)?;
    let (words, _) = vectors.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    let mut rest = len;
    let mut piece = |[address, len]: &[[u8; 8]; 2]| {
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX).min(rest);
        rest -= len;
        (u64::from_le_bytes(*address), len)
    };
    Ok(pairs.iter().map(&mut piece).collect())
}

fn gather(memory: &mut Memory, block: sg::Block) -> Result<Vec<u8>, Errno> {
    let len = usize::try_from(block.len).map_err(|_| Errno::ENOMEM)?;
    if len == 0 { Ok(Vec::new()) } else { memory.at_address(block.address, len).map(|bytes| bytes.to_vec()) }
}

/// Copies between a buffer and the pieces of memory, as far as the buffer is.
fn copy(
    memory: &mut Memory,
    pieces: &[(u64, usize)],
    mut buffer: &mut [u8],
    copy: impl Fn(&mut [u8], &mut [u8]),
) -> Result<(), Errno> {
    for (address, len) in pieces {
        let len = buffer.len().min(*len);
        let (piece, rest) = std::mem::take(&mut buffer).split_at_mut(len);
        if !piece.is_empty() {
            copy(piece, memory.at_address(*address, piece.len())?);
        }
        buffer = rest;
    }
    Ok(())
}

impl Calls for Native {
    fn address(&self) -> Address {
        self.address
    }

    fn open(&mut self, file: char, opening: Opening) -> Result<(), Errno> {
        let Opening { node, access, nonblocking, exclusive } = opening;
        if node == NodeKind::Generic {
            self.openings.open(access, exclusive)?;
        }
        let tape = match node {
            NodeKind::Tape { mode, rewinds } => {
                let opening = st::Opening { access, nonblocking, mode, rewinds, privileged: true };
                Some(self.drive.open(&mut self.device, opening)?)
            }
            _ => None,
        };
        let settings = (node == NodeKind::Generic).then(|| Settings::new(Driver::Generic));
        self.opened += 1;
        self.open.insert(self.opened, Open { node, tape, settings });
        self.files.insert(file, self.opened);
        Ok(())
    }

    fn close(&mut self, file: char) -> Result<(), Errno> {
        let group = self.files.remove(&file).ok_or(Errno::EBADF)?;
        if self.files.values().any(|other| *other == group) {
            return Ok(());
        }
        let open = self.open.remove(&group).ok_or(Errno::EBADF)?;
        if open.node == NodeKind::Generic {
            self.openings.close();
        }
        open.tape.map_or(Ok(()), |tape| self.drive.close(&mut self.device, tape))
    }

    fn duplicate(&mut self, file: char, duplicate: char) -> Result<(), Errno> {
        let group = *self.files.get(&file).ok_or(Errno::EBADF)?;
        self.files.insert(duplicate, group);
        Ok(())
    }

    fn read(&mut self, file: char, buffer: &mut [u8]) -> Result<usize, Errno> {
        let open = self.files.get(&file).and_then(|group| self.open.get(group)).ok_or(Errno::EBADF)?;
        let tape = open.tape.as_ref().ok_or(open.node.no_transfer())?;
        self.drive.read(&mut self.device, tape, buffer)
    }

    fn write(&mut self, file: char, data: &[u8]) -> Result<usize, Errno> {
        let open = self.files.get(&file).and_then(|group| self.open.get(group)).ok_or(Errno::EBADF)?;
        let tape = open.tape.as_ref().ok_or(open.node.no_transfer())?;
        self.drive.write(&mut self.device, tape, data)
    }

    fn ioctl(&mut self, file: char, request: u32, memory: &mut Memory, argument: u64) -> Result<u32, Errno> {
        let (read, written) = match Argument::of(request) {
            Argument::Scsi => return self.scsi(file, memory, argument),
            Argument::Value => (0, 0),
            Argument::Memory { read, written } => (usize::from(read), usize::from(written)),
            Argument::HostName => {
                let len = if argument == 0 { None } else { memory.at_address(argument, 4)?.first_chunk().copied() };
                (0, usize::try_from(u32::from_le_bytes(len.unwrap_or_default())).unwrap_or(usize::MAX))
            }
            Argument::ElementStatus => {
                let structure = memory.at_address(argument, 16)?.to_vec();
                let pointer = structure.last_chunk().copied().unwrap_or_default();
                let elements = self.request(file, request, &structure)?.bytes;
                memory.at_address(u64::from_le_bytes(pointer), elements.len())?.copy_from_slice(&elements);
                return Ok(0);
            }
        };
        let given = if read == 0 { Vec::new() } else { memory.at_address(argument, read)?.to_vec() };
        let Reply { value, bytes, .. } = self.request(file, request, &given)?;
        let stored = bytes.get(..written).unwrap_or(&bytes);
        if !stored.is_empty() {
            memory.at_address(argument, stored.len())?.copy_from_slice(stored);
        }
        Ok(value)
    }
}
