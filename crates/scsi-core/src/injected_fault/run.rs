//! The execution of a command by a unit that has injected faults.

use super::{FaultOutcome, FiredFault, Injected, Subject};
use crate::cdb::Cdb;
use crate::command::DeviceCommand;
use crate::command_spec::CommandRow;
use crate::data::Data;
use crate::device_server::{DeviceServer, run_command};
use crate::fault::{Fault, FaultEvent, Outcome};
use crate::sense::Sense;
use crate::target::Request;
use std::time::Duration;

/// Runs an admitted command, or ends it by the first rule that applies to it.
pub(crate) fn run<S: DeviceServer>(
    server: &mut S,
    row: &'static CommandRow<DeviceCommand<S::Command>>,
    request: &Request<'_>,
    cdb: &Cdb,
    data: &mut Data<'_, '_>,
) -> Outcome {
    let volume = server.volume();
    let initiator = server.lu().port_of(request.nexus).map(|port| port.initiator_name());
    let measures = server.lu().faults.measures_early_warning();
    let before_early_warning = if measures { server.bytes_before_early_warning() } else { None };
    let subject = Subject {
        request,
        cdb,
        name: row.spec.name,
        position: server.position(),
        volume: volume.as_deref(),
        before_early_warning,
        initiator: initiator.as_deref(),
        protects_reads: server.protects_reads(request.nexus),
    };
    let fired = server.lu().faults.take(request.now.mono, |matcher| matcher.matches(subject));
    let outcome = match &fired {
        Some(FiredFault { outcome, .. }) => apply(server, row, (request, cdb), data, outcome),
        None => run_command(server, row, request, cdb, data),
    };
    let bytes = data.data_in.written().saturating_add(data.data_out.consumed()) as u64;
    server.lu().faults.add_bytes(bytes, |matcher| matcher.matches_anywhere(subject));
    fired.iter().flat_map(|fired| &fired.alerts).for_each(|flag| server.raise_alert(*flag));
    outcome
}

fn apply<S: DeviceServer>(
    server: &mut S,
    row: &'static CommandRow<DeviceCommand<S::Command>>,
    (request, cdb): (&Request<'_>, &Cdb),
    data: &mut Data<'_, '_>,
    outcome: &FaultOutcome,
) -> Outcome {
    let begin = request.now.mono;
    let fail = |server: &mut S, sense: &Sense| server.record_injected_failure(row.command, request, cdb, sense.clone());
    let (injected, outcome) = match outcome {
        FaultOutcome::Sense(sense) => (Injected::Ended, Err(sense.clone().into())),
        FaultOutcome::Failure(sense) => (Injected::Ended, Err(fail(server, sense).into())),
        FaultOutcome::Status(status) => (Injected::Ended, Err(Fault::Status(*status))),
        FaultOutcome::Drop => (Injected::Dropped, Err(Fault::Busy)),
        FaultOutcome::Event(event @ FaultEvent::LosePower(_)) => (Injected::Event(*event), Err(Fault::Busy)),
        FaultOutcome::Event(event) => (Injected::Event(*event), run_command(server, row, request, cdb, data)),
        FaultOutcome::DropResponse => (Injected::Dropped, run_command(server, row, request, cdb, data)),
        FaultOutcome::SenseAfter(sense) => {
            run_command(server, row, request, cdb, data)?;
            (Injected::Ended, Err(fail(server, sense).into()))
        }
        FaultOutcome::Delay(delay) => {
            let outcome = run_command(server, row, request, cdb, data);
            (Injected::Delayed { begin, delay: *delay }, outcome)
        }
        FaultOutcome::Slow(rate) => {
            let outcome = run_command(server, row, request, cdb, data);
            let bytes = data.data_in.written().saturating_add(data.data_out.consumed()) as u64;
            let delay = Duration::from_micros(bytes.saturating_mul(1_000_000) / (*rate).max(1));
            (Injected::Delayed { begin, delay }, outcome)
        }
        FaultOutcome::SlowBy(thousandths) => {
            server.set_time_factor(*thousandths);
            let outcome = run_command(server, row, request, cdb, data);
            server.set_time_factor(1000);
            (Injected::Ended, outcome)
        }
        FaultOutcome::WrongCrc => {
            run_command(server, row, request, cdb, data)?;
            data.data_in.invert_last_byte();
            (Injected::Ended, Ok(()))
        }
        FaultOutcome::LoseFilemark(sense) => {
            if !server.lose_last_filemark() {
                return run_command(server, row, request, cdb, data);
            }
            (Injected::Ended, Err(fail(server, sense).into()))
        }
    };
    server.lu().injected = Some(injected);
    outcome
}
