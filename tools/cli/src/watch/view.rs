//! The view of a watch ([`draw`]): three lines of totals, the footprint's curve, the table, and a line of help.

use super::model::{Line as Entry, Model, Sort, Table as Rows};
use observe::diff::signed;
use observe::render::{Unit, size};
use procfs::Kib;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row, Sparkline, Table};

/// From this width on the table has columns for address and detail.
const WIDE: u16 = 120;

/// From this height on the curve is three lines high.
const HIGH: u16 = 30;

/// Columns of a row's curve.
const CURVE: usize = 8;

/// Draw the model.
pub fn draw(frame: &mut Frame<'_>, model: &Model) {
    let area = frame.area();
    let curve = if area.height >= HIGH { 3 } else { 1 };
    let heights = [
        Constraint::Length(3),
        Constraint::Length(curve),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [top, middle, table, bottom] = Layout::vertical(heights).areas(area);
    frame.render_widget(Paragraph::new(header(model)), top);
    let width = usize::from(middle.width);
    let shown = model.footprints.len().saturating_sub(width);
    // The lowest is one bar high, so that a small growth of a large footprint shows.
    let [least, most] = model.extremes.unwrap_or_default();
    let bar = ((most - least) / 7).max(1);
    let heights = model.footprints.iter().skip(shown);
    let heights: Vec<u64> = heights
        .map(|kib| kib.saturating_sub(least).saturating_add(bar))
        .collect();
    let line = Sparkline::default()
        .data(heights)
        .style(Style::new().fg(Color::Cyan));
    frame.render_widget(line, middle);
    draw_table(frame, model, table);
    frame.render_widget(Paragraph::new(footer(model)), bottom);
    if model.is_help {
        draw_help(frame, area);
    }
}

fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
}

fn dim(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::DIM))
}

fn warning(text: impl Into<String>) -> Span<'static> {
    Span::styled(
        text.into(),
        Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
    )
}

fn kib(value: Option<u64>) -> String {
    size(value.map(Kib), Unit::Bytes)
}

fn bytes(value: Option<u64>) -> String {
    kib(value.map(|bytes| bytes >> 10))
}

/// More is yellow, less is green.
fn growth_style(growth: Option<i64>) -> Style {
    match growth.unwrap_or(0).signum() {
        1 => Style::new().fg(Color::Yellow),
        0 => Style::new().add_modifier(Modifier::DIM),
        _ => Style::new().fg(Color::Green),
    }
}

fn per_second(rate: Option<i64>) -> String {
    match rate {
        Some(0) => "0/s".into(),
        rate => format!("{}/s", signed(rate)),
    }
}

fn header(model: &Model) -> Vec<Line<'static>> {
    let (now, facts) = (&model.now, &model.now.facts);
    let mut title = vec![
        bold(format!("{} [{}]", facts.name, facts.pid)),
        dim(format!("  {}  ", now.root)),
        Span::raw(format!("{:.0} s watched  ", model.elapsed().as_secs_f64())),
    ];
    title.push(match (&model.ended, model.is_paused) {
        (Some(why), _) => warning(why.clone()),
        (None, true) => warning("paused"),
        (None, false) => Span::raw(pace(model)),
    });
    let [least, most] = model.extremes.map_or([None, None], |both| both.map(Some));
    let growth = model.footprint_growth();
    let footprint = vec![
        Span::raw("Footprint "),
        bold(kib(model.footprints.last().copied())),
        Span::raw(format!("  min {}  max {}  ", kib(least), kib(most))),
        Span::styled(signed(growth), growth_style(growth)),
        dim(format!(" in {:.0} s  ", model.since_base().as_secs_f64())),
        Span::styled(
            per_second(model.footprint_rate()),
            growth_style(model.footprint_rate()),
        ),
    ];
    let all = now.totals().all;
    let regions = now.regions.as_ref().map(Vec::len);
    let resident = if regions.is_some() {
        all.resident
    } else {
        facts.resident
    };
    let swap = if regions.is_some() { all.swap } else { None };
    let totals = format!(
        "Resident {}  swap {}  page tables {}  maps {}  threads {}",
        size(resident, Unit::Bytes),
        size(swap, Unit::Bytes),
        size(facts.page_tables, Unit::Bytes),
        regions.map_or("?".into(), |n| n.to_string()),
        facts.threads
    );
    vec![Line::from(title), Line::from(footprint), Line::from(totals)]
}

/// How often it looks, and what that costs.
fn pace(model: &Model) -> String {
    let every = model.pause().as_secs_f64();
    let took = model.took.as_secs_f64() * 1e3;
    if model.is_stretched() {
        return format!(
            "every {every:.1} s, not {:.1}: a look takes {took:.0} ms",
            model.interval.as_secs_f64()
        );
    }
    format!("every {every:.1} s, a look takes {took:.1} ms")
}

fn footer(model: &Model) -> Line<'static> {
    if model.is_typing {
        return Line::from(vec![
            bold("Filter: "),
            Span::raw(format!("{}_", model.filter)),
            dim("  Enter keeps, Esc clears"),
        ]);
    }
    let mut parts = Vec::new();
    if !model.filter.is_empty() {
        parts.push(warning(format!("filter \"{}\"  ", model.filter)));
    }
    parts.push(dim(
        "q quit  s sort  t types/regions  / filter  p pause  r reset  +- interval  ? help",
    ));
    Line::from(parts)
}

