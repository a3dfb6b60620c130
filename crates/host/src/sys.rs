//! The one call of the kernel that has no safe wrapper: the handle of a file.
//!
//! A handle holds the generation of the inode, so a file that takes over the inode number of a
//! deleted one has another handle (ext4 hands out the same number again at once). Input: an open
//! file or a path. Output: a hash of the handle, 0 where the file system has none. Some file
//! systems (overlayfs) give a handle only when asked for one that need not be opened again; an
//! older kernel refuses that question, and then there is none.

#![expect(unsafe_code, reason = "`name_to_handle_at` has no safe wrapper")]

use crate::hash::Fnv;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `MAX_HANDLE_SZ` of the kernel, in bytes.
const HANDLE_BYTES_MAX: u32 = 128;
/// `AT_HANDLE_FID`: a handle to compare, not to open; kernel 6.5 and later.
const AT_HANDLE_FID: i32 = 0x200;

/// `struct file_handle` with room for the largest handle.
#[repr(C)]
struct Handle {
    bytes: u32,
    kind: i32,
    data: [u8; HANDLE_BYTES_MAX as usize],
}

/// The hash of the handle of an open file; 0 when there is none.
pub(crate) fn handle_of(file: BorrowedFd<'_>) -> u64 {
    either(file.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

fn either(dir: i32, path: &CStr, flags: i32) -> u64 {
    ask(dir, path, flags).or_else(|| ask(dir, path, flags | AT_HANDLE_FID)).unwrap_or(0)
}

fn ask(dir: i32, path: &CStr, flags: i32) -> Option<u64> {
    let mut handle =
        Handle { bytes: HANDLE_BYTES_MAX, kind: 0, data: [0; HANDLE_BYTES_MAX as usize] };
    let mut mount: libc::c_int = 0;
    // SAFETY: `path` ends with NUL and outlives the call. `handle` is laid out as `file_handle`
    // and says with `bytes` how much room `data` has; the kernel writes no more than that. The
    // numbers are passed as the C prototype has them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            dir,
            path.as_ptr(),
            &raw mut handle,
            &raw mut mount,
            flags,
        )
    };
    if result != 0 {
        return None;
    }
    let mut hash = Fnv::default();
    hash.add(&handle.kind.to_ne_bytes());
    hash.add(handle.data.get(..handle.bytes as usize)?);
    // 0 is the word for none.
    Some(hash.value().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_file_keeps_its_handle_and_two_files_have_two() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str| std::fs::File::create(dir.path().join(name)).unwrap();
        let (a, b) = (open("a"), open("b"));
        let again = std::fs::File::open(dir.path().join("a")).unwrap();
        if handle_of(a.as_fd()) == 0 {
            eprintln!("SKIP a_file_keeps_its_handle: this file system gives none");
            return;
        }
        assert_eq!(handle_of(a.as_fd()), handle_of(again.as_fd()));
        assert_ne!(handle_of(a.as_fd()), handle_of(b.as_fd()));
    }
}
