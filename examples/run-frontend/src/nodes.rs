//! The units behind the frontend and their device nodes, numbered as Linux numbers them: in the order in which it finds them.

use crate::unit::{Caller, TargetUnits, Unit, UnitKind};
use linux_scsi::node::Node;
use linux_scsi::scan::{CHANGER, Identification, TAPE};
use linux_scsi::sg::Driver;
use linux_scsi::sg::ioctl::{Address, Settings};
use linux_scsi::st::{Access, Drive, ModeNumber, Opening};
use std::sync::{Arc, Mutex};

/// The units that programs reach, each with its device nodes.
pub struct Nodes {
    pub(crate) units: Vec<Arc<Unit>>,
}

/// Numbers of the nodes of tape drives, where they are chosen.
#[derive(Clone, Debug, Default)]
pub struct DriveNumbers(pub Vec<u16>);

impl Nodes {
    /// Finds the units of targets: of each target, LUNs and units.
    #[must_use]
    pub fn scan(targets: Vec<TargetUnits>, drives: &DriveNumbers) -> Self {
        let mut units = Vec::new();
        let mut next_drive = drives.0.iter().copied().chain((0..).filter(|number| !drives.0.contains(number)));
        let mut changers = 0..;
        for (target, luns) in (0..).zip(targets) {
            for (lun, backend) in luns {
                let address = Address { host: 0, channel: 0, target, lun: u32::try_from(lun).unwrap_or(u32::MAX) };
                let mut caller = Caller { backend: &*backend, socket: None };
                let Ok(found) = Identification::read(&mut caller) else { continue };
                let kind = match found.device_type() {
                    TAPE => {
                        UnitKind::Tape(next_drive.next().unwrap_or(u16::MAX), Box::new(Mutex::new(attach(&mut caller))))
                    }
                    CHANGER => UnitKind::Changer(changers.next().unwrap_or(u16::MAX), Mutex::default()),
                    _ => UnitKind::Other,
                };
                let generic = u16::try_from(units.len()).unwrap_or(u16::MAX);
                let settings = [Driver::Block, Driver::Other].map(|driver| Arc::new(Mutex::new(Settings::new(driver))));
                let openings = Mutex::default();
                units.push(Arc::new(Unit { backend, address, found, generic, kind, settings, openings }));
            }
        }
        Self { units }
    }

    /// The unit of a node.
    pub(crate) fn unit(&self, node: Node) -> Option<&Arc<Unit>> {
        self.units.iter().find(|unit| unit.has(node))
    }

    /// A line for each unit: its nodes, and what it is.
    #[must_use]
    pub fn listing(&self) -> Vec<NodeLine> {
        self.units.iter().map(|unit| unit.line()).collect()
    }
}

/// The tape driver of a drive, after its state was asked for once, as `mt status` does: the unit attentions from before
/// are taken, and the position of a loaded tape is known.
fn attach(caller: &mut Caller<'_>) -> Drive {
    let mut drive = Drive::new();
    let opening = Opening {
        access: Access::Read,
        nonblocking: true,
        mode: ModeNumber::default(),
        rewinds: false,
        privileged: false,
    };
    if let Ok(tape) = drive.open(caller, opening) {
        let _ = drive.close(caller, tape);
    }
    drive
}

/// The nodes of a unit, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    /// The node of the driver of the unit: `/dev/nst0` or `/dev/sch0`. `None` if it has only a generic node.
    pub node: Option<String>,
    /// The generic node, such as `/dev/sg0`.
    pub generic: String,
    /// Whether the unit is a medium changer.
    pub is_changer: bool,
    /// Vendor and product, from INQUIRY data.
    pub model: String,
    /// Unit serial number; empty if the unit has none.
    pub serial: String,
}

impl Unit {
    fn has(&self, node: Node) -> bool {
        match (node, &self.kind) {
            (Node::Generic(number) | Node::Block(number), _) => number == self.generic,
            (Node::Tape { drive, .. }, UnitKind::Tape(number, _)) => drive == *number,
            (Node::Changer(changer), UnitKind::Changer(number, _)) => changer == *number,
            _ => false,
        }
    }

    /// The nodes of the unit's own driver.
    pub(crate) fn driver_nodes(&self) -> Vec<Node> {
        match self.kind {
            UnitKind::Tape(number, _) => Node::of_drive(number).collect(),
            UnitKind::Changer(number, _) => vec![Node::Changer(number)],
            UnitKind::Other => Vec::new(),
        }
    }

    fn line(&self) -> NodeLine {
        // The second node of a drive is the one that does not rewind.
        let nodes = self.driver_nodes();
        NodeLine {
            node: nodes.get(1).or(nodes.first()).map(|node| format!("/dev/{}", node.name())),
            generic: format!("/dev/{}", Node::Generic(self.generic).name()),
            is_changer: matches!(self.kind, UnitKind::Changer(..)),
            model: format!("{} {}", self.found.vendor().trim_end(), self.found.product().trim_end()),
            serial: self.found.serial(),
        }
    }
}
