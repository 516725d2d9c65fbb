//! What the allocator keeps of memory that was freed.

/// From this size on, in bytes, what is allocated is a mapping of its own, which goes back to the system when it is freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED: libc::c_int = 64 * 1024;

/// Free memory that may stay at the end of a heap, in bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: libc::c_int = 128 * 1024;

/// Heaps; glibc's own limit is eight for each core, and what one has left over is of no use to the threads of another.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Has freed memory go back to the system. To be called before there are threads.
///
/// glibc raises both sizes with the blocks that are freed, to 32 and 64 MiB at most (mallopt(3), "dynamic mmap threshold").
/// A process that moves records in blocks of up to 1 MiB then comes to have holes of that size in the heap of each thread:
/// in streams-analytics, 15 to 30 bytes for each of a million likes. The price is that the system clears such blocks anew.
/// With another C library than glibc nothing happens.
pub fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code, reason = "the C library has no safe form of this call")]
    // SAFETY: it takes two numbers, and changes nothing but limits that the allocator reads; no thread reads them yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
}
