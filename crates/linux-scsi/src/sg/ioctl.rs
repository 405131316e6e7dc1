//! The other requests of `ioctl(2)` on generic devices, and those of the SCSI layer that every SCSI device has.

use super::{Driver, code};
use crate::device::sense;
use crate::{Errno, ScsiDevice};
use core::time::Duration;
use scsi_core::{SenseKey, Status};

/// The address of a logical unit on its host adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Number of the host adapter.
    pub host: u32,
    /// Number of the bus of the host adapter.
    pub channel: u32,
    /// Number of the target on the bus.
    pub target: u32,
    /// Number of the logical unit.
    pub lun: u32,
}

impl core::fmt::Display for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}:{}:{}", self.host, self.channel, self.target, self.lun)
    }
}

/// The result of a request: a number, and bytes for the argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The result of the system call.
    pub value: u32,
    /// Bytes to store at the argument.
    pub bytes: Vec<u8>,
    /// A reset that the caller has to do. If it cannot, the result of the system call is EIO.
    pub reset: Option<Reset>,
}

/// The units that the request SG_SCSI_RESET resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// The logical unit of the node: LOGICAL UNIT RESET.
    Unit,
    /// The target of the node, with all its logical units.
    Target,
    /// All targets: the bus or the host adapter.
    AllTargets,
}

impl Reset {
    /// Decodes the argument of SG_SCSI_RESET; `Ok(None)` if it only queries whether a reset is in progress.
    fn decode(argument: i32) -> Result<Option<Self>, Errno> {
        // Bit 8 excludes a larger reset if this one fails, which none does here.
        match argument & !0x100 {
            0 => Ok(None),
            1 => Ok(Some(Self::Unit)),
            2 | 3 => Ok(Some(Self::AllTargets)),
            4 => Ok(Some(Self::Target)),
            _ => Err(Errno::EIO),
        }
    }
}

/// Settings of SG_IO: sg has them for each open file description, the other drivers for each unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    timeout: u32,
    reserved_bytes: u32,
    command_queuing: u32,
    force_pack_id: bool,
    keep_orphan: bool,
}

/// Ticks of a second in SG_SET_TIMEOUT and SG_GET_TIMEOUT (USER_HZ), and in the memory of Linux (HZ).
const TICKS_PER_SECOND: u32 = 100;
const KERNEL_TICKS_PER_SECOND: u32 = 250;
/// Most ticks of SG_SET_TIMEOUT of sg.
const MAX_TICKS: u32 = 858_993_458;
/// Timeout of a command if nothing sets one.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// Most bytes of SG_SET_RESERVED_SIZE.
const MAX_RESERVED: u32 = 1_310_720;
/// Least bytes that sg reserves, always whole sectors.
const MIN_RESERVED: u32 = 4096;
const SECTOR: u32 = 512;
/// Version of sg: 3.5.36.
const VERSION: u32 = 30_536;
/// Version that the SCSI layer returns for other drivers: 3.5.27.
const IMITATED_VERSION: u32 = 30_527;
/// The number of memory segments that one command can have.
const TABLE_SIZE: u32 = 2048;
/// The name of the host adapter.
const HOST_NAME: &str = "Ferric";
/// Commands that a unit accepts at the same time.
const QUEUE_DEPTH: u16 = 32;
/// Commands that a node of bsg accepts at the same time, unless a program changes the number.
const BLOCK_QUEUE_DEPTH: u32 = 64;

/// Attempts of a command that a unit attention ended.
const ATTEMPTS: usize = 4;
/// The CDB of a request that sends one command without data: to lock or unlock the door, to load or unload.
#[must_use]
pub const fn command(driver: Driver, number: u32) -> Option<[u8; 6]> {
    match (driver, number) {
        (Driver::Block, _) => None,
        (_, code::DOORLOCK) => Some([0x1e, 0, 0, 0, 1, 0]),
        (_, code::DOORUNLOCK) => Some([0x1e, 0, 0, 0, 0, 0]),
        (_, code::START_UNIT) => Some([0x1b, 0, 0, 0, 1, 0]),
        (_, code::STOP_UNIT) => Some([0x1b, 0, 0, 0, 0, 0]),
        _ => None,
    }
}

