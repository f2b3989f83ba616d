//! Which processes are shown, in what order, and how they are grouped ([`View`], [`GroupBy`], [`Group`]).

use super::System;
use super::process::Process;
use super::usage::Usage;
use procfs::Kib;
use std::cmp::Reverse;
use std::collections::HashMap;

/// What processes are put together by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GroupBy {
    /// The executable's path; the command name where that cannot be read.
    Program,
    /// The cgroup that memory is charged to.
    Cgroup,
    /// The container.
    Container,
    /// The effective user.
    User,
}

impl GroupBy {
    /// The word for it, as in the options and in machine-readable outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Program => "program",
            Self::Cgroup => "cgroup",
            Self::Container => "container",
            Self::User => "user",
        }
    }

    /// The group that a process belongs to; `?` if that could not be read.
    #[must_use]
    pub fn key(self, process: &Process) -> String {
        let known = |name: &String| !name.is_empty();
        let key = match self {
            Self::Program => process.program.clone().filter(known),
            Self::Cgroup => process.cgroup.clone(),
            Self::Container => process.container.as_ref().map(ToString::to_string),
            Self::User => process.user.clone(),
        };
        let name = || process.name.clone();
        let key = if self == Self::Program {
            key.or_else(|| Some(name()))
        } else {
            key
        };
        key.filter(known).unwrap_or_else(|| "?".into())
    }
}

/// What the list is sorted by: sizes with the largest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortBy {
    /// Footprint; those where it is not known follow, by what `status` says of it.
    #[default]
    Footprint,
    /// Pss.
    Pss,
    /// Uss.
    Uss,
    /// Rss.
    Rss,
    /// Share of swap.
    Swap,
    /// Process id (of a group: number of processes, most first).
    Pid,
    /// Name.
    Name,
}

/// What is shown of a system.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// Groups instead of processes.
    pub group: Option<GroupBy>,
    /// Order.
    pub sort: SortBy,
    /// At most so many processes or groups of each system. Totals stay those of all.
    pub top: Option<usize>,
}

/// Several processes together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// What they have in common.
    pub key: String,
    /// How many they are.
    pub processes: usize,
    /// How many of them could not be read: their own shares are missing in the sums.
    pub not_read: usize,
    /// The sums over those that are known.
    pub usage: Usage,
}

impl Group {
    /// A group of nobody.
    pub(super) fn new(key: String) -> Self {
        Self {
            key,
            processes: 0,
            not_read: 0,
            usage: Usage::default(),
        }
    }

    pub(super) fn add(&mut self, process: &Process) {
        self.processes += 1;
        self.not_read += usize::from(process.is_unread());
        self.usage.add_known(&process.usage);
    }
}

/// Largest first, unknown last.
type Size = (Reverse<Option<Kib>>, Reverse<Option<Kib>>);

fn size(sort: SortBy, usage: &Usage) -> Size {
    let of = |first: Option<Kib>| (Reverse(first), Reverse(usage.footprint_from_status));
    match sort {
        SortBy::Pss => of(usage.pss),
        SortBy::Uss => of(usage.uss),
        SortBy::Rss => of(usage.rss),
        SortBy::Swap => of(usage.swap_pss),
        SortBy::Footprint | SortBy::Pid | SortBy::Name => of(usage.footprint),
    }
}

impl View {
    /// The processes in the view's order, and how many are cut off by [`View::top`].
    #[must_use]
    pub fn processes<'a>(&self, system: &'a System) -> (Vec<&'a Process>, usize) {
        let mut list: Vec<&Process> = system.processes.iter().collect();
        match self.sort {
            SortBy::Pid => list.sort_by_key(|p| p.pid),
            SortBy::Name => list.sort_by(|a, b| (&a.name, a.pid).cmp(&(&b.name, b.pid))),
            sort => list.sort_by_key(|p| (size(sort, &p.usage), p.pid)),
        }
        let cut = self.cut(&mut list);
        (list, cut)
    }

    /// The groups in the view's order, and how many are cut off by [`View::top`].
    #[must_use]
    pub fn groups(&self, by: GroupBy, system: &System) -> (Vec<Group>, usize) {
        let mut by_key: HashMap<String, Group> = HashMap::new();
        for process in &system.processes {
            let key = by.key(process);
            let group = by_key
                .entry(key)
                .or_insert_with_key(|key| Group::new(key.clone()));
            group.add(process);
        }
        let mut list: Vec<Group> = by_key.into_values().collect();
        list.sort_by(|a, b| a.key.cmp(&b.key));
        match self.sort {
            SortBy::Pid => list.sort_by_key(|g| Reverse(g.processes)),
            SortBy::Name => {}
            sort => list.sort_by_key(|g| size(sort, &g.usage)),
        }
        let cut = self.cut(&mut list);
        (list, cut)
    }

    fn cut<T>(&self, list: &mut Vec<T>) -> usize {
        let kept = self.top.unwrap_or(list.len()).min(list.len());
        let cut = list.len() - kept;
        list.truncate(kept);
        cut
    }
}
