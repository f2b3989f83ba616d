/* zero-page: fresh memory reads as zeros before anything was written, and each page is its own from the first write. */
#include "guest.h"

int main(void)
{
    u64 pages = 8, sum = 0;
    u8 *at = map_anon(pages);
    for (u64 i = 0; i < pages * page; i += 256) sum += load(at + i);
    report("sum of untouched pages", (i64)sum);
    store(at + 3 * page, 7);
    store(at + 5 * page + page - 1, 9);
    for (u64 i = 0; i < pages; i++) {
        put("page ");
        put_number((i64)i);
        report("", load(at + i * page) + load(at + i * page + page - 1));
    }
    check("a page written without a read before is zero around the byte",
          load(at + 3 * page + 1) == 0 && load(at + 5 * page + page - 2) == 0);
    return 0;
}
