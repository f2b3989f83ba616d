//! `--strace`: system calls as strace(1) prints them, `name(arguments) = result`.
//!
//! - [`calls`]: the table of argument kinds, one line a call. - [`show`]: a kind's value as text. - [`names`]: flags and numbers.
//!
//! Arguments that a call reads are shown when it is made, those that it writes (from the first such on) when it has answered,
//! so that a call that waits stands there with its arguments; if another task's line comes between, it is ended with
//! `<unfinished ...>` and taken up by `<... name resumed>`. Key type: [`Tracer`]. It looks at memory as a system call does, and so
//! may fault pages in that the call itself would have. This is a room of its own and not part of `syscall`, because no call knows
//! of it: it stands before and after the one table.

mod calls;
mod names;
mod show;

use std::fmt;
use std::io::Write;

use abi::Errno;
use abi::signal::{SigDetail, SigInfo, Signal};
use rustc_hash::FxHashMap;

use self::calls::{Kind, Shape};
use crate::kernel::Kernel;
use crate::lifecycle::Spawn;
use crate::task::{Exit, Pid};
use crate::wait::Restart;

/// Results begin at this column (strace's `-a`).
const COLUMN: usize = 40;

/// A call that has been made and not answered.
#[derive(Clone, Copy, Debug)]
struct Open {
    number: usize,
    args: [u64; 6],
}

/// Where the lines go, and what is half done.
pub(crate) struct Tracer {
    sink: Box<dyn Write>,
    open: FxHashMap<Pid, Open>,
    /// Whose line lacks its end, and how long it is so far.
    half: Option<(Pid, usize)>,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("open", &self.open)
            .finish_non_exhaustive()
    }
}

impl Tracer {
    fn put(&mut self, text: &str) {
        // Whoever closed the place that the trace goes to does not want it; the program goes on.
        let _ = self.sink.write_all(text.as_bytes());
    }

    /// Begins a line, ending another's that is half done.
    fn begin(&mut self, pid: Pid, many: bool, text: &str) {
        if self.half.take().is_some() {
            self.put(" <unfinished ...>\n");
        }
        let prefix = if many {
            format!("[pid {pid:>5}] ")
        } else {
            String::new()
        };
        let line = prefix + text;
        self.half = Some((pid, line.chars().count()));
        self.put(&line);
    }

    fn whole(&mut self, pid: Pid, many: bool, text: &str) {
        self.begin(pid, many, text);
        self.put("\n");
        self.half = None;
        let _ = self.sink.flush();
    }

    /// The rest of a call's line.
    fn end(&mut self, pid: Pid, many: bool, name: &str, rest: &str, result: &str) {
        if self.half.is_none_or(|(owner, _)| owner != pid) {
            self.begin(pid, many, &format!("<... {name} resumed>"));
        }
        let column = self.half.map_or(0, |(_, column)| column) + rest.chars().count() + 1;
        let gap = " ".repeat(COLUMN.saturating_sub(column).max(1));
        self.put(&format!("{rest}){gap}= {result}\n"));
        self.half = None;
        let _ = self.sink.flush();
    }
}

impl Kernel {
    /// Prints system calls from now on; the first program's own execve comes first.
    pub fn trace_to(&mut self, sink: Box<dyn Write>, spawn: &Spawn) {
        let mut tracer = Tracer {
            sink,
            open: FxHashMap::default(),
            half: None,
        };
        let args: Vec<String> = spawn.args.iter().map(|arg| show::text(arg, usize::MAX)).collect();
        let stack = self.tasks.get(&self.init).map_or(0, |task| task.regs.sp());
        let call = format!(
            "execve({}, [{}], {stack:#x} /* {} vars */",
            show::text(&spawn.path, usize::MAX),
            args.join(", "),
            spawn.env.len()
        );
        tracer.begin(self.init, false, &call);
        tracer.end(self.init, false, "execve", "", "0");
        self.strace = Some(tracer);
    }

    fn many(&self) -> bool {
        self.tasks.len() > 1
    }

    /// A call is made.
    pub(crate) fn trace_call(&mut self, pid: Pid) {
        let Some(mut tracer) = self.strace.take() else {
            return;
        };
        let regs = &self.task(pid).regs;
        let args = core::array::from_fn(|n| regs.x(n));
        let number = usize::try_from(regs.x(8)).unwrap_or(usize::MAX);
        let shape = calls::shape(number);
        let mut text = format!("{}(", name(number));
        let before = shape.args.iter().take_while(|kind| !kind.is_answer());
        for (index, kind) in before.enumerate() {
            self.argument(pid, &mut text, &args, index, *kind, None);
        }
        if shape.args.first().is_some_and(|kind| !kind.is_answer())
            && shape.args.iter().any(|kind| kind.is_answer())
        {
            text.push_str(", ");
        }
        tracer.begin(pid, self.many(), &text);
        tracer.open.insert(pid, Open { number, args });
        self.strace = Some(tracer);
    }

    /// A call must wait: what there is of its line is shown.
    pub(crate) fn trace_wait(&mut self) {
        if let Some(tracer) = &mut self.strace {
            let _ = tracer.sink.flush();
        }
    }

    /// A call has answered.
    pub(crate) fn trace_answer(&mut self, pid: Pid, value: u64) {
        let Some(mut tracer) = self.strace.take() else {
            return;
        };
        if let Some(open) = tracer.open.remove(&pid) {
            let shape = calls::shape(open.number);
            let rest = self.rest(pid, &open, &shape, Some(value));
            let result = result_of(value, shape.result);
            tracer.end(pid, self.many(), name(open.number), &rest, &result);
        }
        self.strace = Some(tracer);
    }

