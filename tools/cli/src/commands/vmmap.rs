//! `vmmap`: the map of a process's memory. One command for the host's processes, the machines' and saved folders.

use super::all::{AllArgs, Output};
use super::diff::{Shape, TimeArgs};
use crate::Failure;
use crate::input;
use crate::screen::{Colour, Screen};
use crate::target::{self, Source, Subject, Target, find};
use observe::render::{self, Listing, Options};
use observe::{PageState, Snapshot, Take};
use procfs::{Addr, RootError};
use std::io::Write;
use std::path::PathBuf;

/// Show the map of a process's memory: every region with its size, residence, dirtiness, protection and sharing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Process id, command name or part of one; MACHINE:PID for one of several machines; or a saved snapshot, a core file, or the
    /// saved folder of a process
    #[arg(value_name = "PID|NAME|FILE", required_unless_present_any = ["all", "diff", "watch"])]
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

    /// Walk malloc's zones however large they are (by default heaps up to 64 MB are walked, larger ones told in sum)
    #[arg(long, conflicts_with = "no_heap")]
    heap: bool,

    /// Do not look into malloc's zones: read no memory of the process
    #[arg(long)]
    no_heap: bool,

    /// Hold the process up for at most about 1 ms at a time: do without smaps, and so without PSS, maximum protection and a few more
    #[arg(long)]
    gentle: bool,

    /// One JSON object, schema pagewalk.vmmap/1; sizes in bytes, unknown is null
    #[arg(long, conflicts_with = "address")]
    json: bool,

    /// One self-contained page of HTML into this file (`-`: standard output): the address space, its pages, its regions
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "address"])]
    html: Option<PathBuf>,

    /// Read this folder, shaped like /proc, such as a saved copy
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Say what a word of the report means on Linux, such as DIRTY, COW or relro; `all` for every word
    #[arg(long, value_name = "WORD", exclusive = true)]
    explain: Option<String>,

    /// Colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: Colour,

    #[command(flatten)]
    all: AllArgs,

    #[command(flatten)]
    time: TimeArgs,
}

