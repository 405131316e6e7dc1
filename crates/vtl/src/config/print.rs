//! The effective configuration as a file: what `--print-config` shows. Secrets are left out.

use super::{Config, IscsiSetup, LibrarySetup, PoolSetup, When};
use scsi_core::identity::{Model, Strings};
use std::fmt;
use tape_store::medium::{Codec, CodecId};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.libraries.iter().try_for_each(|library| writeln!(f, "{library}"))?;
        if !self.cartridges.is_empty() || self.group.is_some() || self.shared {
            writeln!(f, "[storage]")?;
            if !self.cartridges.is_empty() {
                writeln!(f, "cartridges = {:?}", self.cartridges)?;
            }
            given(f, "group", self.group.as_deref())?;
            if self.shared {
                writeln!(f, "shared = true")?;
            }
            writeln!(f)?;
        }
        self.pools.iter().try_for_each(|pool| writeln!(f, "{pool}"))?;
        write!(f, "{}", self.iscsi)
    }
}

impl fmt::Display for LibrarySetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[library]]\nname = {:?}", self.name)?;
        writeln!(f, "model = {:?}", self.changer.name)?;
        given(f, "serial", self.names.serial.as_deref())?;
        given(f, "naa", self.names.naa.as_deref())?;
        strings(f, &self.strings, self.changer.model)?;
        if self.moved {
            let [robot, slots, import_export, drives] = self.layout.ranges().map(|(_, range)| range.first);
            write!(f, "first = {{ robot = {robot}, slots = {slots}, ")?;
            writeln!(f, "import_export = {import_export}, drives = {drives} }}")?;
        }
        writeln!(f, "slots = {}", self.layout.storage.count)?;
        writeln!(f, "import_export = {}", self.layout.import_export.count)?;
        writeln!(f, "shelf = {:?}", self.shelf)?;
        given(f, "target", self.target.as_deref())?;
        if let Some(lun) = self.lun {
            writeln!(f, "lun = {lun}")?;
        }
        writeln!(f, "export = {:?}\nimport = {:?}", when(self.export), when(self.import))?;
        for drive in &self.drives {
            writeln!(f, "\n[[library.drive]]\nmodel = {:?}", drive.profile.model.product)?;
            writeln!(f, "compression = {:?}", codec(drive.codec))?;
            given(f, "serial", drive.names.serial.as_deref())?;
            given(f, "naa", drive.names.naa.as_deref())?;
            strings(f, &drive.strings, drive.profile.model)?;
        }
        for cartridge in &self.cartridges {
            writeln!(f, "\n[[library.cartridges]]\npattern = \"{}\"", cartridge.barcode)?;
            if cartridge.barcode.media() != Some((cartridge.media, cartridge.kind)) {
                writeln!(f, "medium = {:?}\nkind = {:?}", cartridge.media.name, cartridge.kind.name())?;
            }
            given(f, "label", cartridge.label.map(|_| "missing"))?;
            writeln!(f, "size = {:?}", size(cartridge.size))?;
            writeln!(f, "level = {:?}", cartridge.level.name())?;
            let place = cartridge.at.and_then(|at| {
                let slot = self.layout.storage.index(at).map(|index| format!("slot{}", index + 1));
                slot.or_else(|| Some(format!("port{}", self.layout.import_export.index(at)? + 1)))
            });
            given(f, "at", place.as_deref())?;
        }
        Ok(())
    }
}

impl fmt::Display for PoolSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[pool]]\nname = {:?}\npattern = \"{}\"", self.name, self.pattern)?;
        writeln!(f, "size = {:?}\nlevel = {:?}", size(self.size), self.level.name())?;
        writeln!(f, "library = {:?}\nscratch = {}", self.library, self.scratch)
    }
}

fn given(f: &mut fmt::Formatter<'_>, key: &str, value: Option<&str>) -> fmt::Result {
    value.map_or(Ok(()), |value| writeln!(f, "{key} = {value:?}"))
}

/// What is not as the model has it.
fn strings(f: &mut fmt::Formatter<'_>, strings: &Strings, model: Model) -> fmt::Result {
    let other = |string: &'_ str, usual: &str| (string != usual).then(|| string.to_owned());
    given(f, "vendor", other(&strings.vendor, model.vendor).as_deref())?;
    given(f, "product", other(&strings.product, model.product).as_deref())?;
    given(f, "revision", other(&strings.revision, model.revision).as_deref())
}

fn size(bytes: u64) -> String {
    if bytes.is_multiple_of(1_000_000) { format!("{}MB", bytes / 1_000_000) } else { format!("{}KiB", bytes / 1024) }
}

const fn when(when: When) -> &'static str {
    match when {
        When::Operator => "operator",
        When::AtOnce => "at once",
    }
}

impl fmt::Display for IscsiSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[iscsi]\nbind = {:?}", self.bind)?;
        match &self.iqn {
            Some(iqn) => writeln!(f, "iqn = {iqn:?}")?,
            None => writeln!(f, "# iqn is made at the first start and kept in the data directory")?,
        }
        if let Some(advertise) = &self.advertise {
            writeln!(f, "advertise = {advertise:?}")?;
        }
        writeln!(f, "initiators = {:?}", self.initiators)?;
        for user in &self.users {
            writeln!(f, "\n[[iscsi.user]]\nname = {:?}\n# secret is not shown", user.name)?;
        }
        if let Some(mutual) = &self.mutual {
            writeln!(f, "\n[iscsi.mutual]\nname = {:?}\n# secret is not shown", mutual.name)?;
        }
        Ok(())
    }
}

fn codec(codec: Codec) -> String {
    match codec.id {
        CodecId::ZLIB => format!("zlib:{}", codec.level),
        CodecId::ZSTD => format!("zstd:{}", codec.level),
        _ => "none".into(),
    }
}
