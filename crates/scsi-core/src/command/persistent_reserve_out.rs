//! PERSISTENT RESERVE OUT, SPC-4 §6.16.  Bytes: 0 opcode · 1 SERVICE ACTION(4-0) · 2 SCOPE(7-4) TYPE(3-0) · 5-8 PARAMETER LIST LENGTH · 9 control
//!
//! **Deviations:** REPLACE LOST RESERVATION is rejected with ILLEGAL REQUEST 24h/00h: this unit does not lose
//! reservations.

use super::{Context, SpcContext};
use crate::cdb::Cdb;
use crate::cdb_field::{bits, number};
use crate::command_spec::{Access, CommandSpec};
use crate::fault::{Fault, Outcome, Save};
use crate::field::check_reserved;
use crate::lu::Lu;
use crate::nexus::TransportId;
use crate::parameter_list;
use crate::reservation::{ReservationType, ReserveOutParameters as Reserve, ServiceActionEffects};
use crate::sense::Sense;
use crate::wire::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

const SPEC: CommandSpec = CommandSpec::new(
    "PERSISTENT RESERVE OUT",
    &[0x5f, 0x1f, 0xff, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0x00],
    Access::PersistentReserveOut,
)
.with_fields(&[bits("SCOPE", 2, 7, 4), bits("TYPE", 2, 3, 4), number("PARAMETER LIST LENGTH", 5, 4)])
.saving_state();
/// The facts of REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT AND ABORT, REGISTER AND IGNORE EXISTING KEY and
/// REGISTER AND MOVE.
pub const SPECS: [CommandSpec; 8] = [
    SPEC.with_service_action(0),
    SPEC.with_service_action(1),
    SPEC.with_service_action(2),
    SPEC.with_service_action(3),
    SPEC.with_service_action(4),
    SPEC.with_service_action(5),
    SPEC.with_service_action(6),
    SPEC.with_service_action(7),
];

/// Basic parameter list, of every service action except REGISTER AND MOVE.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct BasicList {
    key: U64,
    action_key: U64,
    _obsolete_16: [u8; 4],
    flags: u8,
    _reserved_21: u8,
    _obsolete_22: [u8; 2],
}
const _: () = assert!(size_of::<BasicList>() == BASIC);
/// Parameter list of REGISTER AND MOVE, without its TransportID.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RegisterAndMoveList {
    key: U64,
    action_key: U64,
    _reserved_16: u8,
    flags: u8,
    relative_port: U16,
    id_length: U32,
}
const _: () = assert!(size_of::<RegisterAndMoveList>() == BASIC);
const BASIC: usize = 24;
/// Bits of the basic list that may be set: SPEC_I_PT, ALL_TG_PT and APTPL. Bytes 16 to 19 and 22 to 23 are obsolete and
/// ignored.
const USAGE: &[u8] = &[
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0x0d, 0x00,
];
/// Bits of the REGISTER AND MOVE list that may be set: UNREG and APTPL.
const USAGE_MOVE: &[u8] =
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x03];
/// Maximum PARAMETER LIST LENGTH: a list may name as many ports as can register.
const MAX_LIST_LENGTH: usize = BASIC + 4 + 256 * 256;

pub(super) fn list_length(cdb: &Cdb) -> usize {
    let [_, _, _, _, _, a, b, c, d, ..] = *cdb.bytes();
    usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX)
}

pub(super) fn run(cx: &mut SpcContext<'_, '_, '_>) -> Outcome {
    let Context { lu, request, cdb, data, .. } = cx;
    let length = list_length(cdb);
    if !(BASIC..=MAX_LIST_LENGTH).contains(&length) {
        return Err(parameter_list::length_error().into());
    }
    let list = data.data_out.parameters(length)?;
    check_reserved(&list, if cdb.service_action().0 == 7 { USAGE_MOVE } else { USAGE }, 0)?;
    let caller = lu.port_of(request.nexus).ok_or(Fault::ReservationConflict)?;
    let effects = match cdb.service_action().0 {
        7 => register_and_move(lu, &caller, &list)?,
        action => basic(lu, &caller, action, cdb, &list)?,
    };
    apply_effects(lu, cdb.service_action().0 == 5, effects);
    Ok(())
}

