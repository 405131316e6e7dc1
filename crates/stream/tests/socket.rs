//! A site on a socket: commands, resets, hosts and refused frames, with literal bytes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use vtl::{ElementAddress, FaultScript, Library, OpenSite};
use vtl_stream::StreamSocket;

struct Fixture {
    site: OpenSite,
    socket: StreamSocket,
    directory: TempDir,
}

impl Fixture {
    /// A drive at LUN 1 with the cartridge A1L8, on a socket.
    fn new() -> Self {
        let site = Library::builder().drives("ULT3580-TD8", 1).cartridges("A#L8", 2, "64MB").open().unwrap();
        site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = StreamSocket::open(&directory.path().join("scsi.sock"), &site).unwrap();
        Self { site, socket, directory }
    }

    fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.socket.path()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(stream)
    }

    /// A connection of a host to the first target.
    fn open(&self, host: u32) -> (Client, u32) {
        let mut client = self.connect();
        let mut body = b"FSTR\0\x01\0\0".to_vec();
        body.extend(host.to_be_bytes());
        client.send(1, &body);
        let (kind, body) = client.receive();
        assert_eq!((kind, &body[..8]), (0x81, &b"\0\x01\0\0\x01\0\0\0"[..]));
        assert_eq!(&body[12..], self.site.targets()[0].name().as_bytes());
        (client, u32::from_be_bytes(body[8..12].try_into().unwrap()))
    }

    /// A connection without pending unit attentions of the drive.
    fn open_ready(&self, host: u32) -> Client {
        let (mut client, _) = self.open(host);
        while client.command(1, &[0; 6], b"", 0).status == 2 {}
        client
    }
}

#[derive(Debug, PartialEq)]
struct Response {
    status: u8,
    residual: i32,
    sense: Vec<u8>,
    data: Vec<u8>,
}

struct Client(UnixStream);

impl Client {
    fn send(&mut self, kind: u8, body: &[u8]) {
        let mut frame = vec![kind, 0, 0, 0];
        frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend(body);
        self.0.write_all(&frame).unwrap();
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 8];
        self.0.read_exact(&mut header).unwrap();
        let mut body = vec![0; u32::from_be_bytes(header[4..].try_into().unwrap()) as usize];
        self.0.read_exact(&mut body).unwrap();
        (header[0], body)
    }

    fn send_command(&mut self, tag: u64, lun: u8, cdb: &[u8], out: &[u8], capacity: u32) {
        let mut body = vec![0, lun, 0, 0, 0, 0, 0, 0];
        body.extend(tag.to_be_bytes());
        body.extend([0, u8::try_from(cdb.len()).unwrap(), 0, 0]);
        body.extend(capacity.to_be_bytes());
        body.extend(cdb);
        body.extend(out);
        self.send(2, &body);
    }

    fn response(&mut self, tag: u64) -> Response {
        let (kind, body) = self.receive();
        assert_eq!((kind, u64::from_be_bytes(body[..8].try_into().unwrap())), (0x82, tag));
        let (sense, data) = body[16..].split_at(usize::from(body[9]));
        let residual = i32::from_be_bytes(body[12..16].try_into().unwrap());
        Response { status: body[8], residual, sense: sense.to_vec(), data: data.to_vec() }
    }

    fn command(&mut self, lun: u8, cdb: &[u8], out: &[u8], capacity: u32) -> Response {
        self.send_command(77, lun, cdb, out, capacity);
        self.response(77)
    }

    /// The number and message of the ERROR frame that ends the connection.
    fn refusal(mut self) -> (u16, String) {
        let (kind, body) = self.receive();
        assert_eq!(kind, 0x8f);
        // The daemon has closed the connection; a reset says that it left data unread.
        let end = self.0.read(&mut [0]);
        assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        (u16::from_be_bytes([body[0], body[1]]), String::from_utf8(body[4..].to_vec()).unwrap())
    }
}

