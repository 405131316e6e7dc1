//! SECURITY PROTOCOL IN, SPC-4 §6.40.  Bytes: 0 opcode · 1 SECURITY PROTOCOL · 2-3 SECURITY PROTOCOL SPECIFIC · 4 INC_512(7) · 6-9 ALLOCATION LENGTH · 11 control
//!
//! Protocol 00h: 0000h list of protocols, 0001h certificate (none). Protocol 20h (SSC-4 §8.5.2): 0000h and 0001h lists
//! of in and out pages, 0010h capabilities, 0011h key formats, 0012h key management capabilities, 0020h status, 0021h
//! next block status, 0022h management attributes (none), 0030h random number, 0031h public key for key wrapping.
//!
//! **Deviations:** none.

use super::Context;
use super::security_protocol_out::{KEY_FORMATS, Raw, SET_DATA_ENCRYPTION, TAPE_DATA_ENCRYPTION};
use crate::device::DriveState;
use crate::encryption::{
    AES_256_GCM, DecryptionMode, EncryptionMode, EncryptionParameters, EncryptionScope, MAX_A_KAD, MAX_U_KAD,
};
use crate::fault::{self, Operation};
use crate::mounted::Mounted;
use scsi_core::asc::Asc;
use scsi_core::cdb_field::{bit, number};
use scsi_core::command_spec::{Access, CommandSpec};
use scsi_core::fault::{Fault, Outcome};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::target::Request;
use scsi_core::writer::PageWriter;
use tape_store::encrypt::{DecryptError, Decryption, EncryptionInfo, Key, KeyAssociatedData};
use tape_store::error::StoreError;
use tape_store::medium::ReadOutcome;

/// Command table entry of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "SECURITY PROTOCOL IN",
    &[0xa2, 0xff, 0xff, 0xff, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Read,
)
.with_fields(&[
    number("SECURITY PROTOCOL", 1, 1),
    number("SECURITY PROTOCOL SPECIFIC", 2, 2),
    bit("INC_512", 4, 7),
    number("ALLOCATION LENGTH", 6, 4),
])
.blocking_with_timeouts(1, 60);

/// SECURITY PROTOCOL 00h: security protocol information.
const SECURITY_PROTOCOL_INFORMATION: u8 = 0x00;

pub(crate) fn run(cx: &mut Context<'_, '_, '_>) -> Outcome {
    let raw: Raw = cx.cdb.as_layout();
    let mut w = PageWriter::new();
    match (raw.protocol, raw.specific.get()) {
        (SECURITY_PROTOCOL_INFORMATION, 0x0000) => {
            w.zeros(6).length_u16(|w| {
                w.u8(SECURITY_PROTOCOL_INFORMATION).u8(TAPE_DATA_ENCRYPTION);
            });
        }
        (SECURITY_PROTOCOL_INFORMATION, 0x0001) => {
            w.zeros(4);
        }
        (TAPE_DATA_ENCRYPTION, page) => self::page(cx.device, page, cx.request, &mut w)?,
        (SECURITY_PROTOCOL_INFORMATION, _) => return Err(Sense::invalid_field_in_cdb(2, None).into()),
        _ => return Err(Sense::invalid_field_in_cdb(1, None).into()),
    }
    if raw.inc_512() {
        let padding = w.as_slice().len().next_multiple_of(512) - w.as_slice().len();
        w.zeros(padding);
    }
    cx.data.data_in.limit(raw.bytes());
    cx.data.data_in.append(w.as_slice());
    Ok(())
}

/// Pages of protocol 20h that can be read.
const PAGES_IN: [u16; 10] = [0x0000, 0x0001, 0x0010, 0x0011, 0x0012, 0x0020, 0x0021, 0x0022, 0x0030, 0x0031];

