//! SECURITY PROTOCOL OUT, SPC-5 §6.41.  Bytes: 0 opcode · 1 SECURITY PROTOCOL · 2-3 SECURITY PROTOCOL SPECIFIC · 4 INC_512(7) · 6-9 TRANSFER LENGTH · 11 control
//!
//! Protocol 20h, tape data encryption: page 0010h, Set Data Encryption (SSC-5 §8.5.3.2). The key is taken from the list
//! and is nowhere else.
//!
//! **Deviations:** ENCRYPTION MODE external, DECRYPTION MODE raw, SDK, CKORP and CKORL are refused, as page 0012h and the
//! algorithm's descriptor say.

use crate::device::State;
use crate::encryption::{Decrypt, Encrypt, MAX_A_KAD, MAX_M_KAD, MAX_U_KAD, Parameters, Scope};
use crate::load::Load;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::Data;
use scsi_core::fault::Outcome;
use scsi_core::lu::Lu;
use scsi_core::sense::Sense;
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use scsi_core::wire::{U16, U32};
use tape_store::seal::{Kads, Key};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};
use zeroize::Zeroizing;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "SECURITY PROTOCOL OUT",
    &[0xb5, 0xff, 0xff, 0xff, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Write,
);

/// SECURITY PROTOCOL: tape data encryption.
pub(super) const TAPE_DATA_ENCRYPTION: u8 = 0x20;
/// Set Data Encryption.
pub(super) const SET_DATA_ENCRYPTION: u16 = 0x0010;

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Raw {
    opcode: u8,
    pub(super) protocol: u8,
    pub(super) specific: U16,
    flags: u8,
    _reserved: u8,
    length: U32,
    _reserved_10: u8,
    control: u8,
}
const _: () = assert!(size_of::<Raw>() == 12);

impl Raw {
    /// The length counts pieces of 512 bytes.
    pub(super) const fn in_pieces(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// ALLOCATION LENGTH or TRANSFER LENGTH in bytes.
    pub(super) fn bytes(&self) -> usize {
        let unit = if self.in_pieces() { 512 } else { 1 };
        usize::try_from(self.length.get()).unwrap_or(usize::MAX).saturating_mul(unit)
    }
}

/// The page before its key.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Page {
    code: U16,
    length: U16,
    scope: u8,
    flags: u8,
    encrypt: u8,
    decrypt: u8,
    algorithm: u8,
    key_format: u8,
    kad_format: u8,
    _reserved: [u8; 7],
    key_length: U16,
}
const _: () = assert!(size_of::<Page>() == 20);

/// Longer than any page can be.
const LONGEST: usize = 4096;

pub(crate) fn list_length(cdb: &Cdb) -> usize {
    cdb.layout::<Raw>().bytes()
}

pub(crate) fn run(
    lu: &mut Lu,
    state: &mut State,
    cdb: &Cdb,
    request: &Request<'_>,
    data: &mut Data<'_, '_>,
) -> Outcome {
    let raw: Raw = cdb.layout();
    if raw.protocol != TAPE_DATA_ENCRYPTION {
        return Err(Sense::cdb_field(1, None).into());
    }
    if raw.specific.get() != SET_DATA_ENCRYPTION {
        return Err(Sense::cdb_field(2, None).into());
    }
    let length = raw.bytes();
    if length == 0 {
        return Ok(());
    }
    let too_short = || Sense::illegal(Asc::PARAMETER_LIST_LENGTH_ERROR);
    if length > LONGEST {
        return Err(Sense::cdb_field(6, None).into());
    }
    let list = Zeroizing::new(data.out.list(length).ok_or_else(too_short)?);
    state.encryption.may_try()?;
    let (scope, lock, parameters) = parse(&list, state)?;
    if state.encryption.set(request.nexus, scope, lock, parameters) {
        let encryption = &state.encryption;
        lu.attention.raise_where(Asc::DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_ANOTHER_I_T_NEXUS, |nexus| {
            nexus != request.nexus && !encryption.is_local(nexus)
        });
    }
    Ok(())
}