/// Sends the command of [`command`].
///
/// # Errors
/// EIO if the unit refuses. Linux returns a positive number then, which programs take for success.
pub fn run(device: &mut dyn ScsiDevice, cdb: [u8; 6]) -> Result<(), Errno> {
    for _ in 0..ATTEMPTS {
        let completion = device.transfer(&cdb, &[], &mut [], DEFAULT_TIMEOUT).map_err(|_| Errno::EIO)?;
        match sense(&completion) {
            _ if completion.status == Status::GOOD => return Ok(()),
            Some(sense) if sense.key == SenseKey::UNIT_ATTENTION => {}
            _ => break,
        }
    }
    Err(Errno::EIO)
}

/// The reply that stores a number at the address of the program.
fn value(number: u32) -> Result<Reply, Errno> {
    Ok(Reply { bytes: number.to_le_bytes().to_vec(), ..Reply::default() })
}

impl Settings {
    /// The settings before a program changes them.
    #[must_use]
    pub const fn new(driver: Driver) -> Self {
        let is_generic = matches!(driver, Driver::Generic);
        Self {
            timeout: if is_generic { 60 * TICKS_PER_SECOND } else { 0 },
            reserved_bytes: if is_generic { 32 << 10 } else { MAX_RESERVED },
            command_queuing: if is_generic { 0 } else { BLOCK_QUEUE_DEPTH },
            force_pack_id: false,
            keep_orphan: false,
        }
    }

    /// The timeout of a command whose structure does not set one.
    #[must_use]
    pub fn timeout(&self, driver: Driver) -> Duration {
        let ticks = match driver {
            Driver::Generic => TICKS_PER_SECOND,
            Driver::Block | Driver::Other => KERNEL_TICKS_PER_SECOND,
        };
        if self.timeout == 0 { DEFAULT_TIMEOUT } else { Duration::from_secs(1) * self.timeout / ticks }
    }

    /// Runs a request other than SG_IO and those of [`command`]. `argument` is what the program passed: the bytes at its address. `device_type` is the
    /// PERIPHERAL DEVICE TYPE of the unit.
    ///
    /// # Errors
    /// EINVAL for an unknown request or an invalid value, ENOTTY for one that bsg does not know, EFAULT if `argument` is too
    /// short, EIO for a negative timeout of sg and an unknown kind of reset.
    pub fn ioctl(
        &mut self,
        driver: Driver,
        number: u32,
        argument: &[u8],
        address: Address,
        device_type: u8,
    ) -> Result<Reply, Errno> {
        let set = || argument.first_chunk().map(|bytes| i32::from_le_bytes(*bytes)).ok_or(Errno::EFAULT);
        let done = Ok(Reply::default());
        match (driver, number) {
            (_, code::SG_SET_TIMEOUT) => {
                self.set_timeout(driver, set()?)?;
                done
            }
            (Driver::Generic, code::SG_GET_TIMEOUT) => Ok(Reply { value: self.timeout, ..Reply::default() }),
            (_, code::SG_GET_TIMEOUT) => {
                let ticks = u64::from(self.timeout) * u64::from(TICKS_PER_SECOND) / u64::from(KERNEL_TICKS_PER_SECOND);
                Ok(Reply { value: u32::try_from(ticks).unwrap_or(u32::MAX), ..Reply::default() })
            }
            (Driver::Generic, code::SG_EMULATED_HOST) => value(0),
            (_, code::SG_EMULATED_HOST) => value(1),
            (_, code::SG_GET_RESERVED_SIZE) => value(self.reserved_bytes),
            (_, code::SG_SET_RESERVED_SIZE) => {
                let bytes = u32::try_from(set()?).map_err(|_| Errno::EINVAL)?.min(MAX_RESERVED);
                let sectors = (bytes.div_ceil(SECTOR) * SECTOR).max(MIN_RESERVED);
                self.reserved_bytes = if driver == Driver::Generic { sectors } else { bytes };
                done
            }
            (Driver::Generic, code::SG_GET_VERSION_NUM) => value(VERSION),
            (_, code::SG_GET_VERSION_NUM) => value(IMITATED_VERSION),
            (Driver::Generic | Driver::Block, code::SG_GET_COMMAND_Q) => value(self.command_queuing),
            (Driver::Block, code::SG_SET_COMMAND_Q) => {
                self.command_queuing = u32::try_from(set()?).map_err(|_| Errno::EINVAL)?;
                done
            }
            (Driver::Block, code::GET_IDLUN | code::GET_BUS_NUMBER) => value(0),
            (Driver::Block, _) => Err(Errno::ENOTTY),
            (_, code::GET_IDLUN) => Ok(Reply { bytes: identify(address), ..Reply::default() }),
            (_, code::GET_BUS_NUMBER) => value(address.host),
            (_, code::PROBE_HOST) => Ok(Reply { value: 1, bytes: HOST_NAME.into(), reset: None }),
            (_, code::SG_SCSI_RESET) => Ok(Reply { reset: Reset::decode(set()?)?, ..Reply::default() }),
            (Driver::Generic, _) => self.generic(number, set, address, device_type),
            (Driver::Other, _) => Err(Errno::EINVAL),
        }
    }

