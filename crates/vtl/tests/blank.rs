//! Whether a cartridge is blank is looked at when a site is opened.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

use tape_store::backend::file::OsShelves;
use tape_store::cartridge::{Barcode, Level};
use tape_store::image::{PlainReader, write};
use tape_store::media::LTO_8;
use tape_store::medium::Codec;
use tape_store::shelf::{NewCartridge, TapeStore};
use vtl::Site;
use vtl::config::parse;
use vtl::data_dir::Data;

#[test]
fn blankness_is_looked_at_when_a_site_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("cartridges");
    let store = || TapeStore::new(Box::new(OsShelves::at(&home).unwrap()));
    let put = |name: &str| {
        let mut cartridge = store().find(&Barcode::new(name).unwrap()).unwrap();
        write(&mut PlainReader::new(&b"data"[..], 4), &mut cartridge, 0, false, Codec::NONE).unwrap();
    };
    // Two that exist before the site does, of each format; one of them is written.
    for (name, level) in
        [("A1L8", Level::Mhvtl), ("A2L8", Level::Ferric), ("A3L8", Level::Ferric), ("A4L8", Level::Mhvtl)]
    {
        let new = NewCartridge { level, capacity: 64 << 20, ..NewCartridge::data(&LTO_8) };
        store().create(&Barcode::new(name).unwrap(), &new).unwrap();
    }
    put("A1L8");
    put("A2L8");
    let text = "[library]\nslots = 8\n[[cartridges]]\npattern = \"A#L8\"\ncount = 5\n[[pool]]\nname = \"a\"\npattern = \"A#L8\"\n";
    let config = parse("f", text).unwrap();
    let blank = || {
        // The directory has cartridges and no state, at first.
        let data = Data::configured(dir.path(), &config).unwrap().with_new_site(!dir.path().join("state.1").exists());
        let site = Site::of(data, &config).unwrap();
        let all: Vec<bool> = site.cartridges().into_iter().map(|one| one.blank == Some(true)).collect();
        assert_eq!(site.pool_status()[0].scratch, all.iter().filter(|blank| **blank).count());
        all
    };
    assert_eq!(blank(), [false, false, true, true, true]);
    put("A3L8");
    put("A4L8");
    assert_eq!(blank(), [false, false, false, false, true]);
}