/// The scope, the lock and the parameters of a page.
fn parse(list: &[u8], state: &State) -> Result<(Scope, bool, Parameters), Sense> {
    let at = |byte: u16| Sense::list_field(byte, None);
    let too_short = || Sense::illegal(Asc::PARAMETER_LIST_LENGTH_ERROR);
    let (page, rest) = Page::ref_from_prefix(list).map_err(|_| too_short())?;
    if page.code.get() != SET_DATA_ENCRYPTION {
        return Err(at(0));
    }
    let declared = usize::from(page.length.get()) + 4;
    let rest = list.get(..declared).ok_or_else(too_short)?.get(list.len() - rest.len()..).ok_or_else(|| at(2))?;
    let scope = match page.scope >> 5 {
        0 => Scope::Public,
        1 => Scope::Local,
        2 => Scope::All,
        _ => return Err(at(4)),
    };
    let lock = page.scope & 0x01 != 0;
    if page.scope & 0x1e != 0 {
        return Err(at(4));
    }
    if scope == Scope::Public {
        // All other fields are ignored.
        return Ok((scope, lock, Parameters::default()));
    }
    modes(page, rest, state).map(|parameters| (scope, lock, parameters))
}

/// CEEM 00b and 01b change nothing without an external mode; RDMC 00b and 11b neither without raw decryption.
const CEEM: u8 = 0xc0;
const RDMC: u8 = 0x30;
const CKOD: u8 = 0x04;

fn modes(page: &Page, rest: &[u8], state: &State) -> Result<Parameters, Sense> {
    let at = |byte: u16| Sense::list_field(byte, None);
    if page.flags & !(CEEM | RDMC | CKOD) != 0 || page.flags & RDMC == 0x10 {
        return Err(at(5));
    }
    let clear_on_demount = page.flags & CKOD != 0;
    if clear_on_demount && !matches!(state.load, Load::Mounted(_)) {
        return Err(at(5));
    }
    let encrypt = match page.encrypt {
        0 => Encrypt::Disable,
        2 => Encrypt::Seal,
        _ => return Err(at(6)),
    };
    let decrypt = match page.decrypt {
        0 => Decrypt::Disable,
        2 => Decrypt::Only,
        3 => Decrypt::Mixed,
        _ => return Err(at(7)),
    };
    let (index, aliases) = state.profile.algorithm;
    if page.algorithm != index && !aliases.contains(&page.algorithm) {
        return Err(at(8));
    }
    if page.key_format != 0 {
        return Err(at(9));
    }
    if page.kad_format > 2 {
        return Err(at(10));
    }
    let (key, kads) = rest.split_at_checked(page.key_length.get().into()).ok_or_else(|| at(18))?;
    let needed = encrypt == Encrypt::Seal || decrypt != Decrypt::Disable;
    if needed && key.len() != Key::MAX {
        return Err(at(18));
    }
    let key = if needed { Key::new(key) } else { None };
    let kads = if encrypt == Encrypt::Seal {
        descriptors(kads, list_offset(rest, kads))?
    } else if kads.is_empty() {
        Kads::default()
    } else {
        return Err(at(20));
    };
    Ok(Parameters { encrypt, decrypt, key, kads, kad_format: page.kad_format, clear_on_demount, instance: 0 })
}

fn list_offset(rest: &[u8], kads: &[u8]) -> usize {
    size_of::<Page>() + rest.len() - kads.len()
}

/// Key-associated data: descriptors of ascending types.
fn descriptors(mut list: &[u8], mut offset: usize) -> Result<Kads, Sense> {
    let (mut kads, mut last) = (Kads::default(), None);
    while !list.is_empty() {
        let at = |byte: usize| Sense::list_field(u16::try_from(offset + byte).unwrap_or(u16::MAX), None);
        let ([kind, _, high, low], after) = list.split_first_chunk::<4>().ok_or_else(|| at(0))?;
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = after.split_at_checked(len).ok_or_else(|| at(2))?;
        let (slot, most) = match kind {
            0 => (&mut kads.unauthenticated, MAX_U_KAD),
            1 => (&mut kads.authenticated, MAX_A_KAD),
            3 => (&mut kads.metadata, MAX_M_KAD),
            _ => return Err(at(0)),
        };
        if last.is_some_and(|last| last >= kind) {
            return Err(at(0));
        }
        if len > most {
            return Err(at(2));
        }
        *slot = value.to_vec();
        last = Some(kind);
        offset += 4 + len;
        list = after;
    }
    Ok(kads)
}
