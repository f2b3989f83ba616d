//! `net/unix` and `net/sockstat`: the sockets that guests have open (`net/unix/af_unix.c`, `net/ipv4/proc.c`).
//!
//! IP sockets are the host's, which shows them in its own `/proc/net`; here they are only counted.

use std::collections::BTreeMap;

use crate::file::Kind;
use crate::file::special::Special;
use crate::kernel::Kernel;

/// Unix sockets by number, each with how many descriptors it has, style, state and name; and how many IP sockets.
fn sockets(kernel: &Kernel) -> (BTreeMap<u64, (u32, u32, Vec<u8>)>, usize) {
    let mut unix: BTreeMap<u64, (u32, u32, Vec<u8>)> = BTreeMap::new();
    let mut inet = 0;
    for task in kernel.tasks().filter(|task| task.is_first()) {
        let files = task.files.borrow();
        for fd in files.numbers() {
            match files.get(fd).map(|file| &file.kind) {
                Ok(Kind::Special(Special::Unix(socket, _))) => {
                    let fresh = || (0, socket.style.number(), socket.name());
                    unix.entry(socket.number).or_insert_with(fresh).0 += 1;
                }
                Ok(Kind::Special(Special::Inet(..))) => inet += 1,
                _ => {}
            }
        }
    }
    (unix, inet)
}

/// `unix`: addresses of the kernel's own are zero, as for whoever may not see them.
pub(super) fn unix(kernel: &Kernel) -> Vec<u8> {
    let mut out = b"Num       RefCount Protocol Flags    Type St Inode Path\n".to_vec();
    for (number, (count, style, name)) in sockets(kernel).0 {
        out.extend(
            format!(
                "{:016x}: {count:08X} 00000000 00000000 {style:04X} 01 {number:5}",
                0
            )
            .into_bytes(),
        );
        if !name.is_empty() {
            out.push(b' ');
            // An abstract name begins with a zero byte, which is shown as @.
            out.extend(name.iter().map(|&byte| if byte == 0 { b'@' } else { byte }));
        }
        out.push(b'\n');
    }
    out
}

/// `sockstat`.
pub(super) fn sockstat(kernel: &Kernel) -> Vec<u8> {
    let (unix, inet) = sockets(kernel);
    format!("sockets: used {}\n", unix.len() + inet).into_bytes()
}
