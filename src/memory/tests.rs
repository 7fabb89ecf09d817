//! What is charged, taken and given back, to the byte.

use super::*;

const MIB: usize = 1 << 20;
/// What each buffer may hold that does not count.
const FREE_BUFFER: usize = 16 << 10;

fn used(budget: &Budget) -> usize {
    budget.used.load(Ordering::Relaxed)
}

#[test]
fn a_buffer_takes_what_it_holds_beyond_the_first_16_kib_and_gives_it_back() {
    let budget = Arc::new(Budget::new(MIB));
    let mut buffer = Buffer::new(Some(Arc::clone(&budget)));
    for (beyond, taken) in [(0, 0), (1000, 1000), (5000, 5000), (4000, 5000)] {
        buffer.set_capacity(FREE_BUFFER + beyond).unwrap();
        assert_eq!(used(&budget), taken);
    }
    buffer.shrink_to(FREE_BUFFER + 6000);
    assert_eq!((used(&budget), buffer.capacity()), (5000, FREE_BUFFER + 5000));
    buffer.shrink_to(FREE_BUFFER + 2000);
    assert_eq!((used(&budget), buffer.capacity()), (2000, FREE_BUFFER + 2000));

    let mut other = Buffer::new(Some(Arc::clone(&budget)));
    assert_eq!(other.set_capacity(FREE_BUFFER + MIB - 1999), Err(Shortage::Total(MIB)));
    assert_eq!(used(&budget), 2000);
    other.set_capacity(FREE_BUFFER + MIB - 2000).unwrap();
    drop(buffer);
    assert_eq!(used(&budget), MIB - 2000);
    drop(other);
    assert_eq!(used(&budget), 0);
}

#[test]
fn a_buffer_that_holds_bytes_grows_to_the_capacity_that_was_asked_for() {
    let mut buffer = Buffer::new(None);
    buffer.extend_from_slice(b"0123456789");
    buffer.set_capacity(100).unwrap();
    assert_eq!((&buffer[..], buffer.capacity()), (&b"0123456789"[..], 100));
    buffer.cut(4);
    assert_eq!(&buffer[..], b"012345");
    buffer.cut(7);
    assert_eq!(&buffer[..], b"");
}

#[test]
fn memory_is_scarce_when_more_than_half_of_the_budget_is_used() {
    let mut buffer = Buffer::new(Some(Arc::new(Budget::new(100_000))));
    for (taken, is_scarce) in [(0, false), (50_000, false), (50_001, true), (100_000, true)] {
        buffer.set_capacity(FREE_BUFFER + taken).unwrap();
        assert_eq!(buffer.is_scarce(), is_scarce, "{taken}");
    }
    assert!(!Buffer::new(None).is_scarce());
}

#[test]
fn a_buffer_near_its_limit_grows_in_few_steps() {
    let mut buffer = Buffer::new(Some(Arc::new(Budget::new(MIB))));
    let (mut steps, mut capacity) = (0, 0);
    while buffer.check().is_ok() {
        buffer.extend_from_slice(b"\\u003c");
        steps += usize::from(buffer.capacity() != capacity);
        capacity = buffer.capacity();
    }
    assert!(steps < 64, "{steps}");
    assert!(capacity > MIB - MIB / 8, "{capacity}");
}

#[test]
fn a_shortage_says_whether_a_limit_was_reached_and_which() {
    use crate::Error;
    let texts = |shortage: Shortage| (shortage.reason(), Error::from(shortage).to_string());
    let system = "the system has no memory for the text";
    let none = "the system has none left for the message";
    assert_eq!(texts(Shortage::System), (system, format!("out of memory: {none}")));
    let total = "all clients together have no room for the text (raise total_bytes)";
    let limited =
        "out of memory: all clients together may hold 7 bytes (raise Limits::total_bytes)";
    assert_eq!(texts(Shortage::Total(7)), (total, limited.to_owned()));
    assert_eq!(Shortage::Decoded(5).limit(), Some(5));
}

/// What is free for each message, and what is taken from the budget at once.
const FREE: usize = 64 << 10;
const PIECE: usize = 128 << 10;

#[test]
fn an_allowance_draws_in_pieces_and_gives_them_back_when_it_ends() {
    let budget = Budget::new(MIB);
    let mut memory = Allowance::new(MIB, Some(&budget));
    assert!(memory.charge(FREE));
    assert_eq!(used(&budget), 0);
    assert!(memory.charge(1));
    assert_eq!(used(&budget), PIECE);
    let mut lent = memory.lend();
    assert!(lent.charge(PIECE));
    memory.take_back(lent);
    assert_eq!(used(&budget), 2 * PIECE);
    assert!(memory.charge(PIECE));
    assert_eq!(used(&budget), 3 * PIECE);
    drop(memory);
    assert_eq!(used(&budget), 0);
}

#[test]
fn an_allowance_near_the_budgets_limit_draws_what_is_missing() {
    let budget = Budget::new(PIECE + 1000);
    let mut memory = Allowance::new(MIB, Some(&budget));
    assert!(memory.charge(FREE + PIECE) && memory.charge(600));
    assert_eq!(used(&budget), PIECE + 600);
    assert!(memory.charge(400) && !memory.charge(1));
    assert_eq!(memory.shortage(), Shortage::Total(PIECE + 1000));
}

