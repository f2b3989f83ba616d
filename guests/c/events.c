/* Descriptors that tell of events: epoll in all its manners, eventfd, timerfd, signalfd, pselect, waitid, queued signals.
   Errors and corner cases are printed as the kernel answers them. */
#include "calls.h"

static void tell(const char *what, int set)
{
    struct event found[8];
    i64 count = SYS(epoll_pwait, set, found, 8, 0, 0, 8);
    report(what, count);
    for (i64 i = 0; i < count; i++) {
        put("  ");
        put_hex(found[i].events);
        put(" ");
        put_number((i64)found[i].data);
        put("\n");
    }
}

static i64 put_count(int fd, u64 value) { return S3(write, fd, &value, 8); }
static i64 take_count(int fd)
{
    u64 value = 0;
    i64 got = S3(read, fd, &value, 8);
    return got == 8 ? (i64)value : got;
}

static void counters(void)
{
    int fd = (int)S2(eventfd2, 3, NONBLOCK);
    SHOW(take_count(fd));
    SHOW(take_count(fd));
    SHOW(put_count(fd, -1));
    SHOW(put_count(fd, (u64)-2));
    SHOW(put_count(fd, 1));
    SHOW(state(fd, EPOLLIN | EPOLLOUT));
    u64 value = 1;
    SHOW(S3(write, fd, &value, 7));
    SHOW(S3(write, fd, &value, 16));
    SHOW(S3(read, fd, &value, 4));
    SHOW(take_count(fd));
    SHOW(S3(write, fd, &value, 16));
    int semaphore = (int)S2(eventfd2, 2, NONBLOCK | 1);
    SHOW(take_count(semaphore));
    SHOW(take_count(semaphore));
    SHOW(take_count(semaphore));
    SHOW(S2(eventfd2, 0, 8));
    SHOW(S3(lseek, fd, 0, 0));
    SHOW(S4(pread64, fd, &value, 8, 0));
}

