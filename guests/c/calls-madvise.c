/* calls-madvise: madvise(2) with each of its values, a line a rule of the checklist. */
#include "memory.h"

static u8 *numbered(u64 pages)
{
    u8 *at = map_anon(pages);
    number_pages(at, pages);
    return at;
}
static u8 *locked(void)
{
    u8 *at = numbered(2);
    SYS(mlock, at, 2 * page, 0, 0, 0, 0);
    return at;
}
static u8 seen[16];
static i64 resident(const u8 *at, u64 pages)
{
    i64 count = 0;
    if (SYS(mincore, at, pages * page, seen, 0, 0, 0) != 0) return -1;
    for (u64 i = 0; i < pages; i++) count += seen[i] & 1;
    return count;
}
static u64 lines(const u8 *at, u64 pages) { return map_lines((u64)at, (u64)at + pages * page); }

static void arguments(void)
{
    u8 *at = numbered(4);
    row("unknown advice", advise(at, page, 999));
    row("unknown advice, length 0", advise(at, 0, 999));
    row("unaligned", advise(at + 1, page, MADV_DONTNEED));
    row("length 0", advise(at, 0, MADV_DONTNEED));
    row("length that rounds to 0", advise(at, ~0ul, MADV_DONTNEED));
    row("length that wraps", advise(at, -2 * page, MADV_DONTNEED));
    unmap(at + page, page);
    row("over a hole", advise(at, 4 * page, MADV_DONTNEED));
    row_load("before the hole it is done", at);
    row_load("behind the hole it is done", at + 3 * page);
    row("WILLNEED over a hole", advise(at, 4 * page, MADV_WILLNEED));
    row("nothing mapped", advise(at + page, page, MADV_NORMAL));
}

