//! Intrusive lists over frames: a frame is in one list at most, and every operation takes constant time.
//!
//! Key type: [`Lists`], `N` lists over one table of links. The table grows when a frame is seen for the first time,
//! never by access. The front of a list is its young end.

use arch::FrameNum;

const NONE: u32 = u32::MAX;
const NOWHERE: u8 = u8::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    younger: u32,
    older: u32,
    list: u8,
    /// The policy's own.
    mark: u8,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    young: u32,
    old: u32,
    len: usize,
}

#[derive(Debug)]
pub(crate) struct Lists<const N: usize> {
    links: Vec<Link>,
    ends: [Ends; N],
}

impl<const N: usize> Lists<N> {
    pub(crate) fn new() -> Self {
        Self {
            links: Vec::new(),
            ends: [Ends {
                young: NONE,
                old: NONE,
                len: 0,
            }; N],
        }
    }

    /// How many frames one list has.
    pub(crate) fn len(&self, list: u8) -> usize {
        self.ends[usize::from(list)].len
    }

    /// How many frames all lists have.
    pub(crate) fn total(&self) -> usize {
        self.ends.iter().map(|ends| ends.len).sum()
    }

    /// The list that holds the frame.
    #[inline]
    pub(crate) fn list_of(&self, frame: FrameNum) -> Option<u8> {
        let link = self.links.get(frame.index())?;
        (link.list != NOWHERE).then_some(link.list)
    }

    pub(crate) fn mark(&self, frame: FrameNum) -> u8 {
        self.links[frame.index()].mark
    }

    pub(crate) fn set_mark(&mut self, frame: FrameNum, mark: u8) {
        self.links[frame.index()].mark = mark;
    }

    /// Puts a frame that is in no list at the young end, with mark 0.
    #[inline]
    pub(crate) fn push(&mut self, list: u8, frame: FrameNum) {
        self.cover(frame);
        let ends = &mut self.ends[usize::from(list)];
        let neighbour = std::mem::replace(&mut ends.young, frame.get());
        ends.len += 1;
        if neighbour == NONE {
            ends.old = frame.get();
        } else {
            self.links[neighbour as usize].younger = frame.get();
        }
        self.links[frame.index()] = Link {
            younger: NONE,
            older: neighbour,
            list,
            mark: 0,
        };
    }

    fn cover(&mut self, frame: FrameNum) {
        if frame.index() >= self.links.len() {
            let empty = Link {
                younger: NONE,
                older: NONE,
                list: NOWHERE,
                mark: 0,
            };
            self.links.resize(frame.index() + 1, empty);
        }
        assert!(
            self.links[frame.index()].list == NOWHERE,
            "frame {frame} is held already"
        );
    }

    /// Takes a frame out of its list and gives the list; nothing if it is in none.
    #[inline]
    pub(crate) fn remove(&mut self, frame: FrameNum) -> Option<u8> {
        let list = self.list_of(frame)?;
        let link = self.links[frame.index()];
        let ends = &mut self.ends[usize::from(list)];
        ends.len -= 1;
        if link.younger == NONE {
            ends.young = link.older;
        }
        if link.older == NONE {
            ends.old = link.younger;
        }
        if link.younger != NONE {
            self.links[link.younger as usize].older = link.older;
        }
        if link.older != NONE {
            self.links[link.older as usize].younger = link.younger;
        }
        self.links[frame.index()].list = NOWHERE;
        Some(list)
    }

    /// Moves a held frame to the young end of a list; its mark becomes 0.
    pub(crate) fn move_to(&mut self, list: u8, frame: FrameNum) {
        self.remove(frame);
        self.push(list, frame);
    }

    /// The frame at the old end.
    pub(crate) fn oldest(&self, list: u8) -> Option<FrameNum> {
        some(self.ends[usize::from(list)].old)
    }

    /// The neighbour of a held frame on its young side.
    pub(crate) fn younger(&self, frame: FrameNum) -> Option<FrameNum> {
        some(self.links[frame.index()].younger)
    }
}

fn some(frame: u32) -> Option<FrameNum> {
    (frame != NONE).then(|| FrameNum::new(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(lists: &mut Lists<2>, list: u8) -> Vec<u32> {
        let mut out = Vec::new();
        while let Some(frame) = lists.oldest(list) {
            lists.remove(frame);
            out.push(frame.get());
        }
        out
    }

    #[test]
    fn order_survives_removal_anywhere() {
        for gone in 0..4 {
            let mut lists = Lists::<2>::new();
            (0..4).for_each(|f| lists.push(0, FrameNum::new(f)));
            assert_eq!(lists.remove(FrameNum::new(gone)), Some(0));
            assert_eq!(lists.remove(FrameNum::new(gone)), None);
            lists.push(0, FrameNum::new(9));
            let rest: Vec<u32> = (0..4).filter(|&f| f != gone).chain([9]).collect();
            assert_eq!(drain(&mut lists, 0), rest);
            assert_eq!(lists.total(), 0);
        }
    }

    #[test]
    fn lists_are_separate_and_marks_go_with_a_move() {
        let mut lists = Lists::<2>::new();
        (0..3).for_each(|f| lists.push(0, FrameNum::new(f)));
        lists.set_mark(FrameNum::new(1), 5);
        lists.move_to(1, FrameNum::new(1));
        assert_eq!((lists.len(0), lists.len(1)), (2, 1));
        assert_eq!(lists.mark(FrameNum::new(1)), 0);
        assert_eq!(lists.younger(FrameNum::new(0)), Some(FrameNum::new(2)));
        assert_eq!(drain(&mut lists, 1), [1]);
        assert_eq!(drain(&mut lists, 0), [0, 2]);
    }
}
