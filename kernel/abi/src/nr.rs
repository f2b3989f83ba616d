//! arm64 system-call numbers and names, complete up to Linux 6.12 (`include/uapi/asm-generic/unistd.h`).
//!
//! A table: one line per call. 244 to 259 are reserved for architectures and empty on arm64, as are 403 to 423,
//! which only 32-bit systems have.

/// One past the highest number in the table.
pub const COUNT: usize = 463;

macro_rules! calls {
    ($($number:literal $constant:ident $name:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "(2)`.")]
            pub const $constant: usize = $number;
        )*

        const NAMES: [Option<&str>; COUNT] = {
            let mut names = [None; COUNT];
            $(names[$number] = Some($name);)*
            names
        };
    };
}

/// The call's name, or `None` if arm64 Linux 6.12 has no call of that number.
pub fn name(number: u64) -> Option<&'static str> {
    let index = usize::try_from(number).ok()?;
    NAMES.get(index).copied().flatten()
}

/// The number of the call with this name.
pub fn number(name: &str) -> Option<usize> {
    NAMES.iter().position(|entry| *entry == Some(name))
}

calls! {
    0 IO_SETUP "io_setup";
    1 IO_DESTROY "io_destroy";
    2 IO_SUBMIT "io_submit";
    3 IO_CANCEL "io_cancel";
    4 IO_GETEVENTS "io_getevents";
    5 SETXATTR "setxattr";
    6 LSETXATTR "lsetxattr";
    7 FSETXATTR "fsetxattr";
    8 GETXATTR "getxattr";
    9 LGETXATTR "lgetxattr";
    10 FGETXATTR "fgetxattr";
    11 LISTXATTR "listxattr";
    12 LLISTXATTR "llistxattr";
    13 FLISTXATTR "flistxattr";
    14 REMOVEXATTR "removexattr";
    15 LREMOVEXATTR "lremovexattr";
    16 FREMOVEXATTR "fremovexattr";
    17 GETCWD "getcwd";
    18 LOOKUP_DCOOKIE "lookup_dcookie";
    19 EVENTFD2 "eventfd2";
    20 EPOLL_CREATE1 "epoll_create1";
    21 EPOLL_CTL "epoll_ctl";
    22 EPOLL_PWAIT "epoll_pwait";
    23 DUP "dup";
    24 DUP3 "dup3";
    25 FCNTL "fcntl";
    26 INOTIFY_INIT1 "inotify_init1";
    27 INOTIFY_ADD_WATCH "inotify_add_watch";
    28 INOTIFY_RM_WATCH "inotify_rm_watch";
    29 IOCTL "ioctl";
    30 IOPRIO_SET "ioprio_set";
    31 IOPRIO_GET "ioprio_get";
    32 FLOCK "flock";
    33 MKNODAT "mknodat";
    34 MKDIRAT "mkdirat";
    35 UNLINKAT "unlinkat";
    36 SYMLINKAT "symlinkat";
    37 LINKAT "linkat";
    38 RENAMEAT "renameat";
    39 UMOUNT2 "umount2";
    40 MOUNT "mount";
    41 PIVOT_ROOT "pivot_root";
    42 NFSSERVCTL "nfsservctl";
    43 STATFS "statfs";
    44 FSTATFS "fstatfs";
    45 TRUNCATE "truncate";
    46 FTRUNCATE "ftruncate";
    47 FALLOCATE "fallocate";
    48 FACCESSAT "faccessat";
    49 CHDIR "chdir";
    50 FCHDIR "fchdir";
    51 CHROOT "chroot";
    52 FCHMOD "fchmod";
    53 FCHMODAT "fchmodat";
    54 FCHOWNAT "fchownat";
    55 FCHOWN "fchown";
    56 OPENAT "openat";
    57 CLOSE "close";
    58 VHANGUP "vhangup";
    59 PIPE2 "pipe2";
    60 QUOTACTL "quotactl";
    61 GETDENTS64 "getdents64";
    62 LSEEK "lseek";
    63 READ "read";
    64 WRITE "write";
    65 READV "readv";
    66 WRITEV "writev";
    67 PREAD64 "pread64";
    68 PWRITE64 "pwrite64";
    69 PREADV "preadv";
    70 PWRITEV "pwritev";
    71 SENDFILE "sendfile";
    72 PSELECT6 "pselect6";
    73 PPOLL "ppoll";
    74 SIGNALFD4 "signalfd4";
    75 VMSPLICE "vmsplice";
    76 SPLICE "splice";
    77 TEE "tee";
    78 READLINKAT "readlinkat";
    79 NEWFSTATAT "newfstatat";
    80 FSTAT "fstat";
    81 SYNC "sync";
    82 FSYNC "fsync";
    83 FDATASYNC "fdatasync";
    84 SYNC_FILE_RANGE "sync_file_range";
    85 TIMERFD_CREATE "timerfd_create";
    86 TIMERFD_SETTIME "timerfd_settime";
    87 TIMERFD_GETTIME "timerfd_gettime";
    88 UTIMENSAT "utimensat";
    89 ACCT "acct";
    90 CAPGET "capget";
    91 CAPSET "capset";
    92 PERSONALITY "personality";
    93 EXIT "exit";
    94 EXIT_GROUP "exit_group";
    95 WAITID "waitid";
    96 SET_TID_ADDRESS "set_tid_address";
    97 UNSHARE "unshare";
    98 FUTEX "futex";
    99 SET_ROBUST_LIST "set_robust_list";
    100 GET_ROBUST_LIST "get_robust_list";
    101 NANOSLEEP "nanosleep";
    102 GETITIMER "getitimer";
    103 SETITIMER "setitimer";
    104 KEXEC_LOAD "kexec_load";
    105 INIT_MODULE "init_module";
    106 DELETE_MODULE "delete_module";
    107 TIMER_CREATE "timer_create";
    108 TIMER_GETTIME "timer_gettime";
    109 TIMER_GETOVERRUN "timer_getoverrun";
    110 TIMER_SETTIME "timer_settime";
    111 TIMER_DELETE "timer_delete";
    112 CLOCK_SETTIME "clock_settime";
    113 CLOCK_GETTIME "clock_gettime";
    114 CLOCK_GETRES "clock_getres";
    115 CLOCK_NANOSLEEP "clock_nanosleep";
    116 SYSLOG "syslog";
    117 PTRACE "ptrace";
    118 SCHED_SETPARAM "sched_setparam";
    119 SCHED_SETSCHEDULER "sched_setscheduler";
    120 SCHED_GETSCHEDULER "sched_getscheduler";
    121 SCHED_GETPARAM "sched_getparam";
    122 SCHED_SETAFFINITY "sched_setaffinity";
    123 SCHED_GETAFFINITY "sched_getaffinity";
    124 SCHED_YIELD "sched_yield";
    125 SCHED_GET_PRIORITY_MAX "sched_get_priority_max";
    126 SCHED_GET_PRIORITY_MIN "sched_get_priority_min";
    127 SCHED_RR_GET_INTERVAL "sched_rr_get_interval";
    128 RESTART_SYSCALL "restart_syscall";
    129 KILL "kill";
    130 TKILL "tkill";
    131 TGKILL "tgkill";
    132 SIGALTSTACK "sigaltstack";
    133 RT_SIGSUSPEND "rt_sigsuspend";
    134 RT_SIGACTION "rt_sigaction";
    135 RT_SIGPROCMASK "rt_sigprocmask";
    136 RT_SIGPENDING "rt_sigpending";
    137 RT_SIGTIMEDWAIT "rt_sigtimedwait";
    138 RT_SIGQUEUEINFO "rt_sigqueueinfo";
    139 RT_SIGRETURN "rt_sigreturn";
    140 SETPRIORITY "setpriority";
    141 GETPRIORITY "getpriority";
    142 REBOOT "reboot";
    143 SETREGID "setregid";
    144 SETGID "setgid";
    145 SETREUID "setreuid";
    146 SETUID "setuid";
    147 SETRESUID "setresuid";
    148 GETRESUID "getresuid";
    149 SETRESGID "setresgid";
    150 GETRESGID "getresgid";
    151 SETFSUID "setfsuid";
    152 SETFSGID "setfsgid";
    153 TIMES "times";
    154 SETPGID "setpgid";
    155 GETPGID "getpgid";
    156 GETSID "getsid";
    157 SETSID "setsid";
    158 GETGROUPS "getgroups";
    159 SETGROUPS "setgroups";
    160 UNAME "uname";
    161 SETHOSTNAME "sethostname";
    162 SETDOMAINNAME "setdomainname";
    163 GETRLIMIT "getrlimit";
    164 SETRLIMIT "setrlimit";
    165 GETRUSAGE "getrusage";
    166 UMASK "umask";
    167 PRCTL "prctl";
    168 GETCPU "getcpu";
    169 GETTIMEOFDAY "gettimeofday";
    170 SETTIMEOFDAY "settimeofday";
    171 ADJTIMEX "adjtimex";
    172 GETPID "getpid";
    173 GETPPID "getppid";
    174 GETUID "getuid";
    175 GETEUID "geteuid";
    176 GETGID "getgid";
    177 GETEGID "getegid";
    178 GETTID "gettid";
    179 SYSINFO "sysinfo";
    180 MQ_OPEN "mq_open";
    181 MQ_UNLINK "mq_unlink";
    182 MQ_TIMEDSEND "mq_timedsend";
    183 MQ_TIMEDRECEIVE "mq_timedreceive";
    184 MQ_NOTIFY "mq_notify";
    185 MQ_GETSETATTR "mq_getsetattr";
    186 MSGGET "msgget";
    187 MSGCTL "msgctl";
    188 MSGRCV "msgrcv";
    189 MSGSND "msgsnd";
    190 SEMGET "semget";
    191 SEMCTL "semctl";
    192 SEMTIMEDOP "semtimedop";
    193 SEMOP "semop";
    194 SHMGET "shmget";
    195 SHMCTL "shmctl";
    196 SHMAT "shmat";
    197 SHMDT "shmdt";
    198 SOCKET "socket";
    199 SOCKETPAIR "socketpair";
    200 BIND "bind";
    201 LISTEN "listen";
    202 ACCEPT "accept";
    203 CONNECT "connect";
    204 GETSOCKNAME "getsockname";
    205 GETPEERNAME "getpeername";
    206 SENDTO "sendto";
    207 RECVFROM "recvfrom";
    208 SETSOCKOPT "setsockopt";
    209 GETSOCKOPT "getsockopt";
    210 SHUTDOWN "shutdown";
    211 SENDMSG "sendmsg";
    212 RECVMSG "recvmsg";
    213 READAHEAD "readahead";
    214 BRK "brk";
    215 MUNMAP "munmap";
    216 MREMAP "mremap";
    217 ADD_KEY "add_key";
    218 REQUEST_KEY "request_key";
    219 KEYCTL "keyctl";
    220 CLONE "clone";
    221 EXECVE "execve";
    222 MMAP "mmap";
    223 FADVISE64 "fadvise64";
    224 SWAPON "swapon";
    225 SWAPOFF "swapoff";
    226 MPROTECT "mprotect";
    227 MSYNC "msync";
    228 MLOCK "mlock";
    229 MUNLOCK "munlock";
    230 MLOCKALL "mlockall";
    231 MUNLOCKALL "munlockall";
    232 MINCORE "mincore";
    233 MADVISE "madvise";
    234 REMAP_FILE_PAGES "remap_file_pages";
    235 MBIND "mbind";
    236 GET_MEMPOLICY "get_mempolicy";
    237 SET_MEMPOLICY "set_mempolicy";
    238 MIGRATE_PAGES "migrate_pages";
    239 MOVE_PAGES "move_pages";
    240 RT_TGSIGQUEUEINFO "rt_tgsigqueueinfo";
    241 PERF_EVENT_OPEN "perf_event_open";
    242 ACCEPT4 "accept4";
    243 RECVMMSG "recvmmsg";
    260 WAIT4 "wait4";
    261 PRLIMIT64 "prlimit64";
    262 FANOTIFY_INIT "fanotify_init";
    263 FANOTIFY_MARK "fanotify_mark";
    264 NAME_TO_HANDLE_AT "name_to_handle_at";
    265 OPEN_BY_HANDLE_AT "open_by_handle_at";
    266 CLOCK_ADJTIME "clock_adjtime";
    267 SYNCFS "syncfs";
    268 SETNS "setns";
    269 SENDMMSG "sendmmsg";
    270 PROCESS_VM_READV "process_vm_readv";
    271 PROCESS_VM_WRITEV "process_vm_writev";
    272 KCMP "kcmp";
    273 FINIT_MODULE "finit_module";
    274 SCHED_SETATTR "sched_setattr";
    275 SCHED_GETATTR "sched_getattr";
    276 RENAMEAT2 "renameat2";
    277 SECCOMP "seccomp";
    278 GETRANDOM "getrandom";
    279 MEMFD_CREATE "memfd_create";
    280 BPF "bpf";
    281 EXECVEAT "execveat";
    282 USERFAULTFD "userfaultfd";
    283 MEMBARRIER "membarrier";
    284 MLOCK2 "mlock2";
    285 COPY_FILE_RANGE "copy_file_range";
    286 PREADV2 "preadv2";
    287 PWRITEV2 "pwritev2";
    288 PKEY_MPROTECT "pkey_mprotect";
    289 PKEY_ALLOC "pkey_alloc";
    290 PKEY_FREE "pkey_free";
    291 STATX "statx";
    292 IO_PGETEVENTS "io_pgetevents";
    293 RSEQ "rseq";
    294 KEXEC_FILE_LOAD "kexec_file_load";
    424 PIDFD_SEND_SIGNAL "pidfd_send_signal";
    425 IO_URING_SETUP "io_uring_setup";
    426 IO_URING_ENTER "io_uring_enter";
    427 IO_URING_REGISTER "io_uring_register";
    428 OPEN_TREE "open_tree";
    429 MOVE_MOUNT "move_mount";
    430 FSOPEN "fsopen";
    431 FSCONFIG "fsconfig";
    432 FSMOUNT "fsmount";
    433 FSPICK "fspick";
    434 PIDFD_OPEN "pidfd_open";
    435 CLONE3 "clone3";
    436 CLOSE_RANGE "close_range";
    437 OPENAT2 "openat2";
    438 PIDFD_GETFD "pidfd_getfd";
    439 FACCESSAT2 "faccessat2";
    440 PROCESS_MADVISE "process_madvise";
    441 EPOLL_PWAIT2 "epoll_pwait2";
    442 MOUNT_SETATTR "mount_setattr";
    443 QUOTACTL_FD "quotactl_fd";
    444 LANDLOCK_CREATE_RULESET "landlock_create_ruleset";
    445 LANDLOCK_ADD_RULE "landlock_add_rule";
    446 LANDLOCK_RESTRICT_SELF "landlock_restrict_self";
    447 MEMFD_SECRET "memfd_secret";
    448 PROCESS_MRELEASE "process_mrelease";
    449 FUTEX_WAITV "futex_waitv";
    450 SET_MEMPOLICY_HOME_NODE "set_mempolicy_home_node";
    451 CACHESTAT "cachestat";
    452 FCHMODAT2 "fchmodat2";
    453 MAP_SHADOW_STACK "map_shadow_stack";
    454 FUTEX_WAKE "futex_wake";
    455 FUTEX_WAIT "futex_wait";
    456 FUTEX_REQUEUE "futex_requeue";
    457 STATMOUNT "statmount";
    458 LISTMOUNT "listmount";
    459 LSM_GET_SELF_ATTR "lsm_get_self_attr";
    460 LSM_SET_SELF_ATTR "lsm_set_self_attr";
    461 LSM_LIST_MODULES "lsm_list_modules";
    462 MSEAL "mseal";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that arm64 shares with no other table by chance, from the header.
    #[test]
    fn numbers_are_the_headers() {
        for (number, text) in [
            (57, "close"),
            (93, "exit"),
            (94, "exit_group"),
            (221, "execve"),
            (222, "mmap"),
        ] {
            assert_eq!(name(number), Some(text));
        }
        assert_eq!((WRITE, OPENAT, NEWFSTATAT, MSEAL), (64, 56, 79, 462));
        assert_eq!(name(250), None);
        assert_eq!(name(410), None);
        assert_eq!(name(u64::MAX), None);
    }

    #[test]
    fn names_are_found_again() {
        for n in 0..COUNT {
            if let Some(text) = name(n as u64) {
                assert_eq!(number(text), Some(n));
            }
        }
    }
}
