//! Which process is meant: a pid, a name, or `MACHINE:PID`, over one root or over all running machines.

use crate::Failure;
use crate::input;
use observe::SavedRoot;
use observe::corefile::CoreFacts;
use observe::json::file;
use observe::{Snapshot, Take};
use procfs::{DirRoot, PidStat, Root, RootError, sockets};
use std::path::{Path, PathBuf};

/// A place where processes are looked for.
pub struct Source {
    /// The machine's host pid; `None` for the host and for saved folders.
    pub machine: Option<u32>,
    /// Its `/proc`.
    pub root: Box<dyn Root>,
    /// What a core file tells beside.
    pub core: Option<CoreFacts>,
}

impl Source {
    /// A root that is no machine's.
    pub fn of(root: impl Root + 'static) -> Self {
        Self {
            machine: None,
            root: Box::new(root),
            core: None,
        }
    }
}

/// This host.
#[must_use]
pub fn host() -> Vec<Source> {
    vec![Source::of(DirRoot::host())]
}

/// A folder shaped like `/proc`, or the saved folder of one process.
///
/// # Errors
/// [`Failure`] if it cannot be listed.
pub fn folder(folder: PathBuf) -> Result<Vec<Source>, Failure> {
    let shown = folder.display().to_string();
    if folder == Path::new("/proc") {
        return Ok(host());
    }
    let root = SavedRoot::of_process(&folder).unwrap_or_else(|| SavedRoot::tree(folder));
    root.list("")
        .map_err(|e| Failure::new(format!("cannot read {shown}: {}", e.source)))?;
    Ok(vec![Source::of(root)])
}

/// Every running machine of this user.
///
/// # Errors
/// [`Failure`] if there is none, or their directory is not this user's alone.
pub fn machines() -> Result<Vec<Source>, Failure> {
    let directory = sockets::directory();
    let found = sockets::machines(&directory).map_err(|e| Failure::new(e.to_string()))?;
    if found.is_empty() {
        let place = directory.display();
        return Err(Failure::new(format!(
            "no machine is running (none answers in {place}); start one with: pagewalk run PROGRAM"
        )));
    }
    let source = |root: procfs::SocketRoot| Source {
        machine: Some(root.host_pid()),
        root: Box::new(root),
        core: None,
    };
    Ok(found.into_iter().map(source).collect())
}

/// What the user wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A process id, perhaps of one machine.
    Pid {
        /// The machine's host pid.
        machine: Option<u32>,
        /// The process.
        pid: i32,
    },
    /// A command name, or part of one.
    Name(String),
}

impl Target {
    /// From a word of the command line.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        if let Ok(pid) = word.parse() {
            return Self::Pid { machine: None, pid };
        }
        let both = word
            .split_once(':')
            .and_then(|(m, p)| Some((m.parse().ok()?, p.parse().ok()?)));
        match both {
            Some((machine, pid)) => Self::Pid {
                machine: Some(machine),
                pid,
            },
            None => Self::Name(word.into()),
        }
    }
}

/// What a word of the command line means: a live process (or one of a saved `/proc`), or a file.
pub enum Subject<'a> {
    /// A process behind a root.
    Live {
        /// Where it is.
        source: &'a Source,
        /// Its id there.
        pid: i32,
    },
    /// A process in a core file or a folder.
    Opened {
        /// The file or folder.
        source: Source,
        /// Its id there.
        pid: i32,
    },
    /// A saved snapshot.
    File(PathBuf),
}

/// Whether a word means a saved snapshot.
#[must_use]
pub fn saved(word: &str) -> Option<PathBuf> {
    let is_pid = matches!(Target::parse(word), Target::Pid { .. });
    input::path(word).filter(|path| !is_pid && matches!(input::what_is(path), Ok(input::Kind::Snapshot)))
}

/// The process or file that a word means.
///
/// # Errors
/// [`Failure`] if no process matches, or several do.
pub fn subject<'a>(sources: &'a [Source], word: &str) -> Result<Subject<'a>, Failure> {
    if let Some(path) = saved(word) {
        return Ok(Subject::File(path));
    }
    if let Some(path) = input::path(word) {
        let (source, pid) = input::open(&path)?;
        return Ok(Subject::Opened { source, pid });
    }
    let (source, pid) = find(sources, &Target::parse(word))?;
    Ok(Subject::Live { source, pid })
}

fn snapshot(source: &Source, pid: i32, take: Take) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot::take_with(source.root.as_ref(), pid, take)?;
    if let Some(core) = source.core.clone() {
        core.complete(&mut snapshot);
    }
    Ok(snapshot)
}

impl Subject<'_> {
    /// What is seen of it.
    ///
    /// # Errors
    /// [`Failure`] if there is nothing to show.
    pub fn snapshot(&self, take: Take) -> Result<Snapshot, Failure> {
        match self {
            Self::Live { source, pid } => snapshot(source, *pid, take),
            Self::Opened { source, pid } => snapshot(source, *pid, take),
            Self::File(path) => file::open(path).map_err(|e| Failure::new(e.to_string())),
        }
    }

    /// The snapshot for a report: a saved one says so in its header.
    ///
    /// # Errors
    /// [`Failure`] as above.
    pub fn shown(&self) -> Result<Snapshot, Failure> {
        let mut snapshot = self.snapshot(Take::default())?;
        if let Self::File(path) = self {
            let when = snapshot
                .facts
                .taken
                .map_or(String::new(), |moment| format!(" at {moment}"));
            let path = observe::printable(path.as_os_str().as_encoded_bytes());
            snapshot.root = format!("{}, saved{when} in {path}", snapshot.root);
        }
        Ok(snapshot)
    }
}

