//! Runs a program of the operator, with a limit of time and of output.

use crate::clock::Clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Most bytes of the output that are kept.
const MAX_OUTPUT: usize = 4096;

/// Reason why an external program, such as a move command, has failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The program could not be run.
    #[error("{program}: {error}")]
    NotRun {
        /// Path of the program.
        program: String,
        /// The error of the operating system.
        error: io::Error,
    },
    /// The program has ended with another status than 0.
    #[error("{program}: {status}{}", quoted(.output))]
    Failed {
        /// Path of the program.
        program: String,
        /// Exit status, or the signal that has ended the program.
        status: ExitStatus,
        /// Begin of its output.
        output: String,
    },
    /// The program was killed because it did not end in time.
    #[error("{program}: killed after {} s{}", .timeout.as_secs(), quoted(.output))]
    TimedOut {
        /// Path of the program.
        program: String,
        /// The time that it had.
        timeout: Duration,
        /// Begin of its output.
        output: String,
    },
}

/// Output in an error message, if there is any.
fn quoted(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!(": {output:?}") }
}

/// Runs a program without a shell, in a separate process group, with the environment of this process and `environment`
/// in addition. It reads `input` from its standard input. When it has not ended after `timeout`, the group is killed.
/// Returns the begin of what it has written to standard output and standard error, up to 4 KiB.
///
/// # Errors
/// The program cannot be run, ends with another status than 0, or is killed.
pub fn run(
    command: &[String],
    arguments: &[String],
    environment: &[(&str, String)],
    input: &[u8],
    timeout: Duration,
) -> Result<String, ProgramError> {
    let (program, own) = command.split_first().map_or(("", &[] as &[String]), |(program, own)| (program, own));
    let mut command = Command::new(program);
    command.args(own).args(arguments).envs(environment.iter().map(|(name, value)| (*name, value))).process_group(0);
    // Not for programs that the service runs.
    command.env_remove("NOTIFY_SOCKET");
    let not_run = |error| ProgramError::NotRun { program: program.into(), error };
    let (mut child, output) = spawn(command, input).map_err(not_run)?;
    let (ended, output) = wait(&mut child, output, timeout).map_err(not_run)?;
    let (program, output) = (program.to_owned(), String::from_utf8_lossy(&output).trim_end().to_owned());
    match ended {
        None => Err(ProgramError::TimedOut { program, timeout, output }),
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(ProgramError::Failed { program, status, output }),
    }
}

/// Starts the program. The reader receives standard output and standard error.
fn spawn(mut command: Command, input: &[u8]) -> io::Result<(Child, PipeReader)> {
    // A file in memory: unlike a pipe, it needs no thread that writes.
    let mut stdin = File::from(memfd_create("input", MemfdFlags::CLOEXEC)?);
    stdin.write_all(input)?;
    stdin.rewind()?;
    let (reader, writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&reader, true)?;
    command.stdin(Stdio::from(stdin)).stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn()?;
    // The command still has the write ends of the pipe, which would keep it open.
    drop(command);
    Ok((child, reader))
}

/// Waits for the end of a program, and reads its output. The status is `None` if it was killed.
fn wait(child: &mut Child, output: PipeReader, timeout: Duration) -> io::Result<(Option<ExitStatus>, Vec<u8>)> {
    let group = Pid::from_child(child);
    let read = read_until_end(group, output, timeout);
    if !matches!(read, Ok((true, _))) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait();
    let (has_ended, output) = read?;
    let status = status?;
    Ok((has_ended.then_some(status), output))
}

/// Reads the output of a process until it ends: true, or until its time is over. It does not wait for other processes that
/// have the output open.
fn read_until_end(process: Pid, mut output: PipeReader, timeout: Duration) -> io::Result<(bool, Vec<u8>)> {
    let clock = Clock::real();
    let deadline = clock.monotonic().saturating_add(timeout);
    let ended = pidfd_open(process, PidfdFlags::empty())?;
    let (mut kept, mut is_open) = (Vec::new(), true);
    loop {
        let rest = clock.monotonic().duration_until(deadline);
        if rest.is_zero() {
            return Ok((false, kept));
        }
        let mut events = vec![PollFd::new(&ended, PollFlags::IN)];
        if is_open {
            events.push(PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN));
        }
        match poll(&mut events, Some(&timespec(rest))) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let has_ended = events.first().is_some_and(|event| !event.revents().is_empty());
        drop(events);
        is_open = is_open && read_available(&mut output, &mut kept)?;
        if has_ended {
            return Ok((true, kept));
        }
    }
}

/// Reads what is in the pipe, and keeps the first bytes. Returns false at its end.
fn read_available(output: &mut PipeReader, kept: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    // Not more than a full pipe, so that a program which writes all the time is still limited in time.
    for _ in 0..16 {
        match output.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                let length = MAX_OUTPUT.saturating_sub(kept.len()).min(read);
                kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn timespec(rest: Duration) -> Timespec {
    Timespec { tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX), tv_nsec: rest.subsec_nanos().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script of the shell, which is the program here.
    fn script(text: &str, input: &[u8], timeout_ms: u64) -> Result<String, String> {
        let command = ["/bin/sh", "-c", text, "script"].map(str::to_owned);
        let environment = [("FERRIC_EVENT", "door".to_owned())];
        let timeout = Duration::from_millis(timeout_ms);
        run(&command, &["a b".into(), "$HOME".into()], &environment, input, timeout).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_environment_input_and_output() {
        let shown = script("cat; echo \" $1 $2 $FERRIC_EVENT ${NOTIFY_SOCKET-none}\"; echo e >&2", b"input", 60_000);
        assert_eq!(shown.unwrap(), "input a b $HOME door none\ne");
    }

    #[test]
    fn failures_say_why() {
        assert_eq!(script("echo no >&2; exit 3", b"", 60_000).unwrap_err(), "/bin/sh: exit status: 3: \"no\"");
        assert_eq!(script("kill -9 $$", b"", 60_000).unwrap_err(), "/bin/sh: signal: 9 (SIGKILL)");
        let missing = run(&["/nonexistent/x".into()], &[], &[], b"", Duration::from_secs(60)).unwrap_err();
        assert_eq!(missing.to_string(), "/nonexistent/x: No such file or directory (os error 2)");
        assert!(run(&[], &[], &[], b"", Duration::from_secs(60)).is_err());
    }

    /// The program does not read its input, its output is larger than a pipe, and a process that it leaves behind keeps the
    /// pipe open.
    #[test]
    fn input_and_output_of_any_size() {
        let input = vec![b'i'; 300_000];
        assert_eq!(script("head -c 200000 /dev/zero | tr '\\0' x", &input, 60_000).unwrap().len(), 4096);
        assert_eq!(
            script("sleep 600 & echo done; echo $! >&2", b"", 60_000).map(|text| text.starts_with("done")),
            Ok(true)
        );
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let error = script("echo $$; sleep 600 & sleep 600", b"", 300).unwrap_err();
        let rest = error.strip_prefix("/bin/sh: killed after 0 s: \"").unwrap();
        let group = rest.trim_end_matches('"').parse::<i32>().unwrap();
        // The children are zombies until init or a subreaper has waited for them.
        let is_running = |group: i32| {
            std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
                let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
                fields.get(2) == Some(&group.to_string().as_str()) && fields.first() != Some(&"Z")
            })
        };
        while is_running(group) {
            std::thread::yield_now();
        }
        assert!(script("yes", b"", 100).unwrap_err().contains("killed after 0 s"));
    }
}
