//! Numbers of the requests of `ioctl(2)` on generic devices, of `scsi/sg.h`, and of the SCSI layer, of `scsi/scsi_ioctl.h`.

pub(crate) const SG_SET_TIMEOUT: u32 = 0x2201;
pub(crate) const SG_GET_TIMEOUT: u32 = 0x2202;
pub(crate) const SG_EMULATED_HOST: u32 = 0x2203;
pub(crate) const SG_GET_TRANSFORM: u32 = 0x2205;
pub(crate) const SG_GET_COMMAND_Q: u32 = 0x2270;
pub(crate) const SG_SET_COMMAND_Q: u32 = 0x2271;
pub(crate) const SG_GET_RESERVED_SIZE: u32 = 0x2272;
pub(crate) const SG_SET_RESERVED_SIZE: u32 = 0x2275;
pub(crate) const SG_GET_SCSI_ID: u32 = 0x2276;
pub(crate) const SG_SET_FORCE_LOW_DMA: u32 = 0x2279;
pub(crate) const SG_GET_LOW_DMA: u32 = 0x227a;
pub(crate) const SG_SET_FORCE_PACK_ID: u32 = 0x227b;
pub(crate) const SG_GET_PACK_ID: u32 = 0x227c;
pub(crate) const SG_GET_NUM_WAITING: u32 = 0x227d;
pub(crate) const SG_SET_DEBUG: u32 = 0x227e;
pub(crate) const SG_GET_SG_TABLESIZE: u32 = 0x227f;
pub(crate) const SG_GET_VERSION_NUM: u32 = 0x2282;
pub(crate) const SG_NEXT_CMD_LEN: u32 = 0x2283;
pub(crate) const SG_SCSI_RESET: u32 = 0x2284;
pub(crate) const SG_IO: u32 = 0x2285;
pub(crate) const SG_SET_KEEP_ORPHAN: u32 = 0x2287;
pub(crate) const SG_GET_KEEP_ORPHAN: u32 = 0x2288;
pub(crate) const SG_GET_ACCESS_COUNT: u32 = 0x2289;
pub(crate) const GET_IDLUN: u32 = 0x5382;
pub(crate) const PROBE_HOST: u32 = 0x5385;
pub(crate) const GET_BUS_NUMBER: u32 = 0x5386;
