//! Names and numbers of the host's network interfaces (`netdevice(7)`): what `if_nametoindex(3)` and `if_indextoname(3)` ask of
//! any socket. Other questions about interfaces are netlink's.

use abi::Errno;
use abi::bytes::{get, get_u32};

use super::{Answer, Call};
use crate::file::host::errno;
use crate::file::inet;

/// `SIOCGIFNAME`: the name to a number.
const GET_NAME: u64 = 0x8910;
/// `SIOCGIFINDEX`: the number to a name.
const GET_INDEX: u64 = 0x8933;
/// `IFNAMSIZ`.
const NAME: usize = 16;
/// `sizeof(struct ifreq)`: the name, then what is asked.
const SIZE: usize = 40;

/// Whether an `ioctl(2)` on a socket is one of these.
pub(super) fn is_known(request: u64) -> bool {
    matches!(request, GET_NAME | GET_INDEX)
}

/// Answers one of these.
pub(super) fn ask(call: &mut Call<'_>, request: u64, at: u64) -> Answer {
    use abi::net::{AF_INET, SOCK_DGRAM};
    let bytes: [u8; SIZE] = call.read(at)?;
    if !call.kernel.config.network {
        return Err(Errno::ENODEV.into());
    }
    // Any socket of the host may be asked; the guest's own may be none of the host's.
    let host = inet::open(AF_INET, SOCK_DGRAM, 0)?;
    if request == GET_INDEX {
        let name: [u8; NAME] = get(&bytes, 0);
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(NAME - 1);
        let name = std::str::from_utf8(&name[..end]).map_err(|_| Errno::ENODEV)?;
        let index = rustix::net::netdevice::name_to_index(&host, name).map_err(errno)?;
        call.write(at.wrapping_add(NAME as u64), &index.to_le_bytes())?;
    } else {
        let index = get_u32(&bytes, NAME);
        let name = rustix::net::netdevice::index_to_name(&host, index).map_err(errno)?;
        let mut field = [0; NAME];
        for (slot, byte) in field.iter_mut().zip(name.bytes().take(NAME - 1)) {
            *slot = byte;
        }
        call.write(at, &field)?;
    }
    Ok(0)
}
