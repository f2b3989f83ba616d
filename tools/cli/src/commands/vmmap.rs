//! `vmmap`: the map of a process's memory. One command for the host's processes, the machines' and saved folders.

use super::diff::TimeArgs;
use crate::Failure;
use crate::screen::{Colour, Screen};
use crate::target::{self, Source, Subject};
use observe::render::{self, Listing, Options};
use observe::{PageState, Snapshot};
use procfs::{Addr, RootError};
use std::io::Write;
use std::path::PathBuf;

/// Show the map of a process's memory: every region with its size, residence, dirtiness, protection and sharing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Process id, command name or part of one; MACHINE:PID for one of several machines; or a saved file
    #[arg(value_name = "PID|NAME|FILE", required_unless_present_any = ["diff", "watch"])]
    target: Option<String>,

    /// Show only the region of this address, its neighbours, and the state of its page (hexadecimal)
    #[arg(value_name = "ADDRESS", value_parser = parse_address)]
    address: Option<Addr>,

    /// Only the header and the summary
    #[arg(long, conflicts_with_all = ["interleaved", "stacks"])]
    summary: bool,

    /// All regions by address, not split into non-writable and writable
    #[arg(long, conflicts_with = "stacks")]
    interleaved: bool,

    /// Only stacks and their guards
    #[arg(long)]
    stacks: bool,

    /// Do not shorten paths to the width of the terminal
    #[arg(short, long)]
    wide: bool,

    /// As --wide and --no-coalesce, with offset, proportional size and flags of each region
    #[arg(short, long)]
    verbose: bool,

    /// Sizes in pages
    #[arg(long)]
    pages: bool,

    /// Do not join adjacent regions that differ only in figures
    #[arg(long)]
    no_coalesce: bool,

    /// Largest dirty and swapped memory first
    #[arg(short, long)]
    sort_by_size: bool,

    /// One JSON object, schema pagewalk.vmmap/1; sizes in bytes, unknown is null
    #[arg(long, conflicts_with = "address")]
    json: bool,

    /// Read this folder, shaped like /proc, such as a saved copy
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Colour,

    #[command(flatten)]
    time: TimeArgs,
}

/// Addresses are hexadecimal, with or without 0x, as the report prints them.
fn parse_address(word: &str) -> Result<Addr, String> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    u64::from_str_radix(digits, 16)
        .map(Addr)
        .map_err(|_| "an address is hexadecimal, such as 7f0012345678".into())
}

impl Args {
    /// Run on this host's processes.
    ///
    /// # Errors
    /// [`Failure`] if the process cannot be shown, or only in part.
    pub fn run_on_host(self) -> Result<(), Failure> {
        let sources = match self.root.clone() {
            Some(root) => target::folder(root)?,
            None => target::host(),
        };
        self.run(&sources)
    }

    /// Run on the processes of every running machine.
    ///
    /// # Errors
    /// [`Failure`] as above, or if no machine runs.
    pub fn run_on_machines(self) -> Result<(), Failure> {
        let sources = match self.root.clone() {
            Some(root) => target::folder(root)?,
            None if self.reads_files_only() => Vec::new(),
            None => target::machines()?,
        };
        self.run(&sources)
    }

    fn run(self, sources: &[Source]) -> Result<(), Failure> {
        let mut screen = Screen::new(self.color);
        let options = self.options(&screen);
        let target = self.target.as_deref();
        if let Some(done) = self.time.run(sources, target, &mut screen, &options, self.json) {
            return done;
        }
        let subject = target::subject(sources, target.unwrap_or_default())?;
        if self.json {
            let snapshot = subject.snapshot()?;
            observe::json::write(&snapshot, &mut screen)?;
            screen.flush()?;
            return whole(&snapshot);
        }
        let snapshot = subject.shown()?;
        match self.address {
            Some(addr) => {
                let page = page_state(&subject, addr, &snapshot);
                render::around(&snapshot, addr, &page, &options, &mut screen)?;
            }
            None => render::report(&snapshot, &options, &mut screen)?,
        }
        screen.flush()?;
        whole(&snapshot)
    }

    /// Whether no word means a process, so that no machine need run.
    fn reads_files_only(&self) -> bool {
        let words = self.time.words(self.target.as_deref());
        words.into_iter().all(target::is_file)
    }

    fn options(&self, screen: &Screen) -> Options {
        let listing = match (self.summary, self.interleaved, self.stacks) {
            (true, ..) => Listing::SummaryOnly,
            (_, true, _) => Listing::Interleaved,
            (.., true) => Listing::Stacks,
            _ => Listing::Split,
        };
        let tool = std::env::current_exe().map_or("vmmap".into(), |p| p.display().to_string());
        Options {
            listing,
            coalesce: !(self.no_coalesce || self.verbose),
            sort_by_size: self.sort_by_size,
            verbose: self.verbose,
            in_pages: self.pages,
            width: if self.wide || self.verbose {
                None
            } else {
                screen.width
            },
            palette: screen.palette,
            tool,
        }
    }
}

fn page_state(subject: &Subject<'_>, addr: Addr, snapshot: &Snapshot) -> Result<PageState, RootError> {
    match subject {
        Subject::Live { source, pid } => {
            let page_bytes = snapshot.facts.page_bytes.unwrap_or(0);
            PageState::read(source.root.as_ref(), *pid, addr, page_bytes)
        }
        Subject::File(_) => {
            let why = "a saved snapshot has no states of pages";
            let error = std::io::Error::new(std::io::ErrorKind::Unsupported, why);
            Err(RootError::new("read", "pagemap", error))
        }
    }
}

/// Whether all was shown.
pub(super) fn whole(snapshot: &Snapshot) -> Result<(), Failure> {
    match snapshot.regions {
        Some(_) => Ok(()),
        None => Err(in_part(snapshot)),
    }
}

/// The regions could not be read: say what was shown instead, and what would help.
fn in_part(snapshot: &Snapshot) -> Failure {
    let facts = &snapshot.facts;
    let why = snapshot.gaps.last().map_or("", |gap| &gap.why);
    let help = if why.contains("denied") {
        "; its owner or root can see the regions"
    } else {
        ""
    };
    Failure::partial(format!(
        "process {} ({}) is shown in part, totals only: {why}{help}",
        facts.pid, facts.name,
    ))
}
