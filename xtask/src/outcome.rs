//! Checks with a name and a verdict, run by as many threads as the host has, and counted. Key types: [`Check`],
//! [`Verdict`], [`Tally`]. Neighbours: [`crate::test`], [`crate::end_to_end`].

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// What was expected and what came.
    Failed(String),
    /// Why it could not be run.
    Skipped(String),
}

/// One end-to-end check.
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) body: Box<dyn FnOnce() -> Verdict + Send>,
}

impl Check {
    pub(crate) fn new(name: impl Into<String>, body: impl FnOnce() -> Verdict + Send + 'static) -> Check {
        Check {
            name: name.into(),
            body: Box::new(body),
        }
    }
}

/// How many checks ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
    }

    pub(crate) fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

fn show(name: &str, verdict: &Verdict, seconds: f64) {
    match verdict {
        Verdict::Passed => println!("ok      {seconds:7.2}s  {name}"),
        Verdict::Failed(why) => println!("FAILED  {seconds:7.2}s  {name}\n{}", indent(why)),
        Verdict::Skipped(why) => println!("SKIPPED           {name}: {why}"),
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("        | {line}\n")).collect()
}

/// Runs the checks, the host's threads at a time, and prints a line for each as it ends.
pub(crate) fn run_all(checks: Vec<Check>) -> Tally {
    let queue = Mutex::new(VecDeque::from(checks));
    let tally = Mutex::new(Tally::default());
    let workers = thread::available_parallelism().map_or(2, usize::from);
    // The lock is held for the look into the queue only: in the head of a loop it would be held for the whole check.
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        while let Some(check) = next() {
            let start = Instant::now();
            let verdict = (check.body)();
            show(&check.name, &verdict, start.elapsed().as_secs_f64());
            tally
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .count(&verdict);
        }
    };
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    *tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Each of as many checks as there are threads waits for all others: they end well only if they run at one time.
    #[test]
    fn checks_run_side_by_side() {
        let count = thread::available_parallelism().map_or(2, usize::from);
        let begun = Arc::new(AtomicUsize::new(0));
        let checks = (0..count).map(|index| {
            let begun = Arc::clone(&begun);
            Check::new(index.to_string(), move || wait_for(&begun, count))
        });
        assert_eq!(run_all(checks.collect()).failed, 0);
    }

    fn wait_for(begun: &AtomicUsize, count: usize) -> Verdict {
        begun.fetch_add(1, Ordering::SeqCst);
        let start = Instant::now();
        while begun.load(Ordering::SeqCst) < count {
            if start.elapsed().as_secs() > 20 {
                return Verdict::Failed("it ran alone".into());
            }
            thread::yield_now();
        }
        Verdict::Passed
    }

    #[test]
    fn verdicts_are_counted() {
        let checks = vec![
            Check::new("a", || Verdict::Passed),
            Check::new("b", || Verdict::Failed("expected 1\ncame 2".into())),
            Check::new("c", || Verdict::Skipped("no apt".into())),
            Check::new("d", || Verdict::Passed),
        ];
        let tally = run_all(checks);
        assert_eq!(
            tally,
            Tally {
                passed: 2,
                failed: 1,
                skipped: 1
            }
        );
        assert_eq!(tally.to_string(), "2 passed, 1 failed, 1 skipped");
    }
}
