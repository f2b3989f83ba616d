/* map-split: munmap, mprotect and mmap split and merge mappings as Linux does; /proc/self/maps shows one line each. */
#include "guest.h"

static u8 *area;

static void lines(const char *what) { report(what, (i64)map_lines((u64)area, (u64)area + 16 * page)); }
static i64 protect(u64 from, u64 to, int prot)
{
    return SYS(mprotect, area + from * page, (to - from) * page, prot, 0, 0, 0);
}
static i64 unmap(u64 from, u64 to) { return SYS(munmap, area + from * page, (to - from) * page, 0, 0, 0, 0); }
static u8 *fixed(u64 from, u64 to, int prot, int flags, int fd, u64 offset)
{
    return map(area + from * page, (to - from) * page, prot, flags | MAP_FIXED, fd, offset * page);
}

static void anonymous(void)
{
    lines("a reservation");
    report("mprotect 4..12 read-write", protect(4, 12, RW));
    lines("lines");
    report("mprotect 6..8 read-only", protect(6, 8, PROT_READ));
    lines("lines");
    report("mprotect 6..8 read-write again", protect(6, 8, RW));
    lines("lines");
    report("munmap 7..8", unmap(7, 8));
    lines("lines");
    report("munmap 5..10, over the hole", unmap(5, 10));
    lines("lines");
    fixed(5, 10, RW, ANON, -1, 0);
    lines("mapped again 5..10");
    fixed(6, 7, RW, MAP_SHARED | MAP_ANON, -1, 0);
    lines("6..7 shared");
    fixed(6, 7, RW, ANON, -1, 0);
    lines("6..7 private again");
    report("munmap 8..9", unmap(8, 9));
    report("mprotect 4..12 read-only, over a hole", protect(4, 12, PROT_READ));
    lines("lines: only the part before the hole changed");
    report("munmap of nothing", unmap(8, 9));
    report("munmap of one byte", SYS(munmap, area + 9 * page, 1, 0, 0, 0, 0));
    report("munmap unaligned", SYS(munmap, area + 1, page, 0, 0, 0, 0));
    report("munmap of length 0", SYS(munmap, area, 0, 0, 0, 0, 0));
    lines("lines");
}

static void file(void)
{
    int fd = numbered_file(8);
    fixed(0, 16, PROT_NONE, ANON, -1, 0);
    lines("one reservation again");
    fixed(2, 4, PROT_READ, MAP_PRIVATE, fd, 0);
    fixed(4, 6, PROT_READ, MAP_PRIVATE, fd, 2);
    lines("two file mappings that continue each other");
    fixed(6, 8, PROT_READ, MAP_PRIVATE, fd, 6);
    lines("one more that does not");
    fixed(4, 5, PROT_READ, MAP_PRIVATE, fd, 0);
    lines("another page in the middle");
    report("page 3 shows the file's page", load(area + 3 * page));
    report("page 4 shows the file's page", load(area + 4 * page));
    report("page 5 shows the file's page", load(area + 5 * page));
    report("page 6 shows the file's page", load(area + 6 * page));
}

int main(void)
{
    area = map(0, 16 * page, PROT_NONE, ANON, -1, 0);
    anonymous();
    file();
    return 0;
}
