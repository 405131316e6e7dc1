//! A cartridge of one level written anew at the other: every object, the memory, the partitions.

use crate::backend::Folder;
use crate::cartridge::{Cartridge, Kind, Level};
use crate::error::StoreError;
use crate::medium::{Codec, Found, MAX_BLOCK, Medium, Written};
use crate::memory;
use crate::seal::{Locked, Unseal};
use crate::three_file::inspect::{Label, Object, Protection};
use crate::three_file::{Shape, ThreeFile};
use std::io::{IoSlice, IoSliceMut};

/// Writes all of a cartridge into an empty folder at a level, blocks with this codec. `progress` hears of the bytes of
/// data done, as stored in the source.
///
/// # Errors
/// An object that the level cannot have, by its number; damage; or the storage failed. The folder is then incomplete:
/// its memory is written last. The source is given back locked, so that the two can be exchanged.
pub fn convert(
    source: &mut Cartridge,
    mut folder: Box<dyn Folder>,
    level: Level,
    codec: Codec,
    progress: &mut dyn FnMut(u64),
) -> Result<ThreeFile, StoreError> {
    let (mut from, recovery) = source.view()?;
    let mam = source.mam()?;
    if source.kind() == Kind::Null {
        let barcode = source.barcode().as_str().into();
        return Err(StoreError::Cartridge { barcode, what: "keeps no data that could be converted" });
    }
    if recovery.damaged {
        let barcode = source.barcode().as_str().into();
        return Err(StoreError::Cartridge { barcode, what: "has a damaged index; repair it first" });
    }
    memory::prepare(folder.as_mut(), level, from.partitions())?;
    let files = folder.again().map_err(StoreError::io("opening the new cartridge"))?;
    let shape = Shape { level, sizes: mam.partition_sizes(), ..Shape::ferric(u64::MAX >> 4) };
    let (mut to, _) = ThreeFile::open(folder, shape)?;
    let mut block = vec![0; MAX_BLOCK];
    for partition in 0..from.partitions() {
        from.locate(partition, 0)?;
        to.locate(partition, 0)?;
        while let Some(object) = from.peek()? {
            copy(&mut from, &mut to, &object, codec, &mut block)?;
            progress(object.stored.into());
        }
    }
    to.close()?;
    let mut files = files;
    memory::put(files.as_mut(), level, &mam, from.partitions())?;
    Ok(from)
}

fn copy(
    from: &mut ThreeFile,
    to: &mut ThreeFile,
    object: &Object,
    codec: Codec,
    block: &mut [u8],
) -> Result<(), StoreError> {
    let place = from.position();
    let at = |cause: StoreError| StoreError::Object {
        partition: place.partition,
        object: place.object,
        cause: Box::new(cause),
    };
    if object.is_filemark {
        from.read(&mut [])?;
        return to.append_filemark().map_err(at).and_then(|written| whole(written, object.number));
    }
    let seal = match object.protection {
        Protection::None => None,
        // Without its key a sealed block can only be copied as it is, and its place is authenticated with it.
        Protection::Sealed => return Err(at(StoreError::NoSeal)),
        Protection::Labelled => Some(from.label_of_next()?.and_then(Label::seal).ok_or(StoreError::Locked {
            partition: place.partition,
            object: place.object,
            why: Locked::NoKey,
        })?),
    };
    let unseal = seal.as_ref().map_or(Unseal::Never, |seal| Unseal::Also(&seal.key));
    let Found::Block { len, .. } = from.read_sealed(&mut [IoSliceMut::new(block)], unseal)? else { return Ok(()) };
    let content = [IoSlice::new(block.get(..len).unwrap_or_default())];
    let written = match &seal {
        None => to.append(&content, codec),
        Some(seal) => to.append_sealed(&content, codec, seal),
    };
    whole(written.map_err(at)?, object.number)
}

fn whole(written: Written, object: u64) -> Result<(), StoreError> {
    match written {
        Written::Done { .. } => Ok(()),
        Written::Full => Err(StoreError::Format { file: "data".into(), what: format!("no room for object {object}") }),
    }
}
