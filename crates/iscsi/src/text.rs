//! Text keys (RFC 7143 §6.1): `key=value` pairs, each terminated by a zero byte.

/// Maximum length of a key and of a value, in bytes.
const MAX_KEY_LENGTH: usize = 63;
const MAX_VALUE_LENGTH: usize = 8192;

/// Maximum number of keys in one list.
const MAX_KEYS: usize = 128;

/// An error in a list of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The list is not UTF-8 text.
    #[error("keys are not UTF-8 text")]
    NotText,
    /// A pair without `=`, with an empty key, or with a key or value that is too long; or too many keys. Has the first
    /// 80 characters of the pair.
    #[error("malformed key=value pair {0:?}")]
    Malformed(String),
    /// A key occurs twice in the same list.
    #[error("key {0} occurs twice")]
    Duplicate(String),
}

/// Returns the key=value pairs of a data segment, in order.
///
/// # Errors
/// See [`TextError`].
pub fn parse(data: &[u8]) -> Result<Vec<(&str, &str)>, TextError> {
    let text = std::str::from_utf8(data).map_err(|_| TextError::NotText)?;
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for pair in text.split('\0').filter(|pair| !pair.is_empty()) {
        let short = || pair.chars().take(80).collect::<String>();
        let (key, value) = pair.split_once('=').ok_or_else(|| TextError::Malformed(short()))?;
        if key.is_empty() || key.len() > MAX_KEY_LENGTH || value.len() > MAX_VALUE_LENGTH {
            return Err(TextError::Malformed(short()));
        }
        if pairs.len() >= MAX_KEYS {
            return Err(TextError::Malformed("(too many keys)".into()));
        }
        if pairs.iter().any(|(earlier, _)| *earlier == key) {
            return Err(TextError::Duplicate(key.into()));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Appends one key=value pair to a data segment.
pub fn push_pair(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value.as_bytes());
    out.push(0);
}

/// Parses a decimal or hexadecimal (`0x…`) number; `None` if it is malformed or exceeds 32 bits.
#[must_use]
pub fn parse_number(value: &str) -> Option<u32> {
    match value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => value.parse().ok(),
    }
}

/// Parses a binary value in hexadecimal (`0x…`) or base64 (`0b…`); `None` if it is malformed.
#[must_use]
pub fn parse_binary(value: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    if let Some(encoded) = value.strip_prefix("0b").or_else(|| value.strip_prefix("0B")) {
        return base64::engine::general_purpose::STANDARD.decode(encoded).ok();
    }
    let hex = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"))?;
    let digits: Option<Vec<u8>> =
        hex.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits?;
    let (odd, rest) = digits.split_at(digits.len() % 2);
    let pairs = rest.chunks_exact(2).filter_map(|pair| Some((pair.first()? << 4) | pair.last()?));
    Some(odd.iter().copied().chain(pairs).collect())
}

/// Returns a binary value in lower-case hexadecimal with prefix `0x`, which every initiator can parse.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::from("0x"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_errors() {
        assert_eq!(parse(b"A=1\0B=\0\0").unwrap(), [("A", "1"), ("B", "")]);
        assert_eq!(parse(b"A=1\0A=2\0"), Err(TextError::Duplicate("A".into())));
        assert_eq!(parse(b"A\0"), Err(TextError::Malformed("A".into())));
        assert_eq!(parse(b"\xff=1\0"), Err(TextError::NotText));
    }

    #[test]
    fn numbers_and_binary() {
        assert_eq!((parse_number("262144"), parse_number("0x40"), parse_number("-1")), (Some(262_144), Some(64), None));
        assert_eq!(parse_binary("0x0aFF").unwrap(), [0x0a, 0xff]);
        assert_eq!(parse_binary("0xabc").unwrap(), [0x0a, 0xbc]);
        assert_eq!(parse_binary("0bAQID").unwrap(), [1, 2, 3]);
        assert_eq!(parse_binary("12"), None);
        assert_eq!(to_hex(&[0x0a, 0xff]), "0x0aff");
    }
}
