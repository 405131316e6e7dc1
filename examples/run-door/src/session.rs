//! Units of an iSCSI target, such as the library that a daemon serves.

use crate::description::lock;
use crate::unit::{Backend, Caller, ResetScope, TargetUnits};
use initiator::{CommandResponse, Error, Initiator, Options, Transfer};
use linux_scsi::{scan, sg};
use scsi_core::data::Data;
use scsi_core::fault::Completion;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Time between two NOP-Outs, so that the target does not close an idle session.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// First byte of an ISID that no registration authority has assigned: format "random" (RFC 7143 §10.5).
const RANDOM_FORMAT: u8 = 128;

/// A session with a target. Its units send one command at a time.
struct Session {
    /// `None` when the connection has failed: all further commands have no status.
    initiator: Mutex<Option<Initiator>>,
}

/// A unit of an iSCSI target.
struct RemoteUnit {
    session: Arc<Session>,
    lun: u64,
}

/// The names and secrets of CHAP for the logins at a portal.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Name of the user and its secret; without it, no CHAP.
    pub user: Option<(String, String)>,
    /// Secret with which the target proves itself (mutual CHAP); without it, any target is accepted.
    pub target_secret: Option<String>,
}

/// A name for the initiator, unique on this machine, because a second login with the same name would end the first.
fn options(credentials: &Credentials, target: usize) -> Options {
    let [.., a, b, c, d] = std::process::id().to_be_bytes();
    let [.., number] = target.to_be_bytes();
    Options {
        name: "iqn.2026-01.org.ferric:run".into(),
        isid: [RANDOM_FORMAT, a, b, c, d, number],
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
    let numbered = names.into_iter().zip(1..);
    numbered.map(|(name, number)| units(portal, name, options(credentials, number))).collect()
}

fn units(portal: &str, name: &str, options: Options) -> Result<TargetUnits, Error> {
    let initiator = Initiator::login(portal, name, options)?;
    let session = Arc::new(Session { initiator: Mutex::new(Some(initiator)) });
    let pinged = Arc::downgrade(&session);
    std::thread::Builder::new().name("ping".into()).spawn(move || ping(&pinged))?;
    let unit = |lun: usize| -> Result<_, Error> {
        let unit: Arc<dyn Backend> = Arc::new(RemoteUnit { session: Arc::clone(&session), lun: u64::try_from(lun)? });
        Ok((lun, unit))
    };
    let (_, first) = unit(0)?;
    let luns = scan::luns(&mut Caller { backend: &*first, socket: None }).map_err(|error| error.to_string())?;
    luns.into_iter().map(unit).collect()
}

fn ping(session: &Weak<Session>) {
    loop {
        std::thread::park_timeout(PING_INTERVAL);
        let Some(session) = session.upgrade() else { return };
        let mut initiator = lock(&session.initiator);
        if initiator.as_mut().is_none_or(|initiator| initiator.ping(&[]).is_err()) {
            *initiator = None;
            return;
        }
    }
}

/// Task management functions (RFC 7143 §11.5.1).
const LOGICAL_UNIT_RESET: u8 = 5;
const TARGET_WARM_RESET: u8 = 6;
/// Referenced Task Tag of a function without a task.
const NO_TASK: u32 = u32::MAX;

impl Backend for RemoteUnit {
    fn reset(&self, scope: ResetScope) -> bool {
        let function = match scope {
            ResetScope::Unit => LOGICAL_UNIT_RESET,
            ResetScope::Target => TARGET_WARM_RESET,
        };
        let mut initiator = lock(&self.session.initiator);
        let response = initiator.as_mut().map(|initiator| initiator.task_management(function, self.lun, NO_TASK));
        // 0 is "function complete".
        matches!(response, Some(Ok(0)))
    }

    fn execute(&self, cdb: &[u8], mut data: Data<'_, '_>, _: Duration) -> Option<Completion> {
        let out: Vec<u8> =
            data.data_out.window(0, data.data_out.len()).iter().flat_map(|slice| slice.iter().copied()).collect();
        let transfer = match (out.is_empty(), data.data_in.capacity()) {
            (false, _) => Transfer::Out(&out),
            (true, 0) => Transfer::None,
            (true, capacity) => Transfer::In(capacity),
        };
        let mut initiator = lock(&self.session.initiator);
        let response = initiator.as_mut()?.command(self.lun, cdb, transfer);
        let CommandResponse { status, sense, data: received, residual } = match response {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(%error, "the iSCSI session has ended");
                *initiator = None;
                return None;
            }
        };
        data.data_in.append(&received);
        // Positive for an underflow, negative for an overflow.
        let unsent = usize::try_from(residual).unwrap_or(0);
        let overflow = usize::try_from(residual.saturating_neg()).unwrap_or(0);
        let (data_out_missing, excess) = if out.is_empty() { (0, overflow) } else { (overflow, 0) };
        Some(Completion {
            data_in: received.len(),
            data_in_wanted: received.len() + excess,
            data_out: out.len().saturating_sub(unsent),
            data_out_missing,
            ..sg::completion(status, &sense)
        })
    }
}
