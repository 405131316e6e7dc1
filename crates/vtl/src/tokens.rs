//! Tokens of the HTTP API: random texts that a client sends with each request. The state has only their digests.

use crate::clock::Clock;
use crate::config::is_identifier;
use crate::control::ControlError;
use crate::library::{LibraryError, random_hex};
use crate::site::Site;
use crate::state_store::{StateStore, Transaction};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use scsi_core::hex::Hex;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Key prefix of tokens in the state.
const PREFIX: &str = "token/";
/// Begin of every token, by which it is recognised in a file or a log.
const TOKEN_PREFIX: &str = "ferric_";
/// Number of random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Maximum number of tokens.
const MAX_TOKENS: usize = 1000;

/// The requests that a client may make. Each role may do what the one before it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads status, lists, events and traces.
    Read,
    /// Moves cartridges, and sets doors, drives, elements, labels and tabs.
    Operate,
    /// Deletes and retains cartridges, injects faults, adds libraries to the configuration and reloads it, reads the log, and
    /// manages tokens.
    Admin,
}

impl Role {
    /// The word for the role, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A token without its text: an item of the response to `tokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatus {
    /// Name of the token, unique in the site.
    pub name: String,
    /// The requests that a client with this token may make.
    pub role: Role,
    /// Time of its creation in seconds since 1970.
    pub created: u64,
}

/// A new token: response to `token_create`. Its text is shown only here.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedToken {
    /// Name of the token, unique in the site.
    pub name: String,
    /// The requests that a client with this token may make.
    pub role: Role,
    /// The text that the client sends: `ferric_` and 64 hexadecimal digits.
    pub token: String,
}

impl fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, role, token: _ } = self;
        f.debug_struct("CreatedToken").field("name", name).field("role", role).finish_non_exhaustive()
    }
}

/// A token that no longer exists: response to `token_remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedToken {
    /// Name of the token that was removed.
    pub name: String,
}

/// A token in the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenRecord {
    role: Role,
    /// SHA-256 of the text, in hexadecimal digits.
    sha256: String,
    created: u64,
}

fn sha256(text: &str) -> String {
    Hex(digest(&SHA256, text.as_bytes()).as_ref()).to_string()
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// The tokens in a state, by name.
pub(crate) fn load(state: &StateStore) -> Result<std::collections::BTreeMap<String, TokenRecord>, LibraryError> {
    Ok(state.get_prefix(PREFIX)?)
}

/// Refuses a name that is not 1 to 32 of a-z, 0-9, - and _.
fn check_name(name: &str) -> Result<(), ControlError> {
    is_identifier(name).then_some(()).ok_or_else(|| {
        let message = format!("{name:?} is not the name of a token: 1 to 32 of a-z, 0-9, - and _");
        ControlError::invalid(message).with_member("name")
    })
}

impl Site {
    /// Creates a token. Its text is in the result, and nowhere else.
    ///
    /// # Errors
    /// The name is not valid or is in use, there are 1,000 tokens, or the state cannot be written.
    pub fn create_token(&self, name: &str, role: Role) -> Result<CreatedToken, LibraryError> {
        check_name(name)?;
        let token = format!("{TOKEN_PREFIX}{}", random_hex(TOKEN_BYTES)?);
        let record = TokenRecord { role, sha256: sha256(&token), created: seconds(self.clock()) };
        let mut tokens = self.shared.tokens();
        if tokens.contains_key(name) {
            let message = format!("there is a token {name:?} already; remove it first: ferric token remove {name}");
            return Err(ControlError::conflict(message).with_member("name").into());
        }
        if tokens.len() >= MAX_TOKENS {
            return Err(ControlError::conflict(format!("there are {MAX_TOKENS} tokens, which is the maximum")).into());
        }
        let mut change = Transaction::default();
        change.set(key(name), &record)?;
        self.shared.state.commit(change)?;
        tokens.insert(name.into(), record);
        Ok(CreatedToken { name: name.into(), role, token })
    }

    /// All tokens, in order of their names.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenStatus> {
        let tokens = self.shared.tokens();
        let status = |(name, record): (&String, &TokenRecord)| TokenStatus {
            name: name.clone(),
            role: record.role,
            created: record.created,
        };
        tokens.iter().map(status).collect()
    }

    /// Removes a token: clients with it are refused from now on.
    ///
    /// # Errors
    /// There is no token of this name, or the state cannot be written.
    pub fn remove_token(&self, name: &str) -> Result<RemovedToken, LibraryError> {
        let mut tokens = self.shared.tokens();
        if !tokens.contains_key(name) {
            return Err(ControlError::not_found(format!("there is no token {name:?}")).with_member("name").into());
        }
        let mut change = Transaction::default();
        change.remove(key(name));
        self.shared.state.commit(change)?;
        tokens.remove(name);
        Ok(RemovedToken { name: name.into() })
    }

    /// The token that a text is; `None` if it is none of the site. The time of the comparison does not depend on the text.
    #[must_use]
    pub fn authenticate(&self, token: &str) -> Option<TokenStatus> {
        let presented = sha256(token);
        let tokens = self.shared.tokens();
        let mut found = None;
        for (name, record) in tokens.iter() {
            if verify_slices_are_equal(presented.as_bytes(), record.sha256.as_bytes()).is_ok() {
                found = Some(TokenStatus { name: name.clone(), role: record.role, created: record.created });
            }
        }
        found
    }
}

fn seconds(clock: &Clock) -> u64 {
    clock.now().wall.seconds()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::ErrorCode;
    use crate::library::Library;

    #[test]
    fn tokens_are_created_found_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let config = crate::config::Config::default();
        let site = Site::open(dir.path(), &config).unwrap();
        let created = site.create_token("console", Role::Operate).unwrap();
        assert!(created.token.starts_with("ferric_") && created.token.len() == 71, "{}", created.token);
        assert_eq!(site.authenticate(&created.token).unwrap().role, Role::Operate);
        assert_eq!(site.authenticate(&created.token[..70]), None);
        assert_eq!(site.authenticate(""), None);
        assert!(!format!("{created:?}").contains(&created.token));
        drop(site);
        // The files have the digest, and not the token.
        for file in ["state.1", "state.2"] {
            let bytes = std::fs::read(dir.path().join(file)).unwrap();
            let has = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            assert!(has(&sha256(&created.token)) && !has(&created.token[7..]), "{file}");
        }
        let site = Site::open(dir.path(), &config).unwrap();
        assert_eq!(site.tokens().iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["console"]);
        assert_eq!(site.authenticate(&created.token).unwrap().name, "console");
        site.remove_token("console").unwrap();
        assert_eq!(site.authenticate(&created.token), None);
    }

    #[test]
    fn invalid_and_known_names_are_refused() {
        let site = Library::builder().open().unwrap();
        site.create_token("a", Role::Read).unwrap();
        for (name, code) in [("a", ErrorCode::Conflict), ("", ErrorCode::Invalid), ("A b", ErrorCode::Invalid)] {
            assert_eq!(ControlError::from(site.create_token(name, Role::Admin).unwrap_err()).code, code, "{name}");
        }
        assert_eq!(ControlError::from(site.remove_token("b").unwrap_err()).code, ErrorCode::NotFound);
    }

    #[test]
    fn a_digest_is_that_of_sha_256() {
        // FIPS 180-4, the example of one block.
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
