//! The columns of `ps` ([`Column`]): what each means is said at its variant. Words and order are those of macOS's ps.

use super::Row;
use crate::calendar::Civil;
use procfs::Kib;
use std::fmt;

/// One column. `-o` takes the words of [`parse_columns`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// Host pid of the machine; only shown if several run.
    Machine,
    /// Effective user: name, or number if it has none here.
    User,
    /// Process id in its root.
    Pid,
    /// CPU time over elapsed time since it started, as Linux's ps; percent with one decimal. A process of four threads may have 400.
    CpuPercent,
    /// Resident size over MemTotal, percent with one decimal.
    MemPercent,
    /// Virtual size, KiB.
    Vsz,
    /// Resident size, KiB (VmRSS: approximate by per-CPU counters).
    Rss,
    /// Controlling terminal; `?` if none.
    Tt,
    /// State letter of Linux, then `<` high or `N` low priority, `L` locked pages, `s` session leader, `l` threads, `+` foreground.
    Stat,
    /// When it started, UTC: `10:06AM` today, `Mon10AM` this week, else `23Nov26`.
    Started,
    /// CPU time used: minutes:seconds.hundredths.
    Time,
    /// Command line; the name in brackets for kernel threads and zombies.
    Command,
    /// Real user id... of macOS's `ul`: the effective one.
    Uid,
    /// Parent.
    Ppid,
    /// macOS: short-term CPU use for the scheduler. Linux has no such figure: whole percent of %CPU, as `C` of Linux's ps.
    Cpu,
    /// Priority as `stat` has it: 20 + nice; lower runs first.
    Pri,
    /// Nice value.
    Ni,
    /// Where it waits in the kernel; `-` if it runs or the root does not say.
    Wchan,
    /// Command name.
    Comm,
    /// Number of threads.
    Threads,
    /// In swap, KiB.
    Swap,
    /// Minor faults.
    MinorFaults,
    /// Major faults.
    MajorFaults,
}

/// `ps`: what fits a narrow screen.
pub const DEFAULT: &[Column] = &[
    Column::Pid,
    Column::Tt,
    Column::Stat,
    Column::Time,
    Column::Command,
];

/// `ps ul`, exactly macOS's columns in macOS's order.
pub const UL: &[Column] = &[
    Column::User,
    Column::Pid,
    Column::CpuPercent,
    Column::MemPercent,
    Column::Vsz,
    Column::Rss,
    Column::Tt,
    Column::Stat,
    Column::Started,
    Column::Time,
    Column::Command,
    Column::Uid,
    Column::Ppid,
    Column::Cpu,
    Column::Pri,
    Column::Ni,
    Column::Wchan,
];

/// `ps aux`.
pub const AUX: &[Column] = &[
    Column::User,
    Column::Pid,
    Column::CpuPercent,
    Column::MemPercent,
    Column::Vsz,
    Column::Rss,
    Column::Tt,
    Column::Stat,
    Column::Started,
    Column::Time,
    Column::Command,
];

/// Words of `-o`, captions, columns. The first word of a column is the one that help shows.
const WORDS: &[(&str, &str, Column)] = &[
    ("user", "USER", Column::User),
    ("pid", "PID", Column::Pid),
    ("%cpu", "%CPU", Column::CpuPercent),
    ("pcpu", "%CPU", Column::CpuPercent),
    ("%mem", "%MEM", Column::MemPercent),
    ("pmem", "%MEM", Column::MemPercent),
    ("vsz", "VSZ", Column::Vsz),
    ("vsize", "VSZ", Column::Vsz),
    ("rss", "RSS", Column::Rss),
    ("tt", "TT", Column::Tt),
    ("tty", "TT", Column::Tt),
    ("stat", "STAT", Column::Stat),
    ("state", "STAT", Column::Stat),
    ("started", "STARTED", Column::Started),
    ("start", "STARTED", Column::Started),
    ("time", "TIME", Column::Time),
    ("command", "COMMAND", Column::Command),
    ("args", "COMMAND", Column::Command),
    ("uid", "UID", Column::Uid),
    ("ppid", "PPID", Column::Ppid),
    ("cpu", "CPU", Column::Cpu),
    ("pri", "PRI", Column::Pri),
    ("ni", "NI", Column::Ni),
    ("nice", "NI", Column::Ni),
    ("wchan", "WCHAN", Column::Wchan),
    ("comm", "COMM", Column::Comm),
    ("threads", "THREADS", Column::Threads),
    ("swap", "SWAP", Column::Swap),
    ("minflt", "MINFLT", Column::MinorFaults),
    ("majflt", "MAJFLT", Column::MajorFaults),
    ("machine", "MACHINE", Column::Machine),
];

