/* calls-mmap: mmap(2), munmap(2) and mprotect(2), a line a rule of the checklist. */
#include "memory.h"

static int opened(int flags)
{
    static const char path[] = "/tmp/pagewalk-calls-mmap";
    int fd = (int)SYS(openat, AT_FDCWD, path, O_RDWR | O_CREAT, 0666, 0, 0);
    SYS(ftruncate, fd, 4 * page, 0, 0, 0, 0);
    SYS(close, fd, 0, 0, 0, 0, 0);
    fd = (int)SYS(openat, AT_FDCWD, path, flags, 0, 0, 0);
    SYS(unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
    return fd;
}

static void arguments(void)
{
    int fd = numbered_file(4);
    row_at("length 0", mmap6(0, 0, RW, ANON, -1, 0));
    row_at("length that rounds to 0", mmap6(0, ~0ul, RW, ANON, -1, 0));
    row_at("length beyond user space", mmap6(0, HUGE_LENGTH, PROT_NONE, ANON, -1, 0));
    row_at("offset unaligned", mmap6(0, page, RW, MAP_PRIVATE, fd, 512));
    row_at("offset unaligned, anonymous", mmap6(0, page, RW, ANON, -1, 512));
    row_at("offset unaligned, bad descriptor", mmap6(0, page, RW, MAP_PRIVATE, -1, 512));
    row_at("bad descriptor", mmap6(0, page, RW, MAP_PRIVATE, -1, 0));
    row_at("bad descriptor, length 0", mmap6(0, 0, RW, MAP_PRIVATE, -1, 0));
    row_at("offset and length overflow", mmap6(0, 2 * page, RW, MAP_PRIVATE, fd, -page));
    row_at("offset negative", mmap6(0, page, RW, MAP_PRIVATE, fd, 1ul << 63));
    row_at("neither shared nor private", mmap6(0, page, RW, MAP_ANON, -1, 0));
    row_at("neither shared nor private, file", mmap6(0, page, RW, 0, fd, 0));
    row_at("unknown protection bits", mmap6(0, page, RW | 0x400000, ANON, -1, 0));
    row_at("unknown flag bits", mmap6(0, page, RW, ANON | 0x8000000, -1, 0));
    row_at("PROT_GROWSDOWN", mmap6(0, page, RW | PROT_GROWSDOWN, ANON, -1, 0));
}

static void types(void)
{
    int fd = numbered_file(4);
    row_at("SHARED_VALIDATE anonymous", mmap6(0, page, RW, MAP_SHARED_VALIDATE | MAP_ANON, -1, 0));
    row_at("SHARED_VALIDATE file", mmap6(0, page, RW, MAP_SHARED_VALIDATE, fd, 0));
    row_at("SHARED_VALIDATE unknown flag", mmap6(0, page, RW, MAP_SHARED_VALIDATE | 0x8000000, fd, 0));
    row_at("SHARED_VALIDATE MAP_SYNC", mmap6(0, page, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
    row_at("MAP_SHARED MAP_SYNC", mmap6(0, page, RW, MAP_SHARED | MAP_SYNC, fd, 0));
    row_at("DROPPABLE", mmap6(0, page, RW, MAP_DROPPABLE | MAP_ANON, -1, 0));
    row_at("DROPPABLE LOCKED", mmap6(0, page, RW, MAP_DROPPABLE | MAP_ANON | MAP_LOCKED, -1, 0));
    row_at("DROPPABLE GROWSDOWN", mmap6(0, page, RW, MAP_DROPPABLE | MAP_ANON | MAP_GROWSDOWN, -1, 0));
    row_at("GROWSDOWN file", mmap6(0, page, RW, MAP_PRIVATE | MAP_GROWSDOWN, fd, 0));
    row_at("GROWSDOWN shared", mmap6(0, page, RW, MAP_SHARED | MAP_ANON | MAP_GROWSDOWN, -1, 0));
    row_at("GROWSDOWN private", mmap6(0, page, RW, ANON | MAP_GROWSDOWN, -1, 0));
    row_at("HUGETLB file", mmap6(0, page, RW, MAP_PRIVATE | MAP_HUGETLB, fd, 0));
    row_at("HUGETLB unknown size", mmap6(0, page, RW, ANON | MAP_HUGETLB | (13u << 26), -1, 0));
    row_at("NORESERVE", mmap6(0, page, RW, ANON | MAP_NORESERVE, -1, 0));
}

static void files(void)
{
    int wronly = opened(O_WRONLY), rdonly = opened(O_RDONLY), append = opened(O_RDWR | O_APPEND), ends[2];
    int folder = (int)SYS(openat, AT_FDCWD, "/", O_RDONLY, 0, 0, 0);
    SYS(pipe2, ends, 0, 0, 0, 0, 0);
    row_at("O_WRONLY, PROT_NONE", mmap6(0, page, PROT_NONE, MAP_PRIVATE, wronly, 0));
    row_at("O_WRONLY, shared write", mmap6(0, page, PROT_WRITE, MAP_SHARED, wronly, 0));
    row_at("O_RDONLY, shared write", mmap6(0, page, RW, MAP_SHARED, rdonly, 0));
    row_at("O_RDONLY, private write", mmap6(0, page, RW, MAP_PRIVATE, rdonly, 0));
    row_at("O_APPEND, shared write", mmap6(0, page, RW, MAP_SHARED, append, 0));
    row_at("a directory", mmap6(0, page, PROT_READ, MAP_PRIVATE, folder, 0));
    row_at("a pipe", mmap6(0, page, PROT_READ, MAP_PRIVATE, ends[0], 0));
    i64 at = row_at("O_RDONLY, shared read", mmap6(0, page, PROT_READ, MAP_SHARED, rdonly, 0));
    row("and mprotect write", protect((u8 *)at, page, RW));
    int fd = numbered_file(4);
    u8 *longer = (u8 *)row_at("longer than the file", mmap6(0, 8 * page, RW, MAP_SHARED, fd, 0));
    row_load("its last page", longer + 3 * page);
    row_load("the page past the end", longer + 4 * page);
    u8 *past = (u8 *)row_at("wholly past the end", mmap6(0, page, RW, MAP_PRIVATE, fd, 16 * page));
    row_load("a read there", past);
}

static void places(void)
{
    u8 *area = room(16);
    row_at("FIXED unaligned", mmap6(area + 1, page, RW, ANON | MAP_FIXED, -1, 0));
    row_at("FIXED above user space", mmap6((u8 *)BEYOND, page, RW, ANON | MAP_FIXED, -1, 0));
    row("FIXED in place", mmap6(area + page, page, RW, ANON | MAP_FIXED, -1, 0) == (i64)(area + page));
    unmap(area + 4 * page, 4 * page);
    row("hint taken", mmap6(area + 5 * page, page, RW, ANON, -1, 0) == (i64)(area + 5 * page));
    row("hint unaligned is rounded", mmap6(area + 6 * page + 1, page, RW, ANON, -1, 0) == (i64)(area + 6 * page));
    i64 other = row_at("hint that is taken", mmap6(area + 5 * page, page, RW, ANON, -1, 0));
    row("and another place", other != (i64)(area + 5 * page));
    store(area + 5 * page, 7);
    row_at("NOREPLACE over", mmap6(area + 5 * page, page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    row_at("NOREPLACE partly over", mmap6(area + 4 * page, 2 * page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    row_load("and nothing changed", area + 5 * page);
    row_at("NOREPLACE unaligned", mmap6(area + 4 * page + 1, page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    i64 at = mmap6(area + 4 * page, page, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
    row("NOREPLACE in a free place", at == (i64)(area + 4 * page));
    u8 *first = (u8 *)mmap6(area + 12 * page, page, RW, ANON | MAP_FIXED, -1, 0);
    mmap6(first + page, page, RW, ANON | MAP_FIXED, -1, 0);
    row("equal neighbours are one mapping", (i64)map_lines((u64)first, (u64)first + 2 * page));
    IN_CHILD({
        become_nobody();
        row_at("FIXED below mmap_min_addr without rights", mmap6(0, page, RW, ANON | MAP_FIXED, -1, 0));
    });
}

static u8 seen[64];
static i64 resident(u8 *at, u64 pages)
{
    i64 count = 0;
    if (SYS(mincore, at, pages * page, seen, 0, 0, 0) != 0) return -1;
    for (u64 i = 0; i < pages; i++) count += seen[i] & 1;
    return count;
}

static void prefault(void)
{
    row("untouched", resident(map_anon(8), 8));
    row("POPULATE", resident(map(0, 8 * page, RW, ANON | MAP_POPULATE, -1, 0), 8));
    row("POPULATE NONBLOCK", resident(map(0, 8 * page, RW, ANON | MAP_POPULATE | MAP_NONBLOCK, -1, 0), 8));
    row("LOCKED", resident(map(0, 2 * page, RW, ANON | MAP_LOCKED, -1, 0), 2));
    row("POPULATE shared", resident(map(0, 8 * page, RW, MAP_SHARED | MAP_ANON | MAP_POPULATE, -1, 0), 8));
    int fd = numbered_file(2);
    row_at("POPULATE past the end is silent", mmap6(0, 4 * page, RW, MAP_SHARED | MAP_POPULATE, fd, 0));
    row_at("POPULATE without rights is silent", mmap6(0, page, PROT_NONE, ANON | MAP_POPULATE, -1, 0));
}

static void unmapping(void)
{
    u8 *area = room(16);
    row("munmap unaligned", unmap(area + 1, page));
    row("munmap length 0", unmap(area, 0));
    row("munmap length that wraps", unmap(area, ~0ul));
    row("munmap above user space", unmap((u8 *)BEYOND, page));
    row("munmap beyond user space", unmap(area, HUGE_LENGTH));
    row("munmap one byte", unmap(area + 5 * page, 1));
    row("takes the whole page", readable(area + 5 * page));
    row("munmap of nothing", unmap(area + 5 * page, page));
    row("munmap over a hole", unmap(area + 4 * page, 3 * page));
    u8 *five = map(area + 8 * page, 5 * page, RW, ANON | MAP_FIXED, -1, 0);
    unmap(five + page, page);
    unmap(five + 3 * page, page);
    row("two holes in five pages", (i64)map_lines((u64)five, (u64)five + 5 * page));
}

static void protecting(void)
{
    u8 *at = map(room(8) + page, 6 * page, RW, ANON | MAP_FIXED, -1, 0);
    row("mprotect both directions", protect(at, page, RW | PROT_GROWSDOWN | PROT_GROWSUP));
    row("mprotect unaligned", protect(at + 1, page, RW));
    row("mprotect length 0", protect(at, 0, RW));
    row("mprotect wraps", protect(at, ~0ul - 2 * page, RW));
    row("mprotect unknown bits", protect(at, page, RW | 0x400000));
    row("mprotect GROWSDOWN of no stack", protect(at, page, RW | PROT_GROWSDOWN));
    unmap(at + 2 * page, page);
    row("mprotect over a hole", protect(at, 4 * page, PROT_READ));
    row_store("the part before the hole", at + page);
    row_store("the part after the hole", at + 3 * page);
    row("mprotect length 0 of nothing", protect(at + 2 * page, 0, RW));
    row("mprotect of nothing", protect(at + 2 * page, page, RW));
    u8 *merge = map(room(8) + page, 6 * page, RW, ANON | MAP_FIXED, -1, 0);
    row("mprotect of the middle", protect(merge + 2 * page, page, PROT_READ));
    row("lines", (i64)map_lines((u64)merge, (u64)merge + 6 * page));
    row("mprotect back", protect(merge + 2 * page, page, RW));
    row("lines again", (i64)map_lines((u64)merge, (u64)merge + 6 * page));
    row("to PROT_NONE", protect(merge, page, PROT_NONE));
    row_load("a read of PROT_NONE", merge);
    row("write only", protect(merge + page, page, PROT_WRITE));
    row_load("can be read", merge + page);
}

static void stacks(void)
{
    u8 *area = room(1024);
    unmap(area, 1024 * page);
    u8 *stack = map(area + 1000 * page, page, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    row_store("GROWSDOWN grows on a touch", stack - page);
    row_store("and further", stack - 4 * page);
    row("mprotect GROWSDOWN of a stack", protect(stack, page, RW | PROT_GROWSDOWN));
    /* From the upper page on: the guard gap is kept from what can be accessed. */
    map(stack - 300 * page, page, RW, ANON | MAP_FIXED, -1, 0);
    row_store("256 pages above a neighbour", stack - 43 * page);
    row_store("255 pages above a neighbour", stack - 44 * page);
    protect(stack - 300 * page, page, PROT_NONE);
    row_store("the same above PROT_NONE", stack - 44 * page);
}

int main(void)
{
    catch_faults();
    arguments();
    types();
    files();
    places();
    prefault();
    unmapping();
    protecting();
    stacks();
    return 0;
}
