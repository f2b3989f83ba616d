/* threads: several threads in one address space: their own thread pointers, a futex mutex, waiting in line, robust futexes,
   signals to a thread and to all of them, fork from a thread, and the ends of threads and of their process. */
#include "signals.h"

#if defined(__aarch64__)
enum {
    NR_futex = 98, NR_gettid = 178, NR_tgkill = 131, NR_kill = 129, NR_set_robust_list = 99, NR_nanosleep = 101,
};
__asm__(".text\nthread_clone:\n\tstp x5, x6, [x1, #-16]!\n\tmov x8, #220\n\tsvc #0\n\tcbz x0, 1f\n\tret\n"
        "1:\tldp x1, x0, [sp], #16\n\tblr x1\n\tmov x8, #93\n\tsvc #0\n");
static inline u64 *thread_pointer(void)
{
    u64 *tls;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(tls));
    return tls;
}
#else
enum {
    NR_futex = 202, NR_gettid = 186, NR_tgkill = 234, NR_kill = 62, NR_set_robust_list = 273, NR_nanosleep = 35,
};
__asm__(".text\nthread_clone:\n\tmov 8(%rsp), %rax\n\tsub $16, %rsi\n\tmov %r9, (%rsi)\n\tmov %rax, 8(%rsi)\n"
        "\tmov %r8, %r10\n\tmov %rcx, %r8\n\tmov $56, %eax\n\tsyscall\n\ttest %rax, %rax\n\tjz 1f\n\tret\n"
        "1:\tpop %rax\n\tpop %rdi\n\tcall *%rax\n\tmov %eax, %edi\n\tmov $60, %eax\n\tsyscall\n");
static inline u64 *thread_pointer(void)
{
    u64 *tls;
    __asm__ volatile("mov %%fs:0, %0" : "=r"(tls));
    return tls;
}
#endif
extern i64 thread_clone(u64 flags, u8 *stack, int *parent_tid, u64 *tls, int *child_tid, i64 (*run)(i64), i64 argument);

enum { WAIT = 0, WAKE = 1, CMP_REQUEUE = 4, WAIT_BITSET = 9, WAKE_BITSET = 10, PRIVATE = 128 };
/* VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID, CHILD_CLEARTID: what a thread library asks for. */
enum { THREAD = 0x3d0f00, THREADS = 4, SIGUSR1 = 10, STACK = 0x10000 };

struct thread {
    int tid;
    /* Set with tid, and cleared by the kernel when the thread has ended. */
    volatile int lives;
    u64 tls[2];
};
static struct thread threads[THREADS];
static u8 stacks[THREADS][STACK] __attribute__((aligned(16)));

static i64 futex(volatile int *at, int operation, i64 value, i64 other, volatile int *second, i64 last)
{
    return SYS(futex, at, operation, value, other, second, last);
}
static void start(int which, i64 (*run)(i64), i64 argument)
{
    struct thread *thread = &threads[which];
    thread->lives = 1;
    thread->tls[0] = (u64)thread->tls;
    thread->tls[1] = (u64)(which + 1) * 100;
    i64 tid = thread_clone(THREAD, stacks[which] + STACK, &thread->tid, thread->tls, (int *)&thread->lives, run, argument);
    if (tid < 0 || tid != thread->tid) die(1, "threads", "clone made no thread");
}
static void join(int which)
{
    int seen;
    while ((seen = __atomic_load_n(&threads[which].lives, __ATOMIC_SEQ_CST)) != 0)
        futex(&threads[which].lives, WAIT, seen, 0, 0, 0);
}
static void say(const char *what, i64 value)
{
    put(what);
    put(" ");
    put_number(value);
    put("\n");
}
static void nap(void)
{
    i64 time[2] = {0, 1000000};
    SYS(nanosleep, time, 0, 0, 0, 0, 0);
}

