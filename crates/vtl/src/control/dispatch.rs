//! Executes the requests of the control protocol.

use super::response::{
    CreatedCartridges, DoorStatus, ElementFaultStatus, FoundElement, HoldStatus, InjectedFault, LabelStatus,
    OnlineStatus, ProtectStatus, RemovedCartridge, RetentionStatus,
};
use super::{CartridgeStatus, ControlError, ControlRequest as Request, ControlResponse as Reply, Door, PoolStatus};
use crate::configuration::CheckedConfiguration;
use crate::events::Cause;
use crate::faults::FaultScript;
use crate::inventory::Location;
use crate::library::Library;
use crate::models::Models;
use crate::observer::{TraceEntry, TracedOperation, observe_entry};
use crate::site::Site;
use audit::{Actor, Filter, Record};
use scsi_core::injected_fault::{FaultRule, MAX_RULES};
use smc::changer::Changer;
use smc::element::{ElementFault, ElementType, LabelDefect};
use smc::robot::{RobotFault, RobotMatcher, RobotOutcome};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tape_store::cartridge::Barcode;

/// Most audit records in one response.
const MAX_RECORDS: usize = 1000;

type Response<T = Reply> = Result<T, ControlError>;

impl Site {
    /// Executes a request of an actor, without an audit record.
    pub(crate) fn execute(&self, actor: &Actor, request: &Request) -> Result<Reply, ControlError> {
        let began_ms = Some(self.clock().now().wall.0);
        let done = catch_unwind(AssertUnwindSafe(|| self.dispatch(actor, request)));
        let done = done.unwrap_or_else(|_| Err(ControlError::defect()));
        if request.changes_library() {
            observe_entry(&self.shared, || {
                let error = done.as_ref().err().map(ToString::to_string);
                let at_ms = self.clock().now().wall.0;
                TraceEntry::Operation(TracedOperation { began_ms, at_ms, request: request.clone(), error })
            });
        }
        done
    }

    fn dispatch(&self, actor: &Actor, request: &Request) -> Response {
        match self.report(request)? {
            Some(reply) => Ok(reply),
            None => self.change(actor, request),
        }
    }

    /// Executes a request that shows the libraries and cartridges. Any other request is one of [`Self::report_service`].
    fn report(&self, request: &Request) -> Response<Option<Reply>> {
        Ok(Some(match request {
            Request::Status => Reply::Status(self.status()),
            Request::Find { library, element, drive } => {
                Reply::Find(self.find_element(library.as_deref(), element, *drive)?)
            }
            Request::Alerts { library, drive, flag } => {
                Reply::Alerts(self.alerts(library.as_deref(), drive.as_deref(), *flag)?)
            }
            Request::Cartridges { cartridge } => Reply::Cartridges(self.list_cartridges(cartridge.as_deref())?),
            Request::CartridgeContents { cartridge } => {
                Reply::CartridgeContents(Box::new(self.cartridge_contents(cartridge)?))
            }
            Request::CartridgeFiles { cartridge, partition, object, max } => {
                Reply::CartridgeFiles(self.cartridge_files(cartridge, *partition, *object, *max)?)
            }
            Request::Pools { pool } => Reply::Pools(self.list_pools(pool.as_deref())?),
            service => return self.report_service(service),
        }))
    }

