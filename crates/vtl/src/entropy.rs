//! Random values from the operating system. The crates of the devices contain no source of them: a program supplies
//! this one, and a test can supply fixed values.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use ssc::drive::RandomSource;
use std::io;
use tape_store::key_wrapping::KeyWrappingPair;

/// Random values for drives, from the operating system.
pub const SYSTEM: RandomSource = RandomSource { bytes: fill, key_pair: key_wrapping_pair };

/// Fills a slice with random bytes of the operating system.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string()))
}

/// Generates an RSA-2048 key pair; `None` if the operating system provides no random bytes.
fn key_wrapping_pair() -> Option<KeyWrappingPair> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let document: Pkcs8V1Der<'_> = pair.as_der().ok()?;
    KeyWrappingPair::from_pkcs8(document.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_values_differ() {
        let [mut one, mut two] = [[0; 32]; 2];
        fill(&mut one).unwrap();
        fill(&mut two).unwrap();
        assert!(one != two && one != [0; 32]);
        let modulus = || key_wrapping_pair().unwrap().public()[..256].to_vec();
        assert_ne!(modulus(), modulus());
    }
}
