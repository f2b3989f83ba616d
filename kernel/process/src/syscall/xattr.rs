//! Extended attributes: files have none here, as on a file system that does not keep them (`EOPNOTSUPP`, which programs such as
//! `ls -l` and `cp -a` take as an answer).

use abi::Errno;
use abi::fs::AT_FDCWD;
use abi::nr;

use super::{Answer, Call, Handler};

pub(super) const CALLS: &[(usize, Handler)] = &[
    (nr::SETXATTR, of_target),
    (nr::GETXATTR, of_target),
    (nr::LISTXATTR, of_target),
    (nr::REMOVEXATTR, of_target),
    (nr::LSETXATTR, of_link),
    (nr::LGETXATTR, of_link),
    (nr::LLISTXATTR, of_link),
    (nr::LREMOVEXATTR, of_link),
    (nr::FSETXATTR, of_descriptor),
    (nr::FGETXATTR, of_descriptor),
    (nr::FLISTXATTR, of_descriptor),
    (nr::FREMOVEXATTR, of_descriptor),
];

/// The file must be there before it can lack anything.
fn of_path(call: &mut Call<'_>, follow: bool) -> Answer {
    let path = call.path(call.args[0])?;
    let place = call.kernel.resolve(call.pid, AT_FDCWD, &path)?;
    call.kernel.stat_place(call.pid, &place, follow)?;
    Err(Errno::EOPNOTSUPP.into())
}

fn of_target(call: &mut Call<'_>) -> Answer {
    of_path(call, true)
}

fn of_link(call: &mut Call<'_>) -> Answer {
    of_path(call, false)
}

fn of_descriptor(call: &mut Call<'_>) -> Answer {
    call.file(call.int(0))?;
    Err(Errno::EOPNOTSUPP.into())
}
