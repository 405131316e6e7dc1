//! The hash chain: a line is a record whose last member is the SHA-256 of the hash before it and of the rest of the line.

use crate::record::Record;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Text between a record and its hash.
const HASH_MEMBER: &str = ",\"hash\":\"";
/// Number of hexadecimal digits of a hash.
const HASH_LEN: usize = 64;

/// The end of a chain: the last record and its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Number of the record; 0 before the first one.
    pub seq: u64,
    /// SHA-256 of the record and of all before it, in hexadecimal digits.
    pub hash: String,
}

impl Link {
    /// The link before the first record: number 0 and a hash of zeros.
    #[must_use]
    pub fn genesis() -> Self {
        Self { seq: 0, hash: "0".repeat(HASH_LEN) }
    }
}

/// Reason why a line does not continue a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The line is not a record with a hash.
    #[error("the line is not an audit record")]
    NotARecord,
    /// Records are missing, repeated or in another order.
    #[error("expected record {expected}, found record {found}")]
    Number {
        /// Number that continues the chain.
        expected: u64,
        /// Number in the line.
        found: u64,
    },
    /// The record or one before it was changed.
    #[error("the hash does not match: the record, or the one before it, was changed")]
    Hash,
}

/// The line of a record that continues a chain, without a line break, and the new end of the chain.
#[must_use]
pub fn chain_line(previous: &Link, record: &Record) -> (String, Link) {
    // A record has only strings as keys, so this cannot fail.
    let mut line = serde_json::to_string(record).unwrap_or_default();
    line.pop();
    let hash = hash(&previous.hash, &line);
    line.push_str(HASH_MEMBER);
    line.push_str(&hash);
    line.push_str("\"}");
    (line, Link { seq: record.seq, hash })
}

/// The record and the hash in a line, unchecked.
///
/// # Errors
/// The line is not a record.
pub fn parse(line: &str) -> Result<(Record, Link), ChainError> {
    let (body, hash) = split(line)?;
    parse_parts(body, hash)
}

fn parse_parts(body: &str, hash: &str) -> Result<(Record, Link), ChainError> {
    let record: Record = serde_json::from_str(&format!("{body}}}")).map_err(|_| ChainError::NotARecord)?;
    let link = Link { seq: record.seq, hash: hash.to_owned() };
    Ok((record, link))
}

/// Checks that a line continues a chain. Returns its record and the new end of the chain.
///
/// # Errors
/// The line is not a record, has another number, or its hash does not match.
pub fn check(previous: &Link, line: &str) -> Result<(Record, Link), ChainError> {
    let (body, own_hash) = split(line)?;
    let (record, link) = parse_parts(body, own_hash)?;
    let expected = previous.seq + 1;
    if record.seq != expected {
        return Err(ChainError::Number { expected, found: record.seq });
    }
    if hash(&previous.hash, body) != own_hash {
        return Err(ChainError::Hash);
    }
    Ok((record, link))
}

/// The record without its last brace, and its hash.
fn split(line: &str) -> Result<(&str, &str), ChainError> {
    let parts = || {
        let rest = line.strip_suffix("\"}")?;
        let (body, hash) = rest.split_at_checked(rest.len().checked_sub(HASH_LEN)?)?;
        let is_hash = hash.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        Some((body.strip_suffix(HASH_MEMBER)?, hash)).filter(|_| is_hash)
    };
    parts().ok_or(ChainError::NotARecord)
}

fn hash(previous: &str, body: &str) -> String {
    let digest = Sha256::new().chain_update(previous).chain_update(body).finalize();
    digest.iter().fold(String::with_capacity(HASH_LEN), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Actor, ActorKind, Entry};

    /// The hash of the first record was computed with sha256sum.
    #[test]
    fn line_of_a_record() {
        let mut entry = Entry::new(Actor::new(ActorKind::Signal, "SIGHUP"), "reload");
        entry.objects = vec!["main".into()];
        let (line, link) = chain_line(&Link::genesis(), &Record { seq: 1, at: 1_000, entry });
        assert_eq!(
            line,
            "{\"seq\":1,\"at\":1000,\"actor\":{\"kind\":\"signal\",\"name\":\"SIGHUP\"},\"action\":\"reload\",\
             \"objects\":[\"main\"],\"result\":\"done\",\"hash\":\
             \"accb14df0231e1dd05e6e3730b03a9eb45830ae0d329b4cbc380ea67d79e265a\"}"
        );
        let (record, checked) = check(&Link::genesis(), &line).unwrap();
        assert_eq!((record.entry.action.as_str(), &checked), ("reload", &link));
        assert_eq!(check(&link, &line).unwrap_err().to_string(), "expected record 2, found record 1");
        assert_eq!(check(&Link::genesis(), &line.replace("1000", "1001")), Err(ChainError::Hash));
        for line in ["", "}", "\"}", "{\"seq\":1}", "{\"seq\":1,\"hash\":\"00\"}", &line[..line.len() - 1], &line[1..]]
        {
            assert_eq!(check(&Link::genesis(), line), Err(ChainError::NotARecord), "{line}");
        }
    }
}
