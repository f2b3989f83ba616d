//! `cargo xtask guests`: builds the bundled programs from `guests/c`, `guests/asm` and `guests/vdso` with a cross
//! compiler, proves the committed files identical (`--check`), and records the expected outputs by compiling the same
//! C for the host's own Linux (`--record`). Neighbours: [`crate::toolchain`], the crate `guests`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use guests::Case;

use crate::command::{capture, heading, root, run as run_command, target, text};
use crate::toolchain::{Cross, busybox, host_compiler, qemu};
use crate::trouble::Trouble;

/// The same for both architectures. No unwind tables, no identification: the files hold code and data and no paths.
pub(crate) const C_FLAGS: &[&str] = &[
    "-std=gnu11",
    "-Os",
    "-Wall",
    "-Wextra",
    "-Wno-unused-function",
    "-Wno-array-bounds",
    "-Wno-dangling-pointer",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-fno-tree-loop-distribute-patterns",
    "-fno-ident",
    "-nostdlib",
];

/// Segments that load with 64 KiB pages, and no padding in the file.
pub(crate) const ARM64_FLAGS: &[&str] = &[
    "-mgeneral-regs-only",
    "-mno-outline-atomics",
    "-Wl,-z,max-page-size=65536,-z,noseparate-code,-z,noexecstack,--build-id=none,-s",
];

/// These are built position independent.
const POSITION_INDEPENDENT: &[&str] = &["pie"];

fn linking(name: &str) -> &'static [&'static str] {
    if POSITION_INDEPENDENT.contains(&name) {
        &["-static-pie", "-fpie", "-Wl,-z,norelro"]
    } else {
        &["-static", "-fno-pie", "-no-pie"]
    }
}

/// Runs the subcommand.
pub(crate) fn run(options: &[&str]) -> Result<(), Trouble> {
    match options {
        [] => {
            build_all(&Cross::find()?, &elf_folder())?;
            println!("busybox: {}", busybox()?.display());
            println!("qemu:    {}", qemu()?.display());
            Ok(())
        }
        ["--check"] => check(),
        ["--record"] => record(),
        _ => Err(Trouble::Usage(format!(
            "guests does not know {}",
            options.join(" ")
        ))),
    }
}

fn folder() -> PathBuf {
    root().join("guests")
}

/// Where the built guests are.
pub(crate) fn elf_folder() -> PathBuf {
    folder().join("elf")
}

fn tools_file() -> PathBuf {
    elf_folder().join("TOOLS")
}

