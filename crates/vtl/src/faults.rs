//! Faults on demand: a script says which commands of hosts, motions of the robot and labels fail, when, and how.
//!
//! A [`FaultScript`] is a TOML file with one table `[[fault]]` for each [`Fault`]. [`Site::add_faults`] checks all of them and
//! adds them to the drives and changers; [`Site::faults`] lists them with their counts, and [`Site::clear_faults`] ends them.
//! They end with the process. docs/faults.md describes each kind.

mod kind;
mod plan;
mod script;

pub use kind::{FAULT_KINDS, FaultKind};
pub use script::{Fault, FaultScript, FaultScriptError};

use crate::control::ControlError;
use crate::library::Library;
use crate::locks::lock;
use crate::site::Site;
use crate::unit::Unit;
use plan::{NopOutMatcher, Plan};
use scsi_core::injected_fault::{FaultCounter, FaultList, FaultRule, MAX_RULES};
use serde::{Deserialize, Serialize};
use smc::element::LabelDefect;
use smc::robot::{RobotMatcher, RobotOutcome};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tape_store::cartridge::Barcode;

/// Most faults that a site lists. Finished ones are removed first.
const MAX_FAULTS: usize = 1000;

/// A fault of a site, and how often it has occurred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FaultStatus {
    /// The name of the fault, unique among the active faults.
    pub name: String,
    /// The fault of the script.
    pub fault: Fault,
    /// Commands or motions for which the conditions of the fault held. 0 for labels.
    pub matched: u64,
    /// How often the fault has occurred. 1 for labels.
    pub fired: u64,
    /// Whether the fault can still occur: it has not yet occurred as often as it should.
    pub active: bool,
}

/// The names of the faults that were removed: response to `fault_clear`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearedFaults {
    /// Names in the order in which the faults were added.
    pub cleared: Vec<String>,
}

/// A fault that was added.
struct AddedFault {
    name: String,
    fault: Fault,
    counter: FaultCounter,
    /// The rule of a fault of commands, for units that are added later.
    rule: Option<Box<FaultRule>>,
    /// The labels that it has changed.
    labels: Vec<(Arc<Library>, Barcode)>,
}

impl AddedFault {
    fn is_active(&self) -> bool {
        if self.counter.is_cleared() {
            return false;
        }
        !self.labels.is_empty() || self.counter.counts().fired < self.fault.limit()
    }

    fn status(&self) -> FaultStatus {
        let counts = self.counter.counts();
        FaultStatus {
            name: self.name.clone(),
            fault: self.fault.clone(),
            matched: counts.matched,
            fired: if self.labels.is_empty() { counts.fired } else { 1 },
            active: self.is_active(),
        }
    }
}

impl From<FaultScriptError> for ControlError {
    fn from(error: FaultScriptError) -> Self {
        Self::invalid(error.to_string()).with_member("text")
    }
}

/// The faults of a site.
#[derive(Default)]
pub(crate) struct Faults {
    registry: Mutex<FaultRegistry>,
    nop_outs: Mutex<FaultList<NopOutMatcher, ()>>,
    /// Whether `nop_outs` has a rule.
    has_nop_outs: AtomicBool,
}

#[derive(Default)]
struct FaultRegistry {
    added: Vec<AddedFault>,
    /// The faults of the configuration, and their names.
    configured: (Vec<Fault>, Vec<String>),
    /// Number of the last fault without a name.
    last_number: u64,
}

impl FaultRegistry {
    /// A name for each fault of a script.
    fn names(&mut self, faults: &[Fault]) -> Result<Vec<String>, ControlError> {
        let mut names: Vec<String> = Vec::new();
        for fault in faults {
            let name = fault.name.clone().unwrap_or_else(|| {
                self.last_number += 1;
                format!("fault{}", self.last_number)
            });
            let is_active = |added: &AddedFault| added.name == name && added.is_active();
            if names.contains(&name) || self.added.iter().any(is_active) {
                let message = format!("there is a fault {name:?} already; clear it: ferric fault clear {name}");
                return Err(ControlError::conflict(message).with_member("name"));
            }
            names.push(name);
        }
        Ok(names)
    }

    /// Removes finished faults with these names, and the oldest finished ones of too many.
    fn make_room(&mut self, names: &[String]) -> Result<(), ControlError> {
        self.added.retain(|added| added.is_active() || !names.contains(&added.name));
        while self.added.len().saturating_add(names.len()) > MAX_FAULTS {
            let Some(finished) = self.added.iter().position(|added| !added.is_active()) else {
                let message = format!("the site has {} faults; expected at most {MAX_FAULTS}", self.added.len());
                return Err(ControlError::conflict(message));
            };
            self.added.remove(finished);
        }
        Ok(())
    }
}

