//! The target port through which hosts reach a logical unit. The frontend that serves the unit supplies it; a profile
//! has no transport protocol.

use crate::writer::PageWriter;

named_values! {
    /// PROTOCOL IDENTIFIER, four bits in pages and TransportIDs (SPC-4 §7.6.1).
    pub struct ProtocolId(u8);
    FIBRE_CHANNEL = 0x0, "Fibre Channel Protocol for SCSI";
    SAS = 0x6, "SAS Serial SCSI Protocol";
    ISCSI = 0x5, "Internet SCSI";
    NONE = 0xf, "No specific protocol";
}

/// The SCSI name strings of a target port and its target device.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortNames {
    /// SCSI name string of the target device.
    pub device: String,
    /// SCSI name string of the target port.
    pub port: String,
}

impl PortNames {
    /// The names of a target device and of its port, as SCSI name strings (SPC-4 §7.8.6).
    #[must_use]
    pub fn new(device: impl Into<String>, port: impl Into<String>) -> Self {
        Self { device: device.into(), port: port.into() }
    }
}

/// The target port of a unit: its protocol, its number in the target device, and its names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetPort {
    /// PROTOCOL IDENTIFIER of VPD, mode and log pages.
    pub protocol: ProtocolId,
    /// VERSION DESCRIPTOR of the transport protocol in INQUIRY data (SPC-4 §6.6.2); `None` if it has none.
    pub version_descriptor: Option<u16>,
    /// RELATIVE TARGET PORT IDENTIFIER, from 1.
    pub relative: u16,
    /// Names for the designators of VPD pages 83h and 88h; `None` if the transport has no port names.
    pub names: Option<PortNames>,
    /// Name of the transport in vendor pages that name the platform of the code, such as `iscsi` in VPD page C0h of IBM
    /// drives; empty if the port has no transport.
    pub platform: &'static str,
}

/// PIV and ASSOCIATION of a designator: target port, and target device.
const ASSOCIATION_TARGET_PORT: u8 = 0x90;
const ASSOCIATION_TARGET_DEVICE: u8 = 0xa0;

impl TargetPort {
    /// Port 1 of hosts without a SCSI transport: programs of the same process, or a device node of the same machine.
    pub const LOCAL: Self = Self::new(ProtocolId::NONE, "");

    /// Port 1 of an iSCSI target, without names. The version descriptor claims no version of the protocol (0960h).
    pub const ISCSI: Self = Self::new(ProtocolId::ISCSI, "iscsi").with_version_descriptor(0x0960);

    /// Port 1 of a transport, without names and version descriptor. `platform` is the name of the transport in vendor pages.
    #[must_use]
    pub const fn new(protocol: ProtocolId, platform: &'static str) -> Self {
        Self { protocol, version_descriptor: None, relative: 1, names: None, platform }
    }

    /// The same port with this VERSION DESCRIPTOR of its transport protocol.
    #[must_use]
    pub const fn with_version_descriptor(mut self, descriptor: u16) -> Self {
        self.version_descriptor = Some(descriptor);
        self
    }

    /// The same port with this RELATIVE TARGET PORT IDENTIFIER, from 1.
    #[must_use]
    pub const fn with_relative(mut self, number: u16) -> Self {
        self.relative = number;
        self
    }

    /// The same port with names.
    #[must_use]
    pub fn with_names(self, names: PortNames) -> Self {
        Self { names: Some(names), ..self }
    }

    /// Writes a SCSI name string designator. The name is NUL-terminated and padded to a multiple of 4 bytes.
    fn write_scsi_name(&self, association: u8, name: &str, w: &mut PageWriter) {
        w.u8((self.protocol.0 << 4) | 0x03).u8(association | 0x08).u8(0).length_u8(|w| {
            w.bytes(name.as_bytes()).zeros((name.len() + 1).next_multiple_of(4) - name.len());
        });
    }

    /// Writes the designators of VPD page 83h for a port with names: relative target port, name of the port and name
    /// of the target device (SPC-4 §7.8.6).
    pub fn write_designators(&self, w: &mut PageWriter) {
        let Some(names) = &self.names else { return };
        w.u8((self.protocol.0 << 4) | 0x01).u8(0x94).u8(0).length_u8(|w| {
            w.u16(0).u16(self.relative);
        });
        self.write_scsi_name(ASSOCIATION_TARGET_PORT, &names.port, w);
        self.write_scsi_name(ASSOCIATION_TARGET_DEVICE, &names.device, w);
    }

    /// Writes the body of VPD page 88h (SPC-4 §7.8.14): the only target port, with its name.
    pub(crate) fn write_scsi_ports(&self, w: &mut PageWriter) {
        w.u16(0).u16(self.relative).u16(0).u16(0).u16(0).length_u16(|w| {
            if let Some(names) = &self.names {
                self.write_scsi_name(ASSOCIATION_TARGET_PORT, &names.port, w);
            }
        });
    }
}
