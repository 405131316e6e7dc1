//! Mapping of errors of the cartridge store to sense data. No other module does this.

use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey, SenseKeySpecific};
use std::io;
use tape_store::backend::ThawProgress;
use tape_store::encrypt::DecryptError;
use tape_store::error::{Damage, StoreError};

/// Operation of the drive during which the store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Reading,
    Writing,
    Moving,
    Loading,
}

/// Returns the sense data for an error of the store.
pub(crate) fn sense(error: &StoreError, operation: Operation) -> Sense {
    if let StoreError::LostObjects { cause, .. } = error {
        // Lost data cannot be written again, whatever the store does.
        let cause = if let StoreError::BeingThawed(_) = **cause { error_of_writing() } else { sense(cause, operation) };
        return cause.into_deferred();
    }
    if let Some(progress) = error.being_thawed()
        && operation != Operation::Loading
    {
        return being_thawed(progress);
    }
    if error.is_full() {
        return volume_overflow();
    }
    if error.taken_over_by().is_some() {
        return taken_over();
    }
    match error {
        StoreError::CannotDecrypt { reason, .. } => {
            let asc = match reason {
                DecryptError::NoKey => Asc::UNABLE_TO_DECRYPT_DATA,
                DecryptError::NotEncrypted => Asc::UNENCRYPTED_DATA_ENCOUNTERED_WHILE_DECRYPTING,
                DecryptError::WrongKey => Asc::INCORRECT_DATA_ENCRYPTION_KEY,
                DecryptError::RawReadDisabled => Asc::ENCRYPTED_BLOCK_NOT_RAW_READ_ENABLED,
            };
            return data_protect(asc);
        }
        StoreError::ReadOnly(_) => return data_protect(Asc::WRITE_PROTECTED),
        StoreError::BlockTooLong { .. } => return Sense::illegal_request(Asc::INVALID_FIELD_IN_CDB),
        StoreError::EncryptionUnsupported | StoreError::NotRawEncryptedBlock => {
            return data_protect(Asc::ENCRYPTION_PARAMETERS_NOT_USEABLE);
        }
        StoreError::TooManyObjects { .. } => {
            return Sense::new(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true);
        }
        _ => {}
    }
    let asc = match (error, operation) {
        (StoreError::Damaged { damage: Damage::Compression, .. }, _) => Asc::DE_COMPRESSION_CRC_ERROR,
        (StoreError::Damaged { damage: Damage::Codec(_), .. }, _)
        | (StoreError::MissingFeature { .. }, Operation::Reading) => Asc::CANNOT_DECOMPRESS_USING_DECLARED_ALGORITHM,
        (StoreError::Damaged { damage: Damage::Index, .. }, Operation::Moving) => Asc::RECORDED_ENTITY_NOT_FOUND,
        (
            StoreError::Malformed { .. }
            | StoreError::Unsupported { .. }
            | StoreError::NoCartridgeMemory
            | StoreError::Cartridge { .. },
            _,
        ) => Asc::MEDIUM_FORMAT_CORRUPTED,
        (StoreError::Io { source, .. }, Operation::Loading) if has_no_files(source) => Asc::MEDIUM_FORMAT_CORRUPTED,
        (_, Operation::Reading) => Asc::UNRECOVERED_READ_ERROR,
        (_, Operation::Writing) => Asc::WRITE_ERROR,
        (_, Operation::Moving) => Asc::LOCATE_OPERATION_FAILURE,
        (_, Operation::Loading) => Asc::MEDIA_LOAD_OR_EJECT_FAILED,
    };
    Sense::new(SenseKey::MEDIUM_ERROR, asc)
}

/// Whether the files of a cartridge are missing or not regular files, as opposed to a device error.
fn has_no_files(error: &io::Error) -> bool {
    const ELOOP: i32 = 40;
    let kinds = [
        io::ErrorKind::NotFound,
        io::ErrorKind::NotADirectory,
        io::ErrorKind::IsADirectory,
        // A FIFO, a socket or a device.
        io::ErrorKind::InvalidInput,
        io::ErrorKind::PermissionDenied,
        io::ErrorKind::InvalidData,
    ];
    kinds.contains(&error.kind()) || error.raw_os_error() == Some(ELOOP)
}

/// NOT READY 04h/01h with the share of the objects that can be read: the command can be repeated until the store has thawed its data.
pub(crate) fn being_thawed(ThawProgress { ready, objects }: ThawProgress) -> Sense {
    let share = ready.saturating_mul(1 << 16).checked_div(objects).unwrap_or_default();
    let mut sense = Sense::new(SenseKey::NOT_READY, Asc::LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY);
    sense.key_specific = Some(SenseKeySpecific::Progress(u16::try_from(share).unwrap_or(u16::MAX)));
    sense
}

/// Whether a command for a threaded tape has ended because its data is being thawed.
pub(crate) fn is_being_thawed(sense: &Sense) -> bool {
    !sense.deferred
        && (sense.key, sense.asc) == (SenseKey::NOT_READY, Asc::LOGICAL_UNIT_IS_IN_PROCESS_OF_BECOMING_READY)
}

const fn error_of_writing() -> Sense {
    Sense::new(SenseKey::MEDIUM_ERROR, Asc::WRITE_ERROR)
}

/// NOT READY 3Ah/00h: another daemon has the cartridge, as if the medium had been removed.
pub(crate) const fn taken_over() -> Sense {
    Sense::new(SenseKey::NOT_READY, Asc::MEDIUM_NOT_PRESENT)
}

/// VOLUME OVERFLOW 00h/02h with EOM: the file system is full.
fn volume_overflow() -> Sense {
    Sense::new(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true)
}

/// Sense of a failure to save the cartridge memory before a write to the medium.
pub(crate) fn mam_error_before_write(error: &StoreError) -> Sense {
    if error.is_full() { volume_overflow() } else { mam_write_error(error) }
}

/// Sense of a failure to save the cartridge memory.
pub(crate) fn mam_write_error(error: &StoreError) -> Sense {
    match error {
        _ if error.is_full() => Sense::illegal_request(Asc::AUXILIARY_MEMORY_OUT_OF_SPACE),
        _ if error.taken_over_by().is_some() => taken_over(),
        StoreError::AttributeTooLarge { .. } => Sense::illegal_request(Asc::AUXILIARY_MEMORY_OUT_OF_SPACE),
        _ => Sense::new(SenseKey::MEDIUM_ERROR, Asc::AUXILIARY_MEMORY_WRITE_ERROR),
    }
}

/// DATA PROTECT with this additional sense code.
pub(crate) const fn data_protect(asc: Asc) -> Sense {
    Sense::new(SenseKey::DATA_PROTECT, asc)
}
