//! Facts about the machine, random bytes.

use abi::Errno;
use abi::nr;
use abi::process::{Sysinfo, encode_utsname};

use super::{Answer, Call, Handler};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::UNAME, uname),
    (nr::SETHOSTNAME, sethostname),
    (nr::SYSINFO, sysinfo),
    (nr::GETRANDOM, getrandom),
    (nr::SYSLOG, syslog),
];

/// Calls that programs try first and have another way for, so that their absence is not worth a word: `rseq` (glibc),
/// `io_uring_setup` (libuv), `userfaultfd` (stress-ng).
pub(super) const QUIETLY_ABSENT: &[usize] = &[
    nr::RSEQ,
    nr::IO_URING_SETUP,
    nr::IO_URING_ENTER,
    nr::IO_URING_REGISTER,
    nr::USERFAULTFD,
];

/// `uname(2)`'s release.
pub(crate) const RELEASE: &str = "6.12.0-pagewalk";
/// `uname(2)`'s version.
pub(crate) const VERSION: &str = "#1 SMP pagewalk";

fn uname(call: &mut Call<'_>) -> Answer {
    let name = call.kernel.config.hostname.clone();
    let bytes = encode_utsname(["Linux", &name, RELEASE, VERSION, "aarch64", "(none)"]);
    call.write(call.args[0], &bytes)?;
    Ok(0)
}

/// The machine's own name, not the host's.
fn sethostname(call: &mut Call<'_>) -> Answer {
    const LONGEST: usize = 64;
    if !call.task().creds.is_root() {
        return Err(Errno::EPERM.into());
    }
    let length = usize::try_from(call.int(1))
        .ok()
        .filter(|length| *length <= LONGEST);
    let mut name = vec![0; length.ok_or(Errno::EINVAL)?];
    call.kernel.read_user(call.pid, call.args[0], &mut name)?;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    call.kernel.config.hostname = String::from_utf8_lossy(&name[..end]).into_owned();
    Ok(0)
}

fn sysinfo(call: &mut Call<'_>) -> Answer {
    let granule = call.kernel.memory.granule();
    let frames = call.kernel.memory.frames();
    let swap = call.kernel.memory.swap();
    let info = Sysinfo {
        uptime: call.kernel.clock.monotonic_ns / 1_000_000_000,
        total_ram: frames.total().bytes(granule).get(),
        free_ram: frames.free.bytes(granule).get(),
        total_swap: swap.total << granule.shift(),
        free_swap: swap.free() << granule.shift(),
        processes: call.kernel.tasks.len() as u16,
    };
    call.write(call.args[0], &info.encode())?;
    Ok(0)
}

fn getrandom(call: &mut Call<'_>) -> Answer {
    const KNOWN: u64 = 7;
    const INSECURE: u64 = 4;
    const RANDOM: u64 = 2;
    let [at, length, flags, ..] = call.args;
    if flags & !KNOWN != 0 || flags & (INSECURE | RANDOM) == INSECURE | RANDOM {
        return Err(Errno::EINVAL.into());
    }
    let length = length.min(i32::MAX as u64);
    let mut chunk = [0; 4096];
    let mut done = 0;
    while done < length {
        let step = (length - done).min(chunk.len() as u64) as usize;
        call.kernel.rng.fill(&mut chunk[..step]);
        match call
            .kernel
            .write_user_partly(call.pid, at.wrapping_add(done), &chunk[..step])
        {
            Ok(count) => {
                done += count as u64;
                if count < step {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno.into()),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// The kernel's log is empty.
fn syslog(_: &mut Call<'_>) -> Answer {
    Err(Errno::EPERM.into())
}