fn page(state: &mut DriveState, code: u16, request: &Request<'_>, w: &mut PageWriter) -> Outcome {
    if !PAGES_IN.contains(&code) {
        return Err(Sense::invalid_field_in_cdb(2, None).into());
    }
    if code == 0x0022 {
        // The length follows three reserved bytes and CAOD; no attributes follow it.
        w.u16(code).zeros(4).u16(0);
        return Ok(());
    }
    let next = if code == 0x0021 { Some(next_block(state, request)?) } else { None };
    let random_or_public_key =
        if matches!(code, 0x0030 | 0x0031) { Some(random_or_public_key(state, code)?) } else { None };
    let (parameters, scope) = state.encryption.parameters_of(request.nexus);
    let (index, _) = state.profile.encryption_algorithms;
    w.u16(code).length_u16(|w| match code {
        0x0000 => {
            for page in PAGES_IN {
                w.u16(page);
            }
        }
        0x0001 => {
            w.u16(SET_DATA_ENCRYPTION);
        }
        0x0010 => capabilities(state, w),
        0x0011 => {
            w.bytes(&KEY_FORMATS);
        }
        // LOCK_C; CKOD_C, CKORP_C and CKORL_C; all three scopes.
        0x0012 => {
            w.u8(0x01).u8(0x07).u8(0).u8(0x07).zeros(8);
        }
        0x0020 => status(parameters, (scope, state.encryption.reported_scope(request.nexus)), index, w),
        0x0021 => next.iter().for_each(|next| next.write(index, w)),
        _ => {
            w.bytes(random_or_public_key.as_deref().unwrap_or_default());
        }
    });
    Ok(())
}

/// Body of page 0030h (32 random bytes) or 0031h (RSA-2048 public key: modulus and exponent).
fn random_or_public_key(state: &mut DriveState, code: u16) -> Result<Vec<u8>, Sense> {
    let failed = || Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE);
    if code == 0x0030 {
        let mut random = [0; 32];
        (state.random.bytes)(&mut random).map_err(|_| failed())?;
        return Ok(random.to_vec());
    }
    if state.key_wrapping.is_none() {
        state.key_wrapping = (state.random.key_pair)();
    }
    let public = state.key_wrapping.as_ref().ok_or_else(failed)?.public();
    let mut w = PageWriter::new();
    w.u32(0).u32(0).length_u16(|w| {
        w.bytes(&public);
    });
    Ok(w.as_slice().to_vec())
}

/// Bits in byte 12 of the algorithm descriptor.
const DKAD_C: u8 = 0xc0;
const EEMC_C: u8 = 0x20;
const EAREM: u8 = 0x01;

/// Capabilities page: one algorithm, reported as done in hardware, and set by SECURITY PROTOCOL OUT.
fn capabilities(state: &DriveState, w: &mut PageWriter) {
    let (valid, at_position) = match state.media.threaded().map(Mounted::can_encrypt) {
        None => (0x00, 0x00),
        Some(false) => (0x00, 0x40),
        Some(true) => (0x80, 0x80),
    };
    // RDMC_C: RDMC is supported; by default blocks cannot be read raw (4h), or can (5h).
    let raw_reads = if state.profile.raw_read_by_default { 0b101 } else { 0b100 };
    // EXTDECC 01b: no external control; CFG_P 01b: parameters may be changed.
    w.u8(0x05).zeros(15);
    w.u8(state.profile.encryption_algorithms.0).u8(0).length_u16(|w| {
        // MAC_C, DELB_C, DECRYPT_C and ENCRYPT_C 10b.
        w.u8(valid | 0x20 | 0x10 | 0x08 | 0x02);
        // NONCE_C 01b: the drive generates nonces; KADF_C; lengths of U-KAD and A-KAD may vary.
        w.u8(at_position | 0x10 | 0x08);
        w.u16(saturating_u16(MAX_U_KAD)).u16(saturating_u16(MAX_A_KAD)).u16(saturating_u16(Key::MAX));
        // DKAD_C 11b: a key for decryption may have key-associated data; EEMC_C 10b: EXTERNAL mode is supported; EAREM:
        // the encryption mode is recorded with each block.
        w.u8(DKAD_C | EEMC_C | raw_reads << 1 | EAREM);
        // No externally encrypted data keys, and no supplemental decryption keys.
        w.zeros(7).u32(AES_256_GCM);
    });
}

fn saturating_u16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

const fn scope_code(scope: EncryptionScope) -> u8 {
    match scope {
        EncryptionScope::Public => 0,
        EncryptionScope::Local => 1,
        EncryptionScope::All => 2,
    }
}

