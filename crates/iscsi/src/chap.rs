//! CHAP (RFC 1994, RFC 7143 §12.1.3): the response is a hash of identifier, secret and challenge.

use md5::Digest as _;
use subtle::ConstantTimeEq as _;

/// The hash algorithm of CHAP, by its number in CHAP_A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5, CHAP_A number 5; RFC 1994.
    Md5,
    /// SHA-1, CHAP_A number 6 (IANA registry of PPP authentication algorithms).
    Sha1,
    /// SHA-256, CHAP_A number 7 (same registry).
    Sha256,
    /// SHA3-256, CHAP_A number 8 (same registry).
    Sha3,
}

impl Algorithm {
    /// Returns the strongest supported algorithm of an initiator's CHAP_A list; `None` if none is supported.
    #[must_use]
    pub fn strongest(list: &str) -> Option<Self> {
        let offered = |number: &str| list.split(',').any(|item| item.trim() == number);
        [("8", Self::Sha3), ("7", Self::Sha256), ("6", Self::Sha1), ("5", Self::Md5)]
            .into_iter()
            .find(|(number, _)| offered(number))
            .map(|(_, algorithm)| algorithm)
    }

    /// Returns the CHAP_A number as text.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Md5 => "5",
            Self::Sha1 => "6",
            Self::Sha256 => "7",
            Self::Sha3 => "8",
        }
    }

    /// Returns the response (CHAP_R) to a challenge: 16 bytes for MD5, 20 for SHA-1, 32 for the others.
    #[must_use]
    pub fn response(self, id: u8, secret: &[u8], challenge: &[u8]) -> Vec<u8> {
        let parts = [&[id][..], secret, challenge].concat();
        match self {
            Self::Md5 => md5::Md5::digest(&parts).to_vec(),
            Self::Sha1 => sha1::Sha1::digest(&parts).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(&parts).to_vec(),
            Self::Sha3 => sha3::Sha3_256::digest(&parts).to_vec(),
        }
    }

    /// Returns whether a response is correct. Compares in constant time.
    #[must_use]
    pub fn verify(self, id: u8, secret: &[u8], challenge: &[u8], response: &[u8]) -> bool {
        self.response(id, secret, challenge).ct_eq(response).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_selection_and_verification() {
        assert_eq!(Algorithm::strongest("5,7"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::strongest("9"), None);
        let response = Algorithm::Md5.response(1, b"secret", b"challenge");
        assert_eq!(response.len(), 16);
        assert!(Algorithm::Md5.verify(1, b"secret", b"challenge", &response));
        assert!(!Algorithm::Md5.verify(2, b"secret", b"challenge", &response));
        assert!(!Algorithm::Md5.verify(1, b"secret", b"challenge", &[]));
    }
}
