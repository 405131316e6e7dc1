//! Functions that list directories: `opendir`, `readdir`, `scandir`, `glob`. The listing of `/dev` and of the other
//! directories that the system and the tree share has the entries of both: first those of the directory that is open, then
//! those of the other one.

use super::kernel;
use super::next::next;
use super::open::path_of;
use super::run::run;
use super::stat::{lstat, stat, with_path};
use crate::path::{PathBuffer, belongs_to_tree, is_of_system};
use crate::{device, resolve};
use libc::{DIR, c_char, c_int, c_long, c_void, dirent64 as Entry, stat64 as Stat};
use std::ffi::CStr;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

type Directory = *mut DIR;
type EntryPointer = *mut Entry;

/// An open directory that is listed with another. The program uses it in one thread at a time.
struct Listing {
    /// The directory of the program; null if the place is free.
    directory: AtomicPtr<DIR>,
    /// The other directory; null if there is none.
    other: AtomicPtr<DIR>,
    /// Path that programs know.
    path: AtomicPtr<c_char>,
    /// Whether `directory` is the one in the tree.
    begins_in_tree: AtomicBool,
    /// 0 while the entries of `directory` are next; then one more than the number of entries of `other` that were returned.
    others: AtomicUsize,
}

impl Listing {
    #[expect(clippy::declare_interior_mutable_const, reason = "the initial value of each place of the table")]
    const FREE: Self = Self {
        directory: AtomicPtr::new(null_mut()),
        other: AtomicPtr::new(null_mut()),
        path: AtomicPtr::new(null_mut()),
        begins_in_tree: AtomicBool::new(false),
        others: AtomicUsize::new(0),
    };
}

impl Listing {
    /// The next entry of the other directory.
    fn next_other(&self) -> EntryPointer {
        let other = self.other.load(Ordering::Relaxed);
        if other.is_null() {
            return null_mut();
        }
        let next = entry(self, other, !self.begins_in_tree.load(Ordering::Relaxed));
        if !next.is_null() {
            self.others.fetch_add(1, Ordering::Relaxed);
        }
        next
    }

    /// Continues after this number of entries of the other directory, or in the first one.
    fn seek(&self, others: Option<usize>) {
        let other = self.other.load(Ordering::Relaxed);
        if !other.is_null() {
            real_rewinddir(other);
        }
        self.others.store(others.map_or(0, |_| 1), Ordering::Relaxed);
        for _ in 0..others.unwrap_or(0) {
            self.next_other();
        }
    }
}

static LISTINGS: [Listing; 32] = [Listing::FREE; 32];
/// Number of places that are not free: without any, each other directory costs one comparison.
static USED: AtomicUsize = AtomicUsize::new(0);

fn listing(directory: Directory) -> Option<&'static Listing> {
    if USED.load(Ordering::Relaxed) == 0 || directory.is_null() {
        return None;
    }
    LISTINGS.iter().find(|listing| listing.directory.load(Ordering::Acquire) == directory)
}

fn real_opendir(path: *const c_char) -> Directory {
    next!(c"opendir", fn(*const c_char) -> Directory, (path) else null_mut())
}

fn real_readdir(directory: Directory) -> EntryPointer {
    next!(c"readdir64", fn(Directory) -> EntryPointer, (directory) else null_mut())
}

fn real_closedir(directory: Directory) -> c_int {
    next!(c"closedir", fn(Directory) -> c_int, (directory) else -1)
}

fn real_rewinddir(directory: Directory) {
    next!(c"rewinddir", fn(Directory) -> (), (directory) else ());
}

fn descriptor_of(directory: Directory) -> c_int {
    // SAFETY: the directory is open.
    unsafe { libc::dirfd(directory) }
}