/* A mutex of three states: free, held, held and waited for. */
static volatile int mutex;
static void lock(void)
{
    int was = 0;
    if (__atomic_compare_exchange_n(&mutex, &was, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
    while (__atomic_exchange_n(&mutex, 2, __ATOMIC_SEQ_CST) != 0) futex(&mutex, WAIT | PRIVATE, 2, 0, 0, 0);
}
static void unlock(void)
{
    if (__atomic_exchange_n(&mutex, 0, __ATOMIC_SEQ_CST) == 2) futex(&mutex, WAKE | PRIVATE, 1, 0, 0, 0);
}

static volatile i64 count, own_sum;
static i64 add(i64 times)
{
    for (i64 i = 0; i < times; i++) {
        lock();
        count++;
        unlock();
    }
    __atomic_add_fetch(&own_sum, (i64)thread_pointer()[1], __ATOMIC_SEQ_CST);
    return 0;
}

static volatile int turn;
static i64 alternate(i64 me)
{
    for (int i = 0; i < 200; i++) {
        int now;
        while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) % 2 != me) futex(&turn, WAIT | PRIVATE, now, 0, 0, 0);
        __atomic_add_fetch(&turn, 1, __ATOMIC_SEQ_CST);
        futex(&turn, WAKE | PRIVATE, 1, 0, 0, 0);
    }
    return 0;
}

static volatile int gate, line, passed;
static i64 queue(i64 bits)
{
    if (futex(&gate, WAIT_BITSET | PRIVATE, 0, 0, 0, bits) == 0) __atomic_add_fetch(&passed, 1, __ATOMIC_SEQ_CST);
    return 0;
}
static void lines(void)
{
    for (int i = 0; i < 3; i++) start(i, queue, 1 << i);
    for (i64 moved = 0; moved < 3; nap()) {
        i64 now = futex(&gate, CMP_REQUEUE | PRIVATE, 0, 10, &line, 0);
        if (now < 0) die(1, "threads", "requeue failed");
        moved += now;
    }
    say("requeue if another value", futex(&gate, CMP_REQUEUE | PRIVATE, 0, 10, &line, 1));
    say("wake where nobody is left", futex(&gate, WAKE | PRIVATE, 10, 0, 0, 0));
    say("wake bit 8", futex(&line, WAKE_BITSET | PRIVATE, 10, 0, 0, 8));
    say("wake bit 2", futex(&line, WAKE_BITSET | PRIVATE, 10, 0, 0, 2));
    say("wake the others", futex(&line, WAKE | PRIVATE, 10, 0, 0, 0));
    for (int i = 0; i < 3; i++) join(i);
    say("passed", passed);
    i64 time[2] = {0, 2000000};
    say("wait with a time limit", futex(&gate, WAIT | PRIVATE, 0, (i64)time, 0, 0));
    say("wait for another value", futex(&gate, WAIT | PRIVATE, 1, 0, 0, 0));
    say("wait for no bit", futex(&gate, WAIT_BITSET | PRIVATE, 0, 0, 0, 0));
    say("wait at an odd address", futex((volatile int *)((u64)&gate + 1), WAIT | PRIVATE, 0, 0, 0, 0));
    say("wait at no address", futex(0, WAIT | PRIVATE, 0, 0, 0, 0));
}

static struct {
    struct entry {
        struct entry *next;
        volatile int word;
    } entry;
    struct {
        struct entry *first;
        i64 offset;
        struct entry *pending;
    } head;
} robust;
static i64 die_with_a_lock(i64 waited)
{
    robust.head.first = &robust.entry;
    robust.head.offset = (i64)((u64)&robust.entry.word - (u64)&robust.entry);
    robust.entry.next = (struct entry *)&robust.head;
    robust.entry.word = (int)SYS(gettid, 0, 0, 0, 0, 0, 0) | (int)waited;
    SYS(set_robust_list, &robust.head, sizeof robust.head, 0, 0, 0, 0);
    return 0;
}

