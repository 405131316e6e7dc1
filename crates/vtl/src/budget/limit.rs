//! The memory limits of the process, as the operating system reports them.

use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};

/// If no limit is configured, commands may use this fraction of the smallest limit of the system.
const MEMORY_DIVISOR: u64 = 4;

/// The default budget in bytes: a quarter of the physical memory, of the limit of the control group, or of the address
/// space (`RLIMIT_AS`, `RLIMIT_DATA`), whichever is the smallest.
#[must_use]
pub fn default_limit() -> u64 {
    let resources = [Resource::As, Resource::Data].into_iter().filter_map(|resource| getrlimit(resource).current);
    let physical = fs::read_to_string("/proc/meminfo").ok().and_then(|text| physical_memory(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let groups =
        cgroup_limit_files(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    // If the physical memory is unknown, 1 GiB is assumed.
    resources.chain(groups).chain([physical.unwrap_or(1 << 30)]).min().unwrap_or(1 << 30) / MEMORY_DIVISOR
}

fn physical_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files with the memory limits of the control groups in `/proc/self/cgroup`: of each group and its ancestors. The
/// value `max`, which is not a number, means no limit.
fn cgroup_limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, names): (&str, &[&str]) = match controllers {
            "" => ("/sys/fs/cgroup", &["memory.max", "memory.high"]),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", &["memory.limit_in_bytes"])
            }
            _ => continue,
        };
        for group in Path::new(path).ancestors() {
            let group = Path::new(root).join(group.strip_prefix("/").unwrap_or(group));
            files.extend(names.iter().map(|name| group.join(name)));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_v1_and_v2_limit_files() {
        let files = |text| cgroup_limit_files(text).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(
            files("0::/system.slice/ferric.service\n"),
            [
                "/sys/fs/cgroup/system.slice/ferric.service/memory.max",
                "/sys/fs/cgroup/system.slice/ferric.service/memory.high",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/system.slice/memory.high",
                "/sys/fs/cgroup/memory.max",
                "/sys/fs/cgroup/memory.high",
            ]
        );
        assert_eq!(
            files("5:cpu,cpuacct:/x\n4:memory:/docker/ab\n"),
            [
                "/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            ]
        );
    }

    #[test]
    fn physical_memory_from_meminfo() {
        assert_eq!(physical_memory("MemTotal:       16384 kB\nMemFree:  1 kB\n"), Some(16_777_216));
        assert_eq!(physical_memory("nothing"), None);
        assert!(default_limit() > 0);
    }
}
