//! `net/unix` and `net/sockstat`: the sockets that guests have open (`net/unix/af_unix.c`, `net/ipv4/proc.c`).
//!
//! IP sockets are the host's, which shows them in its own `/proc/net`; here they are only counted.

use std::collections::BTreeMap;

use crate::file::Kind;
use crate::file::special::Special;
use crate::kernel::Kernel;

/// A Unix socket as its holders know it.
struct Seen {
    descriptors: u32,
    style: u32,
    name: Vec<u8>,
}

/// Unix sockets by number, and how many IP sockets there are.
fn sockets(kernel: &Kernel) -> (BTreeMap<u64, Seen>, usize) {
    let mut unix: BTreeMap<u64, Seen> = BTreeMap::new();
    let mut inet = 0;
    for task in kernel.tasks().filter(|task| task.is_first()) {
        let files = task.files.borrow();
        for fd in files.numbers() {
            match files.get(fd).map(|file| &file.kind) {
                Ok(Kind::Special(Special::Unix(socket, _))) => {
                    let fresh = || Seen {
                        descriptors: 0,
                        style: socket.style.number(),
                        name: socket.name(),
                    };
                    unix.entry(socket.number).or_insert_with(fresh).descriptors += 1;
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
    for (
        number,
        Seen {
            descriptors: count,
            style,
            name,
        },
    ) in sockets(kernel).0
    {
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
