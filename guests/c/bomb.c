/* bomb: a bad neighbour. A child in a process group of its own takes what it can get, up to a limit: processes (forks), open
   files (files), memory (memory, in MiB), pipes filled to the brim (pipes) or the parent's attention (signals). The parent goes on
   with its own small work meanwhile, and then ends the whole group. */
#include "signals.h"

#if defined(__aarch64__)
enum { NR_kill = 129, NR_setpgid = 154, NR_pipe2 = 59, NR_sched_yield = 124 };
#else
enum { NR_kill = 62, NR_setpgid = 109, NR_pipe2 = 293, NR_sched_yield = 24 };
#endif
enum { SIGKILL = 9, SIGUSR1 = 10, ROUNDS = 200, O_NONBLOCK = 04000 };

static volatile int caught;

static void count(int signal, u8 *info, u8 *context)
{
    (void)signal, (void)info, (void)context;
    caught++;
}

/* What all the processes of the attack have got so far, in memory that they share with the parent. */
static volatile u64 *taken;

static int take_one(u64 limit)
{
    return __atomic_fetch_add(taken, 1, __ATOMIC_RELAXED) < limit;
}
__attribute__((noreturn)) static void hold(void)
{
    for (;;) SYS(sched_yield, 0, 0, 0, 0, 0, 0);
}
__attribute__((noreturn)) static void forks(u64 limit)
{
    /* Parent and child both go on forking. */
    while (take_one(limit))
        if (fork_process() < 0) break;
    hold();
}
__attribute__((noreturn)) static void files(u64 limit)
{
    for (;;) {
        while (take_one(limit))
            if (SYS(openat, AT_FDCWD, "/", 0, 0, 0, 0) < 0) break;
        if (*taken >= limit || fork_process() != 0) hold();
        for (int fd = 3; SYS(close, fd, 0, 0, 0, 0, 0) == 0; fd++) {}
    }
}
__attribute__((noreturn)) static void pipes(u64 limit)
{
    static u8 block[65536];
    for (;;) {
        int ends[2];
        while (take_one(limit) && SYS(pipe2, ends, O_NONBLOCK, 0, 0, 0, 0) == 0)
            while (SYS(write, ends[1], block, sizeof block, 0, 0, 0) > 0) {}
        if (*taken >= limit || fork_process() != 0) hold();
    }
}
__attribute__((noreturn)) static void memory(u64 limit)
{
    while (take_one(limit)) {
        i64 got = SYS(mmap, 0, 1 << 20, RW, ANON, -1, 0);
        if (got < 0) break;
        for (u64 at = 0; at < 1 << 20; at += page) store((u8 *)got + at, 1);
    }
    hold();
}
__attribute__((noreturn)) static void signals(u64 limit)
{
    i64 parent = SYS(getppid, 0, 0, 0, 0, 0, 0);
    while (take_one(limit)) SYS(kill, parent, SIGUSR1, 0, 0, 0, 0);
    hold();
}

/* One round of a process that needs a little of everything that it has already. */
static int work(int round)
{
    static int ends[2];
    if (round == 0) {
        i64 failed = SYS(pipe2, ends, 0, 0, 0, 0, 0);
        if (failed) return 0;
    }
    u8 out = (u8)round, in = (u8)~out;
    i64 wrote, read;
    do wrote = SYS(write, ends[1], &out, 1, 0, 0, 0); while (wrote == -4);
    do read = SYS(read, ends[0], &in, 1, 0, 0, 0); while (read == -4);
    SYS(sched_yield, 0, 0, 0, 0, 0, 0);
    return wrote == 1 && read == 1 && in == out;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(u64);
    } attacks[] = {{"forks", forks}, {"files", files}, {"pipes", pipes}, {"memory", memory}, {"signals", signals}};
    u64 limit = 0, wanted = sizeof attacks / sizeof attacks[0], which = 0;
    for (const char *digit = argc == 3 ? argv[2] : ""; *digit; digit++) limit = limit * 10 + (u64)(*digit - '0');
    while (argc == 3 && which < wanted && !equal(argv[1], attacks[which].name)) which++;
    if (argc != 3 || which == wanted || !limit) die(2, "bomb", "say forks|files|pipes|memory|signals and a limit");

    taken = (volatile u64 *)map(0, page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    struct action action = {count, SA_SIGINFO | RESTORER_FLAG, RESTORER, 0};
    SYS(rt_sigaction, SIGUSR1, &action, 0, 8, 0, 0);
    int good = work(0);
    i64 child = fork_process();
    if (child == 0) {
        SYS(setpgid, 0, 0, 0, 0, 0, 0);
        attacks[which].run(limit);
    }
    SYS(setpgid, child, child, 0, 0, 0, 0);
    while (*taken == 0) SYS(sched_yield, 0, 0, 0, 0, 0, 0);
    for (int round = 1; round < ROUNDS; round++) good &= work(round);
    check("the neighbour did its work", good);
    check("the attack took something", *taken > 0);
    /* Whoever is between a fork and its first step is hit by the next blow. */
    while (SYS(kill, -child, SIGKILL, 0, 0, 0, 0) == 0 && SYS(wait4, child, 0, 1, 0, 0, 0) != child)
        SYS(sched_yield, 0, 0, 0, 0, 0, 0);
    for (int blows = 0; blows < 1000 && SYS(kill, -child, SIGKILL, 0, 0, 0, 0) == 0; blows++)
        SYS(sched_yield, 0, 0, 0, 0, 0, 0);
    i64 last = fork_process();
    if (last == 0) quit(0);
    check("after it there is room again", last > 0 && wait_for(last) == 0);
    return 0;
}
