//! The HTTP API of a [`vtl::Site`]: REST under `/v1` over the control requests of the site.
//!
//! [`routes`] is one table with every method and path: its rows name the control request that they execute. The server
//! (feature `server`) serves the table, and [`openapi`] describes it. A client turns a control request into a method, a
//! path and a body with [`routes::locate`].
//!
//! The server runs on separate threads. Nothing of it is between a host and a drive.
#![forbid(unsafe_code)]

#[cfg(feature = "server")]
pub mod openapi;
#[cfg(feature = "server")]
pub mod reference;
pub mod routes;
#[cfg(feature = "server")]
mod schemas;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "server")]
pub use server::HttpServer;
