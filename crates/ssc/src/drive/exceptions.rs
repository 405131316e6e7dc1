//! Informational exceptions: TapeAlert flags told as mode page 1Ch asks for it (SPC-5 §7.5.13).

use super::Drive;
use crate::alert::Alert;
use scsi_core::fault::Outcome;
use scsi_core::mode::exceptions_1c;

impl Drive {
    /// A flag that was raised is an informational exception, if a host wants to hear of those.
    pub(super) fn note_exception(&mut self) {
        if !self.state.alerts.take_fresh() || self.state.settings.exceptions == exceptions_1c::Method::None {
            return;
        }
        self.raise_exception(false);
    }

    fn raise_exception(&mut self, is_test: bool) {
        match self.state.settings.exceptions {
            exceptions_1c::Method::None => {}
            exceptions_1c::Method::Attention => self.lu.attention.raise_all(exceptions_1c::asc(is_test)),
            exceptions_1c::Method::Recovered | exceptions_1c::Method::NoSense | exceptions_1c::Method::OnRequest => {
                self.state.exception = Some(is_test);
            }
        }
    }

    /// A command that succeeded tells of an exception, if that is how a host wants to hear of it.
    pub(super) fn report_exception(&mut self) -> Outcome {
        let method = self.state.settings.exceptions;
        if !matches!(method, exceptions_1c::Method::Recovered | exceptions_1c::Method::NoSense) {
            return Ok(());
        }
        match self.state.exception.take() {
            Some(is_test) => Err(exceptions_1c::sense(method, is_test).into()),
            None => Ok(()),
        }
    }

    /// What the TEST bit of mode page 1Ch asks for.
    pub(super) fn test_alert(&mut self, test: exceptions_1c::Test) {
        let alerts = &mut self.state.alerts;
        match test {
            exceptions_1c::Test::Exception => {}
            exceptions_1c::Test::Raise(0) => (1..=64).for_each(|number| alerts.raise(Alert(number))),
            exceptions_1c::Test::Raise(number) => alerts.raise(Alert(number)),
            exceptions_1c::Test::Clear(number) => return alerts.lower(Alert(number)),
        }
        alerts.take_fresh();
        self.raise_exception(true);
    }
}
