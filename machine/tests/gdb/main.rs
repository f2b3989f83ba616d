//! gdb's remote protocol, spoken by hand to a machine: every feature of `--gdb`, and clients that mean harm.

mod client;
mod hostile;

use client::{at, hex, little_endian, start, start_guest};
use process::{Exit, Signal};

const FUNC: u64 = 0x20;
const STORE: u64 = 0x28;
const EXIT: u64 = 0x18;
const SEGV: u64 = 0x30;
const SPIN: u64 = 0x40;
const FORK: u64 = 0x44;
const DATA: u64 = 0x88;

/// A breakpoint, registers, memory, steps, a watchpoint, the end.
#[test]
fn a_session_from_the_first_instruction_to_the_end() {
    let machine = start(0, true);
    let mut gdb = machine.debug();
    assert_eq!(gdb.ask("?"), "T05thread:p64.64;");
    assert_eq!(gdb.pc(), at(0), "the first instruction has not been executed");
    assert_eq!(gdb.ask(&format!("Z0,{:x},4", at(FUNC))), "OK");
    assert_eq!(gdb.ask("vCont;c"), "T05thread:p64.64;swbreak:;");
    assert_eq!(
        (gdb.pc(), gdb.register(0), gdb.register(30)),
        (at(FUNC), 10, at(0x0c))
    );
    assert_eq!(gdb.word(at(FUNC)), 0x9100_0c21_f940_0041, "memory holds no BRK");
    assert_eq!(gdb.ask(&format!("z0,{:x},4", at(FUNC))), "OK");

    // One instruction; a range; the program counter is where it should be.
    assert_eq!(gdb.ask("vCont;s:p64.64"), "T05thread:p64.64;");
    assert_eq!(gdb.pc(), at(FUNC + 4));
    let range = format!("vCont;r{:x},{:x}:p64.64", at(FUNC), at(FUNC + 0xc));
    assert_eq!(gdb.ask(&range), "T05thread:p64.64;");
    assert_eq!((gdb.pc(), gdb.word(at(DATA))), (at(FUNC + 0xc), 3));
    assert_eq!(gdb.ask("s"), "T05thread:p64.64;", "the old packet");
    assert_eq!(gdb.pc(), at(0x0c));

    // The watchpoint stops before the store, at the exact byte.
    assert_eq!(gdb.ask(&format!("Z2,{:x},1", at(DATA + 3))), "OK");
    assert_eq!(
        gdb.ask("c"),
        format!("T05thread:p64.64;watch:{:x};", at(DATA + 3))
    );
    assert_eq!((gdb.pc(), gdb.word(at(DATA))), (at(STORE), 3));
    assert_eq!(gdb.ask(&format!("z2,{:x},1", at(DATA + 3))), "OK");
    for (kind, name, stop) in [(3, "rwatch", FUNC), (4, "awatch", STORE)] {
        assert_eq!(gdb.ask("vCont;s:p64.64;c"), "T05thread:p64.64;");
        assert_eq!(gdb.ask(&format!("Z{kind},{:x},8", at(DATA))), "OK");
        let pc = if kind == 3 { FUNC } else { stop };
        // An access watch stops at the load of the next round, then at its store.
        let expected = format!("T05thread:p64.64;{name}:{:x};", at(DATA));
        assert_eq!(gdb.ask("c"), expected);
        if kind == 4 && gdb.pc() == at(FUNC) {
            assert_eq!(gdb.ask(&format!("z{kind},{:x},8", at(DATA))), "OK");
            assert_eq!(gdb.ask("vCont;s:p64.64"), "T05thread:p64.64;");
            assert_eq!(gdb.ask(&format!("Z{kind},{:x},8", at(DATA))), "OK");
            assert_eq!(gdb.ask("c"), expected);
        }
        assert_eq!(gdb.pc(), at(pc));
        assert_eq!(gdb.ask(&format!("z{kind},{:x},8", at(DATA))), "OK");
    }

    // A hardware breakpoint; then registers and memory are changed, and the program's answer with them.
    assert_eq!(gdb.ask(&format!("Z1,{:x},4", at(EXIT))), "OK");
    assert_eq!(gdb.ask("c"), "T05thread:p64.64;hwbreak:;");
    assert_eq!(gdb.word(at(DATA)), 30);
    assert_eq!(gdb.ask("P0=0700000000000000"), "OK");
    assert_eq!(gdb.ask(&format!("M{:x},2:ffee", at(DATA))), "OK");
    assert_eq!(gdb.ask(&format!("m{:x},3", at(DATA))), "ffee00");
    assert_eq!(gdb.ask(&format!("z1,{:x},4", at(EXIT))), "OK");
    assert_eq!(gdb.ask("c"), "W07");
    assert_eq!(machine.end().exit, Exit::Code(7));
}

