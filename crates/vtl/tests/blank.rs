//! The blank state of cartridges is rechecked when a site is opened.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use smc::element::ElementAddress;
use std::fs;
use std::path::{Path, PathBuf};
use tape_store::backend::file::OsFolderStore;
use tape_store::cartridge::{Barcode, CartridgeKind, Format};
use tape_store::image::{PlainReader, write_to_cartridge};
use tape_store::media::LTO_8;
use tape_store::medium::Codec;
use tape_store::store::{NewCartridge, TapeStore};
use vtl::Site;
use vtl::config::parse;
use vtl::data_dir::DataDir;
use vtl::host::Host;
use vtl::site::OpenSite;

#[test]
fn blank_state_is_rechecked_at_open() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("cartridges");
    let store = || TapeStore::new(Box::new(OsFolderStore::at(&home).unwrap()));
    let put = |name: &str| {
        let mut cartridge = store().find(&Barcode::new(name).unwrap()).unwrap();
        write_to_cartridge(&mut PlainReader::new(&b"data"[..], 4), &mut cartridge, 0, false, Codec::NONE).unwrap();
    };
    // Two cartridges that are older than the site, one in each format; one of them has data.
    for (name, level) in
        [("A1L8", Format::Mhvtl), ("A2L8", Format::Native), ("A3L8", Format::Native), ("A4L8", Format::Mhvtl)]
    {
        let new = NewCartridge::data(&LTO_8).with_format(level).with_capacity(64 << 20);
        store().create(&Barcode::new(name).unwrap(), &new).unwrap();
    }
    put("A1L8");
    put("A2L8");
    let text = "[library]\nslots = 8\n[[cartridges]]\npattern = \"A#L8\"\ncount = 5\n[[pool]]\nname = \"a\"\npattern = \"A#L8\"\n";
    let config = parse("f", text).unwrap();
    let blank = || {
        // At first, the directory has cartridges and no state.
        let data =
            DataDir::open_configured(dir.path(), &config).unwrap().with_new_site(!dir.path().join("state.1").exists());
        let site = Site::open_data_dir(data, &config).unwrap();
        let all: Vec<bool> = site.cartridges().into_iter().map(|one| one.blank == Some(true)).collect();
        assert_eq!(site.pool_status()[0].scratch, all.iter().filter(|blank| **blank).count());
        all
    };
    assert_eq!(blank(), [false, false, true, true, true]);
    put("A3L8");
    put("A4L8");
    assert_eq!(blank(), [false, false, false, false, true]);
}

const POOL: &str = "[library]\nslots = 8\n[[cartridges]]\npattern = \"A#L8\"\ncount = 3\nsize = \"64MB\"\n\
    [[pool]]\nname = \"a\"\npattern = \"A#L8\"\n";

/// A site with three blank cartridges, and the directory of their files.
fn site_of(dir: &Path) -> (OpenSite, PathBuf) {
    let config = parse("f", POOL).unwrap();
    let data = DataDir::open_configured(dir, &config).unwrap().with_new_site(!dir.join("state.1").exists());
    (Site::open_data_dir(data, &config).unwrap(), dir.join("cartridges"))
}

/// The blank and the write-protected state of A1L8 in the cartridge list.
fn listed(site: &Site) -> (Option<bool>, bool) {
    let all = site.cartridges();
    let cartridge = all.iter().find(|one| one.cartridge == "A1L8").unwrap();
    (cartridge.blank, cartridge.write_protected)
}

#[test]
fn a_damaged_tape_with_data_is_not_scratch() {
    let dir = tempfile::tempdir().unwrap();
    let (site, home) = site_of(dir.path());
    assert_eq!((site.pool_status()[0].scratch, listed(&site)), (3, (Some(true), false)));
    drop(site);
    let store = TapeStore::new(Box::new(OsFolderStore::at(&home).unwrap()));
    let mut cartridge = store.find(&Barcode::new("A1L8").unwrap()).unwrap();
    write_to_cartridge(&mut PlainReader::new(&[7; 294_000][..], 1000), &mut cartridge, 0, false, Codec::NONE).unwrap();
    drop((cartridge, store));
    for name in ["indx.0", "mark.0"] {
        fs::remove_file(home.join("A1L8").join(name)).unwrap();
    }
    let (site, _) = site_of(dir.path());
    assert_eq!(site.pool_status()[0].scratch, 2);
    assert_eq!(listed(&site).0, Some(false));
    // A host does not read it as a blank tape, and cannot relabel it.
    let library = &site.libraries()[0];
    library.move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    assert_eq!(host.command(1, &[8, 0, 0, 3, 0xe8, 0], 1000).sense_codes(), Some((3, 0x11, 0x00)));
    host.command(1, &[1, 0, 0, 0, 0, 0], 0).into_result().unwrap();
    assert_eq!(host.command_with_data(1, &[0x0a, 0, 0, 0, 80, 0], &[b'V'; 80]).sense_codes(), Some((3, 0x31, 0x00)));
    drop(host);
    library.move_medium(ElementAddress(500), ElementAddress(1000)).unwrap();
    assert_eq!((site.pool_status()[0].scratch, listed(&site).0), (2, Some(false)));
}

#[test]
fn write_protected_blank_cartridge_is_not_scratch() {
    let dir = tempfile::tempdir().unwrap();
    let (site, home) = site_of(dir.path());
    let label = Barcode::new("A1L8").unwrap();
    let scratch = || site.pool_status()[0].scratch;
    assert_eq!(scratch(), 3);
    site.set_write_protect(&label, true).unwrap();
    assert_eq!((scratch(), listed(&site)), (2, (Some(true), true)));
    site.set_write_protect(&label, false).unwrap();
    assert_eq!((scratch(), listed(&site)), (3, (Some(true), false)));
    // The year 2100. Then its MAM is damaged; the copy still has the retention date.
    site.retain_cartridge(&label, 4_102_444_800).unwrap();
    let memory = home.join("A1L8/ferric.mam");
    fs::write(home.join("A1L8/ferric.mam.copy"), fs::read(&memory).unwrap()).unwrap();
    let mut bytes = fs::read(&memory).unwrap();
    bytes[100] ^= 1;
    fs::write(&memory, bytes).unwrap();
    assert_eq!((scratch(), listed(&site)), (2, (Some(true), true)));
    assert_eq!(site.cartridges()[0].retained_until, Some(4_102_444_800));
    // Data by its barcode, WORM by its MAM.
    let store = TapeStore::new(Box::new(OsFolderStore::at(&home).unwrap()));
    let worm = NewCartridge::data(&LTO_8).with_kind(CartridgeKind::Worm).with_serial("S2").with_capacity(64 << 20);
    fs::remove_dir_all(home.join("A2L8")).unwrap();
    store.create(&Barcode::new("A2L8").unwrap(), &worm).unwrap();
    assert_eq!(scratch(), 1);
}
