//! `[[chassis]]` and `[library.partition]`: one chassis that several libraries share.

use super::source::Source;
use super::values::{identifier, names, required};
use crate::config::tables::{ChassisTable, FirstTable, LibraryTable, Number, PartitionTable, Tables};
use crate::config::{ChassisSetup, ConfigError, LibrarySetup, PartitionSetup};
use smc::element::{ElementLayout, ElementType};
use smc::profile::SerialNumberFormat;
use std::ops::Range;
use toml::Spanned;

/// Highest number of a partition: serial numbers have two digits for it.
const MAX_PARTITION: u16 = 99;

/// The chassis of the file.
pub(super) fn chassis(source: &Source<'_>, tables: Tables<ChassisTable>) -> Result<Vec<ChassisSetup>, ConfigError> {
    let mut all: Vec<ChassisSetup> = Vec::new();
    for table in tables {
        let at = table.span().start;
        let name_at = table.get_ref().name.as_ref().map_or(at, |name| name.span().start);
        let setup = one_chassis(source, table)?;
        if all.iter().any(|other| other.name == setup.name) {
            return Err(source.error(name_at, "chassis.name", format!("there are two chassis {:?}", setup.name)));
        }
        all.push(setup);
    }
    Ok(all)
}

fn one_chassis(source: &Source<'_>, table: Spanned<ChassisTable>) -> Result<ChassisSetup, ConfigError> {
    let at = table.span().start;
    let table = table.into_inner();
    let name = identifier(source, required(source, &table.name, "chassis.name", at)?, "chassis.name")?;
    let model = super::library::changer_model(source, &table.model, "chassis.model")?;
    let serial = names(source, "chassis", table.serial.as_ref(), None)?.serial;
    let ([slots, import_export], [.., drives]) = (super::library::default_counts(model), model.max_elements);
    let count = |number: &Number, usual: u16| number.as_ref().map_or(usual, |number| *number.get_ref());
    let counts = [count(&table.slots, slots), count(&table.import_export, import_export), count(&table.drives, drives)];
    let shared_station = match &table.io_station {
        None => false,
        Some(text) => match text.get_ref().as_str() {
            "divided" => false,
            "shared" => true,
            other => {
                let message = format!("{other:?} is invalid; expected \"divided\" or \"shared\"");
                return Err(source.error(text.span().start, "chassis.io_station", message));
            }
        },
    };
    let setup = ChassisSetup { name, model, serial, counts, shared_station };
    setup.layout().map_err(|(kind, message)| {
        let (key, number) = match kind {
            ElementType::IMPORT_EXPORT => ("chassis.import_export", &table.import_export),
            ElementType::DRIVE => ("chassis.drives", &table.drives),
            _ => ("chassis.slots", &table.slots),
        };
        source.error(number.as_ref().map_or(at, |number| number.span().start), key, message)
    })?;
    Ok(setup)
}

/// The partition that a library is to be: its chassis and its number.
pub(super) struct Partition<'a> {
    chassis: &'a ChassisSetup,
    number: u16,
    /// The partitions of the chassis before it in the file.
    others: Vec<(&'a LibrarySetup, &'a PartitionSetup)>,
}

