//! SECURITY PROTOCOL OUT, SPC-4 §6.41.  Bytes: 0 opcode · 1 SECURITY PROTOCOL · 2-3 SECURITY PROTOCOL SPECIFIC · 4 INC_512(7) · 6-9 TRANSFER LENGTH · 11 control
//!
//! Protocol 20h, tape data encryption: page 0010h, Set Data Encryption (SSC-4 §8.5.3.2). The key is taken from the
//! list, which is wiped; it may be wrapped with the public key of page 0031h. A block in EXTERNAL mode is an encrypted
//! block that was read raw: it names the position for which it was encrypted, and is written to the medium unchanged.
//!
//! **Deviations:** SDK=1 is rejected, as the algorithm descriptor reports, as is a signature of a wrapped key.

use super::Context;
use crate::device::DriveState;
use crate::encryption::{
    CeemRestriction, DecryptionMode, EncryptionMode, EncryptionParameters, EncryptionScope, KeyClearing, MAX_A_KAD,
    MAX_M_KAD, MAX_U_KAD,
};
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::Outcome;
use scsi_core::field::{FieldPointer, check_reserved};
use scsi_core::parameter_list;
use scsi_core::sense::Sense;
use scsi_core::wire::{U16, U32};
use tape_store::encrypt::{Key, KeyAssociatedData};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};
use zeroize::Zeroizing;

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "SECURITY PROTOCOL OUT",
    &[0xb5, 0xff, 0xff, 0xff, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Write,
)
.with_fields(&[
    number("SECURITY PROTOCOL", 1, 1),
    number("SECURITY PROTOCOL SPECIFIC", 2, 2),
    bit("INC_512", 4, 7),
    number("TRANSFER LENGTH", 6, 4),
])
.carrying_key()
// The begin of encryption is recorded in the audit log before the status.
.saving_state();

/// SECURITY PROTOCOL 20h: tape data encryption.
pub(super) const TAPE_DATA_ENCRYPTION: u8 = 0x20;
/// SECURITY PROTOCOL SPECIFIC and page code of Set Data Encryption.
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
    /// INC_512: the length is in units of 512 bytes.
    pub(super) const fn inc_512(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// ALLOCATION LENGTH or TRANSFER LENGTH in bytes.
    pub(super) fn bytes(&self) -> usize {
        let unit = if self.inc_512() { 512 } else { 1 };
        usize::try_from(self.length.get()).unwrap_or(usize::MAX).saturating_mul(unit)
    }
}

/// Set Data Encryption page up to its key.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct SetDataEncryptionPage {
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
const _: () = assert!(size_of::<SetDataEncryptionPage>() == 20);

/// Maximum list length in bytes; no valid page is that long.
const MAX_PAGE_LENGTH: usize = 4096;

pub(crate) fn list_length(cdb: &Cdb) -> usize {
    cdb.as_layout::<Raw>().bytes()
}

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    if raw.protocol != TAPE_DATA_ENCRYPTION {
        return Err(Sense::invalid_field_in_cdb(1, None).into());
    }
    if raw.specific.get() != SET_DATA_ENCRYPTION {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    let length = raw.bytes();
    if length == 0 {
        return Ok(());
    }
    if length > MAX_PAGE_LENGTH {
        return Err(Sense::invalid_field_in_cdb(6, None).into());
    }
    let list = Zeroizing::new(cx.data.data_out.parameters(length)?);
    cx.device.encryption.check_wrong_key_limit()?;
    let port = cx.lu.port_of(cx.request.nexus);
    let reserved = port.as_ref().is_some_and(|port| cx.lu.reservation_holders().contains(port));
    let (scope, lock, parameters) = parse(&list, reserved, cx.device)?;
    let parameters = EncryptionParameters { owner: port, ..parameters };
    cx.device.media.clear_medium_keys();
    if cx.device.encryption.set(cx.request.nexus, scope, lock, parameters) {
        let encryption = &cx.device.encryption;
        cx.lu.attentions.raise_matching(Asc::DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_ANOTHER_I_T_NEXUS, |nexus| {
            nexus != cx.request.nexus && !encryption.is_local(nexus)
        });
    }
    Ok(())
}