impl Site {
    /// Adds all faults of a script, or none of them. Returns them in their order.
    ///
    /// A fault without `drive` or `changer` applies to all drives of its libraries together: the first, or the `nth`, command of
    /// any of them fails.
    ///
    /// # Errors
    /// `not_found` or `invalid` if a library, drive, element or cartridge does not exist; `conflict` if a fault with this name
    /// exists, or a unit has [`MAX_RULES`] rules; `busy` if a changer executes a command that takes long. The message names the
    /// fault.
    pub fn add_faults(&self, script: &FaultScript) -> Result<Vec<FaultStatus>, ControlError> {
        let mut registry = lock(&self.faults.registry);
        let names = registry.names(&script.faults)?;
        registry.make_room(&names)?;
        let planned: Vec<(Plan, String)> = script
            .faults
            .iter()
            .zip(names)
            .map(|(fault, name)| match self.plan_fault(fault) {
                Ok(plan) => Ok((plan, name)),
                Err(error) => Err(ControlError { message: format!("fault {name:?}: {}", error.message), ..error }),
            })
            .collect::<Result<_, _>>()?;
        let mut added: Vec<AddedFault> = Vec::new();
        for ((plan, name), fault) in planned.into_iter().zip(&script.faults) {
            let counter = FaultCounter::default();
            let rule = if let Plan::Commands(_, rule) = &plan { Some(rule.clone()) } else { None };
            let applied = self.apply_plan(plan, &counter);
            let labels = applied.inspect_err(|_| {
                counter.clear();
                added.iter().for_each(end);
            })?;
            added.push(AddedFault { name, fault: fault.clone(), counter, rule, labels });
        }
        let statuses = added.iter().map(AddedFault::status).collect();
        registry.added.extend(added);
        Ok(statuses)
    }

    /// Adds the faults of the configuration. Those of the former configuration are cleared, unless they are the same.
    ///
    /// # Errors
    /// As [`Self::add_faults`]; the faults of the former configuration are cleared nevertheless.
    pub(crate) fn set_configured_faults(&self, faults: Vec<Fault>) -> Result<bool, ControlError> {
        let former = {
            let mut registry = lock(&self.faults.registry);
            if registry.configured.0 == faults {
                return Ok(false);
            }
            std::mem::take(&mut registry.configured).1
        };
        for name in former {
            // An operator may have cleared it.
            let _ = self.clear_faults(Some(&name));
        }
        let script = FaultScript { faults };
        let names = self.add_faults(&script)?.into_iter().map(|added| added.name).collect();
        lock(&self.faults.registry).configured = (script.faults, names);
        Ok(true)
    }

    /// Applies the active faults to units that a reload has added to a library, and to the robot of a library that is new.
    pub(crate) fn extend_faults(&self, library: &Arc<Library>, units: &[Arc<Unit>]) {
        let has_robot = units.iter().any(|unit| unit.drive_index().is_none());
        let registry = lock(&self.faults.registry);
        let is_here = |fault: &Fault| fault.library.as_ref().is_none_or(|name| name == library.name());
        for added in registry.added.iter().filter(|added| added.is_active() && is_here(&added.fault)) {
            let extended = match &added.rule {
                Some(rule) => self.extend_rule(added, rule, units),
                None if has_robot => self.extend_robot(added, library),
                None => Ok(()),
            };
            if let Err(error) = extended {
                tracing::warn!(library = library.name(), fault = added.name, %error, "a fault does not apply to what a reload has added");
            }
        }
    }

    fn extend_rule(&self, added: &AddedFault, rule: &FaultRule, units: &[Arc<Unit>]) -> Result<(), ControlError> {
        let is_concerned =
            |unit: &&Arc<Unit>| added.fault.drive.is_none() && added.fault.changer == unit.drive_index().is_none();
        let units: Vec<_> = units.iter().filter(is_concerned).cloned().collect();
        self.apply_plan(Plan::Commands(units, Box::new(rule.clone())), &added.counter).map(drop)
    }

    fn extend_robot(&self, added: &AddedFault, library: &Arc<Library>) -> Result<(), ControlError> {
        let fault = Fault { library: Some(library.name().into()), ..added.fault.clone() };
        match self.plan_fault(&fault)? {
            plan @ Plan::Robot(_) => self.apply_plan(plan, &added.counter).map(drop),
            Plan::Commands(..) | Plan::NopOuts(_) | Plan::Labels(..) => Ok(()),
        }
    }

    /// The faults that were added and not cleared, in the order in which they were added, with the finished ones.
    #[must_use]
    pub fn faults(&self) -> Vec<FaultStatus> {
        lock(&self.faults.registry).added.iter().map(AddedFault::status).collect()
    }

