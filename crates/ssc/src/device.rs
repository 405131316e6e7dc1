//! State of a drive, and the view of it that the SPC commands use ([`SpcDevice`]).

use crate::alert::Alert;
use crate::block_protection::ProtectionMethod;
use crate::command::access_order::AccessOrder;
use crate::drive::{DriveConfig, RandomSource};
use crate::dump;
use crate::encryption::EncryptionState;
use crate::health::Health;
use crate::lifetime_counters;
use crate::media::MediaState;
use crate::mode::ModeState;
use crate::profile::DriveProfile;
use crate::timing::DriveTime;
use crate::{log, mode, table};
use scsi_core::asc::Asc;
use scsi_core::command_spec::CommandSpec;
use scsi_core::dump::DumpSupport;
use scsi_core::fault::Outcome;
use scsi_core::field::FieldPointer;
use scsi_core::identity::Identity;
use scsi_core::inquiry::InquiryData;
use scsi_core::log::{LogId, LogWriter};
use scsi_core::lu::{Lu, SpcDevice};
use scsi_core::mode::{ModeHeader, ModeHeaderField, PageControl, PageId};
use scsi_core::nexus::NexusId;
use scsi_core::port::TargetPort;
use scsi_core::sense::Sense;
use scsi_core::target::Request;
use scsi_core::time::Now;
use scsi_core::writer::PageWriter;
use tape_store::key_wrapping::KeyWrappingPair;

/// State of a drive apart from its SPC state ([`scsi_core::lu::Lu`]).
pub(crate) struct DriveState {
    pub(crate) profile: &'static DriveProfile,
    /// Serial number, for log pages.
    pub(crate) serial: String,
    /// Target port, for log pages.
    pub(crate) port: TargetPort,
    pub(crate) media: MediaState,
    pub(crate) modes: ModeState,
    pub(crate) health: Health,
    /// The time that hardware would have taken.
    pub(crate) time: DriveTime,
    /// The list of RECEIVE RECOMMENDED ACCESS ORDER.
    pub(crate) access_order: AccessOrder,
    pub(crate) encryption: EncryptionState,
    pub(crate) random: RandomSource,
    /// RSA key pair for wrapped keys, once a host has read the public key.
    pub(crate) key_wrapping: Option<KeyWrappingPair>,
}

impl DriveState {
    pub(crate) fn new(profile: &'static DriveProfile, config: DriveConfig, identity: &Identity) -> Self {
        Self {
            profile,
            serial: identity.serial.clone(),
            port: identity.port.clone(),
            media: MediaState::default(),
            modes: ModeState::new(config.codec),
            health: Health::default(),
            time: DriveTime::default(),
            access_order: AccessOrder::default(),
            encryption: EncryptionState::default(),
            random: config.random,
            key_wrapping: None,
        }
    }

    /// Milliseconds since power-on: those of the clock, and modelled time for which no command has waited.
    pub(crate) fn power_on_ms(&self, now: Now) -> u64 {
        self.health.power_on_ms(Now { mono: self.time.now(now.mono), ..now })
    }

    /// Seconds for which the drive has had power in its life.
    pub(crate) fn lifetime_seconds(&self, now: Now) -> u64 {
        self.health.lifetime.get(lifetime_counters::POWER_ON_SECONDS) + self.power_on_ms(now) / 1000
    }

    /// Milliseconds for which tapes have moved in the life of the drive.
    pub(crate) fn motion_ms(&self) -> u64 {
        self.health.lifetime.get(lifetime_counters::MOTION_MS) + self.time.uncounted_motion().milliseconds()
    }

    /// Milliseconds for which tapes have moved since the last cleaning, since the one before it, and since the third to last.
    pub(crate) fn motion_ms_since_cleanings(&self) -> [u64; 3] {
        let motion = self.motion_ms();
        lifetime_counters::MOTION_MS_AT_CLEANING.map(|at| motion.saturating_sub(self.health.lifetime.get(at)))
    }

    /// Clears keys with CKOD set when the volume is demounted, and establishes unit attentions for their users.
    pub(crate) fn clear_keys_at_demount(&mut self, lu: &mut Lu) {
        let cleared = self.encryption.volume_demounted();
        self.notify_key_change(lu, cleared);
    }

    /// Establishes UNIT ATTENTION 2Ah/12h for every nexus whose keys, shared or local, were cleared.
    pub(crate) fn notify_key_change(&mut self, lu: &mut Lu, (shared, own): (bool, Vec<NexusId>)) {
        self.media.clear_medium_keys();
        let encryption = &self.encryption;
        lu.attentions.raise_matching(Asc::DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_VENDOR_SPECIFIC_EVENT, |nexus| {
            own.contains(&nexus) || (shared && !encryption.is_local(nexus))
        });
    }
}

/// VPD page B5h: method 0 (none) and the supported methods, each for WRITE and READ, none for RECOVER BUFFERED DATA.
fn protection_methods<'a>(methods: &[ProtectionMethod], w: &'a mut PageWriter) -> &'a mut PageWriter {
    const LBP_W_C_LBP_R_C: u8 = 0xc0;
    // Descriptors begin at byte 8 of the page.
    w.zeros(4);
    w.u8(7).u8(0).u8(0).u8(LBP_W_C_LBP_R_C).zeros(4);
    for method in methods {
        w.u8(7).u8(method.code()).u8(4).u8(LBP_W_C_LBP_R_C).zeros(4);
    }
    w
}

/// Bytes that logical block protection adds to each block.
const PROTECTION_LENGTH: u32 = 4;

/// BUFFERED MODE and SPEED in the DEVICE-SPECIFIC PARAMETER byte.
const BUFFERED_MODE: u8 = 0x70;
const SPEED: u8 = 0x0f;

