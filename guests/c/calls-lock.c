/* calls-lock: mlock(2) and its family, mincore(2), msync(2), a line a rule of the checklist. */
#include "memory.h"

static i64 lock(const u8 *at, u64 bytes) { return SYS(mlock, at, bytes, 0, 0, 0, 0); }
static i64 unlock(const u8 *at, u64 bytes) { return SYS(munlock, at, bytes, 0, 0, 0, 0); }
static u8 seen[64];
static i64 core(const u8 *at, u64 bytes) { return SYS(mincore, at, bytes, seen, 0, 0, 0); }
static i64 resident(const u8 *at, u64 pages)
{
    i64 count = 0;
    if (core(at, pages * page) != 0) return -1;
    for (u64 i = 0; i < pages; i++) count += seen[i] & 1;
    return count;
}
/* VmLck in pages. */
static i64 locked(void) { return figure("/proc/self/status", "VmLck") * 1024 / (i64)page; }

static void locking(void)
{
    u8 *at = map_anon(8);
    row("mlock", lock(at, 2 * page));
    row("its pages are there", resident(at, 8));
    row("VmLck", locked());
    row("address is rounded", lock(at + 2 * page + 5, page));
    row("VmLck", locked());
    row("length 0", lock(at, 0));
    row("mlock wraps", lock(at, ~0ul - 3 * page));
    row("sum that rounds to 0", lock(at + 5, -5ul));
    row("munlock", unlock(at, 4 * page));
    row("VmLck", locked());
    unmap(at + 5 * page, page);
    row("mlock over a hole", lock(at + 4 * page, 4 * page));
    row("munlock over a hole", unlock(at + 4 * page, 4 * page));
    row("mlock of nothing", lock(at + 5 * page, page));
    u8 *none = room(2);
    row("mlock PROT_NONE", lock(none, 2 * page));
    row("stays locked", locked());
    unlock(none, 2 * page);
    unlock(at, 8 * page);
    u8 *file = map(0, 4 * page, RW, MAP_SHARED, numbered_file(2), 0);
    row("mlock past the end of a file", lock(file, 4 * page));
    unlock(file, 4 * page);
    u8 *lazy = map_anon(4);
    row("mlock2 unknown flag", SYS(mlock2, lazy, page, 2, 0, 0, 0));
    row("mlock2 ONFAULT", SYS(mlock2, lazy, 4 * page, 1, 0, 0, 0));
    row("no page is there", resident(lazy, 4));
    row("VmLck", locked());
    unmap(lazy, 4 * page);
    row("munmap unlocks", locked());
}

static void limits(void)
{
    u8 *at = map_anon(16);
    limit(RLIMIT_MEMLOCK, 4 * page);
    row("within the limit", lock(at, 4 * page));
    row("an overlap counts once", lock(at + page, 3 * page));
    row("over the limit", lock(at + page, 4 * page));
    row("elsewhere over the limit", lock(at + 8 * page, page));
    row_at("mmap LOCKED over the limit", mmap6(0, page, RW, ANON | MAP_LOCKED, -1, 0));
    limit(RLIMIT_MEMLOCK, 0);
    row("mlock, limit 0", lock(at, page));
    row_at("mmap LOCKED, limit 0", mmap6(0, page, RW, ANON | MAP_LOCKED, -1, 0));
    row("mlockall, limit 0", SYS(mlockall, 1, 0, 0, 0, 0, 0));
    row("munlock, limit 0", unlock(at, 4 * page));
    row("VmLck", locked());
}

