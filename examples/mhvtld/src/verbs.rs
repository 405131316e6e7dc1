//! What mhvtl's control tool says to a unit, and the answers.
//!
//! Texts are compared by their beginnings, as mhvtl does; one that means nothing is not answered.

use scsi_core::asc::Asc;
use smc::element::ElementType;
use std::sync::Arc;
use vtl::control::Request;
use vtl::library::Library;
use vtl::site::Site;
use vtl::unit::Unit;

/// What is done about a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing that the sender waits for.
    Silent,
    /// This is said back.
    Said(String),
    /// The unit is to end.
    Exit,
    /// We do not do that; why, for the log.
    Refused(String),
}

/// A unit, as messages mean it.
pub(crate) struct Addressee<'a> {
    pub(crate) site: &'a Site,
    pub(crate) library: Arc<Library>,
    /// 0 is the changer, the drives follow.
    pub(crate) number: usize,
    pub(crate) unit: Arc<Unit>,
}

impl Addressee<'_> {
    /// Does what a text asks.
    pub(crate) fn hear(&self, text: &str) -> Heard {
        let common = [
            ("exit", Heard::Exit),
            // How much is logged is the daemon's, not a unit's.
            ("verbose", Heard::Silent),
            ("debug", Heard::Silent),
            ("dump", Heard::Silent),
        ];
        if let Some((_, heard)) = common.into_iter().find(|(verb, _)| text.starts_with(verb)) {
            return heard;
        }
        if let Some(flags) = text.strip_prefix("TapeAlert") {
            return self.alerts(flags.trim());
        }
        if text.starts_with("InquiryDataChange") {
            self.unit.with(|device| device.lu().attention.raise_all(Asc::INQUIRY_DATA_HAS_CHANGED));
            return Heard::Silent;
        }
        if self.number == 0 { self.library_hears(text) } else { self.drive_hears(text) }
    }

    fn library_hears(&self, text: &str) -> Heard {
        let said = |done: Result<(), vtl::library::LibraryError>| {
            Heard::Said(done.map_or_else(|error| error.to_string(), |()| "OK".into()))
        };
        match text.trim_end() {
            "open map" => said(self.library.operate(|changer| changer.set_station(true))),
            "close map" => said(self.library.operate(|changer| changer.set_station(false))),
            "empty map" => Heard::Said(self.empty_map()),
            "list map" => Heard::Said(self.map().iter().map(|label| format!("{label:<16}")).collect()),
            "add slot" => Heard::Said(match self.site.add_slot(self.library.name()) {
                Ok(number) => format!("slot={number}"),
                Err(error) => error.to_string(),
            }),
            "offline" => self.line(false),
            "online" => self.line(true),
            other => match other.strip_prefix("load map ") {
                Some(label) => Heard::Said(self.load_map(label.trim())),
                None => Heard::Refused("it means nothing to a library".into()),
            },
        }
    }

    fn line(&self, online: bool) -> Heard {
        let set = |changer: &mut smc::changer::Changer| {
            changer.set_online(online);
            Ok(())
        };
        self.library.operate(set).map_or_else(|error| Heard::Refused(error.to_string()), |()| Heard::Silent)
    }

    fn is_map_open(&self) -> bool {
        self.library.changer(|changer| changer.library().condition().station_open)
    }

    /// Labels in import/export elements.
    fn map(&self) -> Vec<String> {
        let ports = self.library.layout().import_export;
        let label =
            |changer: &smc::changer::Changer, at| changer.content(at).map(|content| content.barcode.to_string());
        self.library.changer(|changer| ports.addresses().filter_map(|at| label(changer, at)).collect())
    }

    fn empty_map(&self) -> String {
        if !self.is_map_open() {
            return "Can't empty map while MAP is closed".into();
        }
        let ports = self.library.layout().import_export;
        for at in ports.addresses().filter(|at| self.library.changer(|changer| changer.library().is_full(*at))) {
            if let Err(error) = self.library.export(at) {
                return error.to_string();
            }
        }
        "OK".into()
    }

    /// Answers, and the order of what is looked at, are mhvtl's.
    fn load_map(&self, label: &str) -> String {
        if !self.is_map_open() {
            return "MAP not opened".into();
        }
        if !label.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
            return "Bad barcode".into();
        }
        if self.library.spot(label).is_ok() {
            return "barcode already in library".into();
        }
        if label.len() > 16 {
            return "barcode length too long".into();
        }
        let Ok(port) = self.library.first_empty(ElementType::IMPORT_EXPORT) else { return "MAP Full".into() };
        let Some(barcode) = tape_store::cartridge::Barcode::new(label) else { return "Bad barcode".into() };
        // One whose files were made beside us is on the shelf from here on.
        let adopted = self.site.adopt(&barcode, self.library.shelf());
        adopted
            .and_then(|()| self.library.import(port, &barcode))
            .map_or_else(|error| error.to_string(), |()| "OK".into())
    }

    fn drive_hears(&self, text: &str) -> Heard {
        let library = Some(self.library.name().to_owned());
        let drive = format!("drive{}", self.number);
        if let Some(label) = text.strip_prefix("load ") {
            let cartridge = label.trim().to_owned();
            return match self.site.control(&Request::Load { library, cartridge, drive: Some(drive) }) {
                Ok(_) => Heard::Silent,
                Err(error) => Heard::Refused(error.to_string()),
            };
        }
        if text.starts_with("unload") {
            return match self.site.control(&Request::Unload { library, drive }) {
                Ok(_) => Heard::Said("Unloaded OK".into()),
                Err(error) => Heard::Refused(error.to_string()),
            };
        }
        Heard::Refused("it means nothing to a drive here".into())
    }

    /// Sets all flags: the lowest bit is flag 1.
    fn alerts(&self, text: &str) -> Heard {
        let Ok(flags) = u64::from_str_radix(text, 16) else {
            return Heard::Refused(format!("{text:?} is not up to sixteen hexadecimal digits"));
        };
        self.unit.with(|device| (1..=64_u8).for_each(|flag| device.set_alert(flag, flags >> (flag - 1) & 1 == 1)));
        Heard::Silent
    }
}
