//! Rows with a target: ours beside another's figure, their ratio, and whether the target is met. Key types: [`Judged`],
//! [`Outcome`]. Neighbours: [`super::wall`], [`super::stall`], which make them.

use std::fmt::Write as _;

/// What was found for a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Measured {
        ours: f64,
        other: f64,
    },
    /// Ours cannot be measured: not met.
    OursMissing(String),
    /// The other's cannot be measured here: nothing to compare with.
    OtherMissing(String),
}

impl Outcome {
    /// Both sides of a row, each a figure or the reason why there is none.
    pub(super) fn of(ours: &Result<f64, String>, other: &Result<f64, String>) -> Outcome {
        match (ours, other) {
            (Ok(ours), Ok(other)) => Outcome::Measured {
                ours: *ours,
                other: *other,
            },
            (Err(why), _) => Outcome::OursMissing(why.clone()),
            (_, Err(why)) => Outcome::OtherMissing(why.clone()),
        }
    }
}

/// One row.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) ours: &'static str,
    pub(super) other: &'static str,
    pub(super) outcome: Outcome,
    /// Ours may be at most so many times the other's.
    pub(super) target: f64,
    /// What the machine shows without any of the two, in the unit of the row: a smaller figure cannot be seen.
    pub(super) floor: f64,
}

/// The answer of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    NotMet,
    /// The figure that had to be reached lies below what this machine shows without a reader.
    Noise,
    NotMeasured,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::NotMet => "NOT MET",
            Verdict::Noise => "below the machine's noise",
            Verdict::NotMeasured => "not measured",
        }
    }
}

impl Judged {
    fn verdict(&self) -> Verdict {
        match self.outcome {
            Outcome::Measured { ours, other } if ours <= other * self.target => Verdict::Met,
            Outcome::Measured { other, .. } if other * self.target < self.floor => Verdict::Noise,
            Outcome::Measured { .. } | Outcome::OursMissing(_) => Verdict::NotMet,
            Outcome::OtherMissing(_) => Verdict::NotMeasured,
        }
    }

    fn line(&self) -> String {
        let (figures, why) = match &self.outcome {
            Outcome::Measured { ours, other } => ([Some(*ours), Some(*other), Some(ours / other)], None),
            Outcome::OursMissing(why) | Outcome::OtherMissing(why) => ([None; 3], Some(why)),
        };
        let [ours, other, ratio] = figures.map(|figure| figure.map_or("-".into(), |it| format!("{it:.2}")));
        let mut line = format!(
            "{:<14} {:<4} {:<16} {:>10} {:<10} {:>10} {:>7} {:>7.2} {}",
            self.what,
            self.unit,
            self.ours,
            ours,
            self.other,
            other,
            ratio,
            self.target,
            self.verdict().word()
        );
        if let Some(why) = why {
            let _ = write!(line, " ({why})");
        }
        line
    }
}

/// The table with the count of what is met.
pub(super) fn table(rows: &[Judged]) -> String {
    let mut text = format!(
        "\n{:<14} {:<4} {:<16} {:>10} {:<10} {:>10} {:>7} {:>7}\n",
        "what", "unit", "ours", "figure", "other", "figure", "ratio", "target"
    );
    for row in rows {
        text.push_str(&row.line());
        text.push('\n');
    }
    let count = |verdict| rows.iter().filter(|row| row.verdict() == verdict).count();
    let _ = writeln!(
        text,
        "{} of {} targets met, {} not met, {} below the machine's noise, {} not measured; ratio = ours / other",
        count(Verdict::Met),
        rows.len(),
        count(Verdict::NotMet),
        count(Verdict::Noise),
        count(Verdict::NotMeasured)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Outcome, floor: f64) -> Judged {
        Judged {
            what: "wall.10k",
            unit: "ms",
            ours: "vmmap",
            other: "pmap -XX",
            outcome,
            target: 0.25,
            floor,
        }
    }

    fn measured(ours: f64, other: f64) -> Outcome {
        Outcome::Measured { ours, other }
    }

    #[test]
    fn each_answer_has_its_word_and_is_counted() {
        let rows = [
            row(measured(20.0, 100.0), 0.0),
            row(measured(30.0, 100.0), 10.0),
            row(measured(30.0, 100.0), 26.0),
            row(Outcome::OursMissing("not there yet".into()), 0.0),
            row(Outcome::OtherMissing("not installed".into()), 0.0),
        ];
        let text = table(&rows);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert!(
            lines[0].ends_with(" met") && lines[0].contains(" 0.20 "),
            "{}",
            lines[0]
        );
        assert!(lines[1].ends_with("NOT MET"), "{}", lines[1]);
        assert!(lines[2].ends_with("below the machine's noise"), "{}", lines[2]);
        assert!(lines[3].ends_with("NOT MET (not there yet)"), "{}", lines[3]);
        assert!(lines[4].ends_with("not measured (not installed)"), "{}", lines[4]);
        assert!(
            lines[5]
                .starts_with("1 of 5 targets met, 2 not met, 1 below the machine's noise, 1 not measured")
        );
    }

    #[test]
    fn what_is_met_is_met_below_the_noise_too() {
        assert_eq!(row(measured(20.0, 100.0), 50.0).verdict(), Verdict::Met);
    }

    #[test]
    fn our_own_absence_weighs_more_than_the_others() {
        let none = |why: &str| Err(why.to_owned());
        assert_eq!(
            Outcome::of(&none("a"), &none("b")),
            Outcome::OursMissing("a".into())
        );
        assert_eq!(
            Outcome::of(&Ok(1.0), &none("b")),
            Outcome::OtherMissing("b".into())
        );
    }
}
