/* What the guests of the memory calls share: numbers, one line a row (`name: answer`, an errno by its name), and touches
   that tell which signal they met. docs/memory-calls.md says which line proves which rule. Numbers as in guest.h. */
#ifndef MEMORY_H
#define MEMORY_H
#include "signals.h"

#if defined(__aarch64__)
enum {
    NR_dup = 23, NR_fcntl = 25, NR_fallocate = 47, NR_pipe2 = 59, NR_readv = 65, NR_writev = 66, NR_setpgid = 154,
    NR_setresuid = 147, NR_geteuid = 175, NR_prctl = 167, NR_kill = 129, NR_shmget = 194, NR_shmctl = 195,
    NR_shmat = 196, NR_shmdt = 197, NR_msync = 227, NR_mlock = 228, NR_munlock = 229, NR_mlockall = 230,
    NR_munlockall = 231, NR_mincore = 232, NR_remap_file_pages = 234, NR_mbind = 235, NR_get_mempolicy = 236,
    NR_set_mempolicy = 237, NR_migrate_pages = 238, NR_move_pages = 239, NR_process_vm_readv = 270,
    NR_process_vm_writev = 271, NR_userfaultfd = 282, NR_mlock2 = 284, NR_pkey_mprotect = 288, NR_pkey_alloc = 289,
    NR_pkey_free = 290, NR_execve = 221,
};
#else
enum {
    NR_dup = 32, NR_fcntl = 72, NR_fallocate = 285, NR_pipe2 = 293, NR_readv = 19, NR_writev = 20, NR_setpgid = 109,
    NR_setresuid = 117, NR_geteuid = 107, NR_prctl = 157, NR_kill = 62, NR_shmget = 29, NR_shmctl = 31, NR_shmat = 30,
    NR_shmdt = 67, NR_msync = 26, NR_mlock = 149, NR_munlock = 150, NR_mlockall = 151, NR_munlockall = 152,
    NR_mincore = 27, NR_remap_file_pages = 216, NR_mbind = 237, NR_get_mempolicy = 239, NR_set_mempolicy = 238,
    NR_migrate_pages = 256, NR_move_pages = 279, NR_process_vm_readv = 310, NR_process_vm_writev = 311,
    NR_userfaultfd = 323, NR_mlock2 = 325, NR_pkey_mprotect = 329, NR_pkey_alloc = 330, NR_pkey_free = 331,
    NR_execve = 59,
};
#endif
/* The same on both. */
enum { NR_pidfd_open = 434, NR_process_madvise = 440, NR_set_mempolicy_home_node = 450, NR_mseal = 462 };

enum {
    MAP_SHARED_VALIDATE = 3, MAP_DROPPABLE = 8, MAP_GROWSDOWN = 0x100, MAP_LOCKED = 0x2000, MAP_NORESERVE = 0x4000,
    MAP_POPULATE = 0x8000, MAP_NONBLOCK = 0x10000, MAP_HUGETLB = 0x40000, MAP_SYNC = 0x80000,
    MAP_FIXED_NOREPLACE = 0x100000, MREMAP_DONTUNMAP = 4, PROT_GROWSDOWN = 0x1000000, PROT_GROWSUP = 0x2000000,
};
enum {
    MADV_NORMAL = 0, MADV_RANDOM = 1, MADV_SEQUENTIAL = 2, MADV_WILLNEED = 3, MADV_FREE = 8, MADV_REMOVE = 9,
    MADV_DONTFORK = 10, MADV_DOFORK = 11, MADV_MERGEABLE = 12, MADV_UNMERGEABLE = 13, MADV_HUGEPAGE = 14,
    MADV_NOHUGEPAGE = 15, MADV_DONTDUMP = 16, MADV_DODUMP = 17, MADV_WIPEONFORK = 18, MADV_KEEPONFORK = 19,
    MADV_COLD = 20, MADV_PAGEOUT = 21, MADV_POPULATE_READ = 22, MADV_POPULATE_WRITE = 23, MADV_DONTNEED_LOCKED = 24,
    MADV_COLLAPSE = 25, MADV_HWPOISON = 100, MADV_SOFT_OFFLINE = 101, MADV_GUARD_INSTALL = 102,
    MADV_GUARD_REMOVE = 103,
};
enum { RLIMIT_DATA = 2, RLIMIT_MEMLOCK = 8, RLIMIT_AS = 9, MS_ASYNC = 1, MS_INVALIDATE = 2, MS_SYNC = 4 };
enum { O_RDONLY = 0, O_WRONLY = 1, O_APPEND = 02000, EPERM = 1, EFAULT = 14, NOBODY = 65534 };

/* More than any user space of these page sizes, page aligned in each of them, and without a tag. */
#define BEYOND 0x0040000000000000ul
#define HUGE_LENGTH 0x4000000000000000ul