/// Looks whether a directory that was opened is shared, and finds its other part.
fn opened(directory: Directory) -> Directory {
    let Some(run) = run().filter(|_| !directory.is_null()) else { return directory };
    let fd = descriptor_of(directory);
    let Some(path) = resolve::shared_directory(fd) else { return directory };
    let Some(in_tree) = PathBuffer::concat([run.tree(), path.to_bytes()]) else { return directory };
    let of_tree = rustix::fs::stat(in_tree.c_str()).ok().map(|stat| (stat.st_dev, stat.st_ino));
    let begins_in_tree = of_tree == kernel::identity(fd);
    let free = |listing: &&Listing| {
        listing.directory.compare_exchange(null_mut(), directory, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    };
    if let Some(listing) = LISTINGS.iter().find(free) {
        USED.fetch_add(1, Ordering::Relaxed);
        let other = real_opendir(if begins_in_tree { path.as_ptr() } else { in_tree.c_str().as_ptr() });
        listing.other.store(other, Ordering::Relaxed);
        listing.path.store(path.as_ptr().cast_mut(), Ordering::Relaxed);
        listing.begins_in_tree.store(begins_in_tree, Ordering::Relaxed);
        listing.others.store(0, Ordering::Relaxed);
    }
    directory
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn opendir(path: *const c_char) -> Directory {
    // SAFETY: the program passes a C string.
    let (directory, bytes) = unsafe { (with_path(path, real_opendir), path_of(path)) };
    let may_be_shared = bytes.first() != Some(&b'/') || is_of_system(bytes);
    if may_be_shared { opened(directory) } else { directory }
}

/// Replaces the function of the C library.
#[unsafe(no_mangle)]
extern "C" fn fdopendir(fd: c_int) -> Directory {
    opened(next!(c"fdopendir", fn(c_int) -> Directory, (fd) else null_mut()))
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn closedir(directory: Directory) -> c_int {
    if let Some(listing) = listing(directory) {
        let other = listing.other.swap(null_mut(), Ordering::Relaxed);
        if !other.is_null() {
            real_closedir(other);
        }
        listing.directory.store(null_mut(), Ordering::Release);
        USED.fetch_sub(1, Ordering::Relaxed);
    }
    real_closedir(directory)
}

/// The next entry of a part of a listing that belongs there; a node is a character device.
fn entry(listing: &Listing, part: Directory, in_tree: bool) -> EntryPointer {
    // SAFETY: the path of a listing is a constant C string.
    let path = unsafe { path_of(listing.path.load(Ordering::Relaxed)) };
    loop {
        let entry = real_readdir(part);
        if entry.is_null() {
            return entry;
        }
        // SAFETY: the C library returns an entry, whose name ends with NUL.
        let (name, kind) = unsafe { (CStr::from_ptr((&raw const (*entry).d_name).cast()), &raw mut (*entry).d_type) };
        let full =
            PathBuffer::concat([path, b"/"]).and_then(|path| PathBuffer::concat([path.bytes(), name.to_bytes()]));
        let of_tree = full.as_ref().is_some_and(|full| belongs_to_tree(full.bytes()));
        if !in_tree && !of_tree {
            return entry;
        }
        if in_tree && of_tree {
            if resolve::in_tree(libc::AT_FDCWD, full.as_ref().map_or(b"", PathBuffer::bytes))
                .is_some_and(|file| device::node(&file).is_some())
            {
                // SAFETY: the entry is in memory of the open directory, until the next call.
                unsafe { *kind = libc::DT_CHR };
            }
            return entry;
        }
    }
}

/// Defines both forms of `readdir`.
macro_rules! define_readdir {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(directory: Directory) -> EntryPointer {
            let Some(listing) = listing(directory) else { return real_readdir(directory) };
            let begins_in_tree = listing.begins_in_tree.load(Ordering::Relaxed);
            if listing.others.load(Ordering::Relaxed) == 0 {
                let next = entry(listing, directory, begins_in_tree);
                if !next.is_null() {
                    return next;
                }
                listing.others.store(1, Ordering::Relaxed);
            }
            listing.next_other()
        }
    )*};
}

define_readdir! { readdir readdir64 }

/// Defines both forms of `readdir_r`.
macro_rules! define_readdir_r {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(directory: Directory, into: EntryPointer, result: *mut EntryPointer) -> c_int {
            if listing(directory).is_none() {
                return next!(
                    c"readdir64_r",
                    fn(Directory, EntryPointer, *mut EntryPointer) -> c_int,
                    (directory, into, result) else -1
                );
            }
            // SAFETY: the program passes an open directory, memory for an entry and for its address. The length of an entry
            // is at most that of the structure.
            unsafe {
                let entry = readdir64(directory);
                *result = if entry.is_null() { entry } else { into };
                if !entry.is_null() {
                    let length = usize::from((*entry).d_reclen).min(size_of::<Entry>());
                    std::ptr::copy_nonoverlapping(entry.cast::<u8>(), into.cast(), length);
                }
            }
            0
        }
    )*};
}

define_readdir_r! { readdir_r readdir64_r }

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn rewinddir(directory: Directory) {
    if let Some(listing) = listing(directory) {
        listing.seek(None);
    }
    real_rewinddir(directory);
}

/// Positions in the other part of a listing: the number of entries there, and this bit, which no file system uses.
const OTHER_PART: c_long = c_long::MIN;

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn telldir(directory: Directory) -> c_long {
    let others = listing(directory).map_or(0, |listing| listing.others.load(Ordering::Relaxed));
    match others.checked_sub(1).and_then(|count| c_long::try_from(count).ok()) {
        Some(count) => OTHER_PART | count,
        None => next!(c"telldir", fn(Directory) -> c_long, (directory) else -1),
    }
}

