//! Cartridges whose files are missing, damaged or of another type do not stop a site: they stay in their elements,
//! hosts see an exception, drives refuse them, and an operator can have them forgotten.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::path::Path;
use tape_store::cartridge::Barcode;
use vtl::config::{Config, parse};
use vtl::control::{ControlRequest as Request, ControlResponse};
use vtl::events::{Event, EventRecord};
use vtl::host::Host;
use vtl::site::{OpenSite, Site};

const LIBRARY: &str = "[[library]]\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
    [[library.cartridges]]\npattern = \"V#####L8\"\ncount = 3\nsize = \"64MB\"\n";

fn config(text: &str) -> Config {
    parse("f", text).unwrap()
}

fn open(data: &Path) -> OpenSite {
    Site::open(data, &config(LIBRARY)).unwrap()
}

fn barcode(text: &str) -> Barcode {
    Barcode::new(text).unwrap()
}

fn host(site: &Site) -> Host {
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    host
}

/// Flags, ASC and ASCQ of a storage element, and its volume tag.
fn slot(host: &Host, address: u16) -> (u8, u8, u8, String) {
    let [a, b] = address.to_be_bytes();
    let status = host.command(0, &[0xb8, 0x12, a, b, 0, 1, 0, 0, 0, 0xff, 0, 0], 255).into_result().unwrap();
    (status[18], status[20], status[21], String::from_utf8_lossy(&status[28..60]).trim().into())
}

fn movement(host: &Host, from: u16, to: u16) {
    let ([a, b], [c, d]) = (from.to_be_bytes(), to.to_be_bytes());
    host.command(0, &[0xa5, 0, 0, 0, a, b, c, d, 0, 0, 0, 0], 0).into_result().unwrap();
}

/// TapeAlert flags of the drive.
fn alerts(host: &Host) -> Vec<u8> {
    let page = host.command(1, &[0x4d, 0, 0x6e, 0, 0, 0, 0, 1, 0x44, 0], 324).into_result().unwrap();
    page[4..].chunks(5).filter(|parameter| parameter[4] & 1 != 0).map(|parameter| parameter[1]).collect()
}

/// A modification of a cartridge's files.
type Case = (&'static str, fn(&Path));

const CASES: [Case; 6] = [
    ("no folder", |folder| fs::remove_dir_all(folder).unwrap()),
    ("an empty folder", |folder| {
        fs::remove_dir_all(folder).unwrap();
        fs::create_dir(folder).unwrap();
    }),
    ("a file in its place", |folder| {
        fs::remove_dir_all(folder).unwrap();
        fs::write(folder, b"something else").unwrap();
    }),
    ("a link to itself", |folder| {
        fs::remove_dir_all(folder).unwrap();
        std::os::unix::fs::symlink(folder, folder).unwrap();
    }),
    ("folders instead of its files", |folder| {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
    }),
    // Opening a FIFO would block until a process writes to it.
    ("FIFOs instead of its files", |folder| {
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            fs::remove_file(&path).unwrap();
            rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        }
    }),
];

/// Whether a record is this event of the first cartridge.
fn is_of_first(record: &EventRecord, event: &Event) -> bool {
    record.barcode.as_deref() == Some("V00001L8") && record.event == *event
}