static void sets(void)
{
    int ends[2];
    S2(pipe2, ends, NONBLOCK);
    int level = (int)S1(epoll_create1, 0), edge = (int)S1(epoll_create1, CLOEXEC), once = (int)S1(epoll_create1, 0);
    SHOW(S1(epoll_create1, 1));
    SHOW(watch(level, ADD, ends[0], EPOLLIN, 1));
    SHOW(watch(level, ADD, ends[0], EPOLLIN, 1));
    SHOW(watch(level, MOD, ends[1], EPOLLIN, 1));
    SHOW(watch(level, DEL, ends[1], EPOLLIN, 1));
    SHOW(watch(level, 9, ends[1], EPOLLIN, 1));
    SHOW(watch(level, ADD, level, EPOLLIN, 1));
    SHOW(watch(ends[0], ADD, ends[1], EPOLLIN, 1));
    SHOW(watch(level, ADD, 999, EPOLLIN, 1));
    SHOW(watch(999, ADD, ends[0], EPOLLIN, 1));
    SHOW(watch(level, ADD, unnamed_file(), EPOLLIN, 1));
    SHOW(S4(epoll_ctl, level, ADD, ends[1], 8));
    SHOW(watch(edge, ADD, ends[0], EPOLLIN | EPOLLET, 2));
    SHOW(watch(once, ADD, ends[0], EPOLLIN | EPOLLONESHOT, 3));
    tell("nothing yet", level);
    S3(write, ends[1], "ab", 2);
    tell("level", level);
    tell("level again", level);
    tell("edge", edge);
    tell("edge again", edge);
    tell("once", once);
    tell("once again", once);
    u8 byte;
    S3(read, ends[0], &byte, 1);
    tell("edge after a read of a part", edge);
    S3(write, ends[1], "c", 1);
    tell("edge after a write", edge);
    tell("once after a write", once);
    SHOW(watch(once, MOD, ends[0], EPOLLIN | EPOLLONESHOT, 4));
    tell("once after a change", once);
    SHOW(watch(edge, MOD, ends[0], EPOLLIN | EPOLLET, 5));
    tell("edge after a change", edge);
    S1(close, ends[1]);
    tell("edge after a hang-up", edge);
    tell("level after a hang-up", level);
    struct event found;
    SHOW(SYS(epoll_pwait, level, &found, 0, 0, 0, 8));
    SHOW(SYS(epoll_pwait, level, &found, -1, 0, 0, 8));
    SHOW(SYS(epoll_pwait, level, 8, 1, 0, 0, 8));
    SHOW(SYS(epoll_pwait, ends[0], &found, 1, 0, 0, 8));
    SHOW(SYS(epoll_pwait, 999, &found, 1, 0, 0, 8));
    SHOW(watch(level, MOD, ends[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
    SHOW(watch(edge, DEL, ends[0], 0, 0));
    SHOW(watch(edge, ADD, ends[0], EPOLLIN | EPOLLEXCLUSIVE, 6));
    SHOW(watch(edge, MOD, ends[0], EPOLLIN, 6));
    SHOW(watch(once, DEL, ends[0], 0, 0));
    SHOW(watch(once, ADD, ends[0], EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 6));
    S1(close, ends[0]);
    tell("after the last close", level);
}

static void nests(void)
{
    int counter = (int)S2(eventfd2, 0, 0), inner = (int)S1(epoll_create1, 0), outer = (int)S1(epoll_create1, 0);
    SHOW(watch(inner, ADD, counter, EPOLLIN, 1));
    SHOW(watch(outer, ADD, inner, EPOLLIN | EPOLLET, 2));
    SHOW(watch(inner, ADD, outer, EPOLLIN, 3));
    tell("nothing", outer);
    put_count(counter, 1);
    tell("a set in a set", outer);
    tell("its edge again", outer);
    put_count(counter, 1);
    tell("another edge", outer);
    SHOW(state(outer, EPOLLIN));
    SHOW(state(inner, EPOLLIN));
    int copy = (int)S1(dup, counter);
    SHOW(watch(inner, ADD, copy, EPOLLIN, 4));
    S1(close, counter);
    tell("one of two descriptors closed", inner);
    S1(close, copy);
    tell("both", inner);
}

static void timers(void)
{
    int timer = (int)S2(timerfd_create, 1, NONBLOCK);
    SHOW(S2(timerfd_create, 2, 0));
    SHOW(S2(timerfd_create, 1, 1));
    struct spec spec = {0, 0, 0, 1000000}, old = {9, 9, 9, 9};
    SHOW(take_count(timer));
    SHOW(S4(timerfd_settime, timer, 0, &spec, &old));
    SHOW(old.s | old.ns | old.every_s | old.every_ns);
    SHOW(S4(timerfd_settime, timer, 4, &spec, 0));
    spec.ns = 1000000000;
    SHOW(S4(timerfd_settime, timer, 0, &spec, 0));
    SHOW(S4(timerfd_settime, 0, 0, &old, 0));
    struct wish wish = {timer, EPOLLIN, 0};
    SHOW(SYS(ppoll, &wish, 1, 0, 0, 8, 0));
    SHOW(take_count(timer));
    SHOW(take_count(timer));
    SHOW(S2(timerfd_gettime, timer, &old));
    SHOW(old.s | old.ns);
    /* An absolute moment long past, then every 100 years. */
    struct spec past = {3153600000, 0, 1, 0};
    int real = (int)S2(timerfd_create, 0, 0);
    SHOW(S4(timerfd_settime, real, 1, &past, 0));
    SHOW(take_count(real));
    SHOW(S2(timerfd_gettime, real, &old));
    check("the interval is kept", old.every_s == 3153600000);
    struct spec off = {1, 0, 0, 0};
    SHOW(S4(timerfd_settime, real, 0, &off, &old));
    check("much was left", old.s > 1000000);
    SHOW(state(real, EPOLLIN));
    /* A wait in an epoll that only a timer ends. */
    int set = (int)S1(epoll_create1, 0);
    struct spec soon = {0, 0, 0, 2000000};
    S4(timerfd_settime, timer, 0, &soon, 0);
    watch(set, ADD, timer, EPOLLIN, 7);
    struct event found;
    SHOW(SYS(epoll_pwait, set, &found, 1, -1, 0, 8));
    i64 no_time[2] = {0, 0}, bad[2] = {0, 1000000000};
    SHOW(SYS(epoll_pwait2, set, &found, 1, no_time, 0, 8));
    SHOW(SYS(epoll_pwait2, set, &found, 1, bad, 0, 8));
}

static void signals(void)
{
    u64 set = 1ul << (10 - 1) | 1ul << (40 - 1), all = ~0ul;
    S4(rt_sigprocmask, 0, &set, 0, 8);
    int fd = (int)S4(signalfd4, -1, &set, 8, NONBLOCK);
    SHOW(S4(signalfd4, -1, &set, 4, 0));
    SHOW(S4(signalfd4, -1, &all, 8, 1));
    u8 bytes[128 * 4];
    SHOW(S3(read, fd, bytes, 128));
    i64 me = S0(getpid);
    S2(kill, me, 10);
    S2(kill, me, 10);
    SHOW(state(fd, EPOLLIN));
    SHOW(S3(read, fd, bytes, 127));
    SHOW(S3(read, fd, bytes, sizeof bytes));
    SHOW(*(u32 *)bytes);
    check("from me", *(u32 *)(bytes + 12) == (u32)me);
    /* Three real-time signals with their values, in order. */
    u8 info[128] = {0};
    for (int i = 1; i <= 3; i++) {
        *(int *)(info + 8) = -1;
        *(int *)(info + 16) = (int)me;
        *(u64 *)(info + 24) = (u64)(100 + i);
        SHOW(S3(rt_sigqueueinfo, me, 40, info));
    }
    SHOW(S3(read, fd, bytes, 128));
    SHOW(*(int *)(bytes + 44));
    SHOW(*(int *)(bytes + 8));
    i64 no_time[2] = {0, 0};
    SHOW(S4(rt_sigtimedwait, &set, info, no_time, 8));
    SHOW(*(int *)(info + 24));
    SHOW(S4(rt_sigtimedwait, &set, info, 0, 8));
    SHOW(*(int *)(info + 24));
    SHOW(S4(rt_sigtimedwait, &set, info, no_time, 8));
    SHOW(S4(rt_sigtimedwait, &set, info, no_time, 4));
    *(int *)(info + 8) = 0;
    SHOW(S3(rt_sigqueueinfo, S0(getppid), 40, info));
    i64 child = fork_process();
    if (child == 0) {
        i64 nap[2] = {0, 2000000};
        struct wish none;
        SYS(ppoll, &none, 0, nap, 0, 8, 0);
        S2(kill, me, 10);
        quit(7);
    }
    SHOW(S4(rt_sigtimedwait, &set, 0, 0, 8));
    u8 told[128];
    SHOW(S5(waitid, 1, child, told, 4 | 0x1000000, 0));
    SHOW(*(int *)(told + 8) * 1000 + *(int *)(told + 24));
    SHOW(S5(waitid, 0, 0, told, 4, 0));
    check("the child", *(int *)(told + 16) == (int)child);
    SHOW(S5(waitid, 0, 0, told, 4, 0));
    SHOW(S5(waitid, 0, 0, told, 1, 0));
    SHOW(S5(waitid, 9, 0, told, 4, 0));
    child = fork_process();
    if (child == 0) {
        for (;;) SYS(ppoll, 0, 0, 0, 0, 8, 0);
    }
    SHOW(S5(waitid, 1, child, told, 4 | 1, 0));
    SHOW(*(int *)told);
    S2(kill, child, 19);
    SHOW(S5(waitid, 1, child, told, 2, 0));
    SHOW(*(int *)(told + 8) * 1000 + *(int *)(told + 24));
    S2(kill, child, 18);
    SHOW(S5(waitid, 1, child, told, 8, 0));
    SHOW(*(int *)(told + 8) * 1000 + *(int *)(told + 24));
    S2(kill, child, 9);
    SHOW(S5(waitid, 1, child, told, 4, 0));
    SHOW(*(int *)(told + 8) * 1000 + *(int *)(told + 24));
}

static void selects(void)
{
    int ends[2];
    S2(pipe2, ends, 0);
    u64 read_set = 1ul << ends[0], none = 0;
    i64 no_time[2] = {0, 0};
    SHOW(SYS(pselect6, 64, &read_set, 0, 0, no_time, 0));
    S1(close, ends[1]);
    read_set = 1ul << ends[0];
    u64 other = read_set;
    SHOW(SYS(pselect6, 64, &read_set, 0, &other, no_time, 0));
    check("the end can be read", read_set == 1ul << ends[0] && other == 0);
    read_set = 1ul << 63;
    SHOW(SYS(pselect6, 64, &read_set, 0, 0, no_time, 0));
    SHOW(SYS(pselect6, -1, &none, 0, 0, no_time, 0));
    i64 short_time[2] = {0, 3000000};
    other = 1ul << ends[0];
    SHOW(SYS(pselect6, 64, 0, 0, &other, short_time, 0));
    check("nothing exceptional in a hang-up", other == 0);
    u64 parameters[16] = {0};
    check("io_uring is refused", S2(io_uring_setup, 4, parameters) == -38 || S2(io_uring_setup, 4, parameters) >= 0);
}

int main(void)
{
    counters();
    sets();
    nests();
    timers();
    signals();
    selects();
    return 0;
}
