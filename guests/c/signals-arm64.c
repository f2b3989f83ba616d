/* signals-arm64: faults that only arm64 has, as a handler sees them: addresses above the user's range, a misaligned pc,
   undefined instructions, a breakpoint, and the ignored top byte of an address. */
#include "signals.h"

#if defined(__aarch64__)

/* Code that cannot be executed or is no instruction; each is entered by a jump. */
__asm__(".text\n.balign 4\n"
        ".globl undefined\nundefined:\n\tudf #7\n\tret\n"
        ".globl reserved\nreserved:\n\t.word 0x03ffffff\n\tret\n"
        ".globl breakpoint\nbreakpoint:\n\tbrk #5\n\tret\n"
        ".globl privileged\nprivileged:\n\tmsr vbar_el1, x0\n\tret\n");
extern u8 undefined[], reserved[], breakpoint[], privileged[];

static u64 base;
static int told;

static void handler(int signo, u8 *info, u8 *context)
{
    put(" signal ");
    put_number(signo);
    put(" code ");
    put_number(info_code(info));
    put(" address base+");
    put_number((i64)(info_addr(info) - base));
    put(" pc base+");
    put_number(*context_pc(context) >= base && *context_pc(context) < base + 64 ? (i64)(*context_pc(context) - base) : -1);
    put("\n");
    told = 1;
    *context_pc(context) = context_return_address(context);
}

static void try(const char *what, u64 (*probe)(const u8 *), u64 from, u64 offset)
{
    put(what);
    put(":");
    base = from;
    told = 0;
    u64 got = probe((const u8 *)(from + offset));
    if (told) return;
    put(" reads ");
    put_number((i64)got);
    put("\n");
}

int main(void)
{
    for (int signo = 4; signo <= 11; signo++)
        if (signo == 4 || signo == 5 || signo == 7 || signo == 11) catch_signal(signo, handler, 0);
    u8 *at = map_anon(1);
    store(at, 42);
    try("read with a top byte", probe_load, (u64)at | 0x5aul << 56, 0);
    try("read above the user's range", probe_load, 1ul << 52, 8);
    try("read a kernel address", probe_load, 0xffff800000000000, 16);
    try("write a kernel address", probe_store, 0xffff800000000000, 24);
    try("jump to a kernel address", probe_jump, 0xffff800000000000, 0);
    try("jump to the middle of an instruction", probe_jump, (u64)undefined, 2);
    try("undefined instruction", probe_jump, (u64)undefined, 0);
    try("reserved encoding", probe_jump, (u64)reserved, 0);
    try("privileged instruction", probe_jump, (u64)privileged, 0);
    try("breakpoint", probe_jump, (u64)breakpoint, 0);
    return 0;
}

#else
int main(void) { die(2, "signals-arm64", "this program is for arm64 only"); }
#endif
