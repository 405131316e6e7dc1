//! Bodies of fuzz targets, and a drive that runs them. `cargo test` replays their corpus.

use crate::drive::{Drive, DriveConfig, RandomSource};
use crate::profile::{self, DriveProfile};
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::identity::Identity;
use scsi_core::lu;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::port::TargetPort;
use scsi_core::target::{LogicalUnit, Request, TransportEvent};
use scsi_core::time::Now;
use std::io::{IoSlice, IoSliceMut};
use tape_store::backend::memory::MemoryFolderStore;
use tape_store::cartridge::{Barcode, Cartridge, CartridgeKind, Format};
use tape_store::media::{LTO_8, MediaSpec};
use tape_store::medium::Codec;
use tape_store::store::{NewCartridge, TapeStore};

/// Random values of the drives in tests: bytes that are the same in each process.
pub const RANDOM: RandomSource =
    RandomSource { bytes: tape_store::testing::entropy, key_pair: tape_store::testing::key_wrapping_pair };

/// Creates an LTO-8 data cartridge of `size` bytes in RAM. `None` if `name` is not a barcode.
#[must_use]
pub fn cartridge(name: &str, size: u64) -> Option<Cartridge> {
    cartridge_of(name, &LTO_8, CartridgeKind::Data, Format::Native, size)
}

/// Creates a cartridge of `capacity` bytes in RAM. `None` if `name` is not a barcode or the cartridge cannot be
/// created.
#[must_use]
pub fn cartridge_of(
    name: &str,
    media: &'static MediaSpec,
    kind: CartridgeKind,
    format: Format,
    capacity: u64,
) -> Option<Cartridge> {
    let store = TapeStore::new(Box::new(MemoryFolderStore::default()));
    let barcode = Barcode::new(name)?;
    store
        .create(&barcode, &NewCartridge::data(media).with_kind(kind).with_format(format).with_capacity(capacity))
        .ok()?;
    Some(store.cartridge(&barcode, media, kind, capacity))
}

/// Creates an LTO-8 drive with a cartridge of `size` bytes and the nexuses 1 and 2.
#[must_use]
pub fn drive(size: u64, codec: Codec) -> Drive {
    let mut drive = empty(&profile::ULT3580_TD8, codec);
    if let Some(cartridge) = cartridge("T00001", size) {
        let _ = drive.insert(cartridge);
    }
    drive
}

/// Creates an empty drive with the nexuses 1 and 2.
#[must_use]
pub fn empty(profile: &'static DriveProfile, codec: Codec) -> Drive {
    let identity = Identity::new(profile.model, "0123456789", 0x3000_0000_0000_0001, TargetPort::ISCSI);
    let config = DriveConfig { codec, random: RANDOM };
    let mut drive = Drive::new(profile, identity, config, lu::SavedState::default());
    for number in [1, 2] {
        let port = TransportId::local(number);
        drive.handle_event(
            TransportEvent::NexusEstablished { nexus: NexusId(number), port, reestablished: false },
            Now::default(),
        );
    }
    drive
}

/// Runs one command, and checks the properties that every completion must have.
///
/// # Panics
/// If the completion is inconsistent: lengths exceed the buffers, or sense without CHECK CONDITION.
pub fn run_command(
    unit: &mut dyn LogicalUnit,
    nexus: u32,
    cdb: &[u8],
    data_out: &[u8],
    data_in: &mut [u8],
) -> Completion {
    let request = Request::new(NexusId(nexus), cdb, Now::default());
    let size = data_in.len();
    let completion = unit.execute(&request, Data::new(&[IoSlice::new(data_out)], &mut [IoSliceMut::new(data_in)]));
    assert!(completion.data_in <= size && completion.data_in <= completion.data_in_wanted, "{completion:?}");
    assert!(completion.data_out <= data_out.len(), "{completion:?}");
    assert_eq!(completion.status.0 == 2, completion.sense.is_some(), "{completion:?}");
    completion
}

/// SECURITY PROTOCOL IN of page 0031h, which generates an RSA key. That takes a tenth of a second, and has its own
/// test.
const PUBLIC_KEY_PAGE: [u8; 4] = [0xa2, 0x20, 0x00, 0x31];

/// Runs a sequence of commands and events that is encoded in `data`: a nexus, a CDB and data for each command.
pub fn run_session(unit: &mut dyn LogicalUnit, mut data: &[u8]) {
    let mut data_in = vec![0; 4096];
    for _ in 0..256 {
        let Some(([control, cdb @ ..], rest)) = data.split_first_chunk::<17>() else { return };
        let data_out_len = usize::from(control & 0x3f) * 4;
        let (data_out, rest) = rest.split_at(data_out_len.min(rest.len()));
        data = rest;
        let _ = unit.expected_data_out(&Request::new(NexusId(1), cdb, Now::default()));
        if cdb.starts_with(&PUBLIC_KEY_PAGE) {
            continue;
        }
        if control & 0x80 == 0 {
            run_command(unit, 1 + u32::from(control >> 6 & 1), cdb, data_out, &mut data_in);
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

/// Fuzz body: runs [`run_session`] on a drive. The last byte selects the model and the cartridge.
pub fn drive_session(data: &[u8]) {
    let Some((choice, data)) = data.split_last() else { return };
    let models = profile::ALL;
    let Some(profile) = models.get(usize::from(choice >> 2) % models.len()) else { return };
    let mut drive = empty(profile, Codec::zstd(1));
    let kind = if choice & 1 == 0 { CartridgeKind::Data } else { CartridgeKind::Worm };
    let format = if choice & 2 == 0 { Format::Native } else { Format::Mhvtl };
    if let Some(cartridge) = cartridge_of("T00001", profile.native_media, kind, format, 1 << 20) {
        let _ = drive.insert(cartridge);
    }
    run_session(&mut drive, data);
}
