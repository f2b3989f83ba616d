//! The short files: what this host's kernel writes comes back byte for byte, and what it would not write is refused.

use procfs::{FdInfo, LoadAvg, Mount, MountInfo, SchedStat, TaskIo, Text};

fn repeats<T: Text>(path: &str) {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return println!("{path} is not checked: {error}"),
    };
    let parsed = T::parse(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(
        parsed.print().escape_ascii().to_string(),
        bytes.escape_ascii().to_string(),
        "{path}"
    );
}

#[test]
fn this_hosts_files_come_back() {
    repeats::<LoadAvg>("/proc/loadavg");
    repeats::<TaskIo>("/proc/self/io");
    repeats::<SchedStat>("/proc/self/schedstat");
    repeats::<Vec<Mount>>("/proc/self/mounts");
    repeats::<Vec<MountInfo>>("/proc/self/mountinfo");
    for fd in std::fs::read_dir("/proc/self/fdinfo")
        .expect("this is Linux")
        .flatten()
    {
        repeats::<FdInfo>(&fd.path().display().to_string());
    }
}

#[test]
fn values_are_where_proc_5_puts_them() {
    let load = LoadAvg::parse(b"0.05 12.30 1.00 2/345 678\n").unwrap();
    assert_eq!(
        (load.centis, load.running, load.tasks, load.last_pid),
        ([5, 1230, 100], 2, 345, 678)
    );
    let info = FdInfo::parse(b"pos:\t-1\nflags:\t02100002\nmnt_id:\t7\nino:\t9\neventfd-count: 3\n").unwrap();
    assert_eq!(
        (info.position, info.flags, info.mount, info.inode),
        (-1, 0o2_100_002, 7, Some(9))
    );
    assert_eq!(info.more, b"eventfd-count: 3\n");
    let line = b"36 35 98:0 /mnt1 /mnt\\0402 rw shared:1 master:2 - ext3 /dev/root rw,errors=continue\n";
    let mounts = Vec::<MountInfo>::parse(line).unwrap();
    assert_eq!((mounts[0].fields.len(), &mounts[0].kind[..]), (2, &b"ext3"[..]));
    assert_eq!(mounts.print(), line);
}

#[test]
fn what_linux_would_not_write_is_refused() {
    for text in ["0.5 0.00 0.00 1/1 1\n", "0.05 0.00 0.00 1/1 1", "a", ""] {
        assert!(LoadAvg::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    for text in ["1 2\n", "1 2 3", "1 2 3 4\n", ""] {
        assert!(SchedStat::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    for text in [
        "pos:\t0\nflags:\t2\nmnt_id:\t1\n",
        "pos:\t0\nflags:\t008\nmnt_id:\t1\n",
        "pos: 0\n",
    ] {
        assert!(FdInfo::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(Vec::<Mount>::parse(b"a b c d 1 0\n").is_err());
    assert!(Vec::<MountInfo>::parse(b"1 2 3:4 / / rw ext4 /dev/root rw\n").is_err());
    assert!(TaskIo::parse(b"rchar: 1\n").is_err());
}
