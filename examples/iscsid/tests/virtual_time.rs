//! The time limits of iSCSI connections in virtual time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use iscsid::Portal;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use vtl::Library;
use vtl::clock::VirtualClock;
use vtl::frontend::Frontend;

/// NOP-In after 30 s without a PDU, and the end of the connection 30 s later.
#[test]
fn idle_connection_ends_after_a_minute() {
    let clock = VirtualClock::default();
    let site = Library::builder().frontend(Frontend::ISCSI).clock(clock.clock()).open().unwrap();
    let portal = Portal::on_free_port(&site).unwrap();
    let mut stream = TcpStream::connect(portal.address()).unwrap();
    // The test fails, and does not wait forever, if the clock does not wake the connection.
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let keys = format!("InitiatorName=iqn.i\0TargetName={}\0SessionType=Normal\0", site.targets()[0].name());
    let mut login = vec![0; 48];
    (login[0], login[1], login[7]) = (0x43, 0x87, u8::try_from(keys.len()).unwrap());
    login.extend_from_slice(keys.as_bytes());
    login.resize(login.len().next_multiple_of(4), 0);
    stream.write_all(&login).unwrap();
    let mut header = [0; 48];
    stream.read_exact(&mut header).unwrap();
    assert_eq!((header[0], header[36]), (0x23, 0));
    let len = usize::from(header[7]).next_multiple_of(4);
    stream.read_exact(&mut vec![0; len]).unwrap();
    assert_eq!(advance_until_read(&clock, &mut stream, &mut header), 48);
    assert_eq!((header[0], &header[16..20]), (0x20, &[0xff; 4][..]));
    assert_eq!(advance_until_read(&clock, &mut stream, &mut header), 0);
    portal.close();
}

/// Advances the clock by 30 s until the target sends something or closes the connection. Once is not always enough: the
/// connection may read the clock only after the test has advanced it.
fn advance_until_read(clock: &VirtualClock, stream: &mut TcpStream, header: &mut [u8; 48]) -> usize {
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    for _ in 0..10 {
        clock.advance(Duration::from_secs(30));
        match stream.read(header) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => return read.unwrap(),
        }
    }
    panic!("the clock does not wake the connection");
}
