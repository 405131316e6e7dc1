//! Resolves the names that operators give: libraries, elements, cartridges. An unknown name is refused with a suggestion if
//! there is one.

use super::ControlError;
use super::former_words::current_element_name;
use crate::inventory::Location;
use crate::library::{Elements, Library};
use crate::site::Site;
use smc::element::{AddressRange, ElementAddress, ElementLayout, ElementType};
use std::collections::BTreeSet;
use std::sync::Arc;
use tape_store::cartridge::Barcode;

/// The first part of element names, by element type.
const ELEMENT_PREFIXES: [(&str, ElementType); 3] =
    [("slot", ElementType::STORAGE), ("drive", ElementType::DRIVE), ("io", ElementType::IMPORT_EXPORT)];

fn range(layout: &ElementLayout, kind: ElementType) -> AddressRange {
    match kind {
        ElementType::STORAGE => layout.storage,
        ElementType::DRIVE => layout.drives,
        ElementType::IMPORT_EXPORT => layout.import_export,
        _ => layout.transport,
    }
}

fn element_prefix(kind: ElementType) -> &'static str {
    ELEMENT_PREFIXES.iter().find(|(_, other)| *other == kind).map_or("robot", |(word, _)| word)
}

/// Whether a text has only digits: `+3` is not the number of an element.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name of an element: `slot3`, `drive1`, `io2`, `robot`, or its address if the library has no such element.
#[must_use]
pub fn element_name(layout: &ElementLayout, address: ElementAddress) -> String {
    let Some(kind) = layout.element_type(address) else { return format!("element {}", address.0) };
    match range(layout, kind).index(address) {
        Some(index) if kind != ElementType::TRANSPORT => format!("{}{}", element_prefix(kind), index + 1),
        _ => element_prefix(kind).into(),
    }
}

/// All elements of a kind: `drive1 to drive4`, `drive1`, `no drive`.
fn element_range(layout: &ElementLayout, kind: ElementType) -> String {
    let word = element_prefix(kind);
    match range(layout, kind).count {
        0 => format!("no {word}"),
        1 => format!("{word}1"),
        2 => format!("{word}1 and {word}2"),
        count => format!("{word}1 to {word}{count}"),
    }
}

impl Library {
    /// The name of an element in commands and messages: `slot3`, `drive1`, `io2`.
    #[must_use]
    pub fn element_name(&self, address: ElementAddress) -> String {
        element_name(&self.layout(), address)
    }

    /// The element that a word names: an address, a kind and a number from 1 (`slot3`, `drive1`, `io2`), or the barcode of
    /// the cartridge in it.
    ///
    /// # Errors
    /// There is no such element, or no such cartridge in the library.
    pub fn resolve_element(&self, text: &str) -> Result<ElementAddress, ControlError> {
        self.resolve_element_in(&self.elements(), text)
    }

    /// As [`Self::resolve_element`], among the elements that the caller has read.
    pub(crate) fn resolve_element_in(&self, elements: &Elements, text: &str) -> Result<ElementAddress, ControlError> {
        let place = Barcode::new(text).and_then(|barcode| elements.address_of(&barcode));
        match (self.parse_element(text), place) {
            (Some(Ok(element)), Some(place)) if element != place => {
                let message = format!(
                    "{text} is the address of {} and the barcode of the cartridge in {1}; say {0} or {1}",
                    self.element_name(element),
                    self.element_name(place)
                );
                Err(ControlError::invalid(message).with_library(self.name()).with_element(text).with_barcode(text))
            }
            (_, Some(place)) => Ok(place),
            (Some(by_word), None) => by_word,
            (None, None) => Err(self.unknown_element_error(text)),
        }
    }

