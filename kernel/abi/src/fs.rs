//! File layouts and numbers: `stat(2)`, `statx(2)`, `statfs(2)`, `getdents64(2)`.

use crate::bytes::Layout;
use crate::time::Timespec;

/// `AT_FDCWD`: paths are relative to the working directory.
pub const AT_FDCWD: i32 = -100;
/// `S_IFMT`, the type bits of a mode.
pub const S_IFMT: u32 = 0o170000;
/// A character device.
pub const S_IFCHR: u32 = 0o020000;
/// File type: a block device.
pub const S_IFBLK: u32 = 0o060000;
/// A socket.
pub const S_IFSOCK: u32 = 0o140000;
/// A pipe.
pub const S_IFIFO: u32 = 0o010000;
/// A directory.
pub const S_IFDIR: u32 = 0o040000;
/// A regular file.
pub const S_IFREG: u32 = 0o100000;
/// A symbolic link.
pub const S_IFLNK: u32 = 0o120000;

/// `DT_DIR` of a directory entry.
pub const DT_DIR: u8 = 4;
/// `DT_REG` of a directory entry.
pub const DT_REG: u8 = 8;
/// `DT_LNK` of a directory entry.
pub const DT_LNK: u8 = 10;

/// `SEEK_SET`.
pub const SEEK_SET: u64 = 0;
/// `SEEK_CUR`.
pub const SEEK_CUR: u64 = 1;
/// `SEEK_END`.
pub const SEEK_END: u64 = 2;
/// `SEEK_DATA`.
pub const SEEK_DATA: u64 = 3;
/// `SEEK_HOLE`.
pub const SEEK_HOLE: u64 = 4;

/// The most vectors of one `readv(2)` (`UIO_MAXIOV`).
pub const IOV_MAX: u64 = 1024;
/// The longest path with its terminator (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;
/// The most bytes of one read or write (`MAX_RW_COUNT` at 4 KiB pages).
pub const MAX_RW_COUNT: u64 = 0x7fff_f000;

/// `fcntl(2)` commands.
#[expect(missing_docs, reason = "fcntl(2) names them")]
pub mod fcntl {
    pub const F_DUPFD: u64 = 0;
    pub const F_GETFD: u64 = 1;
    pub const F_SETFD: u64 = 2;
    pub const F_GETFL: u64 = 3;
    pub const F_SETFL: u64 = 4;
    pub const F_GETLK: u64 = 5;
    pub const F_SETLK: u64 = 6;
    pub const F_SETLKW: u64 = 7;
    pub const F_OFD_GETLK: u64 = 36;
    pub const F_OFD_SETLK: u64 = 37;
    pub const F_OFD_SETLKW: u64 = 38;
    pub const F_DUPFD_CLOEXEC: u64 = 1030;
    pub const F_ADD_SEALS: u64 = 1033;
    pub const F_GET_SEALS: u64 = 1034;
    pub const F_SEAL_SEAL: u32 = 1;
    pub const F_SEAL_SHRINK: u32 = 2;
    pub const F_SEAL_GROW: u32 = 4;
    pub const F_SEAL_WRITE: u32 = 8;
    pub const F_SEAL_FUTURE_WRITE: u32 = 16;
    pub const F_SEAL_EXEC: u32 = 32;
    pub const F_RDLCK: u16 = 0;
    pub const F_WRLCK: u16 = 1;
    pub const F_SETPIPE_SZ: u64 = 1031;
    pub const F_GETPIPE_SZ: u64 = 1032;
    pub const FD_CLOEXEC: u64 = 1;
    pub const F_UNLCK: u16 = 2;
}

/// What the three `stat` calls tell about a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stat {
    /// Device, as `makedev(3)` packs it.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Hard links.
    pub links: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The device that a device file stands for.
    pub rdev: u64,
    /// Size in bytes.
    pub size: u64,
    /// Size of a block for good I/O.
    pub block_size: u32,
    /// Blocks of 512 bytes in use.
    pub blocks: u64,
    /// Last access.
    pub accessed: Timespec,
    /// Last change of the content.
    pub modified: Timespec,
    /// Last change of the inode.
    pub changed: Timespec,
}

/// Major number of a packed device (`gnu_dev_major`).
pub const fn major(device: u64) -> u32 {
    ((device >> 8 & 0xfff) | (device >> 32 & 0xffff_f000)) as u32
}

/// Minor number of a packed device (`gnu_dev_minor`).
pub const fn minor(device: u64) -> u32 {
    ((device & 0xff) | (device >> 12 & 0xffff_ff00)) as u32
}

/// Packs a device number as `makedev(3)` does.
pub const fn makedev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    (major & 0xfff) << 8 | (major & 0xffff_f000) << 32 | (minor & 0xff) | (minor & 0xffff_ff00) << 12
}

