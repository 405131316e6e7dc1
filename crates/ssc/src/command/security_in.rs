//! SECURITY PROTOCOL IN, SPC-5 §6.40.  Bytes: 0 opcode · 1 SECURITY PROTOCOL · 2-3 SECURITY PROTOCOL SPECIFIC · 4 INC_512(7) · 6-9 ALLOCATION LENGTH · 11 control
//!
//! Protocol 00h: 0000h the protocols, 0001h the certificate, of which there is none. Protocol 20h (SSC-5 §8.5.2): 0000h and
//! 0001h the pages in and out, 0010h capabilities, 0011h key formats, 0012h key management, 0020h status, 0021h status of
//! the next block, 0022h management attributes (none), 0030h a random number, 0031h the key that keys are wrapped for.
//!
//! **Deviations:** none.

use super::security_out::{KEY_FORMATS, Raw, SET_DATA_ENCRYPTION, TAPE_DATA_ENCRYPTION};
use crate::device::State;
use crate::encryption::{AES_256_GCM, Decrypt, Encrypt, MAX_A_KAD, MAX_U_KAD, Parameters, Scope};
use crate::fault::{self, Doing};
use crate::load::Load;
use scsi_core::asc::Asc;
use scsi_core::cdb::Cdb;
use scsi_core::data::Data;
use scsi_core::fault::{Fault, Outcome};
use scsi_core::sense::{Sense, SenseKey};
use scsi_core::spec::{Access, CommandSpec};
use scsi_core::target::Request;
use scsi_core::writer::PageWriter;
use tape_store::error::StoreError;
use tape_store::medium::Found;
use tape_store::seal::{Kads, Key, Locked, Sealing, Unseal, system_entropy};
use tape_store::wrap::Wrapping;

/// Facts of the command.
pub(crate) const SPEC: CommandSpec = CommandSpec::new(
    "SECURITY PROTOCOL IN",
    &[0xa2, 0xff, 0xff, 0xff, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0, 0],
    Access::Read,
)
.blocks(1, 60);

/// SECURITY PROTOCOL: what there is.
const INFORMATION: u8 = 0x00;

pub(crate) fn run(state: &mut State, cdb: &Cdb, request: &Request<'_>, data: &mut Data<'_, '_>) -> Outcome {
    let raw: Raw = cdb.layout();
    let mut w = PageWriter::new();
    match (raw.protocol, raw.specific.get()) {
        (INFORMATION, 0x0000) => {
            w.zeros(6).length_u16(|w| {
                w.u8(INFORMATION).u8(TAPE_DATA_ENCRYPTION);
            });
        }
        (INFORMATION, 0x0001) => {
            w.zeros(4);
        }
        (TAPE_DATA_ENCRYPTION, page) => self::page(state, page, request, &mut w)?,
        (INFORMATION, _) => return Err(Sense::cdb_field(2, None).into()),
        _ => return Err(Sense::cdb_field(1, None).into()),
    }
    if raw.in_pieces() {
        let short = w.as_slice().len().next_multiple_of(512) - w.as_slice().len();
        w.zeros(short);
    }
    data.room.limit(raw.bytes());
    data.room.put(w.as_slice());
    Ok(())
}

/// The pages that are read.
const PAGES_IN: [u16; 10] = [0x0000, 0x0001, 0x0010, 0x0011, 0x0012, 0x0020, 0x0021, 0x0022, 0x0030, 0x0031];

fn page(state: &mut State, code: u16, request: &Request<'_>, w: &mut PageWriter) -> Outcome {
    if !PAGES_IN.contains(&code) {
        return Err(Sense::cdb_field(2, None).into());
    }
    if code == 0x0022 {
        // The length stands behind three reserved bytes and CAOD; no attributes follow.
        w.u16(code).zeros(4).u16(0);
        return Ok(());
    }
    let next = if code == 0x0021 { Some(next_block(state, request)?) } else { None };
    let fresh = if matches!(code, 0x0030 | 0x0031) { Some(fresh(state, code)?) } else { None };
    let (parameters, scope) = state.encryption.of(request.nexus);
    let (index, _) = state.profile.algorithm;
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
        // Keys cleared on demount, and with reservations; scopes of all three kinds, and the lock.
        0x0012 => {
            w.u8(0x01).u8(0x07).u8(0).u8(0x07).zeros(8);
        }
        0x0020 => status(parameters, (scope, state.encryption.set_as(request.nexus)), index, w),
        0x0021 => next.iter().for_each(|next| next.write(index, w)),
        _ => {
            w.bytes(fresh.as_deref().unwrap_or_default());
        }
    });
    Ok(())
}

/// Thirty-two random bytes, or the public key: RSA-2048, modulus and exponent.
fn fresh(state: &mut State, code: u16) -> Result<Vec<u8>, Sense> {
    let failed = || Sense::new(SenseKey::HARDWARE_ERROR, Asc::INTERNAL_TARGET_FAILURE);
    if code == 0x0030 {
        let mut random = [0; 32];
        system_entropy(&mut random).map_err(|_| failed())?;
        return Ok(random.to_vec());
    }
    if state.wrapping.is_none() {
        state.wrapping = Wrapping::generate();
    }
    let public = state.wrapping.as_ref().ok_or_else(failed)?.public();
    let mut w = PageWriter::new();
    w.u32(0).u32(0).length_u16(|w| {
        w.bytes(&public);
    });
    Ok(w.as_slice().to_vec())
}

/// Whether blocks can be encrypted on the mounted volume; `None` without one.
fn volume_encrypts(state: &State) -> Option<bool> {
    match &state.load {
        Load::Mounted(mounted) => Some(mounted.can_encrypt()),
        _ => None,
    }
}

