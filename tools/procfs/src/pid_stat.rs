//! `PID/stat`: one line of 52 fields ([`PidStat`]; proc_pid_stat(5), `fs/proc/array.c` `do_task_stat`).

use crate::text::{Cursor, put_decimal, put_signed};
use crate::{Addr, ParseError, Text};

/// `PID/stat`. Field numbers are those of proc_pid_stat(5). Times are in clock ticks (100 a second).
///
/// Without the right to ptrace the process Linux prints 0 for addresses, and 1 for `start_code` and
/// `end_code` (and `wchan` is only ever 0 or 1).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PidStat {
    /// (1) Process id.
    pub pid: i32,
    /// (2) Command name, without its parentheses, raw: it may hold blanks, parentheses and newlines.
    pub comm: Vec<u8>,
    /// (3) State: one of `RSDZTtXxKWPI`.
    pub state: u8,
    /// (4) Parent.
    pub ppid: i32,
    /// (5) Process group.
    pub pgrp: i32,
    /// (6) Session.
    pub session: i32,
    /// (7) Controlling terminal's device number, 0 if none.
    pub tty_nr: i32,
    /// (8) Foreground process group of that terminal, -1 if none.
    pub tpgid: i32,
    /// (9) Kernel flags (`PF_*`).
    pub flags: u32,
    /// (10) Minor faults.
    pub minflt: u64,
    /// (11) Minor faults of waited-for children.
    pub cminflt: u64,
    /// (12) Major faults.
    pub majflt: u64,
    /// (13) Major faults of waited-for children.
    pub cmajflt: u64,
    /// (14) User time, ticks.
    pub utime: u64,
    /// (15) System time, ticks.
    pub stime: u64,
    /// (16) User time of waited-for children, ticks.
    pub cutime: i64,
    /// (17) System time of waited-for children, ticks.
    pub cstime: i64,
    /// (18) Priority as the kernel prints it: 20 + nice for normal tasks.
    pub priority: i64,
    /// (19) Nice value.
    pub nice: i64,
    /// (20) Number of threads.
    pub num_threads: i64,
    /// (21) Always 0 since 2.6.17.
    pub itrealvalue: i64,
    /// (22) Start after boot, ticks.
    pub start_time: u64,
    /// (23) Virtual size, bytes.
    pub vsize: u64,
    /// (24) Resident set, pages.
    pub rss: i64,
    /// (25) Soft limit of the resident set, bytes.
    pub rss_limit: u64,
    /// (26) Start of text.
    pub start_code: Addr,
    /// (27) End of text.
    pub end_code: Addr,
    /// (28) Bottom of the stack (its highest address).
    pub start_stack: Addr,
    /// (29) Stack pointer; 0 unless the process is exiting with a core dump.
    pub kstk_esp: Addr,
    /// (30) Instruction pointer; 0 as above.
    pub kstk_eip: Addr,
    /// (31) Pending signals, low 31 bits.
    pub signal: u64,
    /// (32) Blocked signals.
    pub blocked: u64,
    /// (33) Ignored signals.
    pub sig_ignore: u64,
    /// (34) Caught signals.
    pub sig_catch: u64,
    /// (35) 1 if it waits in the kernel and the reader may know, else 0.
    pub wchan: u64,
    /// (36) Always 0.
    pub nswap: u64,
    /// (37) Always 0.
    pub cnswap: u64,
    /// (38) Signal sent to the parent at death.
    pub exit_signal: i32,
    /// (39) CPU it last ran on.
    pub processor: i32,
    /// (40) Real-time priority, 0 if none.
    pub rt_priority: u32,
    /// (41) Scheduling policy.
    pub policy: u32,
    /// (42) Block I/O delays, ticks.
    pub delayacct_blkio_ticks: u64,
    /// (43) Guest time, ticks.
    pub guest_time: u64,
    /// (44) Guest time of children, ticks.
    pub cguest_time: i64,
    /// (45) Start of data and bss.
    pub start_data: Addr,
    /// (46) End of data and bss.
    pub end_data: Addr,
    /// (47) Where `brk` began.
    pub start_brk: Addr,
    /// (48) Start of the argument strings.
    pub arg_start: Addr,
    /// (49) End of the argument strings.
    pub arg_end: Addr,
    /// (50) Start of the environment.
    pub env_start: Addr,
    /// (51) End of the environment.
    pub env_end: Addr,
    /// (52) Exit status in the form of waitpid(2).
    pub exit_code: i32,
}

