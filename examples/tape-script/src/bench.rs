//! A site in memory with a unit for each case, which no program used before.

use crate::run::{digest, hex};
use crate::script::{Action, Case, UnitKind};
use scsi_core::data::Data;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::Request;
use scsi_core::time::Now;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{IoSlice, IoSliceMut};
use std::sync::{Arc, OnceLock};
use vtl::clock::{Clock, VirtualClock};
use vtl::control::ErrorCode;
use vtl::data_dir::DataDir;
use vtl::frontend::{Frontend, SiteOptions};
use vtl::target::{Target, encode_lun};
use vtl::{Barcode, ElementAddress, Library, LibraryError, OpenSite, Site, Unit};

/// How often a motion is repeated while the changer is busy.
const ATTEMPTS: usize = 100_000;

/// Kinds of cartridges: name in scripts, pattern of barcodes, and native capacity.
const KINDS: [(&str, &str, &str); 6] = [
    ("large", "L#####L8", "4GB"),
    ("small", "S#####L8", "2MB"),
    ("protected", "P#####L8", "4GB"),
    ("worm", "W#####LY", "4GB"),
    ("older", "O#####L7", "4GB"),
    ("cleaning", "CLN###L1", "1GB"),
];
/// Name of the library with the drives of the cases.
const DRIVES: &str = "drives";

/// A site in memory: a library with a drive for each case of a drive, and a small library for each case of a changer.
pub struct Bench {
    site: OpenSite,
    units: Vec<CaseUnit>,
    used: HashSet<Barcode>,
}

/// The unit of a case.
struct CaseUnit {
    library: Arc<Library>,
    target: Arc<Target>,
    unit: Arc<Unit>,
    lun: usize,
    kind: UnitKind,
    /// Number of the drive in its library.
    drive: usize,
    /// A second initiator, which causes unit attentions for the first.
    other: NexusId,
}

/// The configuration of the libraries of the cases.
fn configuration(cases: &[Case]) -> String {
    let drives = cases.iter().filter(|case| case.unit == UnitKind::Drive).count();
    let mut text = String::new();
    let table = |name: &str, slots: usize, drives: usize| {
        format!(
            "[[library]]\nname = {name:?}\nmodel = \"Ferric\"\nslots = {slots}\nimport_export = 2\n\
             [[library.drive]]\nmodel = \"ULT3580-TD8\"\ncount = {drives}\n"
        )
    };
    let cartridges = |pattern: &str, count: usize, size: &str| {
        format!("[[library.cartridges]]\npattern = {pattern:?}\ncount = {count}\nsize = {size:?}\n")
    };
    if drives > 0 {
        let copies = (drives * 2).max(8);
        text.push_str(&table(DRIVES, copies * KINDS.len() + 1, drives));
        KINDS.iter().for_each(|(_, pattern, size)| text.push_str(&cartridges(pattern, copies, size)));
    }
    for case in cases.iter().filter(|case| case.unit == UnitKind::Changer) {
        // The barcodes are those of the case, and no other case has them.
        let [.., a, b] = digest(case.name.as_bytes()).to_be_bytes();
        text.push_str(&table(&case.name, 4, 2));
        let _ = write!(text, "{}", cartridges(&format!("X{a:02X}{b:02X}#L8"), 3, "4GB"));
    }
    text
}

/// A clock on which nothing takes time: a thread advances it to each time for which a site waits.
fn fast_clock() -> Clock {
    static CLOCK: OnceLock<VirtualClock> = OnceLock::new();
    let start = || {
        let clock = VirtualClock::default();
        let time = clock.clone();
        std::thread::spawn(move || {
            loop {
                time.advance_to_deadline();
            }
        });
        clock
    };
    CLOCK.get_or_init(start).clock()
}

impl Bench {
    /// The units of these cases, and cartridges for each.
    ///
    /// # Errors
    /// The text of the error of the site.
    pub fn new(cases: &[Case]) -> Result<Self, String> {
        Self::open(cases, Clock::real())
    }

    /// The same units, with a clock on which nothing takes time, for the drivers in this process.
    ///
    /// # Errors
    /// The text of the error of the site.
    pub fn simulated(cases: &[Case]) -> Result<Self, String> {
        Self::open(cases, fast_clock())
    }

    fn open(cases: &[Case], clock: Clock) -> Result<Self, String> {
        let config = vtl::config::parse("bench", &configuration(cases)).map_err(|error| error.to_string())?;
        let options = SiteOptions::default().with_frontend(Frontend::ISCSI).with_clock(clock);
        let site = Site::open_with(DataDir::in_memory(), &config, options).map_err(|error| error.to_string())?;
        for (barcode, _) in site.libraries().iter().flat_map(|library| library.locations()) {
            if barcode.as_str().starts_with('P') {
                site.set_write_protect(&barcode, true).map_err(|error| error.to_string())?;
            }
        }
        let mut bench = Self { site, units: Vec::new(), used: HashSet::new() };
        let mut drives = 0..;
        for case in cases {
            let unit = match case.unit {
                UnitKind::Drive => bench.case_unit(DRIVES, drives.next())?,
                UnitKind::Changer => bench.case_unit(&case.name, None)?,
            };
            bench.units.push(unit);
        }
        Ok(bench)
    }

