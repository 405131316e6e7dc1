//! The commands that the driver sends, on a device that answers as a test says. `tests/recorded.rs` compares results.

use super::*;
use crate::mtio::{Operation, TapeOperation};
use crate::{Interrupted, NoStatus};
use scsi_core::data::Data;
use scsi_core::sense::{SenseBytes, SenseFormat};
use scsi_core::{Asc, Completion, Sense, SenseKey, Status};

/// A ready drive with an empty tape in variable block mode, except for the answers that a test puts before it.
#[derive(Default)]
struct Scripted {
    sent: Vec<String>,
    answers: Vec<(u8, Option<Sense>)>,
    waits: usize,
    interrupted: bool,
    gone: bool,
    write_protected: bool,
    /// Whether READ returns blocks of zeros.
    blocks: bool,
    /// Sense data as the device encodes it.
    sense_bytes: Vec<u8>,
}

impl Scripted {
    fn refusing(opcode: u8, sense: &Sense, times: usize) -> Self {
        Self { answers: vec![(opcode, Some(sense.clone())); times], ..Self::default() }
    }

    /// The commands since the last call, in hexadecimal, with data-out after a slash.
    fn take_sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ScsiDevice for Scripted {
    fn execute(&mut self, cdb: &[u8], mut data: Data<'_, '_>, _timeout: Duration) -> Result<Completion, NoStatus> {
        if self.gone {
            return Err(NoStatus::DeviceGone);
        }
        let mut text = hex(cdb);
        let len = data.data_out.len();
        if (1..64).contains(&len) {
            text = format!("{text}/{}", hex(&data.data_out.parameters(len).unwrap()));
        }
        self.sent.push(text);
        let answer = self.answers.iter().position(|(opcode, _)| *opcode == cdb[0]);
        let sense_bytes = Some(SenseBytes::truncated(&self.sense_bytes)).filter(|_| !self.sense_bytes.is_empty());
        if let Some((_, Some(sense))) = answer.map(|index| self.answers.remove(index)) {
            let completion = Completion::new(&Err(sense.into()), SenseFormat::Fixed);
            return Ok(Completion { sense: sense_bytes.or(completion.sense), ..completion });
        }
        let protection = if self.write_protected { 0x90 } else { 0x10 };
        match cdb[0] {
            0x08 if self.blocks => data.data_in.append(&vec![0; data.data_in.capacity()]),
            0x05 => data.data_in.append(&[0, 0x80, 0, 0, 0, 1]),
            0x1a => data.data_in.append(&[27, 0x88, protection, 8, 0x5e, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0x0e, 0x40]),
            _ => {}
        }
        Ok(Completion { data_in: data.data_in.written(), ..Completion::with_status(Status::GOOD) })
    }

    fn wait(&mut self, duration: Duration) -> Result<(), Interrupted> {
        assert_eq!(duration, Duration::from_secs(1));
        self.waits += 1;
        if self.interrupted { Err(Interrupted) } else { Ok(()) }
    }
}

const READ_WRITE: Opening =
    Opening { access: Access::ReadWrite, nonblocking: false, mode: ModeNumber(0), rewinds: false, privileged: true };

fn opened(device: &mut Scripted) -> (Drive, OpenTape) {
    let mut drive = Drive::new();
    let tape = drive.open(device, READ_WRITE).unwrap();
    device.take_sent();
    (drive, tape)
}

fn operate(drive: &mut Drive, device: &mut Scripted, tape: &OpenTape, operation: i16, count: i32) -> Result<(), Errno> {
    let request = Request::Operate(TapeOperation { operation: Operation(operation), count });
    drive.ioctl(device, tape, request).map(|reply| assert_eq!(reply, Reply::Done))
}

#[test]
fn commands_of_open_and_close() {
    let mut device = Scripted::refusing(0x00, &Sense::new(SenseKey(6), Asc(0x2800)), 1);
    let mut drive = Drive::new();
    let tape = drive.open(&mut device, READ_WRITE).unwrap();
    assert_eq!(device.take_sent(), ["000000000000", "000000000000", "050000000000", "1a0000000c00"]);
    assert_eq!(drive.open(&mut device, READ_WRITE).unwrap_err(), Errno(16));
    assert_eq!(drive.write(&mut device, &tape, b"abc"), Ok(3));
    drive.close(&mut device, tape).unwrap();
    assert_eq!(device.take_sent(), ["0a0000000300/616263", "100000000100"]);
}

#[test]
fn a_rewinding_node_rewinds() {
    let mut device = Scripted::default();
    let mut drive = Drive::new();
    let tape = drive.open(&mut device, Opening { rewinds: true, ..READ_WRITE }).unwrap();
    device.take_sent();
    drive.close(&mut device, tape).unwrap();
    assert_eq!(device.take_sent(), ["010000000000"]);
}

#[test]
fn open_waits_for_a_drive_that_becomes_ready() {
    let becoming_ready = Sense::new(SenseKey(2), Asc(0x0401));
    let mut device = Scripted::refusing(0x00, &becoming_ready, 3);
    let (_drive, _tape) = opened(&mut device);
    assert_eq!(device.waits, 3);
    let mut device = Scripted::refusing(0x00, &becoming_ready, 200);
    assert_eq!(Drive::new().open(&mut device, READ_WRITE).unwrap_err(), Errno(5));
    assert_eq!(device.waits, 120);
    let mut device = Scripted::refusing(0x00, &becoming_ready, 200);
    let mut drive = Drive::new();
    drive.set_ready_limit(Duration::from_secs(2));
    assert_eq!(drive.open(&mut device, READ_WRITE).unwrap_err(), Errno(5));
    assert_eq!(device.waits, 2);
    let mut device = Scripted { interrupted: true, ..Scripted::refusing(0x00, &becoming_ready, 200) };
    assert_eq!(Drive::new().open(&mut device, READ_WRITE).unwrap_err(), Errno(4));
    let mut device = Scripted::refusing(0x00, &becoming_ready, 1);
    let nonblocking = Opening { nonblocking: true, ..READ_WRITE };
    let _tape = Drive::new().open(&mut device, nonblocking).unwrap();
    assert_eq!(device.waits, 0);
}

#[test]
fn a_device_that_is_gone_is_an_error() {
    let mut device = Scripted::default();
    let (mut drive, tape) = opened(&mut device);
    device.gone = true;
    assert_eq!(drive.read(&mut device, &tape, &mut [0; 10]), Err(Errno(5)));
    assert_eq!(drive.write(&mut device, &tape, &[0; 10]), Err(Errno(5)));
    assert_eq!(operate(&mut drive, &mut device, &tape, 6, 1), Err(Errno(5)));
    drive.close(&mut device, tape).unwrap();
    assert_eq!(drive.open(&mut device, READ_WRITE).unwrap_err(), Errno(5));
}

#[test]
fn commands_of_operations() {
    let expected = [
        (1, 3, "110100000300"),
        (2, 3, "1101fffffd00"),
        (3, 0x0001_0203, "110001020300"),
        (5, 2, "100000000200"),
        (35, 2, "100100000200"),
        (6, 1, "010000000000"),
        (9, 1, "1b0000000300"),
        (7, 1, "1b0000000000"),
        (30, 1, "1b0000000100"),
        (13, 0, "190000000000"),
        (13, 1, "190100000000"),
        (22, 0x0102_0304, "2b040001020304000000"),
        (28, 1, "1e0000000100"),
        (29, 1, "1e0000000000"),
        (20, 512, "151000000c00/000010085e00000000000200"),
        (21, 0x5c, "151000000c00/000010085c00000000000000"),
        (24, 2, "151000000c00/000020085e00000000000000"),
    ];
    for (operation, count, cdb) in expected {
        let mut device = Scripted::default();
        let (mut drive, tape) = opened(&mut device);
        operate(&mut drive, &mut device, &tape, operation, count).unwrap();
        assert_eq!(device.take_sent().first().map(String::as_str), Some(cdb), "operation {operation}");
        drive.close(&mut device, tape).unwrap();
    }
}

#[test]
fn compression_changes_one_bit_of_the_page() {
    let mut device = Scripted::default();
    let (mut drive, tape) = opened(&mut device);
    operate(&mut drive, &mut device, &tape, 32, 1).unwrap();
    let sent = device.take_sent();
    assert_eq!(sent[0], "1a000f001c00");
    assert_eq!(sent[1], "151000001c00/000010085e000000000000000f0ec000000000000000000000000000");
    drive.close(&mut device, tape).unwrap();
}

#[test]
fn options_need_the_privilege() {
    let mut device = Scripted::default();
    let mut drive = Drive::new();
    let tape = drive.open(&mut device, Opening { privileged: false, ..READ_WRITE }).unwrap();
    assert_eq!(operate(&mut drive, &mut device, &tape, 24, 0x3000_0010), Err(Errno(1)));
    assert_eq!(operate(&mut drive, &mut device, &tape, 20, 512), Ok(()));
    drive.close(&mut device, tape).unwrap();
}

#[test]
fn a_write_protected_tape() {
    let mut device = Scripted { write_protected: true, ..Scripted::default() };
    let mut drive = Drive::new();
    assert_eq!(drive.open(&mut device, READ_WRITE).unwrap_err(), Errno(30));
    let tape = drive.open(&mut device, Opening { access: Access::Read, ..READ_WRITE }).unwrap();
    assert_eq!(drive.write(&mut device, &tape, &[0; 10]), Err(Errno(9)));
    drive.close(&mut device, tape).unwrap();
    let tape = drive.open(&mut device, Opening { nonblocking: true, ..READ_WRITE }).unwrap();
    device.take_sent();
    assert_eq!(drive.write(&mut device, &tape, &[0; 10]), Err(Errno(13)));
    assert_eq!(device.take_sent(), [""; 0]);
    drive.close(&mut device, tape).unwrap();
}

#[test]
fn reads_and_writes_of_fixed_blocks() {
    let mut device = Scripted::default();
    let (mut drive, tape) = opened(&mut device);
    operate(&mut drive, &mut device, &tape, 20, 512).unwrap();
    device.take_sent();
    assert_eq!(drive.write(&mut device, &tape, &[0; 1536]), Ok(1536));
    assert_eq!(drive.write(&mut device, &tape, &[0; 1000]), Err(Errno(22)));
    assert_eq!(device.take_sent(), ["0a0100000300"]);
    drive.close(&mut device, tape).unwrap();
}

#[test]
fn blocks_that_were_read_ahead_are_spaced_over() {
    let mut device = Scripted::default();
    let (mut drive, tape) = opened(&mut device);
    operate(&mut drive, &mut device, &tape, 20, 512).unwrap();
    device.take_sent();
    let mut part = [1; 100];
    device.blocks = true;
    assert_eq!(drive.read(&mut device, &tape, &mut part), Ok(100));
    assert_eq!(drive.read(&mut device, &tape, &mut part), Ok(100));
    assert_eq!(part, [0; 100]);
    assert_eq!(device.take_sent(), ["080100004000"]);
    operate(&mut drive, &mut device, &tape, 8, 1).unwrap();
    assert_eq!(device.take_sent(), ["1100ffffc100"]);
    drive.close(&mut device, tape).unwrap();
}

#[test]
fn an_error_of_a_buffered_write_is_reported_by_the_next_call() {
    let mut device = Scripted::default();
    let (mut drive, tape) = opened(&mut device);
    operate(&mut drive, &mut device, &tape, 20, 512).unwrap();
    device.blocks = true;
    drive.read(&mut device, &tape, &mut [0; 100]).unwrap();
    device.take_sent();
    assert_eq!(drive.write(&mut device, &tape, &[0; 1024]), Ok(1024));
    assert_eq!(device.take_sent(), ["1100ffffc100"]);
    device.answers.push((0x0a, Some(Sense::new(SenseKey(3), Asc(0x0c00)))));
    assert_eq!(operate(&mut drive, &mut device, &tape, 8, 1), Err(Errno(5)));
    assert_eq!(device.take_sent(), ["0a0100000200"]);
    // The blocks are written again.
    assert_eq!(operate(&mut drive, &mut device, &tape, 8, 1), Ok(()));
    assert_eq!(device.take_sent(), ["0a0100000200"]);
    // A full buffer is written at once.
    assert_eq!(drive.write(&mut device, &tape, &[0; 32768]), Ok(32768));
    assert_eq!(device.take_sent(), ["0a0100004000"]);
    assert_eq!(drive.write(&mut device, &tape, &[0; 512]), Ok(512));
    drive.close(&mut device, tape).unwrap();
    assert_eq!(device.take_sent(), ["0a0100000100", "100000000100"]);
}

/// st(4): MT_ST_NO_BLKLIMS, "the driver does not use the command".
#[test]
fn without_block_limits_the_drive_judges_lengths() {
    let mut device = Scripted::default();
    let (mut drive, tape) = opened(&mut device);
    assert_eq!(operate(&mut drive, &mut device, &tape, 20, 0x80_0001), Err(Errno(22)));
    operate(&mut drive, &mut device, &tape, 24, 0x3000_0200).unwrap();
    drive.close(&mut device, tape).unwrap();
    device.take_sent();
    let tape = drive.open(&mut device, READ_WRITE).unwrap();
    assert_eq!(device.take_sent(), ["000000000000", "1a0000000c00"]);
    operate(&mut drive, &mut device, &tape, 20, 0x80_0001).unwrap();
    assert_eq!(device.take_sent()[0], "151000000c00/000010085e00000000800001");
    drive.close(&mut device, tape).unwrap();
}

/// st(4): MT_ST_WRITE_THRESHOLD in blocks of 1,024 bytes.
#[test]
fn buffered_writes_begin_at_the_threshold() {
    let mut device = Scripted { blocks: true, ..Scripted::default() };
    let (mut drive, tape) = opened(&mut device);
    operate(&mut drive, &mut device, &tape, 20, 512).unwrap();
    operate(&mut drive, &mut device, &tape, 24, 0x2000_0002).unwrap();
    // Such a read makes the driver use its buffer.
    drive.read(&mut device, &tape, &mut [0; 100]).unwrap();
    drive.write(&mut device, &tape, &[0; 1024]).unwrap();
    device.take_sent();
    assert_eq!(drive.write(&mut device, &tape, &[0; 512]), Ok(512));
    assert_eq!(device.take_sent(), [""; 0]);
    assert_eq!(drive.write(&mut device, &tape, &[0; 512]), Ok(512));
    assert_eq!(device.take_sent(), ["0a0100000400"]);
    // A greater threshold than the buffer of 32 KiB is the buffer.
    operate(&mut drive, &mut device, &tape, 24, 0x2fff_ffff).unwrap();
    drive.write(&mut device, &tape, &[0; 32256]).unwrap();
    assert_eq!(device.take_sent(), [""; 0]);
    drive.write(&mut device, &tape, &[0; 512]).unwrap();
    assert_eq!(device.take_sent(), ["0a0100004000"]);
    drive.close(&mut device, tape).unwrap();
}

/// MT_ST_SET_CLN: byte 21 of the sense data, bits 3 and 0.
#[test]
fn bits_of_sense_data_request_cleaning() {
    for (option, byte, requested) in [
        (0x8000_0915_u32, 0x08, true),
        (0x8000_0915, 0x01, true),
        (0x8000_0915, 0xf6, false),
        (0x8001_0915, 0x01, true),
        (0x8001_0915, 0x09, false),
        (0x8000_0900, 0xff, false),
    ] {
        let mut sense_bytes = vec![0; 24];
        (sense_bytes[0], sense_bytes[2], sense_bytes[21]) = (0x70, 1, byte);
        let mut device = Scripted { sense_bytes, ..Scripted::default() };
        let (mut drive, tape) = opened(&mut device);
        operate(&mut drive, &mut device, &tape, 24, option.cast_signed()).unwrap();
        device.answers.push((0x01, Some(Sense::new(SenseKey(1), Asc(0)))));
        operate(&mut drive, &mut device, &tape, 6, 1).unwrap();
        let Reply::Status(status) = drive.ioctl(&mut device, &tape, Request::Status).unwrap() else { panic!() };
        assert_eq!(status.generic.bits() & 0x8000 != 0, requested, "{option:x} {byte:x}");
        drive.close(&mut device, tape).unwrap();
    }
}
