/* Allocates a fixed pattern in main and in threads, frees a part so that every kind of bin is filled, prints what glibc
   says of it, and stops. Usage: heap_pattern MODE THREADS CHUNKS
   MODE: plain, threshold (mmap threshold changes), blocked (the break cannot grow), foreign (sbrk by somebody else),
   fork (a child stops too), untouched (a heap whose pages were mostly never written), trim (stops, trims, stops),
   small (only many small chunks). */
#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 2000000

static char out[1 << 16];
static pthread_barrier_t done, leave;
static int chunks;

struct work {
    int number;
    void **live;
    unsigned long count, bytes;
};

static struct work works[64];

/* The pattern: sizes from 24 to about 2000 bytes, every third and every seventh chunk freed. */
static void pattern(struct work *w) {
    for (int i = 0; i < chunks; i++) {
        w->live[i] = malloc(24 + (size_t)(i * 37 + w->number) % 2000);
        memset(w->live[i], 0x5a, 24);
    }
    /* A stretch of whole pages in the middle, so that there is something to trim. */
    for (int i = 0; i < chunks; i++)
        if (i % 3 == 0 || i % 7 == 0 || (i > chunks / 2 && i < chunks / 2 + chunks / 10)) {
            free(w->live[i]);
            w->live[i] = NULL;
        }
    /* A large request sorts the unsorted bin into small and large ones; then some more unsorted. */
    void *large = malloc(60000);
    void *keep = malloc(100);
    void *other = malloc(5000);
    void *last = malloc(100);
    free(other);
    /* More than a tcache bin holds, small enough for fastbins; last, because large requests empty those. */
    void *small[40];
    for (int i = 0; i < 40; i++)
        small[i] = malloc(40 + 16 * (i % 2));
    for (int i = 0; i < 40; i++)
        free(small[i]);
    w->live[chunks] = large;
    w->live[chunks + 1] = keep;
    w->live[chunks + 2] = last;
    for (int i = 0; i < chunks + 3; i++)
        if (w->live[i] && !(((size_t *)w->live[i])[-1] & 2)) { /* 2: it has a mapping of its own */
            w->count++;
            w->bytes += malloc_usable_size(w->live[i]) + 8;
        }
}

static void *thread(void *arg) {
    pattern(arg);
    pthread_barrier_wait(&done);
    pthread_barrier_wait(&leave);
    return NULL;
}

static void report(const char *who) {
    struct mallinfo2 m = mallinfo2();
    printf("%s pid %d\n", who, getpid());
    printf("arena %zu ordblks %zu smblks %zu hblks %zu hblkhd %zu fsmblks %zu uordblks %zu fordblks %zu keepcost %zu\n",
           m.arena, m.ordblks, m.smblks, m.hblks, m.hblkhd, m.fsmblks, m.uordblks, m.fordblks, m.keepcost);
    fflush(stdout);
    malloc_stats();
    printf("ready\n");
    fflush(stdout);
    raise(SIGSTOP);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "plain";
    int threads = argc > 2 ? atoi(argv[2]) : 0;
    chunks = argc > 3 ? atoi(argv[3]) : 2000;
    setvbuf(stdout, out, _IOFBF, sizeof out);
    if (threads > 63 || chunks > MOST)
        return 2;
    for (int i = 0; i <= threads; i++) {
        works[i].number = i;
        works[i].live = mmap(NULL, (MOST + 8) * sizeof(void *), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    if (!strcmp(mode, "threshold"))
        mallopt(M_MMAP_THRESHOLD, 1000);
    if (!strcmp(mode, "blocked")) {
        void *volatile first = malloc(10);
        free(first);
        mmap(sbrk(0), 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    }
    if (!strcmp(mode, "foreign")) {
        void *before = malloc(50000);
        memset(before, 1, 50000);
        memset(sbrk(123456), 0xff, 123456);
    }
    pthread_barrier_init(&done, NULL, (unsigned)threads + 1);
    pthread_barrier_init(&leave, NULL, (unsigned)threads + 1);
    pthread_t ids[64];
    for (int i = 1; i <= threads; i++)
        pthread_create(&ids[i], NULL, thread, &works[i]);
    if (!strcmp(mode, "small")) {
        for (int i = 0; i < chunks; i++)
            works[0].live[i] = malloc(24 + (size_t)(i * 37) % 200);
        for (int i = 0; i < chunks; i += 4)
            free(works[0].live[i]);
        report("parent");
    }
    /* First, while no free chunk can serve them. */
    void *mapped[6] = {malloc(300000), malloc(1 << 20), memalign(64, 400000),
                       memalign(4096, 250000), memalign(65536, 300000), malloc(2000000)};
    memset(mapped[1], 1, 1 << 20);
    free(mapped[5]);
    pattern(&works[0]);
    if (!strcmp(mode, "untouched")) {
        char *big = NULL;
        mallopt(M_MMAP_THRESHOLD, 1 << 30);
        mallopt(M_TRIM_THRESHOLD, 1 << 30);
        for (int i = 0; i < 64; i++)
            big = malloc(1 << 20);
        big[0] = 1;
    }
    pthread_barrier_wait(&done);
    for (int i = 0; i <= threads; i++)
        printf("work %d live %lu bytes %lu at %p\n", i, works[i].count, works[i].bytes, works[i].live[1]);
    if (!strcmp(mode, "fork")) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < 100; i++)
                works[0].live[chunks + 3] = malloc(3000);
            report("child");
            _exit(0);
        }
        waitpid(child, NULL, WUNTRACED);
    }
    report("parent");
    if (!strcmp(mode, "trim")) {
        malloc_trim(0);
        printf("trimmed\n");
        fflush(stdout);
        raise(SIGSTOP);
    }
    return 0;
}
