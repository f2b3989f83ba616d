//! `pagewalk ps` and `pagewalk vmmap` through control sockets, served here from a saved folder by the same protocol.

use procfs::wire::{self, Request, Response};
use procfs::{DirRoot, Root, RootError, sockets};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output};

/// A machine that shows the saved folder; its threads end with the test's process.
fn machine(directory: &Path, host_pid: u32) {
    let listener =
        UnixListener::bind(sockets::socket_path(directory, host_pid)).expect("the test machine works");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.expect("the test machine works"), host_pid);
        }
    });
}

fn serve(mut stream: UnixStream, host_pid: u32) {
    let root = DirRoot::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../procfs/tests/fixtures/arm64-16k"
    ));
    while let Ok(Some(frame)) = wire::receive(&mut stream, wire::MAX_REQUEST) {
        let response = answer(
            &root,
            host_pid,
            &Request::decode(&frame).expect("the test machine works"),
        )
        .unwrap_or_else(|e| Response::Error {
            errno: e.source.raw_os_error().unwrap_or(5).cast_unsigned(),
            message: String::new(),
        });
        if wire::send(&mut stream, &response.encode(), wire::MAX_RESPONSE).is_err() {
            return;
        }
    }
}

fn answer(root: &dyn Root, host_pid: u32, request: &Request) -> Result<Response, RootError> {
    Ok(match request {
        Request::Hello { .. } => Response::Hello {
            version: wire::VERSION,
            host_pid,
        },
        Request::List { path } => Response::Names(root.list(path)?),
        Request::Link { path } => Response::Data(root.read_link(path)?),
        Request::Read { path, offset, len } => {
            let mut data = vec![0; *len as usize];
            let read = root.read_at(path, *offset, &mut data)?;
            data.truncate(read);
            Response::Data(data)
        }
    })
}

fn pagewalk(runtime: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pagewalk"))
        .args(args)
        .env("XDG_RUNTIME_DIR", runtime)
        .output()
        .expect("the test machine works")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("the test machine works")
}

#[test]
fn processes_of_machines_are_listed_and_shown() {
    let runtime = tempfile::tempdir().unwrap();
    let directory = runtime.path().join("pagewalk");
    sockets::create_directory(&directory).unwrap();
    let run = |args: &[&str]| pagewalk(runtime.path(), args);

    machine(&directory, 4711);
    let list = text(run(&["ps", "ul"]).stdout);
    assert!(
        list.starts_with("USER PID %CPU") && list.contains("/opt/worker/bin/worker"),
        "{list}"
    );
    let report = text(run(&["vmmap", "worker"]).stdout);
    assert!(
        report.contains("Seen Through:     machine 4711") && report.contains("VM page size: 16384 bytes"),
        "{report}"
    );

    // A second machine: names and pids are no longer unique, and ps says which is whose.
    machine(&directory, 4712);
    let list = text(run(&["ps"]).stdout);
    assert!(
        list.contains("MACHINE") && list.contains("4711") && list.contains("4712"),
        "{list}"
    );
    let ambiguous = run(&["vmmap", "7"]);
    assert_eq!(ambiguous.status.code(), Some(1));
    let expected = "pagewalk: 2 processes match 7: 4711:7 (worker), 4712:7 (worker); give one of these\n";
    assert_eq!(text(ambiguous.stderr), expected);
    assert!(text(run(&["vmmap", "4712:7"]).stdout).contains("Seen Through:     machine 4712"));
    assert!(text(run(&["vmmap", "4713:7"]).stderr).contains("no process 7 on machine 4713"));
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    let runtime = tempfile::tempdir().unwrap();
    let directory = runtime.path().join("pagewalk");
    sockets::create_directory(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = pagewalk(runtime.path(), &["ps"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(output.stderr).contains("mode 0755: others may enter it"));
}
