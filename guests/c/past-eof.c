/* past-eof: a file may be mapped past its end. The rest of its last page reads as zeros and can be written; the pages
   behind are SIGBUS with BUS_ADRERR. With "truncate" the file shrinks under the mapping. mmap(2), NOTES. */
#include "guest.h"

int main(int argc, char **argv)
{
    int fd = numbered_file(4);
    SYS(ftruncate, fd, page + 10, 0, 0, 0, 0);
    u8 *at = map(0, 4 * page, RW, MAP_SHARED, fd, 0);
    report("first page", load(at));
    report("second page, before the end", load(at + page));
    report("second page, past the end", load(at + page + 10));
    store(at + page + 10, 5);
    report("file byte past the end", file_byte(fd, page + 10));
    if (argc == 2 && equal(argv[1], "truncate")) {
        SYS(ftruncate, fd, 0, 0, 0, 0, 0);
        put("reading the first page of a file that is empty now\n");
        return load(at);
    }
    put("reading a page past the end\n");
    return load(at + 2 * page);
}
