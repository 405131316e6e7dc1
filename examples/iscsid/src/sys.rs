//! What the C library is told about memory. All unsafe code of this program, and why it is sound.
#![allow(unsafe_code, reason = "mallopt is a function of C")]

/// Keeps the address space of a daemon with many threads small: by default each gets an arena of 64 MiB of addresses, up to eight for
/// each processor, which a limit on the address space counts; and buffers that were freed stay in the arenas.
#[cfg(target_env = "gnu")]
pub(crate) fn limit_arenas() {
    const ARENAS: libc::c_int = 2;
    /// Buffers of commands, and larger ones, go back to the system when they are freed.
    const MAPPED: libc::c_int = 256 * 1024;
    for (option, value) in [(libc::M_ARENA_MAX, ARENAS), (libc::M_MMAP_THRESHOLD, MAPPED)] {
        // SAFETY: mallopt takes numbers only, and is called before there is another thread.
        let _ = unsafe { libc::mallopt(option, value) };
    }
}

/// Other C libraries have nothing of the kind.
#[cfg(not(target_env = "gnu"))]
pub(crate) const fn limit_arenas() {}
