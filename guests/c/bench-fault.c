/* bench-fault: what memory management costs. Usage: bench-fault MODE OPERATIONS. Only the accesses or calls under test
   are timed; mapping and unmapping around them is not. The checksum goes to standard output, operations and
   nanoseconds to standard error. Modes:
     zero       first write to an anonymous page
     file       first read of each page of a private mapping of a file in the page cache, in order
     file-far   the same, one page in each 256 KiB, so that mapping the pages around a fault does not help
     cow        first write to a page of a private mapping of such a file
     mmap       a pair of mmap and munmap of 16 pages, untouched
     mprotect   one page in the middle of 16, made read-only or read-write again
     call       a system call that does next to nothing: getppid */
#include "guest.h"
#include "clock.h"

enum { CHUNK = 1024, FAR = 256 << 10 };

static u64 sum;

/* Reads or writes every step bytes of the mapping and says how long that took. */
static u64 touch(u8 *at, u64 bytes, u64 step, int write)
{
    u64 start = now();
    if (write)
        for (u64 i = 0; i < bytes; i += step) store(at + i, 1);
    else
        for (u64 i = 0; i < bytes; i += step) sum += load(at + i);
    return now() - start;
}

/* Mapping after mapping of the file (or of nothing), each touched once, until there were enough operations. */
static u64 faults(u64 operations, int fd, u64 bytes, u64 step, int write)
{
    u64 elapsed = 0;
    while (operations) {
        u64 here = bytes / step;
        if (here > operations) here = operations;
        u8 *at = map(0, bytes, write ? RW : PROT_READ, fd < 0 ? ANON : MAP_PRIVATE, fd, 0);
        elapsed += touch(at, here * step, step, write);
        if (write) sum += load(at) + load(at + (here - 1) * step);
        SYS(munmap, at, bytes, 0, 0, 0, 0);
        operations -= here;
    }
    return elapsed;
}

/* A file whose pages are all in the page cache. */
static int cached_file(u64 bytes)
{
    static u8 block[16384];
    int fd = unnamed_file();
    for (u64 i = 0; i < sizeof block; i++) block[i] = 1;
    for (u64 i = 0; i < bytes; i += sizeof block) SYS(pwrite64, fd, block, sizeof block, i, 0, 0);
    return fd;
}

static u64 map_pairs(u64 operations)
{
    u64 start = now();
    for (u64 i = 0; i < operations; i++) {
        u8 *at = map(0, 16 * page, RW, ANON, -1, 0);
        sum += SYS(munmap, at, 16 * page, 0, 0, 0, 0) == 0;
    }
    return now() - start;
}

static u64 protects(u64 operations)
{
    u8 *at = map_anon(16);
    for (u64 i = 0; i < 16; i++) store(at + i * page, 1);
    u64 start = now();
    for (u64 i = 0; i < operations; i++)
        sum += SYS(mprotect, at + 8 * page, page, i & 1 ? RW : PROT_READ, 0, 0, 0) == 0;
    return now() - start;
}

static u64 calls(u64 operations)
{
    u64 start = now();
    for (u64 i = 0; i < operations; i++) sum += SYS(getppid, 0, 0, 0, 0, 0, 0) >= 0;
    return now() - start;
}

int main(int argc, char **argv)
{
    u64 operations = argc == 3 ? whole_number(argv[2]) : 0, elapsed;
    const char *mode = argc == 3 ? argv[1] : "";
    if (operations && equal(mode, "zero"))
        elapsed = faults(operations, -1, CHUNK * page, page, 1);
    else if (operations && equal(mode, "file"))
        elapsed = faults(operations, cached_file(CHUNK * page), CHUNK * page, page, 0);
    else if (operations && equal(mode, "file-far"))
        elapsed = faults(operations, cached_file(64 * FAR), 64 * FAR, FAR, 0);
    else if (operations && equal(mode, "cow"))
        elapsed = faults(operations, cached_file(CHUNK * page), CHUNK * page, page, 1);
    else if (operations && equal(mode, "mmap"))
        elapsed = map_pairs(operations);
    else if (operations && equal(mode, "mprotect"))
        elapsed = protects(operations);
    else if (operations && equal(mode, "call"))
        elapsed = calls(operations);
    else
        die(2, "bench-fault", "usage: bench-fault zero|file|file-far|cow|mmap|mprotect|call OPERATIONS");
    put(mode);
    put(" ");
    put_number((i64)operations);
    put(" operations: ");
    put_number((i64)sum);
    put("\n");
    tell_time(operations, elapsed);
    return 0;
}
