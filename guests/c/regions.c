/* regions FOLDER [swap]: memory of many sorts, in this process and a forked child. Each says, a JSON object a line, what it did to
   which region and so what must be reported of it (sizes in bytes; the keys are those of `vmmap --json`). Then they wait, until
   standard input ends. With `swap` some of it is in swap, which there must be. For the tools' tests: on the machine in each page
   size, and natively on the host. */
#include "guest.h"

#if defined(__aarch64__)
enum { NR_mlock = 228, NR_pipe2 = 59 };
#else
enum { NR_mlock = 149, NR_pipe2 = 293 };
#endif

enum { O_RDONLY = 0, MADV_FREE = 8, MADV_HUGEPAGE = 14, MADV_PAGEOUT = 21, MADV_GUARD_INSTALL = 102 };

static const char *folder;

/* The next place of its own: far from everything, and not at a round address. */
static u8 *place(void)
{
    static u64 next = 0x1000000000;
    return (u8 *)((next += 1UL << 30) + 35 * page);
}
static u8 *anonymous(u64 pages, int prot) { return map(place(), pages * page, prot, ANON | MAP_FIXED, -1, 0); }
static u8 *mapped(int fd, u64 pages, int prot, int sharing)
{
    return map(place(), pages * page, prot, sharing | MAP_FIXED, fd, 0);
}
static void touch(u8 *at, u64 pages)
{
    for (u64 i = 0; i < pages; i++) store(at + i * page, 1);
}
static void look_at(const u8 *at, u64 pages)
{
    for (u64 i = 0; i < pages; i++) load(at + i * page);
}

static void text(const char *key, const char *value)
{
    put(",\"");
    put(key);
    put("\":\"");
    put(value);
    put("\"");
}
static void number(const char *key, u64 value)
{
    put(",\"");
    put(key);
    put("\":");
    put_number((i64)value);
}
static void hex(const char *key, const void *value)
{
    put(",\"");
    put(key);
    put("\":\"");
    put_hex((u64)value);
    put("\"");
}
/* The start of a line: the region of these pages. `resident`, `dirty` and `swapped` are counts of pages. */
static void swapped_region(const char *name, const u8 *at, u64 pages, const char *mode, u64 resident, u64 dirty, u64 swapped)
{
    put("{\"region\":\"");
    put(name);
    put("\"");
    number("pid", (u64)SYS(getpid, 0, 0, 0, 0, 0, 0));
    hex("start", at);
    hex("end", at + pages * page);
    put(",\"expect\":{");
    put("\"share_mode\":\"");
    put(mode);
    put("\"");
    number("swap", swapped * page);
    number("resident", resident * page);
    number("dirty", dirty * page);
}
static void region(const char *name, const u8 *at, u64 pages, const char *mode, u64 resident, u64 dirty)
{
    swapped_region(name, at, pages, mode, resident, dirty, 0);
}
static void done(void) { put("}}\n"); }
/* The rest of a line, for private memory without a file. */
static void plain(u64 volatile_pages)
{
    text("type", "VM_ALLOCATE");
    text("protection", "rw-");
    text("max_protection", "rwx");
    number("volatile", volatile_pages * page);
    done();
}
/* `pss`: 0 where it is no whole number of KiB. */
static void shared_memory(const char *detail, u64 pss)
{
    text("type", "shared memory");
    text("protection", "rw-");
    text("detail_has", detail);
    number("volatile", 0);
    if (pss) number("pss", pss);
    done();
}
static void inside(const char *name, const void *at, const char *type, const char *detail)
{
    put("{\"inside\":\"");
    put(name);
    put("\"");
    number("pid", (u64)SYS(getpid, 0, 0, 0, 0, 0, 0));
    hex("at", at);
    put(",\"expect\":{\"swap\":0");
    text("type", type);
    text("detail_has", detail);
    done();
}
static void lacks(const char *what)
{
    put("{\"lacks\":\"");
    put(what);
    put("\"}\n");
}

static int memory_file(const char *name, u64 pages)
{
    int fd = (int)SYS(memfd_create, name, 0, 0, 0, 0, 0);
    if (fd < 0 || SYS(ftruncate, fd, pages * page, 0, 0, 0, 0) != 0) die(3, "regions", "no memfd");
    return fd;
}

static char path[256];

