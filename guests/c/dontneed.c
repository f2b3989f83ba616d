/* dontneed: madvise(MADV_DONTNEED) gives anonymous pages back; they read as zeros and can be written again. */
#include "guest.h"

static i64 advise(u8 *at, u64 bytes, int advice) { return SYS(madvise, at, bytes, advice, 0, 0, 0); }

int main(void)
{
    u8 *at = map_anon(6);
    for (u64 i = 0; i < 6; i++) store(at + i * page, (u8)(i + 1));
    report("pages 1 to 3", advise(at + page, 3 * page, MADV_DONTNEED));
    for (u64 i = 0; i < 6; i++) {
        put("page ");
        put_number((i64)i);
        report("", load(at + i * page));
    }
    store(at + page, 20);
    report("written again", load(at + page));
    report("length 0", advise(at, 0, MADV_DONTNEED));
    report("unaligned", advise(at + 1, page, MADV_DONTNEED));
    report("unknown advice", advise(at, page, 999));
    SYS(munmap, at + 4 * page, page, 0, 0, 0, 0);
    report("over a hole", advise(at, 6 * page, MADV_DONTNEED));
    report("the page behind the hole was done too", load(at + 5 * page));
    u8 *shared = map(0, page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    store(shared, 9);
    advise(shared, page, MADV_DONTNEED);
    report("shared memory keeps its content", load(shared));
    return 0;
}
