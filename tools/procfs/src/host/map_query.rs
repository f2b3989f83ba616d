//! PROCMAP_QUERY (Linux 6.11, `include/uapi/linux/fs.h`): the mapping at one address, without the text of all the others.

use super::first_error;
use crate::{Addr, Device, MapAt, MapFind, MapsLine, Perms};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, opcode};
use std::ffi::c_void;
use std::io;
use std::os::fd::BorrowedFd;

/// `struct procmap_query`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Query {
    size: u64,
    query_flags: u64,
    query_addr: u64,
    vma_start: u64,
    vma_end: u64,
    vma_flags: u64,
    vma_page_size: u64,
    vma_offset: u64,
    inode: u64,
    dev_major: u32,
    dev_minor: u32,
    vma_name_size: u32,
    build_id_size: u32,
    vma_name_addr: u64,
    build_id_addr: u64,
}

const _: () = assert!(size_of::<Query>() == 104);

const READABLE: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const EXECUTABLE: u64 = 1 << 2;
const SHARED: u64 = 1 << 3;
const COVERING_OR_NEXT: u64 = 1 << 4;

/// The longest name, PATH_MAX with its NUL: the kernel takes no larger buffer.
const NAME_BYTES: usize = 4096;
/// The longest build id that the kernel gives.
const BUILD_ID_BYTES: usize = 20;

/// One call and where its answers go.
struct Request<'a> {
    query: Query,
    _name: &'a mut [u8; NAME_BYTES],
    _build_id: &'a mut [u8; BUILD_ID_BYTES],
}

impl<'a> Request<'a> {
    fn new(
        addr: Addr,
        find: MapFind,
        name: &'a mut [u8; NAME_BYTES],
        build_id: &'a mut [u8; BUILD_ID_BYTES],
    ) -> Self {
        let query = Query {
            size: size_of::<Query>() as u64,
            query_flags: match find {
                MapFind::Covering => 0,
                MapFind::CoveringOrNext => COVERING_OR_NEXT,
            },
            query_addr: addr.0,
            vma_name_size: NAME_BYTES as u32,
            build_id_size: BUILD_ID_BYTES as u32,
            vma_name_addr: name.as_mut_ptr().expose_provenance() as u64,
            build_id_addr: build_id.as_mut_ptr().expose_provenance() as u64,
            ..Query::default()
        };
        Self {
            query,
            _name: name,
            _build_id: build_id,
        }
    }
}

// SAFETY: the opcode is PROCMAP_QUERY with its argument's size. The kernel reads and writes `query`, and writes at most the stated sizes at
// the two addresses; `Request::new` sets them from arrays of those sizes, borrowed mutably as long as the value lives.
unsafe impl Ioctl for Request<'_> {
    type Output = Query;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode::read_write::<Query>(b'f', 17)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut self.query).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, query: *mut c_void) -> rustix::io::Result<Query> {
        // SAFETY: rustix gives back the pointer of `as_ptr`, whose `Query` still lives.
        Ok(unsafe { *query.cast::<Query>() })
    }
}

/// The mapping at (or next above) `addr` of the process whose `maps` is open; `None` if there is none.
pub(crate) fn query_map(maps: BorrowedFd<'_>, addr: Addr, find: MapFind) -> io::Result<Option<MapAt>> {
    let (mut name, mut build_id) = ([0; NAME_BYTES], [0; BUILD_ID_BYTES]);
    let answer = loop {
        let request = Request::new(addr, find, &mut name, &mut build_id);
        // SAFETY: `Request` upholds what `Ioctl` asks for; on a file that is no maps the kernel answers ENOTTY.
        match unsafe { rustix::ioctl::ioctl(maps, request) } {
            Ok(answer) => break answer,
            Err(Errno::INTR) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(first_error(errno, "PROCMAP_QUERY", "6.11")),
        }
    };
    let is = |flag| answer.vma_flags & flag != 0;
    let name = name.get(..answer.vma_name_size as usize).unwrap_or_default();
    let build_id = build_id.get(..answer.build_id_size as usize).unwrap_or_default();
    Ok(Some(MapAt {
        map: MapsLine {
            start: Addr(answer.vma_start),
            end: Addr(answer.vma_end),
            perms: Perms {
                read: is(READABLE),
                write: is(WRITABLE),
                exec: is(EXECUTABLE),
                shared: is(SHARED),
            },
            offset: answer.vma_offset,
            device: Device {
                major: answer.dev_major,
                minor: answer.dev_minor,
            },
            inode: answer.inode,
            name: MapsLine::escape(name.strip_suffix(b"\0").unwrap_or(name)),
        },
        page_bytes: Some(answer.vma_page_size),
        build_id: Some(build_id.to_vec()),
    }))
}