fn basic(
    lu: &mut Lu,
    caller: &TransportId,
    action: u16,
    cdb: &Cdb,
    list: &[u8],
) -> Result<ServiceActionEffects, Fault> {
    let Ok((raw, rest)) = BasicList::read_from_prefix(list) else {
        return Err(parameter_list::length_error().into());
    };
    let registers = matches!(action, 0 | 6);
    if action == 6 && raw.flags & 0x08 != 0 {
        return Err(Sense::invalid_field_in_list(20, Some(3)).into());
    }
    let spec_i_pt = if registers && raw.flags & 0x08 != 0 { Some(spec_i_pt_ports(lu, rest)?) } else { None };
    if spec_i_pt.is_none() && !rest.is_empty() {
        return Err(parameter_list::length_error().into());
    }
    let kind = scope_and_type(cdb, matches!(action, 1 | 2 | 4 | 5))?;
    let request = Reserve {
        caller,
        key: raw.key.get(),
        action_key: raw.action_key.get(),
        kind,
        all_target_ports: raw.flags & 0x04 != 0,
        aptpl: raw.flags & 0x01 != 0,
    };
    let state = &mut lu.reservations.persistent;
    match action {
        0 => state.register(&request, false, spec_i_pt.as_deref()),
        1 => state.reserve(&request),
        2 => state.release(&request),
        3 => state.clear(&request),
        4 | 5 => state.preempt(&request),
        _ => state.register(&request, true, spec_i_pt.as_deref()),
    }
}

fn register_and_move(lu: &mut Lu, caller: &TransportId, list: &[u8]) -> Result<ServiceActionEffects, Fault> {
    let Ok((raw, rest)) = RegisterAndMoveList::read_from_prefix(list) else {
        return Err(parameter_list::length_error().into());
    };
    let id_length = usize::try_from(raw.id_length.get()).unwrap_or(usize::MAX);
    if id_length > rest.len() {
        return Err(parameter_list::length_error().into());
    }
    if id_length < rest.len() {
        return Err(Sense::invalid_field_in_list(20, None).into());
    }
    if raw.relative_port.get() != lu.identity.port.relative {
        return Err(Sense::invalid_field_in_list(18, None).into());
    }
    let port = match TransportId::parse_prefix(rest) {
        Some((id, [])) => resolve_port(lu, &id),
        _ => None,
    };
    let port = port.ok_or(Sense::invalid_field_in_list(24, None))?;
    let request = Reserve {
        caller,
        key: raw.key.get(),
        action_key: raw.action_key.get(),
        kind: ReservationType(0),
        all_target_ports: false,
        aptpl: raw.flags & 0x01 != 0,
    };
    lu.reservations.persistent.register_and_move(&request, &port, raw.flags & 0x02 != 0)
}

/// Returns TYPE. SCOPE must be LU_SCOPE. Both are checked only if the service action uses TYPE: RESERVE, RELEASE and
/// PREEMPT.
fn scope_and_type(cdb: &Cdb, uses_type: bool) -> Result<ReservationType, Sense> {
    let byte = cdb.bytes()[2];
    let kind = ReservationType(byte & 0x0f);
    if uses_type && byte >> 4 != 0 {
        return Err(Sense::invalid_field_in_cdb(2, Some(7)));
    }
    if uses_type && kind.name().is_none() {
        return Err(Sense::invalid_field_in_cdb(2, Some(3)));
    }
    Ok(kind)
}

/// Returns the ports of the TransportIDs that follow the basic list with SPEC_I_PT=1, each with the offset of its
/// TransportID in the list. `rest` begins with the length of the TransportIDs.
fn spec_i_pt_ports(lu: &Lu, rest: &[u8]) -> Result<Vec<(TransportId, u16)>, Sense> {
    let (length, mut ids) = rest.split_first_chunk::<4>().ok_or_else(parameter_list::length_error)?;
    if usize::try_from(u32::from_be_bytes(*length)) != Ok(ids.len()) {
        return Err(parameter_list::length_error());
    }
    let mut ports = Vec::new();
    while !ids.is_empty() {
        let at = u16::try_from(BASIC + rest.len() - ids.len()).unwrap_or(u16::MAX);
        let (id, after) = TransportId::parse_prefix(ids).ok_or(Sense::invalid_field_in_list(at, None))?;
        ports.push((resolve_port(lu, &id).ok_or(Sense::invalid_field_in_list(at, None))?, at));
        ids = after;
    }
    Ok(ports)
}

/// Returns the port that a TransportID names. For an iSCSI name without ISID, that is a logged-in port of this
/// initiator, or `None`.
fn resolve_port(lu: &Lu, id: &TransportId) -> Option<TransportId> {
    if id.as_bytes().first() != Some(&0x05) {
        return Some(id.clone());
    }
    lu.matching_ports(id).into_iter().next()
}

fn apply_effects(lu: &mut Lu, aborts: bool, effects: ServiceActionEffects) {
    for (port, asc) in &effects.attentions {
        for nexus in lu.nexuses_of(port) {
            lu.attentions.raise(nexus, *asc);
        }
    }
    if aborts {
        lu.abort_nexuses = effects.preempted_ports.iter().flat_map(|port| lu.nexuses_of(port)).collect();
        for nexus in lu.abort_nexuses.clone() {
            lu.prevent(nexus, false);
        }
    }
    lu.request_save(Save::UNIT);
}
