//! The target side of iSCSI (RFC 7143) as a state machine, without sockets, threads or clocks, and independent of SCSI
//! command sets.
//!
//! A [`connection::Connection`] is one TCP connection and its session (one connection per session, ErrorRecoveryLevel
//! 0). Its owner receives bytes into [`connection::Connection::receive_buffer`], handles events, completes commands,
//! and sends the slices of [`connection::Connection::pending_output`]. Data moves between the socket and the buffer of
//! its command without intermediate copies. Buffers come from a [`buffers::BufferSource`] of the owner.
//!
//! * [`wire`]: PDU headers in wire format;
//! * [`text`]: key=value pairs; [`login`]: their negotiation, with [`chap`];
//! * [`connection`]: the state machine;
//! * [`config`]: names, users and limits of targets.
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

// The types that a program with a connection uses most.
pub use buffers::BufferSource;
pub use config::{ConnectionLimits, Credentials, Secret, TargetConfig};
pub use connection::{Connection, ConnectionEvent};
