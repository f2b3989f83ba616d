//! Memory that was dumped, such as an ELF core file's ([`DumpedMemory`]).
//!
//! Nothing runs behind it, so reading faults nothing in and needs no mask: a dump has no `pagemap`, and what is not dumped
//! is an error, never zeros. What was in RAM is not known.
//!
//! Neighbour: `proc_memory`, for processes that live.

use super::memory::{Hole, Mapping, Memory, Why, mapping_at};
use procfs::Root;

/// The smallest and the largest piece in which [`Memory::next_touched`] looks for bytes.
const PIECES: (usize, usize) = (4 << 10, 64 << 10);

/// The memory of a process in a dump behind a [`Root`].
pub(crate) struct DumpedMemory<'a> {
    root: &'a dyn Root,
    path: String,
    maps: &'a [Mapping],
}

impl<'a> DumpedMemory<'a> {
    /// The dumped memory of `pid`, whose mappings are `maps` (ascending); `None` if processes run behind the root, or it has no memory, or
    /// has a `pagemap` to go by.
    pub(crate) fn new(root: &'a dyn Root, pid: i32, maps: &'a [Mapping]) -> Option<Self> {
        if root.is_live() {
            return None;
        }
        let names = root.list(&pid.to_string()).ok()?;
        let has = |name: &[u8]| names.iter().any(|n| n == name);
        (has(b"mem") && !has(b"pagemap")).then(|| Self {
            root,
            path: format!("{pid}/mem"),
            maps,
        })
    }

    /// Bytes from `addr` on that are there without a gap, `buf.len()` at most.
    fn dumped(&self, addr: u64, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(at) = addr.checked_add(done as u64) else {
                break;
            };
            match self.root.read_at(&self.path, at, rest) {
                Ok(0) | Err(_) => break,
                Ok(got) => done += got,
            }
        }
        done
    }

    /// The hole at `at`: mappings are dumped from their start on, so it goes to the mapping's end.
    fn hole(&self, at: u64) -> Hole {
        let (end, why) = match mapping_at(self.maps, at) {
            Some(map) => (map.end, Why::NotDumped),
            None => {
                let next = self.maps.partition_point(|m| m.start <= at);
                let end = self.maps.get(next).map_or(u64::MAX, |m| m.start);
                (end.max(at.saturating_add(1)), Why::Unmapped)
            }
        };
        Hole { at, end, why }
    }
}

impl Memory for DumpedMemory<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Hole> {
        let got = self.dumped(addr, buf);
        match got == buf.len() {
            true => Ok(()),
            false => Err(self.hole(addr.saturating_add(got as u64))),
        }
    }

    fn next_touched(&self, from: u64, end: u64) -> Option<u64> {
        let mut bytes = vec![0; PIECES.1];
        let (mut at, mut piece) = (from, PIECES.0);
        while at < end {
            let room = usize::try_from(end - at).unwrap_or(usize::MAX).min(piece);
            let part = bytes.get_mut(..room)?;
            let got = self.dumped(at, part);
            if let Some(offset) = part.iter().take(got).position(|&byte| byte != 0) {
                return Some(at + offset as u64);
            }
            at = match got {
                0 => self.hole(at).end,
                got => at.saturating_add(got as u64),
            };
            piece = PIECES.1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::RootError;
    use std::io::{Error, Read};

    /// 64 bytes at 0x1000, each its own number less the first 16, which are 0; and one byte at 0x3000. `names` are its files.
    struct Dump {
        names: &'static [&'static str],
        is_live: bool,
    }

    impl Root for Dump {
        fn describe(&self) -> String {
            "dump".into()
        }
        fn open(&self, path: &str) -> Result<Box<dyn Read + Send + '_>, RootError> {
            Err(RootError::new("open", path, Error::from_raw_os_error(2)))
        }
        fn read_at(&self, path: &str, offset: u64, buf: &mut [u8]) -> Result<usize, RootError> {
            assert_eq!(path, "5/mem");
            // Pieces of 24, as a dump whose segments lie side by side.
            let memory: Vec<u8> = match offset {
                0x1000..0x1040 => (offset - 0x1000..64).take(24).map(|n| n as u8).collect(),
                0x3000 => vec![9],
                _ => return Err(RootError::new("read", path, Error::other("not dumped"))),
            };
            let got = memory.len().min(buf.len());
            for (to, from) in buf.iter_mut().zip(memory) {
                *to = if from < 16 && offset < 0x2000 { 0 } else { from };
            }
            Ok(got)
        }
        fn read_link(&self, path: &str) -> Result<Vec<u8>, RootError> {
            Err(RootError::new("read link", path, Error::from_raw_os_error(2)))
        }
        fn list(&self, path: &str) -> Result<Vec<Vec<u8>>, RootError> {
            assert_eq!(path, "5");
            Ok(self.names.iter().map(|n| n.as_bytes().to_vec()).collect())
        }
        fn is_live(&self) -> bool {
            self.is_live
        }
    }

    fn maps() -> Vec<Mapping> {
        [(0x1000, 0x2000), (0x3000, 0x4000)]
            .map(|(start, end)| Mapping {
                start,
                end,
                ..Mapping::default()
            })
            .to_vec()
    }

    #[test]
    fn what_was_not_dumped_is_a_hole() {
        let dump = Dump {
            names: &["mem", "maps"],
            is_live: false,
        };
        let maps = maps();
        let memory = DumpedMemory::new(&dump, 5, &maps).unwrap();
        let mut bytes = [1; 64];
        assert_eq!(memory.read(0x1000, &mut bytes), Ok(()));
        assert_eq!((bytes[15], bytes[16], bytes[63]), (0, 16, 63));
        let hole = |at, end, why| Err(Hole { at, end, why });
        assert_eq!(
            memory.read(0x1020, &mut bytes),
            hole(0x1040, 0x2000, Why::NotDumped)
        );
        assert_eq!(bytes[31], 63, "what is below the hole is filled");
        assert_eq!(
            memory.read(0x2000, &mut bytes),
            hole(0x2000, 0x3000, Why::Unmapped)
        );
        let last = memory.read(u64::MAX, &mut bytes);
        assert_eq!(last, hole(u64::MAX, u64::MAX, Why::Unmapped));
        assert_eq!(memory.next_touched(0x1000, 0x4000), Some(0x1010));
        assert_eq!(memory.next_touched(0x1030, 0x4000), Some(0x1030));
        assert_eq!(memory.next_touched(0x1040, 0x4000), Some(0x3000));
        assert_eq!(memory.next_touched(0x3001, u64::MAX), None);
        assert_eq!(memory.resident(0x1000, 0x2000), None);
    }

    #[test]
    fn only_a_dump_is_read_without_a_mask() {
        let of = |names, is_live| DumpedMemory::new(&Dump { names, is_live }, 5, &maps()).is_some();
        assert!(of(&["mem"], false));
        assert!(!of(&["mem"], true), "processes run there");
        assert!(!of(&["mem", "pagemap"], false), "there is a mask");
        assert!(!of(&["smaps"], false), "a saved folder has no memory");
    }
}
