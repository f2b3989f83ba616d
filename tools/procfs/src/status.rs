//! `PID/status`: what `stat` says and more, for people ([`Status`]; proc_pid_status(5), `fs/proc/array.c`).
//!
//! A line that may be absent is an `Option`. Kernel threads and zombies have no `Vm*` lines.

use crate::text::{Cursor, UnknownLine, interleave, put_decimal, put_hex};
use crate::{Kib, ParseError, Text};

/// Real, effective, saved and file-system id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// Real.
    pub real: u32,
    /// Effective.
    pub effective: u32,
    /// Saved.
    pub saved: u32,
    /// For file systems.
    pub fs: u32,
}

/// How one kind of value is written after `Name:\t`.
trait Field: Sized {
    fn read(text: &[u8]) -> Option<Self>;
    fn write(&self, out: &mut Vec<u8>);
}

/// A list that Linux ends with a blank (`Groups`).
type Groups = Vec<u32>;

/// `SigQ`: signals queued and their limit.
type Queue = (u64, u64);

macro_rules! status {
    ($($name:literal $field:ident $kind:ident $meaning:literal;)*) => {
        /// `PID/status`, in Linux's order.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct Status {
            $(
                #[doc = concat!("`", $name, "`: ", $meaning, ".")]
                pub $field: Option<$kind>,
            )*
            /// Lines this version does not know, by their place.
            pub unknown: Vec<UnknownLine>,
        }

        impl Status {
            fn parse_line(&mut self, index: usize, line: &[u8]) -> Result<(), ParseError> {
                let colon = line.windows(2).position(|w| w == b":\t").unwrap_or(line.len());
                let value = line.get(colon + 2..).unwrap_or_default();
                match &line[..colon] {
                    $(name if name == $name.as_bytes() => {
                        let read = <$kind as Field>::read(value);
                        let error = || ParseError::new(Self::FILE, index + 1, $name, value);
                        self.$field = Some(read.ok_or_else(error)?);
                    })*
                    _ => self.unknown.push(UnknownLine { index, line: line.to_vec() }),
                }
                Ok(())
            }

            fn print_known(&self, out: &mut Vec<u8>) {
                $(if let Some(value) = &self.$field {
                    out.extend_from_slice(concat!($name, ":\t").as_bytes());
                    value.write(out);
                    out.push(b'\n');
                })*
            }
        }
    };
}

