/* shared-file: a shared mapping and read(2)/write(2) see the same bytes at once, and so does a second mapping. */
#include "guest.h"

int main(void)
{
    int fd = numbered_file(3);
    u8 *at = map(0, 3 * page, RW, MAP_SHARED, fd, 0), *again = map(0, page, PROT_READ, MAP_SHARED, fd, page);
    report("page 1", load(at + page));
    store(at + page, 50);
    report("read() of the byte written in memory", file_byte(fd, page));
    report("a second mapping of it", load(again));
    u8 byte = 60;
    SYS(pwrite64, fd, &byte, 1, page + 1, 0, 0);
    report("memory after a write() to the file", load(at + page + 1));
    report("the second mapping", load(again + 1));
    i64 pid = fork_process();
    if (pid == 0) {
        store(at + 2 * page, 70);
        quit(0);
    }
    wait_for(pid);
    report("read() of a byte written by a child", file_byte(fd, 2 * page));
    SYS(munmap, at, 3 * page, 0, 0, 0, 0);
    report("read() after the mapping went", file_byte(fd, page));
    return 0;
}
