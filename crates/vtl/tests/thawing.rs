//! A cartridge whose store must thaw objects before it is loaded, in a library in virtual time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use scsi_core::sense::{Sense, SenseKeySpecific};
use scsi_core::time::{Instant, Now, Timestamp};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tape_store::backend::ThawProgress;
use tape_store::cartridge::{Barcode, MediumSource};
use tape_store::store::{MediaFactory, ThreeFiles};
use tape_store::testing::FrozenStore;
use tape_store::three_file::FolderOpener;
use vtl::clock::VirtualClock;
use vtl::config::parse;
use vtl::control::{DriveStatus, ThawStatus};
use vtl::data_dir::DataDir;
use vtl::events::Event;
use vtl::frontend::SiteOptions;
use vtl::host::Host;
use vtl::site::{OpenSite, Site};

const TEXT: &str = "[[library]]\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
                    [[library.cartridges]]\npattern = \"A#L8\"\ncount = 2\nsize = \"64MB\"\n";
const SECOND: Duration = Duration::from_secs(1);

/// The cartridges of the site, of which A1L8 is frozen.
struct Media(FrozenStore);

impl MediaFactory for Media {
    fn source(&self, barcode: &Barcode, folder: Box<dyn FolderOpener>) -> Box<dyn MediumSource> {
        let files = ThreeFiles.source(barcode, folder);
        if barcode.as_str() == "A1L8" { self.0.source(files) } else { files }
    }
}

struct Library {
    clock: VirtualClock,
    store: FrozenStore,
    site: OpenSite,
    host: Host,
}

/// A library whose robot has put the frozen cartridge into its drive; one of four objects can be read.
fn library() -> Library {
    let store = FrozenStore::default();
    let clock = VirtualClock::new(Now { mono: Instant(0), wall: Timestamp(1_700_000_000_000) });
    let data = DataDir::in_memory().with_media(Arc::new(Media(store.clone())));
    let options = SiteOptions::default().with_clock(clock.clock());
    let site = Site::open_with(data, &parse("f", TEXT).unwrap(), options).unwrap();
    store.state().is_frozen = true;
    store.state().progress = ThawProgress { ready: 1, objects: 4 };
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    // The move does not wait for the thawing.
    host.move_medium(0, 1000, 500).unwrap();
    Library { clock, store, site, host }
}

impl Library {
    fn drive(&self) -> DriveStatus {
        self.site.status().libraries[0].drives[0].clone()
    }

    /// Sense key, additional sense code and progress of TEST UNIT READY; `None` after GOOD.
    fn sense(&self) -> Option<(u8, u16, Option<u16>)> {
        let Sense { key, asc, key_specific, .. } = self.host.test_unit_ready(1).err()?.sense.unwrap();
        let progress = match key_specific {
            Some(SenseKeySpecific::Progress(progress)) => Some(progress),
            _ => None,
        };
        Some((key.0, asc.0, progress))
    }

    /// Lets the drive look at the thawing, and waits until it waits again.
    fn look(&self) {
        assert_eq!(self.clock.wait_for_deadline(), SECOND);
        self.clock.advance(SECOND);
    }

    /// Waits until the drive has no such load any longer.
    fn wait_for_end(&self) {
        while self.drive().thawing.is_some() {
            std::thread::yield_now();
        }
    }

    fn events(&self) -> Vec<Event> {
        let is_of_load = |event: &Event| {
            matches!(
                event,
                Event::TapeThawing { .. }
                    | Event::TapeLoaded
                    | Event::TapeUnloaded { .. }
                    | Event::Loaded { .. }
                    | Event::Unusable { .. }
            )
        };
        let events = self.site.events_since_start().try_iter().map(|record| record.event.clone()).collect::<Vec<_>>();
        events.into_iter().filter(is_of_load).collect()
    }
}

#[test]
fn a_load_waits_for_the_thawing_and_the_status_shows_its_progress() {
    let library = library();
    assert_eq!(library.sense(), Some((2, 0x0401, Some(0x4000))));
    let drive = library.drive();
    assert_eq!((drive.element.cartridge.as_deref(), drive.threaded, drive.ejected), (Some("A1L8"), false, false));
    assert_eq!((drive.thawing, &drive.refused), (Some(ThawStatus { ready: 1, objects: 4 }), &None));
    assert!(serde_json::to_string(&drive).unwrap().contains(r#""thawing":{"ready":1,"objects":4}"#));
    library.store.state().progress.ready = 3;
    for _ in 0..3 {
        library.look();
    }
    assert_eq!(library.clock.wait_for_deadline(), SECOND);
    assert_eq!(library.drive().thawing, Some(ThawStatus { ready: 3, objects: 4 }));
    assert_eq!(library.sense(), Some((2, 0x0401, Some(0xc000))));
    library.store.state().is_frozen = false;
    library.look();
    library.wait_for_end();
    assert!(library.drive().threaded);
    assert_eq!(library.sense(), Some((6, 0x2800, None)));
    assert_eq!(library.sense(), None);
    assert_eq!(library.store.thawings(), (1, 1));
    let events = library.events();
    assert!(
        matches!(events[..], [Event::TapeThawing { objects: 4 }, Event::Loaded { .. }, Event::TapeLoaded]),
        "{events:?}"
    );
}

#[test]
fn a_cartridge_leaves_the_drive_while_it_is_thawed() {
    let library = library();
    library.host.unload(1).unwrap();
    assert_eq!((library.drive().ejected, library.drive().thawing), (true, None));
    // LOAD with IMMED=0 does not wait.
    let error = library.host.load(1).unwrap_err();
    assert_eq!(error.sense_codes(), Some((2, 0x04, 0x01)));
    assert_eq!(library.drive().thawing, Some(ThawStatus { ready: 1, objects: 4 }));
    library.host.move_medium(0, 500, 1000).unwrap();
    assert_eq!((library.drive().element.cartridge, library.store.thawings()), (None, (2, 2)));
    // The drive can be used for others meanwhile.
    library.host.move_medium(0, 1001, 500).unwrap();
    assert!(library.drive().threaded);
}

#[test]
fn a_thawing_that_fails_is_a_failed_load() {
    let library = library();
    library.store.state().error = Some(ErrorKind::PermissionDenied);
    library.store.state().is_frozen = false;
    library.look();
    library.wait_for_end();
    let refused = library.drive().refused.unwrap();
    assert!(refused.contains("thawing the cartridge failed: permission denied"), "{refused}");
    assert_eq!(library.sense(), Some((3, 0x5300, None)));
    let events = library.events();
    assert!(
        matches!(events.last(), Some(Event::Unusable { .. }))
            && !events.contains(&Event::TapeUnloaded { ejected: false }),
        "{events:?}"
    );
}

#[test]
fn a_site_is_shut_down_while_a_cartridge_is_thawed() {
    let library = library();
    library.site.shut_down().unwrap();
    assert_eq!(library.store.thawings(), (1, 1));
}