    /// SG_SET_TIMEOUT. Only sg refuses negative times; the others store the lower 32 bits of the ticks.
    fn set_timeout(&mut self, driver: Driver, ticks: i32) -> Result<(), Errno> {
        self.timeout = match (driver, u32::try_from(ticks)) {
            (Driver::Generic, ticks) => ticks.map_err(|_| Errno::EIO)?.min(MAX_TICKS),
            (_, Err(_)) => u32::MAX,
            (_, Ok(ticks)) => {
                let ticks = u64::from(ticks) * u64::from(KERNEL_TICKS_PER_SECOND) / u64::from(TICKS_PER_SECOND);
                let [a, b, c, d, ..] = ticks.to_le_bytes();
                u32::from_le_bytes([a, b, c, d])
            }
        };
        Ok(())
    }

    fn generic(
        &mut self,
        number: u32,
        set: impl Fn() -> Result<i32, Errno>,
        address: Address,
        device_type: u8,
    ) -> Result<Reply, Errno> {
        match number {
            code::SG_SET_COMMAND_Q => self.command_queuing = u32::from(set()? != 0),
            code::SG_GET_SCSI_ID => return Ok(Reply { bytes: scsi_id(address, device_type), ..Reply::default() }),
            // These change nothing that a program can see.
            code::SG_SET_FORCE_LOW_DMA | code::SG_SET_DEBUG | code::SG_NEXT_CMD_LEN => {}
            // No command waits for read(2).
            code::SG_GET_LOW_DMA | code::SG_GET_NUM_WAITING => return value(0),
            code::SG_SET_FORCE_PACK_ID => self.force_pack_id = set()? != 0,
            // -1 for none.
            code::SG_GET_PACK_ID => return value(u32::MAX),
            code::BLKSECTGET => return value(MAX_RESERVED),
            code::SG_GET_SG_TABLESIZE => return value(TABLE_SIZE),
            code::SG_SET_KEEP_ORPHAN => self.keep_orphan = set()? != 0,
            code::SG_GET_KEEP_ORPHAN => return value(self.keep_orphan.into()),
            code::SG_GET_ACCESS_COUNT => return value(1),
            _ => return Err(Errno::EINVAL),
        }
        Ok(Reply::default())
    }
}

