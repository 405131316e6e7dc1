//! `[iscsi]`: portal, names and limits.

use super::source::Source;
use super::users::users;
use super::values::size;
use crate::config::tables::{IscsiTable, Number};
use crate::config::{Advertise, ConfigError, IscsiLimits, IscsiSetup, Network, ValueError};
use toml::Spanned;

/// Whether a text is `ADDRESS:PORT` or `[ADDRESS]:PORT`; whether the address exists is found when it is used.
pub(super) fn is_portal(text: &str) -> bool {
    let inside =
        |address: &str| address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).map(str::to_owned);
    text.rsplit_once(':').is_some_and(|(address, port)| {
        let known = match inside(address) {
            // A zone may follow.
            Some(address) => address.split('%').next().is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok()),
            None => {
                !address.is_empty()
                    && address.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        known && port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    })
}

/// Checks where to listen.
///
/// # Errors
/// [`ValueError::Bind`] if the text is not `ADDRESS:PORT`.
pub fn check_bind(text: &str) -> Result<(), ValueError> {
    if is_portal(text) { Ok(()) } else { Err(ValueError::Bind(text.into())) }
}

/// What SendTargets is to say: an address, or none.
///
/// # Errors
/// [`ValueError::Advertise`] if the text is neither an address with a port other than 0 nor `none`.
pub fn parse_advertise(text: &str) -> Result<Advertise, ValueError> {
    match text {
        "none" => Ok(Advertise::Nothing),
        address if is_portal(address) && !address.ends_with(":0") => Ok(Advertise::Portal(address.into())),
        other => Err(ValueError::Advertise(other.into())),
    }
}

/// Whether a text is the name of an iSCSI node, RFC 3720 form as RFC 7143 §4.2.7 keeps it.
pub(super) fn is_iscsi_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || !byte.is_ascii() || b"-.:".contains(&byte);
    let known = ["iqn.", "eui.", "naa."].iter().any(|prefix| name.starts_with(prefix));
    // Other characters are case-folded text (RFC 3722): no white space, no control characters.
    let text = name.chars().all(|c| c.is_ascii() || c.is_alphanumeric());
    known && (5..=223).contains(&name.len()) && name.bytes().all(plain) && text
}

/// The smallest `iscsi.buffer_memory`.
const LEAST_MEMORY: u64 = 96 << 20;

fn limits(source: &Source<'_>, table: &IscsiTable) -> Result<IscsiLimits, ConfigError> {
    let network = |text: &Spanned<String>| {
        let network: Result<Network, ValueError> = text.get_ref().parse();
        network.map_err(|error| source.error(text.span().start, "iscsi.networks", error.to_string()))
    };
    let networks = table.networks.as_ref().map(|texts| texts.iter().map(network).collect()).transpose()?;
    let key = "iscsi.buffer_memory";
    let buffer_memory = size(source, &table.buffer_memory, key)?;
    if let (Some(bytes), Some(text)) = (buffer_memory.filter(|bytes| *bytes < LEAST_MEMORY), &table.buffer_memory) {
        let message = format!("{:?} is {bytes} bytes; at least 96MiB are needed", text.get_ref());
        return Err(source.error(text.span().start, key, message));
    }
    let count = |number: &Number, key: &str| match number {
        Some(number) if *number.get_ref() == 0 => Err(source.error(number.span().start, key, "0 admits no initiator")),
        number => Ok(number.as_ref().map(|number| usize::from(*number.get_ref()))),
    };
    let key = "iscsi.max_connections_per_address";
    let max_connections_per_address = count(&table.max_connections_per_address, key)?;
    let key = "iscsi.max_unauthenticated_per_address";
    let max_unauthenticated_per_address = count(&table.max_unauthenticated_per_address, key)?;
    Ok(IscsiLimits { networks, buffer_memory, max_connections_per_address, max_unauthenticated_per_address })
}

pub(super) fn iscsi(source: &Source<'_>, table: IscsiTable) -> Result<IscsiSetup, ConfigError> {
    let wrong = |text: &Spanned<String>, key: &str, message| source.error(text.span().start, key, message);
    if let Some(text) = &table.bind {
        check_bind(text.get_ref()).map_err(|error| wrong(text, "iscsi.bind", error.to_string()))?;
    }
    let advertise = |text: &Spanned<String>| {
        parse_advertise(text.get_ref()).map_err(|error| wrong(text, "iscsi.advertise", error.to_string()))
    };
    let advertise = table.advertise.as_ref().map(advertise).transpose()?.unwrap_or_default();
    let initiators = table.initiators.iter().flatten().map(|name| ("iscsi.initiators", name));
    for (key, name) in table.iqn.iter().map(|name| ("iscsi.iqn", name)).chain(initiators) {
        if !is_iscsi_name(name.get_ref()) {
            let message =
                format!("{:?} is not an iSCSI name such as \"iqn.2026-01.com.example:library\"", name.get_ref());
            return Err(wrong(name, key, message));
        }
    }
    let limits = limits(source, &table)?;
    let bind = table.bind.map_or_else(|| "127.0.0.1:3260".into(), Spanned::into_inner);
    let (users, mutual) = users(source, table.user, table.mutual)?;
    let initiators = table.initiators.map(|names| names.into_iter().map(Spanned::into_inner).collect());
    Ok(IscsiSetup { bind, iqn: table.iqn.map(Spanned::into_inner), advertise, initiators, users, mutual, limits })
}
