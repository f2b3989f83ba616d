/* Signals for the guests that catch their own faults: rt_sigaction(2), sigaltstack(2), and the few fields of the
   ucontext that a handler needs to go on after the bad instruction. */
#ifndef SIGNALS_H
#define SIGNALS_H
#include "guest.h"

enum { SA_SIGINFO = 4, SA_ONSTACK = 0x08000000, SA_RESTORER = 0x04000000 };

struct action {
    void (*handler)(int, u8 *, u8 *);
    u64 flags;
    void (*restorer)(void);
    u64 mask;
};
struct alt_stack {
    u8 *base;
    int flags;
    u64 bytes;
};

static inline int info_signo(const u8 *info) { return *(const int *)info; }
static inline int info_code(const u8 *info) { return *(const int *)(info + 8); }
static inline u64 info_addr(const u8 *info) { return *(const u64 *)(info + 16); }

#if defined(__aarch64__)
/* struct ucontext of arm64: the machine context is at 176: fault_address, regs[31], sp, pc, pstate. */
static inline u64 *context_pc(u8 *context) { return (u64 *)(context + 440); }
static inline u64 context_return_address(u8 *context) { return *(u64 *)(context + 424); }
static inline void drop_return_address(u8 *context) { (void)context; }
enum { RESTORER_FLAG = 0 };
#define RESTORER 0
/* Each is the access under test and then a return; the labels tell the handler that it is this one. */
__asm__(".text\n"
        ".globl probe_load\nprobe_load:\n\tldrb w0, [x0]\n\tret\n"
        ".globl probe_load8\nprobe_load8:\n\tldr x0, [x0]\n\tret\n"
        ".globl probe_store\nprobe_store:\n\tstrb wzr, [x0]\n\tret\n"
        ".globl probe_jump\nprobe_jump:\n\tbr x0\n"
        ".globl probe_end\nprobe_end:\n");
static inline u64 after_access(u64 pc) { return pc + 4; }
#else
/* struct ucontext of x86-64: gregs begin at 40: ..., rsp is the 16th, rip the 17th. */
static inline u64 *context_pc(u8 *context) { return (u64 *)(context + 168); }
static inline u64 context_return_address(u8 *context) { return **(u64 **)(context + 160); }
static inline void drop_return_address(u8 *context) { *(u64 *)(context + 160) += 8; }
enum { RESTORER_FLAG = SA_RESTORER };
__asm__(".text\nrestorer:\n\tmov $15, %eax\n\tsyscall\n"
        ".globl probe_load\nprobe_load:\n\tmovb (%rdi), %al\n\tret\n"
        ".globl probe_load8\nprobe_load8:\n\tmovq (%rdi), %rax\n\tret\n"
        ".globl probe_store\nprobe_store:\n\tmovb $0, (%rdi)\n\tret\n"
        ".globl probe_jump\nprobe_jump:\n\tjmp *%rdi\n"
        ".globl probe_end\nprobe_end:\n");
extern void restorer(void);
#define RESTORER restorer
/* The next one-byte return instruction. */
static inline u64 after_access(u64 pc)
{
    while (*(const u8 *)pc != 0xc3) pc++;
    return pc;
}
#endif

extern u64 probe_load(const u8 *), probe_load8(const u8 *), probe_store(const u8 *), probe_jump(const u8 *);
extern u8 probe_end[];

/* Goes on behind the probe that faulted. */
static inline void skip_access(u8 *context)
{
    u64 *pc = context_pc(context);
    if (*pc >= (u64)probe_load && *pc < (u64)probe_end && *pc != (u64)probe_jump) {
        *pc = after_access(*pc);
    } else {
        *pc = context_return_address(context);
        drop_return_address(context);
    }
}

static inline void catch_signal(int signo, void (*handler)(int, u8 *, u8 *), u64 flags)
{
    struct action action = {handler, SA_SIGINFO | flags | RESTORER_FLAG, RESTORER, 0};
    SYS(rt_sigaction, signo, &action, 0, 8, 0, 0);
}
static inline void use_alt_stack(u8 *base, u64 bytes)
{
    struct alt_stack stack = {base, 0, bytes};
    SYS(sigaltstack, &stack, 0, 0, 0, 0, 0);
}

#endif
