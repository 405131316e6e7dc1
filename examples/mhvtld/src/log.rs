//! How much is logged, which may change while a daemon works.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};
use vtl::log_writer::{self, LogGuard, LogWriter};

/// mhvtl's levels: 0 is quiet, 3 and more says everything.
const LEVELS: [LevelFilter; 5] =
    [LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE, LevelFilter::TRACE];

/// The log of this process, or none.
#[derive(Clone, Default)]
pub struct Log {
    handle: Option<Handle<LevelFilter, Registry>>,
    /// Lines that wait are written when the last one that has it is dropped.
    _guard: Option<Arc<LogGuard>>,
    level: Arc<AtomicU8>,
}

impl Log {
    /// Begins to log to standard error, at a level of mhvtl's. Once in a process.
    #[must_use]
    pub fn start(level: u8) -> Self {
        let (filter, handle) = reload::Layer::new(filter(level));
        let level = Arc::new(AtomicU8::new(level));
        let Ok((writer, guard)) = LogWriter::stderr() else { return Self { level, ..Self::default() } };
        let write = fmt::layer().with_ansi(io::stderr().is_terminal()).log_internal_errors(false);
        let write = write.with_writer(move || writer.clone());
        let started = tracing_subscriber::registry().with(filter).with(write).try_init().is_ok();
        if started {
            log_writer::log_panics();
        }
        Self { handle: started.then_some(handle), _guard: Some(Arc::new(guard)), level }
    }

    /// One level less; from the lowest to the third.
    pub fn quieter(&self) {
        self.change(|level| level.checked_sub(1).unwrap_or(3));
    }

    /// One level more; from the fourth to the first.
    pub fn louder(&self) {
        self.change(|level| if level < 4 { level + 1 } else { 1 });
    }

    fn change(&self, to: impl Fn(u8) -> u8) {
        let level = to(self.level.load(Ordering::Acquire));
        self.level.store(level, Ordering::Release);
        if let Some(handle) = &self.handle {
            let _ = handle.reload(filter(level));
        }
    }
}

fn filter(level: u8) -> LevelFilter {
    LEVELS.get(usize::from(level)).copied().unwrap_or(LevelFilter::TRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_round() {
        let log = Log::default();
        let level = || log.level.load(Ordering::Acquire);
        let down: Vec<u8> = (0..5)
            .map(|_| {
                log.quieter();
                level()
            })
            .collect();
        assert_eq!(down, [3, 2, 1, 0, 3]);
        let up: Vec<u8> = (0..3)
            .map(|_| {
                log.louder();
                level()
            })
            .collect();
        assert_eq!(up, [4, 1, 2]);
    }
}
