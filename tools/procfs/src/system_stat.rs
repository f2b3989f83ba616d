//! The machine-wide `stat`: CPU times, interrupts, boot time ([`SystemStat`]; proc_stat(5)).

use crate::text::{Cursor, UnknownLine, interleave, put_decimal};
use crate::{ParseError, Text};

/// One `cpu` line, in clock ticks: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
/// Kernels before 2.6.33 print fewer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CpuTimes(pub Vec<u64>);

/// `stat` of the machine.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SystemStat {
    /// All CPUs together.
    pub cpu: CpuTimes,
    /// Each CPU by number.
    pub cpus: Vec<(u32, CpuTimes)>,
    /// Interrupts: the total, then each line's count.
    pub intr: Vec<u64>,
    /// Context switches.
    pub ctxt: u64,
    /// Boot time, seconds since the Epoch.
    pub btime: u64,
    /// Forks since boot.
    pub processes: u64,
    /// Tasks that can run.
    pub procs_running: u64,
    /// Tasks blocked on I/O.
    pub procs_blocked: u64,
    /// Soft interrupts: the total, then each kind's count.
    pub softirq: Vec<u64>,
    /// Lines this version does not know.
    pub unknown: Vec<UnknownLine>,
}

impl Text for SystemStat {
    const FILE: &'static str = "stat";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut stat = Self::default();
        let body = bytes
            .strip_suffix(b"\n")
            .ok_or_else(|| ParseError::new(Self::FILE, 1, "a final newline", bytes))?;
        for (index, line) in body.split(|&b| b == b'\n').enumerate() {
            stat.parse_line(index, line)?;
        }
        Ok(stat)
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        let mut known = Vec::new();
        // The kernel writes two blanks after the total's name.
        put_numbers(&mut known, "cpu ", &self.cpu.0);
        for (number, times) in &self.cpus {
            put_numbers(&mut known, &format!("cpu{number}"), &times.0);
        }
        put_numbers(&mut known, "intr", &self.intr);
        put_numbers(&mut known, "ctxt", &[self.ctxt]);
        put_numbers(&mut known, "btime", &[self.btime]);
        put_numbers(&mut known, "processes", &[self.processes]);
        put_numbers(&mut known, "procs_running", &[self.procs_running]);
        put_numbers(&mut known, "procs_blocked", &[self.procs_blocked]);
        put_numbers(&mut known, "softirq", &self.softirq);
        interleave(&known, &self.unknown, out);
    }
}

impl SystemStat {
    fn parse_line(&mut self, index: usize, line: &[u8]) -> Result<(), ParseError> {
        let (name, rest) = line.split_at(line.iter().position(|&b| b == b' ').unwrap_or(line.len()));
        let numbers = || parse_numbers(rest, index + 1);
        match name {
            b"cpu" => self.cpu = CpuTimes(numbers()?),
            b"intr" => self.intr = numbers()?,
            b"softirq" => self.softirq = numbers()?,
            b"ctxt" => self.ctxt = parse_one(rest, index + 1)?,
            b"btime" => self.btime = parse_one(rest, index + 1)?,
            b"processes" => self.processes = parse_one(rest, index + 1)?,
            b"procs_running" => self.procs_running = parse_one(rest, index + 1)?,
            b"procs_blocked" => self.procs_blocked = parse_one(rest, index + 1)?,
            _ => match name.strip_prefix(b"cpu") {
                Some(number) => {
                    let mut c = Cursor::at_line(Self::FILE, number, index + 1);
                    let number = c.number("a CPU's number")?;
                    c.end()?;
                    self.cpus.push((number, CpuTimes(numbers()?)));
                }
                None => self.unknown.push(UnknownLine {
                    index,
                    line: line.to_vec(),
                }),
            },
        }
        Ok(())
    }
}

fn parse_numbers(text: &[u8], line: usize) -> Result<Vec<u64>, ParseError> {
    let mut c = Cursor::at_line("stat", text, line);
    let mut numbers = Vec::new();
    c.skip_blanks();
    while !c.is_at_end() {
        numbers.push(c.decimal("a counter")?);
        c.skip_blanks();
    }
    Ok(numbers)
}

fn parse_one(text: &[u8], line: usize) -> Result<u64, ParseError> {
    match parse_numbers(text, line)?.as_slice() {
        [one] => Ok(*one),
        _ => Err(ParseError::new("stat", line, "one counter", text)),
    }
}

fn put_numbers(out: &mut Vec<u8>, name: &str, numbers: &[u64]) {
    out.extend_from_slice(name.as_bytes());
    for &number in numbers {
        out.push(b' ');
        put_decimal(out, number, 0);
    }
    out.push(b'\n');
}