    /// A call set the registers itself: it ran a program (0), or came back from a handler. One that ended its task is told of
    /// by [`Kernel::trace_end`].
    pub(crate) fn trace_no_answer(&mut self, pid: Pid) {
        let Some(mut tracer) = self.strace.take() else {
            return;
        };
        // After execve by another thread than the first, the caller has the first one's number.
        let open = tracer.open.remove(&pid);
        if let (Some(open), Some(task)) = (open, self.tasks.get(&pid)) {
            let result = match open.number {
                abi::nr::EXECVE => "0".to_owned(),
                _ => result_of(task.regs.x(0), calls::Answer::Number),
            };
            tracer.end(pid, self.many(), name(open.number), "", &result);
        }
        self.strace = Some(tracer);
    }

    /// A handler interrupts a call that waits.
    fn trace_interruption(&mut self, pid: Pid, restart: Restart) {
        let Some(mut tracer) = self.strace.take() else {
            return;
        };
        if let Some(open) = tracer.open.remove(&pid) {
            let shape = calls::shape(open.number);
            let rest = self.rest(pid, &open, &shape, None);
            let result = match restart {
                Restart::IfAsked => "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
                Restart::Never => "? ERESTARTNOHAND (To be restarted if no handler)",
            };
            tracer.end(pid, self.many(), name(open.number), &rest, result);
        }
        self.strace = Some(tracer);
    }

    fn rest(&mut self, pid: Pid, open: &Open, shape: &Shape, value: Option<u64>) -> String {
        let mut text = String::new();
        let shown = shape.args.iter().position(|kind| kind.is_answer());
        let Some(first) = shown else { return text };
        for (index, kind) in shape.args.iter().enumerate().skip(first) {
            self.argument(pid, &mut text, &open.args, index, *kind, value);
        }
        text
    }

    fn argument(
        &mut self,
        pid: Pid,
        text: &mut String,
        args: &[u64; 6],
        index: usize,
        kind: Kind,
        value: Option<u64>,
    ) {
        if let Some(shown) = show::argument(self, pid, args, index, kind, value) {
            if !text.is_empty() && !text.ends_with('(') {
                text.push_str(", ");
            }
            text.push_str(&shown);
        }
    }

    /// A signal is delivered; to a handler, it first interrupts the call that the task waits in.
    pub(crate) fn trace_signal(&mut self, pid: Pid, info: &SigInfo, handled: bool) {
        let waits = self.tasks.get(&pid).and_then(|task| task.wait.as_ref());
        if let (true, Some(restart)) = (handled, waits.map(|wait| wait.restart)) {
            self.trace_interruption(pid, restart);
        }
        let line = format!("--- {} {} ---", info.signal, signal_story(info));
        self.trace_line(pid, &line);
    }

    /// A signal stopped a process.
    pub(crate) fn trace_stop(&mut self, pid: Pid, signal: Signal) {
        self.trace_line(pid, &format!("--- stopped by {} ---", signal));
    }

    /// A task has ended.
    pub(crate) fn trace_end(&mut self, pid: Pid, exit: Exit) {
        let many = self.many();
        if let Some(tracer) = &mut self.strace
            && let Some(open) = tracer.open.remove(&pid)
            && matches!(open.number, abi::nr::EXIT | abi::nr::EXIT_GROUP)
        {
            tracer.end(pid, many, name(open.number), "", "?");
        }
        let line = match exit {
            Exit::Code(code) => format!("+++ exited with {code} +++"),
            Exit::Signal(signal) => format!("+++ killed by {} +++", signal),
        };
        self.trace_line(pid, &line);
    }

    fn trace_line(&mut self, pid: Pid, line: &str) {
        let many = self.many();
        if let Some(tracer) = &mut self.strace {
            tracer.whole(pid, many, line);
        }
    }
}

/// An answer as it is shown.
fn result_of(value: u64, kind: calls::Answer) -> String {
    match kind {
        _ if value > u64::MAX - u64::from(Errno::MAX) => {
            let errno = Errno::from_raw(value.wrapping_neg() as i32);
            match errno.name() {
                Some(name) => format!("-1 {name} ({errno})"),
                None => format!("-1 (errno {})", errno.get()),
            }
        }
        calls::Answer::Number => (value as i64).to_string(),
        calls::Answer::Address => format!("{value:#x}"),
    }
}

fn name(number: usize) -> &'static str {
    abi::nr::name(number as u64).unwrap_or("syscall_unknown")
}

fn signal_story(info: &SigInfo) -> String {
    let (name, code) = (info.signal, info.code_name());
    match info.detail {
        SigDetail::User { pid, uid } => {
            format!("{{si_signo={name}, si_code={code}, si_pid={pid}, si_uid={uid}}}")
        }
        SigDetail::Child { pid, uid, status } => {
            let by_signal = code != "CLD_EXITED";
            let signal = u64::try_from(status).ok().and_then(Signal::new);
            let status = match signal.filter(|_| by_signal) {
                Some(signal) => signal.to_string(),
                None => status.to_string(),
            };
            format!(
                "{{si_signo={name}, si_code={code}, si_pid={pid}, si_uid={uid}, si_status={status}, si_utime=0, si_stime=0}}"
            )
        }
        SigDetail::Fault { address: 0 } => format!("{{si_signo={name}, si_code={code}, si_addr=NULL}}"),
        SigDetail::Fault { address } => {
            format!("{{si_signo={name}, si_code={code}, si_addr={address:#x}}}")
        }
        SigDetail::Kernel | SigDetail::Queued { .. } => format!("{{si_signo={name}, si_code={code}}}"),
    }
}