/// Parses the scope, the lock and the parameters of a page.
fn parse(
    list: &[u8],
    reserved: bool,
    state: &DriveState,
) -> Result<(EncryptionScope, bool, EncryptionParameters), Sense> {
    let at = |byte| Sense::from(FieldPointer::byte(byte));
    let (page, rest) = SetDataEncryptionPage::ref_from_prefix(list).map_err(|_| parameter_list::length_error())?;
    if page.code.get() != SET_DATA_ENCRYPTION {
        return Err(at(0));
    }
    let declared = usize::from(page.length.get()) + 4;
    let rest = list
        .get(..declared)
        .ok_or_else(parameter_list::length_error)?
        .get(list.len() - rest.len()..)
        .ok_or_else(|| at(2))?;
    let scope = match page.scope >> 5 {
        0 => EncryptionScope::Public,
        1 => EncryptionScope::Local,
        2 => EncryptionScope::All,
        _ => return Err(FieldPointer::bits(4, SCOPE).into()),
    };
    let lock = page.scope & LOCK != 0;
    check_reserved(list, if scope == EncryptionScope::Public { USAGE_PUBLIC } else { USAGE }, 0)?;
    if scope == EncryptionScope::Public {
        return Ok((scope, lock, EncryptionParameters::default()));
    }
    parse_modes(page, rest, reserved, state).map(|parameters| (scope, lock, parameters))
}

