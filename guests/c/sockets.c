/* Unix sockets in their three styles, with names in both name spaces, descriptors and credentials; IP sockets on the
   loopback. Errors and corner cases are printed as the kernel answers them. */
#include "calls.h"

enum { UNIX = 1, INET = 2, STREAM = 1, DGRAM = 2, PACKET = 5, PEEK = 2, TRUNC = 0x20, DONTWAIT = 0x40, WAITALL = 0x100 };
enum { NOSIGNAL = 0x4000 };

struct unix_name {
    unsigned short family;
    char path[108];
};
struct inet_name {
    unsigned short family, port;
    u32 host;
    u64 zero;
};
struct vector {
    const void *base;
    u64 bytes;
};
struct header {
    void *name;
    u32 name_bytes;
    struct vector *vectors;
    u64 count;
    void *control;
    u64 control_bytes;
    u32 flags;
};

static u8 buffer[4096];
static int pair[2];

static void make_pair(int style) { SHOW(S4(socketpair, UNIX, style | NONBLOCK, 0, pair)); }
static i64 give(int fd, const char *text) { return SYS(sendto, fd, text, length(text), NOSIGNAL, 0, 0); }
static i64 take(int fd, u64 room, int flags) { return SYS(recvfrom, fd, buffer, room, flags, 0, 0); }

static void styles(void)
{
    const int all[] = {STREAM, DGRAM, PACKET};
    for (int i = 0; i < 3; i++) {
        report("style", all[i]);
        make_pair(all[i]);
        SHOW(state(pair[0], 0xffff));
        SHOW(take(pair[0], 8, 0));
        SHOW(give(pair[0], "one"));
        SHOW(give(pair[0], "twotwo"));
        SHOW(state(pair[1], 0xffff));
        SHOW(take(pair[1], 2, PEEK));
        SHOW(take(pair[1], 2, TRUNC));
        SHOW(take(pair[1], 100, 0));
        SHOW(S2(shutdown, pair[0], 1));
        SHOW(S2(shutdown, pair[0], 3));
        SHOW(give(pair[0], "x"));
        SHOW(take(pair[1], 8, 0));
        SHOW(state(pair[1], 0xffff));
        SHOW(give(pair[1], "unread"));
        S1(close, pair[0]);
        SHOW(state(pair[1], 0xffff));
        SHOW(give(pair[1], "x"));
        SHOW(take(pair[1], 8, 0));
        SHOW(take(pair[1], 8, 0));
        S1(close, pair[1]);
        int fresh = (int)S3(socket, UNIX, all[i], 0);
        SHOW(state(fresh, 0xffff));
        SHOW(take(fresh, 8, DONTWAIT));
        SHOW(give(fresh, "x"));
        SHOW(S2(listen, fresh, 1));
        SHOW(S4(accept4, fresh, 0, 0, 0));
        S1(close, fresh);
    }
    SHOW(S3(socket, 77, STREAM, 0));
    SHOW(S3(socket, UNIX, 4, 0));
    SHOW(S3(socket, UNIX, STREAM, 6));
    SHOW(S3(socket, UNIX, STREAM | 0x100, 0));
    SHOW(S4(socketpair, INET, STREAM, 0, pair));
    SHOW(S2(listen, 1, 1));
    SHOW(S2(listen, 999, 1));
}

static u32 name_it(struct unix_name *name, const char *path, u64 bytes)
{
    name->family = UNIX;
    memcpy(name->path, path, bytes);
    return (u32)(2 + bytes);
}

