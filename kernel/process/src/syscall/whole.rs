//! Calls on a whole file or directory: its entries, its length, its way to the disk.

use abi::Errno;
use abi::fs::encode_dirent;
use abi::nr;

use super::{Answer, Call, Handler};
use crate::file::host::errno;
use crate::file::stat::entry_kind;
use crate::file::{DirEntry, Kind};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::GETDENTS64, getdents64),
    (nr::FTRUNCATE, ftruncate),
    (nr::FSYNC, fsync),
    (nr::FDATASYNC, fsync),
    (nr::SYNC, sync),
    (nr::FADVISE64, fadvise64),
];

/// The entries of a directory of the host, `.` and `..` with them.
fn host_entries(host: &std::os::fd::OwnedFd) -> Result<Vec<DirEntry>, Errno> {
    let directory = rustix::fs::Dir::read_from(host).map_err(errno)?;
    let mut entries = Vec::new();
    for entry in directory {
        let entry = entry.map_err(errno)?;
        entries.push(DirEntry {
            name: entry.file_name().to_bytes().to_vec(),
            inode: entry.ino(),
            kind: entry_kind(entry.file_type()),
        });
    }
    Ok(entries)
}

fn getdents64(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    let (at, room) = (call.args[1], call.args[2] as u32 as usize);
    let first = file.position() as usize;
    let mut out = Vec::new();
    let mut next = first;
    let mut fits = |entries: &[DirEntry]| {
        for entry in entries.iter().skip(first) {
            let bytes = encode_dirent(entry.inode, next as u64 + 1, entry.kind, &entry.name);
            if out.len() + bytes.len() > room {
                return next < entries.len() && out.is_empty();
            }
            out.extend_from_slice(&bytes);
            next += 1;
        }
        false
    };
    let too_small = match &file.kind {
        Kind::Directory { host, entries } => {
            let mut known = entries.borrow_mut();
            if known.is_none() || first == 0 {
                *known = Some(host_entries(host)?);
            }
            fits(known.as_deref().unwrap_or(&[]))
        }
        Kind::Listing(entries) => fits(entries),
        _ => return Err(Errno::ENOTDIR.into()),
    };
    if too_small {
        return Err(Errno::EINVAL.into());
    }
    call.write(at, &out)?;
    file.set_position(next as u64);
    Ok(out.len() as u64)
}

fn ftruncate(call: &mut Call<'_>) -> Answer {
    let length = call.args[1];
    if length > i64::MAX as u64 {
        return Err(Errno::EINVAL.into());
    }
    let file = call.file(call.int(0))?;
    let Kind::Regular { memory, host, .. } = &file.kind else {
        return Err(Errno::EINVAL.into());
    };
    if !file.writable() {
        return Err(Errno::EINVAL.into());
    }
    if let Some(seals) = memory.seals() {
        seals.may_resize(call.kernel.memory.file_length(memory.id()).get(), length)?;
    }
    if let Some(host) = host {
        rustix::fs::ftruncate(host, length).map_err(errno)?;
    }
    call.kernel.memory.file_resized(memory.id(), length);
    Ok(0)
}

/// The host does the waiting for its disk; this is the one call in which it may take time.
fn fsync(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    match (&file.kind, file.host()) {
        (Kind::Regular { .. } | Kind::Directory { .. }, Some(host)) => {
            rustix::fs::fsync(host).map_err(errno)?;
            Ok(0)
        }
        (Kind::Regular { .. }, None) => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn sync(_: &mut Call<'_>) -> Answer {
    rustix::fs::sync();
    Ok(0)
}

/// Advice about a file that the host caches as it sees fit.
fn fadvise64(call: &mut Call<'_>) -> Answer {
    let file = call.file(call.int(0))?;
    match file.kind {
        Kind::Pipe(_) => Err(Errno::ESPIPE.into()),
        _ if call.args[3] > 5 => Err(Errno::EINVAL.into()),
        _ => Ok(0),
    }
}
