//! What the owner of a target decides.

use crate::name::normalised;
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
pub struct ConnectionLimits {
    /// Our MaxRecvDataSegmentLength.
    pub max_recv_segment: u32,
    /// MaxBurstLength that we offer.
    pub max_burst: u32,
    /// FirstBurstLength that we offer.
    pub first_burst: u32,
    /// Commands in flight.
    pub command_window: u32,
    /// Immediate commands in flight beyond the window.
    pub immediate_commands: u32,
    /// Bytes of data-out that a connection buffers.
    pub data_out_bytes: usize,
    /// Bytes of data-in that run or wait to be sent, unless one command alone has more.
    pub data_in_bytes: usize,
    /// The longest transfer of one command.
    pub max_transfer: usize,
    /// Microseconds for a login.
    pub login_timeout_us: u64,
    /// Microseconds of silence after which a connection is asked whether it lives; as long again, and it is dropped.
    pub idle_timeout_us: u64,
    /// Microseconds of silence after which a discovery session ends.
    pub discovery_timeout_us: u64,
}

impl ConnectionLimits {
    /// Bounds for a process whose connections have so many bytes together.
    #[must_use]
    pub fn for_memory(total: usize) -> Self {
        let buffered = (total / 32).clamp(2 << 20, 32 << 20);
        // Whole 64 KiB, so that no segment needs padding.
        let first_burst = (buffered / 8).clamp(256 << 10, 1 << 20) >> 16 << 16;
        let length = u32::try_from(first_burst).unwrap_or(u32::MAX);
        Self { data_out_bytes: buffered, first_burst: length, max_recv_segment: length, ..Self::default() }
    }

    /// The most that one connection asks for from its [`Pool`](crate::pool::Pool), if a buffer has at most a quarter more
    /// bytes than were asked for: commands in the window and immediate ones with their first bursts, the longest data-out
    /// of one command with a copy of its first burst, what is being received, and data-in.
    #[must_use]
    pub fn max_memory(&self) -> usize {
        let (burst, segment) = (self.first_burst as usize, self.max_recv_segment as usize);
        let data_out =
            self.data_out_bytes + (self.immediate_commands as usize + 1) * burst + self.max_transfer + segment;
        // Echoes of NOP-Out are read while less than the window waits to be sent.
        let data_in = self.data_in_bytes.max(self.max_transfer)
            + self.command_window as usize * SMALL_DATA_IN
            + DATA_IN_QUEUED
            + segment;
        (data_out + data_in) / 4 * 5
    }
}

/// Answers of commands with at most so much data-in do not wait for others' to be sent.
pub(crate) const SMALL_DATA_IN: usize = 64 << 10;
/// Bytes that wait to be sent: beyond these no command runs and no request is read.
pub(crate) const DATA_IN_QUEUED: usize = 4 << 20;

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_recv_segment: 1 << 20,
            max_burst: 16_776_192,
            first_burst: 1 << 20,
            command_window: 32,
            immediate_commands: 8,
            data_out_bytes: 32 << 20,
            data_in_bytes: 8 << 20,
            max_transfer: 16 << 20,
            login_timeout_us: 30_000_000,
            idle_timeout_us: 30_000_000,
            discovery_timeout_us: 30_000_000,
        }
    }
}

/// The TargetAddress that SendTargets gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdvertisedAddress {
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
    pub advertise: AdvertisedAddress,
    /// Bounds.
    pub limits: ConnectionLimits,
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
            advertise: AdvertisedAddress::default(),
            limits: ConnectionLimits::default(),
        }
    }

    /// Whether an initiator may see and use the target, by its [normalised](normalised) name.
    #[must_use]
    pub fn allows(&self, initiator: &str) -> bool {
        self.initiators.as_ref().is_none_or(|names| names.iter().any(|name| normalised(name) == initiator))
    }

    /// The target of a name as an initiator sent it, in the form that the configuration has.
    pub(crate) fn target(&self, sent: &str) -> Option<&str> {
        let sent = normalised(sent);
        self.names.iter().map(String::as_str).find(|name| normalised(name) == sent)
    }
}
