/* calls-limits: brk(2), the limits of setrlimit(2), overcommit, stacks, truncation under a mapping, clear_refs, and what fork(2)
   and memfd_create(2) do with memory. A line a rule of the checklist. */
#include "memory.h"

static i64 brk_to(i64 to) { return SYS(brk, to, 0, 0, 0, 0, 0); }

static void breaks(void)
{
    i64 start = brk_to(0);
    row("brk below the start", brk_to(1) == start);
    row("byte granular", brk_to(start + 5) == start + 5);
    i64 top = (start + (i64)page) / (i64)page * (i64)page;
    row("grows", brk_to(top + 4 * (i64)page) == top + 4 * (i64)page);
    store((u8 *)top + 2 * page, 9);
    row("shrinks", brk_to(top) == top);
    row("what was given back", readable((u8 *)top + 2 * page));
    row("grows again", brk_to(top + 4 * (i64)page) == top + 4 * (i64)page);
    row_load("reads as zeros", (u8 *)top + 2 * page);
    map((u8 *)top + 64 * page, page, RW, ANON | MAP_FIXED, -1, 0);
    row("into a mapping", brk_to(top + 65 * (i64)page) == top + 4 * (i64)page);
    row("beyond user space", brk_to((i64)BEYOND) == top + 4 * (i64)page);
    IN_CHILD({
        row("a child inherits it", brk_to(0) == top + 4 * (i64)page);
        limit(RLIMIT_DATA, page);
        row("over RLIMIT_DATA", brk_to(top + 8 * (i64)page) == top + 4 * (i64)page);
    });
    IN_CHILD({
        limit(RLIMIT_AS, page);
        row("over RLIMIT_AS", brk_to(top + 8 * (i64)page) == top + 4 * (i64)page);
    });
}

static void address_space(void)
{
    limit(RLIMIT_AS, 64 << 20);
    row_at("RLIMIT_AS", mmap6(0, 65 << 20, RW, ANON, -1, 0));
    row_at("PROT_NONE counts", mmap6(0, 65 << 20, PROT_NONE, ANON, -1, 0));
    row_at("shared counts", mmap6(0, 65 << 20, RW, MAP_SHARED | MAP_ANON, -1, 0));
    u8 *at = (u8 *)row_at("within it", mmap6(0, 32 << 20, PROT_NONE, ANON, -1, 0));
    row_at("what is replaced does not count", mmap6(at, 32 << 20, RW, ANON | MAP_FIXED, -1, 0));
    row_at("together over it", mmap6(0, 40 << 20, PROT_NONE, ANON, -1, 0));
}

static void data(void)
{
    limit(RLIMIT_DATA, 16 << 20);
    row_at("RLIMIT_DATA", mmap6(0, 17 << 20, RW, ANON, -1, 0));
    u8 *at = (u8 *)row_at("read-only does not count", mmap6(0, 17 << 20, PROT_READ, ANON, -1, 0));
    row("until it is made writable", protect(at, 17 << 20, RW));
    row_at("shared does not count", mmap6(0, 17 << 20, RW, MAP_SHARED | MAP_ANON, -1, 0));
    row_at("stacks do not count", mmap6(0, 17 << 20, RW, ANON | MAP_GROWSDOWN, -1, 0));
    row_at("private file memory counts", mmap6(0, 17 << 20, RW, MAP_PRIVATE, numbered_file(1), 0));
}