status! {
    "Name" name Raw "command name, with newline and backslash escaped as `\\n` and `\\\\`";
    "Umask" umask Octal "file mode creation mask; absent without a file system context";
    "State" state Raw "state letter and its word, such as `S (sleeping)`";
    "Tgid" tgid Number "thread group: the process id";
    "Ngid" ngid Number "NUMA group, 0 if none";
    "Pid" pid Number "thread id";
    "PPid" ppid Number "parent";
    "TracerPid" tracer_pid Number "tracing process, 0 if none";
    "Uid" uid Ids "user ids";
    "Gid" gid Ids "group ids";
    "FDSize" fd_size Number "file descriptor slots";
    "Groups" groups Groups "supplementary groups";
    "NStgid" ns_tgid NsIds "process id in each PID namespace, outermost first";
    "NSpid" ns_pid NsIds "thread id in each PID namespace";
    "NSpgid" ns_pgid NsIds "process group in each PID namespace";
    "NSsid" ns_sid NsIds "session in each PID namespace";
    "Kthread" kthread Number "1 for kernel threads (since 6.7)";
    "VmPeak" vm_peak Kib "peak virtual size";
    "VmSize" vm_size Kib "virtual size";
    "VmLck" vm_lck Kib "locked";
    "VmPin" vm_pin Kib "pinned";
    "VmHWM" vm_hwm Kib "peak resident set, of all kinds";
    "VmRSS" vm_rss Kib "resident set (approximate: per-CPU counters)";
    "RssAnon" rss_anon Kib "resident anonymous memory";
    "RssFile" rss_file Kib "resident file pages";
    "RssShmem" rss_shmem Kib "resident shared memory";
    "VmData" vm_data Kib "private writable memory without stacks";
    "VmStk" vm_stk Kib "stacks";
    "VmExe" vm_exe Kib "program text";
    "VmLib" vm_lib Kib "library text";
    "VmPTE" vm_pte Kib "page tables";
    "VmSwap" vm_swap Kib "swapped-out anonymous memory; shared memory not counted";
    "HugetlbPages" hugetlb_pages Kib "hugetlb memory";
    "CoreDumping" core_dumping Number "1 while it dumps core";
    "THP_enabled" thp_enabled Number "whether it may use transparent huge pages";
    "untag_mask" untag_mask Mask "bits of a pointer that are address";
    "Threads" threads Number "number of threads";
    "SigQ" sig_q Queue "queued signals and their limit";
    "SigPnd" sig_pnd Set "signals pending for the thread";
    "ShdPnd" shd_pnd Set "signals pending for the process";
    "SigBlk" sig_blk Set "blocked";
    "SigIgn" sig_ign Set "ignored";
    "SigCgt" sig_cgt Set "caught";
    "CapInh" cap_inh Set "inheritable capabilities";
    "CapPrm" cap_prm Set "permitted capabilities";
    "CapEff" cap_eff Set "effective capabilities";
    "CapBnd" cap_bnd Set "bounding set";
    "CapAmb" cap_amb Set "ambient capabilities";
    "NoNewPrivs" no_new_privs Number "no_new_privs";
    "Seccomp" seccomp Number "seccomp mode";
    "Seccomp_filters" seccomp_filters Number "number of seccomp filters";
    "Speculation_Store_Bypass" speculation_store_bypass Raw "mitigation state";
    "SpeculationIndirectBranch" speculation_indirect_branch Raw "mitigation state";
    "Cpus_allowed" cpus_allowed Raw "CPU mask, hexadecimal words";
    "Cpus_allowed_list" cpus_allowed_list Raw "the same as a list";
    "Mems_allowed" mems_allowed Raw "memory node mask";
    "Mems_allowed_list" mems_allowed_list Raw "the same as a list";
    "voluntary_ctxt_switches" voluntary_ctxt_switches Number "times it gave up the CPU";
    "nonvoluntary_ctxt_switches" nonvoluntary_ctxt_switches Number "times the CPU was taken";
}

/// Any bytes, as printed.
type Raw = Vec<u8>;
/// A decimal number.
type Number = u64;

/// A mode in four octal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Octal(pub u32);

/// A 64-bit set in 16 hexadecimal digits: signals (bit 0 is signal 1) or capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Set(pub u64);

/// A mask printed with `0x`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mask(pub u64);

/// Ids in nested namespaces, tab-separated.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NsIds(pub Vec<u32>);

impl Status {
    /// The state's letter, such as `b'S'`.
    #[must_use]
    pub fn state_letter(&self) -> Option<u8> {
        self.state.as_ref()?.first().copied()
    }

    /// `Name` unescaped: `\n` is a newline, `\\` a backslash, `\ooo` an octal byte.
    #[must_use]
    pub fn unescaped_name(&self) -> Option<Vec<u8>> {
        let mut rest = self.name.as_deref()?;
        let mut name = Vec::with_capacity(rest.len());
        while let Some((&first, tail)) = rest.split_first() {
            rest = tail;
            match (first, tail) {
                (b'\\', [b'n', after @ ..]) => {
                    name.push(b'\n');
                    rest = after;
                }
                (b'\\', [b'\\', after @ ..]) => {
                    name.push(b'\\');
                    rest = after;
                }
                _ => name.push(first),
            }
        }
        Some(name)
    }

    /// A command name as `Name` prints it.
    #[must_use]
    pub fn escape_name(name: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(name.len());
        for &byte in name {
            match byte {
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\\' => out.extend_from_slice(b"\\\\"),
                _ => out.push(byte),
            }
        }
        out
    }
}

impl Text for Status {
    const FILE: &'static str = "status";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut status = Self::default();
        let body = bytes
            .strip_suffix(b"\n")
            .ok_or_else(|| ParseError::new(Self::FILE, 1, "a final newline", bytes))?;
        for (index, line) in body.split(|&b| b == b'\n').enumerate() {
            status.parse_line(index, line)?;
        }
        Ok(status)
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        let mut known = Vec::new();
        self.print_known(&mut known);
        interleave(&known, &self.unknown, out);
    }
}

