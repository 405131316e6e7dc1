//! The check whether a store creates an object once only, also when several clients create it at the same time.

use crate::error::ShelfError;
use crate::objects::{Creation, Objects};
use std::fmt;
use tokio::task::JoinSet;

/// Clients that create the same object at the same time.
pub const CLIENTS: usize = 16;
/// Objects that the clients create, one after the other.
pub const ROUNDS: usize = 3;

/// The behaviour of a store when several clients create the same object.
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

/// The verdict of a shelf: that of the first check, which is stored as an object of the shelf. `nonce` is for [`check`].
///
/// # Errors
/// [`ShelfError::Store`] if the store fails.
pub async fn first_check(objects: &Objects, nonce: &str) -> Result<Verdict, ShelfError> {
    const KEY: &str = "trust/verdict";
    const SHAREABLE: &str = "created once";
    if objects.get(KEY).await?.is_some_and(|verdict| verdict == SHAREABLE) {
        return Ok(Verdict::Once);
    }
    let verdict = check(objects, nonce).await?;
    if verdict == Verdict::Once {
        objects.replace(KEY, SHAREABLE.into()).await?;
    }
    Ok(verdict)
}

/// Lets [`CLIENTS`] clients create the same object with different bytes, in [`ROUNDS`] rounds. `nonce` makes the names of the
/// objects unique; they are below `trust/` and are removed.
///
/// # Errors
/// [`ShelfError::Store`] if the store fails.
pub async fn check(objects: &Objects, nonce: &str) -> Result<Verdict, ShelfError> {
    for round in 0..ROUNDS {
        let key = format!("trust/{nonce}-{round}");
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (objects, key, body) = (objects.clone(), key.clone(), format!("{nonce} {round} {client}"));
            clients
                .spawn(async move { objects.create(&key, body.clone().into()).await.map(|creation| (body, creation)) });
        }
        let created: Vec<_> = clients.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let winners: Vec<_> = created.iter().filter(|(_, creation)| *creation == Creation::Created).collect();
        let stored = objects.get_existing(&key).await?;
        objects.remove(&key).await?;
        // The store must have kept what it accepted, and told the others the same.
        let kept = winners.iter().all(|(body, _)| stored == body.as_bytes());
        if winners.len() != 1 || !kept {
            return Ok(Verdict::Several { winners: winners.len().max(2) });
        }
    }
    Ok(Verdict::Once)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RetryPolicy;
    use crate::test_store::pass_other_requests;
    use async_trait::async_trait;
    use object_store::memory::InMemory;
    use object_store::path::Path;
    use object_store::{GetOptions, GetResult, ObjectStore, PutMode, PutOptions, PutPayload, PutResult, Result};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A store that honours the condition only when this many requests have been accepted for one object, as a store does that
    /// looks first and writes later.
    #[derive(Debug)]
    struct LateStore {
        inner: InMemory,
        late: usize,
        requests: AtomicUsize,
    }

    impl fmt::Display for LateStore {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("late")
        }
    }

    #[async_trait]
    impl ObjectStore for LateStore {
        async fn put_opts(&self, path: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
            if self.requests.fetch_add(1, Ordering::Relaxed) % CLIENTS < self.late {
                options.mode = PutMode::Overwrite;
            }
            self.inner.put_opts(path, payload, options).await
        }

        async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
            self.inner.get_opts(path, options).await
        }

        pass_other_requests!(inner);
    }

    #[tokio::test]
    async fn a_store_with_several_winners_is_found() {
        for (late, verdict) in [
            (0, Verdict::Once),
            (1, Verdict::Once),
            (3, Verdict::Several { winners: 3 }),
            (16, Verdict::Several { winners: 16 }),
        ] {
            let store = LateStore { inner: InMemory::new(), late, requests: AtomicUsize::new(0) };
            let objects = Objects::new(Arc::new(store), "", RetryPolicy::default()).unwrap();
            assert_eq!(check(&objects, "n").await.unwrap(), verdict);
            assert!(objects.get("trust/n-0").await.unwrap().is_none());
        }
    }
}
