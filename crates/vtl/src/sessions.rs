//! The iSCSI sessions that hosts have with the targets of a site.

use crate::locks::read;
use crate::metrics::PortalStatistics;
use crate::site::Site;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// An open normal session with a target: an item of the response to `sessions`. Discovery sessions are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IscsiSession {
    /// Address and port of the portal.
    pub portal: SocketAddr,
    /// Name and identifiers of the session, and its counters.
    #[serde(flatten)]
    pub session: SessionState,
}

/// A session, as its portal reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// iSCSI name of the initiator.
    pub initiator: String,
    /// iSCSI name of the target.
    pub target: String,
    /// Address and port of the initiator.
    pub peer: SocketAddr,
    /// Session identifier of the initiator (ISID, RFC 7143 §11.12.5): 12 hexadecimal digits.
    pub isid: String,
    /// Session identifier of the target (TSIH, RFC 7143 §11.12.6), at least 1.
    pub tsih: u16,
    /// Time of the login in milliseconds since 1970, UTC.
    pub since: u64,
    /// SCSI commands that the session has received.
    pub commands: u64,
    /// Bytes that its connection has received from the initiator, with the headers of PDUs.
    pub received_bytes: u64,
    /// Bytes that its connection has sent to the initiator, with the headers of PDUs.
    pub sent_bytes: u64,
}

impl Site {
    /// The iSCSI sessions with the targets of the site, by portal, then by the time of their login. Waits for no unit.
    #[must_use]
    pub fn sessions(&self) -> Vec<IscsiSession> {
        let portals = read(&self.portals).clone();
        let of_portal = |(portal, statistics): (SocketAddr, Arc<dyn PortalStatistics>)| {
            let mut sessions = statistics.sessions();
            sessions.sort_by_key(|session| (session.since, session.tsih));
            sessions.into_iter().map(move |session| IscsiSession { portal, session })
        };
        portals.into_iter().flat_map(of_portal).collect()
    }
}
