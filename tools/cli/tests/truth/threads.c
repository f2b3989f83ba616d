/* Threads with names, stacks of several sizes and guards of both kinds; each uses malloc, so each has an arena. They wait. */
#include "truth.h"
#include <pthread.h>
#include <sys/syscall.h>

enum { THREADS = 6, OWN = 3, KIB = 1024 };

struct plan {
    const char *name;
    size_t stack, guard, depth;
    /* For a stack that this program provides; its lowest pages become the guard. */
    char *at;
};

static pthread_barrier_t all_said;

/* Writes to the stack down to this depth below `from`; the lowest address written. */
__attribute__((noinline)) static uintptr_t dig(uintptr_t from, size_t depth)
{
    char room[2048];
    memset(room, 1, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
    if (from - (uintptr_t)room >= depth) return (uintptr_t)room;
    uintptr_t lowest = dig(from, depth);
    __asm__ volatile("" : : "r"(room) : "memory");
    return lowest;
}

static void *live(void *argument)
{
    struct plan *plan = argument;
    pthread_setname_np(pthread_self(), plan->name);
    use_heap((unsigned)plan->stack);
    pthread_attr_t attributes;
    void *start;
    size_t size, guard;
    must(pthread_getattr_np(pthread_self(), &attributes) == 0, "pthread_getattr_np");
    pthread_attr_getstack(&attributes, &start, &size);
    pthread_attr_getguardsize(&attributes, &guard);
    pthread_attr_destroy(&attributes);
    if (plan->at) {
        start = (char *)start + plan->guard;
        size -= plan->guard;
        guard = plan->guard;
    }
    char *end = (char *)start + size, here;
    uintptr_t lowest = plan->depth ? dig((uintptr_t)&here, plan->depth) : (uintptr_t)&here;
    size_t depth = (uintptr_t)end - lowest / page * page;
    /* What is called below this frame writes a few KiB more; so do malloc's and printf's own frames above. */
    size_t most = depth + (plan->depth ? 2 : 8) * page;
    say("{\"thread\":\"%s\",\"tid\":%ld,\"stack_start\":\"%p\",\"stack_end\":\"%p\",\"guard_size\":%zu,"
        "\"high_water_at_least\":%zu,\"high_water_at_most\":%zu,\"is_merged\":%s}",
        plan->name, syscall(SYS_gettid), start, (void *)end, guard, depth, most, plan->at ? "true" : "false");
    pthread_barrier_wait(&all_said);
    for (;;) pause();
    return NULL;
}

static void start(struct plan *plan)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    if (plan->at) {
        must(pthread_attr_setstack(&attributes, plan->at, plan->stack) == 0, "pthread_attr_setstack");
    } else {
        if (plan->stack) must(pthread_attr_setstacksize(&attributes, plan->stack) == 0, "stack size");
        if (plan->guard) must(pthread_attr_setguardsize(&attributes, plan->guard) == 0, "guard size");
    }
    must(pthread_create(&thread, &attributes, live, plan) == 0, "pthread_create");
    pthread_attr_destroy(&attributes);
}

void make_threads(void)
{
    static struct plan plans[THREADS] = {
        {"plain", 0, 0, 0, NULL},
        {"deep", 1024 * KIB, 0, 600 * KIB, NULL},
        {"wide guard", 256 * KIB, 64 * KIB, 0, NULL},
        {"merged one", 256 * KIB, 0, 0, NULL},
        {"merged two", 256 * KIB, 0, 128 * KIB, NULL},
        {"merged three", 256 * KIB, 0, 0, NULL},
    };
    int count = THREADS;
    /* As glibc 2.42 does it: neighbouring stacks, each with a lightweight guard at its low end, are one mapping. */
    char *stacks = anonymous(3 * 256 * KIB, PROT_READ | PROT_WRITE);
    for (int i = OWN; i < THREADS; i++) {
        plans[i].at = stacks + (i - OWN) * 256 * KIB;
        plans[i].guard = 4 * page;
        if (madvise(plans[i].at, plans[i].guard, GUARD_INSTALL) != 0) {
            lacks("merged stacks", errno);
            count = OWN;
            break;
        }
    }
    must(pthread_barrier_init(&all_said, NULL, (unsigned)count + 1) == 0, "barrier");
    for (int i = 0; i < count; i++) start(&plans[i]);
    pthread_barrier_wait(&all_said);
}