static void names(void)
{
    struct unix_name name, got;
    static char path[] = "/tmp/pagewalk-socket-........";
    u64 id = (u64)S0(getpid);
    for (u64 at = sizeof path - 2; path[at] == '.'; at--, id >>= 4) path[at] = "0123456789abcdef"[id & 15];
    char hidden[] = "\0pagewalk........";
    memcpy(hidden + 9, path + sizeof path - 9, 8);
    for (int i = 0; i < 2; i++) {
        report("name space", i);
        u32 bytes = i ? name_it(&name, hidden, 17) : name_it(&name, path, sizeof path);
        int server = (int)S3(socket, UNIX, STREAM | NONBLOCK, 0), client = (int)S3(socket, UNIX, STREAM | NONBLOCK, 0);
        SHOW(S3(connect, client, &name, bytes));
        SHOW(S3(bind, server, &name, bytes));
        SHOW(S3(connect, client, &name, bytes));
        int other = (int)S3(socket, UNIX, STREAM, 0), wrong = (int)S3(socket, UNIX, DGRAM, 0);
        SHOW(S3(bind, other, &name, bytes));
        SHOW(S3(bind, server, &name, bytes));
        SHOW(S2(listen, server, 1));
        SHOW(S3(connect, wrong, &name, bytes));
        SHOW(S4(accept4, server, 0, 0, 0));
        SHOW(S3(connect, client, &name, bytes));
        SHOW(S3(connect, client, &name, bytes));
        SHOW(state(server, 0xffff));
        SHOW(give(client, "early"));
        u32 room = sizeof got;
        int end = (int)S4(accept4, server, &got, &room, NONBLOCK);
        report("the client's name", room);
        SHOW(take(end, 100, 0));
        room = sizeof got;
        SHOW(S3(getpeername, client, &got, &room));
        report("the server's name", room == bytes);
        room = sizeof got;
        SHOW(S3(getsockname, end, &got, &room));
        report("the end's name", room == bytes);
        SHOW(S3(getpeername, server, &got, &room));
        u32 value[3] = {0}, size = 4;
        SHOW(S5(getsockopt, end, 1, 3, value, &size));
        report("type", value[0]);
        SHOW(S5(getsockopt, server, 1, 30, value, &size));
        report("listens", value[0]);
        size = 12;
        SHOW(S5(getsockopt, client, 1, 17, value, &size));
        check("the peer is me", value[0] == (u32)S0(getpid));
        SHOW(S5(getsockopt, client, 1, 999, value, &size));
        SHOW(S5(setsockopt, client, 1, 2, value, 3));
        S1(close, server);
        SHOW(S3(connect, other, &name, bytes));
        S1(close, end), S1(close, client), S1(close, other), S1(close, wrong);
    }
    SHOW(S3(unlinkat, AT_FDCWD, path, 0));
    int server = (int)S3(socket, UNIX, DGRAM, 0), client = (int)S3(socket, UNIX, DGRAM | NONBLOCK, 0);
    u32 bytes = name_it(&name, hidden, 17);
    SHOW(SYS(sendto, client, "x", 1, 0, &name, bytes));
    SHOW(S3(bind, server, &name, bytes));
    SHOW(SYS(sendto, client, "to all", 6, 0, &name, bytes));
    SHOW(take(server, 100, 0));
    SHOW(S3(bind, client, &name, 2));
    u32 room = sizeof got;
    SHOW(S3(getsockname, client, &got, &room));
    report("a name that the kernel chose", room);
    SHOW(S3(connect, client, &name, bytes));
    int sent = 0;
    while (give(client, "much") == 4) sent++;
    report("datagrams until it is full", sent);
    SHOW(state(client, EPOLLOUT));
    name.family = INET;
    SHOW(S3(connect, client, &name, bytes));
    SHOW(S3(connect, client, &name, 1));
    SHOW(S3(bind, client, &name, 200));
    S1(close, server), S1(close, client);
}

