//! The facts of a drive as SPC commands read them.

use crate::alert::Alerts;
use crate::drive::DriveConfig;
use crate::encryption::Encryption;
use crate::load::Load;
use crate::profile::DriveProfile;
use crate::{log, mode, table};
use scsi_core::fault::Outcome;
use scsi_core::identity::Identity;
use scsi_core::inquiry::Inquiry;
use scsi_core::log::{LogId, LogWriter};
use scsi_core::lu::Device;
use scsi_core::mode::{Header, PageControl, PageId};
use scsi_core::nexus::NexusId;
use scsi_core::sense::Sense;
use scsi_core::spec::CommandSpec;
use scsi_core::writer::PageWriter;
use std::sync::Arc;
use tape_store::workers::Workers;

/// A drive without its SPC state.
pub(crate) struct State {
    pub(crate) profile: &'static DriveProfile,
    pub(crate) config: DriveConfig,
    /// Who packs blocks.
    pub(crate) workers: Option<Arc<dyn Workers>>,
    pub(crate) load: Load,
    /// BLOCK LENGTH of fixed blocks; 0 is variable.
    pub(crate) block_length: u32,
    /// BUFFERED MODE: 0 makes every write durable before its status.
    pub(crate) buffered_mode: u8,
    /// DCE of the data compression page.
    pub(crate) compress: bool,
    pub(crate) encryption: Encryption,
    pub(crate) alerts: Alerts,
    pub(crate) loads: u64,
}

impl State {
    pub(crate) fn new(profile: &'static DriveProfile, config: DriveConfig) -> Self {
        Self {
            profile,
            config,
            workers: None,
            load: Load::Empty,
            block_length: 0,
            buffered_mode: 1,
            compress: true,
            encryption: Encryption::default(),
            alerts: Alerts::default(),
            loads: 0,
        }
    }

    /// Density of the mounted medium; 0 without one.
    pub(crate) fn density(&self) -> u8 {
        match &self.load {
            Load::Mounted(mounted) => mounted.cartridge.media().density,
            _ => 0,
        }
    }
}

/// Longest block (LTO: READ BLOCK LIMITS says 800000h).
pub(crate) const MAX_BLOCK_LENGTH: u32 = 0x0080_0000;

impl Device for State {
    fn inquiry(&self) -> &Inquiry {
        &self.profile.inquiry
    }

    fn commands(&self) -> Vec<CommandSpec> {
        table::COMMANDS.specs()
    }

    fn vpd_pages(&self) -> &'static [u8] {
        self.profile.vpd_pages
    }

    fn vpd(&self, page: u8, identity: &Identity, w: &mut PageWriter) {
        match page {
            // Sequential-access capabilities: neither WORM nor TSMC.
            0xb0 => w.zeros(2),
            0xb1 | 0xb3 => w.bytes(identity.serial.as_bytes()),
            // TapeAlert flags that this drive may raise.
            0xb2 => w.u64(log::supported_alerts()),
            _ => w,
        };
    }

    fn mode_header(&self) -> (u8, u8) {
        let (medium_type, protected) = match &self.load {
            Load::Mounted(mounted) => (mounted.cartridge.media().medium_type, mounted.protected.is_some()),
            _ => (0, false),
        };
        (medium_type, (u8::from(protected) << 7) | (self.buffered_mode << 4))
    }

    fn block_descriptor(&self) -> Option<[u8; 8]> {
        let [_, a, b, c] = self.block_length.to_be_bytes();
        Some([self.density(), 0, 0, 0, 0, a, b, c])
    }

    fn render_mode(&self, id: PageId, control: PageControl, page: &mut [u8]) {
        mode::render(self, id, control, page);
    }

    fn mode_may_end(&self, id: PageId, len: usize) -> bool {
        // Linux sends as many sizes as there are to be partitions.
        id == mode::partition_11::ID && len >= 8 && len.is_multiple_of(2)
    }

    fn check_mode(&self, id: PageId, page: &[u8]) -> Result<(), usize> {
        if id == mode::partition_11::ID { mode::partition_11::check(self, page) } else { Ok(()) }
    }

    fn check_header(&self, header: &Header) -> Result<(), Option<usize>> {
        if (header.device_specific >> 4) & 0x07 > 1 || header.device_specific & 0x0f != 0 {
            return Err(None);
        }
        let Some([density, b0, b1, b2, _, l0, l1, l2]) = header.block else { return Ok(()) };
        let any_format =
            || self.density() == 0 && self.profile.formats.iter().any(|format| format.media.density == density);
        if !matches!(density, 0 | 0x7f) && density != self.density() && !any_format() {
            return Err(Some(0));
        }
        if [b0, b1, b2] != [0; 3] {
            return Err(Some(1));
        }
        if u32::from_be_bytes([0, l0, l1, l2]) > MAX_BLOCK_LENGTH {
            return Err(Some(5));
        }
        Ok(())
    }

    fn apply_header(&mut self, header: &Header) -> bool {
        let before = (self.buffered_mode, self.block_length);
        self.buffered_mode = (header.device_specific >> 4) & 0x07;
        if let Some([_, _, _, _, _, a, b, c]) = header.block {
            self.block_length = u32::from_be_bytes([0, a, b, c]);
        }
        before != (self.buffered_mode, self.block_length)
    }

    fn log_pages(&self) -> &'static [LogId] {
        self.profile.log_pages
    }

    fn log(&self, id: LogId, w: &mut LogWriter) {
        log::write(self, id, w);
    }

    fn log_read(&mut self, id: LogId, _nexus: NexusId) {
        if id == log::TAPE_ALERT {
            self.alerts.clear();
        }
    }

    fn log_reset(&mut self, id: Option<LogId>) -> bool {
        log::reset(self, id)
    }

    fn condition(&self) -> Option<Sense> {
        None
    }

    fn self_test(&mut self) -> Outcome {
        if let Load::Mounted(mounted) = &mut self.load {
            mounted.sync()?;
            mounted.cartridge.mam().map_err(|error| crate::fault::sense(&error, crate::fault::Doing::Reading))?;
        }
        Ok(())
    }
}
