//! The files that programs see instead of those of `/dev`, `/sys` and `/proc`: what Linux shows about SCSI devices.

use crate::nodes::Nodes;
use crate::unit::{Unit, UnitKind};
use linux_scsi::call::NODE_MODE;
use linux_scsi::node::Node;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The device of the host adapter in sysfs.
const ADAPTER: &str = "sys/devices/platform/ferric";
/// Limits of commands that sysfs shows for every device.
const TIMEOUT_SECONDS: u32 = 900;
const QUEUE_DEPTH: u32 = 32;

/// Writes files below a directory.
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Creates the directory and all files in it.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn create(root: &Path, nodes: &Nodes) -> io::Result<()> {
        let tree = Self { root: root.to_owned() };
        for directory in ["dev", "proc/scsi/sg", "sys/bus/scsi/devices"] {
            fs::create_dir_all(root.join(directory))?;
        }
        for class in ["scsi_host", "scsi_device", "scsi_generic", "scsi_tape", "scsi_changer", "bsg"] {
            fs::create_dir_all(root.join("sys/class").join(class))?;
        }
        tree.adapter(nodes)?;
        for unit in &nodes.units {
            tree.unit(unit)?;
        }
        tree.proc_files(nodes)
    }

    fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.root.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, content)
    }

    /// Creates a symbolic link from one file of the tree to another, with a relative path.
    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let path = self.root.join(from);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let shared = from.split('/').zip(to.split('/')).take_while(|(a, b)| a == b).count();
        let up = "../".repeat(from.split('/').count() - shared - 1);
        let down = to.split('/').skip(shared).collect::<Vec<_>>().join("/");
        symlink(format!("{up}{down}"), path)
    }

    /// A file that stands for a device node: its size is the device number, its mode marks it.
    fn node(&self, path: &str, node: Node) -> io::Result<()> {
        let path = self.root.join(path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let file = File::create(path)?;
        file.set_len(node.number().into())?;
        file.set_permissions(Permissions::from_mode(NODE_MODE))
    }

    fn adapter(&self, nodes: &Nodes) -> io::Result<()> {
        let host = format!("{ADAPTER}/host0");
        let attributes = format!("{host}/scsi_host/host0");
        for (name, value) in
            [("proc_name", "ferric"), ("state", "running"), ("unique_id", "0"), ("active_mode", "Initiator")]
        {
            self.write(format!("{attributes}/{name}"), format!("{value}\n"))?;
        }
        self.link(&format!("{attributes}/device"), &host)?;
        self.link("sys/class/scsi_host/host0", &attributes)?;
        self.link("sys/bus/scsi/devices/host0", &host)?;
        for target in nodes.units.iter().map(|unit| target_of(unit)).collect::<std::collections::BTreeSet<_>>() {
            fs::create_dir_all(self.root.join(format!("{host}/{target}")))?;
            self.link(&format!("sys/bus/scsi/devices/{target}"), &format!("{host}/{target}"))?;
        }
        Ok(())
    }

    fn unit(&self, unit: &Unit) -> io::Result<()> {
        let address = unit.address.to_string();
        let device = format!("{ADAPTER}/host0/{}/{address}", target_of(unit));
        self.attributes(unit, &device)?;
        self.link(&format!("sys/bus/scsi/devices/{address}"), &device)?;
        let scsi_device = format!("{device}/scsi_device/{address}");
        fs::create_dir_all(self.root.join(&scsi_device))?;
        self.link(&format!("{scsi_device}/device"), &device)?;
        self.link(&format!("sys/class/scsi_device/{address}"), &scsi_device)?;
        let block = Node::Block(unit.generic);
        self.node(&format!("dev/bsg/{address}"), block)?;
        self.class_device("bsg", &device, &address, block)?;
        let generic = Node::Generic(unit.generic);
        self.node(&format!("dev/{}", generic.name()), generic)?;
        self.class_device("scsi_generic", &device, &generic.name(), generic)?;
        self.link(&format!("{device}/generic"), &format!("{device}/scsi_generic/{}", generic.name()))?;
        let (class, link) = match unit.kind {
            UnitKind::Tape(..) => ("scsi_tape", "tape"),
            UnitKind::Changer(..) => ("scsi_changer", "changer"),
            UnitKind::Other => return Ok(()),
        };
        for node in unit.driver_nodes() {
            self.node(&format!("dev/{}", node.name()), node)?;
            self.class_device(class, &device, &node.name(), node)?;
        }
        if let Some(first) = unit.driver_nodes().first() {
            self.link(&format!("{device}/{link}"), &format!("{device}/{class}/{}", first.name()))?;
        }
        self.names(unit)
    }

    fn attributes(&self, unit: &Unit, device: &str) -> io::Result<()> {
        let found = &unit.found;
        for (name, value) in [
            ("type", found.device_type().to_string()),
            ("vendor", found.vendor()),
            ("model", found.product()),
            ("rev", found.revision()),
            ("scsi_level", found.level().to_string()),
            ("state", "running".into()),
            ("timeout", TIMEOUT_SECONDS.to_string()),
            ("queue_depth", QUEUE_DEPTH.to_string()),
            ("device_blocked", "0".into()),
            ("queue_type", "none".into()),
        ] {
            self.write(format!("{device}/{name}"), format!("{value}\n"))?;
        }
        self.write(format!("{device}/inquiry"), &found.inquiry)?;
        for (name, page) in [("vpd_pg80", &found.serial_page), ("vpd_pg83", &found.device_id_page)] {
            if !page.is_empty() {
                self.write(format!("{device}/{name}"), page)?;
            }
        }
        match found.naa() {
            Some(naa) => self.write(format!("{device}/wwid"), format!("naa.{naa}\n")),
            None => Ok(()),
        }
    }

    /// A device of a class, such as `scsi_tape/nst0`.
    fn class_device(&self, class: &str, device: &str, name: &str, node: Node) -> io::Result<()> {
        let path = format!("{device}/{class}/{name}");
        let (major, minor) = node.major_minor();
        self.write(format!("{path}/dev"), format!("{major}:{minor}\n"))?;
        self.write(format!("{path}/uevent"), format!("MAJOR={major}\nMINOR={minor}\nDEVNAME={name}\n"))?;
        self.link(&format!("{path}/device"), device)?;
        self.link(&format!("{path}/subsystem"), &format!("sys/class/{class}"))?;
        self.link(&format!("sys/class/{class}/{name}"), &path)
    }

    /// The links of `/dev/tape`, with the names that udev gives them.
    fn names(&self, unit: &Unit) -> io::Result<()> {
        let by_path = format!("dev/tape/by-path/platform-ferric-scsi-{}", unit.address);
        let by_id = unit.found.naa().map(|naa| format!("dev/tape/by-id/scsi-3{naa}"));
        let names: Vec<String> = by_id.into_iter().chain([by_path]).collect();
        match unit.kind {
            UnitKind::Tape(number, _) => {
                let nodes: Vec<Node> = Node::of_drive(number).take(2).collect();
                for name in names {
                    for (suffix, node) in ["", "-nst"].into_iter().zip(&nodes) {
                        self.link(&format!("{name}{suffix}"), &format!("dev/{}", node.name()))?;
                    }
                }
            }
            UnitKind::Changer(..) => {
                for name in names {
                    self.link(&format!("{name}-changer"), &format!("dev/{}", Node::Generic(unit.generic).name()))?;
                }
            }
            UnitKind::Other => {}
        }
        Ok(())
    }

    /// `/proc/scsi/scsi` and the files of sg.
    fn proc_files(&self, nodes: &Nodes) -> io::Result<()> {
        let mut scsi = String::from("Attached devices:\n");
        let mut devices = String::new();
        let mut strings = String::new();
        for unit in &nodes.units {
            let (found, address) = (&unit.found, unit.address);
            let kind = match unit.kind {
                UnitKind::Tape(..) => "Sequential-Access",
                UnitKind::Changer(..) => "Medium Changer   ",
                UnitKind::Other => "Unknown          ",
            };
            let level = found.level().saturating_sub(1);
            scsi += &format!(
                "Host: scsi{} Channel: {:02} Id: {:02} Lun: {:02}\n  Vendor: {} Model: {} Rev: {}\n  Type:   {kind}                ANSI  SCSI revision: {level:02}\n",
                address.host,
                address.channel,
                address.target,
                address.lun,
                found.vendor(),
                found.product(),
                found.revision(),
            );
            let kind = found.device_type();
            devices += &format!(
                "{}\t{}\t{}\t{}\t{kind}\t1\t{QUEUE_DEPTH}\t0\t1\n",
                address.host, address.channel, address.target, address.lun
            );
            strings += &format!("{}\t{}\t{}\n", found.vendor(), found.product(), found.revision());
        }
        self.write("proc/scsi/scsi", scsi)?;
        self.write("proc/scsi/sg/devices", devices)?;
        self.write("proc/scsi/sg/device_strs", strings)?;
        self.write("proc/scsi/sg/device_hdr", "host\tchan\tid\tlun\ttype\topens\tqdepth\tbusy\tonline\n")?;
        self.write("proc/scsi/sg/version", "30536\t3.5.36 [20140603]\n")
    }
}