    /// Executes a request that shows the service. `None` for a request that changes something. A new request does not
    /// compile before it is in one of the two groups.
    fn report_service(&self, request: &Request) -> Response<Option<Reply>> {
        Ok(Some(match request {
            Request::Jobs { job, wait_ms } => Reply::Jobs(self.list_jobs(*job, *wait_ms)?),
            Request::Trace { library, unit, since, max, wait_ms } => {
                Reply::Trace(self.trace_commands(library.as_deref(), unit.as_deref(), *since, *max, *wait_ms)?)
            }
            Request::Counters { library } => Reply::Counters(self.command_counters(library.as_deref())?),
            Request::Metrics => Reply::Metrics(Box::new(self.metrics())),
            Request::Audit { filter, max } => Reply::Audit(self.audit_records(filter, *max)?),
            Request::AuditVerify => Reply::AuditVerify(self.audit.verify()?),
            Request::Configuration => Reply::Configuration(self.configuration()),
            Request::ConfigurationCheck { text } => Reply::ConfigurationCheck(CheckedConfiguration::of(text)),
            Request::Models => Reply::Models(Models::all()),
            Request::Log => Reply::Log(self.recent_log()?),
            Request::Alarms => Reply::Alarms(self.alarms()),
            Request::Tokens => Reply::Tokens(self.tokens()),
            Request::Sessions => Reply::Sessions(self.sessions()),
            Request::FaultList => Reply::FaultList(self.faults()),
            Request::NotifyList => Reply::NotifyList(self.notify_status()),
            Request::ShelfList => Reply::ShelfList(self.shelf_status()),
            Request::Events { since } => Reply::Events(self.subscribe_since(since.as_ref())),
            Request::Status
            | Request::Find { .. }
            | Request::Alerts { .. }
            | Request::Cartridges { .. }
            | Request::CartridgeContents { .. }
            | Request::CartridgeFiles { .. }
            | Request::Pools { .. } => return Err(ControlError::defect()),
            Request::Move { .. }
            | Request::Load { .. }
            | Request::Unload { .. }
            | Request::Import { .. }
            | Request::Export { .. }
            | Request::Assign { .. }
            | Request::Door { .. }
            | Request::Online { .. }
            | Request::Element { .. }
            | Request::Label { .. }
            | Request::InjectFault { .. }
            | Request::FaultAdd { .. }
            | Request::FaultClear { .. }
            | Request::Alert { .. }
            | Request::Create { .. }
            | Request::Protect { .. }
            | Request::Retain { .. }
            | Request::Hold { .. }
            | Request::Delete { .. }
            | Request::Forget { .. }
            | Request::StartJob { .. }
            | Request::CancelJob { .. }
            | Request::TokenCreate { .. }
            | Request::TokenRemove { .. }
            | Request::Acknowledge { .. }
            | Request::ConfigurationAdd { .. }
            | Request::NotifyTest { .. }
            | Request::Reload => return Ok(None),
        }))
    }

    /// Executes a request that changes something.
    #[expect(clippy::too_many_lines, reason = "one arm for each request")]
    fn change(&self, actor: &Actor, request: &Request) -> Response {
        let library_for = |name: &Option<String>, text: &str| self.resolve_library_for(name.as_deref(), text);
        let library_named = |name: &Option<String>| self.resolve_library(name.as_deref());
        Ok(match request {
            Request::Move { library, from, to } => Reply::Move(library_for(library, from)?.move_cartridge(from, to)?),
            Request::Load { library, cartridge, drive } => {
                Reply::Load(library_for(library, cartridge)?.load(cartridge, drive.as_deref())?)
            }
            Request::Unload { library, drive } => Reply::Unload(library_for(library, drive)?.unload(drive)?),
            Request::Import { library, cartridge, to } => {
                Reply::Import(self.import(library.as_deref(), cartridge, to.as_deref())?)
            }
            Request::Export { library, from } => Reply::Export(library_for(library, from)?.export_cartridge(from)?),
            Request::Assign { cartridge, library, to } => {
                Reply::Assign(self.assign(cartridge, library, to.as_deref())?)
            }
            Request::Door { library, door, open } => Reply::Door(self.set_door(library.as_deref(), *door, *open)?),
            Request::Online { library, drive, online } => {
                Reply::Online(self.set_online(library.as_deref(), drive.as_deref(), *online)?)
            }
            Request::Element { library, element, fault } => {
                Reply::Element(library_for(library, element)?.set_element_fault(element, *fault)?)
            }
            Request::Label { library, cartridge, label } => {
                Reply::Label(self.set_label(library.as_deref(), cartridge, *label)?)
            }
            Request::InjectFault { library, fault, nth, count } => {
                Reply::InjectFault(library_named(library)?.inject_fault(*fault, *nth, *count)?)
            }
            Request::FaultAdd { text } => Reply::FaultAdd(self.add_faults(&FaultScript::parse(text)?)?),
            Request::FaultClear { name } => Reply::FaultClear(self.clear_faults(name.as_deref())?),
            Request::Alert { library, drive, flag, raised } => {
                Reply::Alert(self.set_alert(library.as_deref(), drive.as_deref(), *flag, *raised)?)
            }
            Request::Create { pool, count } => Reply::Create(self.create(pool, *count)?),
            Request::Protect { cartridge, on } => Reply::Protect(self.protect(cartridge, *on)?),
            Request::Retain { cartridge, until } => Reply::Retain(self.retain(cartridge, *until)?),
            Request::Hold { cartridge, on, reason } => Reply::Hold(self.hold(cartridge, *on, reason)?),
            Request::Delete { cartridge } => Reply::Delete(self.delete(cartridge)?),
            Request::Forget { cartridge } => Reply::Forget(self.forget(cartridge)?),
            Request::StartJob { work } => Reply::StartJob(self.start_job(actor, work)?),
            Request::CancelJob { job } => Reply::CancelJob(self.cancel_job(*job)?),
            Request::TokenCreate { name, role } => Reply::TokenCreate(self.create_token(name, *role)?),
            Request::TokenRemove { name } => Reply::TokenRemove(self.remove_token(name)?),
            Request::NotifyTest { target } => Reply::NotifyTest(self.test_notification(target)?),
            Request::Acknowledge { events } => Reply::Acknowledge(self.acknowledge(actor, events)?),
            Request::ConfigurationAdd { text } => Reply::Reload(self.add_to_configuration(text)?),
            Request::Reload => Reply::Reload(self.call_reload_handler()?),
            // Those of `report`.
            Request::Status
            | Request::Find { .. }
            | Request::Alerts { .. }
            | Request::Cartridges { .. }
            | Request::CartridgeContents { .. }
            | Request::CartridgeFiles { .. }
            | Request::Pools { .. }
            | Request::Jobs { .. }
            | Request::Trace { .. }
            | Request::Counters { .. }
            | Request::Metrics
            | Request::Audit { .. }
            | Request::AuditVerify
            | Request::Configuration
            | Request::ConfigurationCheck { .. }
            | Request::Models
            | Request::Log
            | Request::Alarms
            | Request::Tokens
            | Request::Sessions
            | Request::NotifyList
            | Request::FaultList
            | Request::ShelfList
            | Request::Events { .. } => return Err(ControlError::defect()),
        })
    }

