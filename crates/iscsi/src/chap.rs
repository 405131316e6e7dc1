//! CHAP (RFC 1994 in RFC 7143 §12.1.3): the response is a hash of identifier, secret and challenge.

use md5::Digest as _;
use subtle::ConstantTimeEq as _;

/// CHAP_A, the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// 5.
    Md5,
    /// 6.
    Sha1,
    /// 7.
    Sha256,
    /// 8.
    Sha3,
}

impl Algorithm {
    /// The strongest of the numbers in an initiator's list that is known here.
    #[must_use]
    pub fn strongest(list: &str) -> Option<Self> {
        let offered = |number: &str| list.split(',').any(|item| item.trim() == number);
        [("8", Self::Sha3), ("7", Self::Sha256), ("6", Self::Sha1), ("5", Self::Md5)]
            .into_iter()
            .find(|(number, _)| offered(number))
            .map(|(_, algorithm)| algorithm)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Md5 => "5",
            Self::Sha1 => "6",
            Self::Sha256 => "7",
            Self::Sha3 => "8",
        }
    }

    /// The response to a challenge.
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

    /// Whether a response is right; the time it takes does not depend on how wrong it is.
    #[must_use]
    pub fn verify(self, id: u8, secret: &[u8], challenge: &[u8], response: &[u8]) -> bool {
        self.response(id, secret, challenge).ct_eq(response).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strongest_and_verified() {
        assert_eq!(Algorithm::strongest("5,7"), Some(Algorithm::Sha256));
        assert_eq!(Algorithm::strongest("9"), None);
        let response = Algorithm::Md5.response(1, b"secret", b"challenge");
        assert_eq!(response.len(), 16);
        assert!(Algorithm::Md5.verify(1, b"secret", b"challenge", &response));
        assert!(!Algorithm::Md5.verify(2, b"secret", b"challenge", &response));
        assert!(!Algorithm::Md5.verify(1, b"secret", b"challenge", &[]));
    }
}
