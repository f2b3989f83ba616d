//! `ps`: the processes of a root as rows ([`Row`]), and the columns that print them ([`Column`]).

mod columns;

pub use columns::{AUX, Column, DEFAULT, UL, UnknownColumn, parse_columns};

use crate::facts::{Moment, PF_KTHREAD, TICKS_A_SECOND};
use crate::render::Palette;
use procfs::printable;
use procfs::{Cmdline, Kib, MemInfo, PidStat, Root, RootError, Status, SystemStat, Text, Uptime};
use std::collections::HashMap;
use std::io::{self, Write};

/// One process, as read: texts and not yet cells.
#[derive(Clone, Debug)]
pub struct Row {
    /// The machine it runs on (its host pid); `None` on the host.
    pub machine: Option<u32>,
    /// `PID/stat`.
    pub stat: PidStat,
    /// `PID/status`.
    pub status: Status,
    /// The command line; the name in brackets where there is none.
    pub command: String,
    /// User name, or the number where the name is not known.
    pub user: String,
    /// The kernel function it waits in, if the root says.
    pub wchan: Option<String>,
    /// What all rows of the root have in common.
    pub world: World,
}

/// Facts of a root that columns need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct World {
    /// MemTotal.
    pub memory: Option<Kib>,
    /// Uptime in hundredths of a second.
    pub up_centis: u64,
    /// Boot time, seconds since the Epoch.
    pub boot_seconds: u64,
    /// The moment of the listing.
    pub now: Option<Moment>,
}

impl Row {
    /// Hundredths of a second since it started.
    fn elapsed_centis(&self) -> u64 {
        self.world
            .up_centis
            .saturating_sub(self.stat.start_time.saturating_mul(100 / TICKS_A_SECOND))
    }

    /// Hundredths of a second of CPU.
    fn cpu_centis(&self) -> u64 {
        self.stat
            .utime
            .saturating_add(self.stat.stime)
            .saturating_mul(100 / TICKS_A_SECOND)
    }

    /// CPU time over elapsed time, in tenths of a percent.
    fn cpu_permille(&self) -> u64 {
        self.cpu_centis()
            .saturating_mul(1000)
            .checked_div(self.elapsed_centis())
            .unwrap_or(0)
    }
}

/// All processes of a root, by pid. One that ends meanwhile is left out, as ps does.
///
/// # Errors
/// [`RootError`] if the root itself cannot be read, or a text is not Linux's.
pub fn rows(root: &dyn Root, machine: Option<u32>) -> Result<Vec<Row>, RootError> {
    let world = world(root)?;
    let users = Users::of(root);
    let mut rows = Vec::new();
    for pid in root.pids()? {
        match row(root, pid, machine, &users, world) {
            Ok(row) => rows.push(row),
            Err(e) if e.is_gone() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(rows)
}

fn world(root: &dyn Root) -> Result<World, RootError> {
    let up: Uptime = root.parse("uptime")?;
    let stat: SystemStat = root.parse("stat")?;
    // A saved folder may lack it: then %MEM is unknown.
    let memory = root
        .parse::<MemInfo>("meminfo")
        .ok()
        .and_then(|m| m.kib("MemTotal"));
    Ok(World {
        memory,
        up_centis: up.up_centis,
        boot_seconds: stat.btime,
        now: Moment::of(root).ok(),
    })
}

fn row(
    root: &dyn Root,
    pid: i32,
    machine: Option<u32>,
    users: &Users,
    world: World,
) -> Result<Row, RootError> {
    let stat: PidStat = root.parse(&format!("{pid}/stat"))?;
    let status: Status = root.parse(&format!("{pid}/status"))?;
    let cmdline = root
        .read(&format!("{pid}/cmdline"))
        .and_then(|b| Cmdline::parse(&b).map_err(|e| RootError::malformed("cmdline", e)))?;
    let wchan = root
        .read(&format!("{pid}/wchan"))
        .ok()
        .map(|w| printable(&w))
        .filter(|w| !w.is_empty() && w != "0");
    let user = status.uid.map_or("?".into(), |ids| users.name(ids.effective));
    Ok(Row {
        machine,
        command: command(&cmdline, &stat),
        stat,
        status,
        user,
        wchan,
        world,
    })
}

fn command(cmdline: &Cmdline, stat: &PidStat) -> String {
    let name = printable(&stat.comm);
    if stat.state == b'Z' {
        return format!("[{name}] <defunct>");
    }
    let line = printable(&cmdline.args().collect::<Vec<_>>().join(&b' '));
    let line = line.trim_end();
    if stat.flags & PF_KTHREAD != 0 || line.is_empty() {
        format!("[{name}]")
    } else {
        line.into()
    }
}

/// User names by number: the host's own for the host; elsewhere only 0 has a name that is the same everywhere.
pub(crate) struct Users(HashMap<u32, String>);

impl Users {
    pub(crate) fn of(root: &dyn Root) -> Self {
        let passwd = if root.is_this_host() {
            std::fs::read_to_string("/etc/passwd").unwrap_or_default()
        } else {
            String::new()
        };
        let user = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
        };
        let mut names: HashMap<u32, String> = passwd.lines().filter_map(user).collect();
        names.entry(0).or_insert_with(|| "root".into());
        Self(names)
    }

    pub(crate) fn name(&self, uid: u32) -> String {
        self.0.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }
}

/// Print the rows under their captions. `width`: the last column is cut there.
///
/// # Errors
/// The writer's.
pub fn print(
    rows: &[Row],
    columns: &[Column],
    width: Option<usize>,
    palette: Palette,
    out: &mut dyn Write,
) -> io::Result<()> {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|c| c.cell(row)).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let longest = cells.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
            longest.min(column.most_wide()).max(column.caption().len())
        })
        .collect();
    let captions: Vec<String> = columns.iter().map(|c| c.caption().to_owned()).collect();
    writeln!(
        out,
        "{}",
        palette.title(aligned(&captions, columns, &widths, width))
    )?;
    for row in &cells {
        writeln!(out, "{}", aligned(row, columns, &widths, width))?;
    }
    Ok(())
}

fn aligned(cells: &[String], columns: &[Column], widths: &[usize], width: Option<usize>) -> String {
    let mut line = String::new();
    for (i, ((cell, column), &wide)) in cells.iter().zip(columns).zip(widths).enumerate() {
        if i > 0 {
            line.push(' ');
        }
        let is_last = i + 1 == cells.len();
        let cell: String = if is_last {
            cell.clone()
        } else {
            cell.chars().take(wide).collect()
        };
        match column.is_text() {
            true if is_last => line.push_str(&cell),
            true => line.push_str(&format!("{cell:<wide$}")),
            false => line.push_str(&format!("{cell:>wide$}")),
        }
    }
    let line = line.trim_end();
    width.map_or_else(|| line.to_owned(), |width| line.chars().take(width).collect())
}
