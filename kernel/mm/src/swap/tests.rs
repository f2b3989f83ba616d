//! The swap area on a device that fails in every way that a device fails.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::*;

/// A device in memory, with one trouble at a time.
#[derive(Default)]
struct Flawed {
    bytes: RefCell<Vec<u8>>,
    writes: RefCell<Vec<(u64, usize)>>,
    reads: Cell<usize>,
    trouble: RefCell<Option<Trouble>>,
}

#[derive(Clone, Copy)]
enum Trouble {
    /// Writes that touch this offset fail so.
    WriteFails(u64, io::ErrorKind),
    ReadFails(io::ErrorKind),
    /// So many bytes at a time.
    Short(usize),
    Interrupted,
    /// Says that it wrote, and did not.
    LostWrite,
    /// Writes go so many bytes astray.
    Astray(u64),
}

impl SwapDevice for Flawed {
    fn read_at(&self, offset: u64, to: &mut [u8]) -> io::Result<usize> {
        self.reads.set(self.reads.get() + 1);
        let length = match *self.trouble.borrow() {
            Some(Trouble::ReadFails(kind)) => return Err(kind.into()),
            Some(Trouble::Short(length)) => length.min(to.len()),
            _ => to.len(),
        };
        if matches!(*self.trouble.borrow(), Some(Trouble::Interrupted)) {
            self.trouble.replace(None);
            return Err(io::ErrorKind::Interrupted.into());
        }
        let bytes = self.bytes.borrow();
        let from = bytes.get(offset as usize..).unwrap_or(&[]);
        let length = length.min(from.len());
        to[..length].copy_from_slice(&from[..length]);
        Ok(length)
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> io::Result<usize> {
        self.writes.borrow_mut().push((offset, from.len()));
        let mut at = offset;
        let mut length = from.len();
        match *self.trouble.borrow() {
            Some(Trouble::WriteFails(bad, kind)) if (offset..offset + from.len() as u64).contains(&bad) => {
                return Err(kind.into());
            }
            Some(Trouble::Short(most)) => length = most.min(length),
            Some(Trouble::LostWrite) => return Ok(length),
            Some(Trouble::Astray(by)) => at += by,
            _ => {}
        }
        let end = at as usize + length;
        let mut bytes = self.bytes.borrow_mut();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[at as usize..end].copy_from_slice(&from[..length]);
        Ok(length)
    }
}

const PAGE: usize = 4096;

fn area(slots: u64, compressed: u64) -> (Swap, Rc<Flawed>) {
    let device = Rc::new(Flawed::default());
    let config = SwapConfig {
        device: Box::new(Rc::clone(&device)),
        name: "test".to_owned(),
        size: Bytes::new(slots * PAGE as u64),
        key: [9; 32],
        compressed: Bytes::new(compressed),
    };
    (Swap::new(config, Granule::K4), device)
}

/// A page that does not compress.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(PAGE).collect()
}

fn write(swap: &mut Swap, pages: &[Vec<u8>]) -> (Vec<SlotNum>, Vec<Result<(), SwapError>>) {
    let slots = swap.allocate(pages.len());
    assert_eq!(slots.len(), pages.len());
    let batch: Vec<_> = slots
        .iter()
        .map(|&slot| Outgoing {
            slot,
            owner: SlotOwner::Anon(AnonId::from_number(slot.get())),
            shadow: None,
        })
        .collect();
    let answers = swap.write(&batch, |number, to| to.copy_from_slice(&pages[number]));
    (slots, answers)
}

fn read(swap: &Swap, slot: SlotNum) -> Result<Vec<u8>, SwapError> {
    let mut page = vec![0xee; PAGE];
    swap.read(slot, &mut page).pop().unwrap().map(|()| page)
}

#[test]
fn pages_come_back_and_neighbours_go_in_one_write() {
    let (mut swap, device) = area(64, 0);
    let pages: Vec<_> = (0..8).map(noise).collect();
    let (slots, answers) = write(&mut swap, &pages);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(*device.writes.borrow(), [(0, 8 * PAGE)]);
    let mut all = vec![0; 8 * PAGE];
    assert!(swap.read(slots[0], &mut all).iter().all(Result::is_ok));
    assert_eq!(all, pages.concat());
    assert_eq!(device.reads.get(), 1);
    assert_eq!(read(&swap, slots[5]).unwrap(), pages[5]);
}

#[test]
fn the_device_holds_nothing_readable() {
    let (mut swap, device) = area(8, 0);
    let mut page = noise(1);
    page[100..116].copy_from_slice(b"a secret passage");
    write(&mut swap, std::slice::from_ref(&page));
    let bytes = device.bytes.borrow();
    assert!(!bytes.windows(16).any(|window| window == b"a secret passage"));
    assert_ne!(*bytes, page);
}

#[test]
fn zeros_take_no_room() {
    let (mut swap, device) = area(8, 0);
    let (slots, _) = write(&mut swap, &[vec![0; PAGE], noise(1), vec![0; PAGE]]);
    assert_eq!(*device.writes.borrow(), [(PAGE as u64, PAGE)]);
    assert_eq!(swap.usage().zeros, 2);
    assert_eq!(read(&swap, slots[2]).unwrap(), vec![0; PAGE]);
    slots.into_iter().for_each(|slot| swap.free(slot));
    assert_eq!(
        *swap.usage(),
        SwapUse {
            total: 8,
            ..SwapUse::default()
        }
    );
}

