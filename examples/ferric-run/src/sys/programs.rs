//! Functions that start programs: `exec` and `posix_spawn`. The environment of the new program has the variables of
//! `ferric run`, also if the program has removed them.

use super::next::next;
use super::run::run;
use crate::program;
use libc::{c_char, c_int, c_void, pid_t};
use std::ffi::CStr;

/// Most entries of an environment that is completed. It is on the stack: nothing may be allocated after `vfork`.
const MAX_ENTRIES: usize = 2048;

type Environment = *const *const c_char;

unsafe extern "C" {
    static environ: Environment;
}

/// Whether the environment has an entry that begins with these bytes.
///
/// # Safety
/// `entries` is an array of C strings that ends with null.
unsafe fn has(entries: Environment, begin: &[u8]) -> bool {
    for index in 0.. {
        // SAFETY: the array ends with null, after which nothing is read.
        let entry = unsafe { *entries.add(index) };
        if entry.is_null() {
            break;
        }
        // SAFETY: the entries are C strings.
        if unsafe { CStr::from_ptr(entry) }.to_bytes().starts_with(begin) {
            return true;
        }
    }
    false
}

/// Calls `call` with an environment that has the variables of `ferric run`.
///
/// # Safety
/// `given` is null or an array of C strings that ends with null.
unsafe fn with_environment<T>(given: Environment, call: impl FnOnce(Environment) -> T) -> T {
    let Some(run) = run().filter(|_| !given.is_null()) else { return call(given) };
    // SAFETY: the caller ensures it (see "Safety" of this function).
    let missing = run.entries().map(|(begin, entry)| unsafe { (!has(given, begin)).then_some(entry) });
    if missing == [None, None] {
        return call(given);
    }
    let mut entries = [std::ptr::null::<c_char>(); MAX_ENTRIES];
    let mut used = 0;
    let mut add = |entry: *const c_char| {
        // The last entry stays null.
        if let Some(place) = entries.get_mut(used).filter(|_| used + 1 < MAX_ENTRIES) {
            *place = entry;
            used += 1;
            return true;
        }
        false
    };
    for index in 0.. {
        // SAFETY: the array ends with null, after which nothing is read.
        let entry = unsafe { *given.add(index) };
        if entry.is_null() {
            break;
        }
        if !add(entry) {
            return call(given);
        }
    }
    if missing.into_iter().flatten().map(CStr::as_ptr).all(add) { call(entries.as_ptr()) } else { call(given) }
}

/// Warns about a program that cannot be served.
///
/// # Safety
/// `path` is null or a C string.
unsafe fn check(path: *const c_char) {
    if run().is_some() && !path.is_null() {
        // SAFETY: the caller ensures it (see "Safety" of this function).
        program::check(unsafe { CStr::from_ptr(path) });
    }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn execve(path: *const c_char, arguments: Environment, given: Environment) -> c_int {
    // SAFETY: the program passes a C string and two arrays of them.
    unsafe {
        check(path);
        with_environment(
            given,
            |entries| next!(c"execve", fn(*const c_char, Environment, Environment) -> c_int, (path, arguments, entries) else -1),
        )
    }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn execv(path: *const c_char, arguments: Environment) -> c_int {
    // SAFETY: the same call with the environment of this process.
    unsafe { execve(path, arguments, environ) }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn execvpe(name: *const c_char, arguments: Environment, given: Environment) -> c_int {
    // SAFETY: the program passes a C string and two arrays of them.
    unsafe {
        with_environment(
            given,
            |entries| next!(c"execvpe", fn(*const c_char, Environment, Environment) -> c_int, (name, arguments, entries) else -1),
        )
    }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn execvp(name: *const c_char, arguments: Environment) -> c_int {
    // SAFETY: the same call with the environment of this process.
    unsafe { execvpe(name, arguments, environ) }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn fexecve(fd: c_int, arguments: Environment, given: Environment) -> c_int {
    // SAFETY: the program passes two arrays of C strings.
    unsafe {
        with_environment(
            given,
            |entries| next!(c"fexecve", fn(c_int, Environment, Environment) -> c_int, (fd, arguments, entries) else -1),
        )
    }
}

/// Defines both forms of `posix_spawn`.
macro_rules! define_spawn {
    ($($name:ident $next:literal),*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            process: *mut pid_t,
            path: *const c_char,
            actions: *const c_void,
            attributes: *const c_void,
            arguments: Environment,
            given: Environment,
        ) -> c_int {
            // SAFETY: the program passes a C string and two arrays of them.
            unsafe {
                check(path);
                with_environment(given, |entries| {
                    next!(
                        $next,
                        fn(*mut pid_t, *const c_char, *const c_void, *const c_void, Environment, Environment) -> c_int,
                        (process, path, actions, attributes, arguments, entries) else -1
                    )
                })
            }
        }
    )*};
}

define_spawn! { posix_spawn c"posix_spawn", posix_spawnp c"posix_spawnp" }
