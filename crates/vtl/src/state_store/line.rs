//! One line of a state file: a key, its value and its commit, with a checksum.
//!
//! `CRC STORE COMMIT PART/PARTS KIND "KEY" VALUE`, as in docs/format.md.

use tape_store::integrity::crc32c;

/// Version of the state file format.
pub(super) const VERSION: u32 = 3;
const HEADER: &str = "ferric-state ";
/// Length of a checksum and the space after it.
const CHECKSUM_LEN: usize = 9;

/// A key of a commit with its value; `None` removes the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// ID of the state that the file belongs to.
    pub(super) store: String,
    pub(super) commit: u64,
    /// Number of this line in its commit, from 1.
    pub(super) part: u32,
    /// Number of lines in the commit.
    pub(super) parts: u32,
    /// Whether the commit is a base, which has all keys of the state, or a change of some keys.
    pub(super) base: bool,
    pub(super) key: String,
    pub(super) value: Option<Vec<u8>>,
}

/// A line with a valid checksum.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StateLine {
    /// The first line, with the format version.
    Header(u32),
    /// A line with a key and its value.
    Record(Record),
}

fn add_checksum(body: &[u8]) -> Vec<u8> {
    let mut line = format!("{:08x} ", crc32c(body)).into_bytes();
    line.extend_from_slice(body);
    line.push(b'\n');
    line
}

/// The first line of a file.
pub(super) fn header() -> Vec<u8> {
    add_checksum(format!("{HEADER}{VERSION}").as_bytes())
}

impl Record {
    /// The line, including its newline.
    pub(super) fn encode(&self) -> Vec<u8> {
        let kind = match (&self.value, self.base) {
            (_, true) => '=',
            (Some(_), false) => '+',
            (None, false) => '-',
        };
        let key = serde_json::Value::from(self.key.as_str());
        let Self { store, commit, part, parts, .. } = self;
        let mut body = format!("{store} {commit} {part}/{parts} {kind} {key}").into_bytes();
        if let Some(value) = &self.value {
            body.push(b' ');
            body.extend_from_slice(value);
        }
        add_checksum(&body)
    }

    fn decode(body: &str) -> Option<Self> {
        let mut fields = body.splitn(5, ' ');
        let (store, commit) = (fields.next()?.to_owned(), fields.next()?.parse().ok()?);
        let (part, parts) = fields.next()?.split_once('/')?;
        let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
        let (kind, rest) = (fields.next()?, fields.next()?);
        let mut keys = serde_json::Deserializer::from_str(rest).into_iter::<String>();
        let key = keys.next()?.ok()?;
        let value = rest.get(keys.byte_offset()..)?.strip_prefix(' ').map(|value| value.as_bytes().to_vec());
        let base = match (kind, &value) {
            ("=", Some(_)) => true,
            ("+", Some(_)) | ("-", None) => false,
            _ => return None,
        };
        Some(Self { store, commit, part, parts, base, key, value })
    }
}

/// Parses a line without its newline; `None` if its checksum or its syntax is wrong.
pub(super) fn decode(line: &[u8]) -> Option<StateLine> {
    let (checksum, body) = line.split_at_checked(CHECKSUM_LEN)?;
    // Compared as text, because only one spelling of a checksum is valid.
    if checksum != format!("{:08x} ", crc32c(body)).as_bytes() {
        return None;
    }
    let body = std::str::from_utf8(body).ok()?;
    match body.strip_prefix(HEADER) {
        Some(version) => version.parse().ok().map(StateLine::Header),
        None => Record::decode(body).map(StateLine::Record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_matches_format() {
        assert_eq!(header(), b"82386988 ferric-state 3\n");
        let (store, key) = ("00c0ffee".to_owned(), "cartridge/V00001L8".to_owned());
        let value = Some(br#"{"place":{"shelf":"main"},"size":64}"#.to_vec());
        let record = Record { store, commit: 7, part: 1, parts: 2, base: false, key, value };
        let text = "00c0ffee 7 1/2 + \"cartridge/V00001L8\" {\"place\":{\"shelf\":\"main\"},\"size\":64}\n";
        let line = record.encode();
        assert_eq!(std::str::from_utf8(&line[9..]).unwrap(), text);
        assert_eq!(decode(&line[..line.len() - 1]), Some(StateLine::Record(record.clone())));
        let removed = Record { value: None, ..record };
        let line = removed.encode();
        assert_eq!(std::str::from_utf8(&line[9..]).unwrap(), "00c0ffee 7 1/2 - \"cartridge/V00001L8\"\n");
        assert_eq!(decode(&line[..line.len() - 1]), Some(StateLine::Record(removed)));
    }

    #[test]
    fn any_bit_flip_is_detected() {
        let (store, key, value) = ("00c0ffee".into(), "site".into(), Some(b"\"1234abcd\"".to_vec()));
        let line = Record { store, commit: 7, part: 1, parts: 1, base: true, key, value }.encode();
        let line = &line[..line.len() - 1];
        assert!(decode(line).is_some());
        for bit in 0..line.len() * 8 {
            let mut damaged = line.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None, "bit {bit}");
        }
    }
}