    /// The element that a name stands for, as the request `find` returns it. With `drive`, only a drive.
    ///
    /// # Errors
    /// `not_found` if the name stands for no element; `invalid` or `conflict` if the element is not a drive.
    pub fn find_element(&self, library: Option<&str>, element: &str, drive: bool) -> Response<FoundElement> {
        self.resolve_library_for(library, element)?.find(element, drive)
    }

    /// Parses the barcode of a cartridge in the inventory.
    pub(crate) fn resolve_cartridge(&self, text: &str) -> Response<Barcode> {
        let barcode = self.resolve_barcode(text)?;
        self.entry(&barcode)?;
        Ok(barcode)
    }

    fn list_cartridges(&self, cartridge: Option<&str>) -> Response<Vec<CartridgeStatus>> {
        Ok(match cartridge {
            None => self.cartridges(),
            Some(cartridge) => {
                let barcode = self.resolve_cartridge(cartridge)?;
                self.cartridge_statuses([(barcode.to_string(), self.entry(&barcode)?)])
            }
        })
    }

    /// The first records that a filter selects, at most and by default 1,000.
    fn audit_records(&self, filter: &Filter, max: Option<usize>) -> Response<Vec<Record>> {
        let max = max.unwrap_or(MAX_RECORDS).min(MAX_RECORDS);
        if max == 0 {
            return Err(ControlError::invalid("max is 0; expected at least 1").with_member("max"));
        }
        self.audit.read(filter, max)
    }

    fn list_pools(&self, pool: Option<&str>) -> Response<Vec<PoolStatus>> {
        let only = pool.map(|pool| self.pool(pool)).transpose()?;
        let mut pools = self.pool_status();
        pools.retain(|status| only.as_ref().is_none_or(|only| status.pool == only.name));
        Ok(pools)
    }

    /// Sets a drive online or offline, or the robot if there is no drive.
    fn set_online(&self, library: Option<&str>, drive: Option<&str>, online: bool) -> Response<OnlineStatus> {
        match drive {
            None => self.resolve_library(library)?.set_robot_online(online),
            Some(drive) => self.resolve_library_for(library, drive)?.set_drive_online(drive, online),
        }
    }

    fn create(&self, pool: &str, count: usize) -> Response<CreatedCartridges> {
        let created = self.create_cartridges(pool, count)?;
        Ok(CreatedCartridges { created: created.iter().map(Barcode::to_string).collect() })
    }

    fn protect(&self, cartridge: &str, on: bool) -> Response<ProtectStatus> {
        let barcode = self.resolve_cartridge(cartridge)?;
        self.set_write_protect(&barcode, on)?;
        Ok(ProtectStatus { barcode: barcode.to_string(), write_protected: on })
    }

    fn retain(&self, cartridge: &str, until: u64) -> Response<RetentionStatus> {
        let barcode = self.resolve_cartridge(cartridge)?;
        self.retain_cartridge(&barcode, until)?;
        Ok(RetentionStatus { barcode: barcode.to_string(), retained_until: until })
    }

    fn hold(&self, cartridge: &str, on: bool, reason: &str) -> Response<HoldStatus> {
        let barcode = self.resolve_cartridge(cartridge)?;
        self.set_legal_hold(&barcode, on, reason)?;
        Ok(HoldStatus { barcode: barcode.to_string(), legal_hold: on })
    }

    fn delete(&self, cartridge: &str) -> Response<RemovedCartridge> {
        let barcode = self.resolve_cartridge(cartridge)?;
        self.delete_cartridge(&barcode)?;
        Ok(RemovedCartridge { barcode: barcode.to_string() })
    }

