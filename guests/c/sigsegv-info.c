/* sigsegv-info: what a signal handler is told about bad accesses: signal, code, and the address to the byte. Runs once
   on the normal stack and once on an alternative one, and goes on after each by moving the pc in the ucontext. */
#include "signals.h"

static u8 alternative[65536];
static u32 data[1024] = {1};
static u64 base;
static int told;

static void handler(int signo, u8 *info, u8 *context)
{
    u8 local;
    u64 here = (u64)&local, alt = (u64)alternative;
    put(" signal ");
    put_number(signo);
    if (info_signo(info) != signo) put(" (but si_signo differs)");
    put(" code ");
    put_number(info_code(info));
    put(" address base+");
    put_number((i64)(info_addr(info) - base));
    put(here >= alt && here < alt + sizeof alternative ? " on the alternative stack\n" : " on the stack\n");
    told = 1;
    skip_access(context);
}

static void try(const char *what, u64 (*probe)(const u8 *), const u8 *from, u64 offset)
{
    put(what);
    put(":");
    base = (u64)from;
    told = 0;
    probe(from + offset);
    if (!told) put(" nothing happened\n");
}

static void all(void)
{
    u8 *nothing = 0, *at = map_anon(8), *text = (u8 *)(u64)probe_load;
    int fd = numbered_file(1);
    SYS(munmap, at + 6 * page, page, 0, 0, 0, 0);
    SYS(mprotect, at + 2 * page, page, PROT_NONE, 0, 0, 0);
    SYS(mprotect, at + 4 * page, page, PROT_READ, 0, 0, 0);
    __asm__("" : "+r"(nothing));
    try("read address 0", probe_load, nothing, 0);
    try("write address 0", probe_store, nothing, 0);
    try("jump to address 0", probe_jump, nothing, 0);
    try("read near 0", probe_load, nothing, 0x123);
    try("read a hole", probe_load, at + 6 * page, 77);
    try("write a hole", probe_store, at + 6 * page, 0);
    try("jump into a hole", probe_jump, at + 6 * page, 16);
    try("read without permission", probe_load, at + 2 * page, 5);
    try("write without permission", probe_store, at + 2 * page, 6);
    try("jump without permission", probe_jump, at + 2 * page, 8);
    try("read across into a page without permission", probe_load8, at + 2 * page, (u64)-3);
    try("write a page that was never read, read-only", probe_store, at + 4 * page, 9);
    try("read it", probe_load, at + 4 * page, 9);
    try("write it", probe_store, at + 4 * page, 10);
    try("write text", probe_store, text, 1);
    try("jump into data", probe_jump, (u8 *)data, 4);
    try("jump into the heap", probe_jump, at, 0);
    u8 *file = map(0, 3 * page, RW, MAP_SHARED, fd, 0);
    try("read a file's page", probe_load, file, 3);
    try("read past its end", probe_load, file + page, 33);
    try("write past its end", probe_store, file + 2 * page, 44);
    u8 *own = map(0, 2 * page, RW, MAP_PRIVATE, fd, 0);
    try("write past the end of a private mapping", probe_store, own + page, 55);
    u8 *read_only = map(0, page, PROT_READ, MAP_SHARED, fd, 0);
    try("write a read-only file mapping", probe_store, read_only, 66);
}

int main(void)
{
    catch_signal(SIGSEGV, handler, 0);
    catch_signal(SIGBUS, handler, 0);
    all();
    use_alt_stack(alternative, sizeof alternative);
    catch_signal(SIGSEGV, handler, SA_ONSTACK);
    catch_signal(SIGBUS, handler, SA_ONSTACK);
    all();
    return 0;
}
