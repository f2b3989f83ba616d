//! Packets that gdbstub does not know: what lldb asks of a host and of memory regions, a signal's `siginfo`, signals
//! to pass quietly. And those that it would take too literally, put into other words.

use arch::VirtAddr;
use mm::{Prot, Vma};
use process::{Region, SigSet};

use super::packets::{MAX_BODY, hex, number, part};
use super::points::MOST_WATCHES;
use super::session::tid;
use super::signals::signal_of;
use crate::Machine;

/// What lldb calls this machine's programs.
const TRIPLE: &str = "aarch64-unknown-linux-gnu";
/// The most that one packet reads: two digits a byte, and room for the frame.
const MOST_READ: u64 = (MAX_BODY / 2 - 16) as u64;

impl Machine {
    /// The answer to a packet, or `None` if it is gdbstub's to answer.
    pub(super) fn answer_query(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = match body.iter().position(|byte| *byte == b':') {
            Some(colon) => (&body[..colon], &body[colon + 1..]),
            None => (body, &[][..]),
        };
        if body.starts_with(b"vCont") && body != b"vCont?" && !self.lets_anyone_go(body) {
            return Some(b"E03".to_vec());
        }
        match name {
            // `target extended-remote`: there is nothing to start or attach to.
            b"!" | b"R" => Some(Vec::new()),
            b"qHostInfo" => Some(self.host_info()),
            b"qProcessInfo" => Some(self.process_info()),
            b"qWatchpointSupportInfo" => Some(format!("num:{MOST_WATCHES};").into_bytes()),
            b"qMemoryRegionInfo" => Some(match number(rest) {
                Some(address) => self.memory_region(address).into_bytes(),
                None => b"E16".to_vec(),
            }),
            b"QPassSignals" => Some(self.pass_quietly(rest)),
            b"qXfer" => {
                let range = rest.strip_prefix(b"siginfo:read::")?;
                Some(self.siginfo(range))
            }
            _ => None,
        }
    }

    /// Whether a `vCont` is for all threads, or for one that lives: otherwise nothing could ever run or stop again.
    fn lets_anyone_go(&self, body: &[u8]) -> bool {
        let alive = self.kernel.threads_alive(self.debugged());
        let goes = |action: &[u8]| {
            let Some(colon) = action.iter().position(|byte| *byte == b':') else {
                return !action.is_empty();
            };
            let name = &action[colon + 1..];
            let thread = name.rsplit(|byte| *byte == b'.').next().unwrap_or(name);
            let named = |pid: &process::Pid| number(thread) == Some(u64::from(pid.get()));
            thread == b"-1" || alive.iter().any(named)
        };
        body.split(|byte| *byte == b';').skip(1).any(goes)
    }

    /// lldb asks this first; watchpoints stop before the access, which it would not expect.
    fn host_info(&self) -> Vec<u8> {
        let triple = hex(TRIPLE.as_bytes());
        let host = hex(self.kernel.config().hostname.as_bytes());
        format!(
            "triple:{triple};ptrsize:8;endian:little;watchpoint_exceptions_received:before;hostname:{host};\
             vm-page-size:{};",
            self.kernel.memory().granule().bytes()
        )
        .into_bytes()
    }

    fn process_info(&self) -> Vec<u8> {
        let process = self.debugged();
        let Some(task) = self.kernel.find(process) else {
            return b"E03".to_vec();
        };
        let creds = &task.creds;
        format!(
            "pid:{:x};parent-pid:{:x};real-uid:{:x};real-gid:{:x};effective-uid:{:x};effective-gid:{:x};\
             triple:{};ostype:linux;endian:little;ptrsize:8;",
            tid(process),
            task.parent.get(),
            creds.uid,
            creds.gid,
            creds.euid,
            creds.egid,
            hex(TRIPLE.as_bytes())
        )
        .into_bytes()
    }

