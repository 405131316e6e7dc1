//! Page 17h, volume statistics (SSC-4 §8.2): of the mounted or last volume; in the subpages, of earlier volumes. If
//! there was no such volume, the page is marked as not valid.

use super::{MB, PageSource};
use crate::counters::Counters;
use crate::mounted::Mounted;
use scsi_core::log::{LIST_CONTROL, LogWriter, TEXT_CONTROL};
use scsi_core::writer::PageWriter;
use tape_store::cartridge::CartridgeKind;
use tape_store::mam::AttrId;
use tape_store::medium::PartitionUsage;

/// Object number if no object is encrypted, or no unencrypted one follows.
const NONE: u64 = 0xffff_ffff_ffff;

pub(super) fn current(source: &PageSource<'_>, w: &mut LogWriter) {
    match source.mounted {
        Some(mounted) => write(source, mounted, w),
        None => write_saved(source, 0, w),
    }
}

/// Writes the statistics of the volume that is `count` volumes before the current or last one.
pub(super) fn before(source: &PageSource<'_>, count: usize, w: &mut LogWriter) {
    write_saved(source, if source.mounted.is_some() { count - 1 } else { count }, w);
}

fn write_saved(source: &PageSource<'_>, number: usize, w: &mut LogWriter) {
    match source.state.health.volumes.get(number) {
        None => drop(w.parameter(0x0000, LIST_CONTROL, &[0])),
        Some(volume) => {
            for parameter in volume {
                w.parameter(parameter.code, parameter.control, &parameter.value);
            }
        }
    }
}

/// Milliseconds since the mount began, and since the tape was ready. Two public listings by sg_logs, of LTO-6 and LTO-10 drives,
/// have 12 s and 33 s more in the first, the time of a load.
fn since_mount(source: &PageSource<'_>) -> (u64, u64) {
    source.state.time.since_mount(source.state.health.last_seen.mono)
}

pub(super) fn write(source: &PageSource<'_>, mounted: &Mounted, w: &mut LogWriter) {
    w.parameter(0x0000, LIST_CONTROL, &[1]);
    let (counters, mam) = (&source.counters, &mounted.mam);
    let (mount_ms, ready_ms) = since_mount(source);
    let total = |id, now: u64| mam.number(id).saturating_add(now) / MB;
    for (code, width, value) in [
        (0x01, 4, mam.number(AttrId::LOAD_COUNT)),
        (0x02, 8, counters.blocks_written + counters.filemarks),
        (0x03, 4, 0),
        (0x04, 2, mam.number(AttrId::WRITE_FAILURES) + counters.write_failures),
        (0x05, 2, 0),
        (0x06, 2, 0),
        (0x07, 8, counters.blocks_read),
        (0x08, 4, 0),
        (0x09, 2, mam.number(AttrId::READ_FAILURES) + counters.read_failures),
        (0x0c, 2, counters.write_failures),
        (0x0d, 2, counters.read_failures),
        (0x0e, 4, counters.written_by_host / MB),
        (0x0f, 4, counters.read_by_host / MB),
        (0x10, 8, total(AttrId::LIFE_WRITTEN, counters.written_by_host)),
        (0x11, 8, total(AttrId::LIFE_READ, counters.read_by_host)),
        (0x12, 2, Counters::ratio(counters.written_by_host, counters.written_to_medium)),
        (0x13, 2, Counters::ratio(counters.read_by_host, counters.read_from_medium)),
        (0x14, 6, mount_ms),
        (0x15, 6, ready_ms),
    ] {
        w.number(code, LIST_CONTROL, width, value);
    }
    let usages: Vec<_> =
        (0..mounted.medium.partitions()).filter_map(|number| mounted.medium.usage(number).ok()).collect();
    let sum = |of: fn(&PartitionUsage) -> u64| usages.iter().map(of).sum::<u64>() / MB;
    w.number(0x16, LIST_CONTROL, 4, sum(|usage| usage.capacity));
    w.number(0x17, LIST_CONTROL, 4, sum(|usage| usage.used));
    let of_hp = source.state.profile.is_hp_mechanism();
    if !of_hp {
        w.number(0x18, LIST_CONTROL, 4, sum(|usage| usage.capacity));
        w.number(0x19, LIST_CONTROL, 1, 100);
    }
    identity(source, mounted, w);
    flags(mounted, w);
    w.number(0x0101, LIST_CONTROL, 4, mam.number(AttrId::LOAD_COUNT));
    w.number(0x0102, LIST_CONTROL, 4, mam.number(AttrId::LOAD_COUNT));
    encrypted(mounted, w);
    let records = |of: fn(&PartitionUsage) -> u64| {
        let mut records = PageWriter::new();
        for (number, usage) in (0..).zip(&usages) {
            records.u8(7).u8(0).u16(number).u32(u32::try_from(of(usage) / MB).unwrap_or(u32::MAX));
        }
        records.as_slice().to_vec()
    };
    w.parameter(0x0202, LIST_CONTROL, &records(|usage| usage.capacity));
    w.parameter(0x0203, LIST_CONTROL, &records(|usage| usage.used));
    if of_hp {
        mount_history(mounted, w);
        w.parameter(0xf000, LIST_CONTROL, &[0x00, 0x01]);
    } else {
        let before_warning = records(|usage| usage.capacity.saturating_sub(usage.used + usage.early_warning));
        w.parameter(0x0204, LIST_CONTROL, &before_warning);
    }
}

