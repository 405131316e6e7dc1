//! Chassis of a site: their partitions share the robot, the doors and the I/O station, and operators assign cartridges to them.

use super::Site;
use crate::config::{ChassisSetup, LibrarySetup};
use crate::control::{AssignedCartridge, ChassisStatus, ControlError, Door, DoorStatus, ErrorCode, PartitionStatus};
use crate::events::Cause;
use crate::inventory::Location;
use crate::library::{Library, LibraryError, stored_chassis_serial};
use crate::locks::{lock, read, write};
use smc::changer::{Changer, OperatorError};
use smc::chassis::{Chassis, Partition};
use smc::element::{ElementAddress, ElementType};
use smc::library::MoveError;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tape_store::cartridge::Barcode;

/// A chassis of the site.
pub(crate) struct SiteChassis {
    setup: ChassisSetup,
    serial: String,
    hardware: Arc<Chassis>,
    /// Held while an operator's request uses several partitions.
    operator_lock: Arc<Mutex<()>>,
}

impl SiteChassis {
    /// The status of the chassis, which has these of the libraries as its partitions.
    fn status(&self, libraries: &[Arc<Library>]) -> ChassisStatus {
        let [slots, import_export, drives] = self.setup.counts;
        let share = |library: &Arc<Library>| {
            let setup = library.setup();
            let partition = setup.partition.filter(|partition| partition.chassis.name == self.setup.name)?;
            let (layout, [slot, io_slot, drive]) = (setup.layout, partition.first);
            let numbers = |first: u16, count: u16| (count > 0).then(|| [first + 1, first + count]);
            Some(PartitionStatus {
                library: setup.name,
                number: partition.number,
                serial: library.identity().serial.clone(),
                slots: numbers(slot, layout.storage.count),
                import_export: numbers(io_slot, layout.import_export.count),
                drives: numbers(drive, layout.drives.count),
            })
        };
        ChassisStatus {
            name: self.setup.name.clone(),
            model: self.setup.model.name.into(),
            serial: self.serial.clone(),
            slots,
            import_export,
            drives,
            shared_station: self.setup.shared_station,
            partitions: libraries.iter().filter_map(share).collect(),
        }
    }
}

impl Site {
    /// Creates the chassis that are new in this site.
    pub(super) fn create_chassis(&self, setups: &[ChassisSetup]) -> Result<(), LibraryError> {
        for setup in setups {
            if read(&self.chassis).iter().any(|known| known.setup.name == setup.name) {
                continue;
            }
            let layout = setup.layout().map_err(|(_, message)| LibraryError::Inconsistent(message))?;
            let hardware = Arc::new(Chassis::new(layout, setup.shared_station));
            let serial = stored_chassis_serial(&self.shared, setup)?;
            let new = SiteChassis { setup: setup.clone(), serial, hardware, operator_lock: Arc::default() };
            write(&self.chassis).push(new);
        }
        Ok(())
    }

    /// Refuses changes of existing chassis.
    pub(super) fn check_chassis_unchanged(&self, setups: &[ChassisSetup]) -> Result<(), ControlError> {
        let all = read(&self.chassis);
        match all.iter().find(|chassis| !setups.contains(&chassis.setup)) {
            None => Ok(()),
            Some(SiteChassis { setup, .. }) => {
                let message = format!("chassis {:?}: a change requires a restart; nothing was changed", setup.name);
                Err(ControlError::conflict(message).with_restart_required("chassis"))
            }
        }
    }

    /// The place of a library in its chassis.
    pub(super) fn partition(&self, setup: &LibrarySetup) -> Option<Partition> {
        let partition = setup.partition.as_ref()?;
        let all = read(&self.chassis);
        let chassis = all.iter().find(|chassis| chassis.setup.name == partition.chassis.name)?;
        Some(Partition::new(Arc::clone(&chassis.hardware), partition.number, partition.first))
    }

    /// The status of the chassis, in the order of the configuration.
    pub(crate) fn chassis_status(&self) -> Vec<ChassisStatus> {
        let libraries = self.libraries();
        read(&self.chassis).iter().map(|chassis| chassis.status(&libraries)).collect()
    }

    /// The other partitions of the chassis of a library.
    fn other_partitions(&self, library: &Library) -> Vec<Arc<Library>> {
        let is_other = |other: &Arc<Library>| other.name() != library.name() && other.shares_chassis(library);
        self.libraries().into_iter().filter(is_other).collect()
    }