/// A heap of small chunks takes a millisecond or two for each megabyte.
const WALKED_BY_DEFAULT: u64 = 64 << 20;

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
        if let Some(word) = &self.explain {
            return super::explain::explain(word, &mut Screen::new(self.color));
        }
        if let Some(done) = self.apart_from_live(target::host) {
            return done;
        }
        let word = self.target.as_deref().unwrap_or_default();
        let target = Target::parse(word);
        match (self.root.clone(), input::path(word)) {
            (Some(root), _) => self.run(&target::folder(root)?, &target),
            (None, None) => self.run(&target::host(), &target),
            (None, Some(path)) => {
                let (source, pid) = input::open(&path)?;
                self.run(&[source], &Target::Pid { machine: None, pid })
            }
        }
    }

    /// Run on the processes of every running machine.
    ///
    /// # Errors
    /// [`Failure`] as above, or if no machine runs.
    pub fn run_on_machines(self) -> Result<(), Failure> {
        if let Some(word) = &self.explain {
            return super::explain::explain(word, &mut Screen::new(self.color));
        }
        // Between files alone no machine is needed; if one is, it is said that none runs.
        if let Some(done) = self.apart_from_live(|| target::machines().unwrap_or_default()) {
            return done;
        }
        let sources = match self.root.clone() {
            Some(root) => target::folder(root)?,
            None => target::machines()?,
        };
        let target = Target::parse(self.target.as_deref().unwrap_or_default());
        self.run(&sources, &target)
    }

    /// What has to do with time, or shows a saved snapshot; `None` if it is the report of a process.
    fn apart_from_live(&self, sources: impl FnOnce() -> Vec<Source>) -> Option<Result<(), Failure>> {
        let word = self.target.as_deref();
        let mut screen = Screen::new(self.color);
        let options = self.options(&screen);
        if self.time.is_asked() {
            let sources = match self.root.clone().map(target::folder) {
                Some(Err(failure)) => return Some(Err(failure)),
                Some(Ok(sources)) => sources,
                None => sources(),
            };
            let take = Take {
                sections: self.time.is_saving(),
                ..self.take()
            };
            let shape = Shape {
                options: &options,
                is_json: self.json,
                html: self.html.as_deref(),
            };
            return self.time.run(&sources, word, &mut screen, &shape, take);
        }
        let path = target::saved(word?).filter(|_| self.root.is_none())?;
        Some(self.show_saved(&Subject::File(path), &options, &mut screen))
    }

    fn show_saved(
        &self,
        subject: &Subject<'_>,
        options: &Options,
        screen: &mut Screen,
    ) -> Result<(), Failure> {
        let snapshot = if self.json {
            subject.snapshot(self.take())?
        } else {
            subject.shown()?
        };
        if let Some(file) = &self.html {
            super::html::write(&snapshot, None, None, file, screen)?;
        } else if self.json {
            observe::json::write(&snapshot, screen)?;
        } else if self.all.is_csv() {
            let regions = snapshot.regions.as_deref().unwrap_or_default();
            observe::system::write_regions_csv(regions, screen)?;
        } else if let Some(addr) = self.address {
            let why = std::io::Error::new(
                std::io::ErrorKind::Unsupported,
                "a saved snapshot has no states of pages",
            );
            let page = Err(RootError::new("read", "pagemap", why));
            render::around(&snapshot, addr, &page, options, screen)?;
        } else {
            render::report(&snapshot, options, screen)?;
        }
        screen.flush()?;
        whole(&snapshot)
    }

    fn run(self, sources: &[Source], target: &Target) -> Result<(), Failure> {
        let mut screen = Screen::new(self.color);
        if self.all.is_asked() {
            let output = Output {
                json: self.json,
                wide: self.wide,
            };
            return self.all.run(sources, output, &mut screen);
        }
        let (source, pid) = find(sources, target)?;
        let root = source.root.as_ref();
        let mut snapshot = Snapshot::take_with(root, pid, self.take())?;
        if let Some(core) = source.core.clone() {
            core.complete(&mut snapshot);
        }
        if let Some(file) = &self.html {
            super::html::write(&snapshot, Some(root), None, file, &mut screen)?;
        } else if self.json {
            observe::json::write(&snapshot, &mut screen)?;
        } else if self.all.is_csv() {
            let regions = snapshot.regions.as_deref().unwrap_or_default();
            observe::system::write_regions_csv(regions, &mut screen)?;
        } else {
            let options = self.options(&screen);
            match self.address {
                Some(addr) => {
                    let page = PageState::read(root, pid, addr, snapshot.facts.page_bytes.unwrap_or(0));
                    render::around(&snapshot, addr, &page, &options, &mut screen)?;
                }
                None => render::report(&snapshot, &options, &mut screen)?,
            }
        }
        screen.flush()?;
        let cut = snapshot.core.as_ref().and_then(|core| core.cut);
        match (&snapshot.regions, cut) {
            (Some(_), None) => whole(&snapshot),
            (Some(_), Some(cut)) => Err(Failure::partial(format!(
                "{}: {cut}",
                self.target.as_deref().unwrap_or_default()
            ))),
            (None, _) => Err(in_part(&snapshot)),
        }
    }

    fn take(&self) -> Take {
        Take {
            sections: self.verbose || self.json,
            gentle: self.gentle,
            heap: self.heap_bytes(),
            near: self.address.filter(|_| !self.verbose),
        }
    }

    /// The largest heap that is walked. One address, or a gentle look, needs none.
    fn heap_bytes(&self) -> Option<u64> {
        if self.heap {
            return Some(u64::MAX);
        }
        let is_left_out = self.no_heap || self.gentle || self.address.is_some();
        (!is_left_out).then_some(WALKED_BY_DEFAULT)
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

/// Whether all was shown.
pub(super) fn whole(snapshot: &Snapshot) -> Result<(), Failure> {
    match (&snapshot.regions, &snapshot.cut_short) {
        (Some(_), None) => Ok(()),
        (Some(_), Some(missing)) => Err(Failure::partial(format!(
            "{} is shown in part: {missing}",
            snapshot.root
        ))),
        (None, _) => Err(in_part(snapshot)),
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
