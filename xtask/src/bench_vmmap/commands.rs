//! The commands that are compared: ours with its options, and what people use today. Key types: [`Tool`], [`Tools`].
//! Neighbours: [`super::wall`], [`super::stall`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{capture, find};
use crate::trouble::Trouble;

use super::target::Target;

/// One way to look at a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    Vmmap,
    Summary,
    Json,
    Gentle,
    CatSmaps,
    PmapX,
    PmapXX,
    Smem,
}

impl Tool {
    pub(super) const OURS: [Tool; 4] = [Tool::Vmmap, Tool::Summary, Tool::Json, Tool::Gentle];
    pub(super) const ALL: [Tool; 8] = [
        Tool::Vmmap,
        Tool::Summary,
        Tool::Json,
        Tool::Gentle,
        Tool::CatSmaps,
        Tool::PmapX,
        Tool::PmapXX,
        Tool::Smem,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Tool::Vmmap => "vmmap",
            Tool::Summary => "vmmap --summary",
            Tool::Json => "vmmap --json",
            Tool::Gentle => "vmmap --gentle",
            Tool::CatSmaps => "cat smaps",
            Tool::PmapX => "pmap -x",
            Tool::PmapXX => "pmap -XX",
            Tool::Smem => "smem -P",
        }
    }
}

/// Which of the commands this host has.
pub(super) struct Tools {
    vmmap: PathBuf,
    gentle: bool,
    pmap: Option<PathBuf>,
    smem: Option<PathBuf>,
}

impl Tools {
    pub(super) fn find(vmmap: &Path) -> Result<Tools, Trouble> {
        let help = capture(Command::new(vmmap).arg("--help"), b"", Duration::from_secs(20))?;
        Ok(Tools {
            vmmap: vmmap.to_path_buf(),
            gentle: help.text().contains("--gentle"),
            pmap: find(&["pmap"]),
            smem: find(&["smem"]),
        })
    }

    /// Why this command cannot be measured here.
    pub(super) fn absent(&self, tool: Tool) -> Option<&'static str> {
        match tool {
            Tool::Gentle if !self.gentle => Some("not there yet"),
            Tool::PmapX | Tool::PmapXX if self.pmap.is_none() => Some("not installed"),
            Tool::Smem if self.smem.is_none() => Some("not installed"),
            _ => None,
        }
    }

    /// The words of the command that looks at this target.
    pub(super) fn words(&self, tool: Tool, target: &Target) -> Vec<String> {
        let pid = target.pid().to_string();
        let program = |path: &Path| path.to_string_lossy().into_owned();
        let ours = |options: &[&str]| {
            let mut words = vec![program(&self.vmmap)];
            words.extend(options.iter().map(|word| (*word).to_owned()));
            words.push(pid.clone());
            words
        };
        let pmap = |option: &str| {
            let path = self.pmap.as_deref().unwrap_or(Path::new("pmap"));
            vec![program(path), option.into(), pid.clone()]
        };
        match tool {
            Tool::Vmmap => ours(&[]),
            Tool::Summary => ours(&["--summary"]),
            Tool::Json => ours(&["--json"]),
            Tool::Gentle => ours(&["--gentle"]),
            Tool::CatSmaps => vec!["cat".into(), format!("/proc/{pid}/smaps")],
            Tool::PmapX => pmap("-x"),
            Tool::PmapXX => pmap("-XX"),
            // smem looks for the pattern in the name and in the command line of every process, its own too: only the
            // target's name is this and nothing else.
            Tool::Smem => {
                let path = self.smem.as_deref().unwrap_or(Path::new("smem"));
                vec![program(path), "-P".into(), format!("^{}$", target.name())]
            }
        }
    }

    /// The first line of `--version` of what we compare with (smem has no such option).
    pub(super) fn version(&self) -> Option<String> {
        let path = self.pmap.as_ref()?;
        let done = capture(Command::new(path).arg("--version"), b"", Duration::from_secs(20));
        done.ok()?.text().lines().next().map(str::to_owned)
    }
}