    /// The lock of the requests of operators that use several partitions of the chassis of a library.
    fn chassis_lock(&self, library: &Library) -> Option<Arc<Mutex<()>>> {
        let partition = library.partition.as_ref()?;
        let all = read(&self.chassis);
        let own = all.iter().find(|chassis| Arc::ptr_eq(&chassis.hardware, partition.chassis()))?;
        Some(Arc::clone(&own.operator_lock))
    }

    /// Opens or closes a door of a library. The partitions of a chassis have the same doors: a host of one that prevents removal
    /// locks it for all.
    pub(crate) fn set_door(&self, library: Option<&str>, door: Door, open: bool) -> Result<DoorStatus, ControlError> {
        let library = self.resolve_library(library)?;
        let others = self.other_partitions(&library);
        let own_lock = self.chassis_lock(&library);
        let _locked = own_lock.as_ref().map(|own| lock(own));
        for other in others.iter().filter(|_| open) {
            if other.changer(|changer| changer.lu().removal_prevented()) {
                let message = format!(
                    "the chassis is locked: a host of library {:?} prevents medium removal (PREVENT ALLOW MEDIUM REMOVAL)",
                    other.name()
                );
                return Err(ControlError::new(ErrorCode::Locked, message).with_library(other.name()));
            }
        }
        let status = library.set_door(door, open)?;
        let has_door = |other: &&Arc<Library>| door == Door::Access || other.layout().import_export.count > 0;
        others.iter().filter(has_door).try_for_each(|other| other.set_door(door, open).map(drop))?;
        Ok(status)
    }

    /// Opens or closes the I/O station for the partitions of each chassis, as a host of one of them has done. Their own commands do it,
    /// too, but operators see it before, and it is stored.
    pub(crate) fn follow_stations(&self) {
        for library in self.libraries() {
            let Some(partition) = &library.partition else { continue };
            let has_station = library.layout().import_export.count > 0;
            if !has_station || partition.chassis().station_open() == library.operator_state().station_open {
                continue;
            }
            // Each action follows the chassis first.
            if let Err(error) = library.act_at(&Cause::site(), None, None, |_| Ok(())) {
                tracing::warn!(library = library.name(), %error, "the I/O station of the chassis is not followed");
            }
        }
    }

    /// Assigns a cartridge to another partition of its chassis. A cartridge in a slot of the shared I/O station stays there if no
    /// element is given; any other is moved by the robot, to that element or the first empty slot.
    pub(crate) fn assign(
        &self,
        cartridge: &str,
        library: &str,
        to: Option<&str>,
    ) -> Result<AssignedCartridge, ControlError> {
        let destination = self.resolve_library(Some(library))?;
        let barcode = self.resolve_cartridge(cartridge)?;
        let source = self.partition_with(&barcode, &destination)?;
        let own_lock = self.chassis_lock(&source);
        let _locked = own_lock.as_ref().map(|own| lock(own));
        let _reserved = self.shared.reservations.reserve_for(&Cause::operator(), &barcode)?;
        source.check_has_robot()?;
        let [source_unit, destination_unit] = [source.changer_unit(), destination.changer_unit()];
        let turn = source_unit.operator_turn()?;
        let _other_turn = destination_unit.operator_turn()?;
        let from = source.resolve_element(barcode.as_str())?;
        if source.layout().drives.index(from).is_some() {
            let element = source.element_name(from);
            let message = format!("{barcode} is in {element}; unload it first: ferric unload {element}");
            return Err(ControlError::conflict(message)
                .with_library(source.name())
                .with_element(element)
                .with_barcode(barcode.as_str()));
        }
        let same = source.slot_of_shared_station(&destination, from);
        let to = match to {
            Some(to) => destination.place_for_partition(to)?,
            None => same.map_or_else(|| destination.first_empty(ElementType::STORAGE), Ok)?,
        };
        let stays = same == Some(to);
        if !stays {
            destination.act_at(&Cause::operator(), None, Some(to), |changer| changer.check_receives(to))?;
        }
        let duration = source.give(&destination, (from, to), stays, &barcode)?;
        turn.wait_until(self.shared.now().mono.saturating_add(duration));
        Ok(AssignedCartridge {
            cartridge: barcode.to_string(),
            from_library: source.name().into(),
            from: from.0,
            from_element: source.element_name(from),
            library: destination.name().into(),
            to: to.0,
            to_element: destination.element_name(to),
        })
    }

