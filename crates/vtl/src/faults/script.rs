//! The script: a TOML file with one table for each fault.

use super::kind::{Effect, FAULT_KINDS, FaultKind};
use scsi_core::asc::Asc;
use scsi_core::sense::{Sense, SenseKey};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A fault of a script. Conditions that are absent hold always; all that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Fault {
    /// What happens: the name of a [`FaultKind`].
    pub kind: String,
    /// A name for lists and for clearing; `fault1` and so on by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The library; all libraries of the site by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library: Option<String>,
    /// The drive whose commands fail, such as `drive1`; any drive by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drive: Option<String>,
    /// The commands of the changer fail, not those of drives.
    #[serde(default, skip_serializing_if = "is_false")]
    pub changer: bool,
    /// Template of the name of the initiator, with `*` and `?`; any by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// Template of the barcode, with `*` and `?`: of the cartridge in the drive, of the one that the robot moves, or of the cartridges
    /// with defective labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barcode: Option<String>,
    /// The element at which the robot picks or places, such as `slot3` or `drive1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// Names of commands instead of those of the kind, as in the standards: `READ(6)`, or `READ` for all lengths of its CDB.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// First and last number of the object before which the tape is positioned, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<(u64, u64)>,
    /// The tape is positioned before early warning by at most this many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_early_warning: Option<u64>,
    /// The commands of the fault have transferred this many megabytes (10^6 bytes) since it was added.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_mb: u64,
    /// Milliseconds since the fault was added.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_ms: u64,
    /// Number of the first of these commands or motions that fails, from 1; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u32>,
    /// Probability of a failure, above 0 and up to 1; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Seed of the random choice: the same seed selects the same commands; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// How many fail, at least 1; 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The fault occurs until it is cleared.
    #[serde(default, skip_serializing_if = "is_false")]
    pub until_cleared: bool,
    /// SENSE KEY, ADDITIONAL SENSE CODE and QUALIFIER in hexadecimal digits, such as `3/11/00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sense: Option<String>,
    /// Flags of the sense data: `eom`, `filemark`, `ili`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sense_flags: Vec<String>,
    /// INFORMATION of the sense data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub information: Option<i64>,
    /// Milliseconds by which the response is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Rate of a slow drive in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
    /// Factor for the modelled time of the command, from 0.001 to 1000000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Milliseconds of a cut link, or until portals have power again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outage_ms: Option<u64>,
    /// TapeAlert flags, 1 to 64, that the drive or changer raises with each occurrence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tape_alerts: Vec<u8>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Reason why a script is not accepted. Its text names the fault, the key and the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultScriptError {
    /// The text is not TOML, has an unknown key, or a value of the wrong type; the text has the line.
    #[error("{0}")]
    Toml(String),
    /// The script has no fault.
    #[error("the script has no fault; write a table [[fault]] with a kind")]
    Empty,
    /// A value is out of range, or does not fit the kind of the fault.
    #[error("{fault}, {key}: {reason}")]
    Value {
        /// The fault: its name, or its number in the script.
        fault: String,
        /// The key of the value.
        key: &'static str,
        /// The value, and what was expected.
        reason: String,
    },
}

/// The faults of a TOML file: one table `[[fault]]` for each, in their order.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FaultScript {
    /// The faults in their order.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

impl FaultScript {
    /// Parses a script and checks its values.
    ///
    /// # Errors
    /// The first error in the text.
    pub fn parse(text: &str) -> Result<Self, FaultScriptError> {
        let script: Self = toml::from_str(text).map_err(|error| FaultScriptError::Toml(toml_error(text, &error)))?;
        if script.faults.is_empty() {
            return Err(FaultScriptError::Empty);
        }
        for (index, fault) in script.faults.iter().enumerate() {
            fault.check().map_err(|(key, reason)| FaultScriptError::Value {
                fault: fault
                    .name
                    .as_ref()
                    .map_or_else(|| format!("fault {}", index + 1), |name| format!("fault {name:?}")),
                key,
                reason,
            })?;
        }
        Ok(script)
    }
}

/// The error in one line, with the line of the text.
fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message,
    }
}