/// The fields after the state, in Linux's order: written once, used by both directions.
macro_rules! for_each_field {
    ($action:ident) => {
        $action!(i32 ppid, i32 pgrp, i32 session, i32 tty_nr, i32 tpgid, u32 flags, u64 minflt, u64 cminflt,
            u64 majflt, u64 cmajflt, u64 utime, u64 stime, i64 cutime, i64 cstime, i64 priority, i64 nice,
            i64 num_threads, i64 itrealvalue, u64 start_time, u64 vsize, i64 rss, u64 rss_limit,
            Addr start_code, Addr end_code, Addr start_stack, Addr kstk_esp, Addr kstk_eip, u64 signal,
            u64 blocked, u64 sig_ignore, u64 sig_catch, u64 wchan, u64 nswap, u64 cnswap, i32 exit_signal,
            i32 processor, u32 rt_priority, u32 policy, u64 delayacct_blkio_ticks, u64 guest_time,
            i64 cguest_time, Addr start_data, Addr end_data, Addr start_brk, Addr arg_start, Addr arg_end,
            Addr env_start, Addr env_end, i32 exit_code)
    };
}

impl Text for PidStat {
    const FILE: &'static str = "stat";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut stat = Self {
            pid: c.narrow("pid")?,
            ..Self::default()
        };
        c.expect(b' ', "a blank after pid")?;
        c.expect(b'(', "the parenthesis before comm")?;
        // The name may hold anything, so its end is the last closing parenthesis.
        let close = c
            .rest()
            .iter()
            .rposition(|&b| b == b')')
            .ok_or_else(|| c.error("comm"))?;
        stat.comm = c.rest()[..close].to_vec();
        let mut c = Cursor::new(Self::FILE, &c.rest()[close + 1..]);
        c.expect(b' ', "a blank after comm")?;
        let state = c.take_until(b' ', "state")?;
        let [state] = state else {
            return Err(ParseError::new(Self::FILE, 1, "state", state));
        };
        stat.state = *state;
        let mut first = true;
        macro_rules! read {
            ($($kind:ident $field:ident),*) => { $(
                if !core::mem::take(&mut first) {
                    c.expect(b' ', concat!("a blank before ", stringify!($field)))?;
                }
                stat.$field = read!(@one $kind stringify!($field));
            )* };
            (@one Addr $name:expr) => { Addr(c.decimal($name)?) };
            (@one u64 $name:expr) => { c.decimal($name)? };
            (@one u32 $name:expr) => { c.number($name)? };
            (@one $kind:ident $name:expr) => { c.narrow($name)? };
        }
        for_each_field!(read);
        c.expect(b'\n', "a newline after exit_code")?;
        c.end()?;
        Ok(stat)
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        put_signed(out, self.pid.into());
        out.extend_from_slice(b" (");
        out.extend_from_slice(&self.comm);
        out.extend_from_slice(b") ");
        out.push(self.state);
        macro_rules! write {
            ($($kind:ident $field:ident),*) => { $( out.push(b' '); write!(@one $kind self.$field); )* };
            (@one Addr $value:expr) => { put_decimal(out, $value.0, 0) };
            (@one u64 $value:expr) => { put_decimal(out, $value, 0) };
            (@one u32 $value:expr) => { put_decimal(out, $value.into(), 0) };
            (@one i64 $value:expr) => { put_signed(out, $value) };
            (@one i32 $value:expr) => { put_signed(out, $value.into()) };
        }
        for_each_field!(write);
        out.push(b'\n');
    }
}