impl<'a> Partition<'a> {
    /// The partition of a table `[[library]]`, in which it sets the keys that the chassis decides; `None` if the library is not a
    /// partition.
    pub(super) fn of(
        source: &Source<'_>,
        table: &mut LibraryTable,
        all: &'a [ChassisSetup],
        libraries: &'a [LibrarySetup],
    ) -> Result<Option<Self>, ConfigError> {
        let Some(partition) = &table.partition else { return Ok(None) };
        let at = partition.span().start;
        let partition = partition.get_ref();
        let name = required(source, &partition.chassis, "library.partition.chassis", at)?;
        let chassis = all.iter().find(|chassis| chassis.name == *name.get_ref()).ok_or_else(|| {
            let message = format!("there is no chassis {:?}: [[chassis]] with this name", name.get_ref());
            source.error(name.span().start, "library.partition.chassis", message)
        })?;
        let in_chassis = |library: &'a LibrarySetup| {
            let partition = library.partition.as_ref()?;
            (partition.chassis.name == chassis.name).then_some((library, partition))
        };
        let others: Vec<_> = libraries.iter().filter_map(in_chassis).collect();
        let number = partition_number(source, partition, &others)?;
        check_keys(source, table, chassis)?;
        let place = at..at;
        if chassis.shared_station {
            table.import_export = Some(Spanned::new(place.clone(), chassis.station()));
        }
        table.import_export.get_or_insert_with(|| Spanned::new(place.clone(), 0));
        table.model = Some(Spanned::new(place.clone(), chassis.model.name.into()));
        if chassis.model.serial == SerialNumberFormat::WithFirstStorage {
            let first = table.first.get_or_insert_with(|| Spanned::new(place.clone(), FirstTable::default()));
            let [_, usual, ..] = chassis.model.first_addresses;
            let usual = usual.saturating_add(number - 1);
            first.as_mut().slots.get_or_insert_with(|| Spanned::new(place, usual));
        }
        Ok(Some(Self { chassis, number, others }))
    }

    /// The place of a library with these elements in the chassis. `lines` are those of the numbers of slots, import/export slots and
    /// drives.
    pub(super) fn place(
        self,
        source: &Source<'_>,
        table: &PartitionTable,
        layout: &ElementLayout,
        lines: [usize; 3],
    ) -> Result<PartitionSetup, ConfigError> {
        let others: Vec<_> =
            self.others.iter().map(|(library, own)| (library.name.as_str(), shares_of(library, own))).collect();
        let taken = |select: fn(&[Range<u32>; 3]) -> &Range<u32>| -> Vec<(&str, Range<u32>)> {
            others.iter().map(|(name, shares)| (*name, select(shares).clone())).collect()
        };
        let ([has_slots, has_io_slots, has_drives], [slot_line, io_line, drive_line]) = (self.chassis.counts, lines);
        let slots = Share {
            elements: "slots",
            keys: ("library.slots", "library.partition.slots"),
            given: &table.slots,
            counts: (layout.storage.count, has_slots),
            line: slot_line,
            taken: taken(|[slots, _, _]| slots),
        };
        let io_slots = Share {
            elements: "slots of the I/O station",
            keys: ("library.import_export", "library.partition.import_export"),
            given: &table.import_export,
            counts: (layout.import_export.count, has_io_slots),
            line: io_line,
            taken: if self.chassis.shared_station { Vec::new() } else { taken(|[_, io_slots, _]| io_slots) },
        };
        let drives = Share {
            elements: "drives",
            keys: ("drive", "library.partition.drives"),
            given: &table.drives,
            counts: (layout.drives.count, has_drives),
            line: drive_line,
            taken: taken(|[_, _, drives]| drives),
        };
        let first = |share: &Share<'_>| share.first(source, &self.chassis.name);
        let first = [first(&slots)?, first(&io_slots)?, first(&drives)?];
        Ok(PartitionSetup { chassis: self.chassis.clone(), number: self.number, first })
    }
}

/// The elements of one kind that a partition is to have.
struct Share<'a> {
    /// Their name in errors.
    elements: &'static str,
    /// The keys for their number and for their place.
    keys: (&'static str, &'static str),
    /// The first one, from 1, if the file gives it.
    given: &'a Number,
    /// Their number, and the number in the chassis.
    counts: (u16, u16),
    /// Line of the key for their number.
    line: usize,
    /// The shares of the other partitions, by the names of their libraries.
    taken: Vec<(&'a str, Range<u32>)>,
}

impl Share<'_> {
    /// The first element in the chassis, from 0.
    fn first(&self, source: &Source<'_>, chassis: &str) -> Result<u16, ConfigError> {
        let (elements, (count_key, place_key), (count, has)) = (self.elements, self.keys, self.counts);
        let wrong = |message: String| match self.given {
            Some(number) => source.error(number.span().start, place_key, message),
            None => {
                ConfigError { file: source.file.into(), line: self.line, key: count_key.into(), column: 0, message }
            }
        };
        let first = match self.given {
            None => self.taken.iter().map(|(_, other)| other.end).max().unwrap_or(0),
            Some(number) => number.get_ref().checked_sub(1).map(u32::from).ok_or_else(|| {
                wrong(format!("expected a number from 1, not 0: the {elements} of a chassis are numbered from 1"))
            })?,
        };
        let (number, end) = (first + 1, first + u32::from(count));
        if end > u32::from(has) {
            let message =
                format!("{elements} {number} to {end} of chassis {chassis:?} are needed, but it has only {has}");
            return Err(wrong(message));
        }
        if let Some((library, other)) = self.taken.iter().find(|(_, other)| other.start < end && first < other.end) {
            let message = format!(
                "{elements} {number} to {end} of chassis {chassis:?} overlap {} to {} of library {library:?}",
                other.start + 1,
                other.end
            );
            return Err(wrong(message));
        }
        Ok(u16::try_from(first).unwrap_or(u16::MAX))
    }
}