/// Charges all that is left, which must be `left` bytes.
fn exhaust(mut memory: Allowance<'_>, left: usize) {
    assert!(memory.charge(left) && !memory.is_short());
    assert!(!memory.charge(1) && memory.is_short());
}

#[test]
fn an_allowance_is_charged_to_its_last_byte() {
    for limit in [0, 100, FREE, FREE + 1, 300_000] {
        exhaust(Allowance::new(limit, None), limit);
        let mut memory = Allowance::new(limit, None);
        let part = limit / 3;
        assert!((0..3).all(|_| memory.charge(part)));
        memory.credit(part);
        assert!(memory.charge(part) && memory.charge(limit % 3));
        assert!(!memory.charge(1));
        assert_eq!(memory.shortage(), Shortage::Decoded(limit));
    }
}

#[test]
fn each_allocation_is_charged_with_what_the_allocator_adds() {
    assert_eq!([0, 1, 24, 25, 100].map(allocated), [0, 32, 32, 48, 112]);

    let mut memory = Allowance::new(FREE, None);
    let mut list = vec![];
    assert!(memory.reserve_exact::<u64>(&mut list, 100));
    list.extend(0..50);
    // The old memory is credited, because it was freed.
    assert!(memory.reserve_exact(&mut list, 200));
    assert_eq!(list.capacity(), 200);
    exhaust(memory, FREE - allocated(1600));

    let mut memory = Allowance::new(FREE, None);
    let mut text = "abc".to_owned();
    assert!(memory.set(&mut text, "0123456789"));
    assert_eq!((text.as_str(), text.capacity()), ("0123456789", 10));
    // It has room.
    assert!(memory.set(&mut text, "abcdefghij"));
    assert_eq!(text, "abcdefghij");
    exhaust(memory, FREE - allocated(10));

    let mut memory = Allowance::new(FREE, None);
    assert!(memory.expect(0) && memory.expect(100));
    exhaust(memory, FREE - allocated(100));
}

/// The steps in which a list grows, and how many elements there was memory for.
fn grow<T: Default>(limit: usize) -> (usize, usize) {
    let mut memory = Allowance::new(limit, None);
    let (mut list, mut steps) = (Vec::<T>::new(), 0);
    loop {
        let capacity = list.capacity();
        if !memory.push(&mut list, T::default()) {
            return (steps, list.len());
        }
        steps += usize::from(list.capacity() != capacity);
    }
}

#[test]
fn a_list_grows_by_doubling_and_near_the_limit_as_far_as_that_reaches() {
    let mut memory = Allowance::new(MIB, None);
    let (mut few, mut one) = (Vec::<u64>::new(), Vec::<[u64; 129]>::new());
    assert!(memory.grow(&mut few) && memory.grow(&mut one));
    assert_eq!((few.capacity(), one.capacity()), (4, 1));
    few.extend(0..3);
    assert!(memory.grow(&mut few) && memory.grow(&mut one));
    assert_eq!((few.capacity(), one.capacity()), (8, 2));
    assert_eq!(grow::<u64>(300_000), (14, 21_110));
    // A step of less than a quarter is not worth it.
    assert_eq!(grow::<u64>(100_000), (12, 8192));
    assert_eq!(grow::<u64>(allocated(32) + 9 * 8), (1, 4));
    assert_eq!(grow::<u64>(allocated(32) + 10 * 8), (2, 6));
}

/// Whether this process has little memory. If not, the test of that name is run again in one that has.
fn has_little_memory(test: &str) -> bool {
    const MARK: &str = "URPC_TEST_WITH_LITTLE_MEMORY";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    // Not in that process: the thread for it takes memory at any time.
    crate::test_limit::limit_test();
    let mut limited = std::process::Command::new("sh");
    let run = r#"ulimit -v 1000000 && exec $URPC_TEST_RUNNER "$0" --test-threads=1 --exact "$1""#;
    limited.args(["-c", run]).arg(std::env::current_exe().unwrap()).arg(test).env(MARK, "");
    let output = limited.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
    false
}

#[test]
fn what_a_peer_decides_leaves_a_mebibyte_free() {
    // Miri starts no process.
    if cfg!(miri) {
        return;
    }
    if !has_little_memory("memory::tests::what_a_peer_decides_leaves_a_mebibyte_free") {
        return;
    }
    let is_possible = |bytes: usize| Vec::<u8>::new().try_reserve_exact(bytes).is_ok();
    let (mut room, mut beyond) = (16 * MIB, 1024 * MIB);
    while beyond - room > 4096 {
        let middle = room.midpoint(beyond);
        *(if is_possible(middle) { &mut room } else { &mut beyond }) = middle;
    }
    let leaves = |bytes: usize| Buffer::new(None).set_capacity(room - bytes);
    assert_eq!(leaves(MIB / 2), Err(Shortage::System));
    assert_eq!(leaves(2 * MIB), Ok(()));
    assert_eq!(Buffer::of(Vec::new()).set_capacity(room - MIB / 2), Ok(()));
    // Little growth does not ask.
    let mut all = Vec::<u8>::new();
    all.try_reserve_exact(room).unwrap();
    assert_eq!(Buffer::new(None).set_capacity(1000), Ok(()));
    drop(all);
    // More than that is asked for at once, but need not be there.
    assert!(!has_room_to_draw(room - MIB / 2));
    assert!(has_room_to_draw(room - MIB - MIB / 2));
}
