//! The I_T nexus of a command and the name of its initiator port.

use crate::hex::Hex;
use crate::port::ProtocolId;
use serde::{Deserialize, Serialize};

/// A handle of an I_T nexus. The owner of the units assigns it; a unit only compares handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NexusId(pub u32);

/// The TransportID of an initiator port, in the form of PERSISTENT RESERVE IN and OUT data (SPC-4 §7.6.4).
///
/// Persistent reservations store it instead of a [`NexusId`], so they survive the session and a restart. An iSCSI name
/// is stored in lower case, because iSCSI names are not case-sensitive (RFC 3722).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "SavedTransportId")]
pub struct TransportId(Vec<u8>);

/// A TransportID as an earlier version may have saved it: a local host was stored as an iSCSI initiator port.
#[derive(Deserialize)]
#[serde(transparent)]
struct SavedTransportId(Vec<u8>);

impl From<SavedTransportId> for TransportId {
    fn from(SavedTransportId(bytes): SavedTransportId) -> Self {
        let id = Self::from(bytes);
        let former = std::str::from_utf8(id.name_bytes()).ok().and_then(|name| name.strip_prefix(Self::FORMER_LOCAL));
        former.and_then(|number| u32::from_str_radix(number, 16).ok()).map_or(id, Self::local)
    }
}

impl From<Vec<u8>> for TransportId {
    fn from(bytes: Vec<u8>) -> Self {
        let id = Self(bytes);
        let first = id.0.first().copied().unwrap_or_default();
        let Ok(name) = std::str::from_utf8(id.name_bytes()) else { return id };
        if first & 0x0f != Self::ISCSI || name.chars().all(|character| lower(character) == character) {
            return id;
        }
        Self::padded(first, name.chars().map(lower).collect::<String>().as_bytes())
    }
}

/// A character in lower case; unchanged if its lower case has two characters.
fn lower(character: char) -> char {
    let mut mapped = character.to_lowercase();
    mapped.next().filter(|_| mapped.next().is_none()).unwrap_or(character)
}

impl TransportId {
    const ISCSI: u8 = ProtocolId::ISCSI.0;
    const WITH_ISID: u8 = 0x40;
    /// Name and first two bytes of the ISID of local hosts up to version 0.1.
    const FORMER_LOCAL: &'static str = "iqn.2026-01.local.ferric:door,i,0x0000";
    /// Maximum length of a TransportID in bytes: an iSCSI name of at most 223 bytes, separator, ISID and padding are
    /// below it.
    const MAX: usize = 256;

    /// The TransportID of the iSCSI initiator port `name,i,0xISID` (format 01b).
    #[must_use]
    pub fn iscsi(name: &str, isid: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = isid;
        let text = format!("{name},i,0x{a:02x}{b:02x}{c:02x}{d:02x}{e:02x}{f:02x}");
        Self::padded(Self::ISCSI | Self::WITH_ISID, text.as_bytes()).0.into()
    }

    /// The TransportID of a numbered host without a SCSI transport: PROTOCOL IDENTIFIER Fh (no specific protocol), the
    /// text `host`, and the number in bytes 20 to 23.
    #[must_use]
    pub fn local(number: u32) -> Self {
        let mut bytes = vec![ProtocolId::NONE.0, 0, 0, 0];
        bytes.extend_from_slice(b"host");
        bytes.resize(20, 0);
        bytes.extend_from_slice(&number.to_be_bytes());
        Self(bytes)
    }

    fn padded(first: u8, text: &[u8]) -> Self {
        let padded = (text.len() + 1).next_multiple_of(4).max(20);
        let mut bytes = vec![first, 0];
        bytes.extend_from_slice(&u16::try_from(padded).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(text);
        bytes.resize(4 + padded, 0);
        Self(bytes)
    }

    /// Parses one TransportID at the beginning of `list` and returns it with the rest of the list; `None` if it is
    /// truncated or its length is invalid.
    #[must_use]
    pub fn parse_prefix(list: &[u8]) -> Option<(Self, &[u8])> {
        let (&first, length) = (list.first()?, list.get(2..4)?);
        let len = match first & 0x0f {
            Self::ISCSI => 4 + usize::from(u16::from_be_bytes(length.try_into().ok()?)),
            _ => 24,
        };
        if !(24..=Self::MAX).contains(&len) || len % 4 != 0 {
            return None;
        }
        let (id, rest) = list.split_at_checked(len)?;
        Some((id.to_vec().into(), rest))
    }

    /// The bytes of the TransportID, as in parameter data.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns whether `self`, received from a host, names the port `other`: the same port, or (iSCSI format 00b,
    /// without an ISID) any port of the same initiator.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let (mine, theirs) = (self.name_bytes(), other.name_bytes());
        self.0.first() == Some(&Self::ISCSI)
            && other.0.first() == Some(&(Self::ISCSI | Self::WITH_ISID))
            && !mine.is_empty()
            && theirs.split(|&byte| byte == b',').next() == Some(mine)
    }

    /// The name of the port in the TransportID, such as `iqn.a,i,0x00023d000001`; bytes that are not UTF-8 are replaced. A
    /// port without an iSCSI name has its [`Self::initiator_name`].
    #[must_use]
    pub fn port_name(&self) -> String {
        match self.protocol() {
            ProtocolId::ISCSI => String::from_utf8_lossy(self.name_bytes()).into_owned(),
            _ => self.initiator_name(),
        }
    }