/// Write protection, WORM, and whether the recommended temperature was exceeded.
fn flags(mounted: &Mounted, w: &mut LogWriter) {
    let is_worm = mounted.cartridge.kind() == CartridgeKind::Worm;
    for (code, is) in [(0x80, mounted.write_protection.is_some()), (0x81, is_worm), (0x82, false)] {
        w.parameter(code, LIST_CONTROL, &[u8::from(is)]);
    }
}

/// Mount history from the cartridge memory: index, vendor and serial number of the drives of this and earlier loads.
fn mount_history(mounted: &Mounted, w: &mut LogWriter) {
    let mut records = PageWriter::new();
    for index in 0..4 {
        let drive = mounted.mam.get(AttrId(AttrId::LAST_DRIVE.0 + index), 0).unwrap_or_default();
        if !drive.is_empty() {
            // The length byte excludes itself.
            records.u8(43).u8(0).u16(index).ascii(&String::from_utf8_lossy(drive), 40);
        }
    }
    w.parameter(0x0300, LIST_CONTROL, records.as_slice());
}

/// Serial number, lot, barcode, manufacturer, license code and volume personality.
fn identity(source: &PageSource<'_>, mounted: &Mounted, w: &mut LogWriter) {
    let mut text = |code: u16, text: &str, len: usize| {
        let mut value = PageWriter::new();
        value.ascii(text, len);
        w.parameter(code, TEXT_CONTROL, value.as_slice());
    };
    let attribute = |id| String::from_utf8_lossy(mounted.mam.get(id, 0).unwrap_or_default()).into_owned();
    let media = mounted.cartridge.media();
    let (drive, generation) = (source.state.profile.native_media.generation(), media.generation());
    let license = drive.zip(generation).map(|(drive, generation)| format!("{drive:0>2}{generation:0>2}"));
    // As captured from LTO-7 and LTO-9 drives: the name of an LTO-9 cartridge has another form.
    let personality = match generation {
        Some("9") => "LTOL9G9".into(),
        Some(generation) => format!("Ultrium-{generation}"),
        None => media.density_name.into(),
    };
    text(0x0040, &attribute(AttrId::SERIAL), 32);
    text(0x0041, "", 8);
    text(0x0042, mounted.cartridge.barcode().as_str(), 32);
    text(0x0043, &attribute(AttrId::MANUFACTURER), 8);
    text(0x0044, &license.unwrap_or_default(), 4);
    text(0x0045, &personality, 9);
    if source.state.profile.is_hp_mechanism() {
        text(0x0046, &attribute(AttrId::MANUFACTURE_DATE), 8);
    }
}

/// First encrypted object of each partition, and first unencrypted object after it.
fn encrypted(mounted: &Mounted, w: &mut LogWriter) {
    let records = |id: AttrId| {
        let mut records = PageWriter::new();
        for number in 0..mounted.medium.partitions() {
            let object = mounted.mam.get(id, number).map_or(NONE, |_| mounted.mam.partition_number_value(id, number));
            records.u8(9).u8(0).u16(number.into()).u48(object);
        }
        records.as_slice().to_vec()
    };
    w.parameter(0x0200, LIST_CONTROL, &records(AttrId::FIRST_ENCRYPTED_OBJECT));
    w.parameter(0x0201, LIST_CONTROL, &records(AttrId::FIRST_UNENCRYPTED));
}