    /// A drive of a library, or the changer.
    fn case_unit(&self, library: &str, drive: Option<usize>) -> Result<CaseUnit, String> {
        let library = self.site.library(library).ok_or("no such library")?;
        let has_library = |target: &Arc<Target>| library.drives().iter().all(|unit| target.lun_of(unit).is_some());
        let target = self.site.targets().into_iter().find(has_library).ok_or("the library has no target")?;
        let other = target.login(&TransportId::local(9));
        let (unit, lun) = match drive {
            Some(number) => {
                let unit = library.drives().into_iter().nth(number).ok_or("no such drive")?;
                let lun = target.lun_of(&unit).ok_or("the drive has no LUN")?;
                (unit, lun)
            }
            None => {
                let unit = target.unit(encode_lun(library.lun())).ok_or("the changer has no unit")?;
                (unit, library.lun())
            }
        };
        let kind = if drive.is_some() { UnitKind::Drive } else { UnitKind::Changer };
        Ok(CaseUnit { library, target, unit, lun, kind, drive: drive.unwrap_or(0), other })
    }

    /// The site, to serve it on a portal.
    #[must_use]
    pub const fn site(&self) -> &OpenSite {
        &self.site
    }

    /// The target of a case, by its number, and the LUN behind it.
    ///
    /// # Errors
    /// There is no such case.
    pub fn lun(&self, number: usize) -> Result<(Arc<Target>, usize), String> {
        self.case(number).map(|case| (Arc::clone(&case.target), case.lun))
    }

    /// The kind of the unit of a case, by its number.
    ///
    /// # Errors
    /// There is no such case.
    pub fn kind(&self, number: usize) -> Result<UnitKind, String> {
        self.case(number).map(|case| case.kind)
    }

    fn case(&self, number: usize) -> Result<&CaseUnit, String> {
        self.units.get(number).ok_or_else(|| format!("no case {number}"))
    }

    /// Runs a step that is not a system call, for the case with this number.
    ///
    /// # Errors
    /// The text of the error, for the result of the step.
    pub fn run(&mut self, number: usize, action: &Action) -> Result<String, String> {
        match action {
            Action::Load(kind) => self.load(number, kind),
            Action::Unload => self.unload(number),
            Action::Fault(rule) => {
                let is_accepted = self.case(number)?.unit.inject((**rule).clone());
                if is_accepted { Ok("ok".into()) } else { Err("too many rules".into()) }
            }
            Action::Other(cdb, data) => self.other_command(number, cdb, data),
            _ => Err("a system call".into()),
        }
    }

    fn drive_element(&self, number: usize) -> Result<ElementAddress, String> {
        let CaseUnit { library, drive, .. } = self.case(number)?;
        library.layout().drives.addresses().nth(*drive).ok_or_else(|| format!("no drive {drive}"))
    }

    fn load(&mut self, number: usize, kind: &str) -> Result<String, String> {
        let (_, pattern, _) = KINDS.iter().find(|(name, _, _)| *name == kind).ok_or("unknown kind of cartridge")?;
        let prefix = pattern.split('#').next().unwrap_or_default();
        let library = Arc::clone(&self.case(number)?.library);
        let mut fresh: Vec<_> = library.locations();
        fresh.retain(|(barcode, _)| barcode.as_str().starts_with(prefix) && !self.used.contains(barcode));
        fresh.sort_by(|(one, _), (two, _)| one.as_str().cmp(two.as_str()));
        let (barcode, location) = fresh.into_iter().next().ok_or("no cartridge left")?;
        let vtl::inventory::Location::Element { address, .. } = location else { return Err("not in a slot".into()) };
        self.used.insert(barcode);
        Ok(move_medium(&library, ElementAddress(address), self.drive_element(number)?))
    }

    fn unload(&self, number: usize) -> Result<String, String> {
        let (library, element) = (Arc::clone(&self.case(number)?.library), self.drive_element(number)?);
        let occupied: HashSet<u16> = library
            .locations()
            .into_iter()
            .filter_map(|(_, location)| match location {
                vtl::inventory::Location::Element { address, .. } => Some(address),
                vtl::inventory::Location::Shelf(_) => None,
            })
            .collect();
        let empty = library.layout().storage.addresses().find(|address| !occupied.contains(&address.0));
        Ok(move_medium(&library, element, empty.ok_or("no empty slot")?))
    }

    fn other_command(&self, number: usize, cdb: &[u8], data: &[u8]) -> Result<String, String> {
        let CaseUnit { target, lun, other, .. } = self.case(number)?;
        let lun = encode_lun(*lun);
        let mut memory = [0; 256];
        let mut data_in = [IoSliceMut::new(&mut memory)];
        let mut send = |cdb: &[u8]| {
            let request = Request { lun, ..Request::new(*other, cdb, Now::default()) };
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

/// The result of a motion, without the name of the drive: cases run on different ones. The fast clock ends the wait for a
/// changer that is busy at once, so the motion is repeated.
fn move_medium(library: &Library, source: ElementAddress, destination: ElementAddress) -> String {
    for _ in 0..ATTEMPTS {
        match library.move_medium(source, destination) {
            Ok(()) => return "ok".into(),
            Err(LibraryError::Request(error)) if error.code == ErrorCode::Busy => std::thread::yield_now(),
            Err(_) => return "refused".into(),
        }
    }
    "busy".into()
}
