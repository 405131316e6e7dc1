//! Commands of SMC-3. Each file has the layout, parsing and execution of one command or a pair of commands.

pub(crate) mod element_domains;
pub(crate) mod element_information;
pub(crate) mod element_status;
pub(crate) mod exchange;
pub(crate) mod import_export;
pub(crate) mod initialize;
pub(crate) mod move_medium;
pub(crate) mod position;
pub(crate) mod volume_tag;

use crate::alert::Alert;
use crate::device::ChangerState;
use crate::element::{ElementAddress, ElementType};
use crate::fault;
use crate::library::{Library, MoveError};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::fault::{Outcome, Save};
use scsi_core::lu::Lu;
use scsi_core::sense::Sense;
use std::time::Duration;

/// A command of a medium changer that SPC does not define, or whose effect depends on the changer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// TEST UNIT READY, 00h (SPC-4 §6.47).
    TestUnitReady,
    /// INITIALIZE ELEMENT STATUS, 07h (SMC-3 §6.2).
    InitializeElementStatus,
    /// INITIALIZE ELEMENT STATUS WITH RANGE, 37h (SMC-3 §6.3) and its vendor specific form E7h.
    InitializeRange,
    /// OPEN/CLOSE IMPORT/EXPORT ELEMENT, 1Bh (SMC-3 §6.8).
    OpenCloseImportExport,
    /// POSITION TO ELEMENT, 2Bh (SMC-3 §6.9).
    PositionToElement,
    /// MOVE MEDIUM, A5h (SMC-3 §6.5).
    MoveMedium,
    /// EXCHANGE MEDIUM, A6h (SMC-3 §6.1).
    ExchangeMedium,
    /// READ ELEMENT STATUS, B8h (SMC-3 §6.11).
    ReadElementStatus,
    /// REPORT ELEMENT INFORMATION, 9Eh/10h (SMC-3 §6.12).
    ReportElementInformation,
    /// SEND VOLUME TAG, B6h (SMC-3 §6.15).
    SendVolumeTag,
    /// REQUEST VOLUME ELEMENT ADDRESS, B5h (SMC-3 §6.14).
    RequestVolumeElementAddress,
}

impl Command {
    /// Returns whether the command ends with NOT READY while the robot is offline or the access door is open.
    pub(crate) fn needs_robot(self, cdb: &Cdb) -> bool {
        match self {
            Self::ReportElementInformation => false,
            Self::ReadElementStatus => cdb.bytes()[6] & element_status::CURDATA == 0,
            _ => true,
        }
    }
}

/// The arguments of the handler of a changer's command.
pub(crate) type Context<'a, 'd, 'i> = scsi_core::command::Context<'a, 'd, 'i, ChangerState>;

/// Runs a command that was admitted and for which the robot is ready.
pub(crate) fn run(command: Command, cx: &mut Context<'_, '_, '_>) -> Outcome {
    match command {
        Command::TestUnitReady => Ok(()),
        Command::InitializeElementStatus => initialize::all(cx),
        Command::InitializeRange => initialize::range(cx),
        Command::OpenCloseImportExport => import_export::run(cx),
        Command::PositionToElement => position::run(cx),
        Command::MoveMedium => {
            // After a failure, too: the failed move may have left a cartridge in another element.
            cx.lu.request_save(Save::INVENTORY);
            move_medium::run(cx)
        }
        Command::ExchangeMedium => {
            cx.lu.request_save(Save::INVENTORY);
            exchange::run(cx)
        }
        Command::ReadElementStatus => element_status::run(cx),
        Command::ReportElementInformation => element_information::run(cx),
        Command::SendVolumeTag => volume_tag::send(cx),
        Command::RequestVolumeElementAddress => volume_tag::request(cx),
    }
}

/// The time of the robot for a command.
#[derive(Default)]
struct RobotTime {
    /// The time that hardware would take.
    modelled: Duration,
    /// The robot waits for at least this time.
    least: Duration,
    /// The robot waits before for the unload of a drive.
    unload: Duration,
}

/// Counts the time that hardware would take for the current command, and delays its status if the robot waits for it.
fn spend(cx: &mut Context<'_, '_, '_>, RobotTime { modelled, least, unload }: RobotTime) {
    let begin = cx.request.now.mono;
    let modelled = cx.device.count_time(modelled);
    let motion = least.max(cx.device.time.wait(modelled));
    let wait = cx.device.library.reserve_robot(begin, unload, motion);
    cx.lu.set_modelled_time(modelled + unload, (!wait.is_zero()).then(|| begin.saturating_add(wait)));
}

/// Counts the time of these moves, and of the unloads of the drives from which they are.
fn spend_moves(cx: &mut Context<'_, '_, '_>, moves: &[(ElementAddress, ElementAddress)], unload: Duration) {
    let library = &cx.device.library;
    let modelled = moves.iter().map(|(source, destination)| library.move_time(*source, *destination)).sum();
    let least = cx.device.move_duration;
    spend(cx, RobotTime { modelled, least, unload });
}

/// Converts the result of a move: a failure becomes sense data and raises its TapeAlert flag.
fn finish_move(
    lu: &mut Lu,
    state: &mut ChangerState,
    result: Result<(), MoveError>,
    field: impl Fn(ElementAddress) -> u16,
) -> Outcome {
    state.count_move(result);
    let Err(error) = result else { return Ok(()) };
    if let Some(alert) = fault::alert(error) {
        state.alerts.raise(alert);
    }
    state.library.take_injected_alerts().into_iter().for_each(|flag| state.alerts.raise(Alert(flag)));
    if matches!(error, MoveError::DoorOpened(_)) {
        state.operator_state_changed = true;
        lu.request_save(Save::INVENTORY);
    }
    Err(fault::sense(error, field).into())
}

/// Refuses a move to an import/export element on models that do so while a host prevents removal.
fn check_export(state: &ChangerState, lu: &Lu, destination: ElementAddress) -> Result<(), Sense> {
    let exports = state.library.layout().element_type(destination) == Some(ElementType::IMPORT_EXPORT);
    if state.profile.prevents_export && exports && lu.removal_prevented() {
        return Err(Sense::illegal_request(Asc::MEDIUM_REMOVAL_PREVENTED));
    }
    Ok(())
}

/// Checks MEDIUM TRANSPORT ADDRESS in bytes 2-3: a transport element, or zero for the default one.
fn transport(library: &Library, address: ElementAddress) -> Result<(), Sense> {
    if address == ElementAddress(0) || library.layout().transport.index(address).is_some() {
        return Ok(());
    }
    Err(Sense::illegal_request(Asc::INVALID_ELEMENT_ADDRESS).with_field_pointer(true, 2, None))
}