#[test]
fn bad_cartridge_does_not_stop_the_site() {
    for (case, damage) in CASES {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("cartridges/V00001L8");
        drop(open(dir.path()));
        damage(&folder);
        let site = open(dir.path());
        let (host, mut events) = (host(&site), site.subscribe());
        // Full and accessible, with EXCEPT 30h/00h, and its label can be read.
        assert_eq!(slot(&host, 1000), (0x0d, 0x30, 0x00, "V00001L8".into()), "{case}");
        assert_eq!(slot(&host, 1001), (0x09, 0, 0, "V00002L8".into()), "{case}");
        let status = site.status();
        assert!(status.libraries[0].slots[0].unusable.is_some(), "{case}");
        assert!(site.cartridges()[0].unusable.is_some(), "{case}");
        assert_eq!(site.cartridges()[1].unusable, None, "{case}");
        // The drive accepts it, refuses to load it, and releases it.
        movement(&host, 1000, 500);
        assert_eq!(host.command(1, &[0; 6], 0).sense_codes(), Some((3, 0x31, 0x00)), "{case}");
        let alerts = alerts(&host);
        assert!(alerts.contains(&15) && alerts.contains(&55), "{case}: {alerts:?}");
        movement(&host, 500, 1000);
        // Other cartridges work as before.
        movement(&host, 1001, 500);
        host.clear_unit_attentions();
        host.command(1, &[0; 6], 0).into_result().unwrap();
        movement(&host, 500, 1001);
        // After it is forgotten, the site does not create it again.
        site.control(&Request::Forget { cartridge: "V00001L8".into() }).unwrap();
        assert_eq!(site.inventory().get("V00001L8"), None, "{case}");
        host.clear_unit_attentions();
        assert_eq!(slot(&host, 1000).0, 0x08, "{case}");
        assert!(events.try_iter().any(|record| is_of_first(&record, &Event::Forgotten)), "{case}");
        // Although the configuration lists it.
        drop((host, events, site));
        let site = open(dir.path());
        site.reload(&config(LIBRARY)).unwrap();
        assert_eq!(site.inventory().keys().collect::<Vec<_>>(), ["V00002L8", "V00003L8"], "{case}");
    }
}

#[test]
fn repaired_cartridge_is_usable_without_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, aside) = (dir.path().join("cartridges/V00001L8"), dir.path().join("aside"));
    let site = open(dir.path());
    let (host, mut events) = (host(&site), site.subscribe());
    assert_eq!(slot(&host, 1000).0, 0x09);
    // Lost while the site is open: detected when it is loaded.
    fs::rename(&folder, &aside).unwrap();
    movement(&host, 1000, 500);
    assert_eq!(host.command(1, &[0; 6], 0).sense_codes(), Some((3, 0x31, 0x00)));
    let unusable = Event::Unusable { reason: "cartridge V00001L8: its files are missing".into() };
    assert!(events.try_iter().any(|record| is_of_first(&record, &unusable)));
    movement(&host, 500, 1000);
    site.reconcile().unwrap();
    assert_eq!(slot(&host, 1000), (0x0d, 0x30, 0x00, "V00001L8".into()));
    fs::rename(&aside, &folder).unwrap();
    site.reconcile().unwrap();
    assert_eq!(slot(&host, 1000), (0x09, 0, 0, "V00001L8".into()));
    assert!(events.try_iter().any(|record| is_of_first(&record, &Event::Usable)));
    movement(&host, 1000, 500);
    host.clear_unit_attentions();
    host.command(1, &[0; 6], 0).into_result().unwrap();
}

#[test]
fn refused_cartridge_stays_unusable_until_files_change() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("cartridges/V00001L8");
    let site = open(dir.path());
    let (host, mut events) = (host(&site), site.subscribe());
    // Another program reads it with a shared lock: the files can be probed, but not mounted.
    let reader = fs::File::open(&folder).unwrap();
    reader.lock_shared().unwrap();
    movement(&host, 1000, 500);
    assert!(host.command(1, &[0; 6], 0).sense_codes().is_some());
    site.reconcile().unwrap();
    movement(&host, 500, 1000);
    site.reconcile().unwrap();
    assert_eq!(slot(&host, 1000).0, 0x0d);
    // Its files change, and it is still in use.
    fs::write(folder.join("note"), "x").unwrap();
    site.reconcile().unwrap();
    assert_eq!(slot(&host, 1000).0, 0x0d);
    assert!(events.try_iter().all(|record| record.event != Event::Usable));
    drop(reader);
    site.reconcile().unwrap();
    assert_eq!(slot(&host, 1000), (0x09, 0, 0, "V00001L8".into()));
    assert!(events.try_iter().any(|record| is_of_first(&record, &Event::Usable)));
}