static int open_file(const char *name, int flags)
{
    u64 at = 0;
    for (const char *s = folder; *s; s++) path[at++] = *s;
    path[at++] = '/';
    for (const char *s = name; *s; s++) path[at++] = *s;
    path[at] = 0;
    int fd = (int)SYS(openat, AT_FDCWD, path, flags, 0600, 0, 0);
    if (fd < 0) die(3, "regions", "cannot make a file in the folder");
    return fd;
}
static int new_file(const char *name, u64 pages)
{
    int fd = open_file(name, O_RDWR | O_CREAT | O_EXCL);
    static u8 full[4096];
    for (u64 at = 0; at < pages * page; at += sizeof full) SYS(pwrite64, fd, full, sizeof full, at, 0, 0);
    return fd;
}

static u8 *forked, *split, *pair, *twice[2], *together, *forked_away;

static void page_out(const u8 *at, u64 pages)
{
    if (SYS(madvise, at, pages * page, MADV_PAGEOUT, 0, 0, 0) != 0) die(3, "regions", "no MADV_PAGEOUT");
}

/* In swap before the fork, which makes a slot of two owners of each. */
static void make_swapped(void)
{
    touch(forked_away = anonymous(8, RW), 8);
    page_out(forked_away, 8);
}
static void say_swapped_common(void)
{
    swapped_region("in swap, then forked", forked_away, 8, "COW", 0, 0, 8);
    number("swap_pss", 4 * page);
    number("pss", 0);
    plain(0);
}
static void swapped_memory(void)
{
    u8 *at = anonymous(8, RW);
    touch(at, 8);
    page_out(at, 8);
    swapped_region("in swap", at, 8, "PRV", 0, 0, 8);
    number("swap_pss", 8 * page);
    plain(0);
    at = anonymous(8, RW);
    touch(at, 8);
    page_out(at, 5);
    swapped_region("in swap in part", at, 8, "PRV", 3, 3, 5);
    plain(0);
    at = anonymous(8, RW);
    touch(at, 8);
    page_out(at, 8);
    touch(at + 2 * page, 3);
    swapped_region("written again after it was in swap", at, 8, "PRV", 3, 3, 5);
    plain(0);
    /* Nothing of it is written anywhere: what was volatile is empty. */
    at = anonymous(8, RW);
    touch(at, 8);
    SYS(madvise, at, 6 * page, MADV_FREE, 0, 0, 0);
    page_out(at, 6);
    region("given back by MADV_FREE and taken", at, 8, "PRV", 2, 2);
    plain(0);
    at = mapped(-1, 8, RW, MAP_SHARED | MAP_ANON);
    touch(at, 6);
    page_out(at, 8);
    swapped_region("shared anonymous memory in swap", at, 8, "SHM", 0, 0, 6);
    shared_memory("/dev/zero", 0);
    int fd = memory_file("swapped", 8);
    at = mapped(fd, 8, RW, MAP_SHARED);
    touch(at, 7);
    page_out(at, 8);
    touch(at, 2);
    swapped_region("a memfd in swap, written again in part", at, 8, "SHM", 2, 2, 5);
    shared_memory("/memfd:swapped", 2 * page);
}

static void make_common(void)
{
    touch(forked = anonymous(16, RW), 16);
    touch(split = anonymous(16, RW), 16);
    int fd = memory_file("pair", 8);
    pair = mapped(fd, 8, RW, MAP_SHARED);
    fd = memory_file("triple", 8);
    for (int i = 0; i < 2; i++) twice[i] = mapped(fd, 8, RW, MAP_SHARED);
    together = mapped(-1, 8, RW, MAP_SHARED | MAP_ANON);
}

static void use_common(int is_child)
{
    touch(pair, 8);
    touch(together, 6);
    touch(twice[0], 6);
    if (is_child) {
        touch(split, 4);
        SYS(munmap, twice[1], 8 * page, 0, 0, 0, 0);
    } else {
        touch(twice[1], 6);
    }
}

static void say_common(int is_child)
{
    region("dirtied, then forked", forked, 16, "COW", 16, 16);
    number("pss", 8 * page);
    number("uss", 0);
    plain(0);
    region("dirtied, forked, partly written by the child", split, 16, "COW", 16, 16);
    number("pss", 10 * page);
    number("uss", 4 * page);
    plain(0);
    region("a memfd of two processes", pair, 8, "SHM", 8, 8);
    shared_memory("/memfd:pair", 4 * page);
    region("shared anonymous memory of two processes", together, 8, "SHM", 6, 6);
    shared_memory("/dev/zero", 3 * page);
    for (int i = 0; i < 2 - is_child; i++) {
        region("a memfd twice, and in another process", twice[i], 8, is_child ? "SHM" : "S/A", 6, 6);
        shared_memory("/memfd:triple", 0);
    }
}

