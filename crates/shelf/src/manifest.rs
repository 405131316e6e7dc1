//! The manifest of a cartridge: which objects have the bytes of its files.

use crate::copy::Origin;
use crate::error::ShelfError;
use crate::keys::CartridgeKeys;
use crate::protection::Protection;
use crate::record;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// One state of a cartridge. Its object is created once and never replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Barcode of the cartridge, which names its objects.
    pub barcode: String,
    /// Number of the manifest, from [`Self::FIRST`] without gaps.
    pub version: u64,
    /// Epoch of the lease of the daemon that created it; 0 for a new cartridge. It never decreases with the version.
    pub epoch: u64,
    /// 32 hexadecimal digits that no other manifest has: a repeated creation finds its own manifest by them.
    pub nonce: String,
    /// Name of the daemon that created it.
    pub owner: String,
    /// Whether a daemon uses the cartridge.
    pub state: ManifestState,
    /// The files of the cartridge.
    pub content: Content,
    /// The state on another shelf from which this state, or an earlier one, was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The retention and the legal hold of the cartridge.
    #[serde(default, skip_serializing_if = "Protection::is_none")]
    pub protection: Protection,
}

/// Whether a daemon uses a cartridge, after this manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ManifestState {
    /// The owner may create further manifests.
    Open,
    /// The owner has released the cartridge. Another daemon can take it without waiting.
    Closed,
}

/// The files of a cartridge by their names, such as `data.0`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content {
    /// The files, ascending by name.
    pub files: BTreeMap<String, FileContent>,
}

/// The length of one file, and the places of its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// Length of the file in bytes.
    pub len: u64,
    /// Names of the index pages with the first parts, in the object of a manifest. Everywhere else, `extents` has all parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pages: Vec<String>,
    /// The parts of the file, ascending by offset and without gaps from 0 to `len`.
    pub extents: Vec<Extent>,
}

/// A part of a file in a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes, at least 1.
    pub len: u64,
    /// Name of the segment with the part.
    pub segment: String,
    /// Offset of the part in the content of the segment, in bytes.
    pub at: u64,
}

impl Content {
    /// Sum of the lengths of all files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.len).sum()
    }
}

impl Manifest {
    /// Number of the first manifest of a cartridge.
    pub const FIRST: u64 = 1;

    pub(crate) fn encode(&self) -> Result<Bytes, ShelfError> {
        record::encode(&self.barcode, self)
    }

    /// The manifest with this number, from its object, with the names of its index pages. Its number and barcode must be those of the name of the object.
    pub(crate) fn decode(keys: &CartridgeKeys, version: u64, bytes: &[u8]) -> Result<Self, ShelfError> {
        let key = keys.manifest(version);
        let malformed = |problem: String| Err(ShelfError::malformed(&key, problem));
        let manifest: Self = record::decode(&key, bytes)?;
        if manifest.version != version {
            return malformed(format!("it has the number {}", manifest.version));
        }
        if manifest.barcode != keys.barcode() {
            return malformed(format!("it has the barcode {:?}", manifest.barcode));
        }
        for (name, file) in &manifest.content.files {
            // A name is one in the folder of the cartridge: the object may come from elsewhere.
            if !is_file_name(name) {
                return malformed(format!("{name:?} is not the name of a file"));
            }
            if file.pages.is_empty() && !file.is_whole() {
                return malformed(format!("the extents of {name} do not have its {} bytes", file.len));
            }
        }
        Ok(manifest)
    }
}

/// Whether a name is that of a file in a folder, and of no other place.
pub(crate) fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

impl Extent {
    /// The part of the extent in a range of the file; `None` if it has none of it.
    pub(crate) fn part(&self, range: &Range<u64>) -> Option<Self> {
        let (start, end) = (self.offset.max(range.start), (self.offset + self.len).min(range.end));
        let at = || self.at + (start - self.offset);
        (start < end).then(|| Self { offset: start, len: end - start, segment: self.segment.clone(), at: at() })
    }
}

