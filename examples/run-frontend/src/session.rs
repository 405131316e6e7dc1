//! Units of an iSCSI target, such as the library that a daemon serves.

use crate::description::lock;
use crate::unit::{Backend, Caller, ResetScope, TargetUnits, Wait};
use initiator::{CommandResponse, Error, Initiator, NoResponse, Options, Transfer};
use linux_scsi::device::{RESET_TESTS, TEST_UNIT_READY, abort_time};
use linux_scsi::{NoStatus, scan, sg};
use scsi_core::Status;
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Time between two NOP-Outs, so that the target does not close an idle session.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// First byte of an ISID that no registration authority has assigned: format "random" (RFC 7143 §10.5).
const RANDOM_FORMAT: u8 = 128;

/// A unit of an iSCSI target, with a separate session: a command that gets no response does not delay other units.
struct RemoteUnit {
    lun: u64,
    /// `None` when the connection has failed: all further commands have no status.
    session: Mutex<Option<Initiator>>,
}

/// The names and secrets of CHAP for the logins at a portal.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Name of the user and its secret; without it, no CHAP.
    pub user: Option<(String, String)>,
    /// Secret with which the target proves itself (mutual CHAP); without it, any target is accepted.
    pub target_secret: Option<String>,
}

/// The initiator port of a session. Its name is unique on this machine, because a second login with the same name would end
/// the first. Discovery has session 0.
fn options(credentials: &Credentials, session: u16) -> Options {
    // Linux has less than 2^22 process numbers.
    let ([_, a, b, c], [d, e]) = (std::process::id().to_be_bytes(), session.to_be_bytes());
    Options {
        name: "iqn.2026-01.org.ferric:run".into(),
        isid: [RANDOM_FORMAT, a, b, c, d, e],
        chap: credentials.user.clone(),
        mutual: credentials.target_secret.clone(),
        ..Options::default()
    }
}

/// Logs in to every target of a portal, `ADDRESS:PORT`, and returns the units of each.
///
/// # Errors
/// The portal does not answer, has no targets, or refuses the login: then the error is an `initiator::LoginRefused`.
pub fn log_in(portal: &str, credentials: &Credentials) -> Result<Vec<TargetUnits>, Error> {
    let keys = Initiator::discover(portal, options(credentials, 0))?;
    let names: Vec<&str> = keys.iter().filter_map(|key| key.strip_prefix("TargetName=")).collect();
    if names.is_empty() {
        return Err("it has no targets".into());
    }
    let mut sessions = 1..;
    let mut log_in = |name: &str| -> Result<Initiator, Error> {
        let session = sessions.next().ok_or("it has too many logical units")?;
        Initiator::login(portal, name, options(credentials, session))
    };
    let (mut targets, mut pinged) = (Vec::new(), Vec::new());
    for name in names {
        let units = units(|| log_in(name))?;
        pinged.extend(units.iter().map(|(_, unit)| Arc::downgrade(unit)));
        targets.push(units.into_iter().map(|(lun, unit)| (lun, unit as Arc<dyn Backend>)).collect());
    }
    std::thread::Builder::new().name("ping".into()).spawn(move || ping(pinged))?;
    Ok(targets)
}

/// The units of a target with their LUNs, each with a separate session.
fn units(mut log_in: impl FnMut() -> Result<Initiator, Error>) -> Result<Vec<(usize, Arc<RemoteUnit>)>, Error> {
    let mut unit = |lun: usize| -> Result<_, Error> {
        Ok((lun, Arc::new(RemoteUnit { lun: u64::try_from(lun)?, session: Mutex::new(Some(log_in()?)) })))
    };
    let (first_lun, first) = unit(0)?;
    let luns = scan::luns(&mut Caller { backend: &*first, socket: None }).map_err(|error| error.to_string())?;
    let others: Vec<_> = luns.iter().copied().filter(|lun| *lun != first_lun).map(unit).collect::<Result<_, _>>()?;
    let first = luns.contains(&first_lun).then_some((first_lun, first));
    Ok(first.into_iter().chain(others).collect())
}

/// Sends NOP-Outs on the sessions that are not in use, until there are none.
fn ping(mut units: Vec<Weak<RemoteUnit>>) {
    while !units.is_empty() {
        std::thread::park_timeout(PING_INTERVAL);
        units.retain(|unit| unit.upgrade().is_some_and(|unit| unit.ping()));
    }
}

/// Task management functions (RFC 7143 §11.5.1).
const ABORT_TASK: u8 = 1;
const LOGICAL_UNIT_RESET: u8 = 5;
const TARGET_WARM_RESET: u8 = 6;
/// Referenced Task Tag of a function without a task.
const NO_TASK: u32 = u32::MAX;
/// Response: function complete.
const FUNCTION_COMPLETE: u8 = 0;
/// Time limit of a task management function, and of the command after it.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(15);
/// Time between two checks whether the program that waits for a command still exists.
const IDLE_INTERVAL: Duration = Duration::from_secs(1);

