//! The counters of a portal: connections, sessions, logins and bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use initiator::{Initiator, Options, Transfer};
use iscsid::Portal;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use vtl::Library;
use vtl::config::IscsiSetup;
use vtl::metrics::PortalCounters;
use vtl::site::Site;

fn counters(site: &Arc<Site>) -> PortalCounters {
    site.metrics().portals[0].counters.clone()
}

/// The thread of a connection ends some time after the initiator has closed it.
fn wait_until_closed(site: &Arc<Site>) -> PortalCounters {
    while counters(site).connections > 0 {
        thread::park_timeout(Duration::from_millis(1));
    }
    counters(site)
}

/// The counters after a response: its bytes are counted after they were sent.
fn counters_after_response(site: &Arc<Site>, sent_bytes: u64) -> PortalCounters {
    loop {
        let now = counters(site);
        if now.sent_bytes > sent_bytes {
            return now;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn connections_logins_and_bytes_are_counted() {
    let site = Library::builder().slots(2).drives("ULT3580-TD8", 1).open().unwrap();
    let mut setup = IscsiSetup::default().with_bind("127.0.0.1:0");
    setup.initiators = Some(vec!["iqn.ok".into()]);
    let portal = Portal::open(&site, &setup).unwrap();
    assert_eq!(site.metrics().portals[0].address, portal.address());
    assert_eq!(counters(&site), PortalCounters::default());
    let target = site.targets()[0].name().to_owned();
    let options = |name: &str| Options { name: name.into(), ..Options::default() };
    for _ in 0..7 {
        let refused = Initiator::login(portal.address(), &target, options("iqn.other"));
        assert_eq!(refused.map(drop).unwrap_err().to_string(), "login refused: 0202");
    }
    let unknown = Initiator::login(portal.address(), "iqn.2026-01.no:such", options("iqn.ok"));
    assert_eq!(unknown.map(drop).unwrap_err().to_string(), "login refused: 0203");
    let refused = wait_until_closed(&site);
    let expected = [("0202".to_owned(), 7), ("0203".to_owned(), 1)];
    assert_eq!(refused.logins_refused.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((refused.logins, refused.sessions), (0, 0));
    let mut session = Initiator::login(portal.address(), &target, options("iqn.ok")).unwrap();
    let open = counters_after_response(&site, refused.sent_bytes);
    assert_eq!((open.connections, open.sessions, open.logins), (1, 1, 1));
    assert!(open.received_bytes > refused.received_bytes && open.sent_bytes > refused.sent_bytes);
    // INQUIRY: a header of 48 bytes in each direction, and 36 bytes of data with a header.
    let inquiry = session.command(0, &[0x12, 0, 0, 0, 36, 0], Transfer::In(36)).unwrap();
    assert_eq!(inquiry.data.len(), 36);
    let after = counters_after_response(&site, open.sent_bytes);
    assert_eq!(after.received_bytes - open.received_bytes, 48);
    let [listed] = &site.sessions()[..] else { panic!("{:?}", site.sessions()) };
    assert_eq!((listed.portal, &*listed.session.initiator), (portal.address(), "iqn.ok"));
    assert_eq!((&*listed.session.target, listed.session.commands), (&*target, 1));
    assert_eq!(listed.session.peer.ip(), portal.address().ip());
    assert!(listed.session.tsih >= 1 && listed.session.isid.len() == 12, "{listed:?}");
    // This session alone: the bytes of the refused logins are not in it.
    assert_eq!(listed.session.received_bytes, after.received_bytes - refused.received_bytes);
    assert!(listed.session.since > 1_700_000_000_000);
    assert!((84..=132).contains(&(after.sent_bytes - open.sent_bytes)), "{after:?}");
    session.logout().unwrap();
    let closed = wait_until_closed(&site);
    assert_eq!((closed.sessions, closed.logins), (0, 1));
    assert_eq!(site.sessions(), []);
    assert!(closed.received_bytes >= after.received_bytes + 48);
    portal.close();
}
