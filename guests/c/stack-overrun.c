/* stack-overrun: recursion without end is SIGSEGV with SEGV_MAPERR at RLIMIT_STACK. With "catch" a handler on an
   alternative stack sees it; with "no-room" the handler has no stack to run on, and the kernel ends the program. */
#include "signals.h"

static u8 *last_frame;

static void caught(int signo, u8 *info, u8 *context)
{
    (void)context;
    report("caught signal", signo);
    report("code", info_code(info));
    u64 gap = (u64)last_frame - info_addr(info);
    check("the address is just below the last frame", gap <= 8192);
    quit(0);
}

__attribute__((noinline)) static int descend(int depth)
{
    volatile u8 frame[1024];
    frame[0] = (u8)depth;
    last_frame = (u8 *)frame;
    if (depth < 0) return 0;
    return descend(depth + 1) + frame[0];
}

int main(int argc, char **argv)
{
    static u8 spare[65536];
    if (argc == 2) catch_signal(SIGSEGV, caught, SA_ONSTACK);
    if (argc == 2 && equal(argv[1], "catch")) use_alt_stack(spare, sizeof spare);
    put("overrunning the stack\n");
    return descend(0) != 0;
}
