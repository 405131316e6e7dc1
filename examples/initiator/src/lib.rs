//! A small iSCSI initiator for tests and measurements: blocking, with one connection. It negotiates the parameters that
//! are fast for tapes, obeys R2T, responds to NOP-In, and checks digests and StatSN. A protocol violation of the target is an
//! [`Error`], never a panic. The connection is a socket or any other stream of bytes.

mod command;
mod login;
mod pdu;
mod request;
#[cfg(test)]
mod tests;

pub use command::{CommandResponse, Transfer};
pub use pdu::Pdu;

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Read timeout of a new connection.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A system error, or a protocol violation of the target, as a message.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The target has refused a login. The [`Error`] of a login is this type then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRefused {
    /// Status-Class and Status-Detail of the Login Response (RFC 7143 §11.13.5), such as 0201h for a failed authentication.
    pub status: u16,
}

impl std::fmt::Display for LoginRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "login refused: {:04x}", self.status)
    }
}

impl std::error::Error for LoginRefused {}

/// No PDU of the target began within the read timeout. The session can go on. The [`Error`] is this type then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoResponse;

impl std::fmt::Display for NoResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the target sends no response")
    }
}

impl std::error::Error for NoResponse {}

/// The parameters of a login.
#[derive(Clone)]
pub struct Options {
    /// Value of the key InitiatorName, an iSCSI name.
    pub name: String,
    /// ISID, the initiator's part of the session identifier.
    pub isid: [u8; 6],
    /// Whether to offer HeaderDigest=CRC32C instead of None.
    pub header_digest: bool,
    /// Whether to offer DataDigest=CRC32C instead of None.
    pub data_digest: bool,
    /// Whether to offer ImmediateData=Yes and send immediate data.
    pub immediate: bool,
    /// MaxRecvDataSegmentLength to declare, in bytes.
    pub max_recv: u32,
    /// FirstBurstLength to offer, in bytes.
    pub burst: u32,
    /// CHAP name and secret; `None` logs in without CHAP.
    pub chap: Option<(String, String)>,
    /// CHAP secret of the target, for mutual authentication; used only with `chap`.
    pub mutual: Option<String>,
}

impl std::fmt::Debug for Options {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.chap.as_ref().map(|(name, _)| name);
        f.debug_struct("Options").field("name", &self.name).field("user", &user).finish_non_exhaustive()
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "iqn.2026-01.org.ferric:initiator".into(),
            isid: [0x80, 0, 0, 0, 0, 1],
            header_digest: false,
            data_digest: false,
            immediate: true,
            max_recv: 1 << 20,
            burst: 1 << 20,
            chap: None,
            mutual: None,
        }
    }
}

/// A session with one connection, to a target or for discovery, over a stream of type `S`.
pub struct Initiator<S = TcpStream> {
    stream: S,
    options: Options,
    digests: bool,
    cmd_sn: u32,
    /// Initiator Task Tag and CmdSN of the last command.
    last_command: (u32, u32),
    max_cmd_sn: u32,
    exp_stat_sn: u32,
    tag: u32,
    first_burst: usize,
    max_send: usize,
    /// TSIH that the target assigned to the session.
    pub tsih: u16,
}

impl Initiator {
    /// Logs in to the target with this name at a portal.
    ///
    /// # Errors
    /// The connection or the login failed.
    pub fn login(address: impl ToSocketAddrs, target: &str, options: Options) -> Result<Self, Error> {
        let mut session = Self::connect(address, options)?;
        session.log_in(target)?;
        Ok(session)
    }

    /// Requests the targets of a portal in a discovery session. Returns the `key=value` pairs of the response to
    /// SendTargets=All.
    ///
    /// # Errors
    /// The connection, the login or the request failed.
    pub fn discover(address: impl ToSocketAddrs, options: Options) -> Result<Vec<String>, Error> {
        Self::connect(address, options)?.send_targets()
    }

    /// Connects to a portal without logging in.
    ///
    /// # Errors
    /// The connection failed.
    pub fn connect(address: impl ToSocketAddrs, options: Options) -> Result<Self, Error> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self::over(stream, options))
    }

    /// Sets the time after which a request fails with [`NoResponse`] if no PDU arrives; 30 s after a login.
    ///
    /// # Errors
    /// The time is zero.
    pub fn set_read_timeout(&self, timeout: Duration) -> Result<(), Error> {
        Ok(self.stream.set_read_timeout(Some(timeout))?)
    }
}

impl<S: Read + Write> Initiator<S> {
    /// Uses a stream that is connected to a portal, without logging in.
    #[must_use]
    pub const fn over(stream: S, options: Options) -> Self {
        Self {
            stream,
            options,
            digests: false,
            cmd_sn: 1,
            last_command: (0, 0),
            max_cmd_sn: 1,
            exp_stat_sn: 0,
            tag: 0,
            first_burst: 65_536,
            max_send: 8192,
            tsih: 0,
        }
    }

    /// The stream, for tests that violate the protocol.
    #[must_use]
    pub const fn stream(&self) -> &S {
        &self.stream
    }

    /// CmdSN of the next command.
    #[must_use]
    pub const fn cmd_sn(&self) -> u32 {
        self.cmd_sn
    }

    /// Number of commands that the CmdSN window still admits.
    #[must_use]
    pub const fn window(&self) -> u32 {
        self.max_cmd_sn.wrapping_sub(self.cmd_sn).wrapping_add(1)
    }

    const fn next_tag(&mut self) -> u32 {
        self.tag = (self.tag + 1) & 0x7fff_ffff;
        self.tag
    }

    const fn next_cmd_sn(&mut self) -> u32 {
        let number = self.cmd_sn;
        self.cmd_sn = number.wrapping_add(1);
        number
    }
}
