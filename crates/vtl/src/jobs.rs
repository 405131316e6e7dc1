//! Jobs: work that takes long. Each runs on a separate thread, has a progress, can be cancelled, and pauses for hosts
//! and requests that need the same cartridge.

mod archive;
mod progress;
mod transfer;
mod verify;
mod work;

pub use progress::JobProgress;
pub(crate) use progress::Progress;
pub use verify::{ConvertedCartridge, DamagedFile, DamagedObject, VerifiedCartridge};
pub use work::{FormatName, JobResult, MovedCartridges, VerifiedCartridges, Work};

use crate::audit_trail::entry_of;
use crate::control::ControlError;
use crate::events::{Cause, Event, Subject};
use crate::locks::lock;
use crate::site::Site;
use audit::{Actor, Entry};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Most jobs that run at one time.
const MAX_RUNNING: usize = 4;
/// Ended jobs whose status is kept.
const MAX_ENDED: usize = 64;
/// Longest time that a request waits for the end of a job, in milliseconds.
const MAX_WAIT_MS: u64 = 1000;

/// Whether a job is running, or how it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// The job is being executed.
    Running,
    /// All of its work is done.
    Done,
    /// It has ended with an error; the result has what was done before.
    Failed,
    /// It was cancelled, or the site was shut down; the result has what was done before.
    Cancelled,
}

/// Status of a job: response to `start_job` and `cancel_job`; `jobs` has a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Number of the job since the start of the daemon, from 1.
    pub job: u64,
    /// The work of the job, as in the request.
    pub work: Work,
    /// Running, or how the job has ended.
    pub state: JobState,
    /// The part of the work that is done, and the total.
    pub progress: JobProgress,
    /// Start of the job in milliseconds since 1970, UTC.
    pub started: u64,
    /// End of the job in milliseconds since 1970, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// The work that was done; absent while the job is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JobResult>,
    /// The error of a failed job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ControlError>,
}

/// The end of a job.
struct Outcome {
    state: JobState,
    ended: u64,
    result: JobResult,
    failure: Option<ControlError>,
}

struct Job {
    number: u64,
    work: Work,
    actor: Actor,
    started: u64,
    progress: Progress,
    outcome: Mutex<Option<Outcome>>,
}

impl Job {
    fn is_running(&self) -> bool {
        lock(&self.outcome).is_none()
    }

    fn status(&self) -> JobStatus {
        let outcome = lock(&self.outcome);
        let outcome = outcome.as_ref();
        JobStatus {
            job: self.number,
            work: self.work.clone(),
            state: outcome.map_or(JobState::Running, |outcome| outcome.state),
            progress: self.progress.read(),
            started: self.started,
            ended: outcome.map(|outcome| outcome.ended),
            result: outcome.map(|outcome| outcome.result.clone()),
            failure: outcome.and_then(|outcome| outcome.failure.clone()),
        }
    }
}

/// The running jobs of a site, and the last jobs that have ended.
#[derive(Default)]
pub(crate) struct Jobs {
    jobs: Mutex<BTreeMap<u64, Arc<Job>>>,
    ended: Condvar,
}

impl Jobs {
    /// Cancels all jobs: the site is being shut down.
    pub(crate) fn cancel_all(&self) {
        lock(&self.jobs).values().for_each(|job| job.progress.cancel());
    }

    fn get(&self, number: u64) -> Result<Arc<Job>, ControlError> {
        let job = lock(&self.jobs).get(&number).cloned();
        job.ok_or_else(|| ControlError::not_found(format!("there is no job {number}")).with_member("job"))
    }

    /// Adds a job, and forgets the oldest ones that have ended.
    fn add(&self, work: &Work, actor: &Actor, started: u64) -> Result<Arc<Job>, ControlError> {
        let mut jobs = lock(&self.jobs);
        if jobs.values().filter(|job| job.is_running()).count() >= MAX_RUNNING {
            let message = format!("{MAX_RUNNING} jobs are running, which is the maximum; try again later");
            return Err(ControlError::busy(message));
        }
        while jobs.len() >= MAX_ENDED + MAX_RUNNING {
            let oldest = jobs.iter().find(|(_, job)| !job.is_running()).map(|(number, _)| *number);
            oldest.map(|number| jobs.remove(&number));
        }
        let number = jobs.last_key_value().map_or(1, |(last, _)| last + 1);
        let job = Arc::new(Job {
            number,
            work: work.clone(),
            actor: actor.clone(),
            started,
            progress: Progress::default(),
            outcome: Mutex::default(),
        });
        jobs.insert(number, Arc::clone(&job));
        Ok(job)
    }

