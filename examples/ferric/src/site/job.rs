//! `ferric job`: work of the daemon that takes long. Waits for its end with a progress bar.

use super::client::Client;
use super::command::{ArchiveArgs, Detach, JobCommand, RecallArgs};
use super::events::time_text;
use crate::cli_error::{CliError, ErrorCode};
use crate::options::Options;
use crate::output::{BYTES, CARTRIDGES, Output, print_line};
use crate::tape::verify;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tape_store::cartridge::Format;
use vtl::control::ControlRequest as Request;
use vtl::jobs::{JobResult, JobState, JobStatus, Work};

/// Time that one request waits for the end of a job, in milliseconds.
const WAIT_MS: u64 = 200;

pub(super) fn run(options: &Options, command: JobCommand) -> Result<(), CliError> {
    let output = options.output;
    let mut client = Client::connect(options)?;
    let (work, detach) = match command {
        JobCommand::List => {
            let jobs: Vec<JobStatus> = client.request_as(&Request::Jobs { job: None, wait_ms: None })?;
            return output.show(jobs.as_slice(), |jobs| jobs.iter().try_for_each(print_row));
        }
        JobCommand::Show { job } => return show(output, &status(&mut client, job, 0)?),
        JobCommand::Cancel { job } => {
            let status: JobStatus = client.request_as(&Request::CancelJob { job })?;
            return output.done(output.show(&status, |_| Ok(())));
        }
        JobCommand::Create { pool, count, detach } => (Work::Create { pool, count: count.into() }, detach),
        JobCommand::Verify { cartridges, detach } => (Work::Verify { cartridges }, detach),
        JobCommand::Convert { cartridge, format, detach } => {
            (Work::Convert { cartridge, format: format.into() }, detach)
        }
        JobCommand::Import { cartridges, detach } => {
            (Work::Import { library: options.library.clone(), cartridges }, detach)
        }
        JobCommand::Export { cartridges, detach } => {
            (Work::Export { library: options.library.clone(), cartridges }, detach)
        }
    };
    start(output, &mut client, work, &detach)
}

/// Moves cartridges to a shelf on object storage.
pub(super) fn archive(options: &Options, arguments: ArchiveArgs) -> Result<(), CliError> {
    let ArchiveArgs { cartridges, to, detach } = arguments;
    start(options.output, &mut Client::connect(options)?, Work::Archive { to, cartridges }, &detach)
}

/// Moves cartridges from their shelves on object storage to the directory of cartridges.
pub(super) fn recall(options: &Options, arguments: RecallArgs) -> Result<(), CliError> {
    let RecallArgs { cartridges, detach } = arguments;
    start(options.output, &mut Client::connect(options)?, Work::Recall { cartridges }, &detach)
}

fn start(output: Output, client: &mut Client, work: Work, detach: &Detach) -> Result<(), CliError> {
    let started: JobStatus = client.request_as(&Request::StartJob { work })?;
    if detach.detach {
        return output.done(output.show(&started, print_row));
    }
    show(output, &wait(output, client, started)?)
}

/// Does the work of a job, and returns its result as JSON.
pub(super) fn do_work(output: Output, client: &mut Client, work: Work) -> Result<Value, CliError> {
    let started: JobStatus = client.request_as(&Request::StartJob { work })?;
    let ended = wait(output, client, started)?;
    check(&ended)?;
    Ok(serde_json::to_value(ended.result)?)
}

fn status(client: &mut Client, job: u64, wait_ms: u64) -> Result<JobStatus, CliError> {
    let jobs: Vec<JobStatus> = client.request_as(&Request::Jobs { job: Some(job), wait_ms: Some(wait_ms) })?;
    jobs.into_iter().next().ok_or_else(|| CliError::not_found(format!("there is no job {job}")))
}

/// Waits for the end of a job. If the command is interrupted, the job continues.
fn wait(output: Output, client: &mut Client, mut job: JobStatus) -> Result<JobStatus, CliError> {
    let counts_bytes =
        matches!(&job.work, Work::Verify { .. } | Work::Convert { .. } | Work::Archive { .. } | Work::Recall { .. });
    let in_bytes = counts_bytes && job.work.cartridges() == 1;
    let bar = output.progress_bar(Some(0), if in_bytes { BYTES } else { CARTRIDGES });
    while job.state == JobState::Running {
        job = status(client, job.job, WAIT_MS)?;
        advance(&bar, &job, in_bytes);
    }
    bar.finish_and_clear();
    Ok(job)
}

fn advance(bar: &ProgressBar, JobStatus { progress, .. }: &JobStatus, in_bytes: bool) {
    let (done, total) = if in_bytes {
        (progress.bytes, progress.bytes_total)
    } else {
        (progress.cartridges, progress.cartridges_total)
    };
    bar.set_length(total);
    bar.set_position(done);
}

/// Prints a job and its result. A job that did not do all of its work, or has found damage, is an error.
fn show(output: Output, job: &JobStatus) -> Result<(), CliError> {
    output.done(output.show(job, |job| match &job.result {
        Some(result) => print_result(result),
        None => print_row(job),
    }))?;
    check(job)
}

fn check(job: &JobStatus) -> Result<(), CliError> {
    let number = job.job;
    match (job.state, &job.failure, &job.result) {
        (JobState::Failed, Some(failure), _) => Err(CliError::Daemon(json!({
            "code": failure.code, "message": failure.message, "fields": failure.fields
        }))),
        (JobState::Cancelled, ..) => Err(CliError::conflict(format!("job {number} was cancelled"))),
        (_, _, Some(JobResult::Verified(result))) => {
            let mut damaged = result.verified.iter().filter(|cartridge| !cartridge.intact);
            let first =
                damaged.next().and_then(|cartridge| cartridge.cartridge.as_deref().map(|name| (name, cartridge)));
            match (first, damaged.count()) {
                (None, _) => Ok(()),
                (Some((name, report)), 0) => verify::check_intact(name, report),
                (Some((name, _)), more) => Err(CliError::new(
                    ErrorCode::Damaged,
                    format!("{} cartridges are damaged; the first one is {name}", more + 1),
                )),
            }
        }
        _ => Ok(()),
    }
}

fn print_result(result: &JobResult) -> Result<(), CliError> {
    match result {
        JobResult::Created(result) => result.created.iter().try_for_each(print_line),
        JobResult::Moved(result) => result.moved.iter().try_for_each(print_line),
        JobResult::Verified(result) => result.verified.iter().try_for_each(|report| {
            print_line(report.cartridge.as_deref().unwrap_or_default())?;
            verify::print(report)
        }),
        JobResult::Converted(result) => {
            let format = Format::from(result.format).name();
            let done = if result.converted { "converted to" } else { "not converted to" };
            print_line(format!("{}: {done} {format} format", result.cartridge))
        }
        _ => Ok(()),
    }
}

/// One line: number, begin, kind, state and progress.
fn print_row(job: &JobStatus) -> Result<(), CliError> {
    let JobStatus { job: number, work, state, progress, started, .. } = job;
    let (time, kind, state) = (time_text(*started), work.kind(), state.word());
    let (done, total) = (progress.cartridges, work.cartridges());
    print_line(format!("{number:<4} {time}  {kind:<8} {state:<10} {done} of {total} cartridges"))
}
