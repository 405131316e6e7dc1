//! `ferric shelf status`: the shelves of a daemon.

use crate::cli_error::CliError;
use crate::options::Options;
use crate::output::{format_count, format_size, print_line};
use crate::site::client::Client;
use vtl::control::{ControlRequest, ThawStatus};
use vtl::shelf_status::{ReplicaStatus, ShelfStatus, UnshelvedCartridge};

pub(super) fn run(options: &Options) -> Result<(), CliError> {
    let shelves: Vec<ShelfStatus> = Client::connect(options)?.request_as(&ControlRequest::ShelfList)?;
    options.output.show(shelves.as_slice(), |shelves| {
        if shelves.is_empty() {
            return print_line("the configuration has no shelf on object storage ([[shelf]])");
        }
        shelves.iter().try_for_each(print)
    })
}

fn print(shelf: &ShelfStatus) -> Result<(), CliError> {
    print_line(format!("{}  {}", shelf.shelf, shelf.url))?;
    let mut kind = vec![format!("durability {}", shelf.durability)];
    kind.push(format_count(shelf.cartridges, "cartridge"));
    kind.extend(shelf.new_cartridges.then(|| "new cartridges are created here".into()));
    kind.extend(shelf.encrypted.then(|| "encrypted".into()));
    kind.extend(shelf.object_lock.then(|| "Object Lock".into()));
    print_line(format!("  {}", kind.join(", ")))?;
    let (cached, cache) = (format_size(shelf.cached_bytes), format_size(shelf.cache_bytes));
    print_line(format!("  {cached} of {cache} cached"))?;
    for cartridge in &shelf.unshelved {
        print_line(unshelved_text(cartridge))?;
    }
    for (cartridge, ThawStatus { ready, objects }) in &shelf.thawing {
        print_line(format!("  {cartridge:<10}  a read waits: being thawed, {ready} of {objects} objects"))?;
    }
    for replica in shelf.replica.iter().chain(&shelf.pool_replicas) {
        print_line(format!("  replica {}", replica_text(replica)))?;
        for (cartridge, reason) in &replica.failed {
            print_line(format!("  {cartridge:<10}  not copied to the replica: {reason}"))?;
        }
    }
    shelf.error.iter().try_for_each(|error| print_line(format!("  the store does not respond: {error}")))
}

/// A cartridge that is not on its shelf yet, and the reason.
fn unshelved_text(cartridge: &UnshelvedCartridge) -> String {
    let reason = cartridge.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    format!("  {:<10}  {} not shelved yet{reason}", cartridge.cartridge, format_size(cartridge.bytes))
}

/// The replica of a shelf, and how far it is behind.
fn replica_text(replica: &ReplicaStatus) -> String {
    if replica.cartridges == 0 {
        return format!("{}, up to date", replica.shelf);
    }
    let (cartridges, bytes) = (format_count(replica.cartridges, "cartridge"), format_size(replica.bytes));
    let seconds = format_count(replica.seconds, "second");
    format!("{}, behind by {cartridges} with {bytes}, for {seconds}", replica.shelf)
}

/// A shelf as one line of the status of a site.
pub(crate) fn line(shelf: &ShelfStatus) -> String {
    let mut words = vec![shelf.url.clone(), format_count(shelf.cartridges, "cartridge")];
    if shelf.unshelved_bytes > 0 {
        words.push(format!("{} not shelved yet", format_size(shelf.unshelved_bytes)));
    }
    words.extend(
        shelf.replica.iter().chain(&shelf.pool_replicas).map(|replica| format!("replica {}", replica_text(replica))),
    );
    words.extend(shelf.error.as_ref().map(|error| format!("the store does not respond: {error}")));
    format!("object shelf {}: {}", shelf.shelf, words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_shelf_is_a_line() {
        let mut shelf = ShelfStatus {
            shelf: "archive".into(),
            url: "s3://tapes/archive".into(),
            durability: "local".into(),
            new_cartridges: true,
            encrypted: false,
            object_lock: false,
            cartridges: 1,
            unshelved_bytes: 0,
            unshelved: Vec::new(),
            thawing: BTreeMap::new(),
            cached_bytes: 0,
            cache_bytes: 50_000_000_000,
            error: None,
            replica: None,
            pool_replicas: Vec::new(),
        };
        assert_eq!(line(&shelf), "object shelf archive: s3://tapes/archive, 1 cartridge");
        let mut cartridge = UnshelvedCartridge { cartridge: "V00001L8".into(), bytes: 1_200_000, error: None };
        assert_eq!(unshelved_text(&cartridge), "  V00001L8    1.2 MB not shelved yet");
        cartridge.error = Some("the store denies it".into());
        assert_eq!(unshelved_text(&cartridge), "  V00001L8    1.2 MB not shelved yet: the store denies it");
        shelf.unshelved = vec![cartridge];
        (shelf.unshelved_bytes, shelf.error) = (1_200_000, Some("connection refused".into()));
        let text = "object shelf archive: s3://tapes/archive, 1 cartridge, 1.2 MB not shelved yet, the store does not respond: \
            connection refused";
        assert_eq!(line(&shelf), text);
        let mut replica =
            ReplicaStatus { shelf: "far".into(), cartridges: 0, bytes: 0, seconds: 0, failed: BTreeMap::new() };
        assert_eq!(replica_text(&replica), "far, up to date");
        (replica.cartridges, replica.bytes, replica.seconds) = (2, 3_000_000, 1);
        assert_eq!(replica_text(&replica), "far, behind by 2 cartridges with 3 MB, for 1 second");
    }
}