impl SpcDevice for DriveState {
    fn inquiry(&self) -> &InquiryData {
        &self.profile.inquiry
    }

    fn command_specs(&self) -> Vec<CommandSpec> {
        let mut specs = table::COMMANDS.specs_without(self.profile.unsupported_commands);
        specs.retain(|spec| self.profile.has_command(spec.name));
        specs
    }

    fn vpd_pages(&self) -> &'static [u8] {
        self.profile.vpd_pages
    }

    fn write_vpd_page(&self, page: u8, identity: &Identity, w: &mut PageWriter) {
        match page {
            // Sequential-access device capabilities: WORM.
            0xb0 => w.u8(u8::from(self.profile.worm)).u8(0),
            0xb1 | 0xb3 => w.bytes(identity.serial.as_bytes()),
            // TapeAlert flags that the drive supports.
            0xb2 => w.u64(log::supported_alerts()),
            0xb4 => w.zeros(2),
            0xb5 => protection_methods(self.profile.protection_methods, w),
            _ => {
                (self.profile.vendor_vpd)(page, identity, w);
                w
            }
        };
    }

    fn mode_header(&self) -> (u8, u8) {
        let (medium_type, write_protected) = self.media.threaded().map_or((0, false), |mounted| {
            (self.profile.medium_type(&mounted.cartridge), mounted.write_protection.is_some())
        });
        (medium_type, (u8::from(write_protected) << 7) | (self.modes.buffered_mode() << 4))
    }

    fn block_descriptor(&self) -> Option<[u8; 8]> {
        let [_, a, b, c] = self.modes.block_length.to_be_bytes();
        Some([self.media.density(), 0, 0, 0, 0, a, b, c])
    }

    fn render_mode_page(&self, id: PageId, control: PageControl, page: &mut [u8]) {
        mode::render(self, id, control, page);
    }

    fn accepts_short_page(&self, id: PageId, len: usize) -> bool {
        // Linux sends one size for each partition, not four.
        id == mode::partition_11::ID && len >= 8 && len.is_multiple_of(2)
    }

    fn check_mode_page(&self, id: PageId, page: &[u8]) -> Result<(), FieldPointer> {
        mode::check(self, id, page)
    }

    fn rounds_mode(&self, id: PageId, page: &[u8]) -> bool {
        id == mode::partition_11::ID && mode::partition_11::rounds(&self.media, page)
    }

    fn check_mode_header(&self, header: &ModeHeader, nexus: NexusId) -> Result<(), ModeHeaderField> {
        // WP is ignored; BUFFERED MODE is 0h or 1h; SPEED is 0h only.
        let block = |byte| Err(ModeHeaderField::Block(FieldPointer::byte(byte)));
        if header.device_specific & BUFFERED_MODE > 0x10 {
            return Err(ModeHeaderField::DeviceSpecific(BUFFERED_MODE));
        }
        if header.device_specific & SPEED != 0 {
            return Err(ModeHeaderField::DeviceSpecific(SPEED));
        }
        let Some([density, b0, b1, b2, _, l0, l1, l2]) = header.block else { return Ok(()) };
        let any_format = || {
            self.media.density() == 0
                && self.profile.supported_media.iter().any(|format| format.media.density == density)
        };
        let possible = density == self.media.density()
            || any_format()
            || self.media.convertible_to(self.profile, density).is_some();
        if !matches!(density, 0 | 0x7f) && !possible {
            return block(0);
        }
        if [b0, b1, b2] != [0; 3] {
            return block(1);
        }
        let protection = if self.modes.protection_of(nexus).is_some() { PROTECTION_LENGTH } else { 0 };
        if u32::from_be_bytes([0, l0, l1, l2]) > self.media.max_block_length() + protection {
            return block(5);
        }
        Ok(())
    }

    fn apply_mode_header(&mut self, header: &ModeHeader) -> bool {
        let (changed, density_before) = (self.modes.apply_header(header), self.media.density());
        if let Some([density, ..]) = header.block {
            let convertible = self.media.convertible_to(self.profile, density);
            if let (Some(mounted), true) = (self.media.threaded_mut(), density != 0x7f) {
                mounted.pending_density = convertible;
            }
        }
        changed || density_before != self.media.density()
    }

    fn log_pages(&self) -> &'static [LogId] {
        self.profile.log_pages
    }

    fn write_log_page(&self, id: LogId, request: &Request<'_>, w: &mut LogWriter) {
        log::write(self, id, request, w);
    }

    fn log_page_read(&mut self, id: LogId, nexus: NexusId) {
        if id == log::TAPE_ALERT {
            self.health.alerts.mark_read(nexus);
        }
    }

    fn reset_log_counters(&mut self, id: Option<LogId>) -> bool {
        log::reset(self, id)
    }

    fn supports_block_protection(&self) -> bool {
        !self.profile.protection_methods.is_empty()
    }

    fn dump_support(&self) -> DumpSupport {
        self.profile.dump_support
    }

    fn diagnostic_dump(&self, identity: &Identity) -> Vec<u8> {
        dump::render(self, identity)
    }

    fn microcode_rejected(&mut self) {
        self.health.alerts.raise(Alert::MICROCODE_UPDATE_FAIL);
    }

    fn pollable_sense(&mut self) -> Option<Sense> {
        self.media.pollable_sense().or_else(|| self.health.exceptions.pollable_sense(&self.health.alerts))
    }

    fn self_test(&mut self) -> Outcome {
        if let Some(mounted) = self.media.threaded_mut() {
            mounted.sync()?;
            mounted.cartridge.mam().map_err(|error| crate::fault::sense(&error, crate::fault::Operation::Reading))?;
        }
        Ok(())
    }
}
