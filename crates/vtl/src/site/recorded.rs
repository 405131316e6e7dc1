//! Control requests with their audit records: the request, the object, and its state before and after.

use super::Site;
use crate::audit_trail::entry_of;
use crate::control::{ControlError, ControlRequest as Request, ControlResponse, Door};
use crate::events::Cause;
use crate::library::Library;
use crate::reservations::Reservation;
use audit::{Actor, ActorKind, Entry};
use serde_json::{Value, json};
use smc::element::ElementAddress;
use std::sync::Arc;
use tape_store::cartridge::{Barcode, Cartridge};
use tape_store::mam::{AttrId, Flags};

/// The object of a change, as far as the request names one that exists.
#[derive(Default)]
struct ChangedObject {
    library: Option<Arc<Library>>,
    element: Option<ElementAddress>,
    /// Name of the destination of a cartridge, with its library, such as `main/drive1`.
    destination: Option<String>,
    barcode: Option<Barcode>,
    /// Name of a pool or a token.
    name: Option<String>,
}

impl ChangedObject {
    /// Names of the objects in the record.
    fn names(&self, request: &Request) -> Vec<String> {
        if let Request::StartJob { work } = request {
            return work.objects();
        }
        let library = self.library.as_ref();
        let element =
            library.zip(self.element).map(|(library, at)| format!("{}/{}", library.name(), library.element_name(at)));
        let barcode = self.barcode.as_ref().map(Barcode::to_string);
        let own = [library.map(|library| library.name().to_owned()), element, self.destination.clone(), barcode];
        own.into_iter().flatten().chain(self.name.clone()).collect()
    }
}

/// The destination of a cartridge that a request has moved.
fn destination_of(response: &ControlResponse) -> Option<String> {
    match response {
        ControlResponse::Move(moved) | ControlResponse::Load(moved) | ControlResponse::Unload(moved) => {
            Some(format!("{}/{}", moved.library, moved.to_element))
        }
        ControlResponse::Assign(assigned) => Some(format!("{}/{}", assigned.library, assigned.to_element)),
        ControlResponse::Import(imported) => Some(format!("{}/{}", imported.library, imported.to_element)),
        _ => None,
    }
}

impl Site {
    /// Executes a request of an actor. A change has an audit record, which is durable before this returns. A panic, which
    /// is a defect of this program, becomes an error of the code [`ErrorCode::Internal`](crate::ErrorCode::Internal).
    ///
    /// # Errors
    /// The request is refused or failed; the code and the message say why. If the audit log cannot be written, a change is
    /// refused with the code [`ErrorCode::Unavailable`](crate::ErrorCode::Unavailable) and not made.
    pub fn control_as(&self, actor: &Actor, request: &Request) -> Result<ControlResponse, ControlError> {
        if !request.is_change() {
            return self.execute(actor, request);
        }
        self.audit.prepare()?;
        let mut object = self.changed_object(request);
        // The state before and after the change is that of the same reservation.
        let reserved = self.reserve_object(&object, request);
        let before = reserved.as_ref().map_or(Value::Null, |_| self.state_of(&object, request));
        let result = match &reserved {
            Ok(_) => self.execute(actor, request),
            Err(error) => Err(error.clone()),
        };
        let after = result.as_ref().map_or(Value::Null, |response| self.state_after(&object, request, response));
        drop(reserved);
        let mut details = serde_json::to_value(request).unwrap_or_default();
        let action = details.as_object_mut().and_then(|members| members.remove("op"));
        let action = action.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let error = result.as_ref().err();
        // Without a drive in the request, only the response names it.
        if let Some(destination) = result.as_ref().ok().and_then(destination_of) {
            object.destination = Some(destination);
        }
        let objects = object.names(request);
        let entry = entry_of(actor, action, "done", error);
        let recorded = self.audit.append(Entry { objects, details, before, after, ..entry });
        result.and_then(|response| recorded.map(|()| response))
    }

