//! `[[shelf]]`, and the key of `[storage]` that names one.

use super::source::Source;
use super::values::{identifier, required, size};
use crate::config::tables::{ShelfTable, Tables, Text};
use crate::config::{ConfigError, PoolReplica, ShelfClass, ShelfDurability, ShelfSetup, ShelfThawTier, ShelfUnload};
use toml::Spanned;

/// Size of the local files in bytes, if the configuration has none.
pub(in crate::config) const CACHE: u64 = 10_000_000_000;
/// Days for which thawed segments can be read, if the configuration has none.
pub(in crate::config) const THAW_DAYS: u16 = 7;
/// Smallest size of the local files in bytes.
const MIN_CACHE: u64 = 1_000_000_000;

/// Schemes of URLs with a host, and without one.
const REMOTE_SCHEMES: [&str; 9] = ["s3", "gs", "az", "s3a", "adl", "azure", "abfs", "abfss", "https"];
/// Schemes of stores that may have the S3 protocol.
const S3_SCHEMES: [&str; 3] = ["s3", "s3a", "https"];
const LOCAL_SCHEME: &str = "file";

/// The shelves, in order of the file.
pub(super) fn shelves(source: &Source<'_>, tables: Tables<ShelfTable>) -> Result<Vec<ShelfSetup>, ConfigError> {
    let mut shelves: Vec<ShelfSetup> = Vec::new();
    let mut replicas: Vec<(String, usize)> = Vec::new();
    for table in tables {
        let at = table.span().start;
        let setup = shelf(source, table.get_ref(), at)?;
        let at = |text: &Text| text.as_ref().map_or(at, |text| text.span().start);
        if shelves.iter().any(|other| other.name == setup.name) {
            let message = format!("there are two shelves {:?}", setup.name);
            return Err(source.error(at(&table.get_ref().name), "shelf.name", message));
        }
        let same = |url: &str| url.trim_end_matches('/') == setup.url.trim_end_matches('/');
        if let Some(other) = shelves.iter().find(|other| same(&other.url)) {
            let message = format!("{:?} is the URL of shelf {:?}, too", setup.url, other.name);
            return Err(source.error(at(&table.get_ref().url), "shelf.url", message));
        }
        // A cartridge is searched on the shelves in the order of the file, and a replica may be behind.
        if let Some((_, at)) = replicas.iter().find(|(name, _)| setup.replica.as_ref() == Some(name)) {
            let message = format!("{:?} is the replica of two shelves", setup.replica.unwrap_or_default());
            return Err(source.error(*at, "shelf.replica", message));
        }
        replicas.extend(setup.replica.iter().map(|name| (name.clone(), at(&table.get_ref().replica))));
        shelves.push(setup);
    }
    for (number, shelf) in shelves.iter().enumerate() {
        let Some((name, at)) = shelf.replica.as_ref().and_then(|name| replicas.iter().find(|(other, _)| name == other))
        else {
            continue;
        };
        let error = |message| Err(source.error(*at, "shelf.replica", message));
        match shelves.iter().skip(number + 1).find(|other| other.name == *name) {
            Some(replica) if replica.replica.is_some() => {
                return error(format!("{name:?} has a replica itself; a replica has none"));
            }
            Some(_) => {}
            None => return error(format!("there is no shelf {name:?} after shelf {:?} in the file", shelf.name)),
        }
    }
    Ok(shelves)
}

fn shelf(source: &Source<'_>, table: &ShelfTable, at: usize) -> Result<ShelfSetup, ConfigError> {
    let name = identifier(source, required(source, &table.name, "shelf.name", at)?, "shelf.name")?;
    let text = required(source, &table.url, "shelf.url", at)?;
    let url = text.get_ref().clone();
    check_url(&url).map_err(|message| source.error(text.span().start, "shelf.url", message))?;
    let cache = size(source, &table.cache, "shelf.cache")?.unwrap_or(CACHE);
    if let Some(text) = table.cache.as_ref().filter(|_| cache < MIN_CACHE) {
        let message = format!("{:?} is too small; expected at least 1GB", text.get_ref());
        return Err(source.error(text.span().start, "shelf.cache", message));
    }
    let durability = durability(source, &table.durability)?;
    let unload = unload(source, &table.unload)?;
    let encrypt = table.encrypt.as_ref().map(|text| key(source, text, "shelf.encrypt")).transpose()?;
    let former_keys = table.former_keys.iter().map(|text| key(source, text, "shelf.former_keys"));
    let former_keys = former_keys.collect::<Result<Vec<_>, _>>()?;
    if let (None, Some(former)) = (&encrypt, table.former_keys.first()) {
        let message = String::from("needs the key encrypt, which wraps new data keys");
        return Err(source.error(former.span().start, "shelf.former_keys", message));
    }
    let object_lock = object_lock(source, table.object_lock.as_ref(), &url)?;
    let class = class(source, table.class.as_ref(), &url)?;
    let thaw_tier = thaw_tier(source, table.thaw_tier.as_ref(), class)?;
    let thaw_days = thaw_days(source, table.thaw_days.as_ref())?;
    if let (Some(class), Some(replica)) = (class.filter(|class| class.must_be_thawed()), &table.replica) {
        return Err(source.error(replica.span().start, "shelf.replica", frozen_source(&name, class)));
    }
    let replica = table.replica.as_ref().map(|text| text.get_ref().clone());
    let place = (source.file.into(), source.line(at));
    Ok(ShelfSetup {
        name,
        url,
        durability,
        unload,
        cache,
        encrypt,
        former_keys,
        object_lock,
        class,
        thaw_tier,
        thaw_days,
        replica,
        place,
    })
}

