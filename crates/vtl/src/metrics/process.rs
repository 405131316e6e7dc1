//! Memory and threads of this process.

use serde::{Deserialize, Serialize};

/// Memory and threads of a process, as Linux reports them; 0 where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMetrics {
    /// Resident memory of the process in bytes.
    pub resident_bytes: u64,
    /// Virtual memory of the process in bytes.
    pub virtual_bytes: u64,
    /// Number of threads of the process.
    pub threads: u64,
}

impl ProcessMetrics {
    pub(super) fn of_this_process() -> Self {
        let status = std::fs::read_to_string("/proc/self/status");
        Self::parse(&status.unwrap_or_default())
    }

    /// Parses `/proc/self/status`, whose sizes are in kB.
    fn parse(status: &str) -> Self {
        let value = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self { resident_bytes: value("VmRSS") * 1024, virtual_bytes: value("VmSize") * 1024, threads: value("Threads") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_of_linux_is_parsed() {
        let status = "Name:\tferric-iscsid\nVmSize:\t   10000 kB\nVmRSS:\t    2000 kB\nThreads:\t12\n";
        let expected = ProcessMetrics { resident_bytes: 2_048_000, virtual_bytes: 10_240_000, threads: 12 };
        assert_eq!(ProcessMetrics::parse(status), expected);
        assert_eq!(ProcessMetrics::parse(""), ProcessMetrics::default());
        assert!(ProcessMetrics::of_this_process().threads > 0);
    }
}