static void rights(void)
{
    make_pair(STREAM);
    int ends[2], one = 1;
    S2(pipe2, ends, 0);
    struct {
        u64 bytes;
        int level, kind;
        int data[4];
    } control = {24, 1, 1, {ends[1], ends[0], 0, 0}};
    struct vector vector = {"fd", 2};
    struct header header = {0, 0, &vector, 1, &control, 24, 0};
    SHOW(S3(sendmsg, pair[0], &header, 0));
    SHOW(give(pair[0], "after"));
    control.data[0] = 999;
    SHOW(S3(sendmsg, pair[0], &header, 0));
    control.bytes = 8;
    SHOW(S3(sendmsg, pair[0], &header, 0));
    S1(close, ends[1]);
    memset(&control, 0, sizeof control);
    vector.base = buffer, vector.bytes = sizeof buffer;
    SHOW(S3(recvmsg, pair[1], &header, 0x40000000));
    report("control bytes", (i64)header.control_bytes);
    report("control length", (i64)control.bytes);
    check("close on exec", S3(fcntl, control.data[0], 1, 0) == 1);
    SHOW(S3(write, control.data[0], "through", 7));
    SHOW(S3(read, control.data[1], buffer, 100));
    SHOW(take(pair[1], 100, 0));
    S1(close, control.data[0]), S1(close, control.data[1]), S1(close, ends[0]);
    SHOW(S5(setsockopt, pair[1], 1, 16, &one, 4));
    SHOW(give(pair[0], "who"));
    header.control_bytes = sizeof control;
    SHOW(S3(recvmsg, pair[1], &header, 0));
    report("control bytes", (i64)header.control_bytes);
    report("kind", control.kind);
    check("from me", control.data[0] == (int)S0(getpid));
    SHOW(give(pair[0], "cut"));
    header.control_bytes = 0;
    SHOW(S3(recvmsg, pair[1], &header, 0));
    report("flags", header.flags);
    S1(close, pair[0]), S1(close, pair[1]);
}

static void waiting(void)
{
    S4(socketpair, UNIX, STREAM, 0, pair);
    i64 child = fork_process();
    if (child == 0) {
        i64 nap[2] = {0, 2000000};
        for (int i = 0; i < 3; i++) {
            SYS(ppoll, 0, 0, nap, 0, 8, 0);
            give(pair[0], "abcd");
        }
        S1(close, pair[1]);
        while (take(pair[0], 4096, 0) > 0) {}
        quit(0);
    }
    S1(close, pair[0]);
    SHOW(take(pair[1], 12, WAITALL));
    static u8 much[1 << 20];
    SHOW(S3(write, pair[1], much, sizeof much));
    S1(close, pair[1]);
    report("child", wait_for(child));
    make_pair(STREAM);
    i64 time[2] = {0, 2000};
    SHOW(S5(setsockopt, pair[0], 1, 20, time, 16));
    S3(fcntl, pair[0], 4, 0);
    SHOW(take(pair[0], 1, 0));
}

static void loopback(void)
{
    struct inet_name name = {INET, 0, 0x0100007f, 0};
    int server = (int)S3(socket, INET, STREAM, 0), client = (int)S3(socket, INET, STREAM, 0);
    SHOW(S3(bind, server, &name, 8));
    SHOW(S3(bind, server, &name, sizeof name));
    SHOW(S2(listen, server, 4));
    u32 room = sizeof name;
    SHOW(S3(getsockname, server, &name, &room));
    i64 child = fork_process();
    if (child == 0) {
        int end = (int)S4(accept4, server, 0, 0, 0);
        u8 bytes[16];
        i64 got = S3(read, end, bytes, 16);
        S3(write, end, bytes, (u64)got);
        quit(0);
    }
    int one = 1, value = 0;
    SHOW(S3(connect, client, &name, sizeof name));
    SHOW(S5(setsockopt, client, 6, 1, &one, 4));
    room = 4;
    SHOW(S5(getsockopt, client, 6, 1, &value, &room));
    report("no delay", value);
    SHOW(S3(write, client, "echo", 4));
    int set = (int)S1(epoll_create1, 0);
    watch(set, ADD, client, EPOLLIN | EPOLLET, 5);
    struct event found;
    SHOW(SYS(epoll_pwait, set, &found, 1, -1, 0, 8));
    SHOW(S3(read, client, buffer, 100));
    SHOW(S3(read, client, buffer, 100));
    report("child", wait_for(child));
    S1(close, server);
    int late = (int)S3(socket, INET, STREAM, 0);
    SHOW(S3(connect, late, &name, sizeof name));
    int from = (int)S3(socket, INET, DGRAM | NONBLOCK, 0), to = (int)S3(socket, INET, DGRAM, 0);
    name.port = 0;
    SHOW(S3(bind, to, &name, sizeof name));
    room = sizeof name;
    S3(getsockname, to, &name, &room);
    SHOW(SYS(sendto, from, "datagram", 8, 0, &name, sizeof name));
    SHOW(take(to, 4, TRUNC));
    SHOW(take(from, 4, 0));
}

int main(void)
{
    styles();
    names();
    rights();
    waiting();
    loopback();
    return 0;
}
