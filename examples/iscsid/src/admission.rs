//! Which connections there may be: limits for all, for one address, and for those that are not logged in.

use crate::sessions::Mailbox;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Connections at one time.
const MAX_CONNECTIONS: usize = 1024;
/// Connections that are not logged in to a target, of those: logins that go on, and discovery sessions.
const MAX_UNAUTHENTICATED: usize = 128;
/// Many initiators may log in at one moment. So connections that are younger than this, in microseconds, count only when
/// there are so many times as many as the limit says.
const LOGIN_GRACE_US: u64 = 2_000_000;
const LOGIN_BURST_FACTOR: usize = 4;
/// Connections that were told to close, and have not.
const MAX_CLOSING: usize = 128;

/// Limits for one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressLimits {
    /// Connections that are logged in to a target.
    pub(crate) connections: usize,
    /// Connections that are not.
    pub(crate) unauthenticated: usize,
}

impl Default for AddressLimits {
    fn default() -> Self {
        Self { connections: 512, unauthenticated: 32 }
    }
}

/// What counts as one address: of IPv6 the first 64 bits, since a host has all of the rest.
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
    /// Connections of its address that may be logged in.
    limit: usize,
    /// It was told to close for a newer one.
    displaced: bool,
}

/// What became of a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is there, under this number.
    Admitted(usize),
    /// It is there, and the connection of this address, which was not logged in, is closed for it.
    AdmittedInstead(usize, IpAddr),
    /// There are too many, for this reason.
    Refused(&'static str),
}

/// All connections, the oldest first.
#[derive(Default)]
pub(crate) struct Connections {
    all: BTreeMap<usize, Connection>,
    last: usize,
}

impl Connections {
    /// Admits a connection. Where a limit is reached, the oldest that is not logged in makes place: of the same address if
    /// the limit is that of one address.
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
        let same = |connection: &Connection| address_group(connection.address) == address_group(address);
        let too_many = |limit: usize, of: &dyn Fn(&Connection) -> bool| {
            let stranger = |connection: &Connection| of(connection) && !connection.logged_in;
            let old = |connection: &Connection| stranger(connection) && now >= connection.connected_at + LOGIN_GRACE_US;
            count(&old) >= limit || count(&stranger) >= limit * LOGIN_BURST_FACTOR
        };
        // Whether one more may log in is decided then: it may replace a session of its own.
        let of_address = too_many(limits.unauthenticated, &same);
        let of_all = count(&|_| true) >= MAX_CONNECTIONS || too_many(MAX_UNAUTHENTICATED, &|_| true);
        if self.all.len() >= MAX_CONNECTIONS + MAX_CLOSING {
            return Admission::Refused("too many connections are being closed");
        }
        let mut yielded = None;
        if of_address || of_all {
            let mut all = self.all.values_mut();
            let oldest = all.find(|other| {
                !other.displaced
                    && !other.logged_in
                    && (!of_address || address_group(other.address) == address_group(address))
            });
            let Some(oldest) = oldest else {
                return Admission::Refused("the limit of 1024 connections is reached");
            };
            oldest.displaced = true;
            oldest.mailbox.close();
            yielded = Some(oldest.address);
        }
        self.last += 1;
        let mailbox = Arc::clone(mailbox);
        let limit = limits.connections;
        let connection = Connection { mailbox, address, logged_in: false, connected_at: now, limit, displaced: false };
        self.all.insert(self.last, connection);
        match yielded {
            Some(other) => Admission::AdmittedInstead(self.last, other),
            None => Admission::Admitted(self.last),
        }
    }

    /// Whether the limit of its address lets a connection log in.
    pub(crate) fn may_log_in(&self, mailbox: &Arc<Mailbox>) -> bool {
        let Some(own) = self.all.values().find(|connection| Arc::ptr_eq(&connection.mailbox, mailbox)) else {
            return false;
        };
        let same = |other: &&Connection| other.logged_in && address_group(other.address) == address_group(own.address);
        self.all.values().filter(same).count() < own.limit
    }

    /// The connection is logged in to a target, or no longer.
    pub(crate) fn set_logged_in(&mut self, mailbox: &Arc<Mailbox>, logged_in: bool) {
        let mut all = self.all.values_mut();
        if let Some(connection) = all.find(|connection| Arc::ptr_eq(&connection.mailbox, mailbox)) {
            connection.logged_in = logged_in;
        }
    }

    pub(crate) fn remove(&mut self, number: usize) {
        self.all.remove(&number);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
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
        let boxes: Vec<_> = (0..4).map(|_| mailbox()).collect();
        for (number, mailbox) in boxes.iter().enumerate().take(3) {
            assert_eq!(all.admit(mailbox, address(1), LIMITS, 0), Admission::Admitted(number + 1));
        }
        // Another address is not concerned.
        assert_eq!(all.admit(&mailbox(), address(2), LIMITS, 2_000_000), Admission::Admitted(4));
        all.set_logged_in(&boxes[0], true);
        assert_eq!(all.admit(&boxes[3], address(1), LIMITS, 2_000_000), Admission::Admitted(5));
        let later = all.admit(&mailbox(), address(1), LIMITS, 4_000_000);
        assert_eq!(later, Admission::AdmittedInstead(6, address(1)));
        assert_eq!(boxes.iter().map(|mailbox| mailbox.is_closing()).collect::<Vec<_>>(), [false, true, false, false]);
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
        // A session that ends makes place.
        all.set_logged_in(&boxes[3], false);
        assert!(all.may_log_in(&boxes[14]));
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        let mut all = Connections::default();
        let of = |text: &str| text.parse::<IpAddr>().unwrap();
        for last in 1..=3 {
            let admitted = all.admit(&mailbox(), of(&format!("2001:db8::{last}")), LIMITS, 0);
            assert_eq!(admitted, Admission::Admitted(last));
        }
        let now = 2_000_000;
        let fourth = all.admit(&mailbox(), of("2001:db8::4:0:0:9"), LIMITS, now);
        assert_eq!(fourth, Admission::AdmittedInstead(4, of("2001:db8::1")));
        assert_eq!(all.admit(&mailbox(), of("2001:db8:0:1::1"), LIMITS, now), Admission::Admitted(5));
    }

    #[test]
    fn oldest_unauthenticated_connection_is_closed() {
        let mut all = Connections::default();
        let boxes: Vec<_> = (0..128).map(|_| mailbox()).collect();
        for (number, mailbox) in boxes.iter().enumerate() {
            let last = u8::try_from(number / 3).unwrap();
            assert!(matches!(all.admit(mailbox, address(last), LIMITS, 0), Admission::Admitted(_)));
        }
        assert_eq!(all.admit(&mailbox(), address(99), LIMITS, 1_999_999), Admission::Admitted(129));
        assert_eq!(all.admit(&mailbox(), address(99), LIMITS, 2_000_000), Admission::AdmittedInstead(130, address(0)));
        assert!(boxes[0].is_closing() && !boxes[1].is_closing());
    }
}
