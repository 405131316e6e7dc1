//! The control tool's commands for a library.

use crate::Reply;
use smc::element::ElementType;
use std::sync::Arc;
use vtl::library::Library;
use vtl::site::Site;

/// Executes the control tool's commands for one library.
pub struct LibraryHandler<'a> {
    /// The site that the library belongs to.
    pub site: &'a Site,
    /// The library that the commands control.
    pub library: Arc<Library>,
}

impl LibraryHandler<'_> {
    /// Executes one command and returns the reply.
    #[must_use]
    pub fn receive(&self, text: &str) -> Reply {
        let reply = |done: Result<(), vtl::library::LibraryError>| {
            Reply::Text(done.map_or_else(|error| error.to_string(), |()| "OK".into()))
        };
        match text.trim_end() {
            "open map" => reply(self.library.operate(|changer| changer.set_io_station(true))),
            "close map" => reply(self.library.operate(|changer| changer.set_io_station(false))),
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
                None => Reply::Rejected("unknown message for a library".into()),
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

    /// Barcodes in the import/export elements, which mhvtl calls MAP.
    fn map_barcodes(&self) -> Vec<String> {
        let io_elements = self.library.layout().import_export;
        let label =
            |changer: &smc::changer::Changer, at| changer.content(at).map(|content| content.barcode.to_string());
        self.library.changer(|changer| io_elements.addresses().filter_map(|at| label(changer, at)).collect())
    }

    fn empty_map(&self) -> String {
        if !self.is_map_open() {
            return "Can't empty map while MAP is closed".into();
        }
        let io_elements = self.library.layout().import_export;
        for at in io_elements.addresses().filter(|at| self.library.changer(|changer| changer.library().is_full(*at))) {
            if let Err(error) = self.library.export(at) {
                return error.to_string();
            }
        }
        "OK".into()
    }

    /// Puts a cartridge into the MAP. The replies and the order of the checks are mhvtl's.
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
        let Ok(io_element) = self.library.first_empty(ElementType::IMPORT_EXPORT) else { return "MAP Full".into() };
        let Some(barcode) = tape_store::cartridge::Barcode::new(label) else { return "Bad barcode".into() };
        // A cartridge whose files were created outside the daemon is put on the shelf first.
        let on_shelf = self.site.take_over_cartridge(&barcode, self.library.shelf());
        on_shelf
            .and_then(|()| self.library.import(io_element, &barcode))
            .map_or_else(|error| error.to_string(), |()| "OK".into())
    }
}
