//! Values that several tables have: names, strings, sizes.

use super::source::Source;
use crate::config::tables::{Number, Text};
use crate::config::{ConfigError, UnitNames};
use scsi_core::identity::{InquiryStrings, ModelStrings};
use scsi_core::time::TimeMode;
use tape_store::cartridge::{Format, parse_size};
use toml::Spanned;

/// The time mode of a table; `default` without one.
pub(super) fn time_mode(
    source: &Source<'_>,
    text: Option<&Spanned<String>>,
    key: &str,
    default: TimeMode,
) -> Result<TimeMode, ConfigError> {
    let Some(text) = text else { return Ok(default) };
    TimeMode::parse(text.get_ref()).map_err(|error| source.error(text.span().start, key, error.to_string()))
}

/// Vendor, product and revision: those of the table, or else those of the model.
pub(super) fn strings(
    source: &Source<'_>,
    table: &str,
    given: [&Text; 3],
    model: ModelStrings,
) -> Result<InquiryStrings, ConfigError> {
    let string = |key: &str, text: &Text, most: usize, usual: &str| {
        let Some(text) = text else { return Ok(usual.to_owned()) };
        let string = text.get_ref();
        if string.len() <= most && string.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Ok(string.clone());
        }
        let message = format!("{string:?} is not up to {most} characters of printable ASCII");
        Err(source.error(text.span().start, &format!("{table}.{key}"), message))
    };
    let [vendor, product, revision] = given;
    Ok(InquiryStrings {
        vendor: string("vendor", vendor, 8, model.vendor)?,
        product: string("product", product, 16, model.product)?,
        revision: string("revision", revision, 4, model.revision)?,
    })
}

/// The serial number and the world wide name of a table; `None` for a key that is not given.
pub(super) fn names(
    source: &Source<'_>,
    table: &str,
    serial: Option<&Spanned<String>>,
    naa: Option<&Spanned<String>>,
) -> Result<UnitNames, ConfigError> {
    let number = |text: &Spanned<String>| {
        let serial = text.get_ref();
        if (1..=SERIAL).contains(&serial.len()) && serial.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(serial.clone());
        }
        let message = format!("{serial:?} is not a serial number: 1 to {SERIAL} characters, no blanks");
        Err(source.error(text.span().start, &format!("{table}.serial"), message))
    };
    let name = |text: &Spanned<String>| {
        let naa = text.get_ref().to_ascii_lowercase();
        let known = matches!(naa.bytes().next(), Some(b'2' | b'3' | b'5'));
        if naa.len() == 16 && known && naa.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(naa);
        }
        let message = format!("{naa:?} is not a world wide name: 16 hexadecimal digits, the first 2, 3 or 5");
        Err(source.error(text.span().start, &format!("{table}.naa"), message))
    };
    Ok(UnitNames { serial: serial.map(number).transpose()?, naa: naa.map(name).transpose()? })
}

/// The longest unit serial number. Pages of a fixed width have its first characters.
const SERIAL: usize = 32;

/// Returns a required value.
pub(super) fn required<'a>(
    source: &Source<'_>,
    text: &'a Text,
    key: &str,
    at: usize,
) -> Result<&'a Spanned<String>, ConfigError> {
    text.as_ref().ok_or_else(|| source.error(at, key, "is required"))
}

pub(super) fn number_or_one(number: &Number) -> u16 {
    number.as_ref().map_or(1, |number| *number.get_ref())
}

/// Whether a text can be the name of an object: 1 to 32 of a-z, 0-9, `-` and `_`.
pub(crate) fn is_identifier(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}

/// A name in the configuration.
pub(super) fn identifier(source: &Source<'_>, text: &Spanned<String>, key: &str) -> Result<String, ConfigError> {
    let name = text.get_ref();
    if is_identifier(name) {
        return Ok(name.clone());
    }
    let message = format!("{name:?} is not a name: 1 to 32 of a-z, 0-9, - and _");
    Err(source.error(text.span().start, key, message))
}

pub(super) fn size(source: &Source<'_>, text: &Text, key: &str) -> Result<Option<u64>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let size = parse_size(text.get_ref()).ok_or_else(|| {
        let message = format!(
            "{:?} is not a size; write for example \"100MB\", \"2.5GB\" or \"64MiB\", at least 1MB",
            text.get_ref()
        );
        source.error(text.span().start, key, message)
    })?;
    Ok(Some(size))
}

/// Parses the format of cartridge files: `native` if the key is not given.
pub(super) fn format(source: &Source<'_>, text: Option<&Spanned<String>>, key: &str) -> Result<Format, ConfigError> {
    let Some(text) = text else { return Ok(Format::Native) };
    let known = [Format::Native, Format::Mhvtl].into_iter().find(|format| format.name() == text.get_ref());
    known.ok_or_else(|| {
        let message = format!("{:?} is invalid; expected \"native\" or \"mhvtl\"", text.get_ref());
        source.error(text.span().start, key, message)
    })
}