    /// The element of an address, or of a kind and a number. Nothing if the text is neither.
    fn parse_element(&self, text: &str) -> Option<Result<ElementAddress, ControlError>> {
        let current = current_element_name(text);
        let text = current.as_deref().unwrap_or(text);
        let layout = self.layout();
        let name = text;
        let has_no = |what: String| {
            let message = format!("library {:?} has no {what}", self.name());
            ControlError::not_found(message).with_library(self.name()).with_element(name)
        };
        if is_number(text) {
            let address =
                text.parse().ok().map(ElementAddress).filter(|address| layout.element_type(*address).is_some());
            return Some(address.ok_or_else(|| has_no(format!("element {text}"))));
        }
        let (number, kind) =
            ELEMENT_PREFIXES.iter().find_map(|(word, kind)| Some((text.strip_prefix(word)?, *kind)))?;
        if !is_number(number) {
            return None;
        }
        let range = range(&layout, kind);
        let index = number.parse::<u16>().ok().and_then(|number| number.checked_sub(1));
        let address = index.filter(|index| *index < range.count).map(|index| ElementAddress(range.first + index));
        Some(address.ok_or_else(|| has_no(format!("{text}; it has {}", element_range(&layout, kind)))))
    }

    /// Reason why a text names nothing in this library.
    fn unknown_element_error(&self, text: &str) -> ControlError {
        let name = self.name();
        let known = self.shared().inventory().contains_key(text);
        let lower = text.to_ascii_lowercase().replace(' ', "");
        let lower = current_element_name(&lower).unwrap_or(lower);
        let element = self.parse_element(&lower).and_then(Result::ok).map(|_| lower);
        let message = match element.or_else(|| self.shared().suggest_barcode(text)) {
            _ if known => format!("{text} is not in library {name:?}"),
            Some(similar) => format!("library {name:?} has no {text:?}; did you mean {similar}?"),
            None => format!(
                "library {name:?} has no {text:?}: name an element (slot1, drive1, io1, or an address) or the barcode of a \
                 cartridge in it"
            ),
        };
        let error = ControlError::not_found(message).with_library(name);
        if known { error.with_barcode(text) } else { error.with_element(text) }
    }

    /// The drive that a word names, or the drive that has the cartridge it names.
    ///
    /// # Errors
    /// As [`Self::resolve_element`], or the element is not a drive.
    pub(crate) fn resolve_drive_in(&self, elements: &Elements, text: &str) -> Result<ElementAddress, ControlError> {
        let address = self.resolve_element_in(elements, text)?;
        let layout = self.layout();
        if layout.drives.index(address).is_some() {
            return Ok(address);
        }
        let name = element_name(&layout, address);
        Err(if self.parse_element(text).is_some() {
            let drives = element_range(&layout, ElementType::DRIVE);
            ControlError::invalid(format!("{name} is not a drive; library {:?} has {drives}", self.name()))
        } else {
            ControlError::conflict(format!("{text} is in {name}, not in a drive")).with_barcode(text)
        }
        .with_library(self.name())
        .with_element(name))
    }

    /// The first element of a kind that is empty and can be used.
    ///
    /// # Errors
    /// There is none.
    pub fn first_empty(&self, kind: ElementType) -> Result<ElementAddress, ControlError> {
        self.first_empty_in(&self.elements(), kind)
    }

    /// The source elements of the cartridges in drives, which a host moves back there.
    pub(crate) fn loaded_sources(&self) -> BTreeSet<ElementAddress> {
        let drives = self.layout().drives;
        let elements = self.elements();
        drives.addresses().filter_map(|drive| elements.content(drive)?.source).collect()
    }

    /// The first slot that is empty and usable, and none of these.
    pub(crate) fn first_free_slot(&self, claimed: &BTreeSet<ElementAddress>) -> Option<ElementAddress> {
        let storage = self.layout().storage;
        let elements = self.elements();
        storage.addresses().find(|address| elements.is_free(*address) && !claimed.contains(address))
    }

    /// As [`Self::first_empty`], among the elements that the caller has read.
    pub(crate) fn first_empty_in(
        &self,
        elements: &Elements,
        kind: ElementType,
    ) -> Result<ElementAddress, ControlError> {
        let range = range(&self.layout(), kind);
        let name = match kind {
            ElementType::DRIVE => "drive",
            ElementType::IMPORT_EXPORT => "I/O element",
            _ => "slot",
        };
        let empty = range.addresses().find(|address| elements.is_free(*address));
        empty.ok_or_else(|| {
            match range.count {
                0 => ControlError::not_found(format!("library {:?} has no {name}", self.name())),
                _ => ControlError::conflict(format!("no {name} of library {:?} is empty and usable", self.name())),
            }
            .with_library(self.name())
        })
    }
}

