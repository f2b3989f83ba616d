/* Numbers and layouts for the guests that test descriptors: epoll, sockets, locks. As in guest.h, the numbers are
   asm-generic/unistd.h for arm64 and syscall_64.tbl for x86-64. */
#ifndef CALLS_H
#define CALLS_H
#include "guest.h"

#if defined(__aarch64__)
enum {
    NR_dup = 23, NR_fcntl = 25, NR_flock = 32, NR_mknodat = 33, NR_pipe2 = 59, NR_eventfd2 = 19, NR_epoll_create1 = 20,
    NR_epoll_ctl = 21, NR_epoll_pwait = 22, NR_ppoll = 73, NR_pselect6 = 72, NR_signalfd4 = 74, NR_timerfd_create = 85,
    NR_timerfd_settime = 86, NR_timerfd_gettime = 87, NR_waitid = 95, NR_kill = 129, NR_rt_sigtimedwait = 137,
    NR_rt_sigqueueinfo = 138, NR_socket = 198, NR_socketpair = 199, NR_bind = 200, NR_listen = 201, NR_accept4 = 242,
    NR_connect = 203, NR_getsockname = 204, NR_getpeername = 205, NR_sendto = 206, NR_recvfrom = 207,
    NR_setsockopt = 208, NR_getsockopt = 209, NR_shutdown = 210, NR_sendmsg = 211, NR_recvmsg = 212, NR_dup3 = 24,
    NR_sendmmsg = 269, NR_recvmmsg = 243, NR_epoll_pwait2 = 441, NR_execve = 221, NR_io_uring_setup = 425,
};
struct event {
    u32 events;
    u64 data;
};
#else
enum {
    NR_dup = 32, NR_fcntl = 72, NR_flock = 73, NR_mknodat = 259, NR_pipe2 = 293, NR_eventfd2 = 290,
    NR_epoll_create1 = 291, NR_epoll_ctl = 233, NR_epoll_pwait = 281, NR_ppoll = 271, NR_pselect6 = 270,
    NR_signalfd4 = 289, NR_timerfd_create = 283, NR_timerfd_settime = 286, NR_timerfd_gettime = 287, NR_waitid = 247,
    NR_kill = 62, NR_rt_sigtimedwait = 128, NR_rt_sigqueueinfo = 129, NR_socket = 41, NR_socketpair = 53, NR_bind = 49,
    NR_listen = 50, NR_accept4 = 288, NR_connect = 42, NR_getsockname = 51, NR_getpeername = 52, NR_sendto = 44,
    NR_recvfrom = 45, NR_setsockopt = 54, NR_getsockopt = 55, NR_shutdown = 48, NR_sendmsg = 46, NR_recvmsg = 47,
    NR_dup3 = 292, NR_sendmmsg = 307, NR_recvmmsg = 299, NR_epoll_pwait2 = 441, NR_execve = 59,
    NR_io_uring_setup = 425,
};
struct event {
    u32 events;
    u64 data;
} __attribute__((packed));
#endif

enum { EPOLLIN = 1, EPOLLOUT = 4, EPOLLHUP = 16, EPOLLRDHUP = 0x2000, ADD = 1, DEL = 2, MOD = 3 };
#define EPOLLET (1u << 31)
#define EPOLLONESHOT (1u << 30)
#define EPOLLEXCLUSIVE (1u << 28)
enum { NONBLOCK = 04000, CLOEXEC = 02000000 };

#define S0(n) SYS(n, 0, 0, 0, 0, 0, 0)
#define S1(n, a) SYS(n, a, 0, 0, 0, 0, 0)
#define S2(n, a, b) SYS(n, a, b, 0, 0, 0, 0)
#define S3(n, a, b, c) SYS(n, a, b, c, 0, 0, 0)
#define S4(n, a, b, c, d) SYS(n, a, b, c, d, 0, 0)
#define S5(n, a, b, c, d, e) SYS(n, a, b, c, d, e, 0)

struct spec {
    i64 every_s, every_ns, s, ns;
};
struct wish {
    int fd;
    unsigned short events, found;
};

/* A system call's answer under its own text. */
#define SHOW(call) report(#call, call)

static inline i64 watch(int set, i64 how, int fd, u32 events, u64 data)
{
    struct event event = {events, data};
    return S4(epoll_ctl, set, how, fd, &event);
}
/* What poll(2) says of a descriptor now. */
static inline i64 state(int fd, unsigned events)
{
    struct wish wish = {fd, (unsigned short)events, 0};
    i64 no_time[2] = {0, 0};
    S5(ppoll, &wish, 1, no_time, 0, 8);
    return wish.found;
}
#endif