/// The source file of each program, in order of name.
fn sources() -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    for (place, kind) in [("c", "c"), ("asm", "S")] {
        let place = folder().join(place);
        for entry in fs::read_dir(&place).map_err(Trouble::file(&place))? {
            let path = entry.map_err(Trouble::file(&place))?.path();
            if path.extension().is_some_and(|extension| extension == kind) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn build_all(cross: &Cross, into: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(into).map_err(Trouble::file(into))?;
    for source in sources()? {
        let name = stem(&source);
        let mut compiler = cross.compiler();
        compiler.args(C_FLAGS).args(linking(&name)).args(ARM64_FLAGS);
        run_command(compiler.arg("-o").arg(into.join(&name)).arg(&source))?;
    }
    build_vdso(cross, into)?;
    let tools = into.join("TOOLS");
    fs::write(&tools, cross.versions()?).map_err(Trouble::file(&tools))?;
    println!(
        "built {} guests and the vDSO in {}",
        sources()?.len(),
        into.display()
    );
    Ok(())
}

fn build_vdso(cross: &Cross, into: &Path) -> Result<(), Trouble> {
    let scratch = target().join("guests");
    fs::create_dir_all(&scratch).map_err(Trouble::file(&scratch))?;
    let object = scratch.join("vdso.o");
    let source = folder().join("vdso");
    run_command(
        cross
            .compiler()
            .arg("-c")
            .arg("-o")
            .arg(&object)
            .arg(source.join("vdso.S")),
    )?;
    let mut linker = cross.linker();
    linker.args([
        "-shared",
        "-Bsymbolic",
        "-soname",
        "linux-vdso.so.1",
        "--hash-style=both",
        "--build-id=none",
    ]);
    linker.args([
        "--eh-frame-hdr",
        "-z",
        "max-page-size=4096",
        "-z",
        "noexecstack",
        "-s",
        "-T",
    ]);
    run_command(
        linker
            .arg(source.join("vdso.lds"))
            .arg("-o")
            .arg(into.join("vdso.so"))
            .arg(object),
    )
}

/// Builds everything anew beside and compares the bytes.
fn check() -> Result<(), Trouble> {
    let cross = match Cross::find() {
        Ok(cross) => cross,
        Err(trouble) => {
            println!("SKIPPED: the guests were not rebuilt: {trouble}");
            return Ok(());
        }
    };
    let committed = fs::read_to_string(tools_file()).map_err(Trouble::file(tools_file()))?;
    let mut cross = cross;
    if cross.versions()? != committed {
        // Another release's compiler writes other code: take the one that the committed files name, if apt has it.
        cross = match Cross::fetch() {
            Ok(fetched) => fetched,
            Err(trouble) => {
                println!("SKIPPED: the guests were not rebuilt: {trouble}");
                return Ok(());
            }
        };
    }
    let found = cross.versions()?;
    if found != committed {
        println!("SKIPPED: the guests were not rebuilt: built with\n{committed}but this host has\n{found}");
        return Ok(());
    }
    let fresh = target().join("guests/elf");
    build_all(&cross, &fresh)?;
    compare(&fresh)
}

fn compare(fresh: &Path) -> Result<(), Trouble> {
    let mut names: Vec<String> = sources()?.iter().map(|path| stem(path)).collect();
    names.push("vdso.so".into());
    let mut different = Vec::new();
    for name in &names {
        let (ours, theirs) = (fs::read(fresh.join(name)), fs::read(elf_folder().join(name)));
        if !matches!((ours, theirs), (Ok(a), Ok(b)) if a == b) {
            different.push(name.as_str());
        }
    }
    for entry in fs::read_dir(elf_folder()).map_err(Trouble::file(elf_folder()))? {
        let name = entry
            .map_err(Trouble::file(elf_folder()))?
            .file_name()
            .to_string_lossy()
            .into_owned();
        if name != "TOOLS" && !names.contains(&name) {
            return Err(Trouble::Failed(format!("guests/elf/{name} has no source")));
        }
    }
    if different.is_empty() {
        println!(
            "{} files in guests/elf are identical to their rebuilt sources",
            names.len()
        );
        return Ok(());
    }
    Err(Trouble::Failed(format!(
        "guests/elf differs from its sources: {}",
        different.join(", ")
    )))
}

/// Builds a program for the host itself, in `target/guests/native`.
pub(crate) fn build_native(name: &str) -> Result<PathBuf, Trouble> {
    let into = target().join("guests/native");
    fs::create_dir_all(&into).map_err(Trouble::file(&into))?;
    let program = into.join(name);
    let mut compiler = host_compiler();
    compiler
        .args(C_FLAGS)
        .args(linking(name))
        .args(["-fcf-protection=none", "-Wl,-z,noexecstack,--build-id=none"]);
    run_command(
        compiler
            .arg("-o")
            .arg(&program)
            .arg(folder().join("c").join(format!("{name}.c"))),
    )?;
    Ok(program)
}

fn record() -> Result<(), Trouble> {
    let system = text(Command::new("uname").args(["-s", "-r", "-m"]))?;
    heading(&format!("recording on {system}"));
    let cases = guests::CASES.iter().filter(|case| !case.arm64_only);
    let recorded = cases
        .map(|case| record_case(case, &system))
        .collect::<Result<Vec<()>, Trouble>>()?;
    println!("recorded {} cases in guests/expected", recorded.len());
    Ok(())
}

fn record_case(case: &Case, system: &str) -> Result<(), Trouble> {
    let mut program = Command::new(build_native(case.guest)?);
    let done = capture(
        program.args(case.args),
        case.stdin.as_bytes(),
        Duration::from_secs(60),
    )?;
    if done.late {
        return Err(Trouble::Failed(format!("{} does not end on the host", case.name)));
    }
    let text = format!(
        "# exit {}, recorded natively on {system} from guests/c/{}.c\n{}",
        done.status,
        case.guest,
        done.text()
    );
    let path = case.record_path();
    fs::write(&path, text).map_err(Trouble::file(&path))
}
