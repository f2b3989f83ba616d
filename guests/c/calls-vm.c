/* calls-vm: process_vm_readv(2), partly bad buffers, remap_file_pages(2), mseal(2), process_madvise(2), NUMA policies, and the
   calls that this machine refuses as a kernel without them does. A line a rule of the checklist. */
#include "memory.h"

struct part {
    const u8 *at;
    u64 bytes;
};
static i64 me;
enum { PR_SET_DUMPABLE = 4 };

static i64 move(i64 number, struct part *here, u64 n, struct part *there, u64 m, i64 pid, u64 flags)
{
    return sys6(number, pid, (i64)here, (i64)n, (i64)there, (i64)m, (i64)flags);
}
static i64 get(struct part *here, u64 n, struct part *there, u64 m)
{
    return move(NR_process_vm_readv, here, n, there, m, me, 0);
}
static i64 set(struct part *here, u64 n, struct part *there, u64 m)
{
    return move(NR_process_vm_writev, here, n, there, m, me, 0);
}

static void other_memory(void)
{
    u8 *at = map_anon(4), *to = map_anon(4);
    number_pages(at, 4);
    struct part here = {to, 2 * page}, there = {at, 2 * page}, none = {at, 0};
    row("readv", get(&here, 1, &there, 1) == 2 * (i64)page);
    row_load("its bytes", to + page);
    row("flags", move(NR_process_vm_readv, &here, 1, &there, 1, me, 1));
    row("too many local parts", move(NR_process_vm_readv, &here, 1025, &there, 1, me, 0));
    row("too many remote parts", move(NR_process_vm_readv, &here, 1, &there, 1025, me, 0));
    row("nothing of a bad process", move(NR_process_vm_readv, &none, 1, &none, 1, 0x3fffffff, 0));
    row("no parts", move(NR_process_vm_readv, &here, 0, &there, 0, me, 0));
    row("no such process", move(NR_process_vm_readv, &here, 1, &there, 1, 0x3fffffff, 0));
    row("bad local parts", move(NR_process_vm_readv, (struct part *)8, 1, &there, 1, me, 0));
    row("bad remote parts", move(NR_process_vm_readv, &here, 1, (struct part *)8, 1, me, 0));
    struct part bad = {(u8 *)8, page}, negative = {at, ~0ul};
    row("bad remote address", get(&here, 1, &bad, 1));
    row("bad local address", get(&bad, 1, &there, 1));
    row("negative length", get(&negative, 1, &there, 1));
    unmap(at + 3 * page, page);
    struct part partly[2] = {{at + 2 * page, page}, {at + 3 * page, page}}, two = {to, 2 * page};
    row("partly bad", get(&two, 1, partly, 2) == (i64)page);
    struct part split[2] = {{to, 10}, {to + page, 20}}, whole = {at, 25};
    row("many local parts", get(split, 2, &whole, 1));
    store(to, 66);
    row("writev", set(&here, 1, &there, 1) == 2 * (i64)page);
    row_load("its bytes", at);
    protect(at, page, PROT_READ);
    row("writev to read-only", set(&here, 1, &there, 1));
    protect(at, page, PROT_NONE);
    row("readv of PROT_NONE", get(&here, 1, &there, 1));
    i64 child = fork_process();
    if (child == 0) {
        SYS(kill, SYS(getpid, 0, 0, 0, 0, 0, 0), 19, 0, 0, 0, 0);
        quit(load(at + page));
    }
    int status;
    SYS(wait4, child, &status, 2, 0, 0, 0);
    struct part of_child = {at + page, 1};
    struct part byte = {to, 1};
    store(to, 123);
    row("writev to a child", move(NR_process_vm_writev, &byte, 1, &of_child, 1, child, 0));
    SYS(kill, child, 18, 0, 0, 0, 0);
    row("which sees it", wait_for(child) >> 8);
    row_load("and the parent does not", at + page);
    SYS(prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
    IN_CHILD({
        become_nobody();
        row("not permitted", move(NR_process_vm_readv, &here, 1, &there, 1, me, 0));
    });
    SYS(prctl, PR_SET_DUMPABLE, 1, 0, 0, 0, 0);
}

static void buffers(void)
{
    u8 *at = map_anon(2);
    unmap(at + page, page);
    u8 *edge = at + page - 4;
    int fd = numbered_file(2), ends[2];
    row("read, whole buffer bad", SYS(read, fd, 8, 10, 0, 0, 0));
    row("read, partly bad", SYS(read, fd, edge, 10, 0, 0, 0));
    row("moves the position by it", SYS(lseek, fd, 0, 1, 0, 0, 0));
    SYS(pipe2, ends, 0, 0, 0, 0, 0);
    row("pipe write with a bad tail", SYS(write, ends[1], edge, 10, 0, 0, 0));
    struct part parts[2] = {{edge, 4}, {at, 4}};
    row("too many parts", SYS(readv, fd, parts, 1025, 0, 0, 0));
    row("negative parts", SYS(readv, fd, parts, -1, 0, 0, 0));
    row("bad parts", SYS(readv, fd, 8, 2, 0, 0, 0));
    parts[0].bytes = parts[1].bytes = ~0ul >> 1;
    row("the sum overflows", SYS(readv, fd, parts, 2, 0, 0, 0));
}

static void nonlinear(void)
{
    int fd = numbered_file(4);
    u8 *at = map(0, 4 * page, RW, MAP_SHARED, fd, 0);
    row("remap_file_pages", SYS(remap_file_pages, at, page, 0, 3, 0, 0));
    row_load("shows the other page", at);
    row_load("the neighbour stays", at + page);
    row("protection", SYS(remap_file_pages, at, page, PROT_READ, 3, 0, 0));
    row("length 0", SYS(remap_file_pages, at, 0, 0, 3, 0, 0));
    row("private", SYS(remap_file_pages, map_anon(1), page, 0, 0, 0, 0));
    row("not mapped", SYS(remap_file_pages, 0, page, 0, 0, 0, 0));
    row("wraps", SYS(remap_file_pages, at, ~0ul, 0, 0, 0, 0));
    row("offset wraps", SYS(remap_file_pages, at, page, 0, ~0ul, 0, 0));
}

static i64 seal(const u8 *at, u64 bytes, u64 flags) { return SYS(mseal, at, bytes, flags, 0, 0, 0); }

static void sealing(void)
{
    u8 *area = room(8), *at = map(area + page, 4 * page, RW, ANON | MAP_FIXED, -1, 0);
    number_pages(at, 4);
    row("mseal flags", seal(at, page, 1));
    row("mseal unaligned", seal(at + 1, page, 0));
    row("mseal wraps", seal(at, ~0ul - 2 * page, 0));
    row("mseal length 0", seal(at, 0, 0));
    u8 *hole = map_anon(3);
    unmap(hole + page, page);
    row("mseal over a hole", seal(hole, 3 * page, 0));
    row("mseal", seal(at, 2 * page, 0));
    row("again", seal(at, 2 * page, 0));
    row("munmap", unmap(at, page));
    row("munmap around", unmap(area, 8 * page));
    row("mprotect", protect(at, page, PROT_READ));
    row("mremap", SYS(mremap, at, page, 2 * page, MREMAP_MAYMOVE, 0, 0));
    row("mremap to smaller", SYS(mremap, at, 2 * page, page, 0, 0, 0));
    row("mremap over it", SYS(mremap, at + 2 * page, page, page, 3, at, 0));
    row_at("mmap FIXED over it", mmap6(at, page, RW, ANON | MAP_FIXED, -1, 0));
    row("DONTNEED of writable memory", advise(at, page, MADV_DONTNEED));
    row("the neighbour is free", protect(at + 2 * page, page, PROT_READ));
    u8 *readonly = map_anon(1);
    store(readonly, 3);
    protect(readonly, page, PROT_READ);
    seal(readonly, page, 0);
    row("DONTNEED of read-only memory", advise(readonly, page, MADV_DONTNEED));
    row_load("its content", readonly);
    row("RANDOM", advise(at, page, MADV_RANDOM));
    IN_CHILD(row("the child's munmap", unmap(at, page)));
}

static void advising(void)
{
    u8 *at = map_anon(4);
    number_pages(at, 4);
    struct part parts[2] = {{at, 2 * page}, {at + 2 * page, 2 * page}};
    int fd = (int)SYS(pidfd_open, me, 0, 0, 0, 0, 0);
    row("process_madvise COLD", SYS(process_madvise, fd, parts, 2, MADV_COLD, 0, 0) == 4 * (i64)page);
    row("process_madvise PAGEOUT", SYS(process_madvise, fd, parts, 2, MADV_PAGEOUT, 0, 0) == 4 * (i64)page);
    row_load("keeps its content", at + 3 * page);
    row("process_madvise WILLNEED", SYS(process_madvise, fd, parts, 2, MADV_WILLNEED, 0, 0) == 4 * (i64)page);
    row("process_madvise flags", SYS(process_madvise, fd, parts, 2, MADV_COLD, 1, 0));
    row("process_madvise no descriptor", SYS(process_madvise, -1, parts, 2, MADV_COLD, 0, 0));
    row("process_madvise another descriptor", SYS(process_madvise, unnamed_file(), parts, 2, MADV_COLD, 0, 0));
    row("process_madvise too many parts", SYS(process_madvise, fd, parts, 1025, MADV_COLD, 0, 0));
    int child = (int)fork_process();
    if (child == 0)
        for (;;) SYS(kill, SYS(getpid, 0, 0, 0, 0, 0, 0), 19, 0, 0, 0, 0);
    int other = (int)SYS(pidfd_open, child, 0, 0, 0, 0, 0);
    row("process_madvise DONTNEED of another", SYS(process_madvise, other, parts, 2, MADV_DONTNEED, 0, 0));
    SYS(kill, child, 9, 0, 0, 0, 0);
    wait_for(child);
    unmap(at + 2 * page, page);
    row("process_madvise stops at a hole", SYS(process_madvise, fd, parts, 2, MADV_COLD, 0, 0) == 2 * (i64)page);
}

static void policies(void)
{
    u64 node0 = 1, node1 = 2, none = 0, got = 9;
    int mode = 9;
    u8 *at = map_anon(2);
    enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, FLAG_ADDR = 2, FLAG_MEMS = 4 };
    row("get_mempolicy", SYS(get_mempolicy, &mode, &got, 64, 0, 0, 0));
    row("mode", mode);
    row("nodes", (i64)got);
    row("set_mempolicy BIND", SYS(set_mempolicy, BIND, &node0, 64, 0, 0, 0));
    SYS(get_mempolicy, &mode, &got, 64, 0, 0, 0);
    row("mode", mode);
    row("nodes", (i64)got);
    row("BIND to no node", SYS(set_mempolicy, BIND, &none, 64, 0, 0, 0));
    row("BIND to a node that is not there", SYS(set_mempolicy, BIND, &node1, 64, 0, 0, 0));
    row("unknown mode", SYS(set_mempolicy, 99, &node0, 64, 0, 0, 0));
    row("bad nodes", SYS(set_mempolicy, BIND, 8, 64, 0, 0, 0));
    row("DEFAULT with nodes", SYS(set_mempolicy, DEFAULT, &node0, 64, 0, 0, 0));
    row("DEFAULT", SYS(set_mempolicy, DEFAULT, 0, 0, 0, 0, 0));
    row("LOCAL", SYS(set_mempolicy, LOCAL, 0, 0, 0, 0, 0));
    row("INTERLEAVE", SYS(set_mempolicy, INTERLEAVE, &node0, 64, 0, 0, 0));
    row("PREFERRED without a node", SYS(set_mempolicy, PREFERRED, 0, 0, 0, 0, 0));
    SYS(set_mempolicy, DEFAULT, 0, 0, 0, 0, 0);
    row("MEMS_ALLOWED", SYS(get_mempolicy, 0, &got, 64, 0, FLAG_MEMS, 0));
    row("nodes", (i64)got);
    row("get_mempolicy unknown flag", SYS(get_mempolicy, &mode, 0, 0, 0, 64, 0));
    row("address without the flag", SYS(get_mempolicy, &mode, 0, 0, at, 0, 0));
    row("ADDR of nothing", SYS(get_mempolicy, &mode, 0, 0, 0, FLAG_ADDR, 0));
    row("mbind", SYS(mbind, at, 2 * page, BIND, &node0, 64, 0));
    row("ADDR", SYS(get_mempolicy, &mode, 0, 0, at, FLAG_ADDR, 0));
    row("mode", mode);
    row("mbind unaligned", SYS(mbind, at + 1, page, BIND, &node0, 64, 0));
    row("mbind flags", SYS(mbind, at, page, BIND, &node0, 64, 64));
    row("mbind length 0", SYS(mbind, at, 0, BIND, &node0, 64, 0));
    row("mbind wraps", SYS(mbind, at, ~0ul - 2 * page, BIND, &node0, 64, 0));
    unmap(at + page, page);
    row("mbind over a hole", SYS(mbind, at, 2 * page, BIND, &node0, 64, 0));
    row("mbind DEFAULT", SYS(mbind, at, page, DEFAULT, 0, 0, 0));
    row("migrate_pages", SYS(migrate_pages, 0, 64, &node0, &node0, 0, 0));
    store(at, 1);
    const u8 *pages[2] = {at, at + page};
    int status[2] = {99, 99};
    row("move_pages asks", SYS(move_pages, 0, 2, pages, 0, status, 0));
    row("a page's node", status[0]);
    row("of nothing", status[1]);
}

static void refused(void)
{
    row("pkey_alloc unknown flags", SYS(pkey_alloc, 1, 0, 0, 0, 0, 0));
    row("pkey_mprotect bad key", SYS(pkey_mprotect, map_anon(1), page, RW, 99, 0, 0));
    row("pkey_mprotect without a key", SYS(pkey_mprotect, map_anon(1), page, PROT_READ, -1, 0, 0));
    row("pkey_free bad key", SYS(pkey_free, 99, 0, 0, 0, 0, 0));
}

int main(void)
{
    catch_faults();
    me = SYS(getpid, 0, 0, 0, 0, 0, 0);
    other_memory();
    buffers();
    nonlinear();
    sealing();
    advising();
    policies();
    refused();
    return 0;
}