/// A word of `-o` that names no column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownColumn(pub String);

impl fmt::Display for UnknownColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = WORDS.iter().map(|(word, ..)| *word).collect();
        write!(
            f,
            "no column is called \"{}\"; there are: {}",
            self.0,
            words.join(" ")
        )
    }
}

impl std::error::Error for UnknownColumn {}

/// Columns from `pid,rss,command`.
///
/// # Errors
/// [`UnknownColumn`] with the word; its message lists all columns.
pub fn parse_columns(list: &str) -> Result<Vec<Column>, UnknownColumn> {
    list.split([',', ' '])
        .filter(|w| !w.is_empty())
        .map(column)
        .collect()
}

fn column(word: &str) -> Result<Column, UnknownColumn> {
    let found = WORDS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(word));
    found
        .map(|(.., column)| *column)
        .ok_or_else(|| UnknownColumn(word.into()))
}

impl Column {
    pub(super) fn caption(self) -> &'static str {
        WORDS
            .iter()
            .find(|(.., column)| *column == self)
            .map_or("?", |(_, caption, _)| caption)
    }

    /// Text stands left, numbers right.
    pub(super) fn is_text(self) -> bool {
        matches!(
            self,
            Self::User | Self::Tt | Self::Stat | Self::Command | Self::Wchan | Self::Comm
        )
    }

    /// Wider cells are cut, unless the column is the last.
    pub(super) fn most_wide(self) -> usize {
        match self {
            Self::Command => 48,
            Self::Wchan => 20,
            _ => usize::MAX,
        }
    }

    /// The cell of a row.
    #[must_use]
    pub fn cell(self, row: &Row) -> String {
        let stat = &row.stat;
        let kib = |size: Option<Kib>| size.map_or("0".into(), |k| k.0.to_string());
        match self {
            Self::Machine => row.machine.map_or("-".into(), |m| m.to_string()),
            Self::User => row.user.clone(),
            Self::Pid => stat.pid.to_string(),
            Self::CpuPercent => tenths(row.cpu_permille()),
            Self::MemPercent => mem_percent(row),
            Self::Vsz => (stat.vsize >> 10).to_string(),
            // Kernel threads and zombies have no Vm lines: they have no memory, so 0 is true.
            Self::Rss => kib(row.status.vm_rss),
            Self::Tt => terminal(stat.tty_nr),
            Self::Stat => state(row),
            Self::Started => started(row),
            Self::Time => cpu_time(row.cpu_centis()),
            Self::Command => row.command.clone(),
            Self::Uid => row.status.uid.map_or("?".into(), |ids| ids.effective.to_string()),
            Self::Ppid => stat.ppid.to_string(),
            Self::Cpu => (row.cpu_permille() / 10).to_string(),
            Self::Pri => stat.priority.to_string(),
            Self::Ni => stat.nice.to_string(),
            Self::Wchan => row.wchan.clone().unwrap_or_else(|| "-".into()),
            Self::Comm => procfs::printable(&stat.comm),
            Self::Threads => stat.num_threads.to_string(),
            Self::Swap => kib(row.status.vm_swap),
            Self::MinorFaults => stat.minflt.to_string(),
            Self::MajorFaults => stat.majflt.to_string(),
        }
    }
}

