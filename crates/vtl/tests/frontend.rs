//! The frontend of a site determines the target port in the identity of its units; profiles have no transport protocol.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use vtl::Library;
use vtl::frontend::Frontend;
use vtl::host::Host;
use vtl::site::OpenSite;

fn open(frontend: Frontend) -> (OpenSite, Host) {
    let site = Library::builder().drives("ULT3580-TD8", 1).frontend(frontend).open().unwrap();
    let host = Host::login(&site.targets()[0], 1);
    host.clear_unit_attentions();
    (site, host)
}

#[test]
fn an_iscsi_portal_gives_protocol_5h_and_the_names_of_the_target() {
    let (site, host) = open(Frontend::ISCSI);
    let inquiry = host.command(1, &[0x12, 0, 0, 0, 70, 0], 70).data;
    assert_eq!(inquiry[58..66], [0x00, 0xa0, 0x09, 0x60, 0x04, 0x60, 0x05, 0x20]);
    assert_eq!(host.command(1, &[0x1a, 8, 0x18, 0, 255, 0], 255).data[4..], [0x18, 6, 0x05, 0, 0, 0, 0, 0]);
    // No bit of the page is changeable.
    assert_eq!(host.command(1, &[0x1a, 8, 0x58, 0, 255, 0], 255).data[4..], [0x18, 6, 0, 0, 0, 0, 0, 0]);
    let log = host.command(1, &[0x4d, 0, 0x58, 0, 0, 0, 0, 0, 255, 0], 255).data;
    assert_eq!(log, [0x18, 0, 0, 8, 0, 1, 0x43, 4, 0x05, 0, 0, 0]);
    let designators = host.command(1, &[0x12, 1, 0x83, 0, 255, 0], 255).data;
    let name = site.targets()[0].name().to_owned() + ",t,0x0001";
    assert!(designators.windows(name.len()).any(|window| window == name.as_bytes()));
    assert_eq!(host.command(1, &[0x12, 1, 0xc0, 0, 255, 0], 255).data[31..39], *b"iscsi_fh");
}

#[test]
fn hosts_in_the_process_have_no_transport_protocol() {
    let (_site, host) = open(Frontend::LOCAL);
    let inquiry = host.command(1, &[0x12, 0, 0, 0, 70, 0], 70).data;
    assert_eq!(inquiry[58..66], [0x00, 0xa0, 0x04, 0x60, 0x05, 0x20, 0, 0]);
    assert_eq!(host.command(1, &[0x1a, 8, 0x19, 0, 255, 0], 255).data[4..], [0x19, 6, 0x0f, 0, 0, 0, 0, 0]);
    let log = host.command(1, &[0x4d, 0, 0x58, 0, 0, 0, 0, 0, 255, 0], 255).data;
    assert_eq!(log[8..], [0x0f, 0, 0, 0]);
    // VPD page 88h: port 1 without a name.
    assert_eq!(
        host.command(1, &[0x12, 1, 0x88, 0, 255, 0], 255).data[2..],
        [0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    // READ FULL STATUS: the TransportID of a registered host.
    let mut register = [0; 24];
    register[15] = 1;
    let cdb = [0x5f, 6, 0, 0, 0, 0, 0, 0, 24, 0];
    assert_eq!(host.command_with_data(1, &cdb, &register).status.0, 0);
    let status = host.command(1, &[0x5e, 3, 0, 0, 0, 0, 0, 0, 255, 0], 255).data;
    assert_eq!(status[32..56], *b"\x0f\0\0\0host\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
}
