//! The control protocol of a running site: requests and responses as values, which are sent as JSON over the control socket.

mod alerts;
mod clients;
mod former_words;
mod operator_errors;
mod request_parser;
mod resolve;
mod robot_moves;
pub mod socket;
mod status;

pub use alerts::AlertStatus;
pub use former_words::{FormerWord, current_element_name};
pub use resolve::element_name;
pub use status::{CartridgeStatus, DriveStatus, ElementStatus, LibraryStatus, PoolStatus, SiteStatus};

use crate::library::{Library, LibraryError};
use crate::site::Site;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smc::element::{ElementFault, ElementType, LabelDefect};
use smc::robot::RobotFault;
use tape_store::cartridge::Barcode;

/// Request of the control protocol. `library` may be `None` if the site has one library, or if a barcode identifies it.
/// An element is named by its address, by its type and number from 1 (`slot3`, `drive1`, `io2`), or by the barcode of
/// the cartridge in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Requests the status of the whole site: [`SiteStatus`].
    Status,
    /// Resolves the name of an element: its library, address and name.
    Find {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Name, address or barcode.
        element: String,
        /// True to accept only a drive.
        #[serde(default)]
        drive: bool,
    },
    /// Moves a cartridge between two elements with the robot.
    Move {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Element that holds the cartridge, or its barcode.
        from: String,
        /// Destination element, which must be empty.
        to: String,
    },
    /// Loads a cartridge into a drive.
    Load {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcode, or the element that holds the cartridge.
        cartridge: String,
        /// Drive; the first empty one if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
    },
    /// Unloads a drive: moves its cartridge to the slot it came from, or to the first empty slot.
    Unload {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive, or the barcode of the cartridge in it.
        drive: String,
    },
    /// Imports a cartridge from the shelf into an import/export element. A cartridge whose files were created outside
    /// the daemon is added to the shelf first.
    Import {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcode of the cartridge.
        cartridge: String,
        /// Import/export element, or a slot while the access door is open; the first empty import/export element if
        /// `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Exports a cartridge to the shelf, from an import/export element, or from a slot while the access door is open.
    Export {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Element, or the barcode of the cartridge in it.
        from: String,
    },
    /// Opens or closes a door.
    Door {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Door to open or close.
        door: Door,
        /// True opens the door, false closes it.
        open: bool,
    },
    /// Sets the robot or a drive online or offline.
    Online {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive; the robot if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// True sets it online, false offline.
        online: bool,
    },
    /// Sets or clears the fault of a slot or import/export element.
    Element {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Element by name, address or barcode.
        element: String,
        /// New fault; `None` returns the element to service.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<ElementFault>,
    },
    /// Sets or clears the defect of a barcode label.
    Label {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Barcode of the cartridge.
        cartridge: String,
        /// New defect; `None` makes the label readable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<LabelDefect>,
    },
    /// Makes the next operation of the robot of the given kind fail.
    InjectFault {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Operation that fails.
        fault: RobotFault,
    },
    /// Raises or clears a TapeAlert flag of a changer or drive.
    Alert {
        /// Library; the only one of the site, or that of the cartridge, if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive; the changer if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// Number of the flag, 1 to 64.
        flag: u8,
        /// True raises the flag, false clears it.
        raised: bool,
    },
    /// Requests the raised TapeAlert flags, or the state of one flag: a list of [`AlertStatus`].
    Alerts {
        /// Library; all libraries if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Drive; changers and all drives if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// Number of one flag, 1 to 64, of the given drive, or else of the changers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flag: Option<u8>,
    },
    /// Requests the status of all cartridges or of one: a list of [`CartridgeStatus`].
    Cartridges {
        /// Barcode; all cartridges if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cartridge: Option<String>,
    },
    /// Requests the status of all pools or of one: a list of [`PoolStatus`].
    Pools {
        /// Name of the pool; all pools if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pool: Option<String>,
    },
    /// Creates blank cartridges of a pool.
    Create {
        /// Name of the pool.
        pool: String,
        /// Number of cartridges, 1 to 10,000.
        count: usize,
    },
    /// Sets or clears the write-protect tab of a cartridge that is not in a drive.
    Protect {
        /// Barcode of the cartridge.
        cartridge: String,
        /// True sets the tab, false clears it.
        on: bool,
    },
    /// Retains the data on a cartridge until a time.
    Retain {
        /// Barcode of the cartridge.
        cartridge: String,
        /// End of the retention in seconds since 1970.
        until: u64,
    },
    /// Deletes a cartridge on a shelf, with all its data.
    Delete {
        /// Barcode of the cartridge.
        cartridge: String,
    },
    /// Removes a cartridge that is not in a drive from the inventory; its files remain.
    Forget {
        /// Barcode of the cartridge.
        cartridge: String,
    },
    /// Reloads the configuration of the daemon.
    Reload,
    /// Subscribes to all events from now on, one per line; the connection then accepts no further request.
    Events,
}

