//! Converts a cartridge from one format to the other: objects, partitions and cartridge memory.

use crate::backend::Folder;
use crate::cartridge::{Cartridge, CartridgeKind, Format};
use crate::cartridge_memory;
use crate::encrypt::{DecryptError, Decryption, Encryption, Entropy};
use crate::error::StoreError;
use crate::medium::{Codec, MAX_BLOCK, Medium, ReadOutcome, WriteOutcome};
use crate::three_file::inspect::{EmulatedKey, Object, ObjectEncryption};
use crate::three_file::{TapeOptions, ThreeFile};
use std::io::{IoSlice, IoSliceMut};
use std::ops::ControlFlow;

/// The format, the codec and the salts of the files that [`convert`] writes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Conversion {
    /// Format of the new files.
    pub format: Format,
    /// Codec that compresses the blocks.
    pub codec: Codec,
    /// Source of the salts of blocks whose encryption the source emulates, and which the native format encrypts.
    pub entropy: Entropy,
}

impl Conversion {
    /// A conversion to a format with its default codec. `entropy` supplies the salts of encrypted blocks.
    #[must_use]
    pub const fn new(format: Format, entropy: Entropy) -> Self {
        Self { format, codec: format.default_codec(), entropy }
    }

    /// The same conversion with another codec.
    #[must_use]
    pub const fn with_codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }
}

/// Copies a cartridge into an empty folder, in another format or with another codec. `progress` receives the bytes of
/// each object of the source that is done, and can stop the conversion. The cartridge memory is written last: until then
/// the target is not a cartridge.
///
/// # Errors
/// [`StoreError::AtObject`] with the first object that is damaged or that the format cannot store,
/// [`StoreError::Stopped`] if `progress` has stopped the conversion, or [`StoreError::Io`] if the storage fails. Returns the folder of the source with its lock held, so that both folders
/// can be exchanged.
pub fn convert(
    source: &mut Cartridge,
    mut folder: Box<dyn Folder>,
    conversion: Conversion,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<ThreeFile, StoreError> {
    let format = conversion.format;
    let (mut from, recovery) = source.open_read_only()?;
    let mam = source.mam()?;
    if source.kind() == CartridgeKind::Null {
        let barcode = source.barcode().as_str().into();
        return Err(StoreError::Cartridge { barcode, problem: "has no data to convert" });
    }
    if recovery.damaged {
        let barcode = source.barcode().as_str().into();
        return Err(StoreError::Cartridge { barcode, problem: "has a damaged index; repair it first" });
    }
    cartridge_memory::prepare(folder.as_mut(), format, from.partitions())?;
    let files = folder.reopen().map_err(StoreError::io("opening the new cartridge"))?;
    let options = TapeOptions { format, partition_sizes: mam.partition_sizes(), ..TapeOptions::native(u64::MAX >> 4) };
    let (mut to, _) = ThreeFile::open(folder, options)?;
    let mut block = vec![0; MAX_BLOCK];
    for partition in 0..from.partitions() {
        from.locate(partition, 0)?;
        to.locate(partition, 0)?;
        while let Some(object) = from.next_object()? {
            copy_object(&mut from, &mut to, &object, conversion, &mut block)?;
            if progress(object.stored.into()).is_break() {
                return Err(StoreError::Stopped);
            }
        }
    }
    to.close_files()?;
    let mut files = files;
    cartridge_memory::write_imported(files.as_mut(), format, &mam, from.partitions())?;
    to.close()?;
    Ok(from)
}

/// Copies the next object of a tape to another one.
pub(crate) fn copy_object(
    from: &mut ThreeFile,
    to: &mut ThreeFile,
    object: &Object,
    Conversion { codec, entropy, .. }: Conversion,
    block: &mut [u8],
) -> Result<(), StoreError> {
    let place = from.position();
    let at = |cause: StoreError| StoreError::AtObject {
        partition: place.partition,
        object: place.object,
        cause: Box::new(cause),
    };
    if object.is_filemark {
        from.read(&mut [])?;
        return to.append_filemark().map_err(at).and_then(|written| check_not_truncated(written, object.number));
    }
    let encryption = match object.encryption {
        ObjectEncryption::None => None,
        // Its object number is authenticated with it; without the key it can only be copied as raw encrypted block.
        ObjectEncryption::Encrypted => return Err(at(StoreError::EncryptionUnsupported)),
        ObjectEncryption::Emulated => {
            let key = from.next_emulated_key()?.and_then(EmulatedKey::into_key);
            let (key, kads) = key.ok_or(StoreError::CannotDecrypt {
                partition: place.partition,
                object: place.object,
                reason: DecryptError::NoKey,
            })?;
            Some(Encryption { key, kads, raw_read_disabled: false, entropy })
        }
    };
    let decryption = encryption.as_ref().map_or(Decryption::Disable, |encryption| Decryption::Mixed(&encryption.key));
    let ReadOutcome::Block { len, .. } = from.read_decrypting(&mut [IoSliceMut::new(block)], decryption)? else {
        return Ok(());
    };
    let content = [IoSlice::new(block.get(..len).unwrap_or_default())];
    let written = match &encryption {
        None => to.append(&content, codec),
        Some(encryption) => to.append_encrypted(&content, codec, encryption),
    };
    check_not_truncated(written.map_err(at)?, object.number)
}

fn check_not_truncated(written: WriteOutcome, object: u64) -> Result<(), StoreError> {
    match written {
        WriteOutcome::Written { .. } => Ok(()),
        WriteOutcome::EndOfMedium => {
            Err(StoreError::Malformed { file: "data".into(), problem: format!("end of medium at object {object}") })
        }
    }
}
