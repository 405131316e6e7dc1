//! `identities.toml`: a second copy of the unit identities that hosts see, in readable form.

use super::merge::Values;
use crate::data_dir::UnitIdentity;
use serde::{Deserialize, Serialize};
use tape_store::integrity::crc32c;

/// Name of the identities file.
pub(super) const FILE_NAME: &str = "identities.toml";
const FORMAT: u32 = 1;
const SITE: &str = "site";
const PREFIX: &str = "identity/";
const INTRODUCTION: &str =
    "# The identities of this site: a copy that the program writes. A file that was edited is not used.\n";

/// The contents of the identities file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identities {
    format: u32,
    /// ID of the state that the file belongs to.
    pub(crate) store: String,
    /// A commit number that the state certainly has.
    pub(crate) commit: u64,
    /// Suffix of the target names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) site: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unit: Vec<NamedIdentity>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NamedIdentity {
    name: String,
    #[serde(flatten)]
    identity: UnitIdentity,
}

/// Whether the identities file repeats this state key.
pub(super) fn is_identity(key: &str) -> bool {
    key == SITE || key.starts_with(PREFIX)
}

impl Identities {
    /// Extracts the identities from a state.
    pub(super) fn of(store: &str, commit: u64, values: &Values) -> Self {
        let site = values.get(SITE).and_then(|value| serde_json::from_slice(value).ok());
        let unit = |(key, value): (&String, &Vec<u8>)| {
            let name = key.strip_prefix(PREFIX)?.to_owned();
            Some(NamedIdentity { name, identity: serde_json::from_slice(value).ok()? })
        };
        Self { format: FORMAT, store: store.into(), commit, site, unit: values.iter().filter_map(unit).collect() }
    }

    /// The identities as keys and values of a state.
    pub(crate) fn values(&self) -> Result<Values, serde_json::Error> {
        let site = self.site.iter().map(|site| Ok((SITE.into(), serde_json::to_vec(site)?)));
        let units =
            self.unit.iter().map(|unit| Ok((format!("{PREFIX}{}", unit.name), serde_json::to_vec(&unit.identity)?)));
        site.chain(units).collect()
    }

    /// Whether there are no identities.
    pub(super) const fn is_empty(&self) -> bool {
        self.site.is_none() && self.unit.is_empty()
    }

    /// Whether both contain the same identities of the same state, regardless of the commit number.
    pub(super) fn same_names(&self, other: &Self) -> bool {
        (&self.store, &self.site, &self.unit) == (&other.store, &other.site, &other.unit)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// Fails if the identities cannot be represented in TOML.
    pub(super) fn encode(&self) -> Result<String, toml::ser::Error> {
        let body = toml::to_string(self)?;
        Ok(format!("{INTRODUCTION}checksum = \"{:08x}\"\n{body}", crc32c(body.as_bytes())))
    }

    /// Parses the text of the file.
    ///
    /// # Errors
    /// Fails if the text is damaged or of another format version; the error says what is wrong.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let damaged = || "fails its checksum".to_owned();
        if bytes.iter().all(|byte| *byte == 0) {
            return Err("is empty".into());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
        let rest = text.strip_prefix(INTRODUCTION).and_then(|rest| rest.strip_prefix("checksum = \""));
        let (checksum, body) = rest.and_then(|rest| rest.split_once("\"\n")).ok_or_else(damaged)?;
        if checksum != format!("{:08x}", crc32c(body.as_bytes())) {
            return Err(damaged());
        }
        let read: Self = toml::from_str(body).map_err(|error| error.message().to_owned())?;
        match read.format {
            FORMAT => Ok(read),
            other => Err(format!("format {other} is unknown; this program supports {FORMAT}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_readable_and_detects_any_bit_flip() {
        let unit = br#"{"serial":"0123456789","naa":"3000000123456789","target":"iqn.x","lun":3}"#;
        let values = Values::from([
            ("site".into(), b"\"1234abcd\"".to_vec()),
            ("identity/main/drive/0".into(), unit.to_vec()),
            ("cartridge/A".into(), b"1".to_vec()),
        ]);
        let identities = Identities::of("00c0ffee", 17, &values);
        let text = identities.encode().unwrap();
        let expected = "format = 1\nstore = \"00c0ffee\"\ncommit = 17\nsite = \"1234abcd\"\n\n[[unit]]\n\
            name = \"main/drive/0\"\nserial = \"0123456789\"\nnaa = \"3000000123456789\"\ntarget = \"iqn.x\"\nlun = 3\n";
        assert!(text.ends_with(expected), "{text}");
        assert_eq!(Identities::decode(text.as_bytes()).as_ref(), Ok(&identities));
        let keys: Vec<String> = identities.values().unwrap().into_keys().collect();
        assert_eq!(keys, ["identity/main/drive/0", "site"]);
        for bit in 0..text.len() * 8 {
            let mut damaged = text.clone().into_bytes();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Identities::decode(&damaged).is_err(), "bit {bit}");
        }
        assert_eq!(Identities::decode(b""), Err("is empty".into()));
    }
}
