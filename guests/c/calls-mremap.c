/* calls-mremap: mremap(2) in all its forms, a line a rule of the checklist. */
#include "memory.h"

static i64 remap(const u8 *at, u64 from, u64 to, u64 flags, const u8 *target)
{
    return SYS(mremap, at, from * page, to * page, flags, target, 0);
}
static u8 *fixed(u8 *at, u64 pages, u64 flags, int fd) { return map(at, pages * page, RW, flags | MAP_FIXED, fd, 0); }
enum { MAY = MREMAP_MAYMOVE, THERE = MREMAP_MAYMOVE | MREMAP_FIXED, KEEP = MREMAP_MAYMOVE | MREMAP_DONTUNMAP };

static void arguments(void)
{
    u8 *area = room(32), *at = fixed(area, 4, ANON, -1);
    number_pages(at, 4);
    row("unknown flag", remap(at, 4, 4, 64, 0));
    row("FIXED without MAYMOVE", remap(at, 4, 4, MREMAP_FIXED, area + 16 * page));
    row("DONTUNMAP without MAYMOVE", remap(at, 4, 4, MREMAP_DONTUNMAP, 0));
    row("DONTUNMAP with another size", remap(at, 4, 5, KEEP, 0));
    row("old address unaligned", remap(at + 1, 4, 4, 0, 0));
    row("new length 0", remap(at, 4, 0, 0, 0));
    row("old address not mapped", SYS(mremap, BEYOND, page, 2 * page, MAY, 0, 0));
    row("FIXED new address unaligned", remap(at, 4, 4, THERE, area + 16 * page + 1));
    row("FIXED overlapping", remap(at, 4, 4, THERE, at + 2 * page));
    row("FIXED above user space", remap(at, 4, 4, THERE, (u8 *)BEYOND));
    row("huge new length", SYS(mremap, at, page, HUGE_LENGTH, MAY, 0, 0));
    row("old length 0, private", remap(at, 0, 1, MAY, 0));
    row_load("nothing happened", at + 3 * page);
}

static void sizes(void)
{
    u8 *area = room(64), *at = fixed(area, 4, ANON, -1);
    number_pages(at, 4);
    row("the same size", remap(at, 4, 4, 0, 0) == (i64)at);
    row("shrinks in place", remap(at, 4, 2, 0, 0) == (i64)at);
    row("the tail", readable(at + 2 * page));
    row("grows in place", remap(at, 2, 4, 0, 0) == (i64)at);
    row_load("what is new reads as zeros", at + 3 * page);
    row("grows into a neighbour", remap(at, 4, 8, 0, 0));
    u8 *moved = (u8 *)row_at("grows when it may move", remap(at, 4, 8, MAY, 0));
    row_load("its content", moved + page);
    row("the old place", readable(at));
    u8 *holes = fixed(area + 16 * page, 8, ANON, -1);
    unmap(holes + 3 * page, page);
    row("grows over a hole", remap(holes, 8, 10, MAY, 0));
    row("shrinks over a hole", remap(holes, 8, 2, 0, 0) == (i64)holes);
    u8 *two = fixed(area + 32 * page, 4, ANON, -1);
    protect(two + 2 * page, 2 * page, PROT_READ);
    row("two mappings, the same size", remap(two, 4, 4, 0, 0) == (i64)two);
    row("two mappings, larger", remap(two, 4, 5, MAY, 0));
    u8 *into = area + 48 * page;
    row("two mappings, FIXED and the same size", remap(two, 4, 4, THERE, into) == (i64)into);
    row("their mappings", (i64)map_lines((u64)into, (u64)into + 4 * page));
}

static void fixed_places(void)
{
    u8 *area = room(64), *at = fixed(area, 4, ANON, -1), *target = area + 16 * page;
    number_pages(at, 4);
    row("FIXED", remap(at, 4, 4, THERE, target) == (i64)target);
    row_load("its content", target + 3 * page);
    row("the old place", readable(at));
    row("FIXED and smaller", remap(target, 4, 2, THERE, area) == (i64)area);
    row_load("its content", area + page);
    row("FIXED and larger", remap(area, 2, 6, THERE, target) == (i64)target);
    row_load("its content", target + page);
    row_load("what is new", target + 5 * page);
    row("takes the place of what was there", readable(target + 5 * page));
}

static void kept(void)
{
    u8 *at = map_anon(2);
    number_pages(at, 2);
    u8 *new = (u8 *)row_at("DONTUNMAP", remap(at, 2, 2, KEEP, 0));
    row_load("the new place", new + page);
    row_load("the old place", at + page);
    row_store("can be written", at + page);
    row_load("and is not the new one", new + page);
    u8 *area = room(8);
    row("DONTUNMAP FIXED", remap(new, 2, 2, KEEP | MREMAP_FIXED, area) == (i64)area);
    row_load("the place asked for", area + page);
    u8 *shared = map(0, 2 * page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    number_pages(shared, 2);
    new = (u8 *)row_at("DONTUNMAP shared", remap(shared, 2, 2, KEEP, 0));
    row_load("the new place", new + page);
    row_load("the old place", shared + page);
    u8 *file = map(0, 2 * page, RW, MAP_PRIVATE, numbered_file(2), 0);
    store(file + page, 99);
    new = (u8 *)row_at("DONTUNMAP private file", remap(file, 2, 2, KEEP, 0));
    row_load("the new place", new + page);
    row_load("the old place", file + page);
}

static void doubled(void)
{
    u8 *area = room(8), *shared = fixed(area, 2, MAP_SHARED | MAP_ANON, -1);
    number_pages(shared, 2);
    row("old length 0, shared, no move", remap(shared, 0, 2, 0, 0));
    u8 *second = (u8 *)row_at("old length 0, shared", remap(shared, 0, 2, MAY, 0));
    row_load("the second view", second + page);
    store(second, 50);
    row_load("is the same memory", shared);
}

static void limits(void)
{
    IN_CHILD({
        u8 *at = map_anon(2);
        limit(RLIMIT_AS, 1 << 26);
        row("past RLIMIT_AS", SYS(mremap, at, 2 * page, 1 << 27, MAY, 0, 0));
    });
    IN_CHILD({
        become_nobody();
        limit(RLIMIT_MEMLOCK, 4 * page);
        u8 *at = map(0, 2 * page, RW, ANON | MAP_LOCKED, -1, 0);
        row("locked past RLIMIT_MEMLOCK", remap(at, 2, 8, MAY, 0));
        row_at("locked within it", remap(at, 2, 4, MAY, 0));
    });
    IN_CHILD({
        u8 *at = map(0, 2 * page, RW, ANON | MAP_LOCKED, -1, 0);
        u8 *new = (u8 *)row_at("DONTUNMAP locked", remap(at, 2, 2, KEEP, 0));
        row("the new place is locked", SYS(madvise, new, page, MADV_DONTNEED, 0, 0, 0));
        row("the old place is not", SYS(madvise, at, page, MADV_DONTNEED, 0, 0, 0));
    });
}

int main(void)
{
    catch_faults();
    arguments();
    sizes();
    fixed_places();
    kept();
    doubled();
    limits();
    return 0;
}
