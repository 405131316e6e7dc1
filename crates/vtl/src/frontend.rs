//! How hosts reach the units of a site. The program that opens the site supplies it.

use crate::clock::Clock;
use crate::library::RemoteBayFactory;
use crate::unit::Unit;
use scsi_core::asc::Asc;
use scsi_core::port::{PortNames, TargetPort};

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
    pub(crate) remote_bays: Option<RemoteBayFactory>,
    pub(crate) clock: Clock,
    pub(crate) records: bool,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self { frontend: Frontend::default(), remote_bays: None, clock: Clock::default(), records: true }
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
        Self { remote_bays: Some(bay_factory), ..self }
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
