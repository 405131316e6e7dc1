//! Objects of text: a JSON document and its checksum, so that a damaged object is noticed, and a person can read it.

use crate::error::ShelfError;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The document in one line, and its CRC-32C in eight hexadecimal digits in the next.
pub(crate) fn encode(key: &str, record: &impl Serialize) -> Result<Bytes, ShelfError> {
    let mut text = serde_json::to_string(record).map_err(|error| ShelfError::malformed(key, error))?;
    let crc = checksum(CrcAlgorithm::Crc32Iscsi, text.as_bytes());
    text.push_str(&format!("\n{crc:08x}\n"));
    Ok(text.into())
}

/// The document of an object.
///
/// # Errors
/// [`ShelfError::Malformed`] if the checksum differs, or the document has other members.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, ShelfError> {
    let problem = |problem: &str| ShelfError::malformed(key, problem);
    let text = std::str::from_utf8(bytes).map_err(|_| problem("it is not text"))?;
    let (document, crc) =
        text.strip_suffix('\n').and_then(|text| text.rsplit_once('\n')).ok_or_else(|| problem("it is incomplete"))?;
    if crc != format!("{:08x}", checksum(CrcAlgorithm::Crc32Iscsi, document.as_bytes())) {
        return Err(problem("its checksum differs"));
    }
    serde_json::from_str(document).map_err(|error| ShelfError::malformed(key, error))
}