/// The place of a key. No message quotes a text of another form, which may be the key itself.
fn key(source: &Source<'_>, text: &Spanned<String>, key: &str) -> Result<String, ConfigError> {
    let is_place = |text: &str| {
        text.split_once(':')
            .is_some_and(|(kind, rest)| ["file", "variable", "command"].contains(&kind) && !rest.is_empty())
    };
    if is_place(text.get_ref()) {
        return Ok(text.get_ref().clone());
    }
    let message = "is not the place of a key; expected file:PATH, variable:NAME or command:PROGRAM ARGUMENT...";
    Err(source.error(text.span().start, key, message.to_owned()))
}

/// Whether a URL may be that of a store with the S3 protocol.
fn may_be_s3(url: &str) -> bool {
    S3_SCHEMES.contains(&url.split_once("://").map_or("", |(scheme, _)| scheme))
}

/// The storage class of new segments, which only stores with the S3 protocol have.
fn class(source: &Source<'_>, text: Option<&Spanned<String>>, url: &str) -> Result<Option<ShelfClass>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    let error = |message| Err(source.error(text.span().start, "shelf.class", message));
    let Some(class) = ShelfClass::ALL.into_iter().find(|known| known.name() == text.get_ref()) else {
        let known = ShelfClass::ALL.map(ShelfClass::name).join(", ");
        return error(format!("{:?} is not a storage class; expected one of {known}", text.get_ref()));
    };
    if may_be_s3(url) {
        return Ok(Some(class));
    }
    error(format!("the store of {url:?} has no storage classes of the S3 protocol; expected s3://BUCKET/PREFIX"))
}

/// The reason why a shelf has no replica: the copies would have to read segments that must be thawed.
fn frozen_source(shelf: &str, class: ShelfClass) -> String {
    let class = class.name();
    format!(
        "shelf {shelf:?} cannot have a replica: its segments of the class {class} must be thawed before they are copied"
    )
}

/// The speed of a thawing, which the class must have.
fn thaw_tier(
    source: &Source<'_>,
    text: Option<&Spanned<String>>,
    class: Option<ShelfClass>,
) -> Result<ShelfThawTier, ConfigError> {
    let Some(text) = text else { return Ok(ShelfThawTier::Standard) };
    let error = |message| Err(source.error(text.span().start, "shelf.thaw_tier", message));
    match ShelfThawTier::ALL.into_iter().find(|known| known.name() == text.get_ref()) {
        None => {
            let message = format!("{:?} is invalid; expected \"bulk\", \"standard\" or \"expedited\"", text.get_ref());
            error(message)
        }
        Some(ShelfThawTier::Expedited) if class == Some(ShelfClass::DeepArchive) => {
            error("the class DEEP_ARCHIVE has no \"expedited\"; expected \"bulk\" or \"standard\"".into())
        }
        Some(tier) => Ok(tier),
    }
}

fn thaw_days(source: &Source<'_>, days: Option<&Spanned<u16>>) -> Result<u16, ConfigError> {
    match days {
        None => Ok(THAW_DAYS),
        Some(days) if (1..=365).contains(days.get_ref()) => Ok(*days.get_ref()),
        Some(days) => {
            let message = format!("{} is out of range; expected 1 to 365", days.get_ref());
            Err(source.error(days.span().start, "shelf.thaw_days", message))
        }
    }
}

/// Whether the store locks objects, which only stores with the S3 protocol do.
fn object_lock(source: &Source<'_>, flag: Option<&Spanned<bool>>, url: &str) -> Result<bool, ConfigError> {
    let Some(flag) = flag.filter(|flag| *flag.get_ref()) else { return Ok(false) };
    if may_be_s3(url) {
        return Ok(true);
    }
    let message = format!("the store of {url:?} has no Object Lock of the S3 protocol; expected s3://BUCKET/PREFIX");
    Err(source.error(flag.span().start, "shelf.object_lock", message))
}

