/* Descriptors of processes, timers that send signals, sizes of pipes. Errors and corner cases are printed as the kernel
   answers them; times are virtual where they can be, and else only that something has come. */
#include "calls.h"

#if defined(__aarch64__)
enum { NR_timer_create = 107, NR_timer_gettime = 108, NR_timer_getoverrun = 109, NR_timer_settime = 110,
       NR_timer_delete = 111, NR_setitimer = 103, NR_getitimer = 102 };
#else
enum { NR_timer_create = 222, NR_timer_settime = 223, NR_timer_gettime = 224, NR_timer_getoverrun = 225,
       NR_timer_delete = 226, NR_setitimer = 38, NR_getitimer = 36 };
#endif
enum { NR_pidfd_send_signal = 424, NR_pidfd_open = 434, NR_pidfd_getfd = 438 };
enum { USR1 = 10, ALRM = 14, VTALRM = 26, PROF = 27, P_PIDFD = 3, WNOHANG = 1, WEXITED = 4 };
enum { CLONE_PIDFD = 0x1000, CLONE_PARENT_SETTID = 0x100000, F_SETPIPE_SZ = 1031, F_GETPIPE_SZ = 1032, F_GETFD = 1 };

static u64 set_of(int signal) { return 1ul << (signal - 1); }

/* Waits for one signal; its number, and its code if it came. */
static void next_signal(const char *what, int signal, i64 seconds)
{
    u64 set = set_of(signal);
    int info[32] = {0};
    i64 time[2] = {seconds, 0};
    report(what, S4(rt_sigtimedwait, &set, info, time, 8));
    if (info[0]) report("  code", info[2]);
}

static i64 fork_child(u64 flags, int *fd)
{
    i64 child = S5(clone, flags | SIGCHLD, 0, fd, 0, 0);
    return child;
}

static void processes(void)
{
    int ends[2], info[32] = {0};
    S2(pipe2, ends, 0);
    i64 child = fork_child(0, 0);
    if (child == 0) {
        char byte;
        S3(read, ends[0], &byte, 1);
        S1(exit_group, 7);
    }
    int fd = (int)S2(pidfd_open, child, NONBLOCK);
    report("opened", fd >= 0);
    SHOW(S2(fcntl, fd, F_GETFD));
    SHOW(S2(pidfd_open, 0, 0));
    SHOW(S2(pidfd_open, -1, 0));
    SHOW(S2(pidfd_open, 0x7ffffff0, 0));
    SHOW(S2(pidfd_open, child, 1));
    char byte = 0;
    SHOW(S3(read, fd, &byte, 1));
    SHOW(S3(write, fd, &byte, 1));
    SHOW(state(fd, EPOLLIN));
    SHOW(S4(pidfd_send_signal, fd, 0, 0, 0));
    SHOW(S4(pidfd_send_signal, fd, 0, 0, 1 << 20));
    SHOW(S4(pidfd_send_signal, fd, 65, 0, 0));
    SHOW(S4(pidfd_send_signal, ends[0], 0, 0, 0));
    SHOW(S4(pidfd_send_signal, 99, 0, 0, 0));
    SHOW(S5(waitid, P_PIDFD, fd, info, WEXITED, 0));
    SHOW(S5(waitid, P_PIDFD, fd, info, WEXITED | WNOHANG, 0));
    SHOW(S5(waitid, P_PIDFD, ends[0], info, WEXITED, 0));
    SHOW(S3(pidfd_getfd, fd, 99, 0));
    SHOW(S3(pidfd_getfd, fd, 0, 1));
    SHOW(S3(pidfd_getfd, ends[0], 0, 0));
    int copy = (int)S3(pidfd_getfd, fd, ends[1], 0);
    report("a copy of its pipe's end", copy >= 0);
    SHOW(S3(write, copy, &byte, 1));
    struct wish wish = {fd, EPOLLIN, 0};
    SHOW(S5(ppoll, &wish, 1, 0, 0, 8));
    SHOW(wish.found);
    SHOW(S3(pidfd_getfd, fd, 0, 0));
    SHOW(S5(waitid, P_PIDFD, fd, info, WEXITED, 0));
    report("  status", info[6]);
    SHOW(S5(waitid, P_PIDFD, fd, info, WEXITED, 0));
    SHOW(S4(pidfd_send_signal, fd, 0, 0, 0));
}

