//! Errors of a shelf.

/// The error of an operation on a shelf.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// The prefix of a shelf is not a path of an object store.
    #[error("prefix {prefix:?}: {source}")]
    Prefix {
        /// The prefix in the configuration, unchanged.
        prefix: String,
        /// The reason.
        source: object_store::path::Error,
    },
    /// The URL of a shelf cannot be used.
    #[error("shelf {url:?}: {source}")]
    Url {
        /// The URL in the configuration, unchanged.
        url: String,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There are no random bytes for a nonce.
    #[error("random bytes: {0}")]
    Random(std::io::Error),
    /// The store failed, or refused a request, also when the request was repeated.
    #[error("{operation} {key}: {source}")]
    Store {
        /// The operation: `creating`, `reading` or another participle.
        operation: &'static str,
        /// The object.
        key: String,
        /// The error of the last attempt.
        source: object_store::Error,
    },
    /// The store denies a request for a reason that it names.
    #[error("{operation} {key}: the store denies it: {reason}")]
    Denied {
        /// The operation: `retaining`, `removing` or another participle.
        operation: &'static str,
        /// The object.
        key: String,
        /// The reason.
        reason: String,
    },
    /// An object must be thawed before it is read.
    #[error("reading {key}: it must be thawed first (ferric shelf thaw)")]
    Frozen {
        /// The object.
        key: String,
    },
    /// The cartridge is retained or under a legal hold, and the request would remove some of its objects.
    #[error("cartridge {barcode} {reason}")]
    Protected {
        /// The barcode.
        barcode: String,
        /// The reason, in words: `is under a legal hold`, or `is retained until` a time.
        reason: String,
    },
    /// The store cannot lock objects.
    #[error("the store cannot lock objects: {problem}")]
    NoObjectLock {
        /// The reason, in words.
        problem: String,
    },
    /// The store has no storage classes of the S3 protocol.
    #[error("the store has no storage class {class}: it has no S3 protocol")]
    NoStorageClass {
        /// The class.
        class: &'static str,
    },
    /// The segments of a cartridge cannot be encrypted or decrypted.
    #[error("cartridge {barcode}: {problem}")]
    Key {
        /// The barcode.
        barcode: String,
        /// The reason, in words.
        problem: String,
    },
    /// A request ended without a result: the process ends, or a defect.
    #[error("a request to the store ended: {0}")]
    Interrupted(String),
    /// Another daemon has taken over what this one wants to continue.
    #[error("{place} was taken over by another daemon")]
    Superseded {
        /// The objects that both daemons write.
        place: String,
    },
    /// The store does not return an object that exists, also when it was read several times.
    #[error("{key} exists, but the store does not return it")]
    Hidden {
        /// The object.
        key: String,
    },
    /// An object of the shelf has another content than its name requires.
    #[error("{key} is damaged: {problem}")]
    Malformed {
        /// The object.
        key: String,
        /// The fault in its content, in words.
        problem: String,
    },
}

impl ShelfError {
    pub(crate) fn malformed(key: impl ToString, problem: impl ToString) -> Self {
        Self::Malformed { key: key.to_string(), problem: problem.to_string() }
    }
}