fn durability(source: &Source<'_>, text: &Text) -> Result<ShelfDurability, ConfigError> {
    let Some(text) = text else { return Ok(ShelfDurability::Remote) };
    let known = [ShelfDurability::Local, ShelfDurability::Remote];
    known.into_iter().find(|known| known.name() == text.get_ref()).ok_or_else(|| {
        let message = format!("{:?} is invalid; expected \"local\" or \"remote\"", text.get_ref());
        source.error(text.span().start, "shelf.durability", message)
    })
}

fn unload(source: &Source<'_>, text: &Text) -> Result<ShelfUnload, ConfigError> {
    let Some(text) = text else { return Ok(ShelfUnload::Wait) };
    let known = [ShelfUnload::Wait, ShelfUnload::Later];
    known.into_iter().find(|known| known.name() == text.get_ref()).ok_or_else(|| {
        let message = format!("{:?} is invalid; expected \"wait\" or \"later\"", text.get_ref());
        source.error(text.span().start, "shelf.unload", message)
    })
}

/// Checks the form of a URL, without a request to the store. No message quotes what may be a secret.
pub(in crate::config) fn check_url(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = host.rsplit_once('@').unwrap_or(("", host));
    // In URLs of Azure, the container is before the host.
    let is_container = scheme.starts_with("abfs") && !user.contains(':');
    if (!user.is_empty() && !is_container) || rest.contains(['?', '#']) {
        return Err(
            "the URL of a shelf has no user name, password or query: give credentials in the environment, such as \
                    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                .into(),
        );
    }
    if url.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Err(format!("{url:?} has white space; write %20 for a blank"));
    }
    match scheme {
        LOCAL_SCHEME if host.is_empty() && path.starts_with('/') => Ok(()),
        LOCAL_SCHEME => Err(format!("{url:?} is not file:///DIRECTORY, with a complete path")),
        _ if REMOTE_SCHEMES.contains(&scheme) && !host.is_empty() => Ok(()),
        _ => Err(format!(
            "{url:?} is not the URL of a shelf; expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or \
             file:///DIRECTORY"
        )),
    }
}

/// The shelf for new cartridges.
pub(super) fn new_cartridges(
    source: &Source<'_>,
    name: Option<Spanned<String>>,
    shelves: &[ShelfSetup],
) -> Result<Option<String>, ConfigError> {
    let Some(name) = name else { return Ok(None) };
    if let Some(shelf) = shelves.iter().find(|shelf| shelf.replica.as_ref() == Some(name.get_ref())) {
        let message =
            format!("{:?} is the replica of shelf {:?}; create new cartridges on that one", name.get_ref(), shelf.name);
        return Err(source.error(name.span().start, "storage.new_cartridges", message));
    }
    if shelves.iter().any(|shelf| shelf.name == *name.get_ref()) {
        return Ok(Some(name.into_inner()));
    }
    let all: Vec<String> = shelves.iter().map(|shelf| format!("{:?}", shelf.name)).collect();
    let known =
        if all.is_empty() { "it has no [[shelf]]".into() } else { format!("its shelves are {}", all.join(", ")) };
    let message = format!("the file has no shelf {:?}; {known}", name.get_ref());
    Err(source.error(name.span().start, "storage.new_cartridges", message))
}

/// The replica of a pool, whose cartridges are on the shelf for new cartridges, or on the first shelf.
pub(super) fn pool_replica(
    source: &Source<'_>,
    replica: &Spanned<String>,
    shelves: &[ShelfSetup],
    new_cartridges: Option<&str>,
) -> Result<PoolReplica, ConfigError> {
    let (replica, at) = (replica.get_ref(), replica.span().start);
    let error = |message| Err(source.error(at, "pool.replica", message));
    let shelf = shelves.iter().position(|shelf| new_cartridges.is_none_or(|name| name == shelf.name));
    let Some((number, first)) = shelf.and_then(|number| Some((number, shelves.get(number)?))) else {
        return error("a pool with a replica needs a [[shelf]], and the file has none".into());
    };
    if let Some(class) = first.class.filter(|class| class.must_be_thawed()) {
        return error(frozen_source(&first.name, class));
    }
    let is_of_other = |shelf: &&ShelfSetup| shelf.name != first.name && shelf.replica.as_ref() == Some(replica);
    let message = match shelves.iter().skip(number + 1).find(|shelf| shelf.name == *replica) {
        None => format!("there is no shelf {replica:?} after shelf {:?} in the file", first.name),
        Some(shelf) if shelf.replica.is_some() => format!("{replica:?} has a replica itself; a replica has none"),
        Some(_) => match shelves.iter().find(is_of_other) {
            Some(other) => format!("{replica:?} is the replica of shelf {:?}", other.name),
            None => return Ok(PoolReplica { shelf: first.name.clone(), replica: replica.clone() }),
        },
    };
    error(message)
}