/// Byte 12 of the algorithm's descriptor.
const DKAD_C: u8 = 0xc0;
const EEMC_C: u8 = 0x20;
const EAREM: u8 = 0x01;

/// One algorithm, done in hardware as far as a host can tell, and changed by SECURITY PROTOCOL OUT.
fn capabilities(state: &State, w: &mut PageWriter) {
    let (valid, at_position) = match volume_encrypts(state) {
        None => (0x00, 0x00),
        Some(false) => (0x00, 0x40),
        Some(true) => (0x80, 0x80),
    };
    // RDMC_C: RDMC is taken; without it blocks cannot be read raw (4h), or can (5h).
    let raw_reads = if state.profile.raw_reads { 0b101 } else { 0b100 };
    // EXTDECC 01b: no external control; CFG_P 01b: may be changed.
    w.u8(0x05).zeros(15);
    w.u8(state.profile.algorithm.0).u8(0).length_u16(|w| {
        // MAC_C, DELB_C, DECRYPT_C and ENCRYPT_C 10b.
        w.u8(valid | 0x20 | 0x10 | 0x08 | 0x02);
        // NONCE_C 01b: the drive makes nonces; KADF_C; lengths of U-KAD and A-KAD may vary.
        w.u8(at_position | 0x10 | 0x08);
        w.u16(u16_of(MAX_U_KAD)).u16(u16_of(MAX_A_KAD)).u16(u16_of(Key::MAX));
        // DKAD_C 11b: a key that decrypts may come with key-associated data; EEMC_C 10b: blocks may come encrypted; EAREM: the
        // encryption mode is recorded with each block.
        w.u8(DKAD_C | EEMC_C | raw_reads << 1 | EAREM);
        // No externally encrypted data keys, and no supplemental decryption keys.
        w.zeros(7).u32(AES_256_GCM);
    });
}

fn u16_of(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

const fn scope_code(scope: Scope) -> u8 {
    match scope {
        Scope::Public => 0,
        Scope::Local => 1,
        Scope::All => 2,
    }
}

fn status(parameters: &Parameters, (nexus, set_as): (Scope, Scope), index: u8, w: &mut PageWriter) {
    let encrypt = match parameters.encrypt {
        Encrypt::Disable => 0,
        Encrypt::External => 1,
        Encrypt::Seal => 2,
    };
    let decrypt = match parameters.decrypt {
        Decrypt::Disable => 0,
        Decrypt::Raw => 1,
        Decrypt::Only => 2,
        Decrypt::Mixed => 3,
    };
    let algorithm = if parameters.key.is_some() { index } else { 0 };
    w.u8(scope_code(nexus) << 5 | scope_code(set_as)).u8(encrypt).u8(decrypt).u8(algorithm);
    // PARAMETERS CONTROL 001b: not exclusively external; CEEMS and RDMD.
    let protected = u8::from(parameters.encrypt == Encrypt::Seal && parameters.protected);
    w.u32(parameters.instance).u8(0x10 | parameters.ceem << 1 | protected).u8(parameters.kad_format).u16(0).zeros(8);
    // 001b: U-KAD is not covered; what is reported of A-KAD and M-KAD was not read from the medium.
    descriptors(&parameters.kads, [0, 0, 0], w);
}

fn descriptors(kads: &Kads, [u, a, m]: [u8; 3], w: &mut PageWriter) {
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

/// What page 0021h says of the block that is next.
struct NextBlock {
    object: u64,
    encryption: u8,
    sealing: Sealing,
}

/// ENCRYPTION STATUS.
const NOT_A_BLOCK: u8 = 2;
const NOT_ENCRYPTED: u8 = 3;
const READABLE: u8 = 5;
const OTHER_KEY: u8 = 6;

fn next_block(state: &mut State, request: &Request<'_>) -> Result<NextBlock, Fault> {
    let fail = |error: StoreError| fault::sense(&error, Doing::Reading);
    let reader = state.encryption.of(request.nexus).0.reader();
    let mounted = state.ready()?;
    let at = mounted.medium.position();
    let sealing = mounted.medium.next_seal().map_err(fail)?;
    // Looked at, and back to where it was.
    let read = mounted.medium.read_sealed(&mut [], reader.unseal());
    mounted.medium.locate(at.partition, at.object).map_err(fail)?;
    let raw = matches!(reader.unseal(), Unseal::Raw);
    let encryption = match &read {
        Ok(Found::Filemark | Found::EndOfData) => NOT_A_BLOCK,
        Ok(Found::Block { .. }) | Err(StoreError::Locked { why: Locked::Clear, .. }) if sealing.is_none() => {
            NOT_ENCRYPTED
        }
        Ok(Found::Block { .. }) if !raw => READABLE,
        Ok(Found::Block { .. }) | Err(StoreError::Locked { .. }) => OTHER_KEY,
        Err(other) => return Err(fail(other.clone()).into()),
    };
    if matches!(read, Err(StoreError::Locked { why: Locked::WrongKey, .. })) {
        state.encryption.tried(request.nexus, false);
    }
    Ok(NextBlock { object: at.object, encryption, sealing: sealing.unwrap_or_default() })
}

impl NextBlock {
    fn write(&self, index: u8, w: &mut PageWriter) {
        let algorithm = if matches!(self.encryption, READABLE | OTHER_KEY) { index } else { 0 };
        // COMPRESSION STATUS 0h: not known; then EMES and RDMDS.
        let how = u8::from(self.sealing.external) << 1 | u8::from(self.sealing.protected);
        w.u64(self.object).u8(self.encryption).u8(algorithm).u8(how).u8(0);
        let [a, m] = if self.encryption == READABLE { [3, 3] } else { [2, 2] };
        descriptors(&self.sealing.kads, [1, a, m], w);
    }
}