static void dropping(void)
{
    u8 *at = numbered(3);
    row("DONTNEED", advise(at, 2 * page, MADV_DONTNEED));
    row_load("reads as zeros", at + page);
    row_load("the rest stays", at + 2 * page);
    int fd = numbered_file(2);
    u8 *file = map(0, 2 * page, RW, MAP_PRIVATE, fd, 0);
    store(file + page, 77);
    row("DONTNEED private file", advise(file, 2 * page, MADV_DONTNEED));
    row_load("reads the file again", file + page);
    u8 *shared = map(0, page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    store(shared, 9);
    row("DONTNEED shared", advise(shared, page, MADV_DONTNEED));
    row_load("keeps its content", shared);
    row("DONTNEED locked", advise(locked(), page, MADV_DONTNEED));
    at = locked();
    row("DONTNEED_LOCKED", advise(at, page, MADV_DONTNEED_LOCKED));
    row_load("reads as zeros", at);
    at = numbered(2);
    row("FREE", advise(at, 2 * page, MADV_FREE));
    store(at, 42);
    row_load("FREE then a write keeps it", at);
    row("FREE file", advise(file, page, MADV_FREE));
    row("FREE shared", advise(shared, page, MADV_FREE));
    row("FREE locked", advise(locked(), page, MADV_FREE));
    at = numbered(1);
    advise(at, page, MADV_FREE);
    store(at, 43);
    IN_CHILD(row_load("FREE, a write, and fork", at));
}

static void punching(void)
{
    int fd = numbered_file(4);
    u8 *shared = map(0, 4 * page, RW, MAP_SHARED, fd, 0), *again = map(0, 4 * page, PROT_READ, MAP_SHARED, fd, 0);
    row("REMOVE private", advise(numbered(1), page, MADV_REMOVE));
    row("REMOVE", advise(shared + page, page, MADV_REMOVE));
    row_load("reads as zeros", shared + page);
    row_load("in every mapping", again + page);
    row("and in the file", file_byte(fd, page));
    row_load("the neighbour stays", shared + 2 * page);
    u8 *readonly = map(0, page, PROT_READ, MAP_SHARED, fd, 0);
    row("REMOVE of read-only", advise(readonly, page, MADV_REMOVE));
    row("REMOVE over a private file", advise(map(0, page, RW, MAP_PRIVATE, fd, 0), page, MADV_REMOVE));
    SYS(mlock, shared, page, 0, 0, 0, 0);
    row("REMOVE locked", advise(shared, page, MADV_REMOVE));
    u8 *anon = map(0, 2 * page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    number_pages(anon, 2);
    row("REMOVE shared anonymous", advise(anon, page, MADV_REMOVE));
    row_load("reads as zeros", anon);
    row_load("the neighbour stays", anon + page);
}

static void reclaiming(void)
{
    u8 *at = numbered(2);
    row("COLD", advise(at, 2 * page, MADV_COLD));
    row_load("keeps its content", at + page);
    row("PAGEOUT", advise(at, 2 * page, MADV_PAGEOUT));
    row_load("keeps its content", at + page);
    row("COLD locked", advise(locked(), page, MADV_COLD));
    row("PAGEOUT locked", advise(locked(), page, MADV_PAGEOUT));
    row("WILLNEED anonymous", advise(at, page, MADV_WILLNEED));
    row("WILLNEED file", advise(map(0, page, RW, MAP_SHARED, numbered_file(1), 0), page, MADV_WILLNEED));
}

static void populating(void)
{
    u8 *at = map_anon(4), *other = map_anon(4);
    row("POPULATE_READ", advise(at, 2 * page, MADV_POPULATE_READ));
    row("POPULATE_WRITE", advise(other, 3 * page, MADV_POPULATE_WRITE));
    row("its pages", resident(other, 4));
    protect(at, page, PROT_READ);
    row("POPULATE_WRITE of read-only", advise(at, page, MADV_POPULATE_WRITE));
    protect(at, page, PROT_NONE);
    row("POPULATE_READ of PROT_NONE", advise(at, page, MADV_POPULATE_READ));
    unmap(other + page, page);
    row("POPULATE_WRITE over a hole", advise(other, 4 * page, MADV_POPULATE_WRITE));
    u8 *file = map(0, 4 * page, RW, MAP_SHARED, numbered_file(2), 0);
    row("POPULATE_READ past the end", advise(file, 4 * page, MADV_POPULATE_READ));
}

static void forking(void)
{
    u8 *at = numbered(3);
    row("DONTFORK", advise(at, page, MADV_DONTFORK));
    row("WIPEONFORK", advise(at + page, page, MADV_WIPEONFORK));
    IN_CHILD({
        row_load("the child's DONTFORK page", at);
        row_load("the child's WIPEONFORK page", at + page);
        row_load("the child's other page", at + 2 * page);
        store(at + page, 5);
        IN_CHILD(row_load("the grandchild's WIPEONFORK page", at + page));
    });
    row_load("the parent's WIPEONFORK page", at + page);
    row("DOFORK", advise(at, page, MADV_DOFORK));
    row("KEEPONFORK", advise(at + page, page, MADV_KEEPONFORK));
    IN_CHILD({
        row_load("with DOFORK", at);
        row_load("with KEEPONFORK", at + page);
    });
    u8 *shared = map(0, page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    row("WIPEONFORK shared", advise(shared, page, MADV_WIPEONFORK));
    row("WIPEONFORK file", advise(map(0, page, RW, MAP_PRIVATE, numbered_file(1), 0), page, MADV_WIPEONFORK));
}

static void splitting(void)
{
    static const struct {
        i64 on, off;
        const char *name;
    } pairs[] = {
        {MADV_SEQUENTIAL, MADV_NORMAL, "SEQUENTIAL and NORMAL"}, {MADV_RANDOM, MADV_NORMAL, "RANDOM and NORMAL"},
        {MADV_DONTFORK, MADV_DOFORK, "DONTFORK and DOFORK"}, {MADV_DONTDUMP, MADV_DODUMP, "DONTDUMP and DODUMP"},
        {MADV_WIPEONFORK, MADV_KEEPONFORK, "WIPEONFORK and KEEPONFORK"},
    };
    u8 *at = map(room(5) + page, 3 * page, RW, ANON | MAP_FIXED, -1, 0);
    for (u64 i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        i64 on = advise(at + page, page, pairs[i].on);
        u64 cut = lines(at, 3);
        i64 off = advise(at + page, page, pairs[i].off);
        row(pairs[i].name, on == 0 && off == 0 ? (i64)(cut * 10 + lines(at, 3)) : on < 0 ? on : off);
    }
    row("HUGEPAGE", advise(at, page, MADV_HUGEPAGE));
    row("NOHUGEPAGE", advise(at, page, MADV_NOHUGEPAGE));
    row("MERGEABLE", advise(at, page, MADV_MERGEABLE));
    row("UNMERGEABLE", advise(at, page, MADV_UNMERGEABLE));
}

/* How many pages /proc/self/pagemap calls guarded (bit 58) and not present. */
static i64 pagemap_guards(const u8 *at, u64 pages)
{
    u64 entries[8];
    i64 count = 0;
    int fd = (int)SYS(openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY, 0, 0, 0);
    i64 got = SYS(pread64, fd, entries, pages * 8, (u64)at / page * 8, 0, 0);
    for (u64 i = 0; i < pages && got == (i64)pages * 8; i++) count += (entries[i] >> 58 & 1) && !(entries[i] >> 63);
    SYS(close, fd, 0, 0, 0, 0, 0);
    return count;
}

static void guards(void)
{
    u8 *at = map(room(6) + page, 4 * page, RW, ANON | MAP_FIXED, -1, 0);
    number_pages(at, 4);
    row("GUARD_INSTALL", advise(at + page, 2 * page, MADV_GUARD_INSTALL));
    row_load("a read of a guard", at + page);
    row_store("a write to a guard", at + 2 * page);
    row("a call's use of a guard", readable(at + page));
    row_load("the neighbour", at + 3 * page);
    row("pagemap shows guards", pagemap_guards(at, 4));
    row("lines", (i64)lines(at, 4));
    row("again", advise(at + page, 2 * page, MADV_GUARD_INSTALL));
    row("DONTNEED over guards", advise(at, 4 * page, MADV_DONTNEED));
    row_load("which stay", at + page);
    row("POPULATE_WRITE of a guard", advise(at + page, page, MADV_POPULATE_WRITE));
    IN_CHILD(row_load("in the child", at + page));
    row("mprotect over guards", protect(at, 4 * page, PROT_READ));
    row_load("which stay too", at + 2 * page);
    row("GUARD_REMOVE", advise(at, 3 * page, MADV_GUARD_REMOVE));
    row_load("is zeros then", at + page);
    u8 *readonly = map(0, 2 * page, PROT_READ, ANON, -1, 0);
    row("GUARD_INSTALL read-only", advise(readonly, page, MADV_GUARD_INSTALL));
    row_load("a read of it", readonly);
    row("GUARD_INSTALL locked", advise(locked(), page, MADV_GUARD_INSTALL));
    u8 *file = map(0, 2 * page, RW, MAP_SHARED, numbered_file(2), 0);
    row("GUARD_INSTALL file", advise(file, page, MADV_GUARD_INSTALL));
    row_load("a read of it", file);
    row("GUARD_REMOVE file", advise(file, page, MADV_GUARD_REMOVE));
    row_load("the file's byte", file);
    unmap(at + 3 * page, page);
    row("GUARD_INSTALL over a hole", advise(at, 5 * page, MADV_GUARD_INSTALL));
    u8 *gone = map_anon(2);
    advise(gone, page, MADV_GUARD_INSTALL);
    u8 *moved = (u8 *)SYS(mremap, gone, 2 * page, 4 * page, MREMAP_MAYMOVE, 0, 0);
    row_load("a guard after mremap", moved);
    unmap(moved, 4 * page);
    u8 *fresh = map(moved, page, RW, ANON | MAP_FIXED, -1, 0);
    row_load("a new mapping has none", fresh);
}

int main(void)
{
    catch_faults();
    arguments();
    dropping();
    punching();
    reclaiming();
    populating();
    forking();
    splitting();
    guards();
    return 0;
}