static void everything(void)
{
    row("mlockall 0", SYS(mlockall, 0, 0, 0, 0, 0, 0));
    row("mlockall unknown", SYS(mlockall, 8, 0, 0, 0, 0, 0));
    row("mlockall ONFAULT alone", SYS(mlockall, 4, 0, 0, 0, 0, 0));
    u8 *at = map_anon(2);
    row("mlockall CURRENT", SYS(mlockall, 1, 0, 0, 0, 0, 0));
    row("what was there is there", resident(at, 2));
    u8 *later = map_anon(2);
    row("what came later is not", resident(later, 2));
    row("munlockall", SYS(munlockall, 0, 0, 0, 0, 0, 0));
    row("VmLck", locked());
    row("mlockall FUTURE", SYS(mlockall, 2, 0, 0, 0, 0, 0));
    row("VmLck", locked());
    later = map_anon(2);
    row("what comes is there", resident(later, 2));
    row("VmLck", locked());
    u64 end = (u64)SYS(brk, 0, 0, 0, 0, 0, 0);
    end = (end + page - 1) / page * page;
    SYS(brk, end, 0, 0, 0, 0, 0);
    SYS(brk, end + 2 * page, 0, 0, 0, 0, 0);
    row("the break's pages, too", resident((u8 *)end, 2));
    IN_CHILD({
        row("fork drops locks", locked());
        row("and FUTURE", resident(map_anon(2), 2));
    });
    row("munlockall", SYS(munlockall, 0, 0, 0, 0, 0, 0));
    row("ends FUTURE", resident(map_anon(2), 2));
    row("mlockall FUTURE ONFAULT", SYS(mlockall, 6, 0, 0, 0, 0, 0));
    later = map_anon(2);
    row("comes on a fault", resident(later, 2));
    row("but is locked", advise(later, page, MADV_DONTNEED));
    row("munlockall", SYS(munlockall, 0, 0, 0, 0, 0, 0));
}

static void everything_limited(void)
{
    limit(RLIMIT_MEMLOCK, 2 * page);
    row("CURRENT over the limit", SYS(mlockall, 1, 0, 0, 0, 0, 0));
    row("FUTURE", SYS(mlockall, 2, 0, 0, 0, 0, 0));
    row_at("then mmap over the limit", mmap6(0, 8 * page, RW, ANON, -1, 0));
    row_at("mmap within it", mmap6(0, page, RW, ANON, -1, 0));
    i64 end = SYS(brk, 0, 0, 0, 0, 0, 0);
    row("brk over the limit is the old one", SYS(brk, end + 8 * (i64)page, 0, 0, 0, 0, 0) == end);
}

static void residency(void)
{
    u8 *at = map_anon(4);
    store(at + page, 1);
    row("mincore unaligned", core(at + 1, page));
    row("mincore bad vector", SYS(mincore, at, page, 8, 0, 0, 0));
    row("mincore beyond user space", core(at, HUGE_LENGTH));
    row("mincore length 0", core(at, 0));
    row("mincore", core(at, 4 * page));
    row("a touched page", seen[1]);
    row("an untouched page", seen[0]);
    row("part of a page", (seen[1] = 0, core(at, page + 1)));
    row("counts as one", seen[1]);
    unmap(at + 2 * page, page);
    row("mincore over a hole", core(at, 4 * page));
    int fd = numbered_file(2);
    row("a file's cached page", resident(map(0, 2 * page, PROT_READ, MAP_SHARED, fd, 0), 2));
}

static i64 sync(const u8 *at, u64 bytes, u64 flags) { return SYS(msync, at, bytes, flags, 0, 0, 0); }

static void syncing(void)
{
    int fd = numbered_file(4);
    u8 *at = map(0, 4 * page, RW, MAP_SHARED, fd, 0);
    row("msync unknown flag", sync(at, page, 8));
    row("msync SYNC and ASYNC", sync(at, page, MS_SYNC | MS_ASYNC));
    row("msync unaligned", sync(at + 1, page, MS_SYNC));
    row("msync flags 0", sync(at, page, 0));
    row("msync wraps", sync(at, ~0ul - 2 * page, MS_SYNC));
    row("msync length 0", sync(at, 0, MS_SYNC));
    store(at + page, 88);
    row("msync", sync(at, 4 * page, MS_SYNC));
    row("the file's byte", file_byte(fd, page));
    row("msync INVALIDATE", sync(at, page, MS_SYNC | MS_INVALIDATE));
    lock(at, page);
    row("msync INVALIDATE locked", sync(at, page, MS_SYNC | MS_INVALIDATE));
    unlock(at, page);
    row("msync anonymous", sync(map_anon(1), page, MS_SYNC));
    unmap(at + page, page);
    row("msync over a hole", sync(at, 4 * page, MS_SYNC));
    row("msync ASYNC over a hole", sync(at, 4 * page, MS_ASYNC));
}

int main(void)
{
    catch_faults();
    locking();
    IN_CHILD(become_nobody(); limits());
    everything();
    IN_CHILD(become_nobody(); everything_limited());
    residency();
    syncing();
    return 0;
}
