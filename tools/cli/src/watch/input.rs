//! What a key does ([`press`]).

use super::model::{Model, Table};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

/// Whether the watch goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It does.
    Stay,
    /// The user has seen enough.
    Quit,
}

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3600);

/// Rows of one page key.
const PAGE: usize = 10;

/// Apply a key to the model.
pub fn press(model: &mut Model, key: KeyEvent) -> Step {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_control && key.code == KeyCode::Char('c') {
        return Step::Quit;
    }
    if model.is_typing {
        type_filter(model, key.code);
        return Step::Stay;
    }
    if model.is_help {
        model.is_help = false;
        return Step::Stay;
    }
    match key.code {
        KeyCode::Char('q') => return Step::Quit,
        KeyCode::Char('s') => model.sort = model.sort.next(),
        KeyCode::Char('/') => model.is_typing = true,
        KeyCode::Char('t') => {
            model.scroll = 0;
            model.table = match model.table {
                Table::Types => Table::Regions,
                Table::Regions => Table::Types,
            };
        }
        KeyCode::Char('p' | ' ') => model.is_paused = !model.is_paused,
        KeyCode::Char('r') => model.reset(),
        KeyCode::Char('+') => model.interval = (model.interval * 2).min(LONGEST),
        KeyCode::Char('-') => model.interval = (model.interval / 2).max(SHORTEST),
        KeyCode::Char('?' | 'h') => model.is_help = true,
        KeyCode::Esc => model.filter.clear(),
        code => scroll(model, code),
    }
    Step::Stay
}

fn type_filter(model: &mut Model, code: KeyCode) {
    model.scroll = 0;
    match code {
        KeyCode::Enter => model.is_typing = false,
        KeyCode::Esc => {
            model.is_typing = false;
            model.filter.clear();
        }
        KeyCode::Backspace => {
            model.filter.pop();
        }
        KeyCode::Char(letter) if !letter.is_control() => model.filter.push(letter),
        _ => {}
    }
}

fn scroll(model: &mut Model, code: KeyCode) {
    let last = model.lines().len().saturating_sub(1);
    let to = match code {
        KeyCode::Down | KeyCode::Char('j') => model.scroll.saturating_add(1),
        KeyCode::Up | KeyCode::Char('k') => model.scroll.saturating_sub(1),
        KeyCode::PageDown => model.scroll.saturating_add(PAGE),
        KeyCode::PageUp => model.scroll.saturating_sub(PAGE),
        KeyCode::Home => 0,
        KeyCode::End => last,
        _ => return,
    };
    model.scroll = to.min(last);
}
