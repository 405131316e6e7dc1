//! Commands that get no response from the unit.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use linux_scsi::ch::{Changer, Element, ElementType, Request as ChangerRequest};
use linux_scsi::st::{Access, Drive, ModeNumber, Opening};
use linux_scsi::{Errno, Interrupted, NoStatus, ScsiDevice, mtio};
use run_frontend::{Backend, LocalUnit};
use scsi_core::cdb::Opcode;
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use scsi_core::injected_fault::{CommandMatcher, FaultOutcome, FaultRule};
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use vtl::target::encode_lun;
use vtl::{ElementAddress, Library};

/// A unit whose waits take no time.
struct Simulated(Arc<dyn Backend>, RefCell<Vec<Duration>>);

impl ScsiDevice for Simulated {
    fn execute(&mut self, cdb: &[u8], data: Data<'_, '_>, timeout: Duration) -> Result<Completion, NoStatus> {
        let wait = |time| {
            self.1.borrow_mut().push(time);
            Ok(())
        };
        self.0.execute(cdb, data, timeout, &wait)
    }

    fn wait(&mut self, _: Duration) -> Result<(), Interrupted> {
        panic!("no command is repeated");
    }
}

impl Simulated {
    fn waits(&self) -> Vec<u64> {
        self.1.take().iter().map(Duration::as_secs).collect()
    }
}

/// Drivers wait three timeouts and a second for a response, as over iSCSI on Linux; then the unit is reset.
#[test]
fn commands_without_response() {
    let site = Library::builder().drives("ULT3580-TD8", 1).cartridges("A#L8", 3, "64MB").open().unwrap();
    site.libraries()[0].move_medium(ElementAddress(1000), ElementAddress(500)).unwrap();
    let target = Arc::clone(&site.targets()[0]);
    let lose = |lun: usize, opcode: u8| {
        let matcher = CommandMatcher::of_opcode(Opcode(opcode));
        assert!(target.unit(encode_lun(lun)).unwrap().inject(FaultRule::once(matcher, FaultOutcome::Drop)));
    };
    let mut units = LocalUnit::login(&target).into_iter().map(|(_, unit)| Simulated(unit, RefCell::default()));
    let (mut changer, mut drive) = (units.next().unwrap(), units.next().unwrap());

    let mut st = Drive::new();
    let (access, mode) = (Access::ReadWrite, ModeNumber::default());
    let opening = Opening { access, nonblocking: false, mode, rewinds: false, privileged: true };
    let tape = st.open(&mut drive, opening).unwrap();
    lose(1, 0x0a);
    assert_eq!(st.write(&mut drive, &tape, b"lost"), Err(Errno::EIO));
    assert_eq!(drive.waits(), [3 * 900 + 1]);
    // The position is unknown, and the unit attention of the reset is not seen.
    assert_eq!(st.write(&mut drive, &tape, b"not sent"), Err(Errno::EIO));
    let rewind = mtio::Request::decode(0x4008_6d01, &[6, 0, 0, 0, 1, 0, 0, 0]).unwrap().unwrap();
    st.ioctl(&mut drive, &tape, rewind).unwrap();
    assert_eq!(st.write(&mut drive, &tape, b"data"), Ok(4));
    st.close(&mut drive, tape).unwrap();

    let mut ch = Changer::attach(&mut changer).unwrap();
    let element = |kind, unit| Element { kind: ElementType(kind), unit };
    let request = ChangerRequest::Move { from: element(1, 1), to: element(1, 20), invert: false };
    lose(0, 0xa5);
    assert_eq!(ch.ioctl(&mut changer, request), Err(Errno::EIO));
    assert_eq!((changer.waits(), drive.waits()), (vec![3 * 300 + 1], vec![]));
    assert_eq!(ch.ioctl(&mut changer, request), Ok(vec![]));
}
