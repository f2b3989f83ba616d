//! What a reader of the report should not miss ([`audit`]): lines at its end, each with a code that `--explain` knows.
//!
//! Neighbours: `snapshot` holds all that is judged here; nothing is read anew.

use crate::elf::{FileState, Image};
use crate::render::{Unit, size};
use crate::{HeapReport, Kind, Region, Snapshot, Thread, ZoneReport};
use procfs::{Kib, LimitValue};

/// One thing to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Its kind: one of [`CODES`].
    pub code: &'static str,
    /// One line.
    pub text: String,
}

/// Every code, in the order of the lines.
pub const CODES: &[&str] = &[
    WRITABLE_CODE,
    EXEC_STACK,
    DELETED_IMAGE,
    REPLACED_IMAGE,
    NO_RELRO,
    ARENA_SLACK,
    STACK_LIMIT,
    MANY_MAPS,
];

const WRITABLE_CODE: &str = "wx";
const EXEC_STACK: &str = "exec-stack";
const DELETED_IMAGE: &str = "deleted-image";
const REPLACED_IMAGE: &str = "replaced-image";
const NO_RELRO: &str = "no-relro";
pub(crate) const ARENA_SLACK: &str = "arena-slack";
pub(crate) const STACK_LIMIT: &str = "stack-limit";
const MANY_MAPS: &str = "many-maps";

/// From this part of a limit on, in percent, it is near.
pub(crate) const NEAR_PERCENT: u64 = 80;

/// Files named in one line; the others are counted.
const MOST_NAMED: usize = 3;

/// All findings, in the order of [`CODES`].
#[must_use]
pub fn audit(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(regions) = snapshot.regions.as_deref() else {
        return Vec::new();
    };
    let images = &snapshot.images;
    let state = |state| move |image: &&Image| image.state == state;
    let lines = [
        writable_code(regions),
        exec_stack(regions),
        named(
            DELETED_IMAGE,
            "gone from its path and still mapped",
            images.iter().filter(state(FileState::Deleted)),
        ),
        named(
            REPLACED_IMAGE,
            "another file by now; the old one is still mapped: restart to use the new",
            images.iter().filter(state(FileState::Replaced)),
        ),
        named(
            NO_RELRO,
            "no RELRO: its tables of pointers stay writable",
            images.iter().filter(|i| i.lacks_relro == Some(true)),
        ),
        arena_slack(snapshot.heap.as_ref()),
        main_stack(regions, snapshot.facts.stack_limit),
        deep_thread(
            snapshot.threads.as_deref().unwrap_or_default(),
            snapshot.facts.pid,
        ),
        many_maps(regions, snapshot.facts.most_maps),
    ];
    lines.into_iter().flatten().collect()
}

fn writable_code(regions: &[Region]) -> Option<Finding> {
    let mut both = regions
        .iter()
        .filter(|r| r.perms.write && r.perms.exec && r.kind != Kind::Stack)
        .peekable();
    let first = both.peek()?.start;
    let (count, bytes) = both.fold((0_usize, 0_u64), |(count, bytes), r| {
        (count + 1, bytes.saturating_add(r.len()))
    });
    let size = size(Some(Kib::from_bytes(bytes)), Unit::Bytes);
    Some(Finding {
        code: WRITABLE_CODE,
        text: format!(
            "{count} region{} writable and executable at once: {size}, the first at {:#x}",
            plural(count, " is", "s are"),
            first.0
        ),
    })
}

fn plural(count: usize, one: &'static str, more: &'static str) -> &'static str {
    if count == 1 { one } else { more }
}

fn exec_stack(regions: &[Region]) -> Option<Finding> {
    let stack = regions.iter().find(|r| r.kind == Kind::Stack && r.perms.exec)?;
    Some(Finding {
        code: EXEC_STACK,
        text: format!("the stack at {:#x} is executable", stack.start.0),
    })
}

/// One line for all images of which the same is to be said.
fn named<'a>(code: &'static str, what: &str, images: impl Iterator<Item = &'a Image>) -> Option<Finding> {
    let names: Vec<&str> = images
        .map(|image| image.object.shown.trim_end_matches(" (deleted)"))
        .collect();
    let (shown, rest) = names.split_at(names.len().min(MOST_NAMED));
    let more = match rest.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| Finding {
        code,
        text: format!("{}{more}: {what}", shown.join(", ")),
    })
}

/// Slack below this is not worth a line.
const MUCH_SLACK: Kib = Kib(16 << 10);