/// The same instructions are executed, in number, whatever a debugger looks at.
#[test]
fn a_debugger_changes_nothing() {
    let alone = start(0, false).end();
    let machine = start(0, true);
    let mut gdb = machine.debug();
    assert_eq!(gdb.ask(&format!("Z0,{:x},4", at(STORE))), "OK");
    for _ in 0..10 {
        assert_eq!(gdb.ask("c"), "T05thread:p64.64;swbreak:;");
        assert_eq!(gdb.ask(&format!("z0,{:x},4", at(STORE))), "OK");
        assert_eq!(gdb.ask("vCont;s:p64.64"), "T05thread:p64.64;");
        assert_eq!(gdb.ask(&format!("Z0,{:x},4", at(STORE))), "OK");
    }
    assert_eq!(gdb.ask("c"), "W2a");
    let end = machine.end();
    assert_eq!((end.exit, end.instructions), (alone.exit, alone.instructions));
    assert_eq!(end.instructions, 2 + 10 * 7 + 3, "counted by hand");
}

#[test]
fn all_registers_go_there_and_back() {
    let machine = start(SPIN, true);
    let mut gdb = machine.debug();
    let all = gdb.ask("g");
    assert_eq!(all.len(), 2 * (31 * 8 + 8 + 8 + 4 + 32 * 16 + 4 + 4 + 8));
    assert_eq!(little_endian(&all[32 * 16..]), at(SPIN));
    let changed = format!("1122334455667788{}", &all[16..]);
    assert_eq!(gdb.ask(&format!("G{changed}")), "OK");
    assert_eq!(gdb.ask("g"), changed);
    assert_eq!(gdb.ask("P22=0102030405060708090a0b0c0d0e0f10"), "OK");
    assert_eq!(gdb.ask("p22"), "0102030405060708090a0b0c0d0e0f10", "v0");
    assert_eq!(gdb.ask("P21=000000f0"), "OK");
    assert_eq!(gdb.ask("p21"), "000000f0", "the flags");
    assert_eq!(gdb.ask("P44=0011223344556677"), "OK");
    assert_eq!(gdb.ask("p44"), "0011223344556677", "the thread pointer");
    assert_eq!(gdb.ask("vKill;64"), "OK");
    assert_eq!(machine.end().exit, Exit::Signal(Signal::KILL));
}

/// SIGSEGV is shown with its address; not passed, the instruction is tried again; passed, it kills.
#[test]
fn signals_are_shown_before_they_are_taken() {
    let machine = start(SEGV, true);
    let mut gdb = machine.debug();
    for _ in 0..2 {
        assert_eq!(gdb.ask("vCont;c"), "T0bthread:p64.64;");
        assert_eq!(gdb.pc(), at(SEGV + 4));
        let info = gdb.ask_bytes(b"qXfer:siginfo:read::0,80");
        // si_signo, si_code SEGV_MAPERR, si_addr.
        assert_eq!((info[0], info[1], info[9], info.len()), (b'l', 11, 1, 129));
        assert_eq!(little_endian(&hex(&info[17..25])), 0x10);
    }
    assert_eq!(gdb.ask("vCont;C0b:p64.64;c"), "X0b");
    let end = machine.end();
    assert_eq!(end.exit, Exit::Signal(Signal::SEGV));

    // The program counter moved past the store, and the signal dropped.
    let machine = start(SEGV, true);
    let mut gdb = machine.debug();
    assert_eq!(gdb.ask("c"), "T0bthread:p64.64;");
    assert_eq!(
        gdb.ask(&format!("P20={}", hex(&at(SEGV + 8).to_le_bytes()))),
        "OK"
    );
    assert_eq!(gdb.ask("c"), "W07");
    assert_eq!(machine.end().exit, Exit::Code(7));

    // A signal that the debugger does not want to see.
    let machine = start(SEGV, true);
    let mut gdb = machine.debug();
    assert_eq!(gdb.ask("QPassSignals:e;b;14"), "OK");
    assert_eq!(gdb.ask("C0f"), "X0f", "one of the debugger's own, SIGTERM");
    assert_eq!(machine.end().exit, Exit::Signal(Signal::TERM));
}

