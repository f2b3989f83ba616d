/* pie: a position-independent program without an interpreter; its code finds its data wherever it was put. */
#include "guest.h"

static u64 data[2] = {40, 2};
static u64 zeros[20000];

int main(void)
{
    u64 here;
#if defined(__aarch64__)
    __asm__("adr %0, ." : "=r"(here));
#else
    __asm__("lea 0(%%rip), %0" : "=r"(here));
#endif
    check("loaded above 4 GiB", here >> 32 != 0);
    report("its data", (i64)(((volatile u64 *)data)[0] + ((volatile u64 *)data)[1]));
    u64 sum = 0;
    for (u64 i = 0; i < 20000; i++) sum += ((volatile u64 *)zeros)[i];
    report("its zeros", (i64)sum);
    ((volatile u64 *)zeros)[19999] = 1;
    report("written", (i64)((volatile u64 *)zeros)[19999]);
    return 0;
}
