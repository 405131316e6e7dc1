//! The changer as a logical unit: the checks of SPC, then one arm per command.
#![deny(clippy::wildcard_enum_match_arm)]

use crate::command::{self, Command};
use crate::device::State;
use crate::element::{Address, ElementType};
use crate::library::{Library, MoveError, Origin, Place};
use crate::profile::ChangerProfile;
use crate::table::COMMANDS;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::Data;
use scsi_core::fault::{Completion, Outcome, Save};
use scsi_core::identity::Identity;
use scsi_core::lu::{self, Lu};
use scsi_core::target::{Event, LogicalUnit, Request};
use scsi_core::time::Now;
use tape_store::cartridge::Cartridge;

/// A medium changer.
pub struct Changer {
    lu: Lu,
    state: State,
}

/// Why an operator cannot put in or take out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorError {
    /// A host prevents removal, so the import/export element is locked.
    Prevented,
    /// The element is not an import/export element, full, or empty.
    Element(MoveError),
}

impl Changer {
    /// A changer over this library, after power on.
    #[must_use]
    pub fn new(profile: &'static ChangerProfile, identity: Identity, library: Library, saved: lu::Saved) -> Self {
        let lu = Lu::new(identity, crate::mode::PAGES, profile.order, saved);
        Self { lu, state: State { profile, library, alerts: 0 } }
    }

    /// Its SPC state: identity, unit attentions, LUNs.
    pub const fn lu(&mut self) -> &mut Lu {
        &mut self.lu
    }

    /// The elements, for who owns the library and fills it at start.
    pub const fn library(&mut self) -> &mut Library {
        &mut self.state.library
    }

    /// What is where.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        self.state.library.places()
    }

    /// An operator puts a cartridge into an import/export element. Every nexus hears 28/01.
    ///
    /// # Errors
    /// The element is locked, full, or none; the cartridge comes back.
    pub fn import(
        &mut self,
        address: Address,
        cartridge: Cartridge,
        now: Now,
    ) -> Result<(), (DoorError, Box<Cartridge>)> {
        if let Err(error) = self.door(address) {
            return Err((error, Box::new(cartridge)));
        }
        let origin = Origin { source: None, by_operator: true };
        let put = self.state.library.put(address, cartridge, origin, now);
        put.map_err(|(error, cartridge)| (DoorError::Element(error), cartridge))?;
        self.lu.attention.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        Ok(())
    }

    /// An operator takes the cartridge out of an import/export element. Every nexus hears 28/01.
    ///
    /// # Errors
    /// The element is locked, empty, or none.
    pub fn export(&mut self, address: Address, now: Now) -> Result<Cartridge, DoorError> {
        self.door(address)?;
        let (cartridge, _) = self.state.library.take(address, now).map_err(DoorError::Element)?;
        self.lu.attention.raise_all(Asc::IMPORT_OR_EXPORT_ELEMENT_ACCESSED);
        Ok(cartridge)
    }

    fn door(&self, address: Address) -> Result<(), DoorError> {
        if self.state.library.layout().element_type(address) != Some(ElementType::IMPORT_EXPORT) {
            return Err(DoorError::Element(MoveError::NoElement(address)));
        }
        if self.lu.removal_prevented() { Err(DoorError::Prevented) } else { Ok(()) }
    }

    fn run(&mut self, request: &Request<'_>, cdb: &Cdb, data: &mut Data<'_, '_>) -> Outcome {
        let found = COMMANDS.find(cdb);
        self.lu.admit(request, cdb, found.as_ref().map(|row| &row.spec))?;
        let row = found?;
        let Self { lu, state } = self;
        match row.run {
            Command::Spc(run) => lu.run(run, cdb, request, state, data),
            Command::TestUnitReady | Command::InitializeElementStatus => Ok(()),
            Command::PositionToElement => command::position::run(state, cdb),
            // Saved also after a failure: it may have left a cartridge in the hand.
            Command::MoveMedium => {
                lu.save(Save::INVENTORY);
                command::move_medium::run(state, cdb, request)
            }
            Command::ExchangeMedium => {
                lu.save(Save::INVENTORY);
                command::exchange::run(state, cdb, request)
            }
            Command::ReadElementStatus => command::element_status::run(state, cdb, data),
        }
    }
}

impl LogicalUnit for Changer {
    fn execute(&mut self, request: &Request<'_>, mut data: Data<'_, '_>) -> Completion {
        let cdb = Cdb::new(request.cdb);
        let outcome = self.run(request, &cdb, &mut data);
        let completion = self.lu.complete(outcome, &data);
        tracing::trace!(opcode = ?cdb.opcode(), nexus = request.nexus.0, status = ?completion.status, sense = ?completion.sense);
        completion
    }

    fn event(&mut self, event: Event, now: Now) {
        self.lu.event(&event, now);
    }

    fn expected_data_out(&self, cdb: &[u8]) -> usize {
        let cdb = Cdb::new(cdb);
        match COMMANDS.find(&cdb).map(|row| row.run) {
            Ok(Command::Spc(command)) => scsi_core::command::expected_data_out(command, &cdb),
            Ok(_) | Err(_) => 0,
        }
    }
}
