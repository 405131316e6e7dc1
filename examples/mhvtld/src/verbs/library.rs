//! The control tool's commands for a library.

use crate::Reply;
use smc::element::ElementType;
use std::sync::Arc;
use tape_store::cartridge::Barcode;
use vtl::audit::{Actor, ActorKind};
use vtl::control::{ControlError, ControlRequest, Door};
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
        match text.trim_end() {
            "open map" => Reply::Text(self.set_map(true)),
            "close map" => Reply::Text(self.set_map(false)),
            "empty map" => Reply::Text(self.empty_map()),
            "list map" => Reply::Text(self.map_barcodes().iter().map(|label| format!("{label:<16}")).collect()),
            "add slot" => Reply::Text(match self.site.add_slot(&control_tool(), self.library.name()) {
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

    /// The name of the library, for a request.
    fn name(&self) -> Option<String> {
        Some(self.library.name().to_owned())
    }

    fn set_online(&self, online: bool) -> Reply {
        let done = request(self.site, &ControlRequest::Online { library: self.name(), drive: None, online });
        done.map_or_else(|error| Reply::Rejected(error.to_string()), |()| Reply::NoReply)
    }

    /// Opens or closes the MAP.
    fn set_map(&self, open: bool) -> String {
        reply_text(request(self.site, &ControlRequest::Door { library: self.name(), door: Door::IoStation, open }))
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
            let export = ControlRequest::Export { library: self.name(), from: self.library.element_name(at) };
            if let Err(error) = request(self.site, &export) {
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
        if Barcode::new(label).is_none() {
            return "Bad barcode".into();
        }
        let to = Some(self.library.element_name(io_element));
        reply_text(request(self.site, &ControlRequest::Import { library: self.name(), cartridge: label.into(), to }))
    }
}

/// The control tool in the audit log.
pub(crate) fn control_tool() -> Actor {
    Actor::new(ActorKind::Program, "vtlcmd").with_origin("message queue")
}

/// Executes a request of the control tool.
pub(crate) fn request(site: &Site, request: &ControlRequest) -> Result<(), ControlError> {
    site.control_as(&control_tool(), request).map(drop)
}

/// The reply of mhvtl: `OK`, or the error in words.
fn reply_text(done: Result<(), ControlError>) -> String {
    done.map_or_else(|error| error.to_string(), |()| "OK".into())
}
