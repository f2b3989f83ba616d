//! `vmmap --all`: every process of the host, of a saved folder or of all running machines, and where the memory went.
//!
//! [`AllArgs`] is flattened into the options of [`super::vmmap`], which has already found the places to read.

use crate::Failure;
use crate::screen::Screen;
use crate::target::Source;
use observe::system::{self, GroupBy, SortBy, Style, System, View, Wanted};
use std::io::Write;

/// Options of `--all`, and CSV, which one process's regions have too. (Each says that it conflicts with a target: clap waives a
/// requirement that itself conflicts with what was given.)
#[derive(Debug, clap::Args)]
pub struct AllArgs {
    /// Every process and its share of memory, largest footprint first, and where the machine's memory went
    #[arg(long, conflicts_with_all = ["target", "address", "summary", "interleaved", "stacks"])]
    all: bool,

    /// With --all: put processes together
    #[arg(
        long,
        value_enum,
        value_name = "BY",
        requires = "all",
        conflicts_with = "target"
    )]
    group: Option<Grouping>,

    /// With --all: order of the list
    #[arg(
        long,
        value_enum,
        value_name = "COLUMN",
        requires = "all",
        conflicts_with = "target",
        default_value_t
    )]
    sort: Sorting,

    /// With --all: only the first N processes or groups; the totals stay those of all
    #[arg(long, value_name = "N", requires = "all", conflicts_with = "target")]
    top: Option<usize>,

    /// CSV with a header row; sizes in bytes, unknown is empty. The process's regions, or with --all the processes
    #[arg(long, conflicts_with_all = ["json", "address"])]
    csv: bool,

    /// With --all: one JSON object a line for each process or group
    #[arg(long, requires = "all", conflicts_with_all = ["target", "json", "csv"])]
    json_lines: bool,

    /// With --all: OpenMetrics text, for Prometheus
    #[arg(long, requires = "all", conflicts_with_all = ["target", "json", "csv", "json_lines"])]
    openmetrics: bool,
}

/// What `--group` puts together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Grouping {
    /// By executable, or by command name where that cannot be read
    Program,
    /// By the cgroup that memory is charged to
    Cgroup,
    /// By container: docker, podman, containerd, cri-o, Kubernetes, lxc, systemd-nspawn, or PID namespace
    Container,
    /// By effective user
    User,
}

/// What `--sort` orders by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
enum Sorting {
    /// Physical footprint, by shares
    #[default]
    Footprint,
    /// Proportional set size
    Pss,
    /// Unique set size
    Uss,
    /// Resident set size
    Rss,
    /// Share of swap
    Swap,
    /// Process id; of groups the number of processes
    Pid,
    /// Name
    Name,
}

/// How the list is written, from the options that it shares with the report of one process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// `--json`.
    pub json: bool,
    /// `--wide`: commands are not cut at the width of the terminal.
    pub wide: bool,
}

impl AllArgs {
    /// Whether `--all` was given.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.all
    }

    /// Whether `--csv` was given.
    #[must_use]
    pub fn is_csv(&self) -> bool {
        self.csv
    }

    /// Write all processes of all sources.
    ///
    /// # Errors
    /// [`Failure`] if a source cannot be listed, or the output cannot be written.
    pub fn run(&self, sources: &[Source], output: Output, screen: &mut Screen) -> Result<(), Failure> {
        let wanted = self.wanted(output);
        let take = |source: &Source| System::take(source.root.as_ref(), source.machine, wanted);
        let systems = sources.iter().map(take).collect::<Result<Vec<System>, _>>()?;
        let view = self.view();
        if output.json {
            system::write_json(&systems, &view, screen)?;
        } else if self.json_lines {
            system::write_json_lines(&systems, &view, screen)?;
        } else if self.csv {
            system::write_csv(&systems, &view, screen)?;
        } else if self.openmetrics {
            system::write_openmetrics(&systems, &view, screen)?;
        } else {
            let style = Style {
                width: screen.width.filter(|_| !output.wide),
                palette: screen.palette,
            };
            system::write_text(&systems, &view, &style, screen)?;
        }
        Ok(screen.flush()?)
    }

    /// Nothing is read that is not shown.
    fn wanted(&self, output: Output) -> Wanted {
        let is_text = !(output.json || self.json_lines || self.csv || self.openmetrics);
        match self.group {
            Some(by) => Wanted {
                program: by == Grouping::Program,
                cgroup: by == Grouping::Cgroup,
                container: by == Grouping::Container,
                command: false,
            },
            None if is_text => Wanted {
                command: true,
                ..Wanted::default()
            },
            None => Wanted {
                command: !self.openmetrics,
                ..Wanted::all()
            },
        }
    }

    fn view(&self) -> View {
        View {
            group: self.group.map(|group| match group {
                Grouping::Program => GroupBy::Program,
                Grouping::Cgroup => GroupBy::Cgroup,
                Grouping::Container => GroupBy::Container,
                Grouping::User => GroupBy::User,
            }),
            sort: match self.sort {
                Sorting::Footprint => SortBy::Footprint,
                Sorting::Pss => SortBy::Pss,
                Sorting::Uss => SortBy::Uss,
                Sorting::Rss => SortBy::Rss,
                Sorting::Swap => SortBy::Swap,
                Sorting::Pid => SortBy::Pid,
                Sorting::Name => SortBy::Name,
            },
            top: self.top,
        }
    }
}
