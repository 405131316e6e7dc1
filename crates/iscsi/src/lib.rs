//! The target side of iSCSI (RFC 7143), without sockets, threads or clocks, and without SCSI.
//!
//! A [`connection::Connection`] is one TCP connection and the one session on it (ErrorRecoveryLevel 0). Its owner asks
//! where the next bytes belong ([`connection::Connection::receive_buffer`]), fills them there, takes events, answers commands, and
//! sends what [`connection::Connection::pending_output`] lists; data goes from the socket into the buffer of its command and from
//! the buffer of its answer to the socket, and nowhere between. Buffers come from a [`pool::Pool`] that the owner provides.
//!
//! * [`wire`]: headers, as they lie on the wire;
//! * [`text`]: key=value pairs; [`login`]: their negotiation, with [`chap`];
//! * [`connection`]: the state machine;
//! * [`config`]: what a target's owner decides.
#![forbid(unsafe_code)]

pub mod buffers;
pub mod chap;
pub mod config;
pub mod connection;
pub mod digest;
pub mod login;
pub mod name;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod wire;