#[test]
fn blocks_sense_data_and_residuals() {
    let fixture = Fixture::new();
    let (mut client, host) = fixture.open(0);
    assert_eq!(host, 0x8000_0000);
    // Power-on, then the new medium; the changer has only the first of them.
    assert_eq!(client.command(1, &[0; 6], b"", 0).sense[12..14], [0x29, 0]);
    assert_eq!(client.command(1, &[0; 6], b"", 0).sense[12..14], [0x28, 0]);
    let good = |residual, data: &[u8]| Response { status: 0, residual, sense: Vec::new(), data: data.to_vec() };
    assert_eq!(client.command(1, &[0x0a, 0, 0, 0, 5, 0], b"hello", 0), good(0, b""));
    assert_eq!(client.command(1, &[0x10, 0, 0, 0, 1, 0], b"", 0), good(0, b""));
    assert_eq!(client.command(1, &[1, 0, 0, 0, 0, 0], b"", 0), good(0, b""));
    // READ(6) of 12 bytes: ILI, INFORMATION 7, and five bytes of data.
    let read = client.command(1, &[8, 0, 0, 0, 12, 0], b"", 12);
    assert_eq!((read.status, read.residual, &*read.data), (2, 7, &b"hello"[..]));
    assert_eq!(read.sense[..8], [0xf0, 0, 0x20, 0, 0, 0, 7, read.sense[7]]);
    let filemark = client.command(1, &[8, 0, 0, 0, 12, 0], b"", 12);
    assert_eq!((filemark.status, filemark.residual, filemark.sense[2]), (2, 12, 0x80));
    // INQUIRY with an allocation length beyond the capacity; a LUN without a unit.
    assert_eq!(client.command(1, &[0x12, 0, 0, 0, 36, 0], b"", 8).residual, -28);
    assert_eq!(client.command(9, &[0x12, 0, 0, 0, 5, 0], b"", 5).data[0], 0x7f);
    assert_eq!(client.command(9, &[0; 6], b"", 0).sense[12..14], [0x25, 0]);
}

/// The frames of docs/stream.md, with the name of this target and the length of its frame.
#[test]
fn example_of_the_page() {
    let site = Library::builder().drives("ULT3580-TD8", 1).open().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = StreamSocket::open(&directory.path().join("scsi.sock"), &site).unwrap();
    let mut client = UnixStream::connect(socket.path()).unwrap();
    let page = include_str!("../../../docs/stream.md");
    let name = site.targets()[0].name().to_owned();
    let mut frames = 0;
    for line in page.lines() {
        let digits: Vec<u8> = line.bytes().skip(1).filter(u8::is_ascii_hexdigit).collect();
        let text = std::str::from_utf8(&digits).unwrap();
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        if line.starts_with("> 0") {
            client.write_all(&(0..text.len()).step_by(2).map(byte).collect::<Vec<u8>>()).unwrap();
            frames += 1;
        } else if line.starts_with("< 8") {
            let mut expected: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
            if expected[0] == 0x81 {
                expected.truncate(expected.len() - "iqn.a".len());
                expected.extend(name.as_bytes());
                expected[7] = u8::try_from(12 + name.len()).unwrap();
            }
            let mut frame = vec![0; expected.len()];
            client.read_exact(&mut frame).unwrap();
            assert_eq!(frame, expected, "{line}");
            frames += 1;
        }
    }
    assert_eq!(frames, 6);
}

#[test]
fn longest_block() {
    let fixture = Fixture::new();
    let mut client = fixture.open_ready(0);
    let block: Vec<u8> = (0..8_388_608_u32).map(|at| at.to_le_bytes()[usize::from(at % 3 == 0)]).collect();
    assert_eq!(client.command(1, &[0x0a, 0, 0x80, 0, 0, 0], &block, 0).status, 0);
    client.command(1, &[1, 0, 0, 0, 0, 0], b"", 0);
    let read = client.command(1, &[8, 0, 0x80, 0, 0, 0], b"", 8 << 20);
    assert!(read.data == block, "status {}, {} bytes", read.status, read.data.len());
}

