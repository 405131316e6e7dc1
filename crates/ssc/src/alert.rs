//! TapeAlert flags of a drive (SSC-5 annex A).

scsi_core::named_values! {
    /// A flag by its number, 1 to 64.
    pub struct Alert(u8);
    HARD_ERROR = 3, "Hard error";
    READ_FAILURE = 5, "Read failure";
    WRITE_FAILURE = 6, "Write failure";
    WRITE_PROTECT = 9, "Write protect";
    NO_REMOVAL = 10, "No removal";
    CLEANING_MEDIA = 11, "Cleaning media";
    UNSUPPORTED_FORMAT = 12, "Unsupported format";
    MEMORY_CHIP = 15, "Memory chip in cartridge failure";
    READ_ONLY_FORMAT = 17, "Read-only format";
    DIRECTORY_INVALID = 51, "Tape directory invalid at unload";
    LOADING_FAILURE = 55, "Loading failure";
}

/// The flags that are set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alerts(u64);

impl Alerts {
    /// Flags that go when the cartridge does.
    const OF_MEDIUM: [Alert; 10] = [
        Alert::HARD_ERROR,
        Alert::READ_FAILURE,
        Alert::WRITE_FAILURE,
        Alert::WRITE_PROTECT,
        Alert::NO_REMOVAL,
        Alert::CLEANING_MEDIA,
        Alert::UNSUPPORTED_FORMAT,
        Alert::MEMORY_CHIP,
        Alert::READ_ONLY_FORMAT,
        Alert::LOADING_FAILURE,
    ];

    const fn bit(alert: Alert) -> u64 {
        1 << (64 - alert.0)
    }

    /// Raises a flag.
    pub const fn raise(&mut self, alert: Alert) {
        self.0 |= Self::bit(alert);
    }

    /// The cartridge was removed.
    pub fn medium_removed(&mut self) {
        for alert in Self::OF_MEDIUM {
            self.0 &= !Self::bit(alert);
        }
    }

    /// The next cartridge is loaded.
    pub const fn loading(&mut self) {
        self.0 &= !Self::bit(Alert::DIRECTORY_INVALID);
    }

    /// All flags go.
    pub const fn clear(&mut self) {
        self.0 = 0;
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn is_set(self, alert: Alert) -> bool {
        self.0 & Self::bit(alert) != 0
    }

    /// All flags as one number, flag 1 in the highest bit.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}
