/* shared-anon: a shared anonymous mapping is one memory for parent and child, whoever writes first. */
#include "guest.h"

int main(void)
{
    u8 *at = map(0, 4 * page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    u8 *own = map_anon(1);
    report("fresh", load(at));
    store(at + page, 1);
    store(own, 1);
    i64 pid = fork_process();
    if (pid == 0) {
        store(at, load(at + page) + 10);
        store(at + 2 * page, 30);
        store(own, 99);
        quit(0);
    }
    report("the child's status", wait_for(pid));
    report("written by the child in a page that the parent had read", load(at));
    report("written by the parent before", load(at + page));
    report("written by the child first", load(at + 2 * page));
    report("touched by nobody", load(at + 3 * page));
    report("private memory beside", load(own));
    pid = fork_process();
    if (pid == 0) {
        SYS(munmap, at, 4 * page, 0, 0, 0, 0);
        quit(0);
    }
    wait_for(pid);
    report("still there after the child unmapped it", load(at + 2 * page));
    return 0;
}
