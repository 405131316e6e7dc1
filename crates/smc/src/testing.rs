//! A changer for tests and fuzz targets. `cargo test` replays the corpus of the fuzz targets.

use crate::bay::{Bay, BayName, BayStatus};
use crate::changer::Changer;
use crate::element::ElementAddress;
use crate::library::{Library, SourceElement};
use crate::profile::{self, ChangerProfile};
use scsi_core::identity::Identity;
use scsi_core::lu;
use scsi_core::nexus::{NexusId, TransportId};
use scsi_core::port::TargetPort;
use scsi_core::target::{LogicalUnit, TransportEvent};
use scsi_core::time::Now;
use tape_store::backend::Folder;
use tape_store::backend::memory::MemoryFolder;
use tape_store::cartridge::{Barcode, Cartridge, InsertError, RemoveError};

/// A drive bay without a drive.
#[derive(Default)]
struct StubBay(Option<Cartridge>);

impl Bay for StubBay {
    fn name(&self) -> BayName {
        let t10 = b"IBM     ULT3580-TD8     0123456789".to_vec();
        BayName { t10, serial: "0123456789".into(), naa: 0x5005_0763_0000_0001 }
    }

    fn status(&self) -> BayStatus {
        BayStatus { barcode: self.0.as_ref().map(|inside| inside.barcode().clone()), ..BayStatus::default() }
    }

    fn removal_prevented(&self) -> bool {
        false
    }

    fn set_online(&mut self, _online: bool) {}

    fn insert(&mut self, cartridge: Cartridge, _now: Now) -> Result<(), Box<InsertError>> {
        self.0 = Some(cartridge);
        Ok(())
    }

    fn remove(&mut self, _now: Now) -> Result<Cartridge, RemoveError> {
        self.0.take().ok_or(RemoveError::Empty)
    }
}

/// Creates an STK L700 with six slots, the first three full, two import/export elements, two stub drive bays, and
/// nexuses 1 and 2.
#[must_use]
pub fn changer() -> Changer {
    changer_of(&profile::STK_L700)
}

/// Creates a changer as [`changer`] does, of another model.
#[must_use]
pub fn changer_of(profile: &'static ChangerProfile) -> Changer {
    changer_with(profile, 2)
}

/// Creates a changer as [`changer_of`] does, with this number of import/export elements.
///
/// # Panics
/// If the model does not support that many import/export elements.
#[must_use]
pub fn changer_with(profile: &'static ChangerProfile, import_export: u16) -> Changer {
    let [_, storage, ..] = profile.first_addresses;
    let serial = profile.unit_serial("0123456789", 0, ElementAddress(storage));
    let identity = Identity::new(profile.model, serial, 0x3000_0000_0000_0002, TargetPort::ISCSI);
    #[expect(clippy::expect_used, reason = "a constant layout")]
    let layout = profile.layout(6, import_export, 2).expect("six slots fit every model");
    let bays: Vec<Box<dyn Bay>> = vec![Box::<StubBay>::default(), Box::<StubBay>::default()];
    let mut library = Library::new(layout, profile.capabilities, bays);
    for (slot, name) in layout.storage.addresses().zip(["A00001L8", "A00002L8", "A00003L8"]) {
        let Some(cartridge) = cartridge(name) else { continue };
        let _ = library.add_cartridge(slot, cartridge, SourceElement::default(), Now::default());
    }
    let mut changer = Changer::new(profile, identity, library, lu::SavedState::default());
    for number in [1, 2] {
        let port = TransportId::local(number);
        changer.handle_event(
            TransportEvent::NexusEstablished { nexus: NexusId(number), port, reestablished: false },
            Now::default(),
        );
    }
    changer
}

/// Creates an in-memory cartridge of the medium that its barcode names; `None` if the barcode is invalid or names no
/// medium.
#[must_use]
pub fn cartridge(name: &str) -> Option<Cartridge> {
    let barcode = Barcode::new(name)?;
    let (media, kind) = barcode.media()?;
    let open = || Ok(Box::new(MemoryFolder::default()) as Box<dyn Folder>);
    Some(Cartridge::in_folder(barcode, media, kind, 1 << 20, Box::new(open)))
}

/// Asserts that a changer from [`changer`] still has its three cartridges.
///
/// # Panics
/// If a cartridge is lost or duplicated.
pub fn assert_no_cartridge_lost(changer: &Changer) {
    let mut names: Vec<String> = changer.locations().iter().map(|location| location.barcode.to_string()).collect();
    names.sort();
    assert_eq!(names, ["A00001L8", "A00002L8", "A00003L8"]);
}