/// Defined bits of the page up to its key.
const USAGE: &[u8] =
    &[0xff, 0xff, 0xff, 0xff, SCOPE | LOCK, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const _: () = assert!(USAGE.len() == size_of::<SetDataEncryptionPage>());
/// With scope PUBLIC all other fields are ignored.
const USAGE_PUBLIC: &[u8] = USAGE.split_at(5).0;
/// Defined bits in bytes 0 and 1 of a key-associated data descriptor: byte 1 has AUTHENTICATED, which is ignored.
const USAGE_KAD: &[u8] = &[0xff, 0x07];

const SCOPE: u8 = 0xe0;
const LOCK: u8 = 0x01;
const RDMC: u8 = 0x30;
const SDK: u8 = 0x08;
const CKOD: u8 = 0x04;
const CKORP: u8 = 0x02;
const CKORL: u8 = 0x01;
/// KEY FORMAT: plain-text, or wrapped with the public key of page 0031h.
pub(super) const KEY_FORMATS: [u8; 2] = [0x00, 0x02];

/// Parses byte 5: CEEM, RDMC, SDK, CKOD, CKORP and CKORL.
///
/// # Errors
/// Mask of the invalid bits.
fn parse_flags(flags: u8, reserved: bool, state: &DriveState) -> Result<EncryptionParameters, u8> {
    let key_clearing = KeyClearing {
        on_demount: flags & CKOD != 0,
        on_reservation_preempt: flags & CKORP != 0,
        on_reservation_loss: flags & CKORL != 0,
    };
    let raw_read_disabled = match (flags & RDMC) >> 4 {
        0b00 => !state.profile.raw_read_by_default,
        0b11 => true,
        0b10 => false,
        _ => return Err(RDMC),
    };
    if flags & SDK != 0 {
        return Err(SDK);
    }
    // CKOD needs a mounted volume; CKORP and CKORL need a reservation.
    if key_clearing.on_demount && state.media.threaded().is_none() {
        return Err(CKOD);
    }
    if !reserved && (key_clearing.on_reservation_preempt || key_clearing.on_reservation_loss) {
        return Err(if key_clearing.on_reservation_preempt { CKORP } else { CKORL });
    }
    let ceem = flags >> 6;
    let ceem_restriction = match ceem {
        2 => Some(CeemRestriction::External),
        3 => Some(CeemRestriction::Internal),
        _ => None,
    };
    Ok(EncryptionParameters {
        key_clearing,
        raw_read_disabled,
        ceem,
        ceem_restriction,
        ..EncryptionParameters::default()
    })
}

fn parse_modes(
    page: &SetDataEncryptionPage,
    rest: &[u8],
    reserved: bool,
    state: &DriveState,
) -> Result<EncryptionParameters, Sense> {
    let at = |byte| Sense::from(FieldPointer::byte(byte));
    let parameters = parse_flags(page.flags, reserved, state).map_err(|bits| FieldPointer::bits(5, bits))?;
    let encrypt = match page.encrypt {
        0 => EncryptionMode::Disable,
        1 => EncryptionMode::External,
        2 => EncryptionMode::Encrypt,
        _ => return Err(at(6)),
    };
    let decrypt = match page.decrypt {
        0 => DecryptionMode::Disable,
        1 => DecryptionMode::Raw,
        2 => DecryptionMode::Decrypt,
        3 => DecryptionMode::Mixed,
        _ => return Err(at(7)),
    };
    let (index, aliases) = state.profile.encryption_algorithms;
    if page.algorithm != index && !aliases.contains(&page.algorithm) {
        return Err(at(8));
    }
    if !KEY_FORMATS.contains(&page.key_format) {
        return Err(at(9));
    }
    if page.kad_format > 2 {
        return Err(at(10));
    }
    let (key, kads) = rest.split_at_checked(page.key_length.get().into()).ok_or_else(|| at(18))?;
    let needed =
        encrypt == EncryptionMode::Encrypt || matches!(decrypt, DecryptionMode::Decrypt | DecryptionMode::Mixed);
    let key = match page.key_format {
        _ if !needed => None,
        0 if key.len() == Key::MAX => Key::new(key),
        0 => return Err(at(18)),
        _ => Some(parse_wrapped_key(key, state)?),
    };
    // DKAD_C 11b: key-associated data is allowed with a key that only decrypts, and not needed.
    let kads = descriptors(kads, list_offset(rest, kads))?;
    let kads = if encrypt == EncryptionMode::Disable { KeyAssociatedData::default() } else { kads };
    let kad_format = page.kad_format;
    Ok(EncryptionParameters { encrypt, decrypt, key, kads, kad_format, ..parameters })
}

/// PARAMETER SET: RSA-2048.
const RSA_2048: u16 = 0x0000;

/// Unwraps a key: parameter set, label, wrapped key and (empty) signature, each of the last three after its length.
fn parse_wrapped_key(field: &[u8], state: &DriveState) -> Result<Key, Sense> {
    let at = |byte: usize| Sense::from(FieldPointer::byte(size_of::<SetDataEncryptionPage>() + byte));
    let end = || at(field.len());
    let counted = |from: usize| {
        let (len, rest) = field.get(from..)?.split_first_chunk::<2>()?;
        rest.get(..u16::from_be_bytes(*len).into())
    };
    let set = field.first_chunk::<2>().ok_or_else(end)?;
    if u16::from_be_bytes(*set) != RSA_2048 {
        return Err(at(0));
    }
    let label = counted(2).ok_or_else(end)?;
    let key_at = 4 + label.len();
    let wrapped = counted(key_at).ok_or_else(end)?;
    let signature_at = key_at + 2 + wrapped.len();
    if !matches!(field.get(signature_at..), Some([] | [0, 0])) {
        return Err(at(signature_at));
    }
    let key = state.key_wrapping.as_ref().and_then(|wrapping| wrapping.unwrap_key(wrapped, label));
    key.filter(Key::is_full_length).ok_or_else(|| at(key_at))
}

fn list_offset(rest: &[u8], kads: &[u8]) -> usize {
    size_of::<SetDataEncryptionPage>() + rest.len() - kads.len()
}

/// Parses key-associated data: descriptors of ascending types.
fn descriptors(mut list: &[u8], mut offset: usize) -> Result<KeyAssociatedData, Sense> {
    let (mut kads, mut last) = (KeyAssociatedData::default(), None);
    while !list.is_empty() {
        let at = |byte: usize| Sense::from(FieldPointer::byte(offset + byte));
        let ([kind, _, high, low], after) = list.split_first_chunk::<4>().ok_or_else(|| at(0))?;
        check_reserved(list, USAGE_KAD, offset)?;
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, after) = after.split_at_checked(len).ok_or_else(|| at(2))?;
        let (slot, max_len) = match kind {
            0 => (&mut kads.unauthenticated, MAX_U_KAD),
            1 => (&mut kads.authenticated, MAX_A_KAD),
            3 => (&mut kads.metadata, MAX_M_KAD),
            _ => return Err(at(0)),
        };
        if last.is_some_and(|last| last >= kind) {
            return Err(at(0));
        }
        if len > max_len {
            return Err(at(2));
        }
        *slot = value.to_vec();
        last = Some(kind);
        offset += 4 + len;
        list = after;
    }
    Ok(kads)
}
