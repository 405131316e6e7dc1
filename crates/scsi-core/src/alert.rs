//! TapeAlert: the 64 flags of a device, which I_T nexuses have read them, and their report as informational exceptions
//! by mode page 1Ch (SSC-4 and SMC-3, TapeAlert). The device type assigns a meaning to each flag.

use crate::fault::Outcome;
use crate::log::LogWriter;
use crate::mode::informational_exceptions_1c::{self, ExceptionTest, ReportingMethod};
use crate::nexus::NexusId;
use crate::sense::Sense;
use crate::unit_attention::UnitAttentions;
use std::collections::BTreeMap;

/// A set of TapeAlert flags, numbered 1 to 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertSet(u64);

impl AlertSet {
    /// The set without any flag.
    pub const NONE: Self = Self(0);

    /// The set of one flag, given by its number from 1 to 64.
    #[must_use]
    pub const fn from_flag(number: u8) -> Self {
        Self(1 << (64 - number))
    }

    /// Returns the union of both sets.
    #[must_use]
    pub const fn merge(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the set contains the flag of this number, 1 to 64.
    #[must_use]
    pub fn is_set(self, alert: impl Into<u8>) -> bool {
        self.0 & Self::from_flag(alert.into()).0 != 0
    }

    /// The flags as one 64-bit number, flag 1 in the most significant bit.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The set for a number returned by [`Self::bits`].
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Writes the 64 flags as the parameters of log page 2Eh, each with this parameter control byte.
    pub fn write(self, control: u8, w: &mut LogWriter) {
        for number in 1..=64_u8 {
            w.parameter(number.into(), control, &[u8::from(self.is_set(number))]);
        }
    }
}

/// The TapeAlert flags of a device, and which of them each I_T nexus has read.
#[derive(Clone, Debug, Default)]
pub struct TapeAlert {
    raised: AlertSet,
    /// Flags that a nexus has read on page 2Eh since they were raised; page 2Eh returns them as zero to that nexus.
    read_flags: BTreeMap<NexusId, u64>,
    /// A flag was raised that was not yet reported as an informational exception.
    exception_pending: bool,
}

impl TapeAlert {
    /// Raises the flag of this number, 1 to 64, for every I_T nexus, even if it has read the flag before.
    pub fn raise(&mut self, alert: impl Into<u8>) {
        let bit = AlertSet::from_flag(alert.into()).0;
        self.exception_pending |= self.raised.0 & bit == 0;
        self.raised.0 |= bit;
        self.read_flags.values_mut().for_each(|seen| *seen &= !bit);
    }

    /// Clears the flag of this number, 1 to 64, because its cause no longer exists.
    pub fn clear_flag(&mut self, alert: impl Into<u8>) {
        self.clear_flags(AlertSet::from_flag(alert.into()));
    }

    /// Clears these flags because their causes no longer exist.
    pub const fn clear_flags(&mut self, alerts: AlertSet) {
        self.raised.0 &= !alerts.0;
    }

    /// The flags that log page 2Eh returns to `nexus`: raised, and not yet read by it.
    #[must_use]
    pub fn unread_flags(&self, nexus: NexusId) -> AlertSet {
        AlertSet(self.raised.0 & !self.read_flags.get(&nexus).copied().unwrap_or(0))
    }

    /// All raised flags, whether or not an I_T nexus has read them.
    #[must_use]
    pub const fn raised_flags(&self) -> AlertSet {
        self.raised
    }

    /// Records that `nexus` has read log page 2Eh: page 2Eh no longer returns the flags raised so far to it.
    pub fn mark_read(&mut self, nexus: NexusId) {
        *self.read_flags.entry(nexus).or_default() |= self.raised.0;
    }

    /// Removes the state of a nexus after I_T nexus loss.
    pub fn remove_nexus(&mut self, nexus: NexusId) {
        self.read_flags.remove(&nexus);
    }