fn target_of(unit: &Unit) -> String {
    format!("target{}:{}:{}", unit.address.host, unit.address.channel, unit.address.target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DriveNumbers, LocalUnit};
    use std::os::unix::fs::MetadataExt;
    use vtl::Library;

    /// The paths of the files of a tree, sorted, with the text of small files, the target of links, or the device of nodes.
    fn listing(root: &Path, directory: &Path, into: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let (path, data) = (entry.path(), entry.path().symlink_metadata().unwrap());
            let name = path.strip_prefix(root).unwrap().display();
            if data.is_dir() {
                listing(root, &path, into);
            } else if data.is_symlink() {
                assert!(path.exists(), "{name} leads nowhere");
                into.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
            } else if data.mode() & 0o7777 == 0o1660 {
                into.push(format!("{name} node {:x}", data.len()));
            } else {
                into.push(format!("{name} {}", String::from_utf8_lossy(&fs::read(&path).unwrap()).trim_end()));
            }
        }
    }

    #[test]
    fn files_of_a_drive_and_a_changer() {
        let site = Library::builder().drives("ULT3580-TD8", 1).open().unwrap();
        let targets = site.targets().iter().map(LocalUnit::login).collect();
        let nodes = Nodes::scan(targets, &DriveNumbers(vec![4]));
        let directory = tempfile::tempdir().unwrap();
        Tree::create(directory.path(), &nodes).unwrap();
        let mut files = Vec::new();
        listing(directory.path(), directory.path(), &mut files);
        let host = "../../devices/platform/ferric/host0";
        let drive = "sys/devices/platform/ferric/host0/target0:0:0/0:0:0:1";
        for expected in [
            "dev/nst4 node 984",
            "dev/st4 node 904",
            "dev/nst4a node 9e4",
            "dev/sg0 node 1500",
            "dev/sg1 node 1501",
            "dev/sch0 node 5600",
            "dev/tape/by-path/platform-ferric-scsi-0:0:0:1-nst -> ../../nst4",
            "dev/tape/by-path/platform-ferric-scsi-0:0:0:0-changer -> ../../sg0",
            &format!("sys/class/scsi_tape/nst4 -> {host}/target0:0:0/0:0:0:1/scsi_tape/nst4"),
            &format!("sys/class/scsi_generic/sg0 -> {host}/target0:0:0/0:0:0:0/scsi_generic/sg0"),
            &format!("{drive}/type 1"),
            &format!("{drive}/model ULT3580-TD8"),
            &format!("{drive}/scsi_tape/nst4/dev 9:132"),
            &format!("{drive}/tape -> scsi_tape/st4"),
            "proc/scsi/sg/version 30536\t3.5.36 [20140603]",
        ] {
            assert!(files.iter().any(|file| file == expected), "{expected} is not in:\n{}", files.join("\n"));
        }
        // Eight nodes of the drive, a generic node for each unit, one of the changer, and two of bsg.
        assert_eq!(files.iter().filter(|file| file.contains(" node ")).count(), 8 + 2 + 1 + 2);
        assert!(!files.iter().any(|file| file.starts_with("dev/null")));
    }
}
