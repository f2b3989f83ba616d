//! Waiting for several files at once: `ppoll(2)`, `pselect6(2)`.

use abi::Errno;
use abi::bytes::{get_u16, get_u32};
use abi::flags::PollEvents;
use abi::nr;
use abi::process::RLIMIT_NOFILE;
use abi::signal::{SIGSET_SIZE, SigSet};
use abi::time::Timespec;

use super::{Answer, Call, Handler, Stop};
use crate::wait::Wait;

pub(super) const CALLS: &[(usize, Handler)] = &[(nr::PPOLL, ppoll), (nr::PSELECT6, pselect6)];

/// One descriptor and what is asked of it.
struct Asked {
    fd: i32,
    events: PollEvents,
}

impl Call<'_> {
    /// What is true of each descriptor, and the wait for the rest.
    fn survey(&self, asked: &[Asked]) -> (Vec<PollEvents>, Wait) {
        let always = PollEvents::ERR | PollEvents::HUP;
        let mut wait = Wait::for_bell().not_restarted();
        let mut found = Vec::with_capacity(asked.len());
        for Asked { fd, events } in asked {
            let Ok(file) = self.file(*fd) else {
                found.push(if *fd < 0 {
                    PollEvents::empty()
                } else {
                    PollEvents::NVAL
                });
                continue;
            };
            let ready = self.kernel.readiness(self.pid, &file, *events) & (*events | always);
            // An end that has hung up says so for ever. Where that is no answer (a set of `pselect6`), waiting for it
            // would not wait.
            if ready.is_empty() {
                self.kernel.await_file(&file, *events, &mut wait);
            }
            found.push(ready);
        }
        (found, wait)
    }

    /// The moment at which a timeout that is given as a `timespec` ends; fixed when the call was first made.
    pub(super) fn timeout(&mut self, at: u64) -> Result<Option<u64>, Errno> {
        if at == 0 {
            return Ok(None);
        }
        let asked = Timespec::decode(&self.read(at)?).to_ns()?;
        let now = self.kernel.clock.monotonic_ns;
        let progress = &mut self.task_mut().progress;
        Ok(Some(*progress.deadline.get_or_insert(now.saturating_add(asked))))
    }

    pub(super) fn mask_at(&mut self, at: u64, size: u64) -> Result<(), Errno> {
        if at == 0 {
            return Ok(());
        }
        if size != SIGSET_SIZE {
            return Err(Errno::EINVAL);
        }
        let mask = SigSet(u64::from_le_bytes(self.read(at)?));
        self.swap_mask(mask);
        Ok(())
    }

    /// Whether to answer although nothing is ready.
    pub(super) fn is_over(&self, deadline: Option<u64>) -> bool {
        deadline.is_some_and(|deadline| deadline <= self.kernel.clock.monotonic_ns)
    }
}

fn ppoll(call: &mut Call<'_>) -> Answer {
    const POLLFD: usize = 8;
    let [at, count, timeout_at, mask_at, mask_size, _] = call.args;
    let deadline = call.timeout(timeout_at)?;
    if count > call.task().limits[RLIMIT_NOFILE].current {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = vec![0; count as usize * POLLFD];
    call.kernel.read_user(call.pid, at, &mut bytes)?;
    call.mask_at(mask_at, mask_size)?;
    let asked: Vec<Asked> = bytes
        .chunks_exact(POLLFD)
        .map(|entry| Asked {
            fd: get_u32(entry, 0) as i32,
            events: PollEvents::from_bits_retain(get_u16(entry, 4)),
        })
        .collect();
    let (found, wait) = call.survey(&asked);
    let ready = found.iter().filter(|events| !events.is_empty()).count();
    if ready == 0 && !call.is_over(deadline) {
        return Err(Stop::Wait(wait.or_until(deadline)));
    }
    for (entry, events) in bytes.chunks_exact_mut(POLLFD).zip(found) {
        entry[6..8].copy_from_slice(&events.bits().to_le_bytes());
    }
    call.write(at, &bytes)?;
    Ok(ready as u64)
}

/// The events that make a descriptor ready in each of the three sets (`fs/select.c`).
const SETS: [PollEvents; 3] = [
    PollEvents::IN
        .union(PollEvents::RDNORM)
        .union(PollEvents::HUP)
        .union(PollEvents::ERR),
    PollEvents::OUT.union(PollEvents::WRNORM).union(PollEvents::ERR),
    PollEvents::PRI,
];

fn pselect6(call: &mut Call<'_>) -> Answer {
    let [count, .., timeout_at, mask_at] = call.args;
    let count = usize::try_from(count as i32)
        .map_err(|_| Errno::EINVAL)?
        .min(1024);
    let deadline = call.timeout(timeout_at)?;
    let length = count.div_ceil(64) * 8;
    let mut sets = [vec![0u8; length], vec![0; length], vec![0; length]];
    for (index, set) in sets.iter_mut().enumerate() {
        let at = call.args[1 + index];
        if at != 0 {
            call.kernel.read_user(call.pid, at, set)?;
        }
    }
    if mask_at != 0 {
        // A pointer to a pair: the mask's address and its size.
        let pair: [u8; 16] = call.read(mask_at)?;
        call.mask_at(abi::bytes::get_u64(&pair, 0), abi::bytes::get_u64(&pair, 8))?;
    }
    let has = |set: &[u8], fd: usize| set.get(fd / 8).is_some_and(|byte| byte >> (fd % 8) & 1 != 0);
    let mut asked = Vec::new();
    for fd in 0..count {
        let mut events = PollEvents::empty();
        for (set, wanted) in sets.iter().zip(SETS) {
            if has(set, fd) {
                events |= wanted;
            }
        }
        if !events.is_empty() {
            call.file(fd as i32)?;
            asked.push(Asked {
                fd: fd as i32,
                events,
            });
        }
    }
    let (found, wait) = call.survey(&asked);
    let mut ready = 0;
    let mut answers = [vec![0u8; length], vec![0; length], vec![0; length]];
    for (asked, events) in asked.iter().zip(found) {
        let fd = asked.fd as usize;
        for ((set, answer), wanted) in sets.iter().zip(&mut answers).zip(SETS) {
            if has(set, fd) && events.intersects(wanted) {
                answer[fd / 8] |= 1 << (fd % 8);
                ready += 1;
            }
        }
    }
    if ready == 0 && !call.is_over(deadline) {
        return Err(Stop::Wait(wait.or_until(deadline)));
    }
    for (index, answer) in answers.iter().enumerate() {
        call.write_if_wanted(call.args[1 + index], answer)?;
    }
    if let Some(deadline) = deadline {
        let left = deadline.saturating_sub(call.kernel.clock.monotonic_ns);
        call.write(timeout_at, &Timespec::from_ns(left).encode())?;
    }
    Ok(ready)
}
