//! The system as OpenMetrics 1.0 text ([`write()`]), for Prometheus and what reads the same. Names are stable and documented in
//! docs/schema.md.
//!
//! All are gauges; sizes are in bytes. What is not known has no sample. Each family stands together, whatever the number of
//! systems. With groups only groups are exported, so that the number of series does not grow with the processes.

use super::System;
use super::usage::Usage;
use super::view::{Group, View};
use procfs::Kib;
use std::fmt::Write as _;
use std::io::{self, Write};

/// A label: name and value.
type Label<'a> = (&'static str, &'a str);

/// A family of gauges.
struct Family {
    name: &'static str,
    unit: &'static str,
    help: &'static str,
}

const fn bytes(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        unit: "bytes",
        help,
    }
}

const fn count(name: &'static str, help: &'static str) -> Family {
    Family { name, unit: "", help }
}

const TOTAL: Family = bytes("pagewalk_memory_total_bytes", "RAM of the system (MemTotal).");
const AVAILABLE: Family = bytes(
    "pagewalk_memory_available_bytes",
    "RAM that programs could get without swapping (MemAvailable).",
);
const PARTS: Family = bytes(
    "pagewalk_memory_part_bytes",
    "Where the RAM went; the parts add up to the total. A difference may be negative.",
);
const SWAP_TOTAL: Family = bytes("pagewalk_swap_total_bytes", "Swap of the system (SwapTotal).");
const SWAP_USED: Family = bytes("pagewalk_swap_used_bytes", "Swap in use (SwapTotal - SwapFree).");
const PROCESSES: Family = count("pagewalk_processes", "Processes by what could be read of them.");

/// A figure of a process or a group, and the end of its family's name.
struct Figure {
    process: Family,
    group: Family,
    of: fn(&Usage) -> Option<Kib>,
}

macro_rules! figure {
    ($name:literal, $field:ident, $help:literal) => {
        Figure {
            process: bytes(concat!("pagewalk_process_", $name, "_bytes"), concat!($help, ".")),
            group: bytes(
                concat!("pagewalk_group_", $name, "_bytes"),
                concat!($help, ", summed over the group's processes that could be read."),
            ),
            of: |usage| usage.$field,
        }
    };
}

const FIGURES: [Figure; 8] = [
    figure!(
        "footprint",
        footprint,
        "Memory that it costs and that cannot be dropped for free: shares of anonymous and shared memory and of swap, hugetlb, page tables"
    ),
    figure!(
        "pss",
        pss,
        "Resident memory, each page divided by the number of its mappers"
    ),
    figure!("pss_anon", pss_anon, "The anonymous part of pss"),
    figure!("pss_file", pss_file, "The file part of pss"),
    figure!("pss_shmem", pss_shmem, "The shared-memory part of pss"),
    figure!("uss", uss, "Memory that no other process maps"),
    figure!("rss", rss, "Resident memory, shared pages in full"),
    figure!("swap_pss", swap_pss, "Its share of swapped-out memory"),
];

const GROUP_PROCESSES: Family = count("pagewalk_group_processes", "Processes of the group.");
const GROUP_NOT_READ: Family = count(
    "pagewalk_group_processes_not_read",
    "Processes of the group whose shares of memory could not be read and are missing in its sums.",
);

/// Write the systems as OpenMetrics text, ended by `# EOF`.
///
/// # Errors
/// The writer's.
pub fn write(systems: &[System], view: &View, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Text::default();
    machine_families(systems, &mut text);
    match view.group {
        Some(_) => group_families(systems, view, &mut text),
        None => process_families(systems, view, &mut text),
    }
    text.0.push_str("# EOF\n");
    out.write_all(text.0.as_bytes())
}

fn machine_families(systems: &[System], text: &mut Text) {
    let mut single = |family: &Family, of: fn(&super::Budget) -> Option<Kib>| {
        text.family(family);
        for (system, machine) in with_machine(systems) {
            let value = system.memory.as_ref().and_then(of);
            text.size(family, &[("machine", &machine)], value);
        }
    };
    single(&TOTAL, |budget| Some(budget.total));
    single(&AVAILABLE, |budget| budget.available);
    single(&SWAP_TOTAL, |budget| budget.swap.total);
    single(&SWAP_USED, |budget| budget.swap.used());
    text.family(&PARTS);
    for (system, machine) in with_machine(systems) {
        for part in system.memory.iter().flat_map(|budget| &budget.parts) {
            let Some(kib) = part.kib else { continue };
            let labels = [("machine", machine.as_str()), ("part", part.key)];
            text.sample(&PARTS, &labels, kib.saturating_mul(1024));
        }
    }
    text.family(&PROCESSES);
    for (system, machine) in with_machine(systems) {
        let not_read = system.total.not_read;
        let states = [
            ("read", system.processes.len().saturating_sub(not_read)),
            ("not_read", not_read),
            ("kernel_thread", system.left_out.kernel_threads),
            ("zombie", system.left_out.zombies),
            ("vanished", system.left_out.vanished),
        ];
        for (state, number) in states {
            text.sample(&PROCESSES, &[("machine", &machine), ("state", state)], number);
        }
    }
}

