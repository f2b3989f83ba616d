/* private-file: writes to a private mapping of a file stay private; pages not yet written follow the file. */
#include "guest.h"

int main(void)
{
    int fd = numbered_file(3);
    u8 *at = map(0, 3 * page, RW, MAP_PRIVATE, fd, 0);
    report("page 0 before", load(at));
    store(at, 100);
    report("page 0 after a write", load(at));
    report("read() of it", file_byte(fd, 0));
    u8 byte = 200;
    SYS(pwrite64, fd, &byte, 1, 1, 0, 0);
    SYS(pwrite64, fd, &byte, 1, page, 0, 0);
    report("a page with a copy does not follow write()", load(at + 1));
    report("a page without one follows it", load(at + page));
    store(at + 2 * page + 1, 5);
    report("written before it was read: its first byte", load(at + 2 * page));
    report("read() of the byte behind", file_byte(fd, 2 * page + 1));
    SYS(madvise, at, page, MADV_DONTNEED, 0, 0, 0);
    report("page 0 after MADV_DONTNEED is the file's again", load(at));
    return 0;
}
