//! The log of a daemon, with a level that can change at run time.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};
use vtl::log_writer::{self, LogGuard, LogWriter};
use vtl::recent_log::RecentLog;

/// Log levels by mhvtl's verbosity: 0 logs warnings and errors, 3 and above everything.
const LEVELS: [LevelFilter; 5] =
    [LevelFilter::WARN, LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::TRACE, LevelFilter::TRACE];

/// The log of this process. The default value does not log.
#[derive(Clone, Default)]
pub struct Log {
    handle: Option<Handle<LevelFilter, Registry>>,
    /// Writes pending lines when the last copy is dropped.
    _guard: Option<Arc<LogGuard>>,
    level: Arc<AtomicU8>,
    recent: RecentLog,
}

impl Log {
    /// Starts logging to standard error at a verbosity of mhvtl, 0 to 4. Only the first call in a process has an
    /// effect.
    #[must_use]
    pub fn start(level: u8) -> Self {
        let (filter, handle) = reload::Layer::new(filter(level));
        let level = Arc::new(AtomicU8::new(level));
        let Ok((writer, guard)) = LogWriter::stderr() else { return Self { level, ..Self::default() } };
        let write = fmt::layer().with_ansi(io::stderr().is_terminal()).log_internal_errors(false);
        let write = write.with_writer(move || writer.clone()).with_filter(filter);
        let recent = RecentLog::default();
        let kept = {
            let recent = recent.clone();
            fmt::layer().with_ansi(false).log_internal_errors(false).with_writer(move || recent.clone())
        };
        let kept = kept.with_filter(LevelFilter::INFO);
        let started = tracing_subscriber::registry().with(write).with(kept).try_init().is_ok();
        if started {
            log_writer::log_panics();
        }
        Self { handle: started.then_some(handle), _guard: Some(Arc::new(guard)), level, recent }
    }

    /// The last lines of the level info and above, at every verbosity.
    #[must_use]
    pub const fn recent(&self) -> &RecentLog {
        &self.recent
    }

    /// Lowers the verbosity by one; 0 becomes 3.
    pub fn quieter(&self) {
        self.change(|level| level.checked_sub(1).unwrap_or(3));
    }

    /// Raises the verbosity by one; 4 becomes 1.
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
    fn levels_wrap_around() {
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
