//! One mapping by an address in it ([`MapAt`]): by PROCMAP_QUERY where the kernel has it, else from `PID/maps`.

use crate::{Addr, MapsLine, MapsReader, Root, RootError};
use std::io::BufReader;

/// Which mapping is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapFind {
    /// The one that holds the address.
    Covering,
    /// That, or else the next one above.
    CoveringOrNext,
}

/// A mapping that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MapAt {
    /// The mapping, as its line in `maps` says.
    pub map: MapsLine,
    /// The page size of the mapping, bytes; `None` if it was not asked (from `maps`).
    pub page_bytes: Option<u64>,
    /// The build id of the ELF file that is mapped, empty if there is none or it is not in RAM; `None` if it was not asked.
    pub build_id: Option<Vec<u8>>,
}

impl dyn Root + '_ {
    /// The mapping of `pid` at `addr`: a microsecond by [`Root::query_map`] on this host since Linux 6.11, else one pass over `PID/maps`.
    ///
    /// # Errors
    /// [`RootError`] if neither can be read.
    pub fn map_at(&self, pid: i32, addr: Addr, find: MapFind) -> Result<Option<MapAt>, RootError> {
        match self.query_map(pid, addr, find) {
            Err(e) if e.is_unsupported() => self.map_at_in_text(pid, addr, find),
            result => result,
        }
    }

    fn map_at_in_text(&self, pid: i32, addr: Addr, find: MapFind) -> Result<Option<MapAt>, RootError> {
        let path = format!("{pid}/maps");
        for map in MapsReader::new(BufReader::new(self.open(&path)?)) {
            let map = map.map_err(|e| RootError::new("read", &path, e))?;
            if addr < map.end {
                let is_it = map.start <= addr || find == MapFind::CoveringOrNext;
                return Ok(is_it.then_some(MapAt {
                    map,
                    page_bytes: None,
                    build_id: None,
                }));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DirRoot;

    #[test]
    fn a_saved_text_is_searched() {
        let root = DirRoot::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/arm64-16k"));
        let root: &dyn Root = &root;
        let maps = root.parse::<Vec<MapsLine>>("7/maps").unwrap();
        let (first, last) = (&maps[0], &maps[maps.len() - 1]);
        let find = |addr, find| root.map_at(7, addr, find).unwrap().map(|at| at.map);
        assert_eq!(find(first.start, MapFind::Covering).as_ref(), Some(first));
        assert_eq!(find(Addr(0), MapFind::Covering), None);
        assert_eq!(find(Addr(0), MapFind::CoveringOrNext).as_ref(), Some(first));
        assert_eq!(find(last.end, MapFind::CoveringOrNext), None);
        assert!(root.map_at(8, Addr(0), MapFind::Covering).unwrap_err().is_gone());
    }
}