    fn remove(&self, number: u64) {
        lock(&self.jobs).remove(&number);
    }

    /// Stores the end of a job, and wakes those who wait for it.
    fn end(&self, job: &Job, outcome: Outcome) {
        let _jobs = lock(&self.jobs);
        *lock(&job.outcome) = Some(outcome);
        self.ended.notify_all();
    }

    /// Waits for the end of a job, at most for this time.
    fn wait(&self, job: &Job, timeout: Duration) {
        let jobs = lock(&self.jobs);
        let is_running = |_: &mut BTreeMap<u64, Arc<Job>>| job.is_running();
        drop(self.ended.wait_timeout_while(jobs, timeout, is_running).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Site {
    /// Starts a job of an actor.
    ///
    /// # Errors
    /// The work is invalid; or too many jobs are running; or the site is shut down.
    pub(crate) fn start_job(&self, actor: &Actor, work: &Work) -> Result<JobStatus, ControlError> {
        self.check_work(work)?;
        let shut_down = || ControlError::unavailable("the site is shut down");
        let site = self.handle().filter(|_| !self.is_shut_down()).ok_or_else(shut_down)?;
        let job = self.jobs.add(work, actor, self.shared.now().wall.0)?;
        self.notify_job(Event::JobStarted { job: job.number });
        let status = job.status();
        let (number, run) = (job.number, move || site.run_job(&job));
        self.spawn_thread(format!("job {number}"), run).inspect_err(|_| self.jobs.remove(number))?;
        Ok(status)
    }

    fn run_job(&self, job: &Job) {
        let done = catch_unwind(AssertUnwindSafe(|| self.do_work(&job.work, &job.progress)));
        let (result, done) = done.unwrap_or_else(|_| (JobResult::of(&job.work), Err(ControlError::defect())));
        let cancelled = job.progress.is_cancelled() || self.is_shut_down();
        let state = match &done {
            _ if cancelled && !job.progress.is_complete() => JobState::Cancelled,
            Ok(()) => JobState::Done,
            Err(_) => JobState::Failed,
        };
        let failure = done.err().filter(|_| state == JobState::Failed);
        let recorded = self.audit.append(Entry {
            objects: job.work.objects(),
            details: json!({ "job": job.number, "kind": job.work.kind() }),
            after: result.summary(),
            ..entry_of(&job.actor, "end_job", state.word(), failure.as_ref())
        });
        if let Err(error) = recorded {
            tracing::error!(job = job.number, %error, "the end of a job is not recorded");
        }
        self.jobs.end(job, Outcome { state, ended: self.shared.now().wall.0, result, failure });
        self.notify_job(Event::JobEnded { job: job.number, state });
    }

    fn notify_job(&self, event: Event) {
        self.shared.events.notify(Subject::new(Cause::operator()), event);
    }

    /// The status of all jobs or of one. Waits up to `wait_ms` for the end of that one.
    pub(crate) fn list_jobs(&self, number: Option<u64>, wait_ms: Option<u64>) -> Result<Vec<JobStatus>, ControlError> {
        let Some(number) = number else {
            let jobs: Vec<Arc<Job>> = lock(&self.jobs.jobs).values().cloned().collect();
            return Ok(jobs.iter().map(|job| job.status()).collect());
        };
        let job = self.jobs.get(number)?;
        if let Some(ms) = wait_ms {
            self.jobs.wait(&job, Duration::from_millis(ms.min(MAX_WAIT_MS)));
        }
        Ok(vec![job.status()])
    }

    /// Cancels a job. It ends after the present object or cartridge.
    pub(crate) fn cancel_job(&self, number: u64) -> Result<JobStatus, ControlError> {
        let job = self.jobs.get(number)?;
        if !job.is_running() {
            let message = format!("job {number} has ended already");
            return Err(ControlError::conflict(message).with_member("job"));
        }
        job.progress.cancel();
        Ok(job.status())
    }
}

impl JobState {
    /// The word of the state in JSON and in listings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