type ValueError = (&'static str, String);

impl Fault {
    pub(super) fn kind(&self) -> Result<&'static FaultKind, ValueError> {
        FaultKind::find(&self.kind).ok_or_else(|| {
            let names: Vec<&str> = FAULT_KINDS.iter().map(|kind| kind.name).collect();
            ("kind", format!("{:?} is not a kind of fault; expected one of {}", self.kind, names.join(", ")))
        })
    }

    /// Most occurrences.
    pub(super) fn limit(&self) -> u64 {
        if self.until_cleared { u64::MAX } else { self.count.unwrap_or(1).into() }
    }

    /// The sense data of the script.
    pub(super) fn own_sense(&self) -> Result<Sense, ValueError> {
        let text = self.sense.as_deref().unwrap_or_default();
        let wrong = || ("sense", format!("{text:?} is not KEY/ASC/ASCQ in hexadecimal digits, such as \"3/11/00\""));
        let parts: Vec<u8> =
            text.split('/').map(|part| u8::from_str_radix(part, 16)).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let [key @ 0..=15, code, qualifier] = *parts.as_slice() else { return Err(wrong()) };
        let mut sense = Sense::new(SenseKey(key), Asc(u16::from_be_bytes([code, qualifier])));
        sense.information = self.information;
        for flag in &self.sense_flags {
            match flag.as_str() {
                "eom" => sense.eom = true,
                "filemark" => sense.filemark = true,
                "ili" => sense.ili = true,
                _ => return Err(("sense_flags", format!("{flag:?} is not one of eom, filemark, ili"))),
            }
        }
        Ok(sense)
    }

    /// How long a link or the power is away.
    pub(super) fn outage(&self) -> Duration {
        Duration::from_millis(self.outage_ms.unwrap_or(0))
    }

    /// The factor of the time in thousandths.
    pub(super) fn thousandths(&self) -> Result<u32, ValueError> {
        let factor = self.factor.ok_or_else(|| ("factor", "is missing".to_owned()))?;
        if !(0.001..=1_000_000.0).contains(&factor) {
            return Err(("factor", format!("{factor} is out of range; expected 0.001 to 1000000")));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 10^9")]
        Ok((factor * 1000.0).round() as u32)
    }

    /// Checks the values of the fault: the key of the first wrong one, and the reason.
    pub(crate) fn check(&self) -> Result<(), ValueError> {
        let kind = self.kind()?;
        self.check_keys(kind)?;
        self.check_values()?;
        match kind.effect {
            Effect::OwnSense | Effect::OwnSenseAfter => self.own_sense().map(drop),
            Effect::Delay if self.delay_ms.is_none() => Err(("delay_ms", "is missing".into())),
            Effect::Slow if self.bytes_per_second.is_none() => Err(("bytes_per_second", "is missing".into())),
            Effect::CutLink if self.outage_ms.is_none() => Err(("outage_ms", "is missing".into())),
            Effect::SlowByFactor => self.thousandths().map(drop),
            Effect::Label(_) if self.barcode.is_none() => Err(("barcode", "is missing".into())),
            _ => Ok(()),
        }
    }

    /// Refuses keys that have no effect on a fault of this kind.
    fn check_keys(&self, kind: &FaultKind) -> Result<(), ValueError> {
        let (commands, robot) = (kind.is_of_commands(), kind.is_of_robot());
        let has_sense = matches!(kind.effect, Effect::OwnSense | Effect::OwnSenseAfter);
        let counts = commands || robot || matches!(kind.effect, Effect::IgnoreNopOut);
        let has_outage = matches!(kind.effect, Effect::CutLink | Effect::LosePower);
        let keys = [
            ("drive", self.drive.is_some(), commands && !self.changer),
            ("changer", self.changer, commands),
            ("commands", !self.commands.is_empty(), commands),
            ("initiator", self.initiator.is_some(), counts && !robot),
            (
                "barcode",
                self.barcode.is_some(),
                !self.changer && (commands || robot || matches!(kind.effect, Effect::Label(_))),
            ),
            ("records", self.records.is_some(), commands && !self.changer),
            ("before_early_warning", self.before_early_warning.is_some(), commands && !self.changer),
            ("after_mb", self.after_mb > 0, commands && !self.changer),
            ("element", self.element.is_some(), robot),
            ("after_ms", self.after_ms > 0, counts),
            ("nth", self.nth.is_some(), counts),
            ("probability", self.probability.is_some(), counts),
            ("seed", self.seed.is_some(), self.probability.is_some()),
            ("count", self.count.is_some(), counts && !self.until_cleared),
            ("until_cleared", self.until_cleared, counts),
            ("tape_alerts", !self.tape_alerts.is_empty(), commands || robot),
            ("outage_ms", self.outage_ms.is_some(), has_outage),
            ("sense", self.sense.is_some(), has_sense),
            ("sense_flags", !self.sense_flags.is_empty(), has_sense),
            ("information", self.information.is_some(), has_sense),
            ("delay_ms", self.delay_ms.is_some(), matches!(kind.effect, Effect::Delay)),
            ("factor", self.factor.is_some(), matches!(kind.effect, Effect::SlowByFactor)),
            ("bytes_per_second", self.bytes_per_second.is_some(), matches!(kind.effect, Effect::Slow)),
        ];
        match keys.into_iter().find(|(_, is_given, has_effect)| *is_given && !has_effect) {
            Some((key, ..)) => Err((key, format!("has no effect here, with kind {:?}", kind.name))),
            None => Ok(()),
        }
    }

    fn check_values(&self) -> Result<(), ValueError> {
        let zero = |key, value: Option<u64>| match value {
            Some(0) => Err((key, "0 is too small; expected at least 1".to_owned())),
            _ => Ok(()),
        };
        zero("nth", self.nth.map(u64::from))?;
        zero("count", self.count.map(u64::from))?;
        zero("bytes_per_second", self.bytes_per_second)?;
        if self
            .name
            .as_ref()
            .is_some_and(|name| name.is_empty() || name.len() > 64 || name.chars().any(char::is_control))
        {
            return Err(("name", "expected 1 to 64 characters on one line".into()));
        }
        if let Some(probability) = self.probability.filter(|value| !(*value > 0.0 && *value <= 1.0)) {
            return Err(("probability", format!("{probability} is out of range; expected above 0 and up to 1")));
        }
        if let Some((first, last)) = self.records.filter(|(first, last)| first > last) {
            return Err(("records", format!("[{first}, {last}] is empty; expected [FIRST, LAST]")));
        }
        match self.tape_alerts.iter().find(|flag| !(1..=64).contains(*flag)) {
            Some(flag) => Err(("tape_alerts", format!("{flag} does not exist; expected 1 to 64"))),
            None => Ok(()),
        }
    }
}