/// A process that matches.
struct Match<'a> {
    source: &'a Source,
    pid: i32,
    name: String,
}

/// The one process that is meant.
///
/// # Errors
/// [`Failure`] if none matches, or several do (they are listed).
pub fn find<'a>(sources: &'a [Source], target: &Target) -> Result<(&'a Source, i32), Failure> {
    let found = match target {
        Target::Pid { machine, pid } => by_pid(sources, *machine, *pid),
        Target::Name(name) if name.is_empty() => {
            return Err(Failure::usage(
                "which process? the name is empty; give an id or a name",
            ));
        }
        Target::Name(name) => by_name(sources, name)?,
    };
    match found.as_slice() {
        [one] => Ok((one.source, one.pid)),
        [] => Err(nothing(sources, target)),
        several => Err(ambiguous(several, target)),
    }
}

fn by_pid(sources: &[Source], machine: Option<u32>, pid: i32) -> Vec<Match<'_>> {
    let is_asked = |source: &&Source| machine.is_none() || source.machine == machine;
    let seen = sources.iter().filter(is_asked).filter_map(|source| {
        let name = match name_of(source, pid) {
            // It is there, if nothing else is known of it: what reads it says why.
            Err(error) if !error.is_gone() => "?".into(),
            name => name.ok()?,
        };
        Some(Match { source, pid, name })
    });
    seen.collect()
}

fn name_of(source: &Source, pid: i32) -> Result<String, RootError> {
    let stat: PidStat = source.root.parse(&format!("{pid}/stat"))?;
    Ok(observe::printable(&stat.comm))
}

/// Processes with exactly that name; only if there is none, those whose name contains it (as Apple's vmmap).
fn by_name<'a>(sources: &'a [Source], wanted: &str) -> Result<Vec<Match<'a>>, Failure> {
    let own_pid = std::process::id();
    let (mut exact, mut partial) = (Vec::new(), Vec::new());
    for source in sources {
        for pid in source.root.pids()? {
            // Looking for `vmmap` does not mean this one.
            if source.root.is_this_host() && u32::try_from(pid) == Ok(own_pid) {
                continue;
            }
            let Ok(stat) = source.root.parse::<PidStat>(&format!("{pid}/stat")) else {
                continue;
            };
            let name = observe::printable(&stat.comm);
            // The kernel keeps 15 bytes of a name.
            let is_exact = name == wanted || (name.len() == 15 && wanted.starts_with(&name));
            if is_exact {
                exact.push(Match { source, pid, name });
            } else if name.contains(wanted) && has_memory(&stat) {
                partial.push(Match { source, pid, name });
            }
        }
    }
    Ok(if exact.is_empty() { partial } else { exact })
}

/// Part of a name is not meant to find kernel threads and zombies, which have nothing to show.
fn has_memory(stat: &PidStat) -> bool {
    stat.vsize > 0 && !matches!(stat.state, b'Z' | b'X')
}

fn nothing(sources: &[Source], target: &Target) -> Failure {
    let places: Vec<String> = sources.iter().map(|s| s.root.describe()).collect();
    let places = places.join(", ");
    Failure::new(match target {
        Target::Pid {
            machine: Some(machine),
            pid,
        } => format!("no process {pid} on machine {machine} (looked in {places})"),
        Target::Pid { machine: None, pid } => format!("no process {pid} in {places}"),
        Target::Name(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("no process {digits} in {places}: ids end at {}", i32::MAX)
        }
        Target::Name(name) => format!("no process is called \"{name}\" in {places}"),
    })
}

/// Most matches that the error lists.
const MOST_LISTED: usize = 10;

fn ambiguous(several: &[Match<'_>], target: &Target) -> Failure {
    let show = |m: &Match<'_>| match m.source.machine {
        Some(machine) => format!("{machine}:{} ({})", m.pid, m.name),
        None => format!("{} ({})", m.pid, m.name),
    };
    let mut list: Vec<String> = several.iter().take(MOST_LISTED).map(show).collect();
    if several.len() > MOST_LISTED {
        list.push(format!("and {} more", several.len() - MOST_LISTED));
    }
    let wanted = match target {
        Target::Pid { pid, .. } => pid.to_string(),
        Target::Name(name) => format!("\"{name}\""),
    };
    Failure::new(format!(
        "{} processes match {wanted}: {}; give one of these",
        several.len(),
        list.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_pids_names_or_pids_of_machines() {
        assert_eq!(
            Target::parse("42"),
            Target::Pid {
                machine: None,
                pid: 42
            }
        );
        assert_eq!(
            Target::parse("4711:1"),
            Target::Pid {
                machine: Some(4711),
                pid: 1
            }
        );
        assert_eq!(Target::parse("beep"), Target::Name("beep".into()));
        assert_eq!(Target::parse("a:b"), Target::Name("a:b".into()));
    }
}
