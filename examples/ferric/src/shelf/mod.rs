//! `ferric shelf`: one file per command.

mod archive;
mod catalog;
mod check;
mod copy;
mod cost;
mod destroy;
mod gc;
mod list;
mod recall;
mod rewrap;
pub(crate) mod status;
mod thaw;
mod verify;

use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use crate::output::Output;
use clap::Subcommand;
use command_line::shelf::{open_shelf, read_keys};
pub(crate) use copy::run as copy;
use shelf::{CommitError, Manifest, OwnedCartridge, Shelf, ShelfError, TakeError, TransferError};
use std::time::{Duration, UNIX_EPOCH};
use tape_store::cartridge::Barcode;
use tokio::runtime::Runtime;
use vtl::clock::Clock;

/// A command for the cartridges on a shelf in an object store.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the shelves of a daemon: the unshelved bytes, and whether their stores respond
    #[command(after_help = "Examples:\n  ferric shelf status\n  ferric shelf status --json")]
    Status,
    /// Copy cartridges from their directories to a shelf, and replace their former state there
    #[command(after_help = "Examples:\n  ferric shelf archive --shelf file://$PWD/shelf ./tapes/V00001L8")]
    Archive(archive::Arguments),
    /// Copy cartridges from a shelf into a directory of cartridges
    #[command(after_help = "Examples:\n  ferric shelf recall --shelf file://$PWD/shelf V00001L8 --to ./recalled")]
    Recall(recall::Arguments),
    /// List the cartridges on a shelf, with their sizes and their users
    #[command(after_help = "Examples:\n  ferric shelf list --shelf file://$PWD/shelf")]
    List(list::Arguments),
    /// List the barcodes in the catalog of a shelf, which needs few requests for very many cartridges, or rebuild the catalog
    #[command(after_help = "Examples:\n  ferric shelf catalog --shelf file://$PWD/shelf --rebuild")]
    Catalog(catalog::Arguments),
    /// Read cartridges on a shelf, and compare every byte with the checksums
    #[command(
        after_help = "Examples:\n  ferric shelf verify --shelf file://$PWD/shelf V00001L8\n  ferric shelf verify --shelf file://$PWD/shelf V00001L8 --sample 5"
    )]
    Verify(verify::Arguments),
    /// Check whether several daemons can share a store: whether it creates an object once only
    #[command(after_help = "Examples:\n  ferric shelf check --shelf file://$PWD/shelf")]
    Check(check::Arguments),
    /// Remove segments that no state of the last 24 hours names
    #[command(after_help = "Examples:\n  ferric shelf gc --shelf file://$PWD/shelf --dry-run")]
    Gc(gc::Arguments),
    /// Let the store thaw the segments of cartridges that its lifecycle rules have moved to a class for archives
    #[command(after_help = "Examples:\n  ferric shelf thaw --shelf file://$PWD/shelf V00001L8 --days 3")]
    Thaw(thaw::Arguments),
    /// Count the objects of a shelf, and compute what its storage and its requests cost
    #[command(after_help = "Examples:\n  ferric shelf cost --shelf file://$PWD/shelf --storage-price 0.023")]
    Cost(cost::Arguments),
    /// Wrap the data keys of cartridges with a new key of the shelf
    #[command(
        after_help = "Examples:\n  ferric shelf rewrap --shelf file://$PWD/shelf --key file:b --former-key file:a"
    )]
    Rewrap(rewrap::Arguments),
    /// Destroy the data keys of cartridges: their encrypted data can no longer be read
    #[command(after_help = "Examples:\n  ferric shelf destroy --shelf file://$PWD/shelf V00001L8 --yes")]
    Destroy(destroy::Arguments),
}

pub(crate) fn run(options: &Options, command: Command) -> Result<(), CliError> {
    let output = options.output;
    match command {
        Command::Status => status::run(options),
        Command::Archive(arguments) => archive::run(output, &arguments),
        Command::Recall(arguments) => recall::run(output, &arguments),
        Command::List(arguments) => list::run(output, &arguments),
        Command::Catalog(arguments) => catalog::run(output, &arguments),
        Command::Verify(arguments) => verify::run(output, &arguments),
        Command::Check(arguments) => check::run(output, &arguments),
        Command::Gc(arguments) => gc::run(output, &arguments),
        Command::Thaw(arguments) => thaw::run(output, &arguments),
        Command::Cost(arguments) => cost::run(output, &arguments),
        Command::Rewrap(arguments) => rewrap::run(output, &arguments),
        Command::Destroy(arguments) => destroy::run(output, &arguments),
    }
}

