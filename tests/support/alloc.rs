//! An allocator that counts, thread by thread, so that tests can run side by side; and that fails
//! one allocation of the threads that take part in that.

#![allow(dead_code)] // each test program uses its own part

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one thread has allocated.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// How many times it allocated or grew something.
    pub allocations: usize,
    /// Bytes it holds now; negative if it freed what others allocated.
    pub live: isize,
    /// The most that it held.
    pub peak: isize,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count { allocations: 0, live: 0, peak: 0 }) };
}

/// What `work` allocates: `live` and `peak` are counted from its beginning.
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

/// How many allocations the threads that take part have made since [`arm`].
static MADE: AtomicUsize = AtomicUsize::new(0);
/// Which of them fails.
static FAILING: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Makes this thread's allocations count for [`arm`], or no longer.
pub fn take_part(takes_part: bool) {
    TAKES_PART.set(takes_part);
}

/// From here on the allocation of that number, counted from 0, fails once.
pub fn arm(failing: usize) {
    MADE.store(0, Ordering::SeqCst);
    FAILING.store(failing, Ordering::SeqCst);
}

/// How many allocations there were since [`arm`]; none fails any more.
pub fn disarm() -> usize {
    FAILING.store(usize::MAX, Ordering::SeqCst);
    MADE.load(Ordering::SeqCst)
}

fn fails() -> bool {
    TAKES_PART.try_with(Cell::get).unwrap_or(false)
        && MADE.fetch_add(1, Ordering::SeqCst) == FAILING.load(Ordering::SeqCst)
}

/// The allocator to make the global one.
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
