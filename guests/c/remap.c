/* remap: mremap(2) shrinks, grows, and moves; the content goes along and what is new reads as zeros. */
#include "guest.h"

static i64 remap(u8 *at, u64 from, u64 to, u64 flags, u8 *target)
{
    return SYS(mremap, at, from * page, to * page, flags, target, 0);
}
static void fill(u8 *at, u64 pages)
{
    for (u64 i = 0; i < pages; i++) store(at + i * page, (u8)(i + 1));
}
static void show(const char *what, const u8 *at, u64 pages)
{
    put(what);
    put(":");
    for (u64 i = 0; i < pages; i++) {
        put(" ");
        put_number(load(at + i * page));
    }
    put("\n");
}

int main(void)
{
    u8 *area = map(0, 32 * page, PROT_NONE, ANON, -1, 0);
    u8 *at = map(area, 4 * page, RW, ANON | MAP_FIXED, -1, 0);
    fill(at, 4);
    check("shrinks to two pages in place", remap(at, 4, 2, 0, 0) == (i64)at);
    show("content", at, 2);
    report("what was cut off", readable(at + 2 * page));
    check("grows to four in place", remap(at, 2, 4, 0, 0) == (i64)at);
    show("content", at, 4);
    report("growing into a neighbour", remap(at, 4, 8, 0, 0));
    i64 moved = remap(at, 4, 8, MREMAP_MAYMOVE, 0);
    check("moves when it may", moved > 0 && moved != (i64)at);
    show("content", (u8 *)moved, 8);
    report("where it was", readable(at));
    u8 *target = area + 16 * page;
    check("moves to a given place", remap((u8 *)moved, 8, 3, MREMAP_MAYMOVE | MREMAP_FIXED, target) == (i64)target);
    show("content", target, 3);
    report("where it was", readable((u8 *)moved));
    store(target + 2 * page, 99);
    show("after a write", target, 3);
    report("new length 0", remap(target, 3, 0, 0, 0));
    report("an unknown flag", remap(target, 3, 3, 64, 0));
    report("a fixed place without the right to move", remap(target, 3, 3, MREMAP_FIXED, area));
    report("a place that overlaps", remap(target, 3, 3, MREMAP_MAYMOVE | MREMAP_FIXED, target + page));
    report("nothing there", remap(at, 1, 2, MREMAP_MAYMOVE, 0));
    report("unaligned", SYS(mremap, target + 1, page, page, 0, 0, 0));
    report("private, old length 0", remap(target, 0, 1, MREMAP_MAYMOVE, 0));
    int fd = numbered_file(4);
    u8 *shared = map(0, 2 * page, RW, MAP_SHARED, fd, 0);
    i64 longer = remap(shared, 2, 4, MREMAP_MAYMOVE, 0);
    check("a file mapping grows", longer > 0);
    show("the file's pages", (u8 *)longer, 4);
    return 0;
}
