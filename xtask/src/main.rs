//! `cargo xtask`: one entry for every chore of the project. One file per subcommand: [`mod@test`], [`ci`], [`guests`],
//! [`mod@bench`] with [`bench_vmmap`], [`programs`]; what they share is in [`command`] (running programs), [`debian`]
//! (packages without root) and [`runner`] (a guest on the machine or under qemu-aarch64).

mod bench;
mod bench_mm;
mod bench_vmmap;
mod browser;
mod ci;
mod command;
mod debian;
mod debuggers;
mod end_to_end;
mod faults;
mod guests;
mod inputs;
mod live;
mod lockstep;
mod outcome;
mod pages;
mod procps;
mod programs;
mod record;
mod runner;
mod test;
mod toolchain;
mod trouble;
mod truth;

use std::process::ExitCode;

use trouble::Trouble;

const HELP: &str = "\
usage: cargo xtask COMMAND [OPTIONS]

  test [--runner PROGRAM] [--only WORD] [--no-cargo]
                   everything that a fresh clone must pass; ends with `N passed, N failed, N skipped`
                   --runner qemu-aarch64 runs the guests there, to test the guests themselves
                   --only WORD runs the end-to-end checks whose name contains WORD; implies --no-cargo
  ci               fmt, clippy, doc, guests --check, then test
  ci --checks      the same without the tests
  ci --long [N]    random memory calls with fork, swap and reclaim against a naive model, all invariants checked after each of N
                   events (1000000), then `faults`
  faults           every swap read, swap write and frame allocation of guest programs made to fail in turn
  guests           rebuild the bundled ELF files and fetch the Debian programs
  guests --check   prove the committed ELF files identical to their sources
  guests --record  record the expected outputs on this host
  programs [WORD...] [--page-size 4k|16k|64k] [--full] [--list] [--runner PROGRAM]
                   Debian's arm64 programs in root folders of their own, against qemu-aarch64 in the same roots: the cases
                   that `test` runs, or all with --full, or those whose name contains a WORD
  programs --python [WORD...] [--page-size 4k|16k|64k] [--runner PROGRAM]
                   Python's own test modules likewise, test by test; guests/python-tests.txt has the reasons for what differs
  pressure [--policy P] [--program P] [--page-size 4k|16k|64k] [--tier none|compressed] [--short] [--runner PROGRAM]
                   Debian's programs with 16 MB of RAM and swap must write what they do with plenty, under every policy
  pressure --stress [--program P] [--page-size 4k|16k|64k]
                   stress-ng's memory stressors with --verify, and memtester
  bench [NAME] [--rounds N] [--record] [--runner PROGRAM]
                   figures against qemu-aarch64 and the host's kernel, side by side, with targets; then `bench vmmap`
  bench mm[.GROUP] [--rounds N] [--record] [--runner PROGRAM]
                   faults, fork, mapping calls among many mappings, and swap, against the host's kernel, with targets;
                   or one group of rows, such as mm.fork
  bench vmmap[.wall|.stall][.NAME] [--rounds N] [--record]
                   vmmap against pmap, smem and cat smaps: time, own memory, stall of the target
  lockstep [--seed N] [--operands N] [--only CLASS|MNEMONIC] [--jobs N] [--show N] [--list] [--open]
                   every encoding with N operand sets (2000) under qemu-aarch64 and on our processor, compared;
                   --list prints the encodings, --open what the manual leaves open
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.split_first() {
        Some((&"test", rest)) => test::run(rest),
        Some((&"ci", rest)) => ci::run(rest),
        Some((&"faults", rest)) => faults::run(rest),
        Some((&"guests", rest)) => guests::run(rest),
        Some((&"bench", rest)) => bench::run(rest),
        Some((&"lockstep", rest)) => lockstep::run(rest),
        Some((&"programs", rest)) => programs::run(rest),
        Some((&"pressure", rest)) => programs::pressure::run(rest),
        Some((&("help" | "--help" | "-h"), _)) | None => {
            print!("{HELP}");
            Ok(())
        }
        Some((word, _)) => Err(Trouble::Usage(format!(
            "no chore called `{word}` with these options"
        ))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("xtask: {trouble}");
            ExitCode::FAILURE
        }
    }
}
