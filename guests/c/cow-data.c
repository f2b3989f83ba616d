/* cow-data: the first write to a page of initialised data copies the page from the file: the neighbours keep what the
   file says, and pages that were only read stay the file's. */
#include "guest.h"

/* Longer than the largest page, so that its ends lie in different pages with every page size. */
static u32 table[16384 + 64] = {[0] = 11, [1] = 12, [4096] = 31, [16400] = 21, [16401] = 22};

int main(void)
{
    volatile u32 *at = table;
    u64 before = 0, after = 0, words = sizeof table / sizeof *table;
    for (u64 i = 0; i < words; i++) before += at[i];
    report("sum of the file's data", (i64)before);
    at[0] = 1000;
    at[16400] = 2000;
    for (u64 i = 0; i < words; i++) after += at[i];
    report("sum after two writes", (i64)after);
    report("neighbour of the first", at[1]);
    report("neighbour of the second", at[16401]);
    report("between them", at[4096]);
    at[4096] += at[1] + at[16401];
    report("after a third write", at[4096]);
    return 0;
}
