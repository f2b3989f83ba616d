//! The fastbins of one arena ([`read`]): singly linked lists of small freed chunks that still look in use.

use super::memory::{Hole, Mapping, Why, mapping_at};
use super::state::State;
use super::window::{SLOT, Words};

/// What is in an arena's fastbins.
#[derive(Clone, Default, Debug)]
pub(super) struct Fastbins {
    /// The chunks' addresses, ascending.
    pub(super) chunks: Vec<u64>,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Where a list leads to memory that was not read: what follows in it is not here.
    pub(super) missing: Option<Hole>,
}

/// How the pointer at `place` is stored since 2.32: xored with the place's page number ("safe linking").
pub(super) fn reveal(place: u64, stored: u64) -> u64 {
    (place >> 12) ^ stored
}

/// Follow all lists. The error says what did not fit.
pub(super) fn read(words: &mut Words<'_>, state: &State, maps: &[Mapping]) -> Result<Fastbins, String> {
    let protected = lists(words, state, maps, true);
    match protected {
        Ok(fast) => Ok(fast),
        Err(why) => lists(words, state, maps, false).map_err(|_| why),
    }
}

/// Where one list stands.
struct At {
    chunk: u64,
    size: u64,
    /// The chunk that a circle would come back to (Brent): the one after 1, 2, 4, 8... steps.
    mark: u64,
    steps: u64,
}

impl At {
    /// Go on to the next chunk; false if the list has been there.
    fn advance(&mut self, next: u64) -> bool {
        self.steps += 1;
        if self.steps.is_power_of_two() {
            self.mark = self.chunk;
        }
        self.chunk = next;
        next == 0 || next != self.mark
    }
}

/// The list to go on with: one whose chunk is in memory that was just read, else the highest, so that lists which run over
/// the heap side by side read it once.
fn pick(lists: &mut [At], last: u64) -> Option<&mut At> {
    let is_near = |at: &At| at.chunk / SLOT == last / SLOT;
    lists
        .iter_mut()
        .filter(|at| at.chunk != 0)
        .max_by_key(|at| (is_near(at), at.chunk))
}

/// Memory that exists and was not read.
fn is_missing(hole: Hole) -> bool {
    matches!(hole.why, Why::Swapped | Why::Absent | Why::NotDumped)
}

fn lists(
    words: &mut Words<'_>,
    state: &State,
    maps: &[Mapping],
    protected: bool,
) -> Result<Fastbins, String> {
    let most = state.system_mem / 32 + 1;
    let mut fast = Fastbins::default();
    let heads = state.fastbins.iter().zip(0u64..);
    let mut lists: Vec<At> = heads
        .map(|(&chunk, index)| At {
            chunk,
            size: (index + 2) * 16,
            mark: 0,
            steps: 0,
        })
        .collect();
    let mut last = 0;
    while let Some(list) = pick(&mut lists, last) {
        let At { chunk, size, .. } = *list;
        last = chunk;
        let home = mapping_at(maps, chunk).filter(|m| m.write && m.is_private_anonymous());
        if chunk % 16 != 0 || home.is_none() {
            return Err(format!("the fastbin of {size} bytes leads to {chunk:#x}"));
        }
        let unreadable = || format!("the fastbin of {size} bytes leads to unreadable memory at {chunk:#x}");
        let head = match words.word(chunk.wrapping_add(8)) {
            Ok(head) => head,
            // The memory is there, but not to be had: this list ends early, and no more is wrong with it.
            Err(hole) if is_missing(hole) => {
                fast.missing.get_or_insert(hole);
                list.chunk = 0;
                continue;
            }
            Err(_) => return Err(unreadable()),
        };
        if head & !7 != size || fast.chunks.len() as u64 >= most {
            return Err(format!(
                "the fastbin of {size} bytes leads to another size at {chunk:#x}"
            ));
        }
        fast.chunks.push(chunk);
        fast.bytes = fast.bytes.saturating_add(size);
        let place = chunk.wrapping_add(16);
        let link = match words.word(place) {
            Ok(link) if protected => reveal(place, link),
            Ok(link) => link,
            Err(hole) if is_missing(hole) => {
                fast.missing.get_or_insert(hole);
                0
            }
            Err(_) => return Err(unreadable()),
        };
        // Only what was never seen is worth room: `most` is the target's own word, and may be any number.
        if !list.advance(link) {
            return Err(format!("the fastbin of {size} bytes is a circle"));
        }
    }
    fast.chunks.sort_unstable();
    match fast.chunks.windows(2).any(|pair| pair.first() == pair.last()) {
        true => Err("a fastbin leads to the same chunk twice".to_owned()),
        false => Ok(fast),
    }
}