    /// Ends the fault with this name, or all of them without a name, and removes them from the list. Labels can be read
    /// again; what else a fault has done, such as a door that it opened or a TapeAlert flag, stays.
    ///
    /// # Errors
    /// `not_found` if there is no such fault.
    pub fn clear_faults(&self, name: Option<&str>) -> Result<ClearedFaults, ControlError> {
        let mut registry = lock(&self.faults.registry);
        let is_cleared = |added: &AddedFault| name.is_none_or(|name| name == added.name);
        let (cleared, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut registry.added).into_iter().partition(is_cleared);
        registry.added = kept;
        if let (Some(name), true) = (name, cleared.is_empty()) {
            let names: Vec<&str> = registry.added.iter().map(|added| added.name.as_str()).collect();
            let present =
                if names.is_empty() { "there is none".into() } else { format!("expected {}", names.join(", ")) };
            return Err(ControlError::not_found(format!("there is no fault {name:?}; {present}")).with_member("name"));
        }
        cleared.iter().for_each(end);
        Ok(ClearedFaults { cleared: cleared.into_iter().map(|added| added.name).collect() })
    }

    /// Whether a fault may apply to a NOP-Out: a portal then asks [`Self::ignores_nop_out`] for each.
    #[must_use]
    pub fn has_nop_out_faults(&self) -> bool {
        self.faults.has_nop_outs.load(Ordering::Acquire)
    }

    /// Counts a NOP-Out that an initiator of this name has sent. Returns whether it gets no NOP-In, by a fault.
    #[must_use]
    pub fn ignores_nop_out(&self, initiator: &str) -> bool {
        let mut rules = lock(&self.faults.nop_outs);
        let fired = rules.take(self.clock().monotonic(), |matcher| matcher.matches(initiator));
        self.faults.has_nop_outs.store(!rules.is_empty(), Ordering::Release);
        fired.is_some()
    }

    /// Adds the rules of a fault, which count together. Returns the labels that were changed.
    fn apply_plan(&self, plan: Plan, counter: &FaultCounter) -> Result<Vec<(Arc<Library>, Barcode)>, ControlError> {
        match plan {
            Plan::Commands(units, rule) => {
                for unit in units {
                    if !unit.inject((*rule).clone().with_counter(counter.clone())) {
                        return Err(too_many(&unit.name().to_string()));
                    }
                }
                Ok(Vec::new())
            }
            Plan::Robot(libraries) => {
                for (library, rules) in libraries {
                    add_robot_rules(&library, &rules, counter)?;
                }
                Ok(Vec::new())
            }
            Plan::NopOuts(rule) => {
                if !lock(&self.faults.nop_outs).push(rule.with_counter(counter.clone())) {
                    return Err(too_many("the site"));
                }
                self.faults.has_nop_outs.store(true, Ordering::Release);
                Ok(Vec::new())
            }
            Plan::Labels(cartridges, defect) => {
                let mut changed: Vec<(Arc<Library>, Barcode)> = Vec::new();
                for (library, barcode) in cartridges {
                    if let Err(error) = set_label(&library, &barcode, Some(defect)) {
                        changed.iter().for_each(|(library, barcode)| restore_label(library, barcode));
                        return Err(error);
                    }
                    changed.push((library, barcode));
                }
                Ok(changed)
            }
        }
    }
}

/// Ends a fault: its rules apply no longer, and its labels can be read.
fn end(fault: &AddedFault) {
    fault.counter.clear();
    fault.labels.iter().for_each(|(library, barcode)| restore_label(library, barcode));
}

fn add_robot_rules(
    library: &Library,
    rules: &[FaultRule<RobotMatcher, RobotOutcome>],
    counter: &FaultCounter,
) -> Result<(), ControlError> {
    let add = |rule: &FaultRule<RobotMatcher, RobotOutcome>| {
        let rule = rule.clone().with_counter(counter.clone());
        library.operate(|changer| Ok(changer.library_mut().inject_fault_rule(rule)))
    };
    for rule in rules {
        if !add(rule)? {
            return Err(too_many(library.name()));
        }
    }
    Ok(())
}

fn set_label(library: &Library, barcode: &Barcode, defect: Option<LabelDefect>) -> Result<(), ControlError> {
    library.operate(|changer| Ok(changer.set_label_defect(barcode, defect)))?;
    Ok(())
}

fn restore_label(library: &Library, barcode: &Barcode) {
    if let Err(error) = set_label(library, barcode, None) {
        tracing::warn!(library = library.name(), %barcode, %error, "the label of a cleared fault stays defective");
    }
}

fn too_many(unit: &str) -> ControlError {
    ControlError::conflict(format!("{unit} has {MAX_RULES} injected faults already; clear some: ferric fault clear"))
        .with_unit(unit)
}

/// The units of drives among which a fault chooses.
fn drives_of(libraries: &[Arc<Library>]) -> Vec<Arc<Unit>> {
    libraries.iter().flat_map(|library| library.drives()).collect()
}
