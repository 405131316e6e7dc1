//! The control protocol of a running site: typed requests, responses and errors, which are JSON only on the control
//! socket. [`Site::control`](crate::site::Site::control) executes a request.

mod alerts;
mod clients;
mod commands;
mod dispatch;
mod error;
mod former_words;
mod operator_errors;
mod request;
mod request_parser;
mod resolve;
mod response;
mod robot_moves;
pub mod socket;
mod status;
mod subscription;

pub use alerts::AlertStatus;
pub(crate) use alerts::{flag_name, raised_flags};
pub use commands::{CommandTrace, UnitCommandCounters};
pub use error::{ControlError, ErrorCode, ErrorFields};
pub use former_words::{FormerWord, current_element_name};
pub(crate) use operator_errors::operator_error_code;
pub use request::{ControlRequest, Door};
pub use resolve::element_name;
pub use response::{
    AssignedCartridge, ControlResponse, CreatedCartridges, DoorStatus, ElementFaultStatus, ExportedCartridge,
    FoundElement, HoldStatus, ImportedCartridge, InjectedFault, LabelStatus, MovedCartridge, OnlineStatus,
    ProtectStatus, ReloadChange, ReloadReport, RemovedCartridge, RetentionStatus,
};
pub use status::{
    CartridgeStatus, ChassisStatus, DriveStatus, ElementStatus, HostSettings, LibraryStatus, PartitionStatus,
    PoolStatus, RobotTimeStatus, SiteStatus, ThawStatus, TimeStatus,
};
pub use subscription::Subscription;

/// Version of the control protocol. A request may have the member `version` with the version that its client knows; a
/// daemon refuses any other one. Version 1, which has no version member, is that of release 0.1.
pub const PROTOCOL_VERSION: u32 = 2;

/// Reloads the configuration of the daemon and reports the changes.
///
/// # Errors
/// The configuration is invalid, or a change requires a restart.
pub type ReloadHandler = dyn Fn() -> Result<ReloadReport, ControlError> + Send + Sync;

#[cfg(test)]
mod tests;