/// Replaces the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
unsafe extern "C" fn seekdir(directory: Directory, position: c_long) {
    let is_in_other = position & OTHER_PART != 0;
    if let Some(listing) = listing(directory) {
        listing.seek(usize::try_from(position & !OTHER_PART).ok().filter(|_| is_in_other));
        if is_in_other {
            return;
        }
    }
    next!(c"seekdir", fn(Directory, c_long) -> (), (directory, position) else ());
}

type Filter = Option<unsafe extern "C" fn(*const Entry) -> c_int>;
type Order = Option<unsafe extern "C" fn(*const c_void, *const c_void) -> c_int>;

/// The entries of a directory that the filter takes, in memory from `malloc`, as `scandir` returns them.
///
/// # Safety
/// The directory is open, and the functions are those of the program.
unsafe fn collect(directory: Directory, filter: Filter, order: Order) -> Option<(*mut EntryPointer, c_int)> {
    let (mut entries, mut count) = (null_mut::<EntryPointer>(), 0_usize);
    loop {
        // SAFETY: `realloc` gets memory from `realloc` and keeps its content; an entry is copied to memory of its length.
        unsafe {
            let entry = readdir64(directory);
            if entry.is_null() {
                break;
            }
            if filter.is_some_and(|filter| filter(entry) == 0) {
                continue;
            }
            let larger: *mut EntryPointer =
                libc::realloc(entries.cast(), (count + 1) * size_of::<EntryPointer>()).cast();
            let length = usize::from((*entry).d_reclen);
            let copy: EntryPointer = libc::malloc(length).cast();
            if larger.is_null() || copy.is_null() {
                return None;
            }
            std::ptr::copy_nonoverlapping(entry.cast::<u8>(), copy.cast(), length);
            entries = larger;
            *entries.add(count) = copy;
        }
        count += 1;
    }
    if let Some(order) = order {
        // SAFETY: the array has this number of entries.
        unsafe { libc::qsort(entries.cast(), count, size_of::<EntryPointer>(), Some(order)) };
    }
    Some((entries, c_int::try_from(count).ok()?))
}

/// Defines both forms of `scandir`.
macro_rules! define_scandir {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(path: *const c_char, list: *mut *mut EntryPointer, filter: Filter, order: Order) -> c_int {
            // SAFETY: the program passes a C string, an address for the result, and its functions.
            unsafe {
                let directory = opendir(path);
                if directory.is_null() {
                    return -1;
                }
                let collected = listing(directory).map(|_| collect(directory, filter, order));
                closedir(directory);
                match collected {
                    Some(Some((entries, count))) => {
                        *list = entries;
                        count
                    }
                    Some(None) => -1,
                    None => with_path(path, |path| {
                        next!(
                            c"scandir64",
                            fn(*const c_char, *mut *mut EntryPointer, Filter, Order) -> c_int,
                            (path, list, filter, order) else -1
                        )
                    }),
                }
            }
        }
    )*};
}

define_scandir! { scandir scandir64 }

/// `glob_t` of the C library.
#[repr(C)]
struct Glob {
    count: usize,
    paths: *mut *mut c_char,
    reserved: usize,
    flags: c_int,
    close: unsafe extern "C" fn(Directory) -> c_int,
    read: unsafe extern "C" fn(Directory) -> EntryPointer,
    open: unsafe extern "C" fn(*const c_char) -> Directory,
    lstat: unsafe extern "C" fn(*const c_char, *mut Stat) -> c_int,
    stat: unsafe extern "C" fn(*const c_char, *mut Stat) -> c_int,
}

/// Flag of `glob`: it uses the functions in the structure.
const GLOB_ALTDIRFUNC: c_int = 1 << 9;

/// Defines both forms of `glob`. Inside, the C library uses its own functions, if it is not told to use these.
macro_rules! define_glob {
    ($($name:ident)*) => {$(
        /// Replaces the function of the C library.
        ///
        /// # Safety
        /// As for the function of the C library.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(pattern: *const c_char, flags: c_int, error: *const c_void, result: *mut Glob) -> c_int {
            let glob = |flags: c_int, result: *mut Glob| {
                next!(
                    c"glob64",
                    fn(*const c_char, c_int, *const c_void, *mut Glob) -> c_int,
                    (pattern, flags, error, result) else -1
                )
            };
            if flags & GLOB_ALTDIRFUNC != 0 || run().is_none() {
                return glob(flags, result);
            }
            // SAFETY: the program passes memory for the structure. These functions are those of the C library to the program.
            unsafe {
                (&raw mut (*result).close).write(closedir);
                (&raw mut (*result).read).write(readdir64);
                (&raw mut (*result).open).write(opendir);
                (&raw mut (*result).lstat).write(lstat);
                (&raw mut (*result).stat).write(stat);
                let status = glob(flags | GLOB_ALTDIRFUNC, result);
                (*result).flags &= !GLOB_ALTDIRFUNC;
                status
            }
        }
    )*};
}

define_glob! { glob glob64 }
