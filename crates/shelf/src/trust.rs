//! The check whether a store creates an object once only, also when several clients create it at the same time.

use crate::error::ShelfError;
use crate::objects::{Creation, Objects};
use std::fmt;
use tokio::task::JoinSet;

/// Clients that create the same object at the same time.
pub const CLIENTS: usize = 16;
/// Objects that the clients create, one after the other.
pub const ROUNDS: usize = 3;

/// What a store did when several clients created the same object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// One client created each object: several daemons can share the store.
    Once,
    /// More than one client was told that it had created the same object: a second daemon would overwrite the data of the
    /// first.
    Several {
        /// The most clients that created the same object.
        winners: usize,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => f.write_str("the store creates an object once only"),
            Self::Several { winners } => write!(
                f,
                "{winners} of {CLIENTS} clients created the same object: daemons cannot share cartridges on this store"
            ),
        }
    }
}

/// Lets [`CLIENTS`] clients create the same object with different bytes, in [`ROUNDS`] rounds. `nonce` makes the names of the
/// objects unique; they are below `trust/` and are removed.
///
/// # Errors
/// [`ShelfError::Store`] if the store fails.
pub async fn check(objects: &Objects, nonce: &str) -> Result<Verdict, ShelfError> {
    let mut most = 0;
    for round in 0..ROUNDS {
        let key = format!("trust/{nonce}-{round}");
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (objects, key, body) = (objects.clone(), key.clone(), format!("{nonce} {round} {client}"));
            clients.spawn(async move { objects.create(&key, body.into()).await });
        }
        let created: Vec<_> = clients.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let winners = created.iter().filter(|creation| **creation == Creation::Created).count();
        most = most.max(winners);
        objects.remove(&key).await?;
    }
    Ok(if most == 1 { Verdict::Once } else { Verdict::Several { winners: most } })
}
