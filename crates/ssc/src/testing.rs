//! Bodies of fuzz targets, and a drive to run them on. Their corpus is replayed by `cargo test`.

use crate::drive::{Drive, DriveConfig};
use crate::profile::{self, DriveProfile};
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::identity::Identity;
use scsi_core::lu;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Now;
use std::io::{IoSlice, IoSliceMut};
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::media::{LTO_8, MediaSpec};
use tape_store::medium::Codec;
use tape_store::store::{NewCartridge, TapeStore};

/// A data cartridge in memory of this size.
#[must_use]
pub fn cartridge(name: &str, size: u64) -> Option<Cartridge> {
    cartridge_of(name, &LTO_8, CartridgeKind::Data, Format::Native, size)
}

/// A cartridge in memory.
#[must_use]
pub fn cartridge_of(
    name: &str,
    media: &'static MediaSpec,
    kind: CartridgeKind,
    level: Format,
    capacity: u64,
) -> Option<Cartridge> {
    let store = TapeStore::new(Box::new(MemoryFolderStore::default()));
    let barcode = Barcode::new(name)?;
    store.create(&barcode, &NewCartridge { media, kind, format: level, capacity, ..NewCartridge::data(media) }).ok()?;
    Some(store.cartridge(&barcode, media, kind, capacity))
}

/// An LTO-8 drive with a cartridge of this size and two nexuses, 1 and 2.
#[must_use]
pub fn drive(size: u64, codec: Codec) -> Drive {
    let mut drive = empty(&profile::ULT3580_TD8, codec);
    if let Some(cartridge) = cartridge("T00001", size) {
        let _ = drive.insert(cartridge);
    }
    drive
}

/// An empty drive with two nexuses, 1 and 2.
#[must_use]
pub fn empty(profile: &'static DriveProfile, codec: Codec) -> Drive {
    let identity =
        Identity { strings: profile.model.into(), serial: "0123456789".into(), naa: 0x3000_0000_0000_0001, port: None };
    let mut drive = Drive::new(profile, identity, DriveConfig { codec }, lu::SavedState::default());
    for number in [1, 2] {
        let port = TransportId::local(number);
        drive.handle_event(
            TransportEvent::NexusEstablished { nexus: NexusId(number), port, reestablished: false },
            Now::default(),
        );
    }
    drive
}

/// Runs one command with this data and room; what must hold for any command is checked.
///
/// # Panics
/// If a completion contradicts itself.
pub fn run_command(unit: &mut dyn LogicalUnit, nexus: u32, cdb: &[u8], out: &[u8], room: &mut [u8]) -> Completion {
    let request = Request { nexus: NexusId(nexus), cdb, now: Now::default() };
    let size = room.len();
    let completion = unit.execute(&request, Data::new(&[IoSlice::new(out)], &mut [IoSliceMut::new(room)]));
    assert!(completion.data_in <= size && completion.data_in <= completion.data_in_wanted, "{completion:?}");
    assert!(completion.data_out <= out.len(), "{completion:?}");
    assert_eq!(completion.status.0 == 2, completion.sense.is_some(), "{completion:?}");
    completion
}

/// SECURITY PROTOCOL IN of the key that keys are wrapped for: making one takes a tenth of a second, and has a test of its own.
const PUBLIC_KEY_PAGE: [u8; 4] = [0xa2, 0x20, 0x00, 0x31];

/// A session of commands, taken from the bytes: for each a nexus, a CDB, and data.
pub fn run_session(unit: &mut dyn LogicalUnit, mut data: &[u8]) {
    let mut room = vec![0; 4096];
    for _ in 0..256 {
        let Some(([control, cdb @ ..], rest)) = data.split_first_chunk::<17>() else { return };
        let out_len = usize::from(control & 0x3f) * 4;
        let (out, rest) = rest.split_at(out_len.min(rest.len()));
        data = rest;
        let _ = unit.expected_data_out(cdb);
        if cdb.starts_with(&PUBLIC_KEY_PAGE) {
            continue;
        }
        if control & 0x80 == 0 {
            run_command(unit, 1 + u32::from(control >> 6 & 1), cdb, out, &mut room);
        } else {
            let events = [
                TransportEvent::UnitReset,
                TransportEvent::TargetReset,
                TransportEvent::NexusLost(NexusId(2)),
                TransportEvent::TaskSetCleared(NexusId(1)),
            ];
            if let Some(event) = events.get(usize::from(control & 3)) {
                unit.handle_event(event.clone(), Now::default());
            }
        }
    }
}

/// Fuzz body: a session with a live drive; the last byte chooses the model, and what is in it.
pub fn drive_session(data: &[u8]) {
    let Some((choice, data)) = data.split_last() else { return };
    let models = profile::ALL;
    let Some(profile) = models.get(usize::from(choice >> 2) % models.len()) else { return };
    let mut drive = empty(profile, Codec::zstd(1));
    let kind = if choice & 1 == 0 { CartridgeKind::Data } else { CartridgeKind::Worm };
    let level = if choice & 2 == 0 { Format::Native } else { Format::Mhvtl };
    if let Some(cartridge) = cartridge_of("T00001", profile.native_media, kind, level, 1 << 20) {
        let _ = drive.insert(cartridge);
    }
    run_session(&mut drive, data);
}
