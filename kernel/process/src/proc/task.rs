//! The files of `/proc/PID` that describe a task: `stat`, `statm`, `status`, `limits`.
//!
//! Key function of each: from [`TaskFacts`] and the memory's own figures to `procfs`'s types. What a figure
//! means is Linux's (proc_pid_stat(5), proc_pid_statm(5), proc_pid_status(5)).

use arch::{Bytes, PageCount};
use mm::{Memory, Prot, SpaceUsage};
use procfs::{Addr, Ids, Kib, LimitValue, Limits, NsIds, Octal, PidStat, Set, Statm, Status};

use crate::creds::Capabilities;

use super::facts::TaskFacts;

/// The resource that `rss_limit` shows (getrlimit(2)).
const RLIMIT_RSS: usize = 5;
/// `USER_HZ`: the unit of times in `stat`.
const TICK_NS: u64 = 10_000_000;

fn ticks(ns: u64) -> u64 {
    ns / TICK_NS
}

fn kib(bytes: Bytes) -> Option<Kib> {
    Some(Kib::from_bytes(bytes.get()))
}

fn usage(memory: &Memory, facts: &TaskFacts) -> Option<SpaceUsage> {
    facts.space.map(|space| memory.usage(space))
}

fn resident(usage: &SpaceUsage) -> u64 {
    usage.rss_anon.get() + usage.rss_file.get() + usage.rss_shmem.get()
}

pub(super) fn stat(memory: &Memory, facts: &TaskFacts) -> PidStat {
    let usage = usage(memory, facts);
    let layout = &facts.layout;
    let pages = |bytes: u64| bytes >> memory.granule().shift();
    PidStat {
        pid: facts.pid,
        comm: facts.comm.clone(),
        state: facts.state,
        ppid: facts.ppid,
        pgrp: facts.pgrp,
        session: facts.session,
        tty_nr: facts.tty_nr,
        tpgid: facts.tpgid,
        flags: facts.flags,
        minflt: facts.charges.minor_faults,
        cminflt: facts.children_charges.minor_faults,
        majflt: facts.charges.major_faults,
        cmajflt: facts.children_charges.major_faults,
        utime: ticks(facts.user_ns),
        stime: ticks(facts.system_ns),
        cutime: ticks(facts.children_user_ns).cast_signed(),
        cstime: ticks(facts.children_system_ns).cast_signed(),
        priority: 20 + i64::from(facts.nice),
        nice: i64::from(facts.nice),
        num_threads: facts.threads.into(),
        itrealvalue: 0,
        start_time: ticks(facts.start_ns),
        vsize: usage.as_ref().map_or(0, |usage| usage.total_vm.get()),
        rss: usage
            .as_ref()
            .map_or(0, |usage| pages(resident(usage)).cast_signed()),
        rss_limit: facts.limits[RLIMIT_RSS].0,
        start_code: Addr(layout.start_code),
        end_code: Addr(layout.end_code),
        start_stack: Addr(layout.start_stack),
        // Linux gives the stack and instruction pointers only of tasks that are dying.
        kstk_esp: Addr(0),
        kstk_eip: Addr(0),
        signal: facts.pending & 0x7fff_ffff,
        blocked: facts.blocked & 0x7fff_ffff,
        sig_ignore: facts.ignored & 0x7fff_ffff,
        sig_catch: facts.caught & 0x7fff_ffff,
        wchan: 0,
        nswap: 0,
        cnswap: 0,
        exit_signal: facts.exit_signal,
        processor: 0,
        rt_priority: 0,
        policy: 0,
        delayacct_blkio_ticks: 0,
        guest_time: 0,
        cguest_time: 0,
        start_data: Addr(layout.start_data),
        end_data: Addr(layout.end_data),
        start_brk: Addr(layout.start_brk),
        arg_start: Addr(layout.args.0),
        arg_end: Addr(layout.args.1),
        env_start: Addr(layout.environment.0),
        env_end: Addr(layout.environment.1),
        exit_code: facts.exit_code,
    }
}

pub(super) fn statm(memory: &Memory, facts: &TaskFacts) -> Statm {
    let Some(usage) = usage(memory, facts) else {
        return Statm::default();
    };
    let pages = |bytes: u64| bytes >> memory.granule().shift();
    Statm {
        size: pages(usage.total_vm.get()),
        resident: pages(resident(&usage)),
        shared: pages(usage.rss_file.get() + usage.rss_shmem.get()),
        text: pages(text_bytes(memory, facts)),
        lib: 0,
        data: pages(usage.data_vm.get() + usage.stack_vm.get()),
        dirty: 0,
    }
}

/// `VmExe`: from the page of the first byte of code to the page after the last.
fn text_bytes(memory: &Memory, facts: &TaskFacts) -> u64 {
    let mask = memory.granule().offset_mask();
    let start = facts.layout.start_code & !mask;
    (facts.layout.end_code.saturating_add(mask) & !mask).saturating_sub(start)
}