/// Door of a library that operators open and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The access door. While it is open, operators reach all slots and the robot is not ready.
    Access,
    /// The import/export station (mail slot).
    IoStation,
}

impl Site {
    /// Executes a request. [`Request::Events`] returns null; [`Site::subscribe`] returns the events.
    ///
    /// # Errors
    /// The request is refused; the error gives the reason.
    pub fn control(&self, request: &Request) -> Result<Value, LibraryError> {
        match request {
            Request::Status => Ok(serde_json::to_value(self.status()).unwrap_or_default()),
            Request::Events => Ok(Value::Null),
            Request::Find { library, element, drive } => self.find(library.as_deref(), element, *drive),
            Request::Move { library, from, to } => {
                self.resolve_library_for(library.as_deref(), from)?.move_cartridge(from, to)
            }
            Request::Load { library, cartridge, drive } => {
                self.resolve_library_for(library.as_deref(), cartridge)?.load(cartridge, drive.as_deref())
            }
            Request::Unload { library, drive } => self.resolve_library_for(library.as_deref(), drive)?.unload(drive),
            Request::Import { library, cartridge, to } => self.import(library.as_deref(), cartridge, to.as_deref()),
            Request::Export { library, from } => {
                self.resolve_library_for(library.as_deref(), from)?.export_cartridge(from)
            }
            Request::Cartridges { .. } | Request::Pools { .. } | Request::Create { .. } => {
                self.cartridge_request(request)
            }
            Request::Protect { .. } | Request::Retain { .. } => self.cartridge_request(request),
            Request::Delete { .. } | Request::Forget { .. } => self.cartridge_request(request),
            Request::Reload => Err(LibraryError::Unknown("this site has no configuration file".into())),
            _ => self.library_request(request),
        }
    }

    /// Executes requests for cartridges and pools, independent of location.
    fn cartridge_request(&self, request: &Request) -> Result<Value, LibraryError> {
        match request {
            Request::Cartridges { cartridge } => {
                let only = cartridge.as_deref().map(|cartridge| self.resolve_cartridge(cartridge)).transpose()?;
                let mut cartridges = self.cartridges();
                cartridges.retain(|status| only.as_ref().is_none_or(|only| status.cartridge == only.as_str()));
                return Ok(json!(cartridges));
            }
            Request::Pools { pool } => {
                let only = pool.as_deref().map(|pool| self.pool(pool)).transpose()?;
                let mut pools = self.pool_status();
                pools.retain(|status| only.as_ref().is_none_or(|only| status.pool == only.name));
                return Ok(json!(pools));
            }
            Request::Create { pool, count } => {
                let created = self.create_cartridges(pool, *count)?;
                return Ok(json!({ "created": created.iter().map(Barcode::as_str).collect::<Vec<_>>() }));
            }
            Request::Protect { cartridge, on } => self.set_write_protect(&self.resolve_cartridge(cartridge)?, *on)?,
            Request::Retain { cartridge, until } => {
                self.retain_cartridge(&self.resolve_cartridge(cartridge)?, *until)?
            }
            Request::Delete { cartridge } => self.delete_cartridge(&self.resolve_cartridge(cartridge)?)?,
            Request::Forget { cartridge } => self.forget_cartridge(&self.resolve_cartridge(cartridge)?)?,
            _ => {}
        }
        Ok(Value::Null)
    }