/// The error of a text that is similar to the barcode of a cartridge.
fn similar_barcode_error(text: &str, similar: &str) -> ControlError {
    ControlError::not_found(format!("there is no cartridge {text:?}; did you mean {similar}?")).with_barcode(text)
}

impl Site {
    /// The library of a name, or the only one of the site.
    ///
    /// # Errors
    /// There is no such library, or the site has several and none is named.
    pub fn resolve_library(&self, name: Option<&str>) -> Result<Arc<Library>, ControlError> {
        let libraries = self.libraries();
        let names = || libraries.iter().map(|library| format!("{:?}", library.name())).collect::<Vec<_>>().join(", ");
        match (name, libraries.as_slice()) {
            (Some(name), _) => self.library(name).ok_or_else(|| {
                let similar = libraries.iter().find(|library| library.name().eq_ignore_ascii_case(name.trim()));
                let message = match similar {
                    Some(similar) => format!("there is no library {name:?}; did you mean {:?}?", similar.name()),
                    None if libraries.is_empty() => format!("there is no library {name:?}: the site has no library"),
                    None => format!("there is no library {name:?}; the site has {}", names()),
                };
                ControlError::not_found(message).with_library(name)
            }),
            (None, [only]) => Ok(Arc::clone(only)),
            (None, []) => Err(ControlError::not_found("the site has no library; add one to its configuration")),
            (None, _) => {
                let names = names();
                let message =
                    format!("there are several libraries; name one with --library (\"library\" in a request): {names}");
                Err(ControlError::invalid(message).with_member("library"))
            }
        }
    }

    /// The library that is named, or the one that has the cartridge which `text` names, or the only one. A cartridge that is
    /// elsewhere than in the library that is named is refused.
    pub(crate) fn resolve_library_for(&self, name: Option<&str>, text: &str) -> Result<Arc<Library>, ControlError> {
        let place = self.shared.inventory().get(text).map(|entry| entry.location.clone());
        let is_address = is_number(text);
        match (name, place) {
            (None, Some(Location::Element { library, .. })) => self.resolve_library(Some(&library)),
            (Some(name), Some(place @ Location::Element { .. })) if !is_address => {
                let library = self.resolve_library(Some(name))?;
                match &place {
                    Location::Element { library: other, .. } if other != name => {
                        let message = format!("{text} is in {}, not in library {name:?}", self.location_name(&place));
                        Err(ControlError::not_found(message).with_library(name).with_barcode(text))
                    }
                    _ => Ok(library),
                }
            }
            (_, Some(place @ Location::Shelf(_))) if !is_address => {
                let place = self.location_name(&place);
                let message = format!("{text} is on {place}, not in a library; import it first: ferric import {text}");
                Err(ControlError::conflict(message).with_barcode(text))
            }
            (None, None) if self.libraries().len() > 1 => match self.shared.suggest_barcode(text) {
                Some(similar) => Err(similar_barcode_error(text, &similar)),
                None if Barcode::new(text).is_some() && !is_address => {
                    let message = format!("there is no cartridge {text}; ferric cartridge lists the existing ones");
                    Err(ControlError::not_found(message).with_barcode(text))
                }
                None => self.resolve_library(None),
            },
            _ => self.resolve_library(name),
        }
    }

    /// The location of a cartridge in words: `slot3 of library "main"`, `shelf "main"`.
    pub(crate) fn location_name(&self, place: &Location) -> String {
        match place {
            Location::Shelf(shelf) => format!("shelf {shelf:?}"),
            Location::Element { library, address, .. } => {
                let element = self.library(library).map(|library| library.element_name(ElementAddress(*address)));
                format!("{} of library {library:?}", element.unwrap_or_else(|| format!("element {address}")))
            }
        }
    }

    /// The barcode that a text is.
    ///
    /// # Errors
    /// It is none, or one of another case.
    pub(super) fn resolve_barcode(&self, text: &str) -> Result<Barcode, ControlError> {
        let barcode = Barcode::new(text);
        barcode.ok_or_else(|| match self.shared.suggest_barcode(text) {
            Some(similar) => similar_barcode_error(text, &similar),
            None => ControlError::invalid(format!("{text:?} is not a barcode: 1 to 16 of A-Z, 0-9, - and _"))
                .with_barcode(text),
        })
    }
}
