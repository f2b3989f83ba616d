//! What the walker reads from: [`Memory`], its holes ([`Hole`], [`Why`]) and the address space ([`Mapping`]).

use procfs::MapsLine;

/// The memory of a process: live, stopped, or a core file. Reading changes nothing in it.
pub trait Memory {
    /// Fill `buf` with the bytes from `addr` on.
    ///
    /// # Errors
    /// The first [`Hole`]; the bytes of `buf` below `hole.at` have been filled.
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), Hole>;

    /// The first address in `from..end` that may hold bytes other than zero; `None` if there is none. It lets a search
    /// skip memory that was never touched.
    fn next_touched(&self, from: u64, end: u64) -> Option<u64> {
        (from < end).then_some(from)
    }

    /// How many bytes of `start..end` are in RAM; `None` if that is not known.
    fn resident(&self, start: u64, end: u64) -> Option<u64> {
        let _ = (start, end);
        None
    }
}

/// A stretch of memory that was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hole {
    /// The first address that is not readable.
    pub at: u64,
    /// The end of the stretch as far as it is known: above `at`.
    pub end: u64,
    /// Why it is not read.
    pub why: Why,
}

/// Why memory was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// In swap: reading would bring it back.
    Swapped,
    /// Not present, and what it would hold is known only to a file or a user-space pager.
    Absent,
    /// A guard page, or memory without read permission.
    Guard,
    /// No mapping.
    Unmapped,
    /// Mapped, but the core file does not hold it.
    NotDumped,
    /// The system refused, or the process is gone.
    Failed,
}

/// One mapping, as far as the walker must know it. A list of them is sorted by address and does not overlap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address past the end.
    pub end: u64,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub exec: bool,
    /// MAP_SHARED.
    pub shared: bool,
    /// Whether a file (or shared memory object) backs it.
    pub has_file: bool,
    /// The name as `maps` prints it: a path, `[heap]`, `[anon:...]`, or nothing.
    pub name: Box<str>,
}

impl Mapping {
    /// Private and without a file. The kernel's own (`[vdso]`, `[vvar]`...) are none.
    #[must_use]
    pub fn is_private_anonymous(&self) -> bool {
        let plain = self.name.is_empty() || self.name.starts_with("[anon:");
        !self.shared && !self.has_file && (plain || matches!(&*self.name, "[heap]" | "[stack]"))
    }

    /// The name's last part, without ` (deleted)`.
    #[must_use]
    pub fn file_name(&self) -> &str {
        let name = self.name.strip_suffix(" (deleted)").unwrap_or(&self.name);
        name.rsplit('/').next().unwrap_or(name)
    }

    /// What `prctl(PR_SET_VMA_ANON_NAME)` called it.
    #[must_use]
    pub fn anon_name(&self) -> Option<&str> {
        self.name.strip_prefix("[anon:")?.strip_suffix(']')
    }

    /// Length in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether `addr` lies in it.
    #[must_use]
    pub fn contains(&self, addr: u64) -> bool {
        (self.start..self.end).contains(&addr)
    }
}

impl From<&MapsLine> for Mapping {
    fn from(line: &MapsLine) -> Self {
        Self {
            start: line.start.0,
            end: line.end.0,
            read: line.perms.read,
            write: line.perms.write,
            exec: line.perms.exec,
            shared: line.perms.shared,
            has_file: line.has_file(),
            name: String::from_utf8_lossy(&line.name).into(),
        }
    }
}

/// The mapping that holds `addr`.
pub(super) fn mapping_at(maps: &[Mapping], addr: u64) -> Option<&Mapping> {
    let after = maps.partition_point(|m| m.start <= addr);
    maps.get(after.checked_sub(1)?).filter(|m| m.contains(addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_kinds() {
        let map = |name: &str, has_file, shared| Mapping {
            name: name.into(),
            has_file,
            shared,
            ..Mapping::default()
        };
        assert!(map("", false, false).is_private_anonymous());
        assert!(map("[heap]", false, false).is_private_anonymous());
        assert!(map("[anon: glibc: malloc]", false, false).is_private_anonymous());
        assert!(!map("[vvar]", false, false).is_private_anonymous());
        assert!(!map("/memfd:x (deleted)", true, true).is_private_anonymous());
        assert_eq!(
            map("/usr/lib/libc.so.6 (deleted)", true, false).file_name(),
            "libc.so.6"
        );
        assert_eq!(
            map("[anon: Go: heap]", false, false).anon_name(),
            Some(" Go: heap")
        );
    }

    #[test]
    fn the_mapping_of_an_address() {
        let at = |start, end| Mapping {
            start,
            end,
            ..Mapping::default()
        };
        let maps = [at(0x1000, 0x2000), at(0x3000, 0x4000)];
        assert_eq!(mapping_at(&maps, 0x1fff).map(|m| m.start), Some(0x1000));
        assert_eq!(mapping_at(&maps, 0x2000), None);
        assert_eq!(mapping_at(&maps, 0), None);
        assert_eq!(mapping_at(&maps, u64::MAX), None);
    }
}
