//! The rules by which the units of a site carry out a fault.

use super::kind::{Effect, FaultKind};
use super::{Fault, drives_of};
use crate::control::ControlError;
use crate::library::Library;
use crate::site::Site;
use crate::unit::Unit;
use scsi_core::fault::FaultEvent;
use scsi_core::injected_fault::{CommandMatcher, FaultOutcome, FaultRule, Probability};
use scsi_core::port::ProtocolId;
use scsi_core::template;
use smc::element::{ElementAddress, LabelDefect};
use smc::robot::{RobotMatcher, RobotOutcome};
use std::sync::Arc;
use std::time::Duration;
use tape_store::cartridge::Barcode;

type RobotRule = FaultRule<RobotMatcher, RobotOutcome>;

/// The changes to the units of a site by which a fault is carried out.
pub(super) enum Plan {
    /// The same rule for each of these units.
    Commands(Vec<Arc<Unit>>, Box<FaultRule>),
    /// Rules for the robots of these libraries.
    Robot(Vec<(Arc<Library>, Vec<RobotRule>)>),
    /// A rule for the NOP-Out PDUs of initiators.
    NopOuts(FaultRule<NopOutMatcher, ()>),
    /// The defect of the labels of these cartridges.
    Labels(Vec<(Arc<Library>, Barcode)>, LabelDefect),
}

/// The error of a fault for a drive that another process serves.
fn served_elsewhere(library: &Library, drive: &str, address: ElementAddress) -> ControlError {
    let setup = library.setup();
    let index = library.layout().drives.index(address);
    let daemon = index.and_then(|index| setup.drives.get(index)?.daemon.clone());
    let message = match daemon {
        Some(daemon) => format!("{drive} is served by the daemon {daemon:?}; add the fault there"),
        None => format!("{drive} is served by another process"),
    };
    ControlError::unavailable(message).with_element(drive)
}

/// The initiators whose NOP-Out PDUs a rule counts: a template of their names, or all.
#[derive(Clone, Debug)]
pub(super) struct NopOutMatcher(Option<String>);

impl NopOutMatcher {
    pub(super) fn matches(&self, initiator: &str) -> bool {
        self.0.as_ref().is_none_or(|wanted| template::matches(wanted, initiator))
    }
}

impl Site {
    pub(super) fn plan_fault(&self, fault: &Fault) -> Result<Plan, ControlError> {
        let kind = fault.kind().map_err(invalid)?;
        if kind.is_of_connections() && self.shared.frontend.protocol() != ProtocolId::ISCSI {
            let message = format!("kind: {:?} acts on iSCSI connections, and this site has no iSCSI portal", kind.name);
            return Err(ControlError::invalid(message).with_member("kind"));
        }
        let libraries = match &fault.library {
            Some(name) => vec![self.resolve_library(Some(name))?],
            None => self.libraries(),
        };
        match &kind.effect {
            Effect::Robot(operations, outcome) => {
                let mut rules = Vec::new();
                for library in libraries {
                    rules.push((Arc::clone(&library), self.robot_rules(fault, &library, operations, *outcome)?));
                }
                Ok(Plan::Robot(rules))
            }
            Effect::IgnoreNopOut => {
                let rule = FaultRule::once(NopOutMatcher(fault.initiator.clone()), ());
                Ok(Plan::NopOuts(self.with_conditions(rule, &[], fault)))
            }
            Effect::Label(defect) => {
                let cartridges: Vec<_> = libraries.iter().flat_map(|library| labelled(library, fault)).collect();
                if cartridges.is_empty() {
                    let wanted = fault.barcode.as_deref().unwrap_or_default();
                    return Err(ControlError::not_found(format!("barcode: no library has a cartridge {wanted:?}"))
                        .with_member("barcode"));
                }
                Ok(Plan::Labels(cartridges, *defect))
            }
            _ => {
                let units = self.units_of(fault, &libraries)?;
                if matches!(kind.effect, Effect::SlowByFactor) {
                    check_times(&units)?;
                }
                let outcome = outcome(kind, fault)?;
                let rule = FaultRule::once(matcher(kind, fault)?, outcome);
                Ok(Plan::Commands(
                    units,
                    Box::new(self.with_conditions(rule, if fault.changer { &[] } else { kind.alerts }, fault)),
                ))
            }
        }
    }