impl FileContent {
    /// A part of the file: its extents, cut to the range.
    pub(crate) fn part(&self, range: &Range<u64>) -> Self {
        let extents = self.extents.iter().filter_map(|extent| extent.part(range)).collect();
        Self { len: range.end, extents, ..Self::default() }
    }

    /// Whether the extents follow one another from 0 to the length of the file.
    pub(crate) fn is_whole(&self) -> bool {
        let end = self.extents.iter().try_fold(0_u64, |end, extent| {
            let next = end.checked_add(extent.len)?;
            (extent.offset == end && extent.len > 0 && extent.at.checked_add(extent.len).is_some()).then_some(next)
        });
        end == Some(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let extent = Extent { offset: 0, len: 3, segment: "0000001-0000-ab".into(), at: 8 };
        let file = FileContent { len: 3, extents: vec![extent], ..FileContent::default() };
        Manifest {
            barcode: "V00001L8".into(),
            version: 2,
            epoch: 1,
            nonce: "00".into(),
            owner: "a".into(),
            state: ManifestState::Open,
            content: Content { files: [("data.0".to_owned(), file)].into() },
            origin: None,
            protection: Protection::default(),
        }
    }

    #[test]
    fn a_manifest_is_one_line_of_json_and_its_checksum() {
        let bytes = manifest().encode().unwrap();
        let text = r#"{"barcode":"V00001L8","version":2,"epoch":1,"nonce":"00","owner":"a","state":"open","content":{"data.0":{"len":3,"extents":[{"offset":0,"len":3,"segment":"0000001-0000-ab","at":8}]}}}"#;
        assert_eq!(
            bytes.strip_suffix(b"\n").and_then(|all| all.strip_suffix(b"0b9551d8")),
            Some(format!("{text}\n").as_bytes())
        );
        assert_eq!(Manifest::decode(&keys(), 2, &bytes).unwrap(), manifest());
    }

    fn keys() -> CartridgeKeys {
        CartridgeKeys::new("V00001L8")
    }

    #[test]
    fn a_manifest_that_names_other_files_or_has_gaps_is_refused() {
        let decode = |change: &dyn Fn(&mut Manifest)| {
            let mut changed = manifest();
            change(&mut changed);
            Manifest::decode(&keys(), 2, &changed.encode().unwrap()).unwrap_err().to_string()
        };
        for name in ["", ".", "..", "../x", "/etc/passwd", "a/b", ".hidden", "a\0b"] {
            let error = decode(&|manifest| {
                let file = manifest.content.files.remove("data.0").unwrap();
                manifest.content.files.insert(name.to_owned(), file);
            });
            assert!(error.ends_with(&format!("{name:?} is not the name of a file")), "{error}");
        }
        fn first(manifest: &mut Manifest) -> &mut FileContent {
            manifest.content.files.get_mut("data.0").unwrap()
        }
        let gaps: [&dyn Fn(&mut Manifest); 5] = [
            &|manifest| first(manifest).len = 4,
            &|manifest| first(manifest).extents[0].offset = 1,
            &|manifest| first(manifest).extents[0].len = 2,
            &|manifest| first(manifest).extents[0].at = u64::MAX,
            &|manifest| first(manifest).extents.clear(),
        ];
        for change in gaps {
            assert!(decode(change).contains("the extents of data.0 do not have its"));
        }
        assert!(decode(&|manifest| manifest.barcode = "V00002L8".into()).ends_with("it has the barcode \"V00002L8\""));
    }

    #[test]
    fn a_damaged_manifest_is_refused_with_its_name() {
        let bytes = manifest().encode().unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 4;
            assert!(Manifest::decode(&keys(), 2, &damaged).is_err(), "byte {at}");
            assert!(Manifest::decode(&keys(), 2, &bytes[..at]).is_err(), "{at} bytes");
        }
        let error = Manifest::decode(&keys(), 3, &bytes).unwrap_err().to_string();
        assert!(error.ends_with("/V00001L8/m/00000003 is damaged: it has the number 2"), "{error}");
    }
}
