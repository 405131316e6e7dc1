//! What the owner of a target decides.

use std::fmt;

/// A secret that never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One side's name and secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// CHAP_N.
    pub name: String,
    /// What both know.
    pub secret: Secret,
}

/// Bounds on what one connection may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Our MaxRecvDataSegmentLength.
    pub max_recv_segment: u32,
    /// MaxBurstLength that we offer.
    pub max_burst: u32,
    /// FirstBurstLength that we offer.
    pub first_burst: u32,
    /// Commands in flight.
    pub window: u32,
    /// Immediate commands in flight beyond the window.
    pub immediate: u32,
    /// Bytes of data-out that a connection buffers.
    pub buffered: usize,
    /// The longest transfer of one command.
    pub transfer: usize,
    /// Microseconds for a login.
    pub login_us: u64,
    /// Microseconds of silence after which a connection is asked whether it lives; as long again, and it is dropped.
    pub idle_us: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_recv_segment: 1 << 20,
            max_burst: 16_776_192,
            first_burst: 1 << 20,
            window: 32,
            immediate: 8,
            buffered: 32 << 20,
            transfer: 16 << 20,
            login_us: 30_000_000,
            idle_us: 30_000_000,
        }
    }
}

/// The TargetAddress that SendTargets gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Advertise {
    /// The local address of the connection, unless an address translator may be in between and the initiator is known to
    /// keep the address of its discovery session: such an initiator is given none.
    #[default]
    Connection,
    /// Always this `address:port`.
    Portal(String),
    /// None: the initiator uses the address of its discovery session (RFC 7143, appendix C).
    Nothing,
}

/// The targets behind a portal.
#[derive(Clone, Debug)]
pub struct TargetConfig {
    /// Their iSCSI names.
    pub names: Vec<String>,
    /// TargetAlias.
    pub alias: String,
    /// Who may log in; everyone without credentials if empty.
    pub users: Vec<Credentials>,
    /// How the target proves itself to an initiator that asks.
    pub mutual: Option<Credentials>,
    /// Names of the initiators that may log in: all of them if `None`, none of them if the list is empty.
    pub initiators: Option<Vec<String>>,
    /// The address that SendTargets gives.
    pub advertise: Advertise,
    /// Bounds.
    pub limits: Limits,
}

/// The portal group of every portal.
pub const PORTAL_GROUP: u16 = 1;

impl TargetConfig {
    /// One target that is open to everyone.
    #[must_use]
    pub fn new(name: impl Into<String>, alias: impl Into<String>) -> Self {
        Self {
            names: vec![name.into()],
            alias: alias.into(),
            users: Vec::new(),
            mutual: None,
            initiators: None,
            advertise: Advertise::default(),
            limits: Limits::default(),
        }
    }

    /// Whether an initiator may see and use the target.
    #[must_use]
    pub fn allows(&self, initiator: &str) -> bool {
        self.initiators.as_ref().is_none_or(|names| names.iter().any(|name| name == initiator))
    }
}
