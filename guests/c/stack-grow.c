/* stack-grow: the stack grows on a touch, however far below, down to near RLIMIT_STACK (getrlimit(2)). */
#include "guest.h"

int main(void)
{
    u64 limits[2] = {0, 0}, spare = 512 << 10, first = 64 << 10;
    SYS(prlimit64, 0, RLIMIT_STACK, 0, limits, 0, 0);
    u64 depth = limits[0] > (8 << 20) ? 8 << 20 : limits[0];
    u8 *top = (u8 *)__builtin_frame_address(0), *lowest = top - (depth - spare);
    check("the limit is above one MiB", depth > 1 << 20);
    store(lowest, 1);
    put("one far touch, 512 KiB above the limit: done\n");
    int zero = 1;
    for (u8 *at = top - first; at > lowest + page; at -= page) zero &= load(at) == 0;
    check("what lies between reads as zeros", zero);
    for (u8 *at = top - first; at > lowest + page; at -= page) store(at, 5);
    u64 wrong = 0;
    for (u8 *at = top - first; at > lowest + page; at -= page) wrong += load(at) != 5;
    report("pages that lost what was written", (i64)wrong);
    check("the far touch is still there", load(lowest) == 1);
    return 0;
}
