//! The terminal view as text, its keys, and its lines where the output is no terminal.

use cli::watch::{Model, Sort, Step, Table, draw, press};
use observe::{Figure, Snapshot};
use procfs::{Addr, DirRoot, Kib};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const QUICK: Duration = Duration::from_millis(2);

fn fixture() -> Snapshot {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../procfs/tests/fixtures/arm64-16k");
    let mut snapshot = Snapshot::take(&DirRoot::new(folder), 7).expect("the fixture is whole");
    snapshot.root = "/proc".into();
    snapshot
}

/// The fixture, its heap grown by so many KiB and what is mapped at `0xffff7c800000` gone if it is not kept.
fn grown(kib: u64, is_kept: bool) -> Snapshot {
    let mut snapshot = fixture();
    let regions = snapshot.regions.as_mut().expect("the fixture is whole");
    let heap = regions
        .iter_mut()
        .find(|r| r.detail() == "[heap]")
        .expect("the fixture is whole");
    heap.end = Addr(heap.end.0 + (kib << 10));
    for figure in [
        Figure::Rss,
        Figure::Resident,
        Figure::Anonymous,
        Figure::Dirty,
        Figure::Pss,
    ] {
        let value = heap.figure(figure).expect("the fixture is whole");
        heap.figures.set(figure, Some(Kib(value.0 + kib)));
    }
    if !is_kept {
        regions.retain(|region| region.start != Addr(0xffff_7c80_0000));
    }
    snapshot
}

/// Ten looks, a second apart; the heap grows by 64 KiB each time.
fn model() -> Model {
    let mut model = Model::new(fixture(), SECOND, QUICK);
    for look in 1..10 {
        let at = SECOND * u32::try_from(look).expect("the fixture is whole");
        model.see(grown(look * 64, true), at, QUICK);
    }
    model
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("the fixture is whole");
    terminal
        .draw(|frame| draw(frame, model))
        .expect("the fixture is whole");
    terminal.backend().to_string()
}

fn keys(model: &mut Model, keys: &str) {
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            key => KeyCode::Char(key),
        };
        assert_eq!(press(model, KeyEvent::new(code, KeyModifiers::NONE)), Step::Stay);
    }
}

#[test]
fn types_at_80_by_24() {
    insta::assert_snapshot!(screen(&model(), 80, 24));
}

#[test]
fn regions_filtered_on_a_wide_screen() {
    let mut model = model();
    keys(&mut model, "t/worker\n");
    insta::assert_snapshot!(screen(&model, 160, 32));
}

#[test]
fn help_and_a_process_that_ended() {
    let mut model = model();
    model.ended = Some("ended after 10 s; this is its last state".into());
    insta::assert_snapshot!(screen(&model, 80, 5));
    keys(&mut model, "?");
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn any_size_can_be_drawn() {
    let mut model = model();
    for keys_before in ["", "t", "?"] {
        keys(&mut model, keys_before);
        for (width, height) in [(1, 1), (2, 3), (10, 4), (79, 6), (120, 30), (300, 90)] {
            screen(&model, width, height);
        }
    }
    // A process whose regions may not be seen.
    let mut bare = fixture();
    bare.regions = None;
    assert!(screen(&Model::new(bare, SECOND, QUICK), 80, 24).contains("swap ?  page tables 208K  maps ?"));
}

#[test]
fn growth_and_rate_are_those_of_the_heap() {
    let mut model = model();
    model.table = Table::Regions;
    let lines = model.lines();
    assert_eq!(lines[0].region.expect("the fixture is whole").detail(), "[heap]");
    assert_eq!(lines[0].growth, Some((9 * 64) << 10));
    assert_eq!(lines[0].rate, Some(64 << 10));
    assert!(lines[1..].iter().all(|line| line.growth == Some(0)));
    // From the baseline on.
    keys(&mut model, "r");
    assert_eq!(
        model
            .lines()
            .iter()
            .map(|line| line.growth.expect("the fixture is whole"))
            .max(),
        Some(0)
    );
    model.see(grown(1000, true), SECOND * 10, QUICK);
    assert_eq!(model.lines()[0].growth, Some((1000 - 576) << 10));
    // What goes away leaves the table, what comes has grown from nothing.
    model.see(grown(1000, false), SECOND * 11, QUICK);
    let count = model.lines().len();
    model.see(grown(1000, true), SECOND * 12, QUICK);
    assert_eq!(model.lines().len(), count + 1);
    assert_eq!(model.lines()[0].growth, Some(11264 << 10));
}

#[test]
fn keys_change_what_is_shown() {
    let mut model = model();
    keys(&mut model, "s");
    assert_eq!(model.sort, Sort::Rate);
    keys(&mut model, "sssss");
    assert_eq!(model.sort, Sort::Name);
    let names: Vec<_> = model.lines().iter().map(|line| line.kind.name()).collect();
    assert!(names.is_sorted());
    keys(&mut model, "s++p");
    assert!(model.sort == Sort::Growth && model.interval == SECOND * 4 && model.is_paused);
    keys(&mut model, "p------------");
    assert_eq!(model.interval, Duration::from_millis(100));
    // While the filter is typed, letters are letters.
    keys(&mut model, "/q");
    assert!(model.is_typing && model.filter == "q");
    press(&mut model, KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    assert!(!model.is_typing && model.filter.is_empty());
    for _ in 0..100 {
        press(&mut model, KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
    }
    assert_eq!(model.scroll, model.lines().len() - 1);
    let q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
    assert_eq!(press(&mut model, q), Step::Quit);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(press(&mut model, control_c), Step::Quit);
}

#[test]
fn reading_takes_a_tenth_of_the_time_at_most() {
    let mut model = model();
    assert!(!model.is_stretched() && model.pause() == SECOND);
    model.see(fixture(), SECOND * 10, Duration::from_millis(400));
    assert!(model.is_stretched() && model.pause() == Duration::from_millis(3600));
    assert!(screen(&model, 120, 24).contains("every 3.6 s, not 1.0: a look takes 400 ms"));
}

#[test]
fn without_a_terminal_it_prints_lines_until_the_process_ends() {
    let mut sleeper = Command::new("sleep")
        .arg("1000")
        .spawn()
        .expect("the fixture is whole");
    let mut vmmap = Command::new(env!("CARGO_BIN_EXE_vmmap"))
        .args(["--watch", "0.02", &sleeper.id().to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the fixture is whole");
    let mut lines = BufReader::new(vmmap.stdout.take().expect("the fixture is whole")).lines();
    let first: Vec<String> = lines.by_ref().take(4).map(Result::unwrap).collect();
    sleeper.kill().expect("the fixture is whole");
    sleeper.wait().expect("the fixture is whole");
    // The rest, so that the pipe does not break.
    lines.for_each(drop);
    let output = vmmap.wait_with_output().expect("the fixture is whole");
    assert_eq!(
        first[0],
        "seconds\tfootprint\tresident\tdirty\tswap\tmaps\tread_ms"
    );
    for line in &first[1..] {
        let numbers: Vec<f64> = line
            .split('\t')
            .map(|word| word.parse().expect("the fixture is whole"))
            .collect();
        assert_eq!(numbers.len(), 7);
        assert!(numbers[1] > 0.0 && numbers[5] > 5.0, "{line}");
    }
    assert!(output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("ended after") && error.trim_end().lines().count() == 1,
        "{error}"
    );
}
