//! A guest program on the machine or under qemu-aarch64, by one command line. Key types: [`Runner`], [`Program`],
//! [`PageSize`]. Neighbours: [`crate::end_to_end`], [`crate::bench`].

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guests::elf_folder;

/// The page sizes of the machine, as its option spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageSize {
    Small4K,
    Middle16K,
    Large64K,
}

impl PageSize {
    pub(crate) const ALL: [PageSize; 3] = [PageSize::Small4K, PageSize::Middle16K, PageSize::Large64K];

    pub(crate) fn word(self) -> &'static str {
        match self {
            PageSize::Small4K => "4k",
            PageSize::Middle16K => "16k",
            PageSize::Large64K => "64k",
        }
    }
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// A bundled guest, by name.
    Bundled(&'static str),
    /// An ELF file.
    File(PathBuf),
}

/// What runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Runner {
    /// Our own `pagewalk` program.
    Machine(PathBuf),
    /// qemu's user-mode emulator: it has the host's page size and its own ideas of memory.
    Qemu(PathBuf),
}

impl Runner {
    /// The runner behind `--runner`: qemu if the name says so.
    pub(crate) fn named(path: &str) -> Runner {
        let qemu = Path::new(path)
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("qemu-"));
        if qemu {
            Runner::Qemu(path.into())
        } else {
            Runner::Machine(path.into())
        }
    }

    pub(crate) fn is_machine(&self) -> bool {
        matches!(self, Runner::Machine(_))
    }

    /// The page sizes that it can be asked for.
    pub(crate) fn page_sizes(&self) -> &'static [PageSize] {
        match self {
            Runner::Machine(_) => &PageSize::ALL,
            Runner::Qemu(_) => &PageSize::ALL[..1],
        }
    }

    /// The command line; `options` are those of `pagewalk run` and must be empty for qemu.
    pub(crate) fn command(
        &self,
        page: PageSize,
        options: &[&str],
        program: &Program,
        args: &[&str],
    ) -> Command {
        let mut command = match self {
            Runner::Machine(path) => {
                let mut command = Command::new(path);
                command.args(["run", "--page-size", page.word()]).args(options);
                command
            }
            Runner::Qemu(path) => {
                assert!(options.is_empty(), "qemu does not know {options:?}");
                Command::new(path)
            }
        };
        match (self, program) {
            (_, Program::File(path)) => command.arg(path),
            (Runner::Machine(_), Program::Bundled(name)) => command.arg(name),
            (Runner::Qemu(_), Program::Bundled(name)) => command.arg(elf_folder().join(name)),
        };
        command.args(args);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &Command) -> Vec<String> {
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_machine_gets_names_and_options() {
        let runner = Runner::named("/x/pagewalk");
        let command = runner.command(
            PageSize::Middle16K,
            &["--seed", "1"],
            &Program::Bundled("adder"),
            &["2", "3"],
        );
        assert_eq!(
            words(&command),
            ["run", "--page-size", "16k", "--seed", "1", "adder", "2", "3"]
        );
    }

    #[test]
    fn qemu_gets_files() {
        let runner = Runner::named("/usr/bin/qemu-aarch64");
        let command = runner.command(PageSize::Small4K, &[], &Program::Bundled("adder"), &["2"]);
        assert!(words(&command)[0].ends_with("guests/elf/adder"));
        assert!(!runner.is_machine());
    }
}