    /// Clears all flags for every I_T nexus.
    pub fn clear_all(&mut self) {
        *self = Self::default();
    }
}

/// Informational exceptions: reports TapeAlert flags by the method that mode page 1Ch selects (SSC-4 §8.3.6).
#[derive(Clone, Debug, Default)]
pub struct InformationalExceptions {
    method: ReportingMethod,
    /// An exception that was not reported yet; true if it is a test.
    pending: Option<bool>,
}

impl InformationalExceptions {
    /// Applies the reporting method of mode page 1Ch. A change of the method drops a pending exception.
    pub fn apply_mode_page(&mut self, page: &[u8]) {
        let method = informational_exceptions_1c::method(page);
        if method != self.method {
            *self = Self { method, pending: None };
        }
    }

    /// Turns a newly raised flag into an exception and reports it by the selected method.
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

    /// Reports a pending exception with a command that succeeded, if mode page 1Ch selects this method (MRIE 3h to 5h).
    ///
    /// # Errors
    /// RECOVERED ERROR or NO SENSE with 5Dh/00h; 5Dh/FFh for a test.
    pub fn report_after_success(&mut self) -> Outcome {
        if !matches!(self.method, ReportingMethod::RecoveredError | ReportingMethod::NoSense) {
            return Ok(());
        }
        match self.pending.take() {
            Some(is_test) => Err(informational_exceptions_1c::sense(self.method, is_test).into()),
            None => Ok(()),
        }
    }

    /// The sense that REQUEST SENSE returns with MRIE 6h. A test is reported once, an exception as long as a flag is
    /// raised.
    pub fn pollable_sense(&mut self, alerts: &TapeAlert) -> Option<Sense> {
        let is_test = self.pending.filter(|_| self.method == ReportingMethod::OnRequest)?;
        if is_test || alerts.raised_flags() == AlertSet::NONE {
            self.pending = None;
        }
        Some(informational_exceptions_1c::sense(self.method, is_test))
    }

    /// Runs the test that the TEST bit of mode page 1Ch requests.
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

    /// Drops a pending exception after a reset.
    pub const fn reset(&mut self) {
        self.pending = None;
    }