static void anonymous_memory(void)
{
    region("untouched", anonymous(8, RW), 8, "NUL", 0, 0);
    plain(0);
    u8 *at = anonymous(8, RW);
    look_at(at, 5);
    region("zeros, only read", at, 8, "ZER", 0, 0);
    plain(0);
    at = anonymous(8, RW);
    touch(at, 3);
    look_at(at + 4 * page, 2);
    region("written in part", at, 8, "PRV", 3, 3);
    number("pss", 3 * page);
    number("uss", 3 * page);
    plain(0);
    region("reserve", anonymous(64, PROT_NONE), 64, "NUL", 0, 0);
    text("type", "VM_ALLOCATE (reserved)");
    text("protection", "---");
    text("max_protection", "rwx");
    done();
    at = anonymous(4, RW | PROT_EXEC);
    touch(at, 1);
    region("writable code", at, 4, "PRV", 1, 1);
    text("type", "JIT");
    text("protection", "rwx");
    done();
    at = anonymous(8, RW);
    if (SYS(mlock, at, 8 * page, 0, 0, 0, 0) == 0) {
        region("locked", at, 8, "PRV", 8, 8);
        number("locked", 8 * page);
        text("flags_have", "lo");
        plain(0);
    } else {
        lacks("mlock within the limit of locked memory");
    }
    /* Three regions of one mapping. */
    at = anonymous(12, RW);
    touch(at, 12);
    SYS(mprotect, at + 4 * page, 4 * page, PROT_READ, 0, 0, 0);
    region("below a protected part", at, 4, "PRV", 4, 4);
    plain(0);
    region("a protected part", at + 4 * page, 4, "PRV", 4, 4);
    text("protection", "r--");
    text("max_protection", "rwx");
    done();
    region("above a protected part", at + 8 * page, 4, "PRV", 4, 4);
    plain(0);
}

static void advised_memory(void)
{
    u8 *at = anonymous(32, RW);
    touch(at, 32);
    if (SYS(madvise, at + 4 * page, 12 * page, MADV_FREE, 0, 0, 0) == 0) {
        region("given back by MADV_FREE", at, 32, "PRV", 32, 20);
        plain(12);
    } else {
        lacks("MADV_FREE");
    }
    at = anonymous(8, RW);
    touch(at, 8);
    SYS(madvise, at + 2 * page, 3 * page, MADV_DONTNEED, 0, 0, 0);
    region("given back by MADV_DONTNEED", at, 8, "PRV", 5, 5);
    plain(0);
    at = anonymous(8, RW);
    touch(at, 8);
    if (SYS(madvise, at, 8 * page, MADV_HUGEPAGE, 0, 0, 0) == 0) {
        region("huge pages wanted", at, 8, "PRV", 8, 8);
        text("flags_have", "hg");
        plain(0);
    } else {
        lacks("MADV_HUGEPAGE");
    }
    at = anonymous(8, RW);
    touch(at, 8);
    if (SYS(madvise, at, 2 * page, MADV_GUARD_INSTALL, 0, 0, 0) == 0) {
        region("with guards", at, 8, "PRV", 6, 6);
        number("volatile", 0);
        done();
    } else {
        lacks("MADV_GUARD_INSTALL");
    }
}

static void file_region(const char *name, const u8 *at, u64 pages, const char *mode, u64 dirty, const char *protection)
{
    region(name, at, pages, mode, pages, dirty);
    text("type", "mapped file");
    text("protection", protection);
    text("detail", path);
    number("volatile", 0);
}