/// The shelf of a command.
#[derive(clap::Args)]
struct Address {
    /// URL of the shelf: s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or file:///DIRECTORY. Credentials are taken
    /// from the environment, such as `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and `AWS_ENDPOINT`
    #[arg(long = "shelf", value_name = "URL")]
    url: String,
}

/// The keys of an encrypted shelf.
#[derive(clap::Args)]
struct Keys {
    /// Key of the shelf, 64 hexadecimal digits: file:PATH, variable:NAME or "command:PROGRAM ARGUMENT..."
    #[arg(long, value_name = "PLACE")]
    key: Option<String>,
    /// A key of before, with which cartridges can be read; may be given several times
    #[arg(long = "former-key", value_name = "PLACE", requires = "key")]
    former_keys: Vec<String>,
}

/// The results for several cartridges.
struct Outcomes<T> {
    /// The barcode of each cartridge with its result, or with the reason why it was skipped.
    done: Vec<(String, Result<T, String>)>,
    /// The error for the cartridge after them.
    failure: Option<CliError>,
}

/// The end of a command for several cartridges, after its report: the error that ended it, or the error that cartridges in use were
/// skipped, which begins with `consequence`.
fn end<'a>(
    failure: Option<CliError>,
    skipped: impl Iterator<Item = &'a str>,
    consequence: &str,
) -> Result<(), CliError> {
    let skipped: Vec<&str> = skipped.collect();
    match failure {
        Some(failure) => Err(failure),
        None if skipped.is_empty() => Ok(()),
        None => Err(CliError::new(ErrorCode::Busy, format!("{consequence}: {}", skipped.join(", ")))),
    }
}

/// The words for an object whose deletion the store denies.
fn denied_deletion(object: &str, reason: &str) -> String {
    format!("{object}: the store denies the deletion: {reason}")
}

/// An open shelf, and the threads of its requests.
pub(crate) struct OpenShelf {
    pub(crate) shelf: Shelf,
    pub(crate) runtime: Runtime,
}