    /// Executes a request of the program that contains the site; otherwise as [`Self::control_as`].
    ///
    /// # Errors
    /// As [`Self::control_as`].
    pub fn control(&self, request: &Request) -> Result<ControlResponse, ControlError> {
        self.control_as(&Actor::new(ActorKind::Program, ""), request)
    }

    /// Adds one slot to a library, which is persistent and has an audit record. Returns its number, from 1.
    ///
    /// # Errors
    /// Fails if there is no such library, its model has no more slots, or the change cannot be stored or recorded.
    pub fn add_slot(&self, actor: &Actor, library: &str) -> Result<u16, ControlError> {
        self.audit.prepare()?;
        let added = self.add_one_slot(library).map_err(ControlError::from);
        let recorded = self.audit.append(Entry {
            objects: vec![library.to_owned()],
            after: added.as_ref().map_or(Value::Null, |slots| json!({ "slots": slots })),
            ..entry_of(actor, "add_slot", "done", added.as_ref().err())
        });
        added.and_then(|number| recorded.map(|()| number))
    }

    /// Reserves the cartridge of a request that changes its cartridge memory.
    fn reserve_object(
        &self,
        object: &ChangedObject,
        request: &Request,
    ) -> Result<Option<Reservation<'_>>, ControlError> {
        match (request, &object.barcode) {
            (Request::Protect { .. } | Request::Retain { .. } | Request::Hold { .. }, Some(barcode)) => {
                self.shared.reservations.reserve_for(&Cause::operator(), barcode).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The object that a request names. A name that cannot be resolved is left out: the request is then refused.
    fn changed_object(&self, request: &Request) -> ChangedObject {
        let element = |library: &Option<String>, text: &str| {
            let library = self.resolve_library_for(library.as_deref(), text).ok();
            let elements = library.as_ref().map(|library| library.elements());
            let pair = library.as_ref().zip(elements.as_ref());
            let address = pair.and_then(|(library, elements)| library.resolve_element_in(elements, text).ok());
            let content = elements.as_ref().zip(address).and_then(|(elements, address)| elements.content(address));
            let barcode = content.map(|content| content.barcode.clone());
            let wanted = match request {
                Request::Move { to, .. } => Some(to.as_str()),
                Request::Load { drive, .. } => drive.as_deref(),
                _ => None,
            };
            let destination =
                library.as_ref().zip(elements.as_ref()).zip(wanted).and_then(|((library, elements), to)| {
                    let address = library.resolve_element_in(elements, to).ok()?;
                    Some(format!("{}/{}", library.name(), library.element_name(address)))
                });
            ChangedObject { library, element: address, destination, barcode, name: None }
        };
        let library = |name: &Option<String>| ChangedObject {
            library: self.resolve_library(name.as_deref()).ok(),
            ..ChangedObject::default()
        };
        let cartridge = |text: &str| ChangedObject { barcode: Barcode::new(text), ..ChangedObject::default() };
        match request {
            Request::Move { library, from: text, .. }
            | Request::Load { library, cartridge: text, .. }
            | Request::Unload { library, drive: text }
            | Request::Export { library, from: text }
            | Request::Element { library, element: text, .. }
            | Request::Online { library, drive: Some(text), .. }
            | Request::Alert { library, drive: Some(text), .. } => element(library, text),
            Request::Import { cartridge: text, .. }
            | Request::Assign { cartridge: text, .. }
            | Request::Label { cartridge: text, .. }
            | Request::Protect { cartridge: text, .. }
            | Request::Retain { cartridge: text, .. }
            | Request::Hold { cartridge: text, .. }
            | Request::Delete { cartridge: text }
            | Request::Forget { cartridge: text } => cartridge(text),
            Request::Door { library: name, .. }
            | Request::Online { library: name, .. }
            | Request::InjectFault { library: name, .. }
            | Request::Alert { library: name, .. } => library(name),
            Request::Create { pool: name, .. }
            | Request::TokenCreate { name, .. }
            | Request::TokenRemove { name }
            | Request::FaultClear { name: Some(name) } => {
                ChangedObject { name: Some(name.clone()), ..ChangedObject::default() }
            }
            _ => ChangedObject::default(),
        }
    }

    /// The part of an object's state that a request changes; null if the object does not exist.
    fn state_of(&self, object: &ChangedObject, request: &Request) -> Value {
        let operator_state = object.library.as_ref().map(|library| self.shared.operator_state(library.name()));
        let state = match request {
            Request::Move { .. }
            | Request::Load { .. }
            | Request::Unload { .. }
            | Request::Import { .. }
            | Request::Export { .. }
            | Request::Assign { .. }
            | Request::Delete { .. }
            | Request::Forget { .. } => object.barcode.as_ref().and_then(|barcode| self.location_of(barcode)),
            Request::Protect { .. } | Request::Retain { .. } => {
                object.barcode.as_ref().and_then(|barcode| self.protection_of(barcode))
            }
            Request::Hold { .. } => object.barcode.as_ref().and_then(|barcode| self.legal_hold_of(barcode)),
            Request::Label { .. } => object.barcode.as_ref().map(|barcode| {
                let libraries = self.libraries();
                let states = libraries.iter().map(|library| self.shared.operator_state(library.name()));
                json!({ "label": states.into_iter().find_map(|state| state.label_defects.get(barcode).copied()) })
            }),
            Request::Door { door, .. } => operator_state.map(
                |state| json!({ "open": if *door == Door::Access { state.door_open } else { state.station_open } }),
            ),
            Request::Online { drive: None, .. } => operator_state.map(|state| json!({ "online": !state.offline })),
            Request::Online { .. } => operator_state
                .zip(object.element)
                .map(|(state, element)| json!({ "online": !state.drives_offline.contains(&element) })),
            Request::Element { .. } => operator_state
                .zip(object.element)
                .map(|(state, element)| json!({ "fault": state.element_faults.get(&element) })),
            Request::Alert { flag, .. } => object.library.as_ref().and_then(|library| {
                let unit = match object.element {
                    Some(element) => library.drive_at(element)?,
                    None => library.changer_unit(),
                };
                Some(json!({ "raised": (1..=64).contains(flag) && unit.alerts().is_set(*flag) }))
            }),
            _ => None,
        };
        state.unwrap_or_default()
    }

    /// The state after a change that was done. That of a creation or a reload is its result.
    fn state_after(&self, object: &ChangedObject, request: &Request, response: &ControlResponse) -> Value {
        match response {
            ControlResponse::Create(created) => {
                let barcodes = &created.created;
                json!({ "count": barcodes.len(), "first": barcodes.first(), "last": barcodes.last() })
            }
            ControlResponse::Reload(report) => json!(report),
            ControlResponse::StartJob(job) => json!({ "job": job.job }),
            _ => self.state_of(object, request),
        }
    }

    fn location_of(&self, barcode: &Barcode) -> Option<Value> {
        let location = self.shared.inventory().get(barcode.as_str()).map(|entry| entry.location.clone())?;
        Some(json!({ "location": self.location_name(&location) }))
    }

    /// The legal hold of a cartridge that is not in a drive; `None` if a load or another request uses it.
    fn legal_hold_of(&self, barcode: &Barcode) -> Option<Value> {
        let mam = self.with_unloaded_cartridge(&Cause::operator(), barcode, Cartridge::mam).ok()?;
        Some(json!({ "legal_hold": mam.is_held() }))
    }

    /// The protection of a cartridge that is not in a drive; `None` if a load or another request uses it.
    fn protection_of(&self, barcode: &Barcode) -> Option<Value> {
        let mam = self.with_unloaded_cartridge(&Cause::operator(), barcode, Cartridge::mam).ok()?;
        let write_protected = mam.flags().contains(Flags::WRITE_PROTECTED);
        Some(json!({ "write_protected": write_protected, "retained_until": mam.number(AttrId::RETAINED_UNTIL) }))
    }
}
