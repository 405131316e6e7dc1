//! Admission of connections: limits in total, for each address, and for connections without a login to a target.

use crate::sessions::Mailbox;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Maximum number of open connections.
const MAX_CONNECTIONS: usize = 1024;
/// Maximum number of open connections without a login to a target: logins in progress and discovery sessions.
const MAX_UNAUTHENTICATED: usize = 128;
/// Age in microseconds below which a connection without a login counts only against a multiple of the limit, since many
/// initiators may log in at the same moment.
const LOGIN_GRACE_US: u64 = 2_000_000;
const LOGIN_BURST_FACTOR: usize = 4;
/// Maximum number of connections that are being closed and are still open.
const MAX_CLOSING: usize = 128;

/// Limits for the connections of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressLimits {
    /// Maximum number of connections that are logged in to a target.
    pub(crate) connections: usize,
    /// Maximum number of connections without a login to a target.
    pub(crate) unauthenticated: usize,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self { connections: 512, unauthenticated: 32 }
    }
}

/// The addresses that share one limit: an IPv4 address, or the /64 network of an IPv6 address, since one host can use
/// all addresses of its network.
fn address_group(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

struct Connection {
    mailbox: Arc<Mailbox>,
    address: IpAddr,
    logged_in: bool,
    connected_at: u64,
    /// Maximum number of connections of its address that may be logged in.
    limit: usize,
    /// It is being closed so that a newer connection is admitted.
    displaced: bool,
}

/// The decision on a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The connection is admitted under this number.
    Admitted(usize),
    /// The connection is admitted under this number; the oldest one without a login, from this address, is closed.
    AdmittedInstead(usize, IpAddr),
    /// A limit is reached; the text names it.
    Refused(&'static str),
}

/// The open connections by number, oldest first.
#[derive(Default)]
pub(crate) struct Connections {
    all: BTreeMap<usize, Connection>,
    last: usize,
}

impl Connections {
    /// Admits a connection at the time `now`, in microseconds. When a limit is reached, the oldest connection without a
    /// login is closed: one of the same address if the limit for that address is reached.
    pub(crate) fn admit(
        &mut self,
        mailbox: &Arc<Mailbox>,
        address: IpAddr,
        limits: AddressLimits,
        now: u64,
    ) -> Admission {
        let count = |wanted: &dyn Fn(&Connection) -> bool| {
            self.all.values().filter(|connection| !connection.displaced && wanted(connection)).count()
        };
        let is_same_address = |connection: &Connection| address_group(connection.address) == address_group(address);
        let is_over_limit = |limit: usize, is_counted: &dyn Fn(&Connection) -> bool| {
            let is_unauthenticated = |connection: &Connection| is_counted(connection) && !connection.logged_in;
            let is_past_grace = |connection: &Connection| {
                is_unauthenticated(connection) && now >= connection.connected_at + LOGIN_GRACE_US
            };
            count(&is_past_grace) >= limit || count(&is_unauthenticated) >= limit * LOGIN_BURST_FACTOR
        };
        // The limit of logged-in connections is checked at the login, which may replace a session of the same initiator port.
        let address_limit_reached = is_over_limit(limits.unauthenticated, &is_same_address);
        let total_limit_reached = count(&|_| true) >= MAX_CONNECTIONS || is_over_limit(MAX_UNAUTHENTICATED, &|_| true);
        if self.all.len() >= MAX_CONNECTIONS + MAX_CLOSING {
            return Admission::Refused("too many connections are being closed");
        }
        let mut closed_address = None;
        if address_limit_reached || total_limit_reached {
            let mut all = self.all.values_mut();
            let oldest = all.find(|other| {
                !other.displaced
                    && !other.logged_in
                    && (!address_limit_reached || address_group(other.address) == address_group(address))
            });
            let Some(oldest) = oldest else {
                return Admission::Refused("the limit of 1024 connections is reached");
            };
            oldest.displaced = true;
            oldest.mailbox.close();
            closed_address = Some(oldest.address);
        }
        self.last += 1;
        let mailbox = Arc::clone(mailbox);
        let limit = limits.connections;
        let connection = Connection { mailbox, address, logged_in: false, connected_at: now, limit, displaced: false };
        self.all.insert(self.last, connection);
        match closed_address {
            Some(other) => Admission::AdmittedInstead(self.last, other),
            None => Admission::Admitted(self.last),
        }
    }

    /// Returns whether the limit of its address allows the connection to log in.
    pub(crate) fn may_log_in(&self, mailbox: &Arc<Mailbox>) -> bool {
        let Some(own) = self.all.values().find(|connection| Arc::ptr_eq(&connection.mailbox, mailbox)) else {
            return false;
        };
        let same = |other: &&Connection| other.logged_in && address_group(other.address) == address_group(own.address);
        self.all.values().filter(same).count() < own.limit
    }

    /// Records whether the connection is logged in to a target.
    pub(crate) fn set_logged_in(&mut self, mailbox: &Arc<Mailbox>, logged_in: bool) {
        let mut all = self.all.values_mut();
        if let Some(connection) = all.find(|connection| Arc::ptr_eq(&connection.mailbox, mailbox)) {
            connection.logged_in = logged_in;
        }
    }

    /// Removes a connection that has closed. Returns the bytes that it received and sent.
    pub(crate) fn remove(&mut self, number: usize) -> Option<(u64, u64)> {
        self.all.remove(&number).map(|connection| connection.mailbox.bytes())
    }

    /// Bytes that all open connections have received and sent.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let bytes = self.all.values().map(|connection| connection.mailbox.bytes());
        bytes.fold((0, 0), |(received, sent), bytes| (received + bytes.0, sent + bytes.1))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The mailboxes of the connections of this address, or of all connections.
    pub(crate) fn of_address(&self, address: Option<IpAddr>) -> impl Iterator<Item = &Arc<Mailbox>> {
        let wanted = move |connection: &&Connection| address.is_none_or(|address| address == connection.address);
        self.all.values().filter(wanted).map(|connection| &connection.mailbox)
    }

    pub(crate) fn close_all(&self) {
        self.all.values().for_each(|connection| connection.mailbox.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const LIMITS: AddressLimits = AddressLimits { connections: 14, unauthenticated: 3 };

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    fn mailbox() -> Arc<Mailbox> {
        Arc::new(Mailbox::new(address(0)).unwrap())
    }

    #[test]
    fn oldest_unauthenticated_connection_of_address_is_closed() {
        let mut all = Connections::default();
        let mailboxes: Vec<_> = (0..4).map(|_| mailbox()).collect();
        for (number, mailbox) in mailboxes.iter().enumerate().take(3) {
            assert_eq!(all.admit(mailbox, address(1), LIMITS, 0), Admission::Admitted(number + 1));
        }
        // Another address has its own limit.
        assert_eq!(all.admit(&mailbox(), address(2), LIMITS, 2_000_000), Admission::Admitted(4));
        all.set_logged_in(&mailboxes[0], true);
        assert_eq!(all.admit(&mailboxes[3], address(1), LIMITS, 2_000_000), Admission::Admitted(5));
        let later = all.admit(&mailbox(), address(1), LIMITS, 4_000_000);
        assert_eq!(later, Admission::AdmittedInstead(6, address(1)));
        assert_eq!(
            mailboxes.iter().map(|mailbox| mailbox.is_closing()).collect::<Vec<_>>(),
            [false, true, false, false]
        );
    }

    #[test]
    fn simultaneous_logins_are_not_displaced() {
        let mut all = Connections::default();
        for number in 1..=12 {
            assert_eq!(all.admit(&mailbox(), address(1), LIMITS, 1_999_999), Admission::Admitted(number));
        }
        assert_eq!(all.admit(&mailbox(), address(1), LIMITS, 1_999_999), Admission::AdmittedInstead(13, address(1)));
    }

    #[test]
    fn one_address_cannot_use_all_connections() {
        let mut all = Connections::default();
        let boxes: Vec<_> = (0..15).map(|_| mailbox()).collect();
        for mailbox in &boxes {
            assert!(matches!(all.admit(mailbox, address(1), LIMITS, 0), Admission::Admitted(_)));
            assert_eq!(all.may_log_in(mailbox), !Arc::ptr_eq(mailbox, &boxes[14]));
            all.set_logged_in(mailbox, !Arc::ptr_eq(mailbox, &boxes[14]));
        }
        let other = mailbox();
        assert!(matches!(all.admit(&other, address(2), LIMITS, 0), Admission::Admitted(_)));
        assert!(all.may_log_in(&other));
        // The end of a session allows another login.
        all.set_logged_in(&boxes[3], false);
        assert!(all.may_log_in(&boxes[14]));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let mut all = Connections::default();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for last in 1..=3 {
            let admitted = all.admit(&mailbox(), ip(&format!("2001:db8::{last}")), LIMITS, 0);
            assert_eq!(admitted, Admission::Admitted(last));
        }
        let now = 2_000_000;
        let fourth = all.admit(&mailbox(), ip("2001:db8::4:0:0:9"), LIMITS, now);
        assert_eq!(fourth, Admission::AdmittedInstead(4, ip("2001:db8::1")));
        assert_eq!(all.admit(&mailbox(), ip("2001:db8:0:1::1"), LIMITS, now), Admission::Admitted(5));
    }

    #[test]
    fn oldest_unauthenticated_connection_is_closed() {
        let mut all = Connections::default();
        let mailboxes: Vec<_> = (0..128).map(|_| mailbox()).collect();
        for (number, mailbox) in mailboxes.iter().enumerate() {
            let last = u8::try_from(number / 3).unwrap();
            assert!(matches!(all.admit(mailbox, address(last), LIMITS, 0), Admission::Admitted(_)));
        }
        assert_eq!(all.admit(&mailbox(), address(99), LIMITS, 1_999_999), Admission::Admitted(129));
        assert_eq!(all.admit(&mailbox(), address(99), LIMITS, 2_000_000), Admission::AdmittedInstead(130, address(0)));
        assert!(mailboxes[0].is_closing() && !mailboxes[1].is_closing());
    }
}
