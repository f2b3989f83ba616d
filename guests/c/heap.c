/* heap: brk(2) grows and shrinks the heap by bytes; what was given back reads as zeros when it comes again, and a
   break that cannot be is answered with the old one. */
#include "guest.h"

static u8 *set_break(u8 *at) { return (u8 *)SYS(brk, at, 0, 0, 0, 0, 0); }

int main(void)
{
    u8 *start = set_break(0), *full = start + 8 * page;
    check("the heap begins at a page", ((u64)start & (page - 1)) == 0);
    check("one byte more", set_break(start + 1) == start + 1);
    check("eight pages", set_break(full) == full);
    u64 sum = 0;
    for (u8 *at = start; at < full; at += 64) sum += load(at);
    report("sum of fresh pages", (i64)sum);
    for (u8 *at = start; at < full; at += page) store(at, 3);
    report("lines of maps inside", (i64)map_lines((u64)start, (u64)full));
    check("back to two pages", set_break(start + 2 * page) == start + 2 * page);
    report("a byte that is left", load(start + page));
    report("reading a page given back", readable(start + 2 * page));
    check("eight pages again", set_break(full) == full);
    report("what was given back reads", load(start + 2 * page));
    report("what was kept reads", load(start + page));
    check("a break below the start is refused", set_break(start - page) == full);
    check("a break of 64 TiB is refused", set_break((u8 *)(64ul << 40)) == full);
    check("a break inside a page keeps the page", set_break(start + page + 1) == start + page + 1);
    report("behind it in the same page", load(start + page));
    check("empty", set_break(start) == start);
    report("reading an empty heap", readable(start));
    return 0;
}