/// SCSI_IOCTL_GET_IDLUN: target, LUN, channel and host in one number each byte, and a unique number of the host, which
/// those of iSCSI do not have.
fn identify(address: Address) -> Vec<u8> {
    let Address { host, channel, target, lun } = address;
    let packed = (target & 0xff) | (lun & 0xff) << 8 | (channel & 0xff) << 16 | (host & 0xff) << 24;
    [packed.to_le_bytes(), [0; 4]].concat()
}

/// SG_GET_SCSI_ID: `struct sg_scsi_id`.
fn scsi_id(address: Address, device_type: u8) -> Vec<u8> {
    let Address { host, channel, target, lun } = address;
    let mut bytes = [host, channel, target, lun, device_type.into()].map(u32::to_le_bytes).concat();
    bytes.extend([QUEUE_DEPTH, QUEUE_DEPTH].map(u16::to_le_bytes).concat());
    bytes.resize(32, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Address = Address { host: 2, channel: 0, target: 1, lun: 3 };

    /// The results of requests, one after the other.
    fn run(driver: Driver, requests: &[(u32, i32)]) -> Vec<Result<(u32, Vec<u8>), u16>> {
        let mut settings = Settings::new(driver);
        let ioctl = |(code, argument): &(u32, i32)| {
            let result = settings.ioctl(driver, *code, &argument.to_le_bytes(), ADDRESS, 1);
            result.map(|reply| (reply.value, reply.bytes)).map_err(|errno| errno.0)
        };
        requests.iter().map(ioctl).collect()
    }

    #[test]
    fn timeouts_and_reserved_sizes() {
        let none = Vec::new();
        assert_eq!(
            run(
                Driver::Generic,
                &[(0x2202, 0), (0x2201, 500), (0x2202, 0), (0x2272, 0), (0x2275, 65536), (0x2272, 0), (0x2275, -1)]
            ),
            [
                Ok((6000, none.clone())),
                Ok((0, none.clone())),
                Ok((500, none.clone())),
                Ok((0, vec![0, 0x80, 0, 0])),
                Ok((0, none)),
                Ok((0, vec![0, 0, 1, 0])),
                Err(22),
            ]
        );
        let mut settings = Settings::new(Driver::Generic);
        settings.ioctl(Driver::Generic, 0x2201, &500_i32.to_le_bytes(), ADDRESS, 1).unwrap();
        assert_eq!(settings.timeout(Driver::Generic), Duration::from_secs(5));
    }

    #[test]
    fn identity_of_a_unit() {
        let idlun = vec![1, 3, 0, 2, 0, 0, 0, 0];
        let id =
            [2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 32, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
        assert_eq!(
            run(Driver::Generic, &[(0x5382, 0), (0x5386, 0), (0x2276, 0), (0x2282, 0)]),
            [Ok((0, idlun.clone())), Ok((0, vec![2, 0, 0, 0])), Ok((0, id)), Ok((0, vec![0x48, 0x77, 0, 0]))]
        );
        assert_eq!(
            run(Driver::Other, &[(0x5382, 0), (0x2276, 0), (0x2282, 0), (0x5401, 0)]),
            [Ok((0, idlun)), Err(22), Ok((0, vec![0x3f, 0x77, 0, 0])), Err(22)]
        );
    }

    #[test]
    fn resets_are_for_the_caller() {
        let mut settings = Settings::new(Driver::Generic);
        let mut reset = |argument: i32| {
            let reply = settings.ioctl(Driver::Generic, 0x2284, &argument.to_le_bytes(), ADDRESS, 1);
            reply.map(|reply| reply.reset).map_err(|errno| errno.0)
        };
        for (argument, expected) in [
            (0, Ok(None)),
            (1, Ok(Some(Reset::Unit))),
            (0x101, Ok(Some(Reset::Unit))),
            (2, Ok(Some(Reset::AllTargets))),
            (3, Ok(Some(Reset::AllTargets))),
            (4, Ok(Some(Reset::Target))),
            (0x104, Ok(Some(Reset::Target))),
            (5, Err(5)),
            (-1, Err(5)),
        ] {
            assert_eq!(reset(argument), expected, "{argument}");
        }
    }
}
