//! Chassis, and the partitions into which libraries divide them.

use super::build_layout;
use smc::element::{ElementLayout, ElementType};
use smc::profile::{ChangerProfile, SerialNumberFormat};

/// Configuration of a chassis: the elements that its partitions share out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChassisSetup {
    /// Name of the chassis, unique in the site.
    pub name: String,
    /// Model of the chassis, and of the changers of its partitions.
    pub model: &'static ChangerProfile,
    /// Configured serial number of the chassis; generated once per data directory if `None`.
    pub serial: Option<String>,
    /// Number of slots, slots of the I/O station and drives.
    pub counts: [u16; 3],
    /// True if all partitions use the whole I/O station.
    pub shared_station: bool,
}

impl PartialEq for ChassisSetup {
    fn eq(&self, other: &Self) -> bool {
        let key = |setup: &Self| {
            (setup.name.clone(), setup.model.name, setup.serial.clone(), setup.counts, setup.shared_station)
        };
        key(self) == key(other)
    }
}

impl ChassisSetup {
    /// The elements of the whole chassis, at the addresses of its model. An error names the elements of which it has too many.
    pub(crate) fn layout(&self) -> Result<ElementLayout, (ElementType, String)> {
        build_layout(self.model, None, self.counts)
    }

    /// Number of slots of the I/O station.
    pub(crate) const fn station(&self) -> u16 {
        let [_, slots, _] = self.counts;
        slots
    }

    /// Whether the model makes the serial numbers of its partitions from that of the chassis. Otherwise each partition has a
    /// separate one.
    pub(crate) fn derives_serials(&self) -> bool {
        self.model.serial != SerialNumberFormat::AsIs
    }
}

/// The place of a library in a chassis.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PartitionSetup {
    /// The chassis that the library is a part of.
    pub chassis: ChassisSetup,
    /// Number of the partition, from 1, unique in the chassis.
    pub number: u16,
    /// Numbers of its first slot, slot of the I/O station and drive in the chassis, from 0.
    pub first: [u16; 3],
}
