//! TapeAlert: 64 flags that a device raises, who has read them, and how mode page 1Ch tells of them (SSC-5 §4.2.20, SMC-3
//! §4.9). Which flag means what is the device's to say.

use crate::fault::Outcome;
use crate::log::LogWriter;
use crate::mode::informational_exceptions_1c::{self, ExceptionTest, ReportingMethod};
use crate::nexus::NexusId;
use crate::sense::Sense;
use crate::unit_attention::UnitAttentions;
use std::collections::BTreeMap;

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertSet(u64);

impl AlertSet {
    /// No flag.
    pub const NONE: Self = Self(0);

    /// The set of one flag, by its number from 1 to 64.
    #[must_use]
    pub const fn from_flag(number: u8) -> Self {
        Self(1 << (64 - number))
    }

    /// These and those.
    #[must_use]
    pub const fn merge(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn is_set(self, alert: impl Into<u8>) -> bool {
        self.0 & Self::from_flag(alert.into()).0 != 0
    }

    /// All flags as one number, flag 1 in the highest bit.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set that [`Self::bits`] gave.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Writes them as the parameters of log page 2Eh, with this control byte.
    pub fn write(self, control: u8, w: &mut LogWriter) {
        for number in 1..=64_u8 {
            w.parameter(number.into(), control, &[u8::from(self.is_set(number))]);
        }
    }
}

/// The flags of a device, and who has read them.
#[derive(Clone, Debug, Default)]
pub struct TapeAlert {
    raised: AlertSet,
    /// Flags that a nexus has read on page 2Eh since they were raised: it does not see them again.
    read_flags: BTreeMap<NexusId, u64>,
    /// A flag was raised that no informational exception has told of.
    exception_pending: bool,
}

impl TapeAlert {
    /// Raises a flag, for every nexus.
    pub fn raise(&mut self, alert: impl Into<u8>) {
        let bit = AlertSet::from_flag(alert.into()).0;
        self.exception_pending |= self.raised.0 & bit == 0;
        self.raised.0 |= bit;
        self.read_flags.values_mut().for_each(|seen| *seen &= !bit);
    }

    /// What raised a flag is over.
    pub fn clear_flag(&mut self, alert: impl Into<u8>) {
        self.clear_flags(AlertSet::from_flag(alert.into()));
    }

    /// What raised these flags is over.
    pub const fn clear_flags(&mut self, alerts: AlertSet) {
        self.raised.0 &= !alerts.0;
    }

    /// Flags of page 2Eh for a nexus.
    #[must_use]
    pub fn unread_flags(&self, nexus: NexusId) -> AlertSet {
        AlertSet(self.raised.0 & !self.read_flags.get(&nexus).copied().unwrap_or(0))
    }

    /// All flags, read or not.
    #[must_use]
    pub const fn raised_flags(&self) -> AlertSet {
        self.raised
    }

    /// A nexus has read page 2Eh.
    pub fn mark_read(&mut self, nexus: NexusId) {
        *self.read_flags.entry(nexus).or_default() |= self.raised.0;
    }

    /// The nexus is gone.
    pub fn remove_nexus(&mut self, nexus: NexusId) {
        self.read_flags.remove(&nexus);
    }

    /// All flags go, for everyone.
    pub fn clear_all(&mut self) {
        *self = Self::default();
    }
}

/// Informational exceptions: flags told as mode page 1Ch asks for it (SPC-5 §7.5.13).
#[derive(Clone, Debug, Default)]
pub struct InformationalExceptions {
    method: ReportingMethod,
    /// One that was not reported yet; whether it was a test.
    pending: Option<bool>,
}

impl InformationalExceptions {
    /// Takes the method from the page; what waits to be told in another way is forgotten.
    pub fn apply_mode_page(&mut self, page: &[u8]) {
        let method = informational_exceptions_1c::method(page);
        if method != self.method {
            *self = Self { method, pending: None };
        }
    }

    /// A flag that was raised is an exception, if a host wants to hear of those.
    pub fn check_alerts(&mut self, alerts: &mut TapeAlert, attention: &mut UnitAttentions) {
        if std::mem::take(&mut alerts.exception_pending) {
            self.raise(false, attention);
        }
    }

    fn raise(&mut self, is_test: bool, attention: &mut UnitAttentions) {
        match self.method {
            ReportingMethod::None => {}
            ReportingMethod::Attention => attention.raise_all(informational_exceptions_1c::asc(is_test)),
            ReportingMethod::RecoveredError | ReportingMethod::NoSense | ReportingMethod::OnRequest => {
                self.pending = Some(is_test)
            }
        }
    }

    /// A command that succeeded tells of an exception, if that is how a host wants to hear of it.
    ///
    /// # Errors
    /// 1/5D/00 or 0/5D/00; 5D/FF if it was a test.
    pub fn report_after_success(&mut self) -> Outcome {
        if !matches!(self.method, ReportingMethod::RecoveredError | ReportingMethod::NoSense) {
            return Ok(());
        }
        match self.pending.take() {
            Some(is_test) => Err(informational_exceptions_1c::sense(self.method, is_test).into()),
            None => Ok(()),
        }
    }

    /// What REQUEST SENSE tells where only that is to tell. A test is told of once, an exception while a flag is raised.
    pub fn pollable_sense(&mut self, alerts: &TapeAlert) -> Option<Sense> {
        let is_test = self.pending.filter(|_| self.method == ReportingMethod::OnRequest)?;
        if is_test || alerts.raised_flags() == AlertSet::NONE {
            self.pending = None;
        }
        Some(informational_exceptions_1c::sense(self.method, is_test))
    }

    /// What the TEST bit of the page asks for.
    pub fn run_test(&mut self, test: ExceptionTest, alerts: &mut TapeAlert, attention: &mut UnitAttentions) {
        match test {
            ExceptionTest::Exception => {}
            ExceptionTest::Raise(0) => (1..=64_u8).for_each(|number| alerts.raise(number)),
            ExceptionTest::Raise(number) => alerts.raise(number),
            ExceptionTest::Clear(number) => return alerts.clear_flag(number),
        }
        alerts.exception_pending = false;
        self.raise(true, attention);
    }

    /// A reset: nothing waits to be told.
    pub const fn reset(&mut self) {
        self.pending = None;
    }

    /// Writes log page 2Fh (SPC-5 §7.3.15): the exception that was not reported yet, and the temperature.
    pub fn write(&self, celsius: u8, w: &mut LogWriter) {
        let [code, qualifier] =
            self.pending.map_or(0, |is_test| informational_exceptions_1c::asc(is_test).0).to_be_bytes();
        w.parameter(0, crate::log::LIST_CONTROL, &[code, qualifier, celsius, 0]);
    }
}
