//! The system as JSON (schema [`SCHEMA`]), as JSON lines and as CSV. All three are made of the same records: sizes in bytes,
//! unknown is `null` or an empty field, never 0. Described in docs/schema.md.

use super::process::Process;
use super::view::{Group, View};
use super::{Budget, System};
use procfs::Kib;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// The schema's name and version. Fields may be added within a version; meanings do not change.
pub const SCHEMA: &str = "pagewalk.system/1";

macro_rules! records {
    ($lifetime:lifetime, $($(#[$meta:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? })*) => {
        $(
            $(#[$meta])*
            #[derive(Serialize)]
            struct $name<$lifetime> {
                $($field: $kind,)*
                footprint: Option<u64>,
                footprint_from_status: Option<u64>,
                pss: Option<u64>,
                pss_anon: Option<u64>,
                pss_file: Option<u64>,
                pss_shmem: Option<u64>,
                uss: Option<u64>,
                rss: Option<u64>,
                swap: Option<u64>,
                swap_pss: Option<u64>,
                lazy_free: Option<u64>,
                private_hugetlb: Option<u64>,
                shared_hugetlb: Option<u64>,
                page_tables: Option<u64>,
                footprint_is_estimated: bool,
            }

            impl $name<'_> {
                /// The fields in their order: CSV's header row, after `taken_ms`.
                const COLUMNS: &'static [&'static str] = &[
                    $(stringify!($field),)*
                    "footprint", "footprint_from_status", "pss", "pss_anon", "pss_file", "pss_shmem", "uss",
                    "rss", "swap", "swap_pss", "lazy_free", "private_hugetlb", "shared_hugetlb",
                    "page_tables", "footprint_is_estimated",
                ];
            }
        )*
    };
}

/// The fields of a [`super::Usage`], to end a record with.
macro_rules! with_usage {
    ($name:ident, $usage:expr, { $($field:ident: $value:expr),* $(,)? }) => {{
        let usage = $usage;
        $name {
            $($field: $value,)*
            footprint: bytes(usage.footprint),
            footprint_from_status: bytes(usage.footprint_from_status),
            pss: bytes(usage.pss),
            pss_anon: bytes(usage.pss_anon),
            pss_file: bytes(usage.pss_file),
            pss_shmem: bytes(usage.pss_shmem),
            uss: bytes(usage.uss),
            rss: bytes(usage.rss),
            swap: bytes(usage.swap),
            swap_pss: bytes(usage.swap_pss),
            lazy_free: bytes(usage.lazy_free),
            private_hugetlb: bytes(usage.private_hugetlb),
            shared_hugetlb: bytes(usage.shared_hugetlb),
            page_tables: bytes(usage.page_tables),
            footprint_is_estimated: usage.is_estimated,
        }
    }};
}

records! { 'a,
    /// A process.
    ProcessRecord {
        machine: Option<u32>,
        pid: i32,
        parent_pid: Option<u64>,
        name: Option<&'a str>,
        program: Option<&'a str>,
        command: Option<&'a str>,
        user: Option<&'a str>,
        cgroup: Option<&'a str>,
        container: Option<String>,
        threads: Option<u64>,
        source: &'static str,
        not_read: Option<&'a str>,
    }
    /// A group.
    GroupRecord {
        machine: Option<u32>,
        by: &'static str,
        group: &'a str,
        processes: usize,
        processes_not_read: usize,
    }
}

fn bytes(kib: Option<Kib>) -> Option<u64> {
    kib.map(Kib::bytes)
}

fn process_record(process: &Process, machine: Option<u32>) -> ProcessRecord<'_> {
    let known = |text: &'_ &String| !text.is_empty();
    with_usage!(ProcessRecord, &process.usage, {
        machine: machine,
        pid: process.pid,
        parent_pid: process.parent,
        name: Some(&process.name).filter(known).map(String::as_str),
        program: process.program.as_deref(),
        command: Some(&process.command).filter(known).map(String::as_str),
        user: process.user.as_deref(),
        cgroup: process.cgroup.as_deref(),
        container: process.container.as_ref().map(ToString::to_string),
        threads: process.threads,
        source: process.source.name(),
        not_read: process.why.as_deref(),
    })
}

fn group_record<'a>(group: &'a Group, by: &'static str, machine: Option<u32>) -> GroupRecord<'a> {
    with_usage!(GroupRecord, &group.usage, {
        machine: machine,
        by: by,
        group: &group.key,
        processes: group.processes,
        processes_not_read: group.not_read,
    })
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    systems: Vec<SystemOut<'a>>,
}

#[derive(Serialize)]
struct SystemOut<'a> {
    root: &'a str,
    machine: Option<u32>,
    taken_ms: Option<u64>,
    processes_read: usize,
    processes_not_read: usize,
    processes_denied: usize,
    kernel_threads: usize,
    zombies: usize,
    vanished: usize,
    others_may_be_hidden: bool,
    total: GroupRecord<'a>,
    memory: Option<MemoryOut>,
    swap: Option<SwapOut>,
    /// Processes or groups that [`View::top`] cut off.
    cut: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Vec<ProcessRecord<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<GroupRecord<'a>>>,
}

#[derive(Serialize)]
struct MemoryOut {
    total: u64,
    available: Option<u64>,
    parts: BTreeMap<&'static str, Option<i64>>,
}

