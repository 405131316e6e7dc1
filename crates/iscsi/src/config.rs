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
#[non_exhaustive]
pub struct Credentials {
    /// The CHAP name, sent as CHAP_N.
    pub name: String,
    /// The CHAP secret of both sides.
    pub secret: Secret,
}

impl Credentials {
    /// Credentials with this CHAP name and this secret.
    #[must_use]
    pub fn new(name: impl Into<String>, secret: Secret) -> Self {
        Self { name: name.into(), secret }
    }
}

/// Limits on memory, commands and time of one connection.
///
/// The default is for a process with few connections; [`Self::for_memory`] divides the memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

    /// The same limits with this MaxRecvDataSegmentLength of the target, in bytes: 512 to 16,777,215.
    #[must_use]
    pub const fn with_max_recv_segment(mut self, bytes: u32) -> Self {
        self.max_recv_segment = bytes;
        self
    }

    /// The same limits with these upper bounds of FirstBurstLength and MaxBurstLength, in bytes: 512 to 16,777,215.
    #[must_use]
    pub const fn with_bursts(mut self, first: u32, max: u32) -> Self {
        self.first_burst = first;
        self.max_burst = max;
        self
    }

    /// The same limits with this size of the command window, and this number of immediate commands in addition to it.
    #[must_use]
    pub const fn with_commands(mut self, window: u32, immediate: u32) -> Self {
        self.command_window = window;
        self.immediate_commands = immediate;
        self
    }

    /// The same limits with this largest expected data transfer length of one command, in bytes.
    #[must_use]
    pub const fn with_max_transfer(mut self, bytes: usize) -> Self {
        self.max_transfer = bytes;
        self
    }

    /// The same limits with this time of the login phase, and this time without input after which an initiator is sent a
    /// NOP-In, in microseconds.
    #[must_use]
    pub const fn with_timeouts_us(mut self, login: u64, idle: u64) -> Self {
        self.login_timeout_us = login;
        self.idle_timeout_us = idle;
        self
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
#[non_exhaustive]
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

    /// The same configuration with these iSCSI names of targets.
    #[must_use]
    pub fn with_names(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// The same configuration, in which initiators authenticate themselves as one of these CHAP users; without
    /// authentication if there are none.
    #[must_use]
    pub fn with_users(mut self, users: Vec<Credentials>) -> Self {
        self.users = users;
        self
    }

    /// The same configuration, in which the target authenticates itself with these credentials if an initiator requests it.
    #[must_use]
    pub fn with_mutual(mut self, mutual: Option<Credentials>) -> Self {
        self.mutual = mutual;
        self
    }

    /// The same configuration, in which only the initiators with these iSCSI names may log in; all initiators if `None`.
    #[must_use]
    pub fn with_initiators(mut self, names: Option<Vec<String>>) -> Self {
        self.initiators = names;
        self
    }

    /// The same configuration with this TargetAddress in SendTargets responses.
    #[must_use]
    pub fn with_advertised(mut self, address: AdvertisedAddress) -> Self {
        self.advertise = address;
        self
    }

    /// The same configuration with these limits of each connection.
    #[must_use]
    pub const fn with_limits(mut self, limits: ConnectionLimits) -> Self {
        self.limits = limits;
        self
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
