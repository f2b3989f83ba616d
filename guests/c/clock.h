/* What the benchmarks need besides guest.h: the clock and a number from the command line. */
#ifndef CLOCK_H
#define CLOCK_H
#include "guest.h"

/* Nanoseconds of CLOCK_MONOTONIC, by the system call. */
static inline u64 now(void)
{
    u64 time[2] = {0, 0};
    SYS(clock_gettime, 1, time, 0, 0, 0, 0);
    return time[0] * 1000000000 + time[1];
}
static inline u64 whole_number(const char *text)
{
    u64 value = 0;
    for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (u64)(*text - '0');
    return *text ? 0 : value;
}
/* "OPERATIONS NANOSECONDS" on standard error, where cargo xtask bench reads it. */
static inline void tell_time(u64 operations, u64 nanoseconds)
{
    put_number((i64)operations);
    put(" ");
    put_number((i64)nanoseconds);
    out_line[out_used++] = '\n';
    flush_to(2);
}

#endif
