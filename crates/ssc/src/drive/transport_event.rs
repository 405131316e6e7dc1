//! Events of the transport, and the settings of mode pages that they and MODE SELECT change.

use super::Drive;
use crate::mode::{compression_0f, config_extension_1001, protection_0af0};
use scsi_core::asc::Asc;
use scsi_core::mode::informational_exceptions_1c;
use scsi_core::nexus::NexusId;
use scsi_core::target::TransportEvent;
use scsi_core::time::Now;

impl Drive {
    pub(super) fn apply_transport_event(&mut self, event: TransportEvent, now: Now) {
        self.state.health.note_time(now);
        match event {
            TransportEvent::NexusEstablished { nexus, reestablished, .. } => {
                if !reestablished && self.state.media.threaded().is_some() {
                    self.lu.attentions.raise(nexus, Asc::NOT_READY_TO_READY_CHANGE_MEDIUM_MAY_HAVE_CHANGED);
                }
            }
            TransportEvent::UnitReset | TransportEvent::TargetReset => {
                self.reset_device_state();
            }
            TransportEvent::NexusLost(nexus) => {
                self.state.encryption.remove_nexus(nexus);
                self.state.media.clear_medium_keys();
                if self.state.media.verify().is_some_and(|operation| operation.nexus == nexus) {
                    self.state.media.abandon_verify();
                }
                self.state.modes.set_protection(nexus, None);
                self.state.health.alerts.remove_nexus(nexus);
            }
            TransportEvent::TaskSetCleared(_) => {}
        }
    }

    /// Gives the state that a hard reset affects its values after power-on, apart from the SPC state.
    pub(super) fn reset_device_state(&mut self) {
        self.state.modes.reset();
        self.state.encryption.clear();
        self.state.media.clear_medium_keys();
        self.state.health.reset_alerts(self.state.media.opened());
        if self.state.media.opened().is_some_and(|mounted| mounted.append_only) {
            // Append-only mode stays on while the volume is mounted.
            self.lu.mode.set_bits(config_extension_1001::ID, 5, config_extension_1001::APPEND_ONLY, true);
        }
        self.state.health.exceptions.reset();
        self.state.media.abandon_verify();
        self.apply_mode_pages(None);
    }

    /// Applies the settings of mode pages: the shared ones, and those of `nexus`.
    pub(super) fn apply_mode_pages(&mut self, nexus: Option<NexusId>) {
        let Self { lu, state } = self;
        let compress = compression_0f::synchronize(&mut lu.mode, nexus.is_none() || state.modes.compress);
        let (append_only, early_warning_distance) =
            config_extension_1001::settings(lu.mode.current(config_extension_1001::ID));
        let exceptions = lu.mode.current(informational_exceptions_1c::ID);
        state.health.exceptions.apply_mode_page(exceptions);
        let modes = &mut state.modes;
        (modes.compress, modes.append_only, modes.programmable_early_warning) =
            (compress, append_only, early_warning_distance);
        if let Some(mounted) = state.media.opened_mut() {
            mounted.append_only = append_only;
            mounted.programmable_warning_enabled = early_warning_distance > 0;
            mounted.medium.set_programmable_early_warning(early_warning_distance);
        }
        let test = informational_exceptions_1c::test(exceptions);
        if let Some(nexus) = nexus {
            let page = lu.mode.current_for(protection_0af0::ID, nexus);
            state.modes.set_protection(nexus, protection_0af0::protection(state.profile.protection_methods, page));
            lu.mode.set_bits(informational_exceptions_1c::ID, 2, informational_exceptions_1c::TEST, false);
            if let Some(test) = test {
                state.health.exceptions.run_test(test, &mut state.health.alerts, &mut lu.attentions);
            }
        }
    }
}