#[derive(Serialize)]
struct SwapOut {
    total: Option<u64>,
    free: Option<u64>,
    used: Option<u64>,
    cached: Option<u64>,
    of_processes: Option<u64>,
}

/// Write the systems as one line of JSON.
///
/// # Errors
/// The writer's.
pub fn write_json(systems: &[System], view: &View, out: &mut dyn Write) -> io::Result<()> {
    let groups: Vec<_> = systems.iter().map(|system| groups_of(system, view)).collect();
    let systems = systems
        .iter()
        .zip(&groups)
        .map(|(system, groups)| system_out(system, view, groups.as_ref()))
        .collect();
    let document = Document {
        schema: SCHEMA,
        systems,
    };
    serde_json::to_writer(&mut *out, &document).map_err(io::Error::from)?;
    writeln!(out)
}

/// The groups, how they were made, and how many were cut off.
type Groups = (Vec<Group>, &'static str, usize);

fn groups_of(system: &System, view: &View) -> Option<Groups> {
    let by = view.group?;
    let (groups, cut) = view.groups(by, system);
    Some((groups, by.name(), cut))
}

fn system_out<'a>(system: &'a System, view: &View, groups: Option<&'a Groups>) -> SystemOut<'a> {
    let machine = system.machine;
    let (processes, groups, cut) = match groups {
        Some((groups, by, cut)) => {
            let records = groups.iter().map(|group| group_record(group, by, machine));
            (None, Some(records.collect()), *cut)
        }
        None => {
            let (processes, cut) = view.processes(system);
            let records = processes.iter().map(|p| process_record(p, machine));
            (Some(records.collect()), None, cut)
        }
    };
    let memory = system.memory.as_ref();
    SystemOut {
        root: &system.root,
        machine,
        taken_ms: system.taken.map(|m| m.0),
        processes_read: system.processes.len().saturating_sub(system.total.not_read),
        processes_not_read: system.total.not_read,
        processes_denied: system.denied(),
        kernel_threads: system.left_out.kernel_threads,
        zombies: system.left_out.zombies,
        vanished: system.left_out.vanished,
        others_may_be_hidden: system.may_hide,
        total: group_record(&system.total, "all", machine),
        memory: memory.map(memory_out),
        swap: memory.map(swap_out),
        cut,
        processes,
        groups,
    }
}

fn memory_out(budget: &Budget) -> MemoryOut {
    let bytes_of = |kib: i64| kib.saturating_mul(1024);
    MemoryOut {
        total: budget.total.bytes(),
        available: bytes(budget.available),
        parts: budget
            .parts
            .iter()
            .map(|part| (part.key, part.kib.map(bytes_of)))
            .collect(),
    }
}

fn swap_out(budget: &Budget) -> SwapOut {
    let swap = &budget.swap;
    SwapOut {
        total: bytes(swap.total),
        free: bytes(swap.free),
        used: bytes(swap.used()),
        cached: bytes(swap.cached),
        of_processes: bytes(swap.of_processes),
    }
}

/// A record as a line of its own.
#[derive(Serialize)]
struct Line<T> {
    schema: &'static str,
    taken_ms: Option<u64>,
    #[serde(flatten)]
    record: T,
}

/// Write one JSON object a line: a process, or a group where the view has groups.
///
/// # Errors
/// The writer's.
pub fn write_json_lines(systems: &[System], view: &View, out: &mut dyn Write) -> io::Result<()> {
    for_each_record(systems, view, |taken_ms, record| {
        let line = |out: &mut dyn Write, error: serde_json::Result<()>| {
            error.map_err(io::Error::from)?;
            writeln!(out)
        };
        let result = match record {
            Record::Process(record) => serde_json::to_writer(
                &mut *out,
                &Line {
                    schema: SCHEMA,
                    taken_ms,
                    record,
                },
            ),
            Record::Group(record) => serde_json::to_writer(
                &mut *out,
                &Line {
                    schema: SCHEMA,
                    taken_ms,
                    record,
                },
            ),
        };
        line(out, result)
    })
}

/// Write a header row, and a row for each process, or for each group where the view has groups (RFC 4180, lines end in LF).
///
/// # Errors
/// The writer's.
pub fn write_csv(systems: &[System], view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(out);
    let columns = match view.group {
        Some(_) => GroupRecord::COLUMNS,
        None => ProcessRecord::COLUMNS,
    };
    csv.write_record(["taken_ms"].iter().chain(columns))?;
    for_each_record(systems, view, |taken_ms, record| match record {
        Record::Process(record) => Ok(csv.serialize((taken_ms, record))?),
        Record::Group(record) => Ok(csv.serialize((taken_ms, record))?),
    })?;
    csv.flush()
}

enum Record<'a> {
    Process(ProcessRecord<'a>),
    Group(GroupRecord<'a>),
}

fn for_each_record(
    systems: &[System],
    view: &View,
    mut write: impl FnMut(Option<u64>, Record<'_>) -> io::Result<()>,
) -> io::Result<()> {
    for system in systems {
        let taken = system.taken.map(|m| m.0);
        match groups_of(system, view) {
            Some((groups, by, _)) => {
                for group in &groups {
                    write(taken, Record::Group(group_record(group, by, system.machine)))?;
                }
            }
            None => {
                for process in view.processes(system).0 {
                    write(taken, Record::Process(process_record(process, system.machine)))?;
                }
            }
        }
    }
    Ok(())
}