/// All arenas together, if half of what they hold is not allocated.
fn arena_slack(heap: Option<&HeapReport>) -> Option<Finding> {
    let zones = &heap?.zones;
    let sum = |get: fn(&ZoneReport) -> Option<Kib>| {
        zones
            .iter()
            .filter_map(get)
            .fold(0_u64, |sum, kib| sum.saturating_add(kib.0))
    };
    let slack = sum(ZoneReport::slack);
    let held =
        sum(|zone| zone.slack().and(zone.dirty)).saturating_add(sum(|zone| zone.slack().and(zone.swap)));
    let trim = sum(|zone| Some(Kib::from_bytes(zone.zone.counts.as_ref()?.trim_bytes)));
    (Kib(slack) >= MUCH_SLACK && slack >= held / 2).then(|| Finding {
        code: ARENA_SLACK,
        text: format!(
            "malloc holds {}, of which the program has not allocated {}; malloc_trim would return about {}",
            size(Some(Kib(held)), Unit::Bytes),
            size(Some(Kib(slack)), Unit::Bytes),
            size(Some(Kib(trim)), Unit::Bytes)
        ),
    })
}

fn main_stack(regions: &[Region], limit: Option<LimitValue>) -> Option<Finding> {
    let Some(LimitValue::Value(limit)) = limit else {
        return None;
    };
    let stack = regions.iter().find(|r| r.object.name == b"[stack]")?;
    let is_near = u128::from(stack.len()) * 100 >= u128::from(limit) * u128::from(NEAR_PERCENT);
    is_near.then(|| Finding {
        code: STACK_LIMIT,
        text: format!(
            "the main stack has grown to {} of the {} that RLIMIT_STACK allows",
            size(Some(Kib::from_bytes(stack.len())), Unit::Bytes),
            size(Some(Kib::from_bytes(limit)), Unit::Bytes)
        ),
    })
}

/// The deepest of the thread stacks that are nearly used up.
fn deep_thread(threads: &[Thread], main: i32) -> Option<Finding> {
    let part = |thread: &Thread| {
        let stack = thread.stack?;
        let used = u128::from(stack.high_water?) * 100;
        used.checked_div(u128::from(stack.len()))
    };
    let others = threads.iter().filter(|thread| thread.tid != main);
    let (percent, thread) = others
        .filter_map(|thread| Some((part(thread)?, thread)))
        .max_by_key(|(percent, _)| *percent)?;
    let stack = thread.stack.filter(|_| percent >= u128::from(NEAR_PERCENT))?;
    Some(Finding {
        code: STACK_LIMIT,
        text: format!(
            "thread {} ({}) has used {} of its stack of {}",
            thread.tid,
            thread.name,
            size(stack.high_water.map(Kib::from_bytes), Unit::Bytes),
            size(Some(Kib::from_bytes(stack.len())), Unit::Bytes)
        ),
    })
}

fn many_maps(regions: &[Region], most: Option<u64>) -> Option<Finding> {
    let (count, most) = (regions.len() as u64, most?);
    let is_near = u128::from(count) * 100 >= u128::from(most) * u128::from(NEAR_PERCENT);
    is_near.then(|| Finding {
        code: MANY_MAPS,
        text: format!("{count} mappings of the {most} that vm.max_map_count allows"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::testing::regions;
    use std::sync::Arc;

    const MAPS: &str = "\
10000-20000 rwxp 00000000 00:00 0 
30000-40000 rw-p 00000000 00:00 0 
7000000-7700000 rwxp 00000000 00:00 0                          [stack]
";

    fn seen() -> Vec<Region> {
        let mut regions = regions(MAPS);
        regions[2].kind = Kind::Stack;
        regions
    }

    #[test]
    fn regions_that_need_a_word_get_one() {
        let text = writable_code(&seen()).unwrap().text;
        assert_eq!(
            text,
            "1 region is writable and executable at once: 64K, the first at 0x10000"
        );
        assert_eq!(exec_stack(&seen()).unwrap().code, "exec-stack");
        let quiet = &seen()[1..2];
        assert_eq!((writable_code(quiet), exec_stack(quiet)), (None, None));
    }

    #[test]
    fn limits_speak_only_when_they_are_near() {
        let stack = |limit| main_stack(&seen(), Some(limit));
        assert!(stack(LimitValue::Value(8 << 20)).is_some());
        assert_eq!(stack(LimitValue::Value(9 << 20)), None);
        assert_eq!(stack(LimitValue::Unlimited), None);
        assert!(many_maps(&seen(), Some(3)).is_some());
        assert_eq!(many_maps(&seen(), Some(4)), None);
        assert_eq!(many_maps(&seen(), None), None);
    }

    #[test]
    fn images_share_one_line() {
        let image = |name: &str| Image {
            object: Arc::new(crate::Object {
                shown: format!("{name} (deleted)"),
                ..crate::Object::default()
            }),
            state: FileState::Deleted,
            lacks_relro: None,
        };
        let all: Vec<Image> = ["/a", "/b", "/c", "/d"].map(image).into();
        let line = named(DELETED_IMAGE, "gone", all.iter()).unwrap();
        assert_eq!(line.text, "/a, /b, /c and 1 more: gone");
        assert_eq!(named(DELETED_IMAGE, "gone", [].iter()), None);
    }
}