    /// Executes requests that change a library without moving a cartridge.
    fn library_request(&self, request: &Request) -> Result<Value, LibraryError> {
        match request {
            Request::Door { library, door, open } => {
                self.resolve_library(library.as_deref())?.set_door(*door, *open)?
            }
            Request::Online { library, drive: None, online } => {
                self.resolve_library(library.as_deref())?.operate(|changer| {
                    changer.set_online(*online);
                    Ok(())
                })?;
            }
            Request::Online { library, drive: Some(drive), online } => {
                let library = self.resolve_library_for(library.as_deref(), drive)?;
                let address = library.changer(|changer| library.resolve_drive_in(changer, drive))?;
                library.operate_at(Some(address), None, |changer| changer.set_drive_online(address, *online))?;
            }
            Request::Element { library, element, fault } => {
                self.resolve_library_for(library.as_deref(), element)?.set_element_fault(element, *fault)?;
            }
            Request::Label { library, cartridge, label } => {
                self.set_label(library.as_deref(), &self.resolve_cartridge(cartridge)?, *label)?;
            }
            Request::InjectFault { library, fault } => {
                self.resolve_library(library.as_deref())?.changer(|changer| changer.inject_fault(*fault));
            }
            Request::Alert { library, drive, flag, raised } => {
                alerts::check_flag(*flag)?;
                let (unit, _) = self.resolve_alert_unit(library.as_deref(), drive.as_deref())?;
                unit.with_device(|device| device.set_alert(*flag, *raised));
            }
            Request::Alerts { library, drive, flag } => {
                return Ok(json!(self.alerts(library.as_deref(), drive.as_deref(), *flag)?));
            }
            _ => {}
        }
        Ok(Value::Null)
    }

    fn find(&self, library: Option<&str>, element: &str, drive: bool) -> Result<Value, LibraryError> {
        let library = self.resolve_library_for(library, element)?;
        let resolve = if drive { Library::resolve_drive_in } else { Library::resolve_element_in };
        let address = library.changer(|changer| resolve(&library, changer, element))?;
        Ok(json!({ "library": library.name(), "address": address, "element": library.element_name(address) }))
    }

    /// Parses the barcode of a cartridge in the inventory.
    fn resolve_cartridge(&self, text: &str) -> Result<Barcode, LibraryError> {
        let barcode = self.resolve_barcode(text)?;
        self.entry(&barcode).map(|_| barcode)
    }

    /// Sets a label defect, which exists only in a library; it can be cleared for a cartridge on a shelf, too.
    fn set_label(
        &self,
        library: Option<&str>,
        barcode: &Barcode,
        label: Option<LabelDefect>,
    ) -> Result<(), LibraryError> {
        if label.is_none() && matches!(self.entry(barcode)?.location, crate::inventory::Location::Shelf(_)) {
            for library in self.libraries() {
                library.operate(|changer| Ok(changer.set_label_defect(barcode, None)))?;
            }
            return Ok(());
        }
        let library = self.resolve_library_for(library, barcode.as_str())?;
        if library.operate(|changer| Ok(changer.set_label_defect(barcode, label)))? {
            return Ok(());
        }
        Err(LibraryError::Unknown(format!("library {:?} has no {barcode}", library.name())))
    }
}

impl Library {
    fn set_door(&self, door: Door, open: bool) -> Result<(), LibraryError> {
        if door == Door::IoStation && self.layout().import_export.count == 0 {
            return Err(LibraryError::Unknown(format!("library {:?} has no I/O station", self.name())));
        }
        self.operate_at(None, None, |changer| match door {
            Door::Access => changer.set_access_door(open),
            Door::IoStation => changer.set_io_station(open),
        })
    }

    /// Sets the fault of a slot or I/O element. Drives and the robot are set offline instead.
    fn set_element_fault(&self, element: &str, fault: Option<ElementFault>) -> Result<(), LibraryError> {
        let address = self.resolve_element(element)?;
        let name = self.element_name(address);
        let instead = match self.layout().element_type(address) {
            Some(ElementType::DRIVE) => {
                format!("{name} is a drive; set it offline instead: ferric drive {name} offline")
            }
            Some(ElementType::TRANSPORT) => "the robot is not a slot; use: ferric robot offline".into(),
            _ => return self.operate_at(Some(address), None, |changer| changer.set_element_fault(address, fault)),
        };
        Err(LibraryError::Refused(instead))
    }
}

#[cfg(test)]
mod tests;