    /// The partition that has a cartridge, which is another one of the chassis of `destination`.
    fn partition_with(&self, barcode: &Barcode, destination: &Library) -> Result<Arc<Library>, ControlError> {
        let location = self.entry(barcode)?.location;
        let source = match &location {
            Location::Element { library, .. } => self.resolve_library(Some(library))?,
            Location::Shelf(_) => {
                let message = format!(
                    "{barcode} is on {}; import it into library {:?}: ferric import {barcode} --library {}",
                    self.location_name(&location),
                    destination.name(),
                    destination.name()
                );
                return Err(ControlError::conflict(message).with_barcode(barcode.as_str()));
            }
        };
        let (from, name) = (source.name(), destination.name());
        let message = match () {
            () if from == name => format!("{barcode} is in library {name:?} already"),
            () if !source.shares_chassis(destination) => {
                format!(
                    "libraries {from:?} and {name:?} are not partitions of one chassis; export {barcode} and import it"
                )
            }
            () => return Ok(source),
        };
        Err(ControlError::conflict(message).with_library(name).with_barcode(barcode.as_str()))
    }
}

impl Library {
    /// Whether two libraries are partitions of one chassis.
    fn shares_chassis(&self, other: &Self) -> bool {
        let pair = self.partition.as_ref().zip(other.partition.as_ref());
        pair.is_some_and(|(own, other)| Arc::ptr_eq(own.chassis(), other.chassis()))
    }

    /// The address in another partition of a slot of the shared I/O station; `None` if the element is not one.
    fn slot_of_shared_station(&self, other: &Self, address: ElementAddress) -> Option<ElementAddress> {
        let index = self.layout().import_export.index(address)?;
        let shared = self.partition.as_ref()?.chassis().shares_station();
        other.layout().import_export.addresses().nth(index).filter(|_| shared)
    }

    /// The slot or I/O element that a name stands for.
    fn place_for_partition(&self, name: &str) -> Result<ElementAddress, ControlError> {
        let address = self.resolve_element(name)?;
        match self.layout().element_type(address) {
            Some(ElementType::STORAGE | ElementType::IMPORT_EXPORT) => Ok(address),
            _ => {
                let element = self.element_name(address);
                let message = format!("{element} is neither a slot nor an I/O element; name one of them");
                Err(ControlError::invalid(message).with_library(self.name()).with_element(element))
            }
        }
    }

    /// Gives a cartridge to another partition of the chassis, whose change stores its new location. If that partition does not accept
    /// it, it is back in its element. Returns the time until the robot has moved it; none if it stays in its slot (`stays`).
    fn give(
        &self,
        destination: &Self,
        (from, to): (ElementAddress, ElementAddress),
        stays: bool,
        barcode: &Barcode,
    ) -> Result<Duration, ControlError> {
        let now = self.shared().now();
        let index = self.layout().import_export.index(from);
        let hand_over = |from: &Self, to: &Self| {
            let partitions = from.partition.as_ref().zip(to.partition.as_ref()).zip(index.filter(|_| stays));
            partitions.is_none_or(|((from, to), index)| from.hand_over(index, to))
        };
        let mut duration = Duration::ZERO;
        let give = |changer: &mut Changer| {
            let label = changer.content(from).and_then(|content| content.label);
            let (taken, source) = changer.give_to_partition(from, now)?;
            if !hand_over(self, destination) {
                let _ = changer.library_mut().add_cartridge(from, taken, source, now);
                return Err(OperatorError::Element(MoveError::OtherPartition(from)));
            }
            let mut refused = None;
            let received = destination.act_at(&Cause::operator(), None, Some(to), |other| {
                other.receive_from_partition(to, taken, now).map_err(|(error, cartridge)| {
                    refused = Some(cartridge);
                    error
                })?;
                other.set_label_defect(barcode, label);
                Ok(())
            });
            if let Err(error) = received {
                // A cartridge whose new location could not be stored is not in the other partition either.
                let back = refused.or_else(|| self.shared().recreate_cartridge(barcode).map(Box::new));
                if let Some(cartridge) = back {
                    hand_over(destination, self);
                    let _ = changer.library_mut().add_cartridge(from, *cartridge, source, now);
                }
                return Ok(Err(error));
            }
            changer.set_label_defect(barcode, None);
            if !stays {
                let place = destination.partition.as_ref();
                let to = place.map_or(to, |place| place.address_in_chassis(&destination.layout(), to));
                duration = changer.reserve_robot(Duration::ZERO, changer.duration_in_chassis(from, to), now);
            }
            Ok(Ok(()))
        };
        self.act_at(&Cause::operator(), Some(from), Some(to), give)??;
        Ok(duration)
    }
}
