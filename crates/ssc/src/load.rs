//! The cartridge in the drive: no medium exists outside [`Mounted`], so "not ready" cannot be forgotten.

use crate::alert::Alert;
use crate::counters::Counters;
use crate::device::State;
use crate::fault::{self, Doing};
use crate::profile::Format;
use scsi_core::asc::Asc;
use scsi_core::fault::Fault;
use scsi_core::log::LogId;
use scsi_core::lu::Lu;
use scsi_core::nexus::NexusId;
use scsi_core::sense::{Sense, SenseKey};
use std::collections::BTreeMap;
use tape_store::cartridge::{Cartridge, Kind, Level};
use tape_store::error::StoreError;
use tape_store::mam::{AttrId, Flags, Mam};
use tape_store::medium::Medium;

/// What is in the drive.
pub(crate) enum Load {
    /// Nothing.
    Empty,
    /// A cartridge that waits for the robot or a LOAD.
    Ejected(Cartridge),
    /// A tape at some position.
    Mounted(Mounted),
    /// A cartridge that cannot be used, and why.
    Unusable(Cartridge, Sense),
}

/// A threaded tape.
pub(crate) struct Mounted {
    pub(crate) cartridge: Cartridge,
    pub(crate) medium: Box<dyn Medium>,
    pub(crate) mam: Mam,
    pub(crate) level: Level,
    /// Why nothing may be written, if so.
    pub(crate) protected: Option<Asc>,
    /// Since this load.
    pub(crate) counters: Counters,
    /// What they were when LOG SELECT last reset a page.
    pub(crate) bases: BTreeMap<LogId, Counters>,
    /// The volume change reference was advanced since a host last read it.
    pub(crate) altered: bool,
    /// A write failed for good: no more until the position changes.
    pub(crate) write_failed: bool,
    /// Who wrote last, and so hears of what was lost.
    pub(crate) writer: Option<NexusId>,
}

impl Mounted {
    /// Checks that the medium may be changed, and notes the first change of this load in its memory.
    ///
    /// # Errors
    /// 7/27/00 or 7/30/05 for a protected medium, 3/31/00 after a write that failed, 3/0C/0B if the memory fails.
    pub(crate) fn before_write(&mut self) -> Result<(), Sense> {
        if let Some(asc) = self.protected {
            return Err(fault::protected(asc));
        }
        if self.write_failed {
            return Err(Sense::new(SenseKey::MEDIUM_ERROR, Asc::MEDIUM_FORMAT_CORRUPTED));
        }
        if !self.altered {
            let next = self.mam.number(AttrId::VOLUME_CHANGE_REFERENCE).wrapping_add(1) & 0xffff_ffff;
            self.mam.set_number(AttrId::VOLUME_CHANGE_REFERENCE, next.max(1));
            let failed = |_| Sense::new(SenseKey::MEDIUM_ERROR, Asc::AUXILIARY_MEMORY_WRITE_ERROR);
            self.note_room();
            self.cartridge.save_mam(&self.mam).map_err(failed)?;
            self.altered = true;
        }
        Ok(())
    }

    /// Makes what was written durable before the position changes; reports what was lost.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn before_motion(&mut self) -> Result<(), Sense> {
        self.sync()?;
        self.write_failed = false;
        Ok(())
    }

    /// Makes what was written durable. A failure stands until the position changes: the storage may have dropped
    /// what it could not write, and would say yes the next time.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn sync(&mut self) -> Result<(), Sense> {
        self.medium.sync().map_err(|error| {
            self.write_failed = true;
            fault::sense(&error, Doing::Writing)
        })
    }

    /// Makes sizes exact. What is lost here is told as a deferred error.
    pub(crate) fn settle(&mut self) {
        let _ = self.medium.settle();
        self.counters.to_medium = self.medium.stored();
    }

    /// Notes what is left of the partition that the medium is in.
    pub(crate) fn note_room(&mut self) {
        self.settle();
        if let Ok(usage) = self.medium.usage(self.medium.position().partition) {
            self.mam.set_number(AttrId::REMAINING, usage.capacity.saturating_sub(usage.used));
        }
    }

    /// Ends the load: everything durable, counters in the cartridge's memory.
    fn finish(mut self, alerts: u64) -> (Cartridge, Result<(), StoreError>) {
        let synced = self.medium.close();
        self.mam.set_number(AttrId::TAPE_ALERT, alerts);
        self.mam.set_flag(Flags::LOADED, false);
        self.note_room();
        let (written, read) = (self.counters.from_host, self.counters.to_host);
        for (life, load, count) in
            [(AttrId::LIFE_WRITTEN, AttrId::LOAD_WRITTEN, written), (AttrId::LIFE_READ, AttrId::LOAD_READ, read)]
        {
            self.mam.set_number(load, count);
            self.mam.set_number(life, self.mam.number(life).saturating_add(count));
        }
        let saved = self.cartridge.save_mam(&self.mam);
        (self.cartridge, synced.and(saved))
    }
}

impl State {
    /// The mounted tape.
    ///
    /// # Errors
    /// NOT READY with the reason.
    pub(crate) fn ready(&mut self) -> Result<&mut Mounted, Fault> {
        match &mut self.load {
            Load::Mounted(mounted) => Ok(mounted),
            Load::Empty | Load::Ejected(_) => Err(not_ready(Asc::MEDIUM_NOT_PRESENT).into()),
            Load::Unusable(_, sense) => Err(sense.clone().into()),
        }
    }