    /// Writes log page 2Fh (SPC-4 §7.3.8): the pending exception and the temperature in degrees Celsius.
    pub fn write(&self, celsius: u8, w: &mut LogWriter) {
        let [code, qualifier] =
            self.pending.map_or(0, |is_test| informational_exceptions_1c::asc(is_test).0).to_be_bytes();
        w.parameter(0, crate::log::LIST_CONTROL, &[code, qualifier, celsius, 0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

    const A: NexusId = NexusId(1);
    const B: NexusId = NexusId(2);

    /// Page 1Ch with this MRIE.
    fn with_mrie(mrie: u8) -> InformationalExceptions {
        let mut exceptions = InformationalExceptions::default();
        exceptions.apply_mode_page(&[0x1c, 0x0a, 0, mrie, 0, 0, 0, 0, 0, 0, 0, 0]);
        exceptions
    }

    fn codes(outcome: Outcome) -> Option<(u8, u16)> {
        match outcome {
            Ok(()) => None,
            Err(Fault::CheckCondition(sense)) => Some((sense.key.0, sense.asc.0)),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Log page 2Eh: 64 parameters of one byte. A nexus reads each flag once, until it is raised again.
    #[test]
    fn flags_are_read_once_per_nexus() {
        let mut alerts = TapeAlert::default();
        alerts.raise(1_u8);
        alerts.raise(64_u8);
        assert_eq!(alerts.unread_flags(A).bits(), 0x8000_0000_0000_0001);
        alerts.mark_read(A);
        assert_eq!((alerts.unread_flags(A).bits(), alerts.unread_flags(B).bits()), (0, 0x8000_0000_0000_0001));
        alerts.raise(64_u8);
        assert_eq!(alerts.unread_flags(A).bits(), 1);
        alerts.clear_flag(64_u8);
        assert_eq!((alerts.unread_flags(A).bits(), alerts.raised_flags().bits()), (0, 1 << 63));
        alerts.remove_nexus(A);
        assert_eq!(alerts.unread_flags(A).bits(), 1 << 63);
        let mut page = LogWriter::from_pointer(0);
        alerts.raised_flags().write(0xc0, &mut page);
        let parameters = page.parameters();
        assert_eq!((parameters.len(), parameters[0].code, parameters[63].code), (64, 1, 64));
        assert_eq!(
            (parameters[0].control, &parameters[0].value[..], &parameters[63].value[..]),
            (0xc0, &[1][..], &[0][..])
        );
    }

    /// MRIE 2h raises UNIT ATTENTION 5Dh/00h for all nexuses; 4h is RECOVERED ERROR and 5h NO SENSE with the next
    /// command that succeeds; 6h is only returned by REQUEST SENSE; 0h reports nothing.
    #[test]
    fn exceptions_are_reported_by_the_method() {
        for (mrie, after_success, on_request, attention) in [
            (0, None, None, None),
            (2, None, None, Some(0x5d00)),
            (3, Some((1, 0x5d00)), None, None),
            (4, Some((1, 0x5d00)), None, None),
            (5, Some((0, 0x5d00)), None, None),
            (6, None, Some((0, 0x5d00)), None),
        ] {
            let (mut exceptions, mut alerts, mut attentions) =
                (with_mrie(mrie), TapeAlert::default(), UnitAttentions::default());
            attentions.add_nexus(A);
            attentions.add_nexus(B);
            alerts.raise(3_u8);
            exceptions.check_alerts(&mut alerts, &mut attentions);
            let pollable = exceptions.pollable_sense(&alerts).map(|sense| (sense.key.0, sense.asc.0));
            assert_eq!(pollable, on_request, "MRIE {mrie}");
            assert_eq!(codes(exceptions.report_after_success()), after_success, "MRIE {mrie}");
            assert_eq!(codes(exceptions.report_after_success()), None, "MRIE {mrie}, again");
            for nexus in [A, B] {
                assert_eq!(attentions.take(nexus, |_| true).map(|asc| asc.0), attention, "MRIE {mrie}");
            }
            // The same flag is no new exception while it is raised.
            alerts.raise(3_u8);
            exceptions.check_alerts(&mut alerts, &mut attentions);
            assert_eq!(codes(exceptions.report_after_success()), None);
            assert_eq!(attentions.take(A, |_| true), None);
        }
    }

    /// A test is 5Dh/FFh; log page 2Fh shows it until it is reported.
    #[test]
    fn test_alerts_are_marked() {
        let (mut exceptions, mut alerts, mut attentions) =
            (with_mrie(4), TapeAlert::default(), UnitAttentions::default());
        exceptions.run_test(ExceptionTest::Raise(7), &mut alerts, &mut attentions);
        assert_eq!(alerts.raised_flags().bits(), 1 << (64 - 7));
        let mut page = LogWriter::from_pointer(0);
        exceptions.write(30, &mut page);
        assert_eq!(page.parameters()[0].value, [0x5d, 0xff, 30, 0]);
        assert_eq!(codes(exceptions.report_after_success()), Some((1, 0x5dff)));
        exceptions.run_test(ExceptionTest::Clear(7), &mut alerts, &mut attentions);
        assert_eq!((alerts.raised_flags().bits(), codes(exceptions.report_after_success())), (0, None));
        exceptions.run_test(ExceptionTest::Raise(0), &mut alerts, &mut attentions);
        assert_eq!(alerts.raised_flags().bits(), u64::MAX);
        // A change of the method drops the pending exception.
        exceptions.apply_mode_page(&[0x1c, 0x0a, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(codes(exceptions.report_after_success()), None);
    }
}