fn process_families(systems: &[System], view: &View, text: &mut Text) {
    for figure in &FIGURES {
        text.family(&figure.process);
        for (system, machine) in with_machine(systems) {
            for process in view.processes(system).0 {
                let (pid, container) = (process.pid.to_string(), container(process.container.as_ref()));
                let labels = [
                    ("machine", machine.as_str()),
                    ("pid", &pid),
                    ("program", process.program.as_ref().unwrap_or(&process.name)),
                    ("user", process.user.as_deref().unwrap_or_default()),
                    ("cgroup", process.cgroup.as_deref().unwrap_or_default()),
                    ("container", &container),
                ];
                text.size(&figure.process, &labels, (figure.of)(&process.usage));
            }
        }
    }
}

/// A process outside of containers has no such label, as with other exporters.
fn container(container: Option<&super::Container>) -> String {
    match container {
        None | Some(super::Container::None) => String::new(),
        Some(container) => container.to_string(),
    }
}

fn group_families(systems: &[System], view: &View, text: &mut Text) {
    let Some(by) = view.group else { return };
    let groups: Vec<(Vec<Group>, String)> = with_machine(systems)
        .map(|(system, machine)| (view.groups(by, system).0, machine))
        .collect();
    let mut each = |family: &Family, sample: &dyn Fn(&mut Text, &[Label<'_>], &Group)| {
        text.family(family);
        for (groups, machine) in &groups {
            for group in groups {
                let labels = [
                    ("machine", machine.as_str()),
                    ("by", by.name()),
                    ("group", group.key.as_str()),
                ];
                sample(text, &labels, group);
            }
        }
    };
    for figure in &FIGURES {
        each(&figure.group, &|text, labels, group| {
            text.size(&figure.group, labels, (figure.of)(&group.usage));
        });
    }
    each(&GROUP_PROCESSES, &|text, labels, group| {
        text.sample(&GROUP_PROCESSES, labels, group.processes);
    });
    each(&GROUP_NOT_READ, &|text, labels, group| {
        text.sample(&GROUP_NOT_READ, labels, group.not_read);
    });
}

/// The machine's label is empty, and so left out, for the host.
fn with_machine(systems: &[System]) -> impl Iterator<Item = (&System, String)> {
    let label = |system: &System| system.machine.map_or_else(String::new, |m| m.to_string());
    systems.iter().map(move |system| (system, label(system)))
}

/// The text being made.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, family: &Family) {
        let Family { name, unit, help } = family;
        self.line(format_args!("# TYPE {name} gauge"));
        if !unit.is_empty() {
            self.line(format_args!("# UNIT {name} {unit}"));
        }
        self.line(format_args!("# HELP {name} {help}"));
    }

    fn size(&mut self, family: &Family, labels: &[Label<'_>], value: Option<Kib>) {
        if let Some(value) = value {
            self.sample(family, labels, value.bytes());
        }
    }

    fn sample(&mut self, family: &Family, labels: &[Label<'_>], value: impl std::fmt::Display) {
        self.0.push_str(family.name);
        let mut before = '{';
        for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            self.0.push(before);
            self.0.push_str(name);
            self.0.push_str("=\"");
            escape(value, &mut self.0);
            self.0.push('"');
            before = ',';
        }
        if before == ',' {
            self.0.push('}');
        }
        self.line(format_args!(" {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(line);
        self.0.push('\n');
    }
}

/// A label's value: backslash, quote and newline are escaped.
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_empty_ones_left_out() {
        let mut text = Text::default();
        text.sample(&TOTAL, &[("a", "x\\y\"z\n"), ("b", ""), ("c", "d,e={}")], 5);
        text.sample(&TOTAL, &[("b", "")], -5);
        assert_eq!(
            text.0,
            "pagewalk_memory_total_bytes{a=\"x\\\\y\\\"z\\n\",c=\"d,e={}\"} 5\npagewalk_memory_total_bytes -5\n"
        );
    }

    #[test]
    fn names_end_in_their_unit() {
        let figures = FIGURES.iter().flat_map(|f| [&f.process, &f.group]);
        for family in figures.chain([&TOTAL, &AVAILABLE, &PARTS, &SWAP_TOTAL, &SWAP_USED, &PROCESSES]) {
            assert!(family.name.ends_with(family.unit), "{}", family.name);
        }
    }
}
