//! `[[iscsi.user]]` and `[iscsi.mutual]`.

use super::source::Source;
use super::values::required;
use crate::config::tables::{Tables, UserTable};
use crate::config::{ConfigError, User};
use toml::Spanned;

/// CHAP users, and what the target proves itself with.
pub(super) fn users(
    source: &Source<'_>,
    tables: Tables<UserTable>,
    mutual: Option<Spanned<UserTable>>,
) -> Result<(Vec<User>, Option<User>), ConfigError> {
    let mut users: Vec<User> = Vec::new();
    for table in tables {
        let name_at = table.get_ref().name.as_ref().map_or(table.span().start, |name| name.span().start);
        let user = user(source, "iscsi.user", table)?;
        if users.iter().any(|other| other.name == user.name) {
            return Err(source.error(name_at, "iscsi.user.name", format!("there are two users {:?}", user.name)));
        }
        users.push(user);
    }
    let Some(table) = mutual else { return Ok((users, None)) };
    let secret_at = table.get_ref().secret.as_ref().map_or(table.span().start, |text| text.span().start);
    let mutual = user(source, "iscsi.mutual", table)?;
    if users.iter().any(|user| user.secret == mutual.secret) {
        let message = "the secret of the target must differ from those of the users";
        return Err(source.error(secret_at, "iscsi.mutual.secret", message));
    }
    if users.is_empty() {
        return Err(source.error(secret_at, "iscsi.mutual", "mutual CHAP needs at least one [[iscsi.user]]"));
    }
    Ok((users, Some(mutual)))
}

/// A name and its secret. No error shows the secret.
fn user(source: &Source<'_>, key: &str, table: Spanned<UserTable>) -> Result<User, ConfigError> {
    let at = table.span().start;
    let table = table.into_inner();
    let name = required(source, &table.name, &format!("{key}.name"), at)?;
    let text = name.get_ref();
    if !(1..=255).contains(&text.len()) || text.chars().any(char::is_control) {
        let message = format!("{text:?} is not a user name: 1 to 255 characters, none of them a control character");
        return Err(source.error(name.span().start, &format!("{key}.name"), message));
    }
    let key = &format!("{key}.secret");
    let secret = table.secret.ok_or_else(|| source.error(name.span().start, key, "is required"))?;
    let (at, secret) = (secret.span().start, secret.into_inner().0);
    if !(12..=255).contains(&secret.len()) {
        return Err(source.error(at, key, "a CHAP secret has at least 12 characters, and at most 255"));
    }
    Ok(User { name: text.clone(), secret })
}