#[test]
fn successful_mount_clears_unusable() {
    let dir = tempfile::tempdir().unwrap();
    let site = open(dir.path());
    let host = host(&site);
    let reader = fs::File::open(dir.path().join("cartridges/V00001L8")).unwrap();
    reader.lock_shared().unwrap();
    movement(&host, 1000, 500);
    movement(&host, 500, 1000);
    drop(reader);
    // Its files have not changed: only a drive can clear the fault.
    site.reconcile().unwrap();
    assert!(site.cartridges()[0].unusable.is_some());
    movement(&host, 1000, 500);
    host.clear_unit_attentions();
    host.command(1, &[0; 6], 0).into_result().unwrap();
    assert_eq!(site.cartridges()[0].unusable, None);
}

#[test]
fn unusable_cartridge_directory_does_not_stop_the_site() {
    for separate_directory in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (data, other) = (dir.path().join("data"), dir.path().join("other"));
        let text = format!("{LIBRARY}[storage]\ncartridges = [{other:?}]\ncreate = true\n");
        let config = if separate_directory { config(&text) } else { config(LIBRARY) };
        let cartridges = if separate_directory { other } else { data.join("cartridges") };
        drop(Site::open(&data, &config).unwrap());
        fs::rename(&cartridges, dir.path().join("aside")).unwrap();
        fs::write(&cartridges, b"no directory").unwrap();
        {
            let site = Site::open(&data, &config).unwrap();
            let host = host(&site);
            for address in 1000..1003 {
                assert_eq!(slot(&host, address).0, 0x0d);
            }
            movement(&host, 1002, 500);
            assert_eq!(host.command(1, &[0; 6], 0).sense_codes(), Some((3, 0x31, 0x00)));
        }
        fs::remove_file(&cartridges).unwrap();
        fs::rename(dir.path().join("aside"), &cartridges).unwrap();
        let site = Site::open(&data, &config).unwrap();
        let host = host(&site);
        assert_eq!(slot(&host, 1000).0, 0x09);
        host.command(1, &[0; 6], 0).into_result().unwrap();
    }
}

#[test]
fn new_site_with_leftover_cartridge_files() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("V00002L8"), b"something else").unwrap();
    let config = config(&format!("{LIBRARY}[storage]\ncartridges = [{home:?}]\n"));
    let site = Site::open(&dir.path().join("data"), &config).unwrap();
    let host = host(&site);
    assert_eq!([slot(&host, 1000).0, slot(&host, 1001).0, slot(&host, 1002).0], [0x09, 0x0d, 0x09]);
    assert_eq!(fs::read(home.join("V00002L8")).unwrap(), b"something else");
}

/// A new cartridge may be in a directory that cannot be read: it is created when the directory can be read again.
#[test]
fn new_cartridges_wait_for_a_directory_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let (data, a, b) = (dir.path().join("data"), dir.path().join("a"), dir.path().join("b"));
    fs::create_dir(&a).unwrap();
    fs::create_dir(&b).unwrap();
    let storage = format!("[storage]\ncartridges = [{a:?}, {b:?}]\n");
    let pool = "[[pool]]\nname = \"p\"\npattern = \"P####L8\"\nsize = \"64MB\"\nscratch = 1\n";
    let text = LIBRARY.replace("slots = 4", "slots = 6");
    drop(Site::open(&data, &config(&format!("{text}{storage}"))).unwrap());
    fs::remove_dir(&b).unwrap();
    fs::write(&b, b"no directory").unwrap();
    let more = config(&format!("{}{pool}{storage}", text.replace("count = 3", "count = 4")));
    let known = |site: &Site| site.inventory().into_keys().collect::<Vec<_>>();
    {
        let site = Site::open(&data, &more).unwrap();
        assert_eq!(known(&site), ["V00001L8", "V00002L8", "V00003L8"]);
        let error = site.reconcile().unwrap_err().to_string();
        assert_eq!(error, "cartridge P0001L8: a directory of cartridges cannot be read");
        let host = host(&site);
        assert_eq!(slot(&host, 1000).0, 0x09, "those of the other directory are used");
    }
    fs::remove_file(&b).unwrap();
    fs::create_dir(&b).unwrap();
    let site = Site::open(&data, &more).unwrap();
    assert_eq!(known(&site), ["P0001L8", "V00001L8", "V00002L8", "V00003L8", "V00004L8"]);
    assert!(site.cartridges().iter().all(|cartridge| cartridge.unusable.is_none()));
}