/// `VmLib`: executable mappings of files, without the program's text.
fn library_bytes(memory: &Memory, facts: &TaskFacts) -> u64 {
    let Some(space) = facts.space else { return 0 };
    let is_code = |vma: &&mm::Vma| vma.prot.contains(Prot::EXEC) && !vma.prot.contains(Prot::WRITE);
    let code: PageCount = memory
        .vmas(space)
        .filter(is_code)
        .fold(PageCount::ZERO, |sum, vma| {
            PageCount::new(sum.get() + vma.range.count().get())
        });
    code.bytes(memory.granule())
        .get()
        .saturating_sub(text_bytes(memory, facts))
}

fn state_words(letter: u8) -> &'static [u8] {
    match letter {
        b'R' => b"R (running)",
        b'S' => b"S (sleeping)",
        b'D' => b"D (disk sleep)",
        b'T' => b"T (stopped)",
        b't' => b"t (tracing stop)",
        b'X' => b"X (dead)",
        b'Z' => b"Z (zombie)",
        _ => b"I (idle)",
    }
}

fn ids(of: [u32; 4]) -> Ids {
    let [real, effective, saved, fs] = of;
    Ids {
        real,
        effective,
        saved,
        fs,
    }
}

pub(super) fn status(memory: &Memory, facts: &TaskFacts) -> Status {
    let group = |id: i32| Some(NsIds(vec![id.cast_unsigned()]));
    let mut status = Status {
        name: Some(Status::escape_name(&facts.comm)),
        umask: facts.space.map(|_| Octal(facts.umask)),
        state: Some(state_words(facts.state).to_vec()),
        tgid: Some(facts.tgid.cast_unsigned().into()),
        ngid: Some(0),
        pid: Some(facts.pid.cast_unsigned().into()),
        ppid: Some(facts.ppid.cast_unsigned().into()),
        tracer_pid: Some(0),
        uid: Some(ids(facts.uids)),
        gid: Some(ids(facts.gids)),
        fd_size: Some(facts.fd_slots),
        groups: Some(facts.groups.clone()),
        ns_tgid: group(facts.tgid),
        ns_pid: group(facts.pid),
        ns_pgid: group(facts.pgrp),
        ns_sid: group(facts.session),
        kthread: Some(0),
        threads: Some(facts.threads.into()),
        sig_q: Some((0, facts.queued_limit)),
        sig_pnd: Some(Set(facts.pending)),
        shd_pnd: Some(Set(facts.pending_shared)),
        sig_blk: Some(Set(facts.blocked)),
        sig_ign: Some(Set(facts.ignored)),
        sig_cgt: Some(Set(facts.caught)),
        cap_inh: Some(Set(facts.capabilities.inheritable)),
        cap_prm: Some(Set(facts.capabilities.permitted)),
        cap_eff: Some(Set(facts.capabilities.effective)),
        cap_bnd: Some(Set(Capabilities::ALL)),
        cap_amb: Some(Set(0)),
        no_new_privs: Some(facts.no_new_privs.into()),
        seccomp: Some(0),
        seccomp_filters: Some(0),
        cpus_allowed: Some(b"1".to_vec()),
        cpus_allowed_list: Some(b"0".to_vec()),
        mems_allowed: Some(b"1".to_vec()),
        mems_allowed_list: Some(b"0".to_vec()),
        voluntary_ctxt_switches: Some(facts.voluntary_switches),
        nonvoluntary_ctxt_switches: Some(facts.involuntary_switches),
        ..Status::default()
    };
    if let Some(usage) = usage(memory, facts) {
        add_memory(
            &mut status,
            &usage,
            text_bytes(memory, facts),
            library_bytes(memory, facts),
        );
    }
    status
}

fn add_memory(status: &mut Status, usage: &SpaceUsage, text: u64, library: u64) {
    let zero = Some(Kib::ZERO);
    status.vm_peak = kib(usage.peak_total);
    status.vm_size = kib(usage.total_vm);
    status.vm_lck = kib(usage.locked);
    status.vm_pin = zero;
    status.vm_hwm = kib(usage.peak_rss);
    status.vm_rss = Some(Kib::from_bytes(resident(usage)));
    status.rss_anon = kib(usage.rss_anon);
    status.rss_file = kib(usage.rss_file);
    status.rss_shmem = kib(usage.rss_shmem);
    status.vm_data = kib(usage.data_vm);
    status.vm_stk = kib(usage.stack_vm);
    status.vm_exe = Some(Kib::from_bytes(text));
    status.vm_lib = Some(Kib::from_bytes(library));
    status.vm_pte = kib(usage.page_tables);
    status.vm_swap = kib(usage.swap);
    status.hugetlb_pages = zero;
    status.core_dumping = Some(0);
    status.thp_enabled = Some(0);
}

pub(super) fn limits(facts: &TaskFacts) -> Limits {
    let value = |limit: u64| {
        if limit == u64::MAX {
            LimitValue::Unlimited
        } else {
            LimitValue::Value(limit)
        }
    };
    Limits::from_pairs(&facts.limits.map(|(soft, hard)| (value(soft), value(hard))))
}
