//! `loadavg`: how many tasks want to run ([`LoadAvg`]; proc_loadavg(5), `fs/proc/loadavg.c`).

use crate::text::{Cursor, put_decimal};
use crate::{ParseError, Text};

/// `loadavg`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LoadAvg {
    /// Averages of 1, 5 and 15 minutes, in 1/100 of a task.
    pub centis: [u64; 3],
    /// Tasks that can run now.
    pub running: u64,
    /// All tasks.
    pub tasks: u64,
    /// The newest task's number.
    pub last_pid: u32,
}

impl Text for LoadAvg {
    const FILE: &'static str = "loadavg";

    fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut c = Cursor::new(Self::FILE, bytes);
        let mut centis = [0; 3];
        for average in &mut centis {
            *average = load(&mut c)?;
        }
        let running = c.decimal("running tasks")?;
        c.expect(b'/', "a slash")?;
        let tasks = c.decimal("tasks")?;
        c.expect(b' ', "a blank")?;
        let last_pid = c.number("the newest task")?;
        c.expect(b'\n', "a newline")?;
        c.end()?;
        Ok(Self {
            centis,
            running,
            tasks,
            last_pid,
        })
    }

    fn print_to(&self, out: &mut Vec<u8>) {
        for centis in self.centis {
            put_decimal(out, centis / 100, 0);
            out.push(b'.');
            out.push(b'0' + (centis / 10 % 10) as u8);
            out.push(b'0' + (centis % 10) as u8);
            out.push(b' ');
        }
        put_decimal(out, self.running, 0);
        out.push(b'/');
        put_decimal(out, self.tasks, 0);
        out.push(b' ');
        put_decimal(out, self.last_pid.into(), 0);
        out.push(b'\n');
    }
}

fn load(c: &mut Cursor<'_>) -> Result<u64, ParseError> {
    const FIELD: &str = "a load such as 0.42";
    let whole = c.decimal(FIELD)?;
    c.expect(b'.', FIELD)?;
    let digits = c.take_until(b' ', FIELD)?;
    let &[tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = digits else {
        return Err(c.error(FIELD));
    };
    let part = u64::from(tens - b'0') * 10 + u64::from(ones - b'0');
    let value = whole.checked_mul(100).and_then(|whole| whole.checked_add(part));
    value.ok_or_else(|| c.error(FIELD))
}
