//! `monitor` commands of gdb, `process plugin packet monitor` of lldb: this machine's own view of the moment.
//!
//! They are short: `pagewalk vmmap` and `pagewalk ps` show the same stopped moment in full, over the control socket.

use std::convert::Infallible;
use std::fmt::Write as _;

use arch::VirtAddr;
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, outputln};
use mm::{PageInfo, Vma};
use process::Region;

use crate::Machine;

const HELP: &str = "\
monitor vmmap            the mappings of the debugged process
monitor vmmap ADDRESS    what lies at an address: its mapping, its page, its frame
monitor ps               the processes of the machine
monitor help             this
In another terminal: pagewalk vmmap PID, pagewalk ps";

impl MonitorCmd for Machine {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Infallible> {
        let text = String::from_utf8_lossy(command);
        let words: Vec<&str> = text.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["vmmap"] => self.mappings(),
            ["vmmap", address] => match parse(address) {
                Some(address) => self.page_at(address),
                None => format!("'{address}' is no address: write it in hexadecimal, as 0x400000"),
            },
            ["ps"] => self.processes(),
            ["help"] | [] => HELP.to_owned(),
            _ => format!("'{text}' is no command here\n{HELP}"),
        };
        outputln!(out, "{}", answer.trim_end());
        Ok(())
    }
}

fn parse(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).ok()
}

impl Machine {
    fn mappings(&self) -> String {
        String::from_utf8_lossy(&self.proc_file("maps")).into_owned()
    }

    fn page_at(&self, address: u64) -> String {
        let process = self.debugged();
        let Some(space) = self.space_of(process) else {
            return "the process has ended".to_owned();
        };
        let memory = self.kernel.memory();
        let place = VirtAddr::new(address).untagged();
        let page = place.page(memory.granule());
        match self.kernel.region_at(process, address) {
            Region::Nothing(None) => format!("{address:#x}: nothing is mapped"),
            Region::Nothing(Some(near)) => format!("{address:#x}: nothing is mapped; the nearest is {near}"),
            Region::Mapped(region) => {
                let mut text = format!("{address:#x}: {region}\n");
                if let Some(vma) = memory.find_vma(space, page) {
                    text.push_str(&usage(memory, space, vma));
                }
                let start = page.start(memory.granule()).get();
                text.push_str(&format!(
                    "page {start:#x}: {}",
                    describe(&memory.page_info(space, page))
                ));
                text
            }
        }
    }

    fn processes(&self) -> String {
        let mut text = "    PID    PPID S THREADS     VSZ     RSS COMMAND\n".to_owned();
        for task in self.kernel.tasks().filter(|task| task.is_first()) {
            let usage = task
                .space
                .as_ref()
                .map(|space| self.kernel.memory().usage(space.id));
            let (mapped, resident) = usage.map_or((0, 0), |usage| (usage.total_vm.kib(), usage.rss().kib()));
            let threads = self.kernel.threads_alive(task.pid).len();
            // A text takes all that is written to it.
            let _ = writeln!(
                text,
                "{:>7} {:>7} {} {threads:>7} {mapped:>6}K {resident:>6}K {}",
                task.pid.get(),
                task.parent.get(),
                task.state.letter(),
                String::from_utf8_lossy(&task.comm)
            );
        }
        text
    }
}

fn usage(memory: &mm::Memory, space: mm::SpaceId, vma: &Vma) -> String {
    let usage = memory.vma_usage(space, vma);
    let size = vma.range.count().get() * memory.granule().bytes() / 1024;
    format!("mapping: {size}K, {}K resident\n", usage.rss.kib())
}

fn describe(page: &PageInfo) -> String {
    let Some(frame) = page.frame.filter(|_| page.present) else {
        return if page.swapped { "in swap" } else { "never touched" }.to_owned();
    };
    let kind = match (page.zero_page, page.file_or_shared) {
        (true, _) => "the shared page of zeros",
        (_, true) => "a page of a file",
        _ => "anonymous",
    };
    let dirty = if page.dirty { "dirty" } else { "clean" };
    let accessed = if page.accessed { "accessed" } else { "not accessed" };
    let mapped = if page.exclusive { "mapped once" } else { "shared" };
    format!("in frame {}, {kind}, {dirty}, {accessed}, {mapped}", frame.get())
}