    fn forget(&self, cartridge: &str) -> Response<RemovedCartridge> {
        let barcode = self.resolve_cartridge(cartridge)?;
        self.forget_cartridge(&barcode)?;
        Ok(RemovedCartridge { barcode: barcode.to_string() })
    }

    /// Sets a label defect, which exists only in a library; it can be cleared for a cartridge on a shelf, too.
    fn set_label(&self, library: Option<&str>, cartridge: &str, label: Option<LabelDefect>) -> Response<LabelStatus> {
        let barcode = self.resolve_cartridge(cartridge)?;
        let status = LabelStatus { barcode: barcode.to_string(), label };
        if label.is_none() && matches!(self.entry(&barcode)?.location, Location::Shelf(_)) {
            for library in self.libraries() {
                library.operate(|changer| Ok(changer.set_label_defect(&barcode, None)))?;
            }
            return Ok(status);
        }
        let library = self.resolve_library_for(library, cartridge)?;
        if library.operate(|changer| Ok(changer.set_label_defect(&barcode, label)))? {
            return Ok(status);
        }
        let message = format!("library {:?} has no {barcode}", library.name());
        Err(ControlError::not_found(message).with_library(library.name()).with_barcode(barcode.as_str()))
    }
}

impl Library {
    fn find(&self, element: &str, drive: bool) -> Response<FoundElement> {
        let resolve = if drive { Self::resolve_drive_in } else { Self::resolve_element_in };
        let address = resolve(self, &self.elements(), element)?;
        Ok(FoundElement { address: address.0, element: self.element_name(address), library: self.name().into() })
    }

    pub(crate) fn set_door(&self, door: Door, open: bool) -> Response<DoorStatus> {
        if door == Door::IoStation && self.layout().import_export.count == 0 {
            let message = format!("library {:?} has no I/O station", self.name());
            return Err(ControlError::not_found(message).with_library(self.name()));
        }
        self.operate_at(&Cause::operator(), None, None, |changer| match door {
            Door::Access => changer.set_access_door(open),
            Door::IoStation => changer.set_io_station(open),
        })?;
        Ok(DoorStatus { door, library: self.name().into(), open })
    }

    fn set_robot_online(&self, online: bool) -> Response<OnlineStatus> {
        self.operate(|changer| {
            changer.set_online(online);
            Ok(())
        })?;
        Ok(OnlineStatus { drive: None, library: self.name().into(), online })
    }

    fn set_drive_online(&self, drive: &str, online: bool) -> Response<OnlineStatus> {
        let address = self.resolve_drive_in(&self.elements(), drive)?;
        let set = |changer: &mut Changer| changer.set_drive_online(address, online);
        self.operate_at(&Cause::operator(), Some(address), None, set)?;
        Ok(OnlineStatus { drive: Some(self.element_name(address)), library: self.name().into(), online })
    }

    /// Sets the fault of a slot or I/O element. Drives and the robot are set offline instead.
    fn set_element_fault(&self, element: &str, fault: Option<ElementFault>) -> Response<ElementFaultStatus> {
        let address = self.resolve_element(element)?;
        let name = self.element_name(address);
        let instead = match self.layout().element_type(address) {
            Some(ElementType::DRIVE) => {
                format!("{name} is a drive; set it offline instead: ferric drive {name} offline")
            }
            Some(ElementType::TRANSPORT) => "the robot is not a slot; use: ferric robot offline".into(),
            _ => {
                let set = |changer: &mut Changer| changer.set_element_fault(address, fault);
                self.operate_at(&Cause::operator(), Some(address), None, set)?;
                return Ok(ElementFaultStatus { element: name, fault, library: self.name().into() });
            }
        };
        Err(ControlError::invalid(instead).with_library(self.name()).with_element(name))
    }

    fn inject_fault(&self, fault: RobotFault, nth: Option<u32>, count: Option<u32>) -> Response<InjectedFault> {
        let rule = FaultRule::once(RobotMatcher::of(fault), RobotOutcome::Fail);
        let rule = rule.with_nth(nth.unwrap_or(1)).with_count(count.unwrap_or(1));
        for (member, value) in [("nth", rule.nth), ("count", rule.count)] {
            if value == 0 {
                return Err(ControlError::invalid(format!("{member} is 0; expected at least 1")).with_member(member));
            }
        }
        if self.operate(|changer| Ok(changer.library_mut().inject_fault_rule(rule)))? {
            return Ok(InjectedFault { fault, library: self.name().into() });
        }
        let message = format!("{MAX_RULES} injected faults are pending in library {:?} already", self.name());
        Err(ControlError::conflict(message).with_library(self.name()))
    }
}