static void clones(void)
{
    int fd = -1;
    i64 child = fork_child(CLONE_PIDFD, &fd);
    if (child == 0) S1(exit_group, 3);
    report("told", fd > 2);
    SHOW(S2(fcntl, fd, F_GETFD));
    int status = 0;
    report("waited", S4(wait4, child, &status, 0, 0) == child);
    SHOW(status);
    SHOW(fork_child(CLONE_PIDFD | CLONE_PARENT_SETTID, &fd));
    SHOW(fork_child(CLONE_PIDFD, (int *)8));
}

struct sigevent {
    u64 value;
    int signal, notify, thread, rest[11];
};

static void timers(void)
{
    u64 set = set_of(USR1) | set_of(ALRM) | set_of(VTALRM) | set_of(PROF);
    SHOW(S4(rt_sigprocmask, 0, &set, 0, 8));
    struct sigevent event = {5, USR1, 0, 0, {0}};
    int id = -1, other = -1;
    SHOW(S3(timer_create, 1, &event, &id));
    SHOW(S3(timer_create, 99, &event, &other));
    event.notify = 9;
    SHOW(S3(timer_create, 1, &event, &other));
    event.notify = 0;
    event.signal = 65;
    SHOW(S3(timer_create, 1, &event, &other));
    SHOW(S3(timer_create, 1, 0, 0));
    struct spec spec = {0, 0, 0, 1000000}, old = {9, 9, 9, 9};
    SHOW(S4(timer_settime, id, 0, 0, 0));
    SHOW(S4(timer_settime, 77, 0, &spec, 0));
    spec.ns = 1000000000;
    SHOW(S4(timer_settime, id, 0, &spec, 0));
    spec.ns = 1000000;
    SHOW(S4(timer_settime, id, 0, &spec, &old));
    SHOW(old.s);
    SHOW(old.ns);
    next_signal("a timer's signal", USR1, 10);
    next_signal("once", USR1, 0);
    SHOW(S1(timer_getoverrun, id));
    SHOW(S2(timer_gettime, id, &old));
    SHOW(old.ns);
    /* Many expiries, one signal: what was missed is counted. */
    spec.every_ns = 1000000;
    SHOW(S4(timer_settime, id, 0, &spec, 0));
    i64 pause[2] = {0, 20000000};
    S5(ppoll, 0, 0, pause, 0, 8);
    next_signal("one for many", USR1, 10);
    report("missed some", S1(timer_getoverrun, id) > 0);
    SHOW(S1(timer_delete, id));
    SHOW(S1(timer_delete, id));
    SHOW(S1(timer_getoverrun, id));
    SHOW(S3(timer_create, 1, 0, &other));
    SHOW(S4(timer_settime, other, 1, &spec, 0));
    next_signal("the default is SIGALRM", ALRM, 10);
    SHOW(S1(timer_delete, other));
}

static void intervals(void)
{
    i64 value[4] = {0, 0, 0, 1000}, old[4] = {9, 9, 9, 9};
    SHOW(S3(setitimer, 3, value, 0));
    SHOW(S2(getitimer, 2, old));
    SHOW(old[2] | old[3]);
    for (int which = 1; which <= 2; which++) {
        SHOW(S3(setitimer, which, value, old));
        u64 set = set_of(which == 1 ? VTALRM : PROF);
        i64 no_time[2] = {0, 0}, got = -1;
        for (u64 turns = 0; got < 0 && turns < 1000000000; turns++) {
            /* Time in user space; the question is asked now and then. */
            for (volatile int spin = 0; spin < 100000; spin++) {}
            got = S4(rt_sigtimedwait, &set, 0, no_time, 8);
        }
        SHOW(got);
        SHOW(S2(getitimer, which, old));
        SHOW(old[2] | old[3]);
    }
    value[3] = 1000000;
    SHOW(S3(setitimer, 0, value, 0));
}

static void sizes(void)
{
    int ends[2];
    S2(pipe2, ends, NONBLOCK);
    SHOW(S3(fcntl, ends[0], F_SETPIPE_SZ, 131072));
    SHOW(S2(fcntl, ends[1], F_GETPIPE_SZ));
    SHOW(S3(fcntl, ends[0], F_SETPIPE_SZ, 65537));
    static char bytes[200000];
    SHOW(S3(write, ends[1], bytes, sizeof bytes));
    SHOW(S3(fcntl, ends[1], F_SETPIPE_SZ, 65536));
    SHOW(S3(read, ends[0], bytes, 100000));
    SHOW(S3(fcntl, ends[1], F_SETPIPE_SZ, 65536));
    SHOW(S3(fcntl, ends[1], F_SETPIPE_SZ, -1));
}

int main(void)
{
    processes();
    clones();
    timers();
    intervals();
    sizes();
    return 0;
}
