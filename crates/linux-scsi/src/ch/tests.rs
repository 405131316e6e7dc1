use super::*;
use crate::{Interrupted, NoStatus};
use scsi_core::data::Data;
use scsi_core::sense::SenseFormat;
use scsi_core::{Asc, Completion};

/// A changer that records its commands: a robot at 0, 3 slots from 1000, an I/O element at 10, 2 drives from 500. Slot 0 is
/// full, the others are empty. Moves to a drive are refused: it is full.
#[derive(Default)]
struct Recorder {
    commands: Vec<Vec<u8>>,
    attentions: usize,
}

const PAGE: [u8; 24] = [23, 0, 0, 0, 0x1d, 18, 0, 0, 0, 1, 3, 0xe8, 0, 3, 0, 10, 0, 1, 1, 0xf4, 0, 2, 0, 0];

impl ScsiDevice for Recorder {
    fn execute(&mut self, cdb: &[u8], mut data: Data<'_, '_>, _: Duration) -> Result<Completion, NoStatus> {
        let check = |key, asc| Ok(Completion::new(&Err(Sense::new(key, Asc(asc)).into()), SenseFormat::Fixed));
        if self.attentions > 0 {
            self.attentions -= 1;
            return check(SenseKey::UNIT_ATTENTION, 0x2801);
        }
        self.commands.push(cdb.to_vec());
        let mut status =
            vec![3, 0xe8, 0, 1, 0, 0, 0, 64, 2, 0x80, 0, 52, 0, 0, 0, 60, 3, 0xe8, 9, 0, 0, 0, 0, 0, 0, 0x80, 3, 0xe9];
        status.extend(b"V00001L8                        \0\0\0\0");
        let page: &[u8] = match cdb {
            [0x1a, ..] => &PAGE,
            [0xb8, 0x12, ..] => &status,
            [0xb8, _, _, 0xe8, ..] => {
                &[3, 0xe8, 0, 1, 0, 0, 0, 20, 2, 0, 0, 12, 0, 0, 0, 12, 3, 0xe8, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }
            [0xb8, ..] => {
                &[3, 0xe9, 0, 1, 0, 0, 0, 20, 2, 0, 0, 12, 0, 0, 0, 12, 3, 0xe9, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }
            [0xa5, _, _, _, _, _, 1, 0xf4, ..] => return check(SenseKey::ILLEGAL_REQUEST, 0x3b0d),
            [0xa5, _, _, _, 1, 0xf4, ..] => return check(SenseKey::ILLEGAL_REQUEST, 0x3b0e),
            _ => &[],
        };
        data.data_in.append(page);
        Ok(Completion { data_in: page.len(), ..Completion::with_status(Status::GOOD) })
    }

    fn wait(&mut self, _: Duration) -> Result<(), Interrupted> {
        Err(Interrupted)
    }
}

/// Runs a request with these numbers as its argument. Returns the result and the last command.
fn run_request(code: u32, numbers: &[u32]) -> (Result<Vec<u8>, u16>, Vec<u8>) {
    let mut device = Recorder::default();
    let mut changer = Changer::attach(&mut device).unwrap();
    device.attentions = 1;
    let argument: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let request = Request::decode(code, &argument).unwrap().unwrap();
    let result = changer.ioctl(&mut device, request).map_err(|errno| errno.0);
    (result, device.commands.pop().unwrap())
}

#[test]
fn moves_have_addresses() {
    // Slot 2 to slot 1, and back with a turn.
    let moved = |a, b, flag| vec![0xa5, 0, 0, 0, 3, a, 3, b, 0, 0, flag, 0];
    assert_eq!(run_request(0x4014_6301, &[1, 2, 1, 1, 0]), (Ok(vec![]), moved(0xea, 0xe9, 0)));
    assert_eq!(run_request(0x4014_6301, &[1, 1, 1, 2, 1]), (Ok(vec![]), moved(0xe9, 0xea, 1)));
    let exchanged = vec![0xa6, 0, 0, 0, 3, 0xe8, 1, 0xf5, 0, 10, 1, 0];
    assert_eq!(run_request(0x401c_6302, &[1, 0, 3, 1, 2, 0, 2]), (Ok(vec![]), exchanged));
    assert_eq!(run_request(0x400c_6303, &[3, 1, 0]), (Ok(vec![]), vec![0x2b, 0, 0, 0, 1, 0xf5, 0, 0, 0, 0]));
    assert_eq!(run_request(0x6311, &[]), (Ok(vec![]), vec![7, 0, 0, 0, 0, 0]));
}

#[test]
fn errors_of_moves() {
    for (numbers, errno) in [([1, 3, 1, 1, 0], 57), ([4, 0, 1, 1, 0], 57), ([1, 0, 3, 0, 0], 54), ([3, 0, 1, 0, 0], 52)]
    {
        assert_eq!(run_request(0x4014_6301, &numbers).0, Err(errno), "{numbers:?}");
    }
}

#[test]
fn numbers_and_status_of_elements() {
    let counts = [0, 1, 3, 1, 2].iter().flat_map(|count: &u32| count.to_le_bytes()).collect();
    assert_eq!(run_request(0x8014_6306, &[]).0, Ok(counts));
    assert_eq!(run_request(0x4010_6308, &[1]).0, Ok(vec![9, 8, 8]));
    assert_eq!(run_request(0x4010_6308, &[7]).0, Ok(vec![]));
    assert_eq!(run_request(0x4010_6308, &[8]).0, Err(22));
    let mut element = [1_u32, 0, 9, 0, 1, 1, 0, 0].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    element.extend(b"V00001L8                        \0\0\0\0");
    element.extend([0; 36]);
    element.extend([0x14, 0, 0, 0]);
    let mut argument = [0; 27];
    argument[0] = 1;
    let (result, command) = run_request(0x406c_6310, &argument);
    assert_eq!(result, Ok(element));
    assert_eq!(command[..6], [0xb8, 0x12, 3, 0xe8, 0, 1]);
}

#[test]
fn volume_tags() {
    let mut argument = [1_u32, 1].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    argument.extend([b'X'; 36]);
    argument.extend([4, 0, 0, 0]);
    let request = Request::decode(0x4030_6312, &argument).unwrap().unwrap();
    let mut device = Recorder::default();
    let mut changer = Changer::attach(&mut device).unwrap();
    changer.ioctl(&mut device, request).unwrap();
    assert_eq!(device.commands[1], [0xb6, 0, 3, 0xe9, 0, 0xc, 0, 0, 0, 40, 0, 0]);
    assert_eq!(Request::decode(0x4030_6312, &argument[..40]), Err(Errno(14)));
    assert_eq!(Request::decode(0x8030_6d02, &[]), Ok(None));
}
