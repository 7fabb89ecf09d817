//! An allocator that counts for each thread, so that tests can run in parallel. It can also make
//! one allocation fail, of the threads that take part.

#![allow(dead_code)] // each test program uses its own part

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one thread has allocated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// The number of allocations and of reallocations that grow.
    pub allocations: usize,
    /// The bytes held now. Negative if the thread freed what others allocated.
    pub live: isize,
    /// The most bytes held.
    pub peak: isize,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { allocations: 0, live: 0, peak: 0 }) };
}

/// Counts what `work` allocates. `live` and `peak` start at zero.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Count) {
    let before = COUNT.get();
    COUNT.set(Count { allocations: 0, live: 0, peak: 0 });
    let result = work();
    let count = COUNT.get();
    COUNT.set(Count {
        allocations: before.allocations + count.allocations,
        live: before.live + count.live,
        peak: before.peak.max(before.live + count.peak),
    });
    (result, count)
}

thread_local! {
    static TAKES_PART: Cell<bool> = const { Cell::new(false) };
}

/// The number of allocations since [`arm`] by the threads that take part.
static MADE: AtomicUsize = AtomicUsize::new(0);
/// The number of the allocation that fails.
static FAILING: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Sets whether this thread's allocations count for [`arm`].
pub fn take_part(takes_part: bool) {
    TAKES_PART.set(takes_part);
}

/// From here on, allocation number `failing`, counted from 0, fails once.
pub fn arm(failing: usize) {
    MADE.store(0, Ordering::SeqCst);
    FAILING.store(failing, Ordering::SeqCst);
}

/// The number of allocations since [`arm`]. From here on none fails.
pub fn disarm() -> usize {
    FAILING.store(usize::MAX, Ordering::SeqCst);
    MADE.load(Ordering::SeqCst)
}

fn fails() -> bool {
    TAKES_PART.try_with(Cell::get).unwrap_or(false)
        && MADE.fetch_add(1, Ordering::SeqCst) == FAILING.load(Ordering::SeqCst)
}

/// The global allocator of the tests that count.
pub struct Counting;

fn note(allocations: usize, bytes: isize) {
    // A thread that is ending has no count any more.
    let _ = COUNT.try_with(|cell| {
        let mut count = cell.get();
        count.allocations += allocations;
        count.live += bytes;
        count.peak = count.peak.max(count.live);
        cell.set(count);
    });
}

// SAFETY: every method hands its arguments on to `System` as they are, so what holds for that holds
// here; counting touches a thread-local cell that needs neither allocation nor a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return ptr::null_mut();
        }
        note(1, layout.size() as isize);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(0, -(layout.size() as isize));
        // SAFETY: `pointer` came from `System` with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return ptr::null_mut();
        }
        // Old and new may exist side by side.
        note(1, size as isize);
        note(0, -(layout.size() as isize));
        // SAFETY: `pointer` came from `System` with this `layout`, and the caller vouches for
        // `size`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
