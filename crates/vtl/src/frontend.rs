//! How hosts reach the units of a site. The program that opens the site supplies it.

use crate::clock::Clock;
use crate::config::DriveSetup;
use crate::library::RemoteBayFactory;
#[cfg(doc)]
use crate::site::Site;
use crate::unit::Unit;
use scsi_core::asc::Asc;
use scsi_core::port::{PortNames, ProtocolId, TargetPort};

/// The kind of frontend that serves the units of a site: it determines the target port in their identity.
#[derive(Clone, Debug)]
pub struct Frontend {
    port: TargetPort,
    names: fn(&str) -> Option<PortNames>,
}

impl Frontend {
    /// Hosts in the same process ([`crate::host::Host`]) or behind a device node of the same machine: no transport
    /// protocol and no port names.
    pub const LOCAL: Self = Self { port: TargetPort::LOCAL, names: |_| None };

    /// An iSCSI portal. The target device has the iSCSI name of its target; its port has portal group tag 1 (RFC 7143
    /// §4.2.7.1).
    pub const ISCSI: Self =
        Self { port: TargetPort::ISCSI, names: |target| Some(PortNames::new(target, format!("{target},t,0x0001"))) };

    /// The transport protocol of the target port.
    pub(crate) const fn protocol(&self) -> ProtocolId {
        self.port.protocol
    }

    /// The target port of the units of a target.
    pub(crate) fn target_port(&self, target: &str) -> TargetPort {
        let port = self.port.clone();
        match (self.names)(target) {
            Some(names) => port.with_names(names),
            None => port,
        }
    }
}

impl Default for Frontend {
    fn default() -> Self {
        Self::LOCAL
    }
}

/// The properties of a site that its program chooses, in contrast to those of its configuration. By
/// default, a site is for hosts in the same process and serves its drives itself.
pub struct SiteOptions {
    pub(crate) frontend: Frontend,
    pub(crate) drives: ServedDrives,
    pub(crate) clock: Clock,
    pub(crate) records: bool,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self { frontend: Frontend::default(), drives: ServedDrives::All, clock: Clock::default(), records: true }
    }
}

impl SiteOptions {
    /// Sets the frontend through which hosts reach the units.
    #[must_use]
    pub fn with_frontend(self, frontend: Frontend) -> Self {
        Self { frontend, ..self }
    }

    /// Sets the source of time of the site. The default is [`Clock::real`].
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Makes no record of any command: counters and trace stay empty, observers receive nothing, and no command is logged.
    #[must_use]
    pub fn without_records(self) -> Self {
        Self { records: false, ..self }
    }

    /// Lets other processes serve the drives: the site has only the changers, and reaches each drive through the bay
    /// that `bay_factory` creates.
    #[must_use]
    pub fn with_remote_drives(self, bay_factory: RemoteBayFactory) -> Self {
        Self { drives: ServedDrives::None(bay_factory), ..self }
    }

    /// Lets other daemons serve the drives whose configuration names one ([`DriveSetup::daemon`]): the site reaches each of them
    /// through the bay that `bay_factory` creates.
    #[must_use]
    pub fn with_divided_drives(self, bay_factory: RemoteBayFactory) -> Self {
        Self { drives: ServedDrives::Own(bay_factory), ..self }
    }

    /// Serves only the drives of this daemon ([`DriveSetup::daemon`]). Robots are elsewhere: hosts do not reach the changers, no
    /// operator can move a cartridge, and the program calls [`Site::insert_for_robot`] and [`Site::remove_for_robot`].
    #[must_use]
    pub fn with_drives_of(self, daemon: impl Into<String>) -> Self {
        Self { drives: ServedDrives::Of(daemon.into()), ..self }
    }
}

/// The drives that a site serves itself.
pub(crate) enum ServedDrives {
    /// All of them.
    All,
    /// None: the bays of all drives are created by this function.
    None(RemoteBayFactory),
    /// Those whose configuration names no daemon. The bays of the others are created by this function.
    Own(RemoteBayFactory),
    /// Those whose configuration names this daemon, and no robot.
    Of(String),
}

impl ServedDrives {
    /// Whether a site serves a drive itself.
    pub(crate) fn include(&self, drive: &DriveSetup) -> bool {
        match self {
            Self::All => true,
            Self::None(_) => false,
            Self::Own(_) => drive.daemon.is_none(),
            Self::Of(daemon) => drive.daemon.as_ref() == Some(daemon),
        }
    }

    /// The daemon for which the site serves drives, if its robots are elsewhere.
    pub(crate) fn daemon(&self) -> Option<&str> {
        match self {
            Self::Of(daemon) => Some(daemon),
            _ => None,
        }
    }
}

/// The reports of a frontend about its unit besides commands.
impl Unit {
    /// Raises UNIT ATTENTION 29h/00h for every I_T nexus, after a command whose status did not reach its initiator: no
    /// initiator takes the command for done.
    pub fn report_lost_command(&self) {
        self.raise_attention(Asc::POWER_ON_RESET_OR_BUS_DEVICE_RESET_OCCURRED);
    }

    /// Raises UNIT ATTENTION 3Fh/03h (INQUIRY DATA HAS CHANGED) for every I_T nexus.
    pub fn report_inquiry_change(&self) {
        self.raise_attention(Asc::INQUIRY_DATA_HAS_CHANGED);
    }

    fn raise_attention(&self, asc: Asc) {
        self.with_device(|device| device.lu().attentions.raise_all(asc));
    }
}