impl RemoteUnit {
    /// Sends a NOP-Out, unless the session is in use. Returns whether the session exists.
    fn ping(&self) -> bool {
        self.session.try_lock().is_err() || self.with_session(|initiator| initiator.ping(&[])).is_some()
    }

    /// Calls the initiator, and ends the session after an error.
    fn with_session<T>(&self, call: impl FnOnce(&mut Initiator) -> Result<T, Error>) -> Option<T> {
        let mut session = lock(&self.session);
        match call(session.as_mut()?) {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::warn!(%error, lun = self.lun, "the iSCSI session has ended");
                *session = None;
                None
            }
        }
    }

    /// Runs a command. If there is no response within the timeout, aborts it.
    fn run(
        &self,
        initiator: &mut Initiator,
        cdb: &[u8],
        transfer: Transfer<'_>,
        timeout: Duration,
        wait: Wait<'_>,
    ) -> Result<Result<CommandResponse, NoStatus>, Error> {
        let limit = abort_time(timeout);
        initiator.set_read_timeout(IDLE_INTERVAL)?;
        let tag = initiator.start(self.lun, cdb, transfer)?;
        let mut waited = Duration::ZERO;
        let response = initiator.finish_while(tag, transfer, |initiator, periods| {
            waited += IDLE_INTERVAL;
            if waited >= limit || wait(Duration::ZERO).is_err() {
                return Err(NoResponse.into());
            }
            let silence = IDLE_INTERVAL * periods;
            if silence >= PING_INTERVAL * 2 {
                return Err("the target does not answer a NOP-Out".into());
            }
            if silence == PING_INTERVAL { initiator.send_ping(&[]) } else { Ok(()) }
        });
        match response {
            Err(error) if error.is::<NoResponse>() => self.end(initiator, tag).map(Err),
            response => response.map(Ok),
        }
    }

    /// Ends a command without response, as Linux does: aborts it, or resets the unit if the target has no such command.
    fn end(&self, initiator: &mut Initiator, tag: u32) -> Result<NoStatus, Error> {
        initiator.set_read_timeout(FUNCTION_TIMEOUT)?;
        if initiator.task_management(ABORT_TASK, self.lun, tag)? == FUNCTION_COMPLETE {
            return Ok(NoStatus::Aborted);
        }
        match initiator.task_management(LOGICAL_UNIT_RESET, self.lun, NO_TASK)? {
            FUNCTION_COMPLETE => {
                // Linux takes the unit attention of its reset.
                for _ in 0..RESET_TESTS {
                    if initiator.command(self.lun, &TEST_UNIT_READY, Transfer::None)?.status == Status::GOOD.0 {
                        break;
                    }
                }
                Ok(NoStatus::Reset)
            }
            response => Err(format!("LOGICAL UNIT RESET: the target responds with {response}").into()),
        }
    }
}

impl Backend for RemoteUnit {
    fn reset(&self, scope: ResetScope) -> bool {
        let function = match scope {
            ResetScope::Unit => LOGICAL_UNIT_RESET,
            ResetScope::Target => TARGET_WARM_RESET,
        };
        let response = self.with_session(|initiator| {
            initiator.set_read_timeout(FUNCTION_TIMEOUT)?;
            initiator.task_management(function, self.lun, NO_TASK)
        });
        response == Some(FUNCTION_COMPLETE)
    }

    fn execute(
        &self,
        cdb: &[u8],
        mut data: Data<'_, '_>,
        timeout: Duration,
        wait: Wait<'_>,
    ) -> Result<Completion, NoStatus> {
        let out: Vec<u8> =
            data.data_out.window(0, data.data_out.len()).iter().flat_map(|slice| slice.iter().copied()).collect();
        let transfer = match (out.is_empty(), data.data_in.capacity()) {
            (false, _) => Transfer::Out(&out),
            (true, 0) => Transfer::None,
            (true, capacity) => Transfer::In(capacity),
        };
        let response = self.with_session(|initiator| self.run(initiator, cdb, transfer, timeout, wait));
        let CommandResponse { status, sense, data: received, residual } = response.ok_or(NoStatus::DeviceGone)??;
        data.data_in.append(&received);
        // Positive for an underflow, negative for an overflow.
        let unsent = usize::try_from(residual).unwrap_or(0);
        let overflow = usize::try_from(residual.saturating_neg()).unwrap_or(0);
        let (data_out_missing, excess) = if out.is_empty() { (0, overflow) } else { (overflow, 0) };
        Ok(Completion {
            data_in: received.len(),
            data_in_wanted: received.len() + excess,
            data_out: out.len().saturating_sub(unsent),
            data_out_missing,
            ..sg::completion(status, &sense)
        })
    }
}
