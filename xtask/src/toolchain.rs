//! The tools that are not part of Rust: the arm64 cross compiler and qemu-aarch64 (installed ones, or else Debian's,
//! unpacked under `target/debian-tools`), the host's C compiler, and busybox for arm64. Key type: [`Cross`].

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{find, root, target, text};
use crate::debian::Archive;
use crate::trouble::Trouble;

/// Debian 12's cross compiler and the libraries that a machine without a C compiler of the same release lacks.
const CROSS_PACKAGES: &[&str] = &[
    "gcc-12-aarch64-linux-gnu",
    "cpp-12-aarch64-linux-gnu",
    "binutils-aarch64-linux-gnu",
    "libisl23",
    "libmpc3",
    "libmpfr6",
    "libgmp10",
    "libzstd1",
    "libjansson4",
    "zlib1g",
];

/// A cross compiler for arm64.
pub(crate) struct Cross {
    compiler: PathBuf,
    linker: PathBuf,
    /// Where it was unpacked; none if it is installed.
    unpacked: Option<PathBuf>,
}

impl Cross {
    /// The installed one, or Debian's.
    pub(crate) fn find() -> Result<Cross, Trouble> {
        let installed = (
            find(&["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-gcc-12"]),
            find(&["aarch64-linux-gnu-ld"]),
        );
        if let (Some(compiler), Some(linker)) = installed {
            return Ok(Cross {
                compiler,
                linker,
                unpacked: None,
            });
        }
        Cross::fetch()
    }

    /// Debian's, unpacked under `target/debian-tools`.
    pub(crate) fn fetch() -> Result<Cross, Trouble> {
        let folder = tools_folder();
        let compiler = folder.join("usr/bin/aarch64-linux-gnu-gcc-12");
        if !compiler.is_file() {
            let archive = Archive::open(None)?;
            for package in CROSS_PACKAGES {
                archive.unpack(package, &folder)?;
            }
        }
        let linker = folder.join("usr/bin/aarch64-linux-gnu-ld");
        Ok(Cross {
            compiler,
            linker,
            unpacked: Some(folder),
        })
    }

    /// The compiler with this cross system's own assembler and linker.
    pub(crate) fn compiler(&self) -> Command {
        let mut command = self.with_libraries(&self.compiler);
        if let Some(folder) = &self.unpacked {
            command.arg(format!("-B{}/usr/bin/aarch64-linux-gnu-", folder.display()));
        }
        command
    }

    /// The linker alone, for what has a linker script.
    pub(crate) fn linker(&self) -> Command {
        self.with_libraries(&self.linker)
    }

    fn with_libraries(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(folder) = &self.unpacked {
            let host = format!("{}-linux-gnu", std::env::consts::ARCH);
            let libraries = [folder.join("usr/lib").join(&host), folder.join("lib").join(&host)];
            let joined = std::env::join_paths(libraries.iter()).unwrap_or_default();
            command.env("LD_LIBRARY_PATH", joined);
        }
        command
    }

    /// The compiler's and the linker's versions, in two lines: what makes a rebuilt file identical or not.
    pub(crate) fn versions(&self) -> Result<String, Trouble> {
        let number = text(self.compiler().arg("-dumpfullversion"))?;
        let linker = text(self.linker().arg("--version"))?;
        Ok(format!(
            "gcc {number}\n{}\n",
            linker.lines().next().unwrap_or_default()
        ))
    }
}

fn tools_folder() -> PathBuf {
    target().join("debian-tools")
}

/// The host's C compiler: `CC`, or `cc`.
pub(crate) fn host_compiler() -> Command {
    Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
}

/// qemu's user-mode emulator for arm64: the installed one, or Debian's.
pub(crate) fn qemu() -> Result<PathBuf, Trouble> {
    found_qemu(
        &["qemu-aarch64", "qemu-aarch64-static"],
        &["qemu-aarch64", "qemu-aarch64-static"],
    )
}

/// A qemu that needs no libraries, for use inside of a root folder: the installed one, or Debian's.
pub(crate) fn static_qemu() -> Result<PathBuf, Trouble> {
    found_qemu(&["qemu-aarch64-static"], &["qemu-aarch64-static", "qemu-aarch64"])
}

/// An installed program of one of these names, or one of those out of Debian's packages.
fn found_qemu(installed: &[&str], names: &[&str]) -> Result<PathBuf, Trouble> {
    let unpacked = || {
        names
            .iter()
            .map(|name| tools_folder().join("usr/bin").join(name))
            .find(|path| path.is_file())
    };
    if let Some(path) = find(installed).or_else(unpacked) {
        return Ok(path);
    }
    let archive = Archive::open(None)?;
    // Up to Debian 12 the static build is a package of its own; later it is the only one.
    for package in ["qemu-user-static", "qemu-user"] {
        archive.unpack(package, &tools_folder())?;
        if let Some(path) = unpacked() {
            return Ok(path);
        }
    }
    Err(Trouble::Missing {
        tool: installed[0].into(),
        why: "Debian's packages do not contain it".into(),
    })
}

/// Debian's static busybox for arm64, in `guests/debian`; fetched if it is not there.
pub(crate) fn busybox() -> Result<PathBuf, Trouble> {
    let folder = root().join("guests/debian");
    let places = ["bin/busybox", "usr/bin/busybox"].map(|place| folder.join(place));
    let present = || places.iter().find(|path| path.is_file()).cloned();
    if present().is_none() {
        Archive::open(Some("arm64"))?.unpack("busybox-static", &folder)?;
    }
    present().ok_or_else(|| Trouble::Missing {
        tool: "busybox for arm64".into(),
        why: format!("its package left no busybox in {}", folder.display()),
    })
}
