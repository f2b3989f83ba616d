/* What memory management costs beyond single faults, for cargo xtask bench mm. Usage: bench-mm MODE A [B]. Modes:
     fork MIB         fork and exit of a child with MIB resident in the parent; per fork
     CALL VMAS        CALL is mmap, munmap, mprotect or madvise, among VMAS mappings of other protections; per call
     swap-in MIB      the second pass over memory that the first pass filled, in order; per page that is read
   The checksum goes to standard output, operations and nanoseconds to standard error. */
#include "guest.h"
#include "clock.h"

static u64 sum;

static u64 forks(u64 mib, u64 *operations)
{
    u64 bytes = mib << 20, count = 20, elapsed = 0;
    u8 *at = map(0, bytes, RW, ANON, -1, 0);
    for (u64 i = 0; i < bytes; i += page) store(at + i, 1);
    for (u64 i = 0; i < count; i++) {
        u64 start = now();
        i64 child = fork_process();
        if (child == 0) quit(0);
        if (child < 0) die(3, "bench-mm", "fork failed");
        sum += wait_for(child) == 0;
        elapsed += now() - start;
    }
    *operations = count;
    return elapsed;
}

/* Mappings that cannot merge: every second page of one is made read-only. The calls work in the middle. */
static u64 calls(const char *call, u64 vmas, u64 *operations)
{
    u64 count = 2000, elapsed = 0;
    u8 *at = map(0, (vmas + 2) * page, RW, ANON, -1, 0);
    for (u64 i = 1; i < vmas; i += 2)
        if (SYS(mprotect, at + i * page, page, PROT_READ, 0, 0, 0)) die(3, "bench-mm", "mprotect failed");
    u8 *middle = at + (vmas / 2 & ~1ull) * page;
    for (u64 i = 0; i < count; i++) {
        u64 start;
        if (equal(call, "mprotect")) {
            start = now();
            sum += SYS(mprotect, middle, page, i & 1 ? RW : 0, 0, 0, 0) == 0;
            elapsed += now() - start;
        } else if (equal(call, "madvise")) {
            store(middle, 1);
            start = now();
            sum += SYS(madvise, middle, page, 4, 0, 0, 0) == 0;
            elapsed += now() - start;
        } else {
            int mapping = equal(call, "mmap");
            start = now();
            if (!mapping) sum += SYS(munmap, middle, page, 0, 0, 0, 0) == 0, elapsed += now() - start;
            else SYS(munmap, middle, page, 0, 0, 0, 0);
            start = now();
            sum += (u8 *)SYS(mmap, middle, page, RW, ANON | 0x10, -1, 0) == middle;
            if (mapping) elapsed += now() - start;
        }
    }
    *operations = count;
    return elapsed;
}

static u64 swaps(u64 mib, u64 *operations)
{
    u64 bytes = mib << 20;
    u8 *at = map(0, bytes, RW, ANON, -1, 0);
    u64 seed = 88172645463325252ull;
    /* Random words: neither zeros nor small when compressed. */
    for (u64 i = 0; i < bytes / 8; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        ((volatile u64 *)at)[i] = seed;
    }
    u64 start = now();
    for (u64 i = 0; i < bytes; i += page) sum += load(at + i);
    *operations = bytes / page;
    return now() - start;
}

int main(int argc, char **argv)
{
    u64 amount = argc == 3 ? whole_number(argv[2]) : 0, operations = 0, elapsed;
    if (!amount) die(2, "bench-mm", "usage: bench-mm fork|mmap|munmap|mprotect|madvise|swap-in AMOUNT");
    if (equal(argv[1], "fork")) elapsed = forks(amount, &operations);
    else if (equal(argv[1], "swap-in")) elapsed = swaps(amount, &operations);
    else elapsed = calls(argv[1], amount, &operations);
    put_number((i64)sum);
    put("\n");
    tell_time(operations, elapsed);
    return 0;
}