static volatile int told, told_tid;
static void note(int signo, u8 *info, u8 *context)
{
    (void)info, (void)context;
    told_tid = (int)SYS(gettid, 0, 0, 0, 0, 0, 0);
    __atomic_store_n(&told, signo, __ATOMIC_SEQ_CST);
}
static i64 wait_until_told(i64 unused)
{
    (void)unused;
    while (!__atomic_load_n(&told, __ATOMIC_SEQ_CST)) nap();
    return 0;
}
static void signals(void)
{
    int me = (int)SYS(getpid, 0, 0, 0, 0, 0, 0);
    catch_signal(SIGUSR1, note, 0);
    start(0, wait_until_told, 0);
    say("tgkill", SYS(tgkill, me, threads[0].tid, SIGUSR1, 0, 0, 0));
    join(0);
    say("the thread was told", told_tid == threads[0].tid);
    told = 0;
    start(0, wait_until_told, 0);
    SYS(kill, me, SIGUSR1, 0, 0, 0, 0);
    join(0);
    say("of all, the first was told", told_tid == me);
    say("tgkill of an ended thread", SYS(tgkill, me, threads[0].tid, SIGUSR1, 0, 0, 0));
    say("tgkill in another process", SYS(tgkill, me + 1, me, SIGUSR1, 0, 0, 0));
}

static volatile int fork_status;
static int status_of(i64 child)
{
    int status = 0;
    SYS(wait4, child, &status, 0, 0, 0, 0);
    return status;
}
static i64 fork_in_thread(i64 unused)
{
    (void)unused;
    i64 child = fork_process();
    if (child == 0) quit(SYS(gettid, 0, 0, 0, 0, 0, 0) == SYS(getpid, 0, 0, 0, 0, 0, 0) ? 7 : 8);
    fork_status = status_of(child);
    return 0;
}

static i64 wait_for_ever(i64 unused)
{
    for (;;) futex(&gate, WAIT | PRIVATE, 0, 0, 0, 0);
    return unused;
}
static i64 end_all(i64 status) { quit((int)status); }
static i64 outlive(i64 status)
{
    for (int i = 0; i < 20; i++) nap();
    return status;
}
static i64 fault(i64 unused)
{
    (void)unused;
    return (i64)probe_load((const u8 *)8);
}
static void ends(void)
{
    i64 child = fork_process();
    if (child == 0) {
        start(0, wait_for_ever, 0);
        start(1, end_all, 9);
        wait_for_ever(0);
    }
    say("exit_group in a thread", status_of(child));
    child = fork_process();
    if (child == 0) {
        start(0, outlive, 4);
        SYS(exit, 1, 0, 0, 0, 0, 0);
    }
    say("the first thread ends before another", status_of(child));
    child = fork_process();
    if (child == 0) {
        start(0, wait_for_ever, 0);
        SYS(kill, SYS(getpid, 0, 0, 0, 0, 0, 0), 9, 0, 0, 0, 0);
        wait_for_ever(0);
    }
    say("SIGKILL to all", status_of(child));
    child = fork_process();
    if (child == 0) {
        start(0, fault, 0);
        wait_for_ever(0);
    }
    say("a fault in a thread", status_of(child) & 0x7f);
}

int main(void)
{
    for (int i = 0; i < THREADS; i++) start(i, add, 3000);
    for (int i = 0; i < THREADS; i++) join(i);
    say("count", count);
    say("sum of what is each thread's own", own_sum);
    start(0, alternate, 0);
    start(1, alternate, 1);
    join(0);
    join(1);
    say("turns", turn);
    lines();
    for (i64 waited = 0; waited <= 1; waited++) {
        start(0, die_with_a_lock, waited << 31);
        join(0);
        say("what the dead left of its lock", (i64)(u32)robust.entry.word >> 30);
    }
    signals();
    start(0, fork_in_thread, 0);
    join(0);
    say("fork in a thread", fork_status);
    ends();
    return 0;
}