    /// The mapping at an address, or the hole there up to the next mapping.
    fn memory_region(&self, address: u64) -> String {
        let Some(space) = self.space_of(self.debugged()) else {
            return "E03".to_owned();
        };
        let memory = self.kernel.memory();
        let granule = memory.granule();
        let bounds = |vma: &Vma| {
            (
                vma.range.start().start(granule).get(),
                vma.range.end().start(granule).get(),
            )
        };
        let place = VirtAddr::new(address).untagged().get();
        let mut hole = (0, granule.user_end());
        for vma in memory.vmas(space) {
            let (start, end) = bounds(vma);
            if place < start {
                hole.1 = start;
                break;
            }
            if place < end {
                let letter = |bit, letter| if vma.prot.contains(bit) { letter } else { "" };
                let name = match self.kernel.region_at(self.debugged(), place) {
                    Region::Mapped(place) => hex(place.name.as_bytes()),
                    Region::Nothing(_) => String::new(),
                };
                return format!(
                    "start:{start:x};size:{:x};permissions:{}{}{};name:{name};",
                    end - start,
                    letter(Prot::READ, "r"),
                    letter(Prot::WRITE, "w"),
                    letter(Prot::EXEC, "x")
                );
            }
            hole.0 = end;
        }
        // Above user space there is nothing for this program.
        let (start, end) = if place >= granule.user_end() {
            (granule.user_end(), u64::MAX)
        } else {
            hole
        };
        format!("start:{start:x};size:{:x};", end - start)
    }

    /// `QPassSignals`: the signals that a debugger would only pass on.
    fn pass_quietly(&mut self, list: &[u8]) -> Vec<u8> {
        let mut quiet = SigSet::default();
        for text in list.split(|byte| *byte == b';').filter(|text| !text.is_empty()) {
            let Some(number) = number(text) else {
                return b"E16".to_vec();
            };
            let signal = u8::try_from(number).ok().and_then(signal_of);
            quiet = signal.map_or(quiet, |signal| quiet.union(SigSet::of(signal)));
        }
        self.kernel.pass_quietly(quiet);
        b"OK".to_vec()
    }

    /// The `siginfo_t` of the signal that was shown last.
    fn siginfo(&self, range: &[u8]) -> Vec<u8> {
        let shown = self.debug.shown_last.and_then(|pid| self.debug.shown.get(&pid));
        let answer = shown.and_then(|info| part(&info.encode(), range));
        answer.unwrap_or_else(|| b"E16".to_vec())
    }
}

/// What to give to gdbstub instead of a packet.
///
/// - A read longer than an answer can be is cut short: gdb asks for the rest.
/// - `c` and `s`: for all threads, or a step of the thread that stopped. gdbstub would hold the others.
/// - `C`, `S` and a `vCont` whose signal is for no thread in particular: gdbstub drops such a signal; it is for the
///   thread that stopped.
pub(super) fn rewrite(body: &[u8], machine: &Machine) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    if let Some(read) = text.strip_prefix('m') {
        let (address, length) = read.split_once(',')?;
        let long = number(length.as_bytes()).is_none_or(|length| length > MOST_READ);
        return long.then(|| format!("m{address},{MOST_READ:x}").into_bytes());
    }
    let thread = machine.debug.shown_last.unwrap_or(machine.debugged());
    let thread = tid(thread);
    if let Some(signal) = text.strip_prefix("vCont;C").filter(|rest| is_signal(rest)) {
        return Some(format!("vCont;C{signal}:{thread:x};c").into_bytes());
    }
    match text {
        "c" => return Some(b"vCont;c".to_vec()),
        "s" => return Some(format!("vCont;s:{thread:x};c").into_bytes()),
        _ => {}
    }
    let (kind, rest) = text.split_at_checked(1)?;
    let signal = rest.split(';').next().filter(|signal| is_signal(signal))?;
    match kind {
        "C" => Some(format!("vCont;C{signal}:{thread:x};c").into_bytes()),
        "S" => Some(format!("vCont;S{signal}:{thread:x};c").into_bytes()),
        _ => None,
    }
}

fn is_signal(text: &str) -> bool {
    text.len() == 2 && u8::from_str_radix(text, 16).is_ok()
}
