//! What people and programs ask of a running site: requests and answers as values, which are also the JSON of the socket.

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

/// A request. The library may be left out where there is only one, or where the cartridge says which.
///
/// An element is named by its address, by its kind and number from 1 (`slot3`, `drive1`, `io2`), or by the barcode of the
/// cartridge in it. A request does what it says to what it names, or is refused: a drive is a drive, a cartridge a cartridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Everything there is: [`SiteStatus`].
    Status,
    /// The element that a word names: its library, address and name.
    Find {
        /// In this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The element.
        element: String,
        /// It must be a drive.
        #[serde(default)]
        drive: bool,
    },
    /// Has the robot move a cartridge.
    Move {
        /// In this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// From here.
        from: String,
        /// To here.
        to: String,
    },
    /// Has the robot load a cartridge, into the first drive that is empty if none is named.
    Load {
        /// In this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The cartridge, or where it is.
        cartridge: String,
        /// The drive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
    },
    /// Has the robot bring the cartridge of a drive back to the slot it came from, or to the first that is empty.
    Unload {
        /// In this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The drive, or the cartridge in it.
        drive: String,
    },
    /// Puts a cartridge from the shelf into an import/export element, the first that is empty if none is named. One whose
    /// files were made beside the daemon is taken for one of the shelf.
    Import {
        /// Into this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The cartridge.
        cartridge: String,
        /// The element; a slot if the access door is open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// Takes a cartridge out of an import/export element, or through the open access door out of a slot, to the shelf.
    Export {
        /// Out of this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The element, or the cartridge in it.
        from: String,
    },
    /// Opens or closes a door.
    Door {
        /// Of this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Which.
        door: Door,
        /// Or closes.
        open: bool,
    },
    /// Takes the robot, or a drive if one is named, off line or brings it back.
    Online {
        /// Of this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The drive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// Or off line.
        online: bool,
    },
    /// Puts an element out of use, or back.
    Element {
        /// Of this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The element.
        element: String,
        /// What is wrong with it; nothing if none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<ElementFault>,
    },
    /// Makes a label unreadable, or readable again.
    Label {
        /// Of a cartridge in this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The cartridge.
        cartridge: String,
        /// What is wrong with its label; nothing if none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<LabelDefect>,
    },
    /// The next time that the robot does such a thing, it fails.
    InjectFault {
        /// In this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Which thing.
        fault: RobotFault,
    },
    /// Raises or lowers a TapeAlert flag of the changer, or of a drive if one is named.
    Alert {
        /// Of this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// The drive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// The flag, 1 to 64.
        flag: u8,
        /// Or lowers.
        raised: bool,
    },
    /// TapeAlert flags that are raised, or one flag, raised or not: a list of [`AlertStatus`].
    Alerts {
        /// Of this library; of all if none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Of this drive; of the changers and all drives if none is given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        drive: Option<String>,
        /// Only this flag, 1 to 64: of the drive that is named, else of the changers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flag: Option<u8>,
    },
    /// All cartridges, or one: a list of [`CartridgeStatus`].
    Cartridges {
        /// Only this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cartridge: Option<String>,
    },
    /// All pools, or one: a list of [`PoolStatus`].
    Pools {
        /// Only this.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pool: Option<String>,
    },
    /// Makes blank cartridges of a pool.
    Create {
        /// Its name.
        pool: String,
        /// How many.
        count: usize,
    },
    /// Sets or clears the write-protect tab of a cartridge that is in no drive.
    Protect {
        /// Which.
        cartridge: String,
        /// Or clears.
        on: bool,
    },
    /// Locks what is on a cartridge until a time.
    Retain {
        /// Which.
        cartridge: String,
        /// Seconds since 1970.
        until: u64,
    },
    /// Throws away a cartridge that is on a shelf, with all that is on it.
    Delete {
        /// Which.
        cartridge: String,
    },
    /// Forgets a cartridge that is in no drive; its files stay as they are.
    Forget {
        /// Which.
        cartridge: String,
    },
    /// Has the daemon read its configuration again.
    Reload,
    /// Everything that happens from now on, a line each; the socket answers nothing else afterwards.
    Events,
}

/// A door of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The access door: slots are within reach, and the robot stands still.
    Access,
    /// The import/export station.
    IoStation,
}

impl Site {
    /// Does what a request asks. [`Request::Events`] is answered by [`Site::subscribe`].
    ///
    /// # Errors
    /// What cannot be done, and why.
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
            Request::Reload => Err(LibraryError::Unknown("this site was not made from a configuration file".into())),
            _ => self.library_request(request),
        }
    }

    /// What is asked of cartridges wherever they are.
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

    /// What operators do to a library that moves no cartridge.
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
            Request::Element { library, element, fault: trouble } => {
                self.resolve_library_for(library.as_deref(), element)?.set_element_fault(element, *trouble)?;
            }
            Request::Label { library, cartridge, label } => {
                self.set_label(library.as_deref(), &self.resolve_cartridge(cartridge)?, *label)?;
            }
            Request::InjectFault { library, fault: failure } => {
                self.resolve_library(library.as_deref())?.changer(|changer| changer.inject_fault(*failure));
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

    /// The barcode of a cartridge that the site has.
    fn resolve_cartridge(&self, text: &str) -> Result<Barcode, LibraryError> {
        let barcode = self.resolve_barcode(text)?;
        self.entry(&barcode).map(|_| barcode)
    }

    /// A damaged label is one in a library; a readable one can be had anywhere.
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

    /// Slots and I/O elements are taken out of use; a drive is taken off line instead, and so is the robot.
    fn set_element_fault(&self, element: &str, trouble: Option<ElementFault>) -> Result<(), LibraryError> {
        let address = self.resolve_element(element)?;
        let name = self.element_name(address);
        let instead = match self.layout().element_type(address) {
            Some(ElementType::DRIVE) => {
                format!("{name} is a drive; take it off line instead: ferric drive {name} offline")
            }
            Some(ElementType::TRANSPORT) => {
                "the robot is no slot; take it off line instead: ferric robot offline".into()
            }
            _ => return self.operate_at(Some(address), None, |changer| changer.set_element_fault(address, trouble)),
        };
        Err(LibraryError::Refused(instead))
    }
}

#[cfg(test)]
mod tests;