#[test]
fn a_cartridge_in_a_drive_is_not_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let site = open(dir.path());
    let host = host(&site);
    movement(&host, 1000, 500);
    let refused = site.forget_cartridge(&barcode("V00001L8")).unwrap_err().to_string();
    assert_eq!(refused, "V00001L8 is in drive1; unload it first");
    movement(&host, 500, 10);
    site.forget_cartridge(&barcode("V00001L8")).unwrap();
    assert!(dir.path().join("cartridges/V00001L8/ferric.mam").exists());
    // It is taken over again from its files.
    let request = Request::Import { library: None, cartridge: "V00001L8".into(), to: None };
    site.control(&request).unwrap();
    assert!(site.inventory().contains_key("V00001L8"));
}

fn write(host: &Host, cdb: &[u8], data: &[u8]) -> Option<(u8, u8, u8)> {
    host.command_with_data(1, cdb, data).sense_codes()
}

/// Files that are removed while the cartridge is in a drive: data that is lost with them is not acknowledged.
#[test]
fn files_removed_under_a_drive() {
    const WRITE: [u8; 6] = [0x0a, 0, 0, 0, 5, 0];
    const FILEMARK: [u8; 6] = [0x10, 0, 0, 0, 1, 0];
    const UNLOAD: [u8; 6] = [0x1b, 0, 0, 0, 0, 0];
    for name in ["data.0", "indx.0", ""] {
        let loaded = || {
            let dir = tempfile::tempdir().unwrap();
            let site = open(dir.path());
            let (host, events) = (host(&site), site.subscribe());
            movement(&host, 1000, 500);
            host.clear_unit_attentions();
            assert_eq!(write(&host, &WRITE, b"block"), None);
            assert_eq!(write(&host, &FILEMARK, b""), None);
            (dir, site, host, events)
        };
        let remove = |data: &Path| match name {
            "" => fs::remove_dir_all(data.join("cartridges/V00001L8")).unwrap(),
            name => fs::remove_file(data.join("cartridges/V00001L8").join(name)).unwrap(),
        };
        {
            let (dir, _site, host, mut events) = loaded();
            remove(dir.path());
            assert_eq!(write(&host, &WRITE, b"other"), None, "{name}: it is buffered");
            assert_eq!(write(&host, &FILEMARK, b""), Some((3, 0x0c, 0x00)), "{name}");
            assert!(alerts(&host).contains(&6), "{name}");
            assert!(events.try_iter().any(|record| matches!(record.event, Event::Damaged { .. })), "{name}");
        }
        // Nothing was written since the last synchronisation: the unload detects the loss.
        let (dir, _site, host, mut events) = loaded();
        remove(dir.path());
        assert_eq!(write(&host, &UNLOAD, b""), Some((3, 0x0c, 0x00)), "{name}");
        let flags = alerts(&host);
        assert!(flags.contains(&51), "{name}: {flags:?}");
        assert!(events.try_iter().any(|record| matches!(&record.event, Event::Damaged { reason }
            if record.barcode.as_deref() == Some("V00001L8") && record.unit.as_deref() == Some("drive1")
                && reason.starts_with("not unloaded cleanly: "))));
    }
}

/// The status of a cartridge whose files were removed while it was in a drive.
#[test]
fn files_removed_under_a_drive_are_a_fault_of_the_cartridge() {
    let dir = tempfile::tempdir().unwrap();
    let site = open(dir.path());
    let host = host(&site);
    movement(&host, 1000, 500);
    host.clear_unit_attentions();
    assert_eq!(write(&host, &[0x0a, 0, 0, 0, 5, 0], b"block"), None);
    assert_eq!(write(&host, &[0x10, 0, 0, 0, 1, 0], b""), None);
    fs::remove_dir_all(dir.path().join("cartridges/V00001L8")).unwrap();
    movement(&host, 500, 1000);
    site.reconcile().unwrap();
    let reason = site.cartridges()[0].unusable.clone();
    assert_eq!(reason.as_deref(), Some("cartridge V00001L8: its files are missing"));
    assert_eq!(site.status().libraries[0].slots[0].unusable, reason);
    assert_eq!(slot(&host, 1000), (0x0d, 0x30, 0x00, "V00001L8".into()));
    // Never loaded: the list reads the cartridge memory.
    let dir = tempfile::tempdir().unwrap();
    let site = open(dir.path());
    fs::remove_dir_all(dir.path().join("cartridges/V00002L8")).unwrap();
    assert_eq!(site.cartridges()[1].unusable.as_deref(), Some("cartridge V00002L8: its files are missing"));
}

