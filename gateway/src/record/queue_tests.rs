use std::sync::Arc;

use super::*;

const LONG: Duration = Duration::from_secs(20);

fn small(lines: usize, bytes: usize) -> Queue {
    Queue::new(Bounds { lines, bytes })
}

#[test]
fn takes_lines_up_to_its_bounds_and_not_one_more() {
    let queue = small(2, 100);
    assert_eq!(queue.push(b"a\n", Claim::Open), Ok(()));
    assert_eq!(queue.push(b"b\n", Claim::Open), Ok(()));
    assert_eq!(queue.push(b"c\n", Claim::Open), Err(Full));
    let queue = small(100, 5);
    assert_eq!(queue.push(b"abc\n", Claim::Open), Ok(()));
    assert_eq!(queue.push(b"d\n", Claim::Open), Err(Full));
    assert_eq!(queue.push(b"\n", Claim::Open), Ok(()));
}

#[test]
fn lines_in_the_writers_hands_still_take_room() {
    let queue = small(1, 100);
    queue.push(b"a\n", Claim::Open).unwrap();
    assert_eq!(queue.next_page().unwrap(), b"a\n");
    assert_eq!(queue.push(b"b\n", Claim::Open), Err(Full));
    queue.settle(1, 2);
    assert_eq!(queue.push(b"b\n", Claim::Open), Ok(()));
}

#[test]
fn reserved_room_is_for_its_holder_alone() {
    let queue = small(2, 100);
    queue.reserve(2).unwrap();
    assert_eq!(queue.reserve(1), Err(Full));
    assert_eq!(queue.push(b"other\n", Claim::Open), Err(Full));
    assert_eq!(queue.push(b"own\n", Claim::Reserved), Ok(()));
    assert_eq!(queue.push(b"own\n", Claim::Reserved), Ok(()));
    queue.release(2);
    assert_eq!(queue.reserve(1), Err(Full), "its lines are not written yet");
}

#[test]
fn keeps_order_over_many_pages() {
    let queue = Queue::new(Bounds::default());
    let line = |number: usize| format!("{number:01000}\n");
    for number in 0..500 {
        queue.push(line(number).as_bytes(), Claim::Open).unwrap();
    }
    queue.close();
    let mut all = Vec::new();
    while let Some(page) = queue.next_page() {
        assert!(page.len() <= PAGE_BYTES);
        all.extend_from_slice(&page);
        queue.recycle(page);
    }
    let expected: String = (0..500).map(line).collect();
    assert!(all == expected.as_bytes());
}

#[test]
fn wakes_a_sleeping_writer_and_ends_it_when_closed() {
    let queue = Arc::new(Queue::new(Bounds::default()));
    let writer = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || {
            let mut pages = Vec::new();
            while let Some(page) = queue.next_page() {
                queue.settle(page.iter().filter(|b| **b == b'\n').count(), page.len());
                pages.extend(page);
            }
            pages
        }
    });
    for _ in 0..3 {
        let deadline = Instant::now() + LONG;
        while !queue.lock().asleep {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        queue.push(b"line\n", Claim::Open).unwrap();
        assert_eq!(queue.drain(LONG), 0);
    }
    queue.close();
    assert_eq!(writer.join().unwrap(), b"line\nline\nline\n");
}

#[test]
fn waits_for_a_stuck_writer_no_longer_than_told() {
    let queue = small(10, 100);
    queue.push(b"a\n", Claim::Open).unwrap();
    let begun = Instant::now();
    assert_eq!(queue.drain(Duration::from_millis(30)), 1);
    assert!(begun.elapsed() < LONG);
}