    /// Whether a cartridge is inside.
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self.load, Load::Empty)
    }

    /// Threads a cartridge: at the beginning of partition 0, with its memory updated.
    pub(crate) fn mount(&mut self, mut cartridge: Cartridge, drive_name: &str) {
        self.alerts.loading();
        // The memory knows better than the label what this is.
        let known = cartridge.mam();
        let format = self.profile.formats.iter().find(|format| format.media == cartridge.media());
        self.load = match (cartridge.kind(), format) {
            (Kind::Cleaning, _) => {
                self.alerts.raise(Alert::CLEANING_MEDIA);
                Load::Unusable(cartridge, not_ready(Asc::CLEANING_CARTRIDGE_INSTALLED))
            }
            (_, None) => {
                self.alerts.raise(Alert::UNSUPPORTED_FORMAT);
                Load::Unusable(cartridge, Sense::new(SenseKey::MEDIUM_ERROR, Asc::INCOMPATIBLE_MEDIUM_INSTALLED))
            }
            (_, Some(format)) => match known.and_then(|mam| open(&mut cartridge, mam, drive_name)) {
                Ok((mut medium, mam)) => {
                    if let Some(workers) = &self.workers {
                        medium.employ(workers.as_ref());
                    }
                    let level = cartridge.level().unwrap_or(Level::Ferric);
                    let protected = protection(format, &cartridge, medium.as_ref(), &mam);
                    if !format.writable {
                        self.alerts.raise(Alert::READ_ONLY_FORMAT);
                    }
                    self.loads += 1;
                    Load::Mounted(Mounted {
                        cartridge,
                        medium,
                        mam,
                        level,
                        protected,
                        counters: Counters::default(),
                        bases: BTreeMap::new(),
                        altered: false,
                        write_failed: false,
                        writer: None,
                    })
                }
                Err(error) => {
                    tracing::warn!(barcode = %cartridge.barcode(), %error, "cartridge cannot be mounted");
                    self.alerts.raise(Alert::LOADING_FAILURE);
                    Load::Unusable(cartridge, fault::sense(&error, Doing::Loading))
                }
            },
        };
    }

    /// Takes the cartridge out of the mechanism; what could not be made durable is the error, and it is out all the same.
    pub(crate) fn unmount(&mut self) -> Option<(Cartridge, Result<(), StoreError>)> {
        match std::mem::replace(&mut self.load, Load::Empty) {
            Load::Empty => None,
            Load::Ejected(cartridge) | Load::Unusable(cartridge, _) => Some((cartridge, Ok(()))),
            Load::Mounted(mounted) => {
                let (cartridge, result) = mounted.finish(self.alerts.bits());
                if let Err(error) = &result {
                    tracing::warn!(barcode = %cartridge.barcode(), %error, "cartridge was not unloaded cleanly");
                    self.alerts.raise(Alert::DIRECTORY_INVALID);
                }
                Some((cartridge, result))
            }
        }
    }
}

/// Why nothing may be written, if so: the format, the tab, what was written once, or damage.
fn protection(format: &Format, cartridge: &Cartridge, medium: &dyn Medium, mam: &Mam) -> Option<Asc> {
    if !format.writable {
        return Some(Asc::CANNOT_WRITE_MEDIUM_INCOMPATIBLE_FORMAT);
    }
    let tab = mam.flags().contains(Flags::WRITE_PROTECTED) || cartridge.kind() == Kind::Worm;
    if let Some(why) = medium.read_only() {
        tracing::warn!(barcode = %cartridge.barcode(), why, "cartridge takes no writes");
    }
    (tab || medium.read_only().is_some()).then_some(Asc::WRITE_PROTECTED)
}

impl State {
    /// The volume is demounted: keys that were to go with it, go, and who used them hears of it.
    pub(crate) fn forget_keys(&mut self, lu: &mut Lu) {
        let (shared, own) = self.encryption.demounted();
        let encryption = &self.encryption;
        lu.attention.raise_where(Asc::DATA_ENCRYPTION_PARAMETERS_CHANGED_BY_VENDOR_SPECIFIC_EVENT, |nexus| {
            own.contains(&nexus) || (shared && !encryption.is_local(nexus))
        });
    }
}

/// Opens the tape and notes the load in its memory: count, history of drives, counters of this load.
fn open(cartridge: &mut Cartridge, mut mam: Mam, drive_name: &str) -> Result<(Box<dyn Medium>, Mam), StoreError> {
    let (medium, recovery) = cartridge.open()?;
    if recovery.dropped > 0 {
        tracing::warn!(barcode = %cartridge.barcode(), dropped = recovery.dropped, "objects that were never synchronised are gone");
    }
    mam.set_number(AttrId::LOAD_COUNT, mam.number(AttrId::LOAD_COUNT).saturating_add(1));
    mam.set_number(AttrId::LOAD_WRITTEN, 0);
    mam.set_number(AttrId::LOAD_READ, 0);
    for step in (1..=3).rev() {
        let newer = mam.get(AttrId(AttrId::LAST_DRIVE.0 + step - 1), 0).unwrap_or_default().to_vec();
        mam.set(AttrId(AttrId::LAST_DRIVE.0 + step), 0, &newer);
    }
    mam.set_text(AttrId::LAST_DRIVE, drive_name);
    mam.set_flag(Flags::LOADED, true);
    cartridge.save_mam(&mam)?;
    Ok((medium, mam))
}

pub(crate) const fn not_ready(asc: Asc) -> Sense {
    Sense::new(SenseKey::NOT_READY, asc)
}