/// Every operation on a cartridge with damaged files names the cartridge and the file.
#[test]
fn errors_of_operations_name_the_cartridge_and_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let site = open(dir.path());
    let folder = dir.path().join("cartridges/V00001L8");
    site.control(&Request::Door { library: None, door: vtl::control::Door::Access, open: true }).unwrap();
    let memory = folder.join("ferric.mam");
    fs::remove_file(&memory).unwrap();
    fs::create_dir(&memory).unwrap();
    let cartridge = || "V00001L8".to_owned();
    for request in [
        Request::Protect { cartridge: cartridge(), on: true },
        Request::Retain { cartridge: cartridge(), until: 4_102_444_800 },
    ] {
        let error = site.control(&request).unwrap_err().to_string();
        assert_eq!(error, "cartridge V00001L8: reading ferric.mam failed: Is a directory (os error 21)");
    }
    site.control(&Request::Export { library: None, from: cartridge() }).unwrap();
    let error = site.control(&Request::Delete { cartridge: cartridge() }).unwrap_err().to_string();
    assert_eq!(
        error,
        "cartridge V00001L8: reading ferric.mam failed: Is a directory (os error 21); whether it is retained is unknown, so it \
         is not deleted; to remove it from the inventory and keep its files: ferric cartridge V00001L8 --forget"
    );
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    let error = site.control(&Request::Delete { cartridge: cartridge() }).unwrap_err().to_string();
    assert!(error.ends_with("ferric cartridge V00001L8 --forget"), "{error}");
    site.control(&Request::Forget { cartridge: cartridge() }).unwrap();
}

/// The move is done, and the response says that the drive cannot use the cartridge.
#[test]
fn refused_load_is_reported() {
    const MIXED: &str = "[[library]]\nslots = 4\n[[library.drive]]\nmodel = \"ULT3580-TD8\"\n\
        [[library.cartridges]]\npattern = \"V#####L8\"\nsize = \"64MB\"\n\
        [[library.cartridges]]\npattern = \"A#####L5\"\nsize = \"64MB\"\n\
        [[library.cartridges]]\npattern = \"CLN001L8\"\n";
    let dir = tempfile::tempdir().unwrap();
    let site = Site::open(dir.path(), &config(MIXED)).unwrap();
    let names = site.inventory().into_keys().collect::<Vec<_>>();
    fs::remove_file(
        dir.path().join("cartridges").join(names.iter().find(|name| name.starts_with('V')).unwrap()).join("ferric.mam"),
    )
    .unwrap();
    let refused = |name: &str| {
        let cartridge = names.iter().find(|known| known.starts_with(name)).unwrap().clone();
        let response = site.control(&Request::Load { library: None, cartridge, drive: None }).unwrap();
        let drive = site.status().libraries[0].drives[0].clone();
        site.control(&Request::Unload { library: None, drive: "drive1".into() }).unwrap();
        let ControlResponse::Load(moved) = response else { panic!("{response:?}") };
        (moved.refused, drive.refused, drive.threaded)
    };
    let incompatible = Some("incompatible medium: ULT3580-TD8 does not take LTO-5 data".to_owned());
    assert_eq!(refused("A"), (incompatible.clone(), incompatible, false));
    let (response, status, threaded) = refused("V");
    assert!(
        response.as_deref().is_some_and(|reason| reason.starts_with("ferric.mam and mam are missing")),
        "{response:?}"
    );
    assert_eq!((status, threaded), (response, false));
    assert_eq!(refused("CLN"), (None, None, false));
    let status = site.cartridges();
    let cleaning = status.iter().find(|cartridge| cartridge.cartridge == "CLN001L8").unwrap();
    assert_eq!((cleaning.kind.as_deref(), cleaning.cleanings_left, cleaning.blank), (Some("cleaning"), Some(49), None));
}