/// Ctrl-C; detach; a second debugger; kill.
#[test]
fn debuggers_come_and_go() {
    let machine = start(SPIN, true);
    let mut gdb = machine.debug();
    gdb.send(b"vCont;c");
    gdb.raw(b"\x03");
    assert_eq!(gdb.answer().unwrap(), b"T02thread:p64.64;");
    assert_eq!(gdb.pc(), at(SPIN));
    assert_eq!(gdb.ask(&format!("Z0,{:x},4", at(SPIN))), "OK");
    assert_eq!(gdb.ask("D;64"), "OK");
    assert_eq!(gdb.answer(), None, "the machine hangs up");

    // The program runs, and its breakpoint is gone: Ctrl-C finds it running.
    let mut gdb = machine.debug();
    assert_eq!(gdb.ask("?"), "T05thread:p64.64;");
    gdb.send(b"c");
    gdb.raw(b"\x03");
    assert_eq!(gdb.answer().unwrap(), b"T02thread:p64.64;");
    gdb.send(b"k");
    let end = machine.end();
    assert_eq!(end.exit, Exit::Signal(Signal::KILL));
    assert!(
        end.news.iter().any(|line| line.contains("has detached")),
        "{:?}",
        end.news
    );
}

/// Lost before anybody let the program go: another is waited for. Lost later: the program runs on.
#[test]
fn a_connection_may_be_lost() {
    let machine = start(0, true);
    drop(machine.connect());
    let mut gdb = machine.debug();
    assert_eq!(gdb.pc(), at(0), "nothing has run");
    assert_eq!(gdb.ask(&format!("Z0,{:x},4", at(FUNC))), "OK");
    assert_eq!(gdb.ask("c"), "T05thread:p64.64;swbreak:;");
    drop(gdb);
    let end = machine.end();
    assert_eq!(end.exit, Exit::Code(42));
    assert!(
        end.news.iter().any(|line| line.contains("the program runs on")),
        "{:?}",
        end.news
    );
    assert!(
        end.news.iter().any(|line| line.contains("waiting for another")),
        "{:?}",
        end.news
    );
}

/// A child has the parent's memory and not its breakpoints.
#[test]
fn a_forked_child_runs_free() {
    let machine = start(FORK, true);
    let mut gdb = machine.debug();
    assert_eq!(gdb.ask(&format!("Z0,{:x},4", at(FUNC))), "OK");
    assert_eq!(gdb.ask(&format!("Z2,{:x},8", at(DATA))), "OK");
    assert_eq!(gdb.ask("c"), "W03");
    assert_eq!(machine.end().exit, Exit::Code(3));
}

/// Reads fault nothing in, and a write to what the program may not write goes to a copy.
#[test]
fn memory_is_read_and_written() {
    let machine = start(SPIN, true);
    let mut gdb = machine.debug();
    assert_eq!(gdb.ask("m10,4"), "E0e", "nothing is mapped");
    assert_eq!(gdb.ask("mffffffffffffff00,1000"), "E0e");
    assert_eq!(gdb.ask(&format!("m{:x},4", client::BASE)), hex(b"\x7fELF"));
    let long = gdb.ask(&format!("m{:x},ffffffff", client::BASE));
    assert!(
        long.len() > 100 && long.len() < 0x4000,
        "as much as a packet holds"
    );
    assert_eq!(gdb.ask("M10,1:00"), "E05");
    // The vDSO is not writable, and private.
    let auxv = gdb.ask_bytes(b"qXfer:auxv:read::0,1000");
    let pairs: Vec<u64> = auxv[1..]
        .chunks(8)
        .map(|word| little_endian(&hex(word)))
        .collect();
    assert!(
        pairs.len().is_multiple_of(2) && pairs.contains(&16),
        "AT_HWCAP is there"
    );
    let region = gdb.ask(&format!("qMemoryRegionInfo:{:x}", at(SPIN)));
    assert!(
        region.starts_with("start:400000;size:4000;permissions:rwx;name:"),
        "{region}"
    );
    let hole = gdb.ask("qMemoryRegionInfo:0");
    assert_eq!(hole, "start:0;size:400000;");
    let above = gdb.ask("qMemoryRegionInfo:ffff000000000000");
    assert!(
        above.starts_with("start:") && !above.contains("permissions"),
        "{above}"
    );
    assert_eq!(gdb.ask("qMemoryRegionInfo:zz"), "E16");
    gdb.send(b"k");
    machine.end();
}

