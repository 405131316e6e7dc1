//! What people and programs ask of a running site: requests and answers as values, which are also the JSON of the socket.

pub mod socket;
mod spot;
mod status;

pub use status::{CartridgeStatus, DriveStatus, ElementStatus, LibraryStatus, PoolStatus, SiteStatus};

use crate::clock;
use crate::inventory::Where;
use crate::library::{Library, LibraryError};
use crate::site::Site;
use crate::unit::Unit;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smc::changer::Changer;
use smc::element::{Address, ElementType, Label, Trouble};
use smc::robot::Failure;
use std::sync::Arc;
use tape_store::cartridge::Barcode;

/// A request. The library may be left out where there is only one, or where the cartridge says which.
///
/// An element is named by its address, by its kind and number from 1 (`slot3`, `drive1`, `port2`), or by the cartridge in
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Everything there is: [`SiteStatus`].
    Status,
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
        trouble: Option<Trouble>,
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
        label: Option<Label>,
    },
    /// The next time that the robot does such a thing, it fails.
    Fail {
        /// In this library.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<String>,
        /// Which thing.
        failure: Failure,
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
    /// All cartridges: a list of [`CartridgeStatus`].
    Cartridges,
    /// All pools: a list of [`PoolStatus`].
    Pools,
    /// Makes blank cartridges of a pool.
    Make {
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
    Station,
}

impl Site {
    /// Does what a request asks. [`Request::Events`] is answered by [`Site::follow`].
    ///
    /// # Errors
    /// What cannot be done, and why.
    pub fn control(&self, request: &Request) -> Result<Value, LibraryError> {
        match request {
            Request::Status => Ok(serde_json::to_value(self.status()).unwrap_or_default()),
            Request::Events => Ok(Value::Null),
            Request::Move { library, from, to } => {
                let library = self.meant(library.as_deref(), from)?;
                library.carry(|changer| Ok((library.find(changer, from)?, library.find(changer, to)?)))
            }
            Request::Load { library, cartridge, drive } => {
                self.meant(library.as_deref(), cartridge)?.load(cartridge, drive.as_deref())
            }
            Request::Unload { library, drive } => self.meant(library.as_deref(), drive)?.unload(drive),
            Request::Import { library, cartridge, to } => {
                let library = self.named(library.as_deref())?;
                let barcode = barcode(cartridge)?;
                let to = match to {
                    Some(to) => library.spot(to)?,
                    None => library.first_empty(ElementType::IMPORT_EXPORT)?,
                };
                // One that was made beside the daemon is on the shelf from here on.
                let _ = self.adopt(&barcode, library.shelf());
                library.import(to, &barcode)?;
                Ok(json!({ "to": to }))
            }
            Request::Export { library, from } => {
                let library = self.meant(library.as_deref(), from)?;
                let barcode = library.export(library.spot(from)?)?;
                Ok(json!({ "cartridge": barcode.as_str(), "shelf": library.shelf() }))
            }
            Request::Cartridges | Request::Pools | Request::Make { .. } => self.media(request),
            Request::Protect { .. } | Request::Retain { .. } => self.media(request),
            Request::Delete { .. } | Request::Forget { .. } => self.media(request),
            Request::Reload => Err(LibraryError::Unknown("this site was not made from a configuration file".into())),
            _ => self.operate(request),
        }
    }

    /// What is asked of cartridges wherever they are.
    fn media(&self, request: &Request) -> Result<Value, LibraryError> {
        match request {
            Request::Cartridges => return Ok(serde_json::to_value(self.cartridges()).unwrap_or_default()),
            Request::Pools => return Ok(serde_json::to_value(self.pool_status()).unwrap_or_default()),
            Request::Make { pool, count } => {
                let made = self.make(pool, *count)?;
                return Ok(json!({ "made": made.iter().map(Barcode::as_str).collect::<Vec<_>>() }));
            }
            Request::Protect { cartridge, on } => self.protect(&barcode(cartridge)?, *on)?,
            Request::Retain { cartridge, until } => self.retain(&barcode(cartridge)?, *until)?,
            Request::Delete { cartridge } => self.delete(&barcode(cartridge)?)?,
            Request::Forget { cartridge } => self.forget(&barcode(cartridge)?)?,
            _ => {}
        }
        Ok(Value::Null)
    }

    /// What operators do to a library that moves no cartridge.
    fn operate(&self, request: &Request) -> Result<Value, LibraryError> {
        match request {
            Request::Door { library, door, open } => {
                let set = |changer: &mut smc::changer::Changer| match door {
                    Door::Access => changer.set_door(*open),
                    Door::Station => changer.set_station(*open),
                };
                self.named(library.as_deref())?.operate(set)?;
            }
            Request::Online { library, drive: None, online } => {
                self.named(library.as_deref())?.operate(|changer| {
                    changer.set_online(*online);
                    Ok(())
                })?;
            }
            Request::Online { library, drive: Some(drive), online } => {
                let library = self.named(library.as_deref())?;
                let address = library.spot(drive)?;
                library.operate(|changer| changer.set_drive_online(address, *online))?;
            }
            Request::Element { library, element, trouble } => {
                let library = self.named(library.as_deref())?;
                let address = library.spot(element)?;
                library.operate(|changer| changer.set_trouble(address, *trouble))?;
            }
            Request::Label { library, cartridge, label } => {
                let (library, barcode) = (self.meant(library.as_deref(), cartridge)?, barcode(cartridge)?);
                if !library.operate(|changer| Ok(changer.set_label(&barcode, *label)))? {
                    return Err(LibraryError::Unknown(format!("library {:?} has no {barcode}", library.name())));
                }
            }
            Request::Fail { library, failure } => {
                self.named(library.as_deref())?.changer(|changer| changer.fail_next(*failure));
            }
            Request::Alert { library, drive, flag, raised } => {
                if !(1..=64).contains(flag) {
                    return Err(LibraryError::Unknown(format!("there is no flag {flag}; they are 1 to 64")));
                }
                let library = self.named(library.as_deref())?;
                library.flagged(drive.as_deref())?.with(|device| device.set_alert(*flag, *raised));
            }
            _ => {}
        }
        Ok(Value::Null)
    }

    /// The library of a name, the one that has the cartridge which is meant, or the only one.
    fn meant(&self, name: Option<&str>, cartridge: &str) -> Result<Arc<Library>, LibraryError> {
        let entry = self.shared.inventory().get(cartridge).map(|entry| entry.place.clone());
        match (name, entry) {
            (None, Some(Where::Element { library, .. })) => self.named(Some(&library)),
            _ => self.named(name),
        }
    }

    /// The library of a name, or the only one.
    fn named(&self, name: Option<&str>) -> Result<Arc<Library>, LibraryError> {
        let libraries = self.libraries();
        let names = || libraries.iter().map(|library| library.name()).collect::<Vec<_>>().join(", ");
        match (name, libraries.as_slice()) {
            (Some(name), _) => {
                let unknown = || LibraryError::Unknown(format!("there is no library {name:?}; there are {}", names()));
                self.library(name).ok_or_else(unknown)
            }
            (None, [only]) => Ok(Arc::clone(only)),
            (None, _) => Err(LibraryError::Unknown(format!("name one of the libraries {}", names()))),
        }
    }
}

fn barcode(text: &str) -> Result<Barcode, LibraryError> {
    let wrong = || LibraryError::Unknown(format!("{text:?} is no barcode: 1 to 16 of A-Z, 0-9, - and _"));
    Barcode::new(text).ok_or_else(wrong)
}

impl Library {
    /// Moves from here to there, which are found out while no host moves anything.
    fn carry(
        &self,
        ends: impl FnOnce(&Changer) -> Result<(Address, Address), LibraryError>,
    ) -> Result<Value, LibraryError> {
        let (from, to) = self.operate(|changer| {
            let ends = match ends(changer) {
                Ok(ends) => ends,
                Err(error) => return Ok(Err(error)),
            };
            changer.move_medium(ends.0, ends.1, clock::now()).map(|()| Ok(ends))
        })??;
        Ok(json!({ "from": from, "to": to }))
    }

    fn load(&self, cartridge: &str, drive: Option<&str>) -> Result<Value, LibraryError> {
        self.carry(|changer| {
            let to = match drive {
                Some(drive) => self.find(changer, drive)?,
                None => self.empty(changer, ElementType::DRIVE)?,
            };
            Ok((self.find(changer, cartridge)?, to))
        })
    }

    fn unload(&self, drive: &str) -> Result<Value, LibraryError> {
        self.carry(|changer| {
            let from = self.find(changer, drive)?;
            let source = changer.content(from).and_then(|content| content.source);
            let home = source.filter(|source| !changer.library().is_full(*source));
            Ok((from, home.map_or_else(|| self.empty(changer, ElementType::STORAGE), Ok)?))
        })
    }

    /// Whose TapeAlert flags are meant: a drive's if one is named, else the changer's.
    fn flagged(&self, drive: Option<&str>) -> Result<Arc<Unit>, LibraryError> {
        let Some(drive) = drive else { return Ok(self.changer_unit()) };
        let address = self.spot(drive)?;
        let unit = self.layout().drives.index(address).and_then(|index| self.drives().get(index).cloned());
        unit.ok_or_else(|| LibraryError::Unknown(format!("element {} is no drive", address.0)))
    }
}

#[cfg(test)]
mod tests;
