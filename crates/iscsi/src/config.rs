//! Configuration of targets: names, CHAP users, accepted initiators and limits.

use crate::name::normalised;
use std::fmt;

/// A CHAP secret, redacted in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// CHAP credentials of one side: the name and the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The CHAP name, sent as CHAP_N.
    pub name: String,
    /// The CHAP secret that both sides know.
    pub secret: Secret,
}

/// Limits on memory, commands and time of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// MaxRecvDataSegmentLength that the target declares, in bytes.
    pub max_recv_segment: u32,
    /// Upper bound of the negotiated MaxBurstLength, in bytes.
    pub max_burst: u32,
    /// Upper bound of the negotiated FirstBurstLength, in bytes.
    pub first_burst: u32,
    /// Size of the command window: the maximum number of non-immediate commands in flight.
    pub command_window: u32,
    /// Maximum number of immediate commands in flight, in addition to the window. More are rejected (Reject 06h).
    pub immediate_commands: u32,
    /// Data-out that a connection buffers, in bytes. The oldest command may exceed it.
    pub data_out_bytes: usize,
    /// Data-in of running commands and of queued output, in bytes. One command alone may exceed it.
    pub data_in_bytes: usize,
    /// Maximum expected data transfer length of one command, in bytes. More ends with ILLEGAL REQUEST 24h/00h.
    pub max_transfer: usize,
    /// Time limit of the login phase, in microseconds. Also limits how long a closing connection sends its last output.
    pub login_timeout_us: u64,
    /// Time without input, in microseconds, after which an idle initiator is sent a NOP-In. After twice this time the
    /// connection is closed.
    pub idle_timeout_us: u64,
    /// Time without input, in microseconds, after which a discovery session is closed.
    pub discovery_timeout_us: u64,
}

impl ConnectionLimits {
    /// Returns the limits of one connection for a process whose connections share `total` bytes of memory.
    #[must_use]
    pub fn for_memory(total: usize) -> Self {
        let buffered = (total / 32).clamp(2 << 20, 32 << 20);
        // A multiple of 64 KiB, so that no full segment needs padding.
        let first_burst = (buffered / 8).clamp(256 << 10, 1 << 20) >> 16 << 16;
        let length = u32::try_from(first_burst).unwrap_or(u32::MAX);
        Self { data_out_bytes: buffered, first_burst: length, max_recv_segment: length, ..Self::default() }
    }

    /// Returns the maximum number of bytes that one connection acquires from its
    /// [`BufferSource`](crate::buffers::BufferSource), if each buffer is at most a quarter larger than requested: first
    /// bursts of the commands in the window and of the immediate commands, the largest data-out of one command with a
    /// copy of its first burst, the segment that is being received, and data-in.
    #[must_use]
    pub fn max_memory(&self) -> usize {
        let (burst, segment) = (self.first_burst as usize, self.max_recv_segment as usize);
        let data_out =
            self.data_out_bytes + (self.immediate_commands as usize + 1) * burst + self.max_transfer + segment;
        // NOP-Out data to echo is received only while less than `DATA_IN_QUEUED` is queued.
        let data_in = self.data_in_bytes.max(self.max_transfer)
            + self.command_window as usize * SMALL_DATA_IN
            + DATA_IN_QUEUED
            + segment;
        (data_out + data_in) / 4 * 5
    }
}

/// Commands with at most this many bytes of data-in run without waiting for queued data-in of other commands.
pub(crate) const SMALL_DATA_IN: usize = 64 << 10;
/// Bytes of queued output beyond which no command runs and no request is received.
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

/// The TargetAddress in SendTargets responses (RFC 7143 appendix C).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdvertisedAddress {
    /// The local address of the connection. It is left out if the initiator is on another host, so that NAT may be in
    /// between, and is known to use the address of its discovery session instead.
    #[default]
    Connection,
    /// This address and port, as `address:port`.
    Portal(String),
    /// No TargetAddress: the initiator uses the address of its discovery session (RFC 7143, appendix C).
    Nothing,
}

/// Configuration of the targets of a portal.
#[derive(Clone, Debug)]
pub struct TargetConfig {
    /// iSCSI names of the targets.
    pub names: Vec<String>,
    /// TargetAlias of all targets: a description for operators.
    pub alias: String,
    /// Accepted CHAP users. If empty, initiators log in without authentication.
    pub users: Vec<Credentials>,
    /// Credentials with which the target authenticates itself in mutual CHAP. `None`: logins that request it fail.
    pub mutual: Option<Credentials>,
    /// iSCSI names of the initiators that may log in. `None`: all initiators; an empty list: none.
    pub initiators: Option<Vec<String>>,
    /// The TargetAddress in SendTargets responses.
    pub advertise: AdvertisedAddress,
    /// Limits of each connection to these targets.
    pub limits: ConnectionLimits,
}

/// Target portal group tag of every portal.
pub const PORTAL_GROUP: u16 = 1;

impl TargetConfig {
    /// Creates a configuration with one target, without authentication, open to all initiators.
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

    /// Returns whether an initiator may log in. `initiator` is its normalised name ([`normalised`]).
    #[must_use]
    pub fn allows(&self, initiator: &str) -> bool {
        self.initiators.as_ref().is_none_or(|names| names.iter().any(|name| normalised(name) == initiator))
    }

    /// Returns the configured target name that equals `sent`, compared in normalised form.
    pub(crate) fn target(&self, sent: &str) -> Option<&str> {
        let sent = normalised(sent);
        self.names.iter().map(String::as_str).find(|name| normalised(name) == sent)
    }
}
