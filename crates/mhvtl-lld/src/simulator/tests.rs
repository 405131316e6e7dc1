//! The simulator behaves as the kernel module: one command at a time, aborts, time-outs and rejected commands.

use super::*;
use std::thread;

fn at(target: u32) -> HostAddress {
    HostAddress { channel: 0, target, lun: 0 }
}

/// Adds a unit and responds to the INQUIRY of the host.
fn unit(module: &Simulator, minor: u16) -> SimulatorDevice {
    let mut device = module.open(minor).unwrap();
    let adding = thread::spawn({
        let module = module.clone();
        move || module.add_unit(minor, at(minor.into()))
    });
    let command = std::iter::repeat_with(|| device.next_command().unwrap()).find_map(|command| command).unwrap();
    let response = CommandResponse { data: &[0; 36], ..CommandResponse::default() };
    assert_eq!(device.complete(command.serial, &response).unwrap(), CompletionOutcome::Completed);
    adding.join().unwrap().unwrap();
    device
}

#[test]
fn host_runs_one_command_at_a_time() {
    let module = Simulator::default();
    let (mut one, mut two) = (unit(&module, 11), unit(&module, 12));
    let first = module.send(11, &[0; 6], HostTransfer::NoData);
    let second = module.send(12, &[0; 6], HostTransfer::NoData);
    assert_eq!(two.next_command().unwrap(), None, "the command of the other unit is pending");
    let command = one.next_command().unwrap().unwrap();
    assert_eq!(one.next_command().unwrap(), None, "a command is returned once");
    assert_eq!(two.next_command().unwrap(), None);
    one.complete(command.serial, &CommandResponse::default()).unwrap();
    assert_eq!(first.wait(), HostResult::default());
    let command = two.next_command().unwrap().unwrap();
    two.complete(command.serial, &CommandResponse { status: 2, sense: &[0, 0, 5], ..CommandResponse::default() })
        .unwrap();
    let result = second.wait();
    assert_eq!((result.status, result.sense.len(), &result.sense[..3]), (2, 96, &[0x70, 0, 5][..]));
}

#[test]
fn data_in_and_data_out() {
    let module = Simulator::default();
    let mut unit = unit(&module, 11);
    let sent = module.send(11, &[0x0a, 0, 0, 0, 4, 0], HostTransfer::DataOut(b"data".to_vec()));
    let command = unit.next_command().unwrap().unwrap();
    let mut data = [0; 4];
    unit.fetch_data(command.serial, &mut data).unwrap();
    unit.fetch_data(command.serial, &mut data[..2]).unwrap();
    assert_eq!(&data, b"data");
    let longer = unit.fetch_data(command.serial, &mut [0; 5]).unwrap_err();
    assert_eq!(longer.kind(), io::ErrorKind::UnexpectedEof);
    unit.complete(command.serial, &CommandResponse::default()).unwrap();
    assert_eq!(sent.wait(), HostResult::default());
    // Data-In bytes together with sense data.
    let sent = module.send(11, &[0x08, 0, 0, 0, 8, 0], HostTransfer::DataIn(8));
    let command = unit.next_command().unwrap().unwrap();
    assert_eq!(unit.fetch_data(command.serial, &mut [0; 1]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    unit.complete(command.serial, &CommandResponse { status: 2, data: b"short", sense: &[0xf0] }).unwrap();
    let result = sent.wait();
    assert_eq!((result.data.as_slice(), result.residual, result.status), (&b"short"[..], 3, 2));
    assert_eq!(unit.fetch_data(command.serial, &mut [0; 1]).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn aborts_and_timeouts_are_not_reported_to_the_unit() {
    let module = Simulator::default();
    let mut unit = unit(&module, 11);
    let sent = module.send(11, &[0; 6], HostTransfer::NoData);
    let command = unit.next_command().unwrap().unwrap();
    module.abort(sent.serial());
    assert_eq!(unit.complete(command.serial, &CommandResponse::default()).unwrap(), CompletionOutcome::CommandGone);
    assert_eq!(sent.wait().host, HostStatus::TimedOut);
    // A command that timed out is complete for the host.
    let sent = module.send(11, &[0x08, 0, 0, 0, 8, 0], HostTransfer::DataIn(8));
    let command = unit.next_command().unwrap().unwrap();
    module.expire_all();
    let result = sent.wait();
    assert_eq!((result.status, result.data.len(), result.residual), (0, 0, 0));
    assert_eq!(unit.complete(command.serial, &CommandResponse::default()).unwrap(), CompletionOutcome::CommandGone);
    // Another process can serve the unit after the first has died with a pending command.
    let sent = module.send(11, &[0; 6], HostTransfer::NoData);
    unit.next_command().unwrap().unwrap();
    let mut successor = module.open(11).unwrap();
    assert_eq!(successor.next_command().unwrap(), None);
    module.abort(sent.serial());
    assert_eq!(sent.wait().host, HostStatus::TimedOut);
    let sent = module.send(11, &[0; 6], HostTransfer::NoData);
    let command = successor.next_command().unwrap().unwrap();
    assert_eq!(successor.complete(command.serial, &CommandResponse::default()).unwrap(), CompletionOutcome::Completed);
    assert_eq!(sent.wait(), HostResult::default());
}

#[test]
fn invalid_commands_are_not_delivered() {
    let module = Simulator::default();
    let mut unit = unit(&module, 11);
    assert_eq!(module.send(12, &[0; 6], HostTransfer::NoData).wait().host, HostStatus::NoConnect);
    assert_eq!(module.send(11, &[0x7f; 20], HostTransfer::NoData).wait().host, HostStatus::Aborted);
    let long = module.send(11, &[0x08, 0, 0x10, 0, 0, 0], HostTransfer::DataIn(MAX_TRANSFER + 1)).wait();
    assert_eq!(long.host, HostStatus::Invalid);
    let luns = module.send(11, &[0xa0; 12], HostTransfer::DataIn(256)).wait();
    assert_eq!((luns.data.len(), &luns.data[..4], luns.data[121]), (128, &[0, 0, 1, 0][..], 14));
    assert_eq!(unit.next_command().unwrap(), None);
    let too_high = module.add_unit(13, HostAddress { lun: 32, ..at(3) }).unwrap_err();
    assert_eq!(too_high.kind(), io::ErrorKind::InvalidInput);
    unit.remove_unit(at(11)).unwrap();
    unit.remove_unit(at(11)).unwrap();
    assert!(module.units().is_empty());
}

#[test]
fn lun_in_the_first_inquiry_is_cleared() {
    let command = Command::new(2, [0x12, 0x61, 0x80, 0, 255, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]);
    assert_eq!(command.cdb(), [0x12, 0x01, 0x80, 0, 255, 0]);
    for (opcode, len) in [(0x08, 6), (0x2b, 10), (0x5a, 10), (0xa5, 12), (0x91, 16)] {
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        assert_eq!(Command::new(2, cdb).cdb().len(), len);
    }
}