impl Stat {
    /// `struct stat`: 128 bytes.
    pub fn encode(&self) -> [u8; 128] {
        Layout::default()
            .u64(0, self.device)
            .u64(8, self.inode)
            .u32(16, self.mode)
            .u32(20, self.links)
            .u32(24, self.uid)
            .u32(28, self.gid)
            .u64(32, self.rdev)
            .u64(48, self.size)
            .u32(56, self.block_size)
            .u64(64, self.blocks)
            .put(72, &self.accessed.encode())
            .put(88, &self.modified.encode())
            .put(104, &self.changed.encode())
            .finish()
    }

    /// `struct statx` with `STATX_BASIC_STATS`: 256 bytes.
    pub fn encode_statx(&self) -> [u8; 256] {
        const BASIC_STATS: u32 = 0x7ff;
        Layout::default()
            .u32(0, BASIC_STATS)
            .u32(4, self.block_size)
            .u32(16, self.links)
            .u32(20, self.uid)
            .u32(24, self.gid)
            .u16(28, self.mode as u16)
            .u64(32, self.inode)
            .u64(40, self.size)
            .u64(48, self.blocks)
            .put(64, &self.accessed.encode())
            .put(96, &self.changed.encode())
            .put(112, &self.modified.encode())
            .u32(128, major(self.rdev))
            .u32(132, minor(self.rdev))
            .u32(136, major(self.device))
            .u32(140, minor(self.device))
            .finish()
    }
}

/// What `statfs(2)` tells about a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statfs {
    /// Magic number of its type.
    pub kind: u64,
    /// Block size.
    pub block_size: u64,
    /// Blocks: all, free, free for users.
    pub blocks: [u64; 3],
    /// Inodes: all, free.
    pub files: [u64; 2],
    /// The longest name.
    pub name_length: u64,
}

impl Statfs {
    /// `struct statfs`: 120 bytes.
    pub fn encode(&self) -> [u8; 120] {
        Layout::default()
            .u64(0, self.kind)
            .u64(8, self.block_size)
            .u64(16, self.blocks[0])
            .u64(24, self.blocks[1])
            .u64(32, self.blocks[2])
            .u64(40, self.files[0])
            .u64(48, self.files[1])
            .u64(64, self.name_length)
            .u64(72, self.block_size)
            .finish()
    }
}

/// One `struct linux_dirent64`, padded to 8 bytes. `next` is what `lseek` would take to go on after it.
pub fn encode_dirent(inode: u64, next: u64, kind: u8, name: &[u8]) -> Vec<u8> {
    const NAME: usize = 19;
    let length = (NAME + name.len() + 1).next_multiple_of(8);
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(&inode.to_le_bytes());
    out.extend_from_slice(&next.to_le_bytes());
    out.extend_from_slice(&(length as u16).to_le_bytes());
    out.push(kind);
    out.extend_from_slice(name);
    out.resize(length, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `makedev(3)`: 8:1 is 0x801, 259:300 is 0x1 0312c.
    #[test]
    fn devices_pack_as_glibc_packs_them() {
        assert_eq!(makedev(8, 1), 0x801);
        assert_eq!(makedev(259, 300), 0x11_032c);
        for (a, b) in [(8, 1), (259, 300), (0x1_2345, 0x4_5678)] {
            assert_eq!((major(makedev(a, b)), minor(makedev(a, b))), (a, b));
        }
    }

    /// Offsets from `offsetof` in a program built for arm64.
    #[test]
    fn stat_fields_lie_where_linux_has_them() {
        let stat = Stat {
            mode: 0o100644,
            size: 5,
            block_size: 4096,
            modified: Timespec::from_ns(9_000_000_000),
            device: makedev(8, 1),
            ..Stat::default()
        };
        let bytes = stat.encode();
        assert_eq!((bytes[48], bytes[57], bytes[88]), (5, 16, 9));
        assert_eq!(&bytes[16..20], &0o100644u32.to_le_bytes());
        let bytes = stat.encode_statx();
        assert_eq!((bytes[40], bytes[112], bytes[136], bytes[140]), (5, 9, 8, 1));
    }

    #[test]
    fn a_directory_entry_is_padded() {
        let entry = encode_dirent(7, 1, DT_REG, b"abcde");
        assert_eq!(entry.len(), 32);
        assert_eq!((entry[0], entry[8], entry[16], entry[18]), (7, 1, 32, 8));
        assert_eq!(&entry[19..25], b"abcde\0");
        assert_eq!(encode_dirent(7, 1, DT_REG, b"abcd").len(), 24);
    }
}