    /// The changers or drives of a fault of commands.
    fn units_of(&self, fault: &Fault, libraries: &[Arc<Library>]) -> Result<Vec<Arc<Unit>>, ControlError> {
        if fault.changer {
            return Ok(libraries.iter().map(|library| library.changer_unit()).collect());
        }
        let Some(drive) = &fault.drive else { return Ok(drives_of(libraries)) };
        let library = self.resolve_library_for(fault.library.as_deref(), drive)?;
        let address = library.resolve_drive_in(&library.elements(), drive)?;
        match library.drive_at(address) {
            Some(unit) => Ok(vec![unit]),
            None => Err(served_elsewhere(&library, drive, address)),
        }
    }

    fn robot_rules(
        &self,
        fault: &Fault,
        library: &Library,
        operations: &[smc::robot::RobotFault],
        outcome: RobotOutcome,
    ) -> Result<Vec<RobotRule>, ControlError> {
        let element = fault.element.as_deref().map(|text| library.resolve_element(text)).transpose()?;
        let rule = |operation: &smc::robot::RobotFault| {
            let matcher = RobotMatcher::of(*operation).with_element(element).with_barcode(fault.barcode.clone());
            self.with_conditions(FaultRule::once(matcher, outcome), &[], fault)
        };
        Ok(operations.iter().map(rule).collect())
    }

    /// The rule with what all kinds have: when, how often, and the TapeAlert flags.
    fn with_conditions<M, O>(&self, rule: FaultRule<M, O>, alerts: &[u8], fault: &Fault) -> FaultRule<M, O> {
        let mut rule = rule
            .with_nth(fault.nth.unwrap_or(1))
            .with_count(if fault.until_cleared { u32::MAX } else { fault.count.unwrap_or(1) })
            .with_alerts(alerts.iter().chain(&fault.tape_alerts).copied().collect())
            .with_after_bytes(fault.after_mb.saturating_mul(1_000_000));
        if fault.after_ms > 0 {
            let now = self.clock().monotonic();
            rule = rule.with_not_before(now.saturating_add(Duration::from_millis(fault.after_ms)));
        }
        if let Some(chance) = fault.probability.and_then(|value| Probability::new(value, fault.seed.unwrap_or(0))) {
            rule = rule.with_probability(chance);
        }
        rule
    }
}