static inline const char *errno_name(i64 number)
{
    switch (number) {
    case 1: return "EPERM";
    case 2: return "ENOENT";
    case 3: return "ESRCH";
    case 5: return "EIO";
    case 9: return "EBADF";
    case 11: return "EAGAIN";
    case 12: return "ENOMEM";
    case 13: return "EACCES";
    case 14: return "EFAULT";
    case 16: return "EBUSY";
    case 17: return "EEXIST";
    case 19: return "ENODEV";
    case 22: return "EINVAL";
    case 26: return "ETXTBSY";
    case 28: return "ENOSPC";
    case 29: return "ESPIPE";
    case 38: return "ENOSYS";
    case 43: return "EIDRM";
    case 75: return "EOVERFLOW";
    case 95: return "EOPNOTSUPP";
    default: return 0;
    }
}
/* "name: EINVAL", or the number. */
static inline i64 row(const char *name, i64 answer)
{
    const char *known = answer < 0 ? errno_name(-answer) : 0;
    if (!known) {
        report(name, answer);
        return answer;
    }
    put(name);
    put(": ");
    put(known);
    put("\n");
    return answer;
}
/* The same where success is an address or a descriptor, which differs from run to run. */
static inline i64 row_at(const char *name, i64 answer)
{
    if (answer < 0 && answer > -4096) return row(name, answer);
    put(name);
    put(": ok\n");
    return answer;
}
static inline void say(const char *name, const char *what)
{
    put(name);
    put(": ");
    put(what);
    put("\n");
}

static int met_signal, met_code;
static u64 met_address;
static inline void note_fault(int signo, u8 *info, u8 *context)
{
    met_signal = signo;
    met_code = info_code(info);
    met_address = info_addr(info);
    skip_access(context);
}
static inline void catch_faults(void)
{
    catch_signal(SIGSEGV, note_fault, 0);
    catch_signal(SIGBUS, note_fault, 0);
}
static inline const char *fault_name(void)
{
    if (met_signal == SIGSEGV) return met_code == 1 ? "SIGSEGV MAPERR" : met_code == 2 ? "SIGSEGV ACCERR" : "SIGSEGV";
    if (met_signal == SIGBUS) return met_code == 2 ? "SIGBUS ADRERR" : "SIGBUS";
    return "a signal";
}
/* A byte's value, or the signal that reading it raised. */
static inline i64 row_load(const char *name, const u8 *at)
{
    met_signal = 0;
    i64 value = (i64)(probe_load(at) & 255);
    if (!met_signal) return row(name, value);
    say(name, fault_name());
    return -1;
}
static inline void row_store(const char *name, u8 *at)
{
    met_signal = 0;
    probe_store(at);
    say(name, met_signal ? fault_name() : "ok");
}

/* mmap(2) with everything said. */
static inline i64 mmap6(const void *at, u64 bytes, u64 prot, u64 flags, int fd, u64 offset)
{
    return SYS(mmap, at, bytes, prot, flags, fd, offset);
}
static inline i64 unmap(const void *at, u64 bytes) { return SYS(munmap, at, bytes, 0, 0, 0, 0); }
static inline i64 protect(const void *at, u64 bytes, u64 prot) { return SYS(mprotect, at, bytes, prot, 0, 0, 0); }
static inline i64 advise(const void *at, u64 bytes, i64 advice) { return SYS(madvise, at, bytes, advice, 0, 0, 0); }
/* Pages nobody else uses, all of them mapped without rights: a place to map over. */
static inline u8 *room(u64 pages) { return map(0, pages * page, PROT_NONE, ANON, -1, 0); }
static inline void number_pages(u8 *at, u64 pages)
{
    for (u64 i = 0; i < pages; i++) store(at + i * page, (u8)(i + 1));
}
/* A soft limit; the hard one stays. */
static inline i64 limit(int which, u64 bytes)
{
    u64 now[2];
    SYS(prlimit64, 0, which, 0, now, 0, 0);
    now[0] = bytes;
    return SYS(prlimit64, 0, which, now, 0, 0, 0);
}
/* From here on without capabilities, whoever began. */
static inline void become_nobody(void)
{
    if (SYS(geteuid, 0, 0, 0, 0, 0, 0) == 0) SYS(setresuid, NOBODY, NOBODY, NOBODY, 0, 0, 0);
}
/* A figure in KiB of a file of /proc, or -1: the number behind `key` at the beginning of a line. */
static inline i64 figure(const char *path, const char *key)
{
    static char text[65536];
    u64 used = 0;
    int fd = (int)SYS(openat, AT_FDCWD, path, 0, 0, 0, 0);
    if (fd < 0) return fd;
    for (;;) {
        i64 got = SYS(read, fd, text + used, sizeof text - 1 - used, 0, 0, 0);
        if (got <= 0) break;
        used += (u64)got;
    }
    text[used] = 0;
    SYS(close, fd, 0, 0, 0, 0, 0);
    for (const char *at = text; *at;) {
        u64 same = 0;
        while (key[same] && at[same] == key[same]) same++;
        if (!key[same]) {
            i64 value = 0;
            at += same;
            while (*at == ' ' || *at == '\t' || *at == ':') at++;
            while (*at >= '0' && *at <= '9') value = value * 10 + (*at++ - '0');
            return value;
        }
        while (*at && *at++ != '\n') {}
    }
    return -1;
}
/* The exit status of what a child does, so that limits and rights stay its own. */
#define IN_CHILD(body)                                                                                                 \
    do {                                                                                                               \
        i64 child_ = fork_process();                                                                                   \
        if (child_ == 0) {                                                                                             \
            body;                                                                                                      \
            quit(0);                                                                                                   \
        }                                                                                                              \
        int status_ = wait_for(child_);                                                                                \
        if (status_ != 0) report("the child's status", status_);                                                       \
    } while (0)

#endif
