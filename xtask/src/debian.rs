//! Debian packages without root and without touching the host's apt: [`Archive`] downloads with private state folders
//! (apt.conf(5): Dir::State, Dir::Cache) from the host's own sources, and `dpkg-deb -x` unpacks. Key types: [`Archive`].
//! [`Archive::closure`] fetches packages with all that they depend on. Neighbours: [`crate::toolchain`] (cross compiler,
//! qemu), [`crate::guests`] (the real arm64 programs) and [`crate::programs`] (whole root folders).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::command::{capture, find, target, text};
use crate::trouble::Trouble;

/// One architecture's packages, with an apt state of its own under `target/apt/ARCHITECTURE`.
pub(crate) struct Archive {
    architecture: String,
    folder: PathBuf,
}

impl Archive {
    /// The packages of this architecture (`arm64`), or of the host. Reads the package lists if this was not done yet.
    pub(crate) fn open(architecture: Option<&str>) -> Result<Archive, Trouble> {
        if find(&["apt-get"]).is_none() || find(&["dpkg-deb"]).is_none() {
            return Err(Trouble::Missing {
                tool: "apt-get with dpkg-deb".into(),
                why: "this is no Debian".into(),
            });
        }
        let architecture = match architecture {
            Some(name) => name.to_owned(),
            None => text(Command::new("dpkg").arg("--print-architecture"))?,
        };
        let folder = target().join("apt").join(&architecture);
        let archive = Archive { architecture, folder };
        archive.prepare()?;
        Ok(archive)
    }

    fn prepare(&self) -> Result<(), Trouble> {
        for name in [
            "state/lists/partial",
            "cache/archives/partial",
            "log",
            "packages",
            "nothing/partial",
        ] {
            let path = self.folder.join(name);
            fs::create_dir_all(&path).map_err(Trouble::file(&path))?;
        }
        let status = self.folder.join("status");
        fs::write(&status, "").map_err(Trouble::file(&status))?;
        let stamp = self.folder.join("lists-read");
        if stamp.exists() {
            return Ok(());
        }
        // Some of the host's other sources may lack this architecture: then apt complains about those, but has read the
        // rest. What counts is whether it has any list of packages now.
        let done = capture(self.apt().arg("update"), b"", Duration::from_secs(300))?;
        if !self.has_lists() {
            return Err(Trouble::Missing {
                tool: format!("list of Debian's packages for {}", self.architecture),
                why: done
                    .stderr
                    .lines()
                    .last()
                    .unwrap_or("apt-get update says nothing")
                    .to_owned(),
            });
        }
        fs::write(&stamp, "").map_err(Trouble::file(&stamp))
    }

    fn has_lists(&self) -> bool {
        let entries = fs::read_dir(self.folder.join("state/lists"))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .into_iter()
            .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
    }

    fn apt(&self) -> Command {
        let mut apt = Command::new("apt-get");
        let folder = self.folder.display();
        let options = [
            format!("Dir::State={folder}/state"),
            format!("Dir::State::status={folder}/status"),
            format!("Dir::Cache={folder}/cache"),
            format!("Dir::Log={folder}/log"),
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures={}", self.architecture),
            "APT::Sandbox::User=".into(),
            "Acquire::Languages=none".into(),
            "Acquire::Retries=2".into(),
            "Acquire::http::Timeout=20".into(),
        ];
        for option in options {
            apt.arg("-o").arg(option);
        }
        apt.args(["-q", "-y"]).current_dir(self.folder.join("packages"));
        apt
    }

    /// Downloads one package and unpacks it into this folder.
    pub(crate) fn unpack(&self, package: &str, into: &Path) -> Result<(), Trouble> {
        let done = capture(
            self.apt().args(["download", package]),
            b"",
            Duration::from_secs(600),
        )?;
        if done.status != 0 {
            return Err(Trouble::Missing {
                tool: format!("package {package}:{}", self.architecture),
                why: done
                    .stderr
                    .lines()
                    .last()
                    .unwrap_or("apt-get says nothing")
                    .to_owned(),
            });
        }
        fs::create_dir_all(into).map_err(Trouble::file(into))?;
        text(
            Command::new("dpkg-deb")
                .arg("-x")
                .arg(self.file_of(package)?)
                .arg(into),
        )?;
        Ok(())
    }

    /// Downloads these packages and everything that they depend on, as apt's own solver chooses it for an empty system;
    /// the files, in the order of installation.
    pub(crate) fn closure(&self, packages: &[&str]) -> Result<Vec<PathBuf>, Trouble> {
        let install = |options: &[&str]| {
            let mut apt = self.apt();
            apt.args(["install", "--no-install-recommends"])
                .args(options)
                .args(packages);
            capture(&mut apt, b"", Duration::from_secs(900))
        };
        // apt lists what is yet to fetch: for the list, nothing is there.
        let nothing = format!("Dir::Cache::archives={}/nothing", self.folder.display());
        let listed = install(&["--print-uris", "-o", &nothing])?;
        let names: Vec<String> = listed.text().lines().filter_map(file_of_uri).collect();
        if listed.status != 0 || names.is_empty() {
            return Err(unobtainable(packages, &listed.stderr));
        }
        let fetched = install(&["--download-only"])?;
        if fetched.status != 0 {
            return Err(unobtainable(packages, &fetched.stderr));
        }
        let folder = self.folder.join("cache/archives");
        Ok(names.iter().map(|name| folder.join(name)).collect())
    }

    /// `NAME_VERSION_ARCHITECTURE.deb` among the downloads, the newest if there are several.
    fn file_of(&self, package: &str) -> Result<PathBuf, Trouble> {
        let folder = self.folder.join("packages");
        let start = format!("{package}_");
        let mut found: Vec<PathBuf> = fs::read_dir(&folder)
            .map_err(Trouble::file(&folder))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(&start))
            })
            .collect();
        found.sort();
        found.pop().ok_or_else(|| Trouble::Missing {
            tool: format!("package {package}"),
            why: format!("apt-get left no file in {}", folder.display()),
        })
    }
}

/// The file's name in a line `'URI' NAME SIZE [HASH]` of `apt-get --print-uris`.
fn file_of_uri(line: &str) -> Option<String> {
    let mut fields = line.strip_prefix('\'')?.split(' ');
    let name = fields.nth(1)?;
    (name.ends_with(".deb") && !name.contains('/')).then(|| name.to_owned())
}

/// Packages that apt cannot get, with its last word.
fn unobtainable(packages: &[&str], stderr: &str) -> Trouble {
    Trouble::Missing {
        tool: format!("packages {}", packages.join(" ")),
        why: stderr.lines().last().unwrap_or("apt-get says nothing").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_second_field_of_a_uri_line() {
        let line = "'http://deb.debian.org/pool/libattr1_2.5.1-4_arm64.deb' libattr1_1%3a2.5.1-4_arm64.deb 21888 MD5Sum:5f";
        assert_eq!(
            file_of_uri(line).as_deref(),
            Some("libattr1_1%3a2.5.1-4_arm64.deb")
        );
        assert_eq!(file_of_uri("Need to get 29.3 MB of archives."), None);
        assert_eq!(file_of_uri("'http://x/y' ../y.deb 1"), None);
    }
}