static void files(void)
{
    int fd = memory_file("alias", 8);
    u8 *at = mapped(fd, 8, RW, MAP_SHARED), *again = mapped(fd, 8, RW, MAP_SHARED);
    touch(at, 6);
    look_at(again, 6);
    region("a memfd twice", at, 8, "ALI", 6, 6);
    shared_memory("/memfd:alias", 3 * page);
    region("a memfd twice", again, 8, "ALI", 6, 6);
    shared_memory("/memfd:alias", 3 * page);

    fd = new_file("read-privately", 6);
    look_at(at = mapped(fd, 6, PROT_READ, MAP_PRIVATE), 6);
    file_region("a file read privately", at, 6, "COW", 0, "r--");
    number("anonymous", 0);
    done();
    fd = new_file("written-privately", 6);
    look_at(at = mapped(fd, 6, RW, MAP_PRIVATE), 6);
    touch(at + page, 2);
    file_region("a file written privately", at, 6, "COW", 2, "rw-");
    number("anonymous", 2 * page);
    done();
    fd = new_file("read-shared", 6);
    SYS(close, fd, 0, 0, 0, 0, 0);
    fd = open_file("read-shared", O_RDONLY);
    look_at(at = mapped(fd, 6, PROT_READ, MAP_SHARED), 6);
    /* A file just written is written back at any time: how much of it is dirty is the kernel's affair. */
    file_region("a file opened for reading, shared", at, 6, "SHM", 6, "r--");
    text("dirty_is", "at most");
    text("max_lacks", "w");
    done();
    fd = new_file("written-shared", 6);
    touch(at = mapped(fd, 6, RW, MAP_SHARED), 6);
    file_region("a file written by all", at, 6, "SHM", 6, "rw-");
    text("dirty_is", "at most");
    done();
    fd = new_file("gone", 2);
    at = mapped(fd, 2, PROT_READ, MAP_SHARED);
    SYS(unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
    region("a deleted file", at, 2, "NUL", 0, 0);
    text("type", "mapped file");
    text("detail_has", "/gone (deleted)");
    done();
}

static int initialised[40] = {1};
static u8 zeros[4 * 65536];

static void own_parts(void)
{
    u8 *heap = (u8 *)SYS(brk, 0, 0, 0, 0, 0, 0);
    SYS(brk, heap + 4 * page, 0, 0, 0, 0, 0);
    touch(heap, 4);
    store((u8 *)&initialised[10], 1);
    store(zeros + 2 * 65536, 1);
    int local = 1;
    inside("the break", heap + page, "MALLOC", "[heap]");
    inside("the stack", &local, "Stack", "[stack]");
    inside("code", (const void *)own_parts, "text", "regions");
    inside("data", &initialised[10], "data", "regions");
    inside("zeros of the program", zeros + 2 * 65536, "bss", "regions");
}

/* A figure of a line `Name:   12 kB`, in bytes. */
static u64 figure(const char *all, const char *name)
{
    for (const char *at = all; *at; at++) {
        const char *a = at, *b = name;
        while (*b && *a == *b) a++, b++;
        if (*b || *a != ':' || (at != all && at[-1] != '\n')) continue;
        u64 value = 0;
        for (a++; *a == ' '; a++) {}
        for (; *a >= '0' && *a <= '9'; a++) value = value * 10 + (u64)(*a - '0');
        return value * 1024;
    }
    die(3, "regions", "a counter is missing in smaps_rollup");
}

/* The kernel's own sums, when everything is done: what is printed here must touch nothing new. */
static void say_sums(void)
{
    static char all[4096];
    for (int round = 0; round < 2; round++) {
        int fd = (int)SYS(openat, AT_FDCWD, "/proc/self/smaps_rollup", 0, 0, 0, 0);
        u64 used = 0;
        for (i64 got = 1; got > 0; used += (u64)got) {
            got = SYS(read, fd, all + used, sizeof all - 1 - used, 0, 0, 0);
            if (got < 0) die(3, "regions", "cannot read smaps_rollup");
        }
        all[used] = 0;
        SYS(close, fd, 0, 0, 0, 0, 0);
    }
    put("{\"sums\":{");
    put("\"swap\":");
    put_number((i64)figure(all, "Swap"));
    number("resident", figure(all, "Rss"));
    number("anonymous", figure(all, "Anonymous"));
    put("}");
    number("pid", (u64)SYS(getpid, 0, 0, 0, 0, 0, 0));
    put("}\n");
}

int main(int count, char **words)
{
    if (count != 2 && count != 3) die(2, "regions", "usage: regions FOLDER [swap]");
    folder = words[1];
    const int with_swap = count == 3;
    int said[2], over[2];
    u8 byte;
    if (SYS(pipe2, said, 0, 0, 0, 0, 0) != 0 || SYS(pipe2, over, 0, 0, 0, 0, 0) != 0) die(3, "regions", "no pipe");
    make_common();
    if (with_swap) make_swapped();
    i64 pid = fork_process();
    if (pid == 0) {
        SYS(close, over[1], 0, 0, 0, 0, 0);
        use_common(1);
        say_common(1);
        if (with_swap) say_swapped_common();
        SYS(write, said[1], "x", 1, 0, 0, 0);
        SYS(read, over[0], &byte, 1, 0, 0, 0);
        quit(0);
    }
    SYS(read, said[0], &byte, 1, 0, 0, 0);
    use_common(0);
    say_common(0);
    if (with_swap) {
        say_swapped_common();
        swapped_memory();
    }
    anonymous_memory();
    advised_memory();
    files();
    own_parts();
    say_sums();
    put("{\"ready\":true}\n");
    while (SYS(read, 0, &byte, 1, 0, 0, 0) > 0) {}
    SYS(close, over[1], 0, 0, 0, 0, 0);
    wait_for(pid);
    return 0;
}
