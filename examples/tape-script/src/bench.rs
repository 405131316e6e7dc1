//! A library in memory, with many drives and cartridges that no program used before.

use crate::run::hex;
use crate::script::{Action, FaultStep};
use scsi_core::cdb::Opcode;
use scsi_core::data::Data;
use scsi_core::injected_fault::{CommandMatcher, FaultOutcome, FaultRule};
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::Request;
use scsi_core::time::Now;
use scsi_core::{Asc, Sense, SenseKey};
use std::collections::HashSet;
use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use vtl::frontend::Frontend;
use vtl::target::{Target, encode_lun};
use vtl::{Barcode, ElementAddress, Library, OpenSite, Unit};

/// Kinds of cartridges: name in scripts, pattern of barcodes, and native capacity.
const KINDS: [(&str, &str, &str); 6] = [
    ("large", "L#####L8", "4GB"),
    ("small", "S#####L8", "2MB"),
    ("protected", "P#####L8", "4GB"),
    ("worm", "W#####LY", "4GB"),
    ("older", "O#####L7", "4GB"),
    ("cleaning", "CLN###L1", "1GB"),
];

/// A library in memory with many drives. The changes of a case stay in its drive.
pub struct Bench {
    site: OpenSite,
    /// A second initiator, which causes unit attentions for the first.
    other: NexusId,
    used: HashSet<Barcode>,
}

impl Bench {
    /// A library with drives, and cartridges of each kind for each drive.
    ///
    /// # Errors
    /// The text of the error of the library.
    pub fn new(drives: u16) -> Result<Self, String> {
        let copies = drives.saturating_mul(2).max(8);
        let builder = Library::builder().model("Ferric").slots(copies * 6 + 1).drives("ULT3580-TD8", drives);
        let builder =
            KINDS.iter().fold(builder, |builder, (_, pattern, size)| builder.cartridges(pattern, copies, size));
        let site = builder.frontend(Frontend::ISCSI).open().map_err(|error| error.to_string())?;
        let target = site.targets().into_iter().next().ok_or("the library has no target")?;
        let other = target.login(&TransportId::local(9));
        let bench = Self { site, other, used: HashSet::new() };
        for (barcode, _) in bench.library()?.locations() {
            if barcode.as_str().starts_with('P') {
                bench.site.set_write_protect(&barcode, true).map_err(|error| error.to_string())?;
            }
        }
        Ok(bench)
    }

    /// The site, to serve it on a portal.
    #[must_use]
    pub const fn site(&self) -> &OpenSite {
        &self.site
    }

    fn library(&self) -> Result<Arc<Library>, String> {
        self.site.libraries().into_iter().next().ok_or_else(|| "the site has no library".into())
    }

    /// The target of the library, and the LUN of a drive behind it.
    ///
    /// # Errors
    /// The library has no such drive.
    pub fn lun(&self, number: usize) -> Result<(Arc<Target>, usize), String> {
        let target = self.site.targets().into_iter().next().ok_or("the library has no target")?;
        let lun = target.lun_of(&self.drive(number)?).ok_or("the drive has no LUN")?;
        Ok((target, lun))
    }

    fn drive(&self, number: usize) -> Result<Arc<Unit>, String> {
        self.library()?.drives().into_iter().nth(number).ok_or_else(|| format!("no drive {number}"))
    }

    fn drive_element(&self, number: usize) -> Result<ElementAddress, String> {
        let mut addresses = self.library()?.layout().drives.addresses();
        addresses.nth(number).ok_or_else(|| format!("no drive {number}"))
    }

    /// Runs a step that is not a system call.
    ///
    /// # Errors
    /// The text of the error, for the result of the step.
    pub fn run(&mut self, drive: usize, action: &Action) -> Result<String, String> {
        match action {
            Action::Load(kind) => self.load(drive, kind),
            Action::Unload => self.unload(drive),
            Action::Fault(fault) => self.inject(drive, fault),
            Action::Other(cdb, data) => self.other_command(drive, cdb, data),
            _ => Err("a system call".into()),
        }
    }

    fn load(&mut self, drive: usize, kind: &str) -> Result<String, String> {
        let (_, pattern, _) = KINDS.iter().find(|(name, _, _)| *name == kind).ok_or("unknown kind of cartridge")?;
        let prefix = pattern.split('#').next().unwrap_or_default();
        let library = self.library()?;
        let mut fresh: Vec<_> = library.locations();
        fresh.retain(|(barcode, _)| barcode.as_str().starts_with(prefix) && !self.used.contains(barcode));
        fresh.sort_by(|(one, _), (two, _)| one.as_str().cmp(two.as_str()));
        let (barcode, location) = fresh.into_iter().next().ok_or("no cartridge left")?;
        let vtl::inventory::Location::Element { address, .. } = location else { return Err("not in a slot".into()) };
        self.used.insert(barcode);
        let moved = library.move_medium(ElementAddress(address), self.drive_element(drive)?);
        Ok(outcome_of(moved))
    }

    fn unload(&self, drive: usize) -> Result<String, String> {
        let (library, element) = (self.library()?, self.drive_element(drive)?);
        let occupied: HashSet<u16> = library
            .locations()
            .into_iter()
            .filter_map(|(_, location)| match location {
                vtl::inventory::Location::Element { address, .. } => Some(address),
                vtl::inventory::Location::Shelf(_) => None,
            })
            .collect();
        let empty = library.layout().storage.addresses().find(|address| !occupied.contains(&address.0));
        let moved = library.move_medium(element, empty.ok_or("no empty slot")?);
        Ok(outcome_of(moved))
    }

    fn inject(&self, drive: usize, fault: &FaultStep) -> Result<String, String> {
        let [filemark, eom, ili] = fault.flags;
        let sense = Sense {
            filemark,
            eom,
            ili,
            information: fault.information,
            ..Sense::new(SenseKey(fault.key), Asc(u16::from_be_bytes(fault.asc)))
        };
        let matcher = CommandMatcher { opcode: Some(Opcode(fault.opcode)), ..CommandMatcher::default() };
        let outcome = FaultOutcome::Sense(sense);
        let rule = FaultRule { matcher, nth: fault.nth, count: fault.times, outcome };
        if self.drive(drive)?.inject(rule) { Ok("ok".into()) } else { Err("too many rules".into()) }
    }

    fn other_command(&self, drive: usize, cdb: &[u8], data: &[u8]) -> Result<String, String> {
        let (target, lun) = self.lun(drive)?;
        let lun = encode_lun(lun);
        let mut memory = [0; 256];
        let mut data_in = [IoSliceMut::new(&mut memory)];
        let mut send = |cdb: &[u8]| {
            let request = Request { lun, ..Request::new(self.other, cdb, Now::default()) };
            target.execute(&request, Data::new(&[IoSlice::new(data)], &mut data_in))
        };
        // Its own unit attentions are of no interest.
        for _ in 0..3 {
            send(&[0; 6]);
        }
        let completion = send(cdb);
        let sense = completion.sense.map(|bytes| hex(bytes.as_slice())).unwrap_or_default();
        let data = memory.get(..completion.data_in).map(hex).unwrap_or_default();
        Ok(format!("{:02x} {sense}{data}", completion.status.0).trim_end().into())
    }
}

/// The result of a motion, without the name of the drive: cases run on different ones.
fn outcome_of<E>(moved: Result<(), E>) -> String {
    if moved.is_ok() { "ok".into() } else { "refused".into() }
}