fn status(
    parameters: &EncryptionParameters,
    (nexus, set_as): (EncryptionScope, EncryptionScope),
    index: u8,
    w: &mut PageWriter,
) {
    let encrypt = match parameters.encrypt {
        EncryptionMode::Disable => 0,
        EncryptionMode::External => 1,
        EncryptionMode::Encrypt => 2,
    };
    let decrypt = match parameters.decrypt {
        DecryptionMode::Disable => 0,
        DecryptionMode::Raw => 1,
        DecryptionMode::Decrypt => 2,
        DecryptionMode::Mixed => 3,
    };
    let algorithm = if parameters.key.is_some() { index } else { 0 };
    w.u8(scope_code(nexus) << 5 | scope_code(set_as)).u8(encrypt).u8(decrypt).u8(algorithm);
    // PARAMETERS CONTROL 001b: not exclusively external; CEEMS and RDMD.
    let rdmd = u8::from(parameters.encrypt == EncryptionMode::Encrypt && parameters.raw_read_disabled);
    w.u32(parameters.instance).u8(0x10 | parameters.ceem << 1 | rdmd).u8(parameters.kad_format).u16(0).zeros(8);
    // AUTHENTICATED 0h: the key-associated data is that of the parameters, not read from the medium.
    descriptors(&parameters.kads, [0, 0, 0], w);
}

fn descriptors(kads: &KeyAssociatedData, [u, a, m]: [u8; 3], w: &mut PageWriter) {
    for (kind, authenticated, value) in
        [(0, u, &kads.unauthenticated), (1, a, &kads.authenticated), (3, m, &kads.metadata)]
    {
        if !value.is_empty() {
            w.u8(kind).u8(authenticated).length_u16(|w| {
                w.bytes(value);
            });
        }
    }
}

/// Contents of page 0021h: encryption status of the next block.
struct NextBlock {
    object: u64,
    encryption: u8,
    encryption_info: EncryptionInfo,
}

/// ENCRYPTION STATUS.
const NOT_A_BLOCK: u8 = 2;
const NOT_ENCRYPTED: u8 = 3;
const DECRYPTABLE: u8 = 5;
const NOT_DECRYPTABLE: u8 = 6;

fn next_block(state: &mut DriveState, request: &Request<'_>) -> Result<NextBlock, Fault> {
    let fail = |error: StoreError| fault::sense(&error, Operation::Reading);
    let reader = state.encryption.parameters_of(request.nexus).0.reader();
    let mounted = state.media.ready()?;
    let at = mounted.medium.position();
    let block_encryption = mounted.medium.next_encryption().map_err(fail)?;
    // Read the block without a buffer, then restore the position.
    let read = mounted.medium.read_decrypting(&mut [], reader.decryption());
    mounted.medium.locate(at.partition, at.object).map_err(fail)?;
    let raw = matches!(reader.decryption(), Decryption::Raw);
    let encryption = match &read {
        Ok(ReadOutcome::Filemark | ReadOutcome::EndOfData) => NOT_A_BLOCK,
        Ok(ReadOutcome::Block { .. }) | Err(StoreError::CannotDecrypt { reason: DecryptError::NotEncrypted, .. })
            if block_encryption.is_none() =>
        {
            NOT_ENCRYPTED
        }
        Ok(ReadOutcome::Block { .. }) if !raw => DECRYPTABLE,
        Ok(ReadOutcome::Block { .. }) | Err(StoreError::CannotDecrypt { .. }) => NOT_DECRYPTABLE,
        Err(other) => return Err(fail(other.clone()).into()),
    };
    if matches!(read, Err(StoreError::CannotDecrypt { reason: DecryptError::WrongKey, .. })) {
        state.encryption.record_key_use(request.nexus, false);
    }
    Ok(NextBlock { object: at.object, encryption, encryption_info: block_encryption.unwrap_or_default() })
}

impl NextBlock {
    fn write(&self, index: u8, w: &mut PageWriter) {
        let algorithm = if matches!(self.encryption, DECRYPTABLE | NOT_DECRYPTABLE) { index } else { 0 };
        // COMPRESSION STATUS 0h (unknown); then EMES and RDMDS.
        let modes = u8::from(self.encryption_info.written_raw) << 1 | u8::from(self.encryption_info.raw_read_disabled);
        w.u64(self.object).u8(self.encryption).u8(algorithm).u8(modes).u8(0);
        let [a, m] = if self.encryption == DECRYPTABLE { [3, 3] } else { [2, 2] };
        descriptors(&self.encryption_info.kads, [1, a, m], w);
    }
}
