//! Log lines, written by a thread of their own: a log that cannot be written, or whose reader has stopped, stops nothing.

use crate::locks::lock;
use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Duration;

/// Lines that wait to be written; more are dropped.
const MAX_QUEUED_LINES: usize = 4096;
/// The end of the process waits so long for lines that were not written yet.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    End,
}

/// The writer of a log. Every write succeeds at once; clones write to the same place.
#[derive(Clone, Debug)]
pub struct LogWriter(SyncSender<Message>);

/// Ends a log when it is dropped: lines that wait are written first, if that takes no more than a second.
#[derive(Debug)]
pub struct LogGuard {
    writer: LogWriter,
    ended: Mutex<Receiver<()>>,
}

impl LogWriter {
    /// A log to standard error.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn stderr() -> io::Result<(Self, LogGuard)> {
        Self::new(io::stderr())
    }

    /// A log to any output. Errors of the output are ignored.
    ///
    /// # Errors
    /// The operating system gives no thread.
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
        // A full queue means that its reader has stopped: it is not waited for.
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

    /// An output that says what it gets, and fails or stops as the test wants.
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
        let (said, got) = channel();
        let (mut writer, guard) = LogWriter::new(Output(said, None)).unwrap();
        writer.write_all(b"one\n").unwrap();
        writer.write_all(b"two\n").unwrap();
        drop(guard);
        assert_eq!(got.iter().collect::<Vec<_>>(), [b"one\n", b"two\n"]);
    }

    #[test]
    fn blocked_output_does_not_block_writers() {
        let ((said, got), (_go, stopped)) = (channel(), channel());
        let (mut writer, guard) = LogWriter::new(Output(said, Some(stopped))).unwrap();
        for _ in 0..10_000 {
            writer.write_all(b"line\n").unwrap();
        }
        drop(guard);
        assert_eq!(got.recv().unwrap(), b"line\n");
    }
}
