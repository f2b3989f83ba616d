/* jit: code that is written while the program runs: in place, with and without cache maintenance, by turns writable and
   executable, through a second mapping, and for another thread and another process to run. */
#include "guest.h"

typedef int (*function)(void);

#if defined(__aarch64__)
enum { NR_sched_yield = 124 };
/* A function that returns this number: MOVZ W0, RET. */
static void emit(u8 *at, int number)
{
    u32 *words = (u32 *)at;
    words[0] = 0x52800000u | (u32)number << 5;
    words[1] = 0xd65f03c0u;
}
static void publish(u8 *from, u64 bytes)
{
    u64 type;
    __asm__ volatile("mrs %0, ctr_el0" : "=r"(type));
    u64 data = 4ul << (type >> 16 & 15), code = 4ul << (type & 15);
    for (u64 at = (u64)from & -data; at < (u64)from + bytes; at += data)
        __asm__ volatile("dc cvau, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish" : : : "memory");
    for (u64 at = (u64)from & -code; at < (u64)from + bytes; at += code)
        __asm__ volatile("ic ivau, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb ish\n\tisb" : : : "memory");
}
static void synchronize(void)
{
    __asm__ volatile("isb" : : : "memory");
}
__asm__(".text\nnew_thread:\n\tstr x2, [x1, #-16]!\n\tmov x8, #220\n\tsvc #0\n\tcbz x0, 1f\n\tret\n"
        "1:\tldr x1, [sp], #16\n\tblr x1\n\tmov x0, #0\n\tmov x8, #93\n\tsvc #0\n");
#else
enum { NR_sched_yield = 24 };
/* MOV EAX, RET. */
static void emit(u8 *at, int number)
{
    u8 bytes[] = {0xb8, (u8)number, (u8)(number >> 8), 0, 0, 0xc3};
    for (u64 i = 0; i < sizeof bytes; i++) ((volatile u8 *)at)[i] = bytes[i];
}
static void publish(u8 *from, u64 bytes)
{
    (void)from, (void)bytes;
}
static void synchronize(void)
{
    u32 a = 0, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}
__asm__(".text\nnew_thread:\n\tsub $16, %rsi\n\tmov %rdx, (%rsi)\n\tmov $56, %eax\n\txor %edx, %edx\n\tsyscall\n"
        "\ttest %rax, %rax\n\tjz 1f\n\tret\n1:\tpop %rax\n\tcall *%rax\n\txor %edi, %edi\n\tmov $60, %eax\n\tsyscall\n");
#endif

/* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM. */
enum { THREAD = 0x50f00, ROUNDS = 40 };
extern i64 new_thread(u64 flags, u8 *stack, void (*run)(void));

/* Even: the writer's turn. Odd: the runner's, who adds up what the code returns. */
struct shared {
    volatile int turn;
    volatile int sum;
};

static u8 *code;
static struct shared *shared;

static void await(int turn)
{
    while (__atomic_load_n(&shared->turn, __ATOMIC_SEQ_CST) != turn) SYS(sched_yield, 0, 0, 0, 0, 0, 0);
}
static void next_turn(void)
{
    __atomic_add_fetch(&shared->turn, 1, __ATOMIC_SEQ_CST);
}
static int call(u8 *at)
{
    return ((function)(u64)at)();
}
/* Runs the code each time it is told that there is a new one; does no maintenance itself. */
static void runner(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        await(2 * i + 1);
        synchronize();
        shared->sum += call(code);
        next_turn();
    }
}
static int writer(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        await(2 * i);
        emit(code, i + 1);
        next_turn();
    }
    await(2 * ROUNDS);
    return shared->sum;
}

static int in_place(int maintain)
{
    int sum = 0;
    for (int i = 1; i <= 1000; i++) {
        emit(code + 64, i);
        if (maintain) publish(code + 64, 8);
        else synchronize();
        sum += call(code + 64);
    }
    return sum;
}
/* By turns writable and executable; the function moves along the page. */
static int by_turns(void)
{
    u8 *own = map_anon(1);
    int sum = 0;
    for (int i = 1; i <= 100; i++) {
        SYS(mprotect, own, page, RW, 0, 0, 0);
        emit(own + 16 * (i % 7), i);
        publish(own + 16 * (i % 7), 8);
        SYS(mprotect, own, page, PROT_READ | PROT_EXEC, 0, 0, 0);
        sum += call(own + 16 * (i % 7));
    }
    return sum;
}
/* Written at one address, run at another. */
static int two_mappings(void)
{
    int fd = unnamed_file();
    SYS(ftruncate, fd, page, 0, 0, 0, 0);
    u8 *writable = map(0, page, RW, MAP_SHARED, fd, 0);
    u8 *executable = map(0, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    int sum = 0;
    for (int i = 1; i <= 100; i++) {
        emit(writable, i);
        publish(writable, 8);
        publish(executable, 8);
        sum += call(executable);
    }
    return sum;
}

int main(void)
{
    code = map(0, page, RW | PROT_EXEC, MAP_SHARED | MAP_ANON, -1, 0);
    shared = (struct shared *)map(0, page, RW, MAP_SHARED | MAP_ANON, -1, 0);
    report("rewritten in place", in_place(1));
    report("without maintenance", in_place(0));
    report("by turns writable and executable", by_turns());
    report("through another mapping", two_mappings());

    u8 *top = map_anon(4) + 4 * page;
    if (new_thread(THREAD, top, runner) < 0) die(1, "jit", "no thread");
    report("run by another thread", writer());

    shared->turn = shared->sum = 0;
    i64 child = SYS(clone, SIGCHLD, 0, 0, 0, 0, 0);
    if (child == 0) {
        runner();
        quit(0);
    }
    int sum = writer();
    SYS(wait4, child, 0, 0, 0, 0, 0);
    report("run by another process", sum);
    return 0;
}
