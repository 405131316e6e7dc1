//! The effective configuration as a file: what `--print-config` shows. Secrets are left out.

use super::{Config, IscsiSetup, LibrarySetup};
use std::fmt;
use tape_store::medium::{Codec, CodecId};

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.libraries.iter().try_for_each(|library| writeln!(f, "{library}"))?;
        write!(f, "{}", self.iscsi)
    }
}

impl fmt::Display for LibrarySetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[[library]]\nname = {:?}", self.name)?;
        writeln!(f, "model = {:?}", self.changer.name)?;
        writeln!(f, "slots = {}", self.layout.storage.count)?;
        writeln!(f, "import_export = {}", self.layout.import_export.count)?;
        writeln!(f, "shelf = {:?}", self.shelf)?;
        if let Some(target) = &self.target {
            writeln!(f, "target = {target:?}")?;
        }
        if let Some(lun) = self.lun {
            writeln!(f, "lun = {lun}")?;
        }
        for drive in &self.drives {
            writeln!(f, "\n[[library.drive]]\nmodel = {:?}", drive.profile.model.product)?;
            writeln!(f, "compression = {:?}", codec(drive.codec))?;
        }
        for cartridge in &self.cartridges {
            writeln!(f, "\n[[library.cartridges]]\npattern = \"{}\"", cartridge.barcode)?;
            match cartridge.size % 1_000_000 {
                0 => writeln!(f, "size = \"{}MB\"", cartridge.size / 1_000_000)?,
                _ => writeln!(f, "size = \"{}KiB\"", cartridge.size / 1024)?,
            }
            writeln!(f, "level = {:?}", cartridge.level.name())?;
        }
        Ok(())
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
