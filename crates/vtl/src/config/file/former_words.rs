//! Keys and values of the previous release, which this release still accepts with a warning and the next one refuses.

use super::source::Source;
use crate::config::ConfigError;
use crate::config::tables::Text;
use crate::control::current_element_name;
use toml::Spanned;

/// Moves the value of the key `level`, the former name of `format`, to `format`, and replaces the value `ferric` by
/// `native`.
///
/// # Errors
/// Both keys are given.
pub(super) fn replace_level(
    source: &Source<'_>,
    table: &str,
    format: &mut Text,
    level: Text,
) -> Result<(), ConfigError> {
    let key = if level.is_some() { "level" } else { "format" };
    if let Some(level) = level {
        if format.is_some() {
            let message = "is the former name of format, which is given too; remove level";
            return Err(source.error(level.span().start, &format!("{table}.level"), message));
        }
        *format = Some(level);
    }
    let Some(text) = format else { return Ok(()) };
    let given = text.get_ref().clone();
    if given == "ferric" {
        "native".clone_into(text.get_mut());
    }
    if key == "level" || given == "ferric" {
        source.warn(
            text,
            &format!("{table}.{key}"),
            &format!("{key} = {given:?}"),
            &format!("format = {:?}", text.get_ref()),
        );
    }
    Ok(())
}

/// Replaces the former values of `library.export` and `library.import`.
pub(super) fn replace_policy(source: &Source<'_>, key: &str, text: &mut Text) {
    let Some(text) = text else { return };
    let current = match text.get_ref().as_str() {
        "operator" => "manual",
        "at once" => "auto",
        _ => return,
    };
    replace_value(source, key, text, current);
}

/// Replaces the former name of an import/export element.
pub(super) fn replace_element(source: &Source<'_>, key: &str, text: &mut Text) {
    let Some(text) = text else { return };
    if let Some(current) = current_element_name(text.get_ref()) {
        replace_value(source, key, text, &current);
    }
}

fn replace_value(source: &Source<'_>, key: &str, text: &mut Spanned<String>, current: &str) {
    let former = std::mem::replace(text.get_mut(), current.into());
    source.warn(text, key, &format!("{former:?}"), &format!("{current:?}"));
}