#[test]
fn the_compressed_tier_has_a_limit() {
    let (mut swap, device) = area(64, 300);
    let page = |byte| [vec![byte; PAGE / 2], vec![7; PAGE / 2]].concat();
    let pages: Vec<_> = (1..30).map(page).collect();
    let (slots, _) = write(&mut swap, &pages);
    let usage = *swap.usage();
    assert!(usage.compressed > 2 && usage.compressed_bytes <= 300, "{usage:?}");
    assert!(!device.writes.borrow().is_empty(), "the rest is on the device");
    for (slot, page) in slots.iter().zip(&pages) {
        assert_eq!(read(&swap, *slot).unwrap(), *page);
    }
    let (noisy, _) = write(&mut swap, &[noise(4)]);
    assert!(swap.is_on_device(noisy[0]), "what does not shrink goes on");
    slots.into_iter().for_each(|slot| swap.free(slot));
    assert_eq!(swap.usage().compressed_bytes, 0);
}

#[test]
fn short_and_interrupted_transfers_are_completed() {
    let (mut swap, device) = area(8, 0);
    device.trouble.replace(Some(Trouble::Short(1000)));
    let (slots, answers) = write(&mut swap, &[noise(1), noise(2)]);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(read(&swap, slots[1]).unwrap(), noise(2));
    device.trouble.replace(Some(Trouble::Interrupted));
    assert_eq!(read(&swap, slots[0]).unwrap(), noise(1));
}

#[test]
fn one_bad_slot_costs_one_page() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        let (mut swap, device) = area(4, 0);
        let bad = Trouble::WriteFails(2 * PAGE as u64 + 5, kind);
        device.trouble.replace(Some(bad));
        let pages: Vec<_> = (0..4).map(noise).collect();
        let (slots, answers) = write(&mut swap, &pages);
        let good: Vec<_> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, true, false, true]);
        assert_eq!((swap.usage().used, swap.usage().bad), (3, 1));
        device.trouble.replace(None);
        assert_eq!(read(&swap, slots[3]).unwrap(), pages[3]);
        for slot in [0, 1, 3] {
            swap.free(slots[slot]);
        }
        // The bad one is never given out again.
        assert!(!swap.allocate(4).contains(&slots[2]));
        assert_eq!(swap.allocate(4).len(), 1);
        assert!(!swap.has_free());
    }
}

#[test]
fn every_kind_of_rot_is_noticed() {
    let corrupt = |answer| matches!(answer, Err(SwapError::Corrupt { .. }));
    // A flipped bit, anywhere.
    for byte in [0, 17, PAGE - 1] {
        let (mut swap, device) = area(8, 0);
        let (slots, _) = write(&mut swap, &[noise(1)]);
        device.bytes.borrow_mut()[byte] ^= 0x10;
        assert!(corrupt(read(&swap, slots[0])));
    }
    // A write that was lost: the slot holds an older page of the same owner, sealed by the same key.
    let (mut swap, device) = area(8, 0);
    let (slots, _) = write(&mut swap, &[noise(1)]);
    let old = SlotOwner::Anon(AnonId::from_number(0));
    device.trouble.replace(Some(Trouble::LostWrite));
    let out = Outgoing {
        slot: slots[0],
        owner: old,
        shadow: None,
    };
    assert!(
        swap.write(&[out], |_, to| to.copy_from_slice(&noise(2)))[0].is_ok(),
        "it looks written"
    );
    assert!(corrupt(read(&swap, slots[0])));
    // One that went astray: both slots hold what is not theirs.
    let (mut swap, device) = area(8, 0);
    let (slots, _) = write(&mut swap, &[noise(1), noise(2)]);
    device.trouble.replace(Some(Trouble::Astray(PAGE as u64)));
    let out = Outgoing {
        slot: slots[0],
        ..out
    };
    swap.write(&[out], |_, to| to.copy_from_slice(&noise(3)));
    assert!(corrupt(read(&swap, slots[0])));
    assert!(corrupt(read(&swap, slots[1])));
    // A file that became shorter.
    let (mut swap, device) = area(8, 0);
    let (slots, _) = write(&mut swap, &[noise(1)]);
    device.bytes.borrow_mut().truncate(100);
    assert!(matches!(
        read(&swap, slots[0]),
        Err(SwapError::Io { slot: 0, .. })
    ));
}

#[test]
fn a_failed_read_is_an_error_and_may_be_tried_again() {
    let (mut swap, device) = area(8, 0);
    let (slots, _) = write(&mut swap, &[noise(1), noise(2)]);
    device
        .trouble
        .replace(Some(Trouble::ReadFails(io::ErrorKind::Other)));
    assert!(matches!(
        read(&swap, slots[0]),
        Err(SwapError::Io { slot: 0, .. })
    ));
    device.trouble.replace(None);
    assert_eq!(read(&swap, slots[0]).unwrap(), noise(1));
}
