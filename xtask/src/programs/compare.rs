//! A run against the reference's: status, both outputs, and the files that it left. Neighbours: [`super::engine`],
//! [`super::roots`].

use crate::command::Done;
use crate::end_to_end::first_difference;

use super::engine::Ran;
use super::roots::Left;

/// What differs, if something does. Nothing is filtered: what may differ must not be printed.
pub(crate) fn same(expected: &Ran, came: &Ran) -> Result<(), String> {
    same_words(&expected.done, &came.done)?;
    same_files(&expected.left, &came.left)
}

fn same_words(expected: &Done, came: &Done) -> Result<(), String> {
    if came.late {
        return Err(format!(
            "did not end in {} s\n{}",
            came.wall.as_secs(),
            end_of(&came.text())
        ));
    }
    if expected.stdout != came.stdout {
        return Err(first_difference(&expected.text(), &came.text()));
    }
    if expected.stderr != came.stderr {
        let line = first_difference(&expected.stderr, &came.stderr);
        return Err(format!("standard error, {line}"));
    }
    if expected.status != came.status {
        return Err(format!(
            "expected status {}, came {}",
            expected.status, came.status
        ));
    }
    Ok(())
}

/// The last lines of what a program said before its time was up.
fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(4);
    format!("its last words: {}", lines[from..].join(" | "))
}

fn same_files(expected: &[Left], came: &[Left]) -> Result<(), String> {
    let missing = expected
        .iter()
        .find(|file| !came.iter().any(|other| other.path == file.path));
    if let Some(file) = missing {
        return Err(format!("{} was not left behind", file.path));
    }
    for file in came {
        let Some(right) = expected.iter().find(|other| other.path == file.path) else {
            return Err(format!("{} was left behind", file.path));
        };
        if right != file {
            return Err(format!("{}: expected {right}, came {file}", file.path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, mode: u32, bytes: &[u8]) -> Left {
        Left {
            path: path.into(),
            mode,
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn files_are_compared_by_name_mode_and_content() {
        let right = [file("a", 0o100_644, b"x"), file("b", 0o40_755, b"")];
        assert_eq!(same_files(&right, &right), Ok(()));
        assert!(same_files(&right, &right[..1]).unwrap_err().contains("not left"));
        assert!(
            same_files(&right[..1], &right)
                .unwrap_err()
                .starts_with("b was left")
        );
        let other = [file("a", 0o100_600, b"x"), right[1].clone()];
        assert!(same_files(&right, &other).unwrap_err().contains("600"));
        let other = [file("a", 0o100_644, b"y"), right[1].clone()];
        assert!(same_files(&right, &other).is_err());
    }
}
