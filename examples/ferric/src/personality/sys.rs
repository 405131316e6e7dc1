//! ioctl(2) with SG_IO, which has a structure with addresses.
#![expect(unsafe_code, reason = "SG_IO has addresses of memory")]

use linux_scsi::sg::SG_IO;
use linux_scsi::sg::v3::{DataInCommand, Results};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Sends a command without Data-Out, and waits for its end. The function of the C library is called: `ferric run` replaces
/// it.
pub(super) fn send(
    device: &File,
    cdb: &[u8],
    data: &mut [u8],
    sense: &mut [u8],
    timeout: Duration,
) -> io::Result<Results> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let address = |pointer: *const u8| pointer.expose_provenance() as u64;
    let command = DataInCommand {
        cdb: (address(cdb.as_ptr()), cdb.len().try_into().map_err(too_long)?),
        data: (address(data.as_mut_ptr()), data.len().try_into().map_err(too_long)?),
        sense: (address(sense.as_mut_ptr()), sense.len().try_into().map_err(too_long)?),
        timeout: timeout.as_millis().try_into().map_err(too_long)?,
    };
    let mut header = command.header();
    // SAFETY: the descriptor is open. The structure and all memory that it names are borrowed until the call returns.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), SG_IO.into(), &raw mut header) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(header.driver_results()) }
}
