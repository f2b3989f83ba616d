//! Property: parse(print(x)) == x, for values that Linux could print; and no text makes a parser panic.

use procfs::{
    Addr, AuxEntry, Auxv, Counts, CpuTimes, Device, Ids, Kib, KnownVmFlags, Limit, LimitValue, Limits,
    MapsLine, MemCounter, MemInfo, Octal, Perms, PidStat, Set, SmapsEntry, SmapsRollup, Statm, Status,
    SystemStat, Text, Uptime, VmFlags, VmStat,
};
use proptest::prelude::*;

fn maps_line() -> impl Strategy<Value = MapsLine> {
    let name = prop_oneof![
        Just(Vec::new()),
        "(/[ -~]{0,40}|\\[[a-z:_ ]{1,20}\\])".prop_map(String::into_bytes)
    ];
    let bounds = (0..u64::MAX, 1_u64..).prop_map(|(start, len)| (start, start.saturating_add(len)));
    (
        bounds,
        any::<[bool; 4]>(),
        any::<u64>(),
        any::<(u32, u32)>(),
        any::<u64>(),
        name,
    )
        .prop_map(
            |((start, end), [read, write, exec, shared], offset, (major, minor), inode, name)| MapsLine {
                start: Addr(start),
                end: Addr(end),
                perms: Perms {
                    read,
                    write,
                    exec,
                    shared,
                },
                offset,
                device: Device { major, minor },
                inode,
                name,
            },
        )
}

fn kib() -> impl Strategy<Value = Option<Kib>> {
    prop::option::of(any::<u64>().prop_map(Kib))
}

fn counts() -> impl Strategy<Value = Counts> {
    prop::collection::vec(kib(), 8).prop_map(|v| Counts {
        rss: v[0],
        pss: v[1],
        private_dirty: v[2],
        anonymous: v[3],
        lazy_free: v[4],
        swap: v[5],
        swap_pss: v[6],
        locked: v[7],
        ..Counts::default()
    })
}

fn smaps_entry() -> impl Strategy<Value = SmapsEntry> {
    let flags =
        prop::option::of(any::<u64>().prop_map(|b| VmFlags::from_known(KnownVmFlags::from_bits_truncate(b))));
    (maps_line(), counts(), kib(), any::<Option<u32>>(), flags).prop_map(
        |(map, counts, size, key, vm_flags)| SmapsEntry {
            map,
            size,
            counts,
            protection_key: key,
            vm_flags,
            ..SmapsEntry::default()
        },
    )
}

fn same<T: Text + PartialEq + std::fmt::Debug>(value: &T) {
    let printed = value.print();
    let parsed = T::parse(&printed).unwrap_or_else(|e| panic!("{e}: {}", printed.escape_ascii()));
    assert_eq!(&parsed, value);
}

proptest! {
    #[test]
    fn maps_and_smaps(lines in prop::collection::vec(maps_line(), 0..5), entries in prop::collection::vec(smaps_entry(), 0..5)) {
        same(&lines);
        same(&entries);
    }

    #[test]
    fn rollup(map in maps_line(), counts in counts()) {
        same(&SmapsRollup { map, counts, unknown: Vec::new() });
    }

    #[test]
    fn stat_and_statm(
        pid: i32, comm in "[ -~\\n]{0,15}", state in "[RSDZTtXI]", minflt: u64, nice in -20..20_i64, addr: u64, n: [u64; 7],
    ) {
        same(&PidStat {
            pid, comm: comm.into_bytes(), state: state.as_bytes()[0], minflt, nice, start_stack: Addr(addr), ..PidStat::default()
        });
        let [size, resident, shared, text, lib, data, dirty] = n;
        same(&Statm { size, resident, shared, text, lib, data, dirty });
    }

    #[test]
    fn status(name in "[ -~\\n]{1,15}", mode in 0..0o7777_u32, ids: [u32; 4], rss in kib(), pending: u64, groups: Option<Vec<u32>>) {
        let [real, effective, saved, fs] = ids;
        same(&Status {
            name: Some(Status::escape_name(name.as_bytes())),
            umask: Some(Octal(mode)),
            uid: Some(Ids { real, effective, saved, fs }),
            groups,
            vm_rss: rss,
            sig_q: Some((pending, 3)),
            sig_pnd: Some(Set(pending)),
            ..Status::default()
        });
    }

    #[test]
    fn machine_wide(values: Vec<u64>, one: u64, up in 0..u64::MAX / 2) {
        let name = |i: usize| format!("name_{i}");
        same(&MemInfo(values.iter().enumerate().map(|(i, &value)| MemCounter { name: name(i), value, is_kib: i % 2 == 0 }).collect()));
        same(&VmStat(values.iter().enumerate().map(|(i, &v)| (name(i), v)).collect()));
        same(&Uptime { up_centis: up, idle_centis: one / 2 });
        same(&SystemStat {
            cpu: CpuTimes(values.clone()),
            cpus: vec![(0, CpuTimes(values.clone()))],
            intr: values.clone(),
            btime: one,
            softirq: values.clone(),
            ..SystemStat::default()
        });
        same(&Auxv(values.iter().map(|&value| AuxEntry { kind: one, value }).collect()));
    }

    #[test]
    fn limits(soft: [Option<u64>; 16], hard: [Option<u64>; 16]) {
        let value = |v: Option<u64>| v.map_or(LimitValue::Unlimited, LimitValue::Value);
        let pairs = core::array::from_fn(|i| (value(soft[i]), value(hard[i])));
        same(&Limits::from_pairs(&pairs));
        let odd = Limit { name: "Max novelty".into(), soft: value(soft[0]), hard: value(hard[0]), unit: "things".into() };
        same(&Limits(vec![odd]));
    }

    #[test]
    fn any_text_is_a_value_or_an_error(bytes: Vec<u8>, text in "[-a-f0-9:. \\n\\t()rwxpskBR]{0,200}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            let _ = PidStat::parse(input);
            let _ = Statm::parse(input);
            let _ = Status::parse(input);
            let _ = Vec::<MapsLine>::parse(input);
            let _ = Vec::<SmapsEntry>::parse(input);
            let _ = SmapsRollup::parse(input);
            let _ = MemInfo::parse(input);
            let _ = SystemStat::parse(input);
            let _ = Uptime::parse(input);
            let _ = VmStat::parse(input);
            let _ = Limits::parse(input);
            let _ = Auxv::parse(input);
            let header = b"Limit                     Soft Limit           Hard Limit           Units     \n";
            let _ = Limits::parse(&[header, input].concat());
        }
    }
}
