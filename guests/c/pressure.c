/* pressure: more memory than a small machine has RAM for, checked to the byte, in ways that need swap: one process that walks
   it, processes that share it copy-on-write, shared memory, and system calls into pages that are away.

   Its first argument names one of them (walk, fork, shared, calls), or `secret`; with `quiet` after it nothing is printed.
   What went wrong is in the exit status: 0 all is right, 1 a wrong byte was found, 3 the kernel refused a call with an errno,
   4 a child was killed by a signal. */
#include "guest.h"

enum { PAGES = 160, ROUNDS = 2 };

static int failed;

static u64 word_of(u64 at, u64 salt)
{
    u64 x = at * 0x9e3779b97f4a7c15ul + salt * 0xbf58476d1ce4e5b9ul;
    return x ^ x >> 29;
}

/* Four words of each page, the first and the last among them. */
static void fill(u64 *memory, u64 pages, u64 salt)
{
    u64 step = page / 8 / 4;
    for (u64 p = 0; p < pages; p++)
        for (u64 k = 0; k < 4; k++) {
            u64 at = p * (page / 8) + (k == 3 ? page / 8 - 1 : k * step);
            *(volatile u64 *)(memory + at) = word_of(at, salt);
        }
}

static int holds(u64 *memory, u64 pages, u64 salt)
{
    u64 step = page / 8 / 4;
    for (u64 p = 0; p < pages; p++)
        for (u64 k = 0; k < 4; k++) {
            u64 at = p * (page / 8) + (k == 3 ? page / 8 - 1 : k * step);
            if (*(volatile u64 *)(memory + at) != word_of(at, salt)) return 0;
        }
    return 1;
}

static void expect(const char *what, int right)
{
    check(what, right);
    if (!right) failed = 1;
}

static i64 fork_or_quit(void)
{
    i64 pid = fork_process();
    if (pid < 0) quit(failed ? failed : 3);
    return pid;
}

/* wait4 writes the status into memory, which may be away and not come back: EFAULT. */
static int status_or_quit(i64 pid)
{
    int status;
    if (SYS(wait4, pid, &status, 0, 0, 0, 0) != pid) quit(failed ? failed : 3);
    return status;
}

static void child_is_right(const char *what, i64 pid)
{
    int status = status_or_quit(pid);
    int by_signal = status & 127, code = status >> 8 & 255;
    if (by_signal && !failed) failed = 4;
    if (code && failed != 1) failed = code;
    check(what, status == 0);
}

static void walk(void)
{
    u64 *memory = (u64 *)map_anon(PAGES);
    fill(memory, PAGES, 1);
    for (int round = 0; round < ROUNDS; round++) expect("a walk finds what was written", holds(memory, PAGES, 1));
    fill(memory, PAGES / 2, 2);
    expect("the half that was written again", holds(memory, PAGES / 2, 2));
    u64 *rest = memory + PAGES / 2 * (page / 8);
    int kept = 1;
    for (u64 p = 0; p < PAGES / 2; p++) {
        u64 at = PAGES / 2 * (page / 8) + p * (page / 8);
        kept &= *(volatile u64 *)(rest + p * (page / 8)) == word_of(at, 1);
    }
    expect("the other half", kept);
}

static void forked(void)
{
    u64 *memory = (u64 *)map_anon(PAGES);
    fill(memory, PAGES, 3);
    i64 pid = fork_or_quit();
    if (pid == 0) {
        if (!holds(memory, PAGES, 3)) quit(1);
        fill(memory, PAGES / 2, 4);
        if (!holds(memory, PAGES / 2, 4)) quit(1);
        i64 grandchild = fork_process();
        if (grandchild < 0) quit(3);
        if (grandchild == 0) quit(holds(memory, PAGES / 2, 4) ? 0 : 1);
        int status = status_or_quit(grandchild);
        quit(status & 127 ? 4 : status >> 8 & 255);
    }
    fill(memory, PAGES / 4, 5);
    child_is_right("a child sees the old bytes, writes its own, and its child has them", pid);
    expect("the parent's quarter", holds(memory, PAGES / 4, 5));
    u64 *last = memory + (PAGES - 1) * (page / 8);
    expect("the parent's last page", *(volatile u64 *)last == word_of((PAGES - 1) * (page / 8), 3));
}

static void shared(void)
{
    u64 *memory = (u64 *)map(0, PAGES * page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    fill(memory, PAGES, 6);
    i64 pid = fork_or_quit();
    if (pid == 0) {
        if (!holds(memory, PAGES, 6)) quit(1);
        fill(memory, PAGES, 7);
        quit(0);
    }
    child_is_right("a child sees shared memory and writes it", pid);
    if (!failed) expect("the parent sees what it wrote", holds(memory, PAGES, 7));
}

/* Buffers of system calls that are away: the kernel's own copies bring them back. */
static void calls(void)
{
    u8 *memory = map_anon(PAGES);
    fill((u64 *)memory, PAGES, 8);
    int fd = unnamed_file();
    for (u64 p = 0; p < PAGES; p += 16) {
        i64 done = SYS(pwrite64, fd, memory + p * page, page, p * page, 0, 0);
        if (done != (i64)page) quit(3);
    }
    u8 *back = map_anon(1);
    int same = 1;
    for (u64 p = 0; p < PAGES; p += 16) {
        if (SYS(pread64, fd, back, page, p * page, 0, 0) != (i64)page) quit(3);
        for (u64 i = 0; i < page; i += 8) same &= *(u64 *)(back + i) == *(volatile u64 *)(memory + p * page + i);
    }
    expect("what was written from memory is what is read back", same);
}

/* Memory full of a text that nobody else has, most of it in swap; then it waits to be killed. */
static void secret(void)
{
    static const char text[] = "the text that must not be found ";
    u8 *memory = map_anon(PAGES);
    for (u64 at = 0; at < PAGES * page; at++) store(memory + at, (u8)text[at % 32]);
    put("away\n");
    for (;;) SYS(getpid, 0, 0, 0, 0, 0, 0);
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : 0;
    if (argc > 2 && equal(argv[2], "quiet")) SYS(close, 1, 0, 0, 0, 0, 0);
    if (only && equal(only, "secret")) secret();
    if (!only || equal(only, "walk")) walk();
    if (!only || equal(only, "fork")) forked();
    if (!only || equal(only, "shared")) shared();
    if (!only || equal(only, "calls")) calls();
    return failed;
}
