/* cow-fork: after fork(2) memory is shared until one side writes, then each has its own: parent to child, child to
   parent, grandchild too. Data, heap, stack and private mappings behave alike. */
#include "guest.h"

static int data = 1;

static int child_of_child(u8 *mapping)
{
    int seen = data * 100 + load(mapping);
    data = 77;
    store(mapping, 77);
    return seen == 5 * 100 + 6 ? 0 : 1;
}

static int child(u8 *mapping, volatile int *on_stack)
{
    int seen = data * 100 + load(mapping) * 10 + *on_stack;
    if (seen != 123) return 1;
    data = 5;
    store(mapping, 6);
    *on_stack = 7;
    i64 pid = fork_process();
    if (pid == 0) quit(child_of_child(mapping));
    if (wait_for(pid) != 0) return 2;
    return data == 5 && load(mapping) == 6 && *on_stack == 7 ? 42 : 3;
}

int main(void)
{
    volatile int on_stack = 3;
    u8 *mapping = map_anon(4);
    store(mapping, 2);
    i64 pid = fork_process();
    if (pid == 0) quit(child(mapping, &on_stack));
    report("the child's exit status", (wait_for(pid) >> 8) & 255);
    report("the parent's data after the child wrote", data);
    report("the parent's mapping", load(mapping));
    report("the parent's stack", on_stack);
    data = 9;
    pid = fork_process();
    if (pid == 0) quit(data + load(mapping));
    store(mapping, 200);
    report("a second child sees", (wait_for(pid) >> 8) & 255);
    pid = fork_process();
    if (pid == 0) return load((u8 *)16);
    report("a child that reads address 16 ends by signal", wait_for(pid) & 127);
    report("writes of the parent stay", load(mapping));
    return 0;
}
