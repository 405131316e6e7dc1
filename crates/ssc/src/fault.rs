//! Where faults of the store become sense: the only place.

use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use std::io;
use tape_store::encrypt::DecryptError;
use tape_store::error::{Damage, StoreError};

/// What a drive was doing when the store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Reading,
    Writing,
    Moving,
    Loading,
}

/// Key, code and qualifier for a fault of the store.
pub(crate) fn sense(error: &StoreError, doing: Operation) -> Sense {
    if let StoreError::LostObjects { cause, .. } = error {
        return sense(cause, doing).into_deferred();
    }
    if error.is_full() {
        return volume_overflow();
    }
    match error {
        StoreError::CannotDecrypt { reason: why, .. } => {
            let asc = match why {
                DecryptError::NoKey => Asc::UNABLE_TO_DECRYPT_DATA,
                DecryptError::NotEncrypted => Asc::UNENCRYPTED_DATA_ENCOUNTERED_WHILE_DECRYPTING,
                DecryptError::WrongKey => Asc::INCORRECT_DATA_ENCRYPTION_KEY,
                DecryptError::RawReadDisabled => Asc::ENCRYPTED_BLOCK_NOT_RAW_READ_ENABLED,
            };
            return protected(asc);
        }
        StoreError::ReadOnly(_) => return protected(Asc::WRITE_PROTECTED),
        StoreError::BlockTooLong { .. } => return Sense::illegal_request(Asc::INVALID_FIELD_IN_CDB),
        StoreError::EncryptionUnsupported | StoreError::NotRawEncryptedBlock => {
            return protected(Asc::ENCRYPTION_PARAMETERS_NOT_USEABLE);
        }
        StoreError::TooManyObjects { .. } => {
            return Sense::new(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true);
        }
        _ => {}
    }
    let asc = match (error, doing) {
        (StoreError::Damaged { damage: Damage::Compression, .. }, _) => Asc::DE_COMPRESSION_CRC_ERROR,
        (StoreError::Damaged { damage: Damage::Codec(_), .. }, _) => Asc::CANNOT_DECOMPRESS_USING_DECLARED_ALGORITHM,
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

/// Whether the files of a cartridge are missing, or are something else than such files; not that a device failed.
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

/// D/00/02 with EOM: the storage has no room.
fn volume_overflow() -> Sense {
    Sense::new(SenseKey::VOLUME_OVERFLOW, Asc::END_OF_PARTITION_MEDIUM_DETECTED).with_eom(true)
}

/// Sense of a cartridge memory that could not be written before the medium was.
pub(crate) fn mam_error_before_write(error: &StoreError) -> Sense {
    if error.is_full() { volume_overflow() } else { mam_write_error(error) }
}

/// Sense of a cartridge memory that could not be written.
pub(crate) fn mam_write_error(error: &StoreError) -> Sense {
    match error {
        _ if error.is_full() => Sense::illegal_request(Asc::AUXILIARY_MEMORY_OUT_OF_SPACE),
        StoreError::AttributeTooLarge { .. } => Sense::illegal_request(Asc::AUXILIARY_MEMORY_OUT_OF_SPACE),
        _ => Sense::new(SenseKey::MEDIUM_ERROR, Asc::AUXILIARY_MEMORY_WRITE_ERROR),
    }
}

/// Sense of an attempt to write where nothing may be written.
pub(crate) const fn protected(asc: Asc) -> Sense {
    Sense::new(SenseKey::DATA_PROTECT, asc)
}
