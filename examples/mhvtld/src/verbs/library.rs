//! What a library understands.

use crate::Reply;
use smc::element::ElementType;
use std::sync::Arc;
use vtl::library::Library;
use vtl::site::Site;

/// A library, as messages mean it.
pub struct LibraryHandler<'a> {
    /// Where it is.
    pub site: &'a Site,
    /// It.
    pub library: Arc<Library>,
}

impl LibraryHandler<'_> {
    /// Does what a text asks.
    #[must_use]
    pub fn receive(&self, text: &str) -> Reply {
        let said = |done: Result<(), vtl::library::LibraryError>| {
            Reply::Text(done.map_or_else(|error| error.to_string(), |()| "OK".into()))
        };
        match text.trim_end() {
            "open map" => said(self.library.operate(|changer| changer.set_io_station(true))),
            "close map" => said(self.library.operate(|changer| changer.set_io_station(false))),
            "empty map" => Reply::Text(self.empty_map()),
            "list map" => Reply::Text(self.map_barcodes().iter().map(|label| format!("{label:<16}")).collect()),
            "add slot" => Reply::Text(match self.site.add_slot(self.library.name()) {
                Ok(number) => format!("slot={number}"),
                Err(error) => error.to_string(),
            }),
            "offline" => self.set_online(false),
            "online" => self.set_online(true),
            other => match other.strip_prefix("load map ") {
                Some(label) => Reply::Text(self.load_map(label.trim())),
                None => Reply::Rejected("it means nothing to a library".into()),
            },
        }
    }

    fn set_online(&self, online: bool) -> Reply {
        let set = |changer: &mut smc::changer::Changer| {
            changer.set_online(online);
            Ok(())
        };
        self.library.operate(set).map_or_else(|error| Reply::Rejected(error.to_string()), |()| Reply::NoReply)
    }

    fn is_map_open(&self) -> bool {
        self.library.changer(|changer| changer.library().operator_state().station_open)
    }

    /// Labels in import/export elements.
    fn map_barcodes(&self) -> Vec<String> {
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
        if self.library.resolve_element(label).is_ok() {
            return "barcode already in library".into();
        }
        if label.len() > 16 {
            return "barcode length too long".into();
        }
        let Ok(port) = self.library.first_empty(ElementType::IMPORT_EXPORT) else { return "MAP Full".into() };
        let Some(barcode) = tape_store::cartridge::Barcode::new(label) else { return "Bad barcode".into() };
        // One whose files were made beside us is on the shelf from here on.
        let adopted = self.site.take_over_cartridge(&barcode, self.library.shelf());
        adopted
            .and_then(|()| self.library.import(port, &barcode))
            .map_or_else(|error| error.to_string(), |()| "OK".into())
    }
}