    /// The name of the initiator for logs and listings: its iSCSI name, `host1` for a local host, or else the bytes in
    /// hexadecimal.
    #[must_use]
    pub fn initiator_name(&self) -> String {
        let name = std::str::from_utf8(self.name_bytes()).unwrap_or_default();
        match (self.protocol(), self.0.last_chunk::<4>()) {
            (ProtocolId::ISCSI, _) => name.split(',').next().unwrap_or_default().to_owned(),
            (ProtocolId::NONE, Some(number)) => format!("{name}{}", u32::from_be_bytes(*number)),
            _ => Hex(&self.0).to_string(),
        }
    }

    fn protocol(&self) -> ProtocolId {
        ProtocolId(self.0.first().copied().unwrap_or_default() & 0x0f)
    }

    fn name_bytes(&self) -> &[u8] {
        let text = self.0.get(4..).unwrap_or_default();
        text.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IntoDeserializer as _;
    use serde::de::value::Error;

    #[test]
    fn iscsi_port_name_is_padded_to_four() {
        let id = TransportId::iscsi("iqn.a", [0x40, 1, 2, 3, 4, 5]);
        assert_eq!(&id.as_bytes()[..4], [0x45, 0, 0, 24]);
        assert_eq!(&id.as_bytes()[4..26], b"iqn.a,i,0x400102030405");
        assert_eq!(id.as_bytes().len(), 28);
        let (again, rest) = TransportId::parse_prefix(id.as_bytes()).unwrap();
        assert_eq!((&again, rest), (&id, &[][..]));
    }

    #[test]
    fn ports_have_display_names() {
        let sas: Vec<u8> = [0x06, 0, 0, 0, 0x50, 0x01, 0x43, 0x80, 0, 0, 0, 0x0a].into_iter().chain([0; 12]).collect();
        for (id, name) in [
            (TransportId::iscsi("iqn.a", [0x40, 1, 2, 3, 4, 5]), "iqn.a,i,0x400102030405"),
            (TransportId::local(258), "host258"),
            (TransportId::from(sas), "06000000500143800000000a000000000000000000000000"),
        ] {
            assert_eq!(id.port_name(), name);
        }
    }

    #[test]
    fn name_without_isid_matches_all_ports_of_the_initiator() {
        let port = TransportId::iscsi("iqn.a", [0; 6]);
        let any = TransportId::padded(0x05, b"iqn.a");
        assert!(any.matches(&port));
        assert!(!TransportId::padded(0x05, b"iqn.b").matches(&port));
        assert!(!port.matches(&any));
    }

    #[test]
    fn iscsi_names_are_not_case_sensitive() {
        let port = TransportId::iscsi("iqn.2001-04.com.example:host", [0x40, 1, 2, 3, 4, 0xab]);
        assert_eq!(TransportId::iscsi("IQN.2001-04.com.Example:Host", [0x40, 1, 2, 3, 4, 0xab]), port);
        let mut sent = vec![0x45, 0, 0, 48];
        sent.extend_from_slice(b"iqn.2001-04.com.example:HOST,i,0x4001020304AB\0\0\0");
        let (read, rest) = TransportId::parse_prefix(&sent).unwrap();
        assert_eq!((&read, rest), (&port, &[][..]));
        // A registration that an older version saved.
        let saved: Result<TransportId, Error> = TransportId::deserialize(sent.into_deserializer());
        assert_eq!(saved.unwrap(), port);
        let mut sent = vec![0x05, 0, 0, 32];
        sent.extend_from_slice(b"IQN.2001-04.com.example:host\0\0\0\0");
        assert!(TransportId::parse_prefix(&sent).unwrap().0.matches(&port));
        // TransportIDs of other transports are not text.
        let mut sas = vec![0x06, 0, 0, 0];
        sas.extend_from_slice(b"ABCDEFGH");
        sas.resize(24, 0);
        assert_eq!(TransportId::parse_prefix(&sas).unwrap().0.as_bytes(), sas);
    }

    #[test]
    fn local_hosts_have_no_protocol() {
        let host = TransportId::local(7);
        assert_eq!(host.as_bytes(), b"\x0f\0\0\0host\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07");
        assert_eq!(TransportId::parse_prefix(host.as_bytes()), Some((host.clone(), &[][..])));
        assert_eq!(host.initiator_name(), "host7");
        assert_eq!(TransportId::iscsi("iqn.a", [0; 6]).initiator_name(), "iqn.a");
        // A registration that an older version saved, and the same name from an initiator of today.
        let mut former = vec![0x45, 0, 0, 48];
        former.extend_from_slice(b"iqn.2026-01.local.ferric:door,i,0x000000000007\0\0");
        let saved: Result<TransportId, Error> = TransportId::deserialize(former.clone().into_deserializer());
        assert_eq!(saved.unwrap(), host);
        assert_ne!(TransportId::from(former), host);
    }

    #[test]
    fn truncated_transport_ids_are_rejected() {
        assert!(TransportId::parse_prefix(&[0x45, 0, 0, 24, 1, 2]).is_none());
        assert!(TransportId::parse_prefix(&[0x45, 0, 0xff, 0xfc]).is_none());
        assert!(TransportId::parse_prefix(&[]).is_none());
    }
}