/// A cursor over a value, which must be used up by `read`.
fn whole<T>(text: &[u8], read: impl FnOnce(&mut Cursor<'_>) -> Option<T>) -> Option<T> {
    let mut c = Cursor::new("status", text);
    let value = read(&mut c)?;
    c.is_at_end().then_some(value)
}

impl Field for Raw {
    fn read(text: &[u8]) -> Option<Self> {
        Some(text.to_vec())
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Field for Number {
    fn read(text: &[u8]) -> Option<Self> {
        whole(text, |c| c.decimal("number").ok())
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_decimal(out, *self, 0);
    }
}

impl Field for Kib {
    fn read(text: &[u8]) -> Option<Self> {
        let text = text.strip_suffix(b" kB")?;
        whole(text, |c| {
            c.skip_blanks();
            c.decimal("size").ok()
        })
        .map(Kib)
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_decimal(out, self.0, 8);
        out.extend_from_slice(b" kB");
    }
}

impl Field for Octal {
    fn read(text: &[u8]) -> Option<Self> {
        u32::from_str_radix(str::from_utf8(text).ok()?, 8).ok().map(Self)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{:04o}", self.0).as_bytes());
    }
}

impl Field for Set {
    fn read(text: &[u8]) -> Option<Self> {
        whole(text, |c| c.hex("set").ok()).map(Self)
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_hex(out, self.0, 16);
    }
}

impl Field for Mask {
    fn read(text: &[u8]) -> Option<Self> {
        whole(text.strip_prefix(b"0x")?, |c| c.hex("mask").ok()).map(Self)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"0x");
        put_hex(out, self.0, 1);
    }
}

impl Field for Queue {
    fn read(text: &[u8]) -> Option<Self> {
        whole(text, |c| {
            let queued = c.decimal("queued").ok()?;
            c.expect(b'/', "slash").ok()?;
            Some((queued, c.decimal("limit").ok()?))
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        put_decimal(out, self.0, 0);
        out.push(b'/');
        put_decimal(out, self.1, 0);
    }
}

impl Field for Ids {
    fn read(text: &[u8]) -> Option<Self> {
        let NsIds(ids) = NsIds::read(text)?;
        let [real, effective, saved, fs] = ids.try_into().ok()?;
        Some(Self {
            real,
            effective,
            saved,
            fs,
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        NsIds(vec![self.real, self.effective, self.saved, self.fs]).write(out);
    }
}

impl Field for NsIds {
    fn read(text: &[u8]) -> Option<Self> {
        let id = |word: &[u8]| whole(word, |c| c.number("id").ok());
        text.split(|&b| b == b'\t')
            .map(id)
            .collect::<Option<_>>()
            .map(Self)
    }
    fn write(&self, out: &mut Vec<u8>) {
        for (i, &id) in self.0.iter().enumerate() {
            if i > 0 {
                out.push(b'\t');
            }
            put_decimal(out, id.into(), 0);
        }
    }
}

impl Field for Groups {
    fn read(text: &[u8]) -> Option<Self> {
        let id = |word: &[u8]| whole(word, |c| c.number("group").ok());
        text.split(|&b| b == b' ')
            .filter(|w| !w.is_empty())
            .map(id)
            .collect()
    }
    fn write(&self, out: &mut Vec<u8>) {
        for (i, &group) in self.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            put_decimal(out, group.into(), 0);
        }
        // "Trailing space shouldn't have been added in the first place" (fs/proc/array.c).
        out.push(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_escape_both_ways() {
        let status = Status {
            name: Some(Status::escape_name(b"a\\b\nc")),
            ..Status::default()
        };
        assert_eq!(status.print(), b"Name:\ta\\\\b\\nc\n");
        assert_eq!(status.unescaped_name().unwrap(), b"a\\b\nc");
    }

    #[test]
    fn errors_name_line_and_field() {
        let error = Status::parse(b"Name:\tcat\nVmRSS:\t    12 MB\n").unwrap_err();
        assert_eq!((error.line, error.field), (2, "VmRSS"));
        assert!(Status::parse(b"Uid:\t0\t0\t0\n").is_err());
        assert!(Status::parse(b"").is_err());
    }

    #[test]
    fn unknown_lines_are_kept_in_place() {
        let text = b"Name:\tcat\nx86_Thread_features:\t\nPid:\t7\nStrange\n";
        let status = Status::parse(text).unwrap();
        assert_eq!(status.pid, Some(7));
        assert_eq!(status.print(), text);
    }
}
