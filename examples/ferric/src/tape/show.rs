//! `ferric tape show`

use super::attr::{Attribute, attributes};
use super::{OpenCartridge, kind_name};
use crate::cli_error::CliError;
use crate::output::{self, Output};
use serde::Serialize;
use std::path::PathBuf;
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::medium::Medium;
use tape_store::three_file::{Recovery, ThreeFile};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Directory of the cartridge; its name is the barcode
    path: PathBuf,
}

#[derive(Serialize)]
struct CartridgeDetails {
    barcode: String,
    medium: &'static str,
    kind: &'static str,
    format: &'static str,
    capacity: u64,
    write_protected: bool,
    /// Loaded, or not unloaded cleanly.
    loaded: bool,
    serial: String,
    manufacturer: String,
    manufactured: String,
    loads: u64,
    written_in_life: u64,
    read_in_life: u64,
    last_drive: String,
    partitions: Vec<Partition>,
    /// The remains of a crash behind the last synchronised object, if there are any.
    unsynchronised: Option<Unsynchronised>,
    /// Damage that prevents writes; `None` if there is none.
    damage: Option<String>,
    attributes: Vec<Attribute>,
}

#[derive(Serialize)]
struct Partition {
    number: u8,
    capacity: u64,
    used: u64,
    objects: u64,
    filemarks: u64,
}

#[derive(Serialize)]
struct Unsynchronised {
    complete: u64,
    torn: u64,
}

pub(crate) fn run(output: Output, arguments: &Arguments) -> Result<(), CliError> {
    let mut found = OpenCartridge::open_for_reading(output, &arguments.path)?;
    let failed = found.store_error();
    let (mam, memory_damage) = found.cartridge.mam_or_rebuilt().map_err(&failed)?;
    let format = found.cartridge.format().map_err(&failed)?.name();
    let (mut tape, recovery) = found.cartridge.open_read_only().map_err(&failed)?;
    let partitions = (0..tape.partitions()).map(|number| partition(&mut tape, number));
    let partitions = partitions.collect::<Result<_, _>>().map_err(&failed)?;
    let cartridge = &found.cartridge;
    let shown = CartridgeDetails {
        barcode: cartridge.barcode().to_string(),
        medium: cartridge.media().name,
        kind: kind_name(cartridge.kind()),
        format,
        capacity: cartridge.capacity(),
        write_protected: mam.flags().contains(Flags::WRITE_PROTECTED),
        loaded: mam.flags().contains(Flags::LOADED),
        serial: attribute_text(&mam, AttrId::SERIAL),
        manufacturer: attribute_text(&mam, AttrId::MANUFACTURER),
        manufactured: attribute_text(&mam, AttrId::MANUFACTURE_DATE),
        loads: mam.number(AttrId::LOAD_COUNT),
        written_in_life: mam.number(AttrId::LIFE_WRITTEN),
        read_in_life: mam.number(AttrId::LIFE_READ),
        last_drive: attribute_text(&mam, AttrId::LAST_DRIVE),
        partitions,
        unsynchronised: unsynchronised(recovery),
        damage: damage_text(memory_damage.as_ref(), recovery),
        attributes: attributes(&mam, None),
    };
    output.show(&shown, print)
}

fn partition(tape: &mut ThreeFile, number: u8) -> Result<Partition, tape_store::error::StoreError> {
    tape.locate(number, 0)?;
    tape.space_to_end()?;
    let (usage, end) = (tape.usage(number)?, tape.position());
    Ok(Partition { number, capacity: usage.capacity, used: usage.used, objects: end.object, filemarks: end.file })
}

/// The damage, in one line.
fn damage_text(memory: Option<&StoreError>, recovery: Recovery) -> Option<String> {
    let index =
        recovery.damaged.then(|| "the index does not match the data; ferric tape verify shows where".to_owned());
    let memory = memory.map(|error| format!("{error}; the values shown were rebuilt"));
    [memory, index].into_iter().flatten().reduce(|memory, index| format!("{memory}; {index}"))
}

const fn unsynchronised(recovery: Recovery) -> Option<Unsynchronised> {
    match (recovery.kept_objects, recovery.dropped_objects) {
        (0, 0) => None,
        (complete, torn) => Some(Unsynchronised { complete, torn }),
    }
}

/// An attribute as text, without what pads it.
pub(super) fn attribute_text(mam: &Mam, id: AttrId) -> String {
    let value = mam.get(id, 0).unwrap_or_default();
    String::from_utf8_lossy(value).replace('\0', " ").trim().to_owned()
}

fn print(shown: &CartridgeDetails) -> Result<(), CliError> {
    let kind = if shown.write_protected { format!("{}, write-protected", shown.kind) } else { shown.kind.into() };
    output::print_row("barcode", &shown.barcode)?;
    output::print_row("medium", format!("{} {kind}", shown.medium))?;
    output::print_row("format", shown.format)?;
    output::print_row("size", output::format_size(shown.capacity))?;
    output::print_row("serial", &shown.serial)?;
    output::print_row("manufactured", format!("{} by {}", shown.manufactured, shown.manufacturer))?;
    output::print_row("loads", shown.loads.to_string())?;
    if !shown.last_drive.is_empty() {
        output::print_row("last drive", &shown.last_drive)?;
    }
    let (written, read) = (output::format_size(shown.written_in_life), output::format_size(shown.read_in_life));
    output::print_row("lifetime", format!("{written} written, {read} read"))?;
    for partition in &shown.partitions {
        let Partition { number, capacity, used, objects, filemarks } = partition;
        let share = if *capacity == 0 { 0 } else { u128::from(*used) * 100 / u128::from(*capacity) };
        output::print_row(
            &format!("partition {number}"),
            format!(
                "{} of {} stored ({share} %), {}, {}",
                output::format_size(*used),
                output::format_size(*capacity),
                output::format_count(objects.saturating_sub(*filemarks), "block"),
                output::format_count(*filemarks, "filemark")
            ),
        )?;
    }
    if shown.loaded {
        output::print_row("note", "loaded, or not unloaded cleanly")?;
    }
    if let Some(Unsynchronised { complete, torn }) = shown.unsynchronised {
        output::print_row("note", format!("after the last synchronised object: {complete} complete, {torn} torn"))?;
    }
    if let Some(damage) = &shown.damage {
        output::print_row("damage", damage)?;
    }
    Ok(())
}
