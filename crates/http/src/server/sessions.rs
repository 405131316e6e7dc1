//! Sessions of browsers: a cookie stands for a token, so that no script of a page holds the token.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use vtl::scsi_core::hex::Hex;
use vtl::tokens::TokenStatus;

/// Name of the cookie with the identifier of a session.
pub(crate) const COOKIE_NAME: &str = "ferric_session";
/// Seconds from the login to the end of a session.
const LIFETIME_S: u64 = 12 * 60 * 60;
/// Sessions at one time; a further one ends the oldest.
const MAX_SESSIONS: usize = 1000;
/// Random bytes of the identifier of a session, and of its CSRF token.
const SECRET_LEN: usize = 32;

/// A session that has begun and not ended.
#[derive(Clone)]
pub(super) struct Session {
    /// The token of the login.
    pub(super) token: TokenStatus,
    /// Text that each change must have in the header `X-CSRF-Token`. Pages of other origins cannot read it.
    pub(super) csrf: String,
    /// End in microseconds of the monotonic clock.
    until: u64,
}

/// The sessions of a server. They end with it.
#[derive(Default)]
pub(super) struct Sessions(Mutex<BTreeMap<[u8; 32], Session>>);

fn digest(id: &str) -> [u8; 32] {
    Sha256::digest(id).into()
}

fn secret() -> io::Result<String> {
    let mut bytes = [0; SECRET_LEN];
    vtl::entropy::fill(&mut bytes)?;
    Ok(Hex(&bytes).to_string())
}

impl Sessions {
    fn table(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session of a token at a time of the monotonic clock. Returns it with its identifier.
    ///
    /// # Errors
    /// The operating system provides no random bytes.
    pub(super) fn begin(&self, token: TokenStatus, now: u64) -> io::Result<(String, Session)> {
        let id = secret()?;
        let session = Session { token, csrf: secret()?, until: now + LIFETIME_S * 1_000_000 };
        let mut table = self.table();
        table.retain(|_, session| session.until > now);
        if table.len() >= MAX_SESSIONS {
            let oldest = table.iter().min_by_key(|(_, session)| session.until).map(|(digest, _)| *digest);
            oldest.map(|digest| table.remove(&digest));
        }
        table.insert(digest(&id), session.clone());
        Ok((id, session))
    }

    /// The session of an identifier.
    pub(super) fn find(&self, id: &str, now: u64) -> Option<Session> {
        self.table().get(&digest(id)).filter(|session| session.until > now).cloned()
    }

    /// Ends the session of an identifier.
    pub(super) fn end(&self, id: &str) {
        self.table().remove(&digest(id));
    }
}

/// The identifier in the cookie of a request.
pub(super) fn id(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, id)| id)
}

/// The value of `Set-Cookie` that begins or, without an identifier, ends a session in the browser.
pub(super) fn set_cookie(id: Option<&str>, has_tls: bool) -> String {
    let age = if id.is_some() { LIFETIME_S } else { 0 };
    let secure = if has_tls { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}", id.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn token(name: &str) -> TokenStatus {
        TokenStatus { name: name.into(), role: vtl::tokens::Role::Read, created: 0 }
    }

    #[test]
    fn sessions_end_in_time_and_are_bounded() {
        let sessions = Sessions::default();
        let (first, session) = sessions.begin(token("a"), 5).unwrap();
        assert_eq!((first.len(), session.csrf.len(), first == session.csrf), (64, 64, false));
        assert_eq!(sessions.find(&first, 5 + 43_199_999_999).unwrap().token.name, "a");
        assert!(sessions.find(&first, 5 + 43_200_000_000).is_none());
        assert!(sessions.find(&first[1..], 5).is_none());
        let (second, _) = sessions.begin(token("b"), 6).unwrap();
        (0..999).for_each(|_| drop(sessions.begin(token("c"), 7).unwrap()));
        assert!(sessions.find(&first, 7).is_none(), "the oldest is replaced");
        assert!(sessions.find(&second, 7).is_some());
        sessions.end(&second);
        assert!(sessions.find(&second, 7).is_none());
        assert_eq!(sessions.table().len(), 999);
        sessions.begin(token("d"), 43_200_000_007).unwrap();
        assert_eq!(sessions.table().len(), 1, "ended ones are removed");
    }

    #[test]
    fn the_cookie_is_one_of_several() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; xferric_session=2"));
        assert_eq!(id(&headers), None);
        headers.append(COOKIE, HeaderValue::from_static("b=3;ferric_session=4; c=5"));
        assert_eq!(id(&headers), Some("4"));
    }
}