static void stacks(void)
{
    u8 *area = room(2048);
    unmap(area, 2048 * page);
    u8 *top = area + 2000 * page;
    map(top, page, RW, ANON | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
    limit(RLIMIT_STACK, 100 * page);
    row_store("down to RLIMIT_STACK", top - 99 * page);
    row_store("a page below", top - 100 * page);
    limit(RLIMIT_STACK, 200 * page);
    row_store("the same with a higher limit", top - 100 * page);
    limit(RLIMIT_AS, page);
    row_store("over RLIMIT_AS", top - 110 * page);
}

static void overcommit(void)
{
    /* One terabyte is more than the RAM and swap of any machine that runs this. */
    u64 huge = 1ul << 40;
    row_at("more than RAM and swap", mmap6(0, huge, RW, ANON, -1, 0));
    row_at("with NORESERVE", mmap6(0, huge, RW, ANON | MAP_NORESERVE, -1, 0));
    u8 *none = (u8 *)row_at("PROT_NONE", mmap6(0, huge, PROT_NONE, ANON, -1, 0));
    row("made writable", protect(none, huge, RW));
    row_at("shared", mmap6(0, huge, RW, MAP_SHARED | MAP_ANON, -1, 0));
    row_at("shared with NORESERVE", mmap6(0, huge, RW, MAP_SHARED | MAP_ANON | MAP_NORESERVE, -1, 0));
    row("brk", brk_to(brk_to(0) + (i64)huge) == brk_to(0));
    row("mremap", SYS(mremap, map_anon(1), page, huge, MREMAP_MAYMOVE, 0, 0));
    row("overcommit_memory", figure("/proc/sys/vm/overcommit_memory", ""));
    i64 before = figure("/proc/self/status", "VmSize");
    u8 *at = map(0, 8 << 20, RW, ANON, -1, 0);
    row("VmSize tells", figure("/proc/self/status", "VmSize") - before);
    unmap(at, 8 << 20);
    row("CommitLimit is told", figure("/proc/meminfo", "CommitLimit") > 0);
    row("Committed_AS is told", figure("/proc/meminfo", "Committed_AS") > 0);
}

static void truncation(void)
{
    int fd = numbered_file(4);
    u8 *shared = map(0, 4 * page, RW, MAP_SHARED, fd, 0), *private = map(0, 4 * page, RW, MAP_PRIVATE, fd, 0);
    store(private + 3 * page, 99);
    row_load("a private copy", private + 3 * page);
    row("truncate", SYS(ftruncate, fd, page + 8, 0, 0, 0, 0));
    row_load("shared, in the file", shared + page);
    row_load("shared, past the end", shared + 2 * page);
    row_load("private, past the end", private + 2 * page);
    row_load("even what was copied", private + 3 * page);
    row("a call's use", readable(shared + 2 * page));
    row("extend", SYS(ftruncate, fd, 4 * page, 0, 0, 0, 0));
    row_load("shared again", shared + 2 * page);
    row_load("private again", private + 3 * page);
    u8 byte = 55;
    SYS(pwrite64, fd, &byte, 1, 2 * page, 0, 0);
    row_load("a write to the file, shared", shared + 2 * page);
    row_load("and private, not copied", private + 2 * page);
    row_load("past the end in the last page", (SYS(ftruncate, fd, page + 8, 0, 0, 0, 0), shared + page + 8));
    row_store("can be written", shared + page + 8);
}

static void clearing(void)
{
    u8 *at = map_anon(1);
    store(at, 1);
    int fd = (int)SYS(openat, AT_FDCWD, "/proc/self/clear_refs", O_WRONLY, 0, 0, 0);
    row("clear_refs opens", fd >= 0);
    row("clear_refs 1", SYS(write, fd, "1", 1, 0, 0, 0));
    row("clear_refs 2", SYS(write, fd, "2", 1, 0, 0, 0));
    row("clear_refs 3", SYS(write, fd, "3", 1, 0, 0, 0));
    row("clear_refs 5", SYS(write, fd, "5", 1, 0, 0, 0));
    row("clear_refs 0", SYS(write, fd, "0", 1, 0, 0, 0));
    row("clear_refs 9", SYS(write, fd, "9", 1, 0, 0, 0));
    row("clear_refs text", SYS(write, fd, "x", 1, 0, 0, 0));
    row_load("memory is as it was", at);
}

static void forks(void)
{
    u8 *private = map_anon(1), *shared = map(0, page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    store(private, 1);
    store(shared, 1);
    IN_CHILD({
        store(private, 2);
        store(shared, 2);
        row_load("the child's private", private);
    });
    row_load("the parent's private", private);
    row_load("the parent's shared", shared);
    u64 vm = 0x100;
    u64 sighand = 0x800;
    u64 thread = 0x10000;
    row("SIGHAND without VM", SYS(clone, sighand | SIGCHLD, 0, 0, 0, 0, 0));
    row("THREAD without SIGHAND", SYS(clone, thread | vm, 0, 0, 0, 0, 0));
}

static void memory_files(void)
{
    static char name[260];
    memset(name, 'n', 250);
    row("memfd name of 250", SYS(memfd_create, name, 0, 0, 0, 0, 0));
    name[249] = 0;
    row_at("memfd name of 249", SYS(memfd_create, name, 0, 0, 0, 0, 0));
    row("memfd unknown flag", SYS(memfd_create, "x", 0x400, 0, 0, 0, 0));
    row("memfd bad pointer", SYS(memfd_create, 8, 0, 0, 0, 0, 0));
}

int main(void)
{
    catch_faults();
    breaks();
    IN_CHILD(address_space());
    IN_CHILD(data());
    IN_CHILD(stacks());
    IN_CHILD(overcommit());
    truncation();
    clearing();
    forks();
    memory_files();
    return 0;
}
