//! Log lines of commands: `debug` for a command that did not end with GOOD or that changes reservations or modes,
//! `trace` for any other.
//!
//! A command that did not end with GOOD includes one that was aborted or lost.

use super::{CommandRecord, TapePosition};
use crate::target::decode_lun;
use scsi_core::cdb::Opcode;
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::hex::Hex;
use scsi_core::sense::Sense;
use scsi_core::status::Status;
use tape_store::cartridge::Barcode;

/// Whether a command changes mode pages, reservations or removal prevention.
fn changes_settings(spec: &CommandSpec) -> bool {
    matches!(spec.opcode, Opcode::MODE_SELECT_6 | Opcode::MODE_SELECT_10)
        || matches!(spec.access, Access::Reserve | Access::Release | Access::PersistentReserveOut | Access::Prevent)
}

/// A position as partition and number of the next logical object, such as `0:12`.
fn position(position: TapePosition) -> String {
    format!("{}:{}", position.partition, position.object)
}

/// Logs a command if its level is enabled.
pub(crate) fn log_command(record: &CommandRecord<'_>, barcode: impl FnOnce() -> Option<Barcode>) {
    macro_rules! line {
        ($level:ident) => {{
            let sense = record.sense.and_then(|bytes| Sense::decode(bytes.as_slice())).map(|sense| sense.to_string());
            let barcode = barcode();
            let status = record.status.name().map_or_else(|| format!("{:02x}h", record.status.0), str::to_owned);
            // Texts are recorded as strings, which the log writes in quotes, so that a program can parse a line.
            tracing::$level!(
                target: "vtl::command",
                initiator = &*record.names.initiator,
                target = &*record.names.target,
                lun = decode_lun(record.lun),
                unit = &*record.names.unit.unit,
                library = &*record.names.unit.library,
                barcode = barcode.as_ref().map(Barcode::as_str),
                command = record.spec.map_or("unknown command", |spec| spec.name),
                cdb = &*Hex(record.cdb).to_string(),
                status = &*status,
                outcome = record.outcome.reported_name(),
                sense = sense.as_deref(),
                bytes_in = record.bytes_in,
                bytes_out = record.bytes_out,
                position_before = record.positions.0.map(position).as_deref(),
                position_after = record.positions.1.map(position).as_deref(),
                queued_us = record.queued_us,
                took_us = record.run_us,
                delay_us = (record.delay_us > 0).then_some(record.delay_us),
                injected = record.injected.then_some(true),
            );
        }};
    }
    if record.status != Status::GOOD || record.spec.is_some_and(changes_settings) {
        if tracing::enabled!(target: "vtl::command", tracing::Level::DEBUG) {
            line!(debug);
        }
    } else if tracing::enabled!(target: "vtl::command", tracing::Level::TRACE) {
        line!(trace);
    }
}