impl OpenShelf {
    pub(crate) fn open(url: &str) -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| CliError::system(&error, format!("starting threads: {error}")))?;
        let shelf = {
            let _runtime = runtime.enter();
            open_shelf(url, "ferric shelf", vtl::entropy::fill).map_err(shelf_error)?
        };
        Ok(Self { shelf, runtime })
    }

    /// The same shelf, with the keys of a command.
    fn with_keys(self, keys: &Keys) -> Result<Self, CliError> {
        let Some(key) = &keys.key else { return Ok(self) };
        let ring = read_keys(key, &keys.former_keys).map_err(|error| CliError::invalid(error.to_string()))?;
        Ok(Self { shelf: self.shelf.with_keys(ring), ..self })
    }

    /// The same shelf. If its store has Object Lock, it locks the objects of retained cartridges, and of cartridges under a legal hold.
    fn with_object_lock(self) -> Result<Self, CliError> {
        match self.runtime.block_on(self.shelf.check_object_lock()) {
            Ok(()) => Ok(Self { shelf: self.shelf.with_object_lock(), ..self }),
            Err(ShelfError::NoObjectLock { .. }) => Ok(self),
            Err(error) => Err(shelf_error(error)),
        }
    }

    /// Warns if a cartridge is retained or under a legal hold, and the store does not enforce that.
    fn warn_without_lock(&self, output: Output, barcode: &Barcode) -> Result<(), CliError> {
        let protection = self.newest(barcode)?.protection;
        let now = UNIX_EPOCH + Duration::from_secs(Clock::real().now().wall.seconds());
        let reason = protection.reason(now).filter(|_| !protection.in_store);
        if let (Some(reason), Err(error)) = (reason, self.runtime.block_on(self.shelf.check_object_lock())) {
            output.warning(&format!("{barcode} {reason}, but its objects can be deleted: {error}"));
        }
        Ok(())
    }

    /// Takes a cartridge, calls `call` with it, and releases it.
    fn with_taken<T, E: Into<CommitError>>(
        &self,
        barcode: &str,
        call: impl AsyncFnOnce(&mut OwnedCartridge) -> Result<T, E>,
    ) -> Result<T, CliError> {
        self.runtime.block_on(async {
            let mut owned = self.shelf.take(barcode).await.map_err(take_error)?;
            let result = call(&mut owned).await.map_err(|error| commit_error(error.into()));
            // Also after an error, so that no other program waits for this one.
            let content = owned.content().clone();
            owned.release(content).await.map_err(commit_error)?;
            result
        })
    }

    /// Calls `call` with each cartridge, which is taken meanwhile. A cartridge in use is skipped, and so is one that `call` refuses
    /// because it is retained or under a legal hold; another error ends the calls.
    fn with_each_taken<T, E: Into<CommitError>>(
        &self,
        barcodes: Vec<String>,
        mut call: impl AsyncFnMut(&mut OwnedCartridge) -> Result<T, E>,
    ) -> Outcomes<T> {
        let mut outcomes = Outcomes { done: Vec::new(), failure: None };
        for barcode in barcodes {
            match self.with_taken(&barcode, async |owned| call(owned).await) {
                Ok(done) => outcomes.done.push((barcode, Ok(done))),
                Err(error) if matches!(error.code(), ErrorCode::Busy | ErrorCode::Locked) => {
                    outcomes.done.push((barcode, Err(error.to_string())));
                }
                Err(error) => {
                    outcomes.failure = Some(error);
                    break;
                }
            }
        }
        outcomes
    }

    /// The given barcodes; all of the shelf if none is given.
    fn barcodes(&self, given: &[Barcode]) -> Result<Vec<String>, CliError> {
        match given {
            [] => self.runtime.block_on(self.shelf.barcodes()).map_err(shelf_error),
            some => Ok(some.iter().map(Barcode::to_string).collect()),
        }
    }

    /// The newest state of a cartridge, which must be on the shelf.
    fn newest(&self, barcode: &Barcode) -> Result<Manifest, CliError> {
        let found = self.runtime.block_on(self.shelf.newest(barcode.as_str())).map_err(shelf_error)?;
        found.ok_or_else(|| CliError::not_found(format!("cartridge {barcode} is not on the shelf")))
    }

    /// The newest state of a cartridge that no daemon uses.
    fn released(&self, barcode: &Barcode) -> Result<Manifest, CliError> {
        let manifest = self.newest(barcode)?;
        // An interrupted program leaves the state of before, which is not released.
        if let Some(user) = self.runtime.block_on(self.shelf.user_of(&manifest)).map_err(shelf_error)? {
            return Err(CliError::new(ErrorCode::Busy, format!("cartridge {barcode} is in use by {user}")));
        }
        if manifest.content.files.is_empty() {
            return Err(CliError::conflict(format!("cartridge {barcode} has no files on the shelf: archive it again")));
        }
        Ok(manifest)
    }
}

pub(crate) fn shelf_error(error: ShelfError) -> CliError {
    let code = match &error {
        ShelfError::Prefix { .. } | ShelfError::Url { .. } => ErrorCode::Invalid,
        ShelfError::Malformed { .. } => ErrorCode::Damaged,
        ShelfError::Protected { .. } => ErrorCode::Locked,
        _ => ErrorCode::Unavailable,
    };
    CliError::new(code, error.to_string())
}

fn take_error(error: TakeError) -> CliError {
    match error {
        TakeError::Missing { .. } => CliError::not_found(error.to_string()),
        TakeError::InUse { .. } => CliError::new(ErrorCode::Busy, error.to_string()),
        TakeError::Shelf(error) => shelf_error(error),
        other => CliError::new(ErrorCode::Unavailable, other.to_string()),
    }
}

fn commit_error(error: CommitError) -> CliError {
    match error {
        CommitError::TakenOver { .. } => CliError::new(ErrorCode::Busy, error.to_string()),
        CommitError::Shelf(error) => shelf_error(error),
        other => CliError::new(ErrorCode::Unavailable, other.to_string()),
    }
}

fn transfer_error(barcode: &Barcode, error: TransferError) -> CliError {
    match error {
        TransferError::Shelf(error) => shelf_error(error),
        TransferError::File { ref source, .. } => CliError::system(source, format!("cartridge {barcode}: {error}")),
        other => CliError::new(ErrorCode::Unavailable, format!("cartridge {barcode}: {other}")),
    }
}