fn draw_table(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let lines = model.lines();
    let is_wide = area.width >= WIDE;
    let is_by_region = model.table == Rows::Regions;
    let visible = usize::from(area.height.saturating_sub(1));
    // A shorter list scrolls no further than its end.
    let first = model.scroll.min(lines.len().saturating_sub(visible));
    let rows = lines.iter().skip(first).take(visible);
    let rows: Vec<Row<'_>> = rows
        .map(|line| row(line, is_wide && is_by_region, usize::from(area.width)))
        .collect();
    let mut widths = vec![Constraint::Min(16)];
    if is_wide && is_by_region {
        widths = vec![
            Constraint::Length(22),
            Constraint::Length(16),
            Constraint::Min(20),
        ];
    }
    widths.extend([7, 7, 7, 7, 8, 9].map(Constraint::Length));
    widths.push(Constraint::Length(CURVE as u16));
    let mut captions = match (is_by_region, is_wide) {
        (false, _) => vec![caption("TYPE", model.sort == Sort::Name, false)],
        (true, false) => vec![caption("REGION", model.sort == Sort::Name, false)],
        (true, true) => vec![
            caption("TYPE", model.sort == Sort::Name, false),
            caption("START", false, false),
            caption("DETAIL", false, false),
        ],
    };
    for (word, sort) in [
        ("SIZE", Some(Sort::Size)),
        ("RSDNT", Some(Sort::Resident)),
        ("DIRTY", Some(Sort::Dirty)),
        ("SWAP", Some(Sort::Swap)),
        ("GROWTH", Some(Sort::Growth)),
        ("RATE", Some(Sort::Rate)),
        ("LATELY", None),
    ] {
        captions.push(caption(word, sort == Some(model.sort), sort.is_some()));
    }
    let header = Row::new(captions).style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_widget(Table::new(rows, widths).header(header).column_spacing(1), area);
}

/// A caption; the sorted column is marked.
fn caption(word: &str, is_sorted: bool, is_right: bool) -> Cell<'static> {
    let text = if is_sorted {
        format!("{word}v")
    } else {
        word.to_owned()
    };
    let text = Text::from(text);
    Cell::from(if is_right { text.right_aligned() } else { text })
}

fn row<'a>(line: &Entry<'a>, has_columns: bool, width: usize) -> Row<'a> {
    let right = |text: String, style: Style| Cell::from(Text::styled(text, style).right_aligned());
    let plain = Style::new();
    let mut cells = Vec::new();
    match (line.region, has_columns) {
        (Some(region), true) => {
            cells.push(Cell::from(line.kind.name()));
            cells.push(Cell::from(format!("{:x}", region.start)));
            cells.push(Cell::from(last_part(
                region.detail(),
                width.saturating_sub(22 + 16 + 53 + 10),
            )));
        }
        (Some(region), false) => {
            let file = region.detail().rsplit('/').next().unwrap_or_default();
            let name = if file.is_empty() {
                // The end of an address tells more than its beginning.
                format!("{} ..{:08x}", line.kind.name(), region.start.0 & 0xffff_ffff)
            } else {
                format!("{} {file}", line.kind.name())
            };
            cells.push(Cell::from(name));
        }
        (None, _) => cells.push(Cell::from(line.kind.name())),
    }
    let sizes = &line.sizes;
    for value in [Some(sizes.size), sizes.resident, sizes.dirty, sizes.swap] {
        cells.push(right(bytes(value), plain));
    }
    cells.push(right(signed(line.growth), growth_style(line.growth)));
    cells.push(right(per_second(line.rate), growth_style(line.rate)));
    cells.push(Cell::from(Span::styled(
        curve(line.history),
        Style::new().fg(Color::Cyan),
    )));
    Row::new(cells)
}

/// The end of a path that is too long.
fn last_part(detail: &str, room: usize) -> String {
    let count = detail.chars().count();
    if count <= room {
        return detail.to_owned();
    }
    let end: String = detail.chars().skip(count - room.saturating_sub(3)).collect();
    format!("...{end}")
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last looks as bars between their lowest and highest; flat is low.
fn curve(history: &[u64]) -> String {
    let recent = &history[history.len().saturating_sub(CURVE)..];
    let (Some(&least), Some(&most)) = (recent.iter().min(), recent.iter().max()) else {
        return String::new();
    };
    let range = u128::from(most - least).max(1);
    let bar = |&value: &u64| {
        let height = u128::from(value - least) * (BARS.len() as u128 - 1) / range;
        BARS.get(height as usize).copied().unwrap_or('█')
    };
    recent.iter().map(bar).collect()
}

const HELP: [&str; 16] = [
    "q        quit",
    "s        sort by the next column (marked with v)",
    "t        region types, or single regions",
    "/        filter by type, file or name; Esc clears it",
    "p        pause: take no looks",
    "r        reset: count growth from now on",
    "+ -      longer, shorter interval",
    "arrows   scroll; also PageUp, PageDown, Home, End",
    "",
    "GROWTH   in RAM or in swap, since the baseline",
    "RATE     the same per second, over the last 10 looks",
    "LATELY   the same at the last 8 looks",
    "",
    "The interval grows with what a look costs, so that",
    "reading takes a tenth of the time at most.",
    "Any key closes this.",
];

fn draw_help(frame: &mut Frame<'_>, area: Rect) {
    let (width, height) = (58.min(area.width), (HELP.len() as u16 + 2).min(area.height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(format!(" {line}"))).collect();
    frame.render_widget(
        Paragraph::new(lines).block(Block::bordered().title(" Keys ")),
        place,
    );
}