#[test]
fn reset_ends_a_reservation() {
    let fixture = Fixture::new();
    let (mut one, mut two) = (fixture.open_ready(1), fixture.open_ready(2));
    assert_eq!(one.command(1, &[0x16, 0, 0, 0, 0, 0], b"", 0).status, 0);
    assert_eq!(two.command(1, &[0x16, 0, 0, 0, 0, 0], b"", 0).status, 0x18);
    two.send(3, &[0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(two.receive(), (0x83, vec![0; 4]));
    // BUS DEVICE RESET FUNCTION OCCURRED, for both hosts.
    for client in [&mut one, &mut two] {
        assert_eq!(client.command(1, &[0; 6], b"", 0).sense[12..14], [0x29, 3]);
    }
    assert_eq!(two.command(1, &[0x16, 0, 0, 0, 0, 0], b"", 0).status, 0);
    two.send(3, &[0, 7, 0, 0, 0, 0, 0, 0]);
    assert_eq!(two.receive(), (0x83, vec![1, 0, 0, 0]));
}

#[test]
fn end_of_the_connection_releases_a_reservation() {
    let fixture = Fixture::new();
    let mut other = fixture.open_ready(2);
    for _ in 0..20 {
        let mut client = fixture.open_ready(1);
        assert_eq!(client.command(1, &[0x16, 0, 0, 0, 0, 0], b"", 0).status, 0);
        client.0.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.0.read(&mut [0]).unwrap(), 0);
        assert_eq!(other.command(1, &[0; 6], b"", 0).status, 0);
    }
}

#[test]
fn connection_of_the_same_host_replaces_the_former() {
    let fixture = Fixture::new();
    let (mut former, mut other) = (fixture.open_ready(1), fixture.open_ready(2));
    assert_eq!(former.command(1, &[0x16, 0, 0, 0, 0, 0], b"", 0).status, 0);
    let (mut new, host) = fixture.open(1);
    assert_eq!(host, 1);
    assert_eq!(former.0.read(&mut [0]).unwrap(), 0);
    // The nexus was lost and returned: 29h/07h, and the reservation is released.
    assert_eq!(new.command(1, &[0; 6], b"", 0).sense[12..14], [0x29, 7]);
    assert_eq!(other.command(1, &[0x16, 0, 0, 0, 0, 0], b"", 0).status, 0);
}

#[test]
fn lost_response_and_the_next_command() {
    let fixture = Fixture::new();
    let mut client = fixture.open_ready(0);
    let script = "[[fault]]\nkind = \"drop_response\"\ncommands = [\"REWIND\"]\n";
    fixture.site.add_faults(&FaultScript::parse(script).unwrap()).unwrap();
    client.send_command(1, 1, &[1, 0, 0, 0, 0, 0], b"", 0);
    client.send_command(2, 1, &[0; 6], b"", 0);
    assert_eq!(client.response(2).status, 0);
}

#[test]
fn refused_frames() {
    let fixture = Fixture::new();
    for (frame, number, message) in [
        (&b"GET / HT"[..], 1, "reserved bytes of the header are not zero"),
        (b"\x02\0\0\0\0\0\0\x20", 1, "frame type 02h; expected OPEN (01h) as the first frame"),
        (b"\x01\0\0\0\xff\xff\xff\xff", 3, "OPEN frame of 4294967295 bytes; expected at most 235"),
        (
            b"\x01\0\0\0\0\0\0\x0cFSTR\0\x02\0\0\0\0\0\0",
            2,
            "the client has version 2 of the stream, and the daemon version 1",
        ),
        (b"\x01\0\0\0\0\0\0\x0fFSTR\0\x01\0\0\0\0\0\0iqn", 4, "there is no target \"iqn\""),
    ] {
        let mut client = fixture.connect();
        client.0.write_all(frame).unwrap();
        assert_eq!(client.refusal(), (number, message.into()));
    }
    let (mut client, _) = fixture.open(0);
    client.send(1, b"FSTR\0\x01\0\0\0\0\0\0");
    assert_eq!(client.refusal(), (1, "a second OPEN frame; expected COMMAND or RESET".into()));
    let (mut client, _) = fixture.open(0);
    client.send_command(1, 1, &[0x0a, 0, 0, 0, 1, 0], b"x", 1);
    assert_eq!(client.refusal(), (1, "a command with Data-Out and Data-In; expected one of them".into()));
}

#[test]
fn number_of_connections_has_a_limit() {
    let fixture = Fixture::new();
    let open: Vec<_> = (0..32).map(|_| fixture.open(0)).collect();
    assert_eq!(fixture.connect().refusal(), (5, "the socket has 32 connections already; close one".into()));
    drop(open);
    // The end of a connection is noticed by its thread.
    loop {
        let Client(mut stream) = fixture.connect();
        stream.write_all(b"\x01\0\0\0\0\0\0\x0cFSTR\0\x01\0\0\0\0\0\0").unwrap_or_default();
        let mut kind = [0];
        if stream.read_exact(&mut kind).is_ok() && kind == [0x81] {
            break;
        }
    }
}

#[test]
fn path_of_the_socket() {
    let fixture = Fixture::new();
    let path = fixture.socket.path().to_owned();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let error = |path: &PathBuf| StreamSocket::open(path, &fixture.site).err().map(|error| error.to_string());
    assert_eq!(error(&path).as_deref(), Some("another process serves the socket"));
    let file = fixture.directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(error(&file).as_deref(), Some("the file exists and is not a socket"));
    // A socket of a process that was killed is replaced; this path is too long for a socket address.
    let folder = fixture.directory.path().join("d".repeat(100));
    std::fs::create_dir(&folder).unwrap();
    let left = folder.join("scsi.sock");
    let short = fixture.directory.path().join("short");
    drop(UnixListener::bind(&short).unwrap());
    std::fs::rename(&short, &left).unwrap();
    drop(StreamSocket::open(&left, &fixture.site).unwrap());
    assert!(!left.exists());
}

#[test]
fn close_ends_every_connection() {
    let fixture = Fixture::new();
    let (mut client, _) = fixture.open(0);
    fixture.socket.close();
    assert_eq!(client.0.read(&mut [0]).unwrap(), 0);
    assert_eq!(fixture.connect().refusal().0, 6);
}