/// The slots, slots of the I/O station and drives that a partition has in its chassis, from 0.
fn shares_of(library: &LibrarySetup, partition: &PartitionSetup) -> [Range<u32>; 3] {
    let ([slot, io_slot, drive], layout) = (partition.first, &library.layout);
    let share = |first: u16, count: u16| u32::from(first)..u32::from(first) + u32::from(count);
    [share(slot, layout.storage.count), share(io_slot, layout.import_export.count), share(drive, layout.drives.count)]
}

fn partition_number(
    source: &Source<'_>,
    table: &PartitionTable,
    others: &[(&LibrarySetup, &PartitionSetup)],
) -> Result<u16, ConfigError> {
    let next = others.last().map_or(1, |(_, before)| before.number + 1);
    let number = table.number.as_ref().map_or(next, |number| *number.get_ref());
    let (number_at, chassis_at) =
        (table.number.as_ref().map(|number| number.span()), table.chassis.as_ref().map(|name| name.span()));
    let at = number_at.or(chassis_at).map_or(0, |span| span.start);
    let wrong = |message: String| source.error(at, "library.partition.number", message);
    if !(1..=MAX_PARTITION).contains(&number) {
        return Err(wrong(format!("{number} is not the number of a partition: 1 to {MAX_PARTITION}")));
    }
    match others.iter().find(|(_, other)| other.number == number) {
        Some((library, _)) => {
            Err(wrong(format!("library {:?} is partition {number} of the chassis already", library.name)))
        }
        None => Ok(number),
    }
}

/// Refuses keys of a library that the chassis decides.
fn check_keys(source: &Source<'_>, table: &LibraryTable, chassis: &ChassisSetup) -> Result<(), ConfigError> {
    let ChassisSetup { name, model, .. } = chassis;
    if let Some(other) = table.model.as_ref().filter(|text| text.get_ref() != model.name) {
        let message =
            format!("chassis {name:?} has the model {}, and so have its partitions; leave out the key", model.name);
        return Err(source.error(other.span().start, "library.model", message));
    }
    if let Some(serial) = table.serial.as_ref().filter(|_| chassis.derives_serials()) {
        let message = format!(
            "the serial number of a partition of the model {} is made from that of its chassis; set chassis.serial and \
             library.partition.number instead",
            model.name
        );
        return Err(source.error(serial.span().start, "library.serial", message));
    }
    let shared = chassis.shared_station;
    if let Some(number) = table.import_export.as_ref().filter(|number| shared && *number.get_ref() != chassis.station())
    {
        let message = format!(
            "the I/O station of chassis {name:?} is shared: each partition has all {} slots of it; leave out the key",
            chassis.station()
        );
        return Err(source.error(number.span().start, "library.import_export", message));
    }
    let place = table.partition.as_ref().and_then(|partition| partition.get_ref().import_export.as_ref());
    if let Some(place) = place.filter(|_| shared) {
        let message = format!("the I/O station of chassis {name:?} is shared, so that no partition has a part of it");
        return Err(source.error(place.span().start, "library.partition.import_export", message));
    }
    Ok(())
}

/// Refuses what two partitions of a chassis cannot both have: a serial number, and a cartridge in a slot of the shared I/O station.
pub(super) fn check_partition(others: &[LibrarySetup], new: &LibrarySetup) -> Result<(), ConfigError> {
    let Some(partition) = &new.partition else { return Ok(()) };
    let serial = |library: &LibrarySetup, partition: &PartitionSetup| {
        library.unit_serial("0", usize::from(partition.number) - 1)
    };
    for other in others {
        let Some(before) = other.partition.as_ref().filter(|other| other.chassis.name == partition.chassis.name) else {
            continue;
        };
        if partition.chassis.derives_serials() && serial(new, partition) == serial(other, before) {
            let message = format!(
                "partitions {} and {} of chassis {:?} have the same serial number; give one of them another number or first address",
                before.number, partition.number, partition.chassis.name
            );
            return Err(new.error(new.lines.library, "library.partition", message));
        }
        let station = |library: &LibrarySetup| {
            let range = library.layout.import_export;
            let inside = library.cartridges.iter().map(move |setup| range.index(setup.element?));
            inside.collect::<Vec<_>>()
        };
        let taken = station(other);
        let twice = station(new).iter().position(|index| index.is_some() && taken.contains(index));
        if let Some(number) = twice.filter(|_| partition.chassis.shared_station) {
            let line = new.lines.elements.get(number).copied().unwrap_or(new.lines.library);
            let message = format!("library {:?} has a cartridge in this slot of the shared I/O station", other.name);
            return Err(new.error(line, "cartridges.at", message));
        }
    }
    Ok(())
}