/// What gdb and lldb ask of a host, of files, and by `monitor`.
#[test]
fn the_rest_of_the_questions() {
    let machine = start(SPIN, true);
    let mut gdb = machine.debug();
    let host = gdb.ask("qHostInfo");
    assert!(host.contains("watchpoint_exceptions_received:before;"), "{host}");
    assert!(gdb.ask("qProcessInfo").starts_with("pid:64;"));
    assert!(
        gdb.ask("qXfer:features:read:target.xml:0,3fff")
            .contains("org.gnu.gdb.aarch64.tls")
    );
    let path = gdb.ask("qXfer:exec-file:read:64:0,fff");
    let path = path.strip_prefix('l').or(path.strip_prefix('m')).unwrap();
    assert!(path.ends_with("/program"), "{path}");
    assert_eq!(gdb.ask("qThreadExtraInfo,p64.64"), hex(b"program (runnable)"));
    assert_eq!(gdb.ask("qfThreadInfo"), "mp64.64");

    // Files: the program itself, /proc, what is not there, and what may not be done.
    assert_eq!(gdb.ask("vFile:setfs:0"), "F0");
    assert_eq!(
        gdb.ask(&format!("vFile:open:{},0,0", hex(path.as_bytes()))),
        "F01"
    );
    let head = gdb.ask_bytes(b"vFile:pread:1,4,0");
    assert_eq!(head, b"F04;\x7fELF");
    assert!(gdb.ask_bytes(b"vFile:fstat:1").starts_with(b"F40;"));
    assert_eq!(gdb.ask("vFile:close:1"), "F0");
    assert_eq!(gdb.ask("vFile:close:1"), "F-1,09");
    assert_eq!(
        gdb.ask(&format!("vFile:open:{},0,0", hex(b"/proc/100/maps"))),
        "F01"
    );
    assert!(gdb.ask("vFile:pread:1,fff,0").contains("00400000-00404000 rwxp"));
    assert_eq!(gdb.ask(&format!("vFile:open:{},0,0", hex(b"/nowhere"))), "F-1,02");
    assert_eq!(gdb.ask(&format!("vFile:open:{},1,0", hex(b"/tmp/x"))), "F-1,1e");
    assert_eq!(
        gdb.ask(&format!("vFile:open:{},0,0", hex(b"/dev/null"))),
        "F-1,0d"
    );

    let mut monitor = |command: &str| {
        gdb.send(format!("qRcmd,{}", hex(command.as_bytes())).as_bytes());
        let mut said = String::new();
        loop {
            let answer = String::from_utf8(gdb.answer().unwrap()).unwrap();
            match answer.strip_prefix('O').filter(|rest| *rest != "K") {
                Some(text) => said.push_str(text),
                None => break,
            }
        }
        let bytes = said.as_bytes().chunks(2);
        let bytes = bytes.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        String::from_utf8(bytes.collect()).unwrap()
    };
    assert!(monitor("help").contains("monitor vmmap ADDRESS"));
    assert!(
        monitor("ps").contains("    100       0 R       1"),
        "{}",
        monitor("ps")
    );
    assert!(monitor("vmmap").contains("00400000-00404000 rwxp"));
    let page = monitor(&format!("vmmap {:#x}", at(SPIN)));
    assert!(
        page.contains("rwx 0x400000-0x404000") && page.contains("page 0x400000:"),
        "{page}"
    );
    assert!(monitor("vmmap 0").contains("nothing is mapped"));
    assert!(monitor("vmmap x").contains("is no address"));
    assert!(monitor("frobnicate").contains("is no command"));
    gdb.send(b"k");
    machine.end();
}

/// The guest `threads`: all of its threads are seen, one is stepped while the others are held, and it ends as ever.
#[test]
fn threads() {
    let machine = start_guest("threads");
    let mut gdb = machine.debug();
    // Its signals are its own.
    assert_eq!(gdb.ask("QPassSignals:1e;1f;14;b"), "OK");
    // A system call's instruction is a place to stop at where every thread comes by; stop by Ctrl-C until there are some.
    let mut most = 0;
    for _ in 0..200 {
        gdb.send(b"vCont;c");
        gdb.raw(b"\x03");
        let stop = String::from_utf8(gdb.answer().unwrap()).unwrap();
        if stop.starts_with('W') {
            assert_eq!(stop, "W00");
            break;
        }
        assert!(stop.starts_with("T02thread:p64."), "{stop}");
        let list = gdb.ask("qfThreadInfo");
        let threads: Vec<&str> = list[1..].split(',').collect();
        most = most.max(threads.len());
        let here = stop
            .trim_start_matches("T02thread:")
            .trim_end_matches(';')
            .to_owned();
        assert!(threads.contains(&here.as_str()), "{here} in {list}");
        assert_eq!(gdb.ask(&format!("Hg{here}")), "OK");
        let pc = gdb.pc();
        let step = gdb.ask(&format!("vCont;s:{here}"));
        assert_eq!(step, format!("T05thread:{here};"));
        assert_ne!(gdb.pc(), pc);
        if most > 1 {
            gdb.send(b"vCont;c");
            let end = String::from_utf8(gdb.answer().unwrap()).unwrap();
            assert_eq!(end, "W00");
            break;
        }
    }
    assert_eq!(machine.end().exit, Exit::Code(0));
}