fn tenths(value: u64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

fn mem_percent(row: &Row) -> String {
    match row.world.memory {
        Some(Kib(total)) if total > 0 => {
            tenths(row.status.vm_rss.unwrap_or_default().0.saturating_mul(1000) / total)
        }
        _ => "?".into(),
    }
}

/// A terminal by its device number as `stat` encodes it: minor in bits 0-7 and 20-31, major in 8-19.
fn terminal(tty_nr: i32) -> String {
    let number = tty_nr.cast_unsigned();
    let (major, minor) = ((number >> 8) & 0xfff, (number & 0xff) | (number >> 12 & 0xf_ff00));
    match major {
        0 => "?".into(),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        5 if minor == 1 => "console".into(),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        204 if minor >= 64 => format!("ttyAMA{}", minor - 64),
        229 => format!("hvc{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

fn state(row: &Row) -> String {
    let stat = &row.stat;
    let mut letters = String::from(char::from(stat.state));
    let is_locked = row.status.vm_lck.is_some_and(|k| k > Kib::ZERO);
    let marks = [
        (stat.nice < 0, '<'),
        (stat.nice > 0, 'N'),
        (is_locked, 'L'),
        (stat.session == stat.pid, 's'),
        (stat.num_threads > 1, 'l'),
        (stat.tpgid > 0 && stat.tpgid == stat.pgrp, '+'),
    ];
    letters.extend(marks.iter().filter(|(is_set, _)| *is_set).map(|(_, mark)| *mark));
    letters
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

fn started(row: &Row) -> String {
    let start = row
        .world
        .boot_seconds
        .saturating_add(row.stat.start_time / super::TICKS_A_SECOND);
    let now = row.world.now.map_or(start, |now| now.0 / 1000);
    let date = Civil::from_epoch(start);
    let (hour, half) = (
        if date.hour.is_multiple_of(12) {
            12
        } else {
            date.hour % 12
        },
        if date.hour < 12 { "AM" } else { "PM" },
    );
    if now / 86_400 == start / 86_400 {
        format!("{hour}:{:02}{half}", date.minute)
    } else if now.saturating_sub(start) < 7 * 86_400 {
        // 1 January 1970 was a Thursday.
        format!("{}{hour:02}{half}", DAYS[(start / 86_400 % 7) as usize])
    } else {
        format!("{}{}{:02}", date.day, date.month_name(), date.year % 100)
    }
}

fn cpu_time(centis: u64) -> String {
    format!("{}:{:02}.{:02}", centis / 6000, centis / 100 % 60, centis % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ul_is_macoss() {
        let captions: Vec<&str> = UL.iter().map(|c| c.caption()).collect();
        let expected = "USER PID %CPU %MEM VSZ RSS TT STAT STARTED TIME COMMAND UID PPID CPU PRI NI WCHAN";
        assert_eq!(captions.join(" "), expected);
    }

    #[test]
    fn words_name_columns() {
        assert_eq!(
            parse_columns("pid,RSS command"),
            Ok(vec![Column::Pid, Column::Rss, Column::Command])
        );
        let error = parse_columns("pid,nonsense").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("no column is called \"nonsense\"; there are: user pid")
        );
    }

    // Device numbers from `stat -c %t:%T` on terminals of this host, packed as proc_pid_stat(5) says.
    #[test]
    fn terminals_have_their_names() {
        assert_eq!(terminal(0), "?");
        assert_eq!(terminal(0x8800), "pts/0");
        assert_eq!(terminal(0x0010_8801), "pts/257");
        assert_eq!(terminal(0x0440), "ttyS0");
        assert_eq!(terminal(0x0401), "tty1");
    }

    #[test]
    fn times_are_minutes_and_hundredths() {
        assert_eq!(cpu_time(1), "0:00.01");
        assert_eq!(cpu_time(123_456), "20:34.56");
    }
}