fn invalid((key, reason): (&'static str, String)) -> ControlError {
    ControlError::invalid(format!("{key}: {reason}")).with_member(key)
}

/// The cartridges of a library whose barcodes match that of a fault.
fn labelled(library: &Arc<Library>, fault: &Fault) -> Vec<(Arc<Library>, Barcode)> {
    let wanted = fault.barcode.as_deref().unwrap_or_default();
    let barcodes = library.locations();
    let matching =
        barcodes.into_iter().map(|(barcode, _)| barcode).filter(|barcode| template::matches(wanted, barcode.as_str()));
    matching.map(|barcode| (Arc::clone(library), barcode)).collect()
}

/// Checks that these units model the time of hardware.
fn check_times(units: &[Arc<Unit>]) -> Result<(), ControlError> {
    match units.iter().find(|unit| !unit.time_mode().is_on()) {
        None => Ok(()),
        Some(unit) => {
            let name = unit.name().to_string();
            let message =
                format!("kind: {name} does not model the time of hardware; set the key time in the configuration");
            Err(ControlError::conflict(message).with_unit(&name))
        }
    }
}

fn outcome(kind: &FaultKind, fault: &Fault) -> Result<FaultOutcome, ControlError> {
    Ok(match &kind.effect {
        Effect::Failure(sense) | Effect::LoadUnload { sense, .. } => FaultOutcome::Failure(sense.clone()),
        Effect::After(sense) => FaultOutcome::SenseAfter(sense.clone()),
        Effect::OwnSense => FaultOutcome::Failure(fault.own_sense().map_err(invalid)?),
        Effect::OwnSenseAfter => FaultOutcome::SenseAfter(fault.own_sense().map_err(invalid)?),
        Effect::Status(status) => FaultOutcome::Status(*status),
        Effect::Delay => FaultOutcome::Delay(Duration::from_millis(fault.delay_ms.unwrap_or(0))),
        Effect::Slow => FaultOutcome::Slow(fault.bytes_per_second.unwrap_or(1)),
        Effect::SlowByFactor => FaultOutcome::SlowBy(fault.thousandths().map_err(invalid)?),
        Effect::WrongCrc => FaultOutcome::WrongCrc,
        Effect::LoseSession => FaultOutcome::Event(FaultEvent::LoseSession),
        Effect::CutLink => FaultOutcome::Event(FaultEvent::CutLink(fault.outage())),
        Effect::LosePower => FaultOutcome::Event(FaultEvent::LosePower(fault.outage())),
        Effect::Drop => FaultOutcome::Drop,
        Effect::DropResponse => FaultOutcome::DropResponse,
        Effect::LoseFilemark(sense) => FaultOutcome::LoseFilemark(sense.clone()),
        Effect::Robot(..) | Effect::Label(_) | Effect::IgnoreNopOut => return Err(ControlError::defect()),
    })
}

fn matcher(kind: &FaultKind, fault: &Fault) -> Result<CommandMatcher, ControlError> {
    let mut matcher = CommandMatcher::default().with_names(command_names(kind, fault)?);
    if let Some(barcode) = &fault.barcode {
        matcher = matcher.with_volume(barcode.clone());
    }
    if let Some(initiator) = &fault.initiator {
        matcher = matcher.with_initiator(initiator.clone());
    }
    if let Some((first, last)) = fault.records {
        matcher = matcher.with_position(first..=last);
    }
    if let Some(bytes) = fault.before_early_warning {
        matcher = matcher.with_bytes_before_early_warning(bytes);
    }
    // LOAD, byte 4 bit 0 of LOAD UNLOAD.
    Ok(match kind.effect {
        Effect::LoadUnload { load, .. } => matcher.with_cdb_byte(4, 0x01, load.into()),
        Effect::LoseFilemark(_) => matcher.with_cdb_byte(4, 0x01, 0),
        Effect::WrongCrc => matcher.with_protected_reads(),
        _ => matcher,
    })
}

/// The names in the command table of the device; empty for all commands.
fn command_names(kind: &FaultKind, fault: &Fault) -> Result<Vec<&'static str>, ControlError> {
    let wanted: Vec<&str> = if fault.commands.is_empty() {
        kind.commands.to_vec()
    } else {
        fault.commands.iter().map(String::as_str).collect()
    };
    let specs = if fault.changer { smc::table::COMMANDS.specs() } else { ssc::table::COMMANDS.specs() };
    let mut names = Vec::new();
    for command in wanted {
        let is_form = |name: &str| {
            let base = name.split_once('(').map_or(name, |(base, _)| base);
            name.eq_ignore_ascii_case(command) || base.eq_ignore_ascii_case(command)
        };
        let before = names.len();
        names.extend(specs.iter().map(|spec| spec.name).filter(|name| is_form(name)));
        if names.len() == before {
            let device = if fault.changer { "changer" } else { "drive" };
            return Err(invalid(("commands", format!("{command:?} is not the name of a command of a {device}"))));
        }
    }
    Ok(names)
}
