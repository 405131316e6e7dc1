//! The key of encrypted blocks: from a file or the standard input, never from the command line, which every user of the machine
//! can see.

use crate::cli_error::CliError;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tape_store::encrypt::{Decryption, Key};
use zeroize::Zeroizing;

/// More than any key as text, so that a wrong file is not read whole.
const MAX_KEY_FILE: u64 = 1024;

#[derive(clap::Args)]
pub(super) struct KeyFile {
    /// File with the key of encrypted blocks: 32 bytes, or 2 to 64 hexadecimal digits; - reads standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// How blocks are read.
pub(super) struct DecryptionKey(Option<Key>);

impl DecryptionKey {
    /// Encrypted blocks with the key if there is one, all others as ever.
    pub(super) fn unseal(&self) -> Decryption<'_> {
        self.0.as_ref().map_or(Decryption::Disable, Decryption::Mixed)
    }

    /// Advice about a block that cannot be decrypted.
    pub(super) const fn advice(&self) -> &'static str {
        match self.0 {
            None => "give the key with --key-file",
            Some(_) => "is it the key that was set when this block was written?",
        }
    }
}

impl KeyFile {
    pub(super) const fn is_given(&self) -> bool {
        self.key_file.is_some()
    }

    pub(super) fn read(&self) -> Result<DecryptionKey, CliError> {
        self.key_file.as_deref().map(read_key).transpose().map(DecryptionKey)
    }
}

fn read_key(path: &Path) -> Result<Key, CliError> {
    let name = if path == Path::new("-") { "the standard input".into() } else { path.display().to_string() };
    let failed = |error: io::Error| CliError::system(&error, format!("{name}: {error}"));
    let mut bytes = Zeroizing::new(Vec::new());
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path).map_err(failed)?) };
    source.take(MAX_KEY_FILE).read_to_end(&mut bytes).map_err(failed)?;
    parse_hex_key(&bytes).or_else(|| Key::new(&bytes).filter(Key::is_full_length)).ok_or_else(|| {
        // The content may be a key all the same, so it is not shown.
        let len = bytes.len();
        CliError::invalid(format!(
            "{name}: its {len} bytes are not a key: give 32 bytes, or 2 to 64 hexadecimal digits"
        ))
    })
}

fn parse_hex_key(text: &[u8]) -> Option<Key> {
    let digits = std::str::from_utf8(text).ok()?.trim();
    Key::new(&Zeroizing::new(super::attr::from_hex(digits)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_from_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            read_key(&path).ok()
        };
        let digits = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
        let bytes: Vec<u8> = (0..32).collect();
        for content in [digits.as_bytes(), format!("{digits}\n").as_bytes(), &bytes] {
            assert!(read(content).unwrap().equals(&bytes));
        }
        assert!(read(b"0a0B").unwrap().equals(&[10, 11]));
        for content in [&b""[..], b"\n", b"abc", b"secret", &[7; 31], &[7; 33], format!("{digits}00").as_bytes()] {
            assert!(read(content).is_none(), "{content:?}");
        }
    }
}
