//! Writes log lines on a separate thread, so that a blocked or failing log output does not block the program.

use crate::locks::lock;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

/// Most lines in the queue; further lines are dropped.
const MAX_QUEUED_LINES: usize = 4096;
/// How long the end of the process waits for queued lines.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    End,
}

/// A handle to write log lines. Writes never block or fail; clones write to the same output.
#[derive(Clone, Debug)]
pub struct LogWriter(SyncSender<Message>);

/// Closes the log when it is dropped: waits up to one second until the queued lines are written.
#[derive(Debug)]
pub struct LogGuard {
    writer: LogWriter,
    ended: Mutex<Receiver<()>>,
}

impl LogWriter {
    /// Opens a log on standard error.
    ///
    /// # Errors
    /// Fails if the operating system cannot create a thread.
    pub fn stderr() -> io::Result<(Self, LogGuard)> {
        Self::new(io::stderr())
    }

    /// Opens a log on any output. Write errors are ignored.
    ///
    /// # Errors
    /// Fails if the operating system cannot create a thread.
    pub fn new(mut output: impl Write + Send + 'static) -> io::Result<(Self, LogGuard)> {
        let (lines, waiting) = sync_channel(MAX_QUEUED_LINES);
        let (end, ended) = sync_channel(1);
        let write = move || {
            while let Ok(Message::Line(line)) = waiting.recv() {
                let _ = output.write_all(&line).and_then(|()| output.flush());
            }
            let _ = end.try_send(());
        };
        Builder::new().name("log".into()).spawn(write)?;
        let writer = Self(lines);
        Ok((writer.clone(), LogGuard { writer, ended: Mutex::new(ended) }))
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.try_send(Message::Line(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // A full queue means that the output is blocked: do not wait for it.
        if self.writer.0.try_send(Message::End).is_ok() {
            let _ = lock(&self.ended).recv_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// Logs panics as errors, instead of writing them to standard error directly.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or_default();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            tracing::error!(thread, %panic, %backtrace, "internal error");
        } else {
            tracing::error!(thread, %panic, "internal error");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// An output that reports each line, then fails or blocks as the test requires.
    struct Output(Sender<Vec<u8>>, Option<Receiver<()>>);

    impl Write for Output {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(line.to_vec());
            if let Some(stopped) = &self.1 {
                let _ = stopped.recv();
            }
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn failed_output_is_retried_with_next_line() {
        let (sender, received) = channel();
        let (mut writer, guard) = LogWriter::new(Output(sender, None)).unwrap();
        writer.write_all(b"one\n").unwrap();
        writer.write_all(b"two\n").unwrap();
        drop(guard);
        assert_eq!(received.iter().collect::<Vec<_>>(), [b"one\n", b"two\n"]);
    }

    #[test]
    fn blocked_output_does_not_block_writers() {
        let ((sender, received), (_go, stopped)) = (channel(), channel());
        let (mut writer, guard) = LogWriter::new(Output(sender, Some(stopped))).unwrap();
        for _ in 0..10_000 {
            writer.write_all(b"line\n").unwrap();
        }
        drop(guard);
        assert_eq!(received.recv().unwrap(), b"line\n");
    }
}
