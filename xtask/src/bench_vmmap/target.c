// A process to look at: so many mappings, so many bytes in each, every page present. It waits on its standard input and
// ends when that is closed, so that it never outlives the benchmark.
//
// usage: target NAME PARTS BYTES huge|small CORE
//   PARTS mappings beside the program's own, BYTES in all of them; CORE is where it runs from then on, - anywhere.
// Standard output: `ready fifo|other`, then for each line `window MILLISECONDS` of standard input
//   `SAMPLES MAX P999 P99 MEDIAN`, nanoseconds of one mmap and munmap, one pair every 50 us; and for each line
//   `wakes MILLISECONDS CORE` the same of being woken by a thread on that core, which takes no lock.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HUGE_SIZE (2ul << 20)
#define PERIOD_NS 50000
#define MOST_SAMPLES 200000

static uint32_t samples[MOST_SAMPLES];

static void fail(const char *what) {
    fprintf(stderr, "target: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// One reservation, present throughout; every second part is then made read-only, which makes each part a VMA.
static void build(size_t parts, size_t bytes, int huge) {
    size_t grain = huge ? HUGE_SIZE : (size_t)sysconf(_SC_PAGESIZE);
    size_t step = (bytes / parts + grain - 1) / grain * grain;
    size_t all = step * parts;
    char *base = mmap(NULL, all + HUGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        fail("mmap");
    char *start = (char *)(((uintptr_t)base + HUGE_SIZE - 1) / HUGE_SIZE * HUGE_SIZE);
    // What is left of the reservation for alignment is given back: it would count as mappings.
    if (start > base && munmap(base, (size_t)(start - base)) != 0)
        fail("munmap");
    char *end = base + all + HUGE_SIZE;
    if (end > start + all && munmap(start + all, (size_t)(end - (start + all))) != 0)
        fail("munmap");
    if (mprotect(start, all, PROT_READ | PROT_WRITE) != 0)
        fail("mprotect");
    // A kernel without huge pages knows neither advice; then all pages are small anyway.
    madvise(start, all, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    if (madvise(start, all, MADV_POPULATE_WRITE) != 0)
        for (size_t at = 0; at < all; at += 4096)
            ((volatile char *)start)[at] = 1;
    for (size_t i = 1; i < parts; i += 2)
        if (mprotect(start + step * i, step, PROT_READ) != 0)
            fail("mprotect");
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report(size_t count);

// Maps and unmaps for so long, and tells how long the pairs took. The next pair begins 50 us after the last one ended:
// a long stall is one sample, as it is one delayed call of a program.
static void window(long milliseconds) {
    uint64_t end = now() + (uint64_t)milliseconds * 1000000u;
    size_t count = 0;
    while (count < MOST_SAMPLES) {
        uint64_t begin = now();
        if (begin >= end)
            break;
        void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED)
            fail("mmap");
        munmap(page, 4096);
        uint64_t took = now() - begin;
        samples[count++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
        struct timespec pause = {0, PERIOD_NS};
        nanosleep(&pause, NULL);
    }
    report(count);
}

static void report(size_t count) {
    if (count == 0) {
        printf("0 0 0 0 0\n");
        return;
    }
    qsort(samples, count, sizeof samples[0], ascending);
    printf("%zu %u %u %u %u\n", count, samples[count - 1], samples[(count - 1) * 999 / 1000],
           samples[(count - 1) * 99 / 100], samples[count / 2]);
}

// What the waker and the woken share: the event, when it was sent, how often it was received.
static int event;
static _Atomic uint64_t sent, received;

static void run_on(const char *core) {
    if (strcmp(core, "-") == 0)
        return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(core), &set);
    sched_setaffinity(0, sizeof set, &set);
}

// Keeps its core as busy as a reader does, and wakes the other thread every now and then; a last time at the end.
static void *waker(void *argument) {
    const char *words = argument;
    char *core;
    uint64_t end = now() + strtoul(words, &core, 10) * 1000000u;
    run_on(core + strspn(core, " "));
    for (uint64_t count = 1;; count++) {
        uint64_t next = now() + PERIOD_NS;
        while (now() < next)
            ;
        uint64_t one = now() < end && count < MOST_SAMPLES ? 1 : 2;
        sent = now();
        if (write(event, &one, sizeof one) != sizeof one || one == 2)
            return NULL;
        while (received < count)
            ;
    }
}

// How long it takes until this thread runs after the other has woken it: what a thread that waited for any lock has to
// wait once more when the lock is free.
static void wakes(const char *words) {
    pthread_t thread;
    size_t count = 0;
    event = eventfd(0, EFD_CLOEXEC);
    received = 0;
    if (event < 0 || pthread_create(&thread, NULL, waker, (void *)words) != 0)
        fail("waker");
    uint64_t value;
    while (read(event, &value, sizeof value) == sizeof value && value == 1) {
        uint64_t took = now() - sent;
        samples[count++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
        received = count;
    }
    pthread_join(thread, NULL);
    close(event);
    report(count);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: target NAME PARTS BYTES huge|small CORE\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, argv[1]);
    // If RAM is short after all, this process goes first.
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        if (write(score, "1000", 4) != 4)
            fprintf(stderr, "target: oom_score_adj: %s\n", strerror(errno));
        close(score);
    }
    static char output[4096];
    setvbuf(stdout, output, _IOLBF, sizeof output);
    size_t parts = strtoul(argv[2], NULL, 10);
    build(parts > 0 ? parts : 1, strtoul(argv[3], NULL, 10), strcmp(argv[4], "huge") == 0);
    run_on(argv[5]);
    // Without the right to it the ordinary scheduler stays; a timer slack of 1 ns keeps the period all the same.
    struct sched_param priority = {.sched_priority = 10};
    int fifo = sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
    prctl(PR_SET_TIMERSLACK, 1);
    printf("ready %s\n", fifo ? "fifo" : "other");
    char line[64];
    long milliseconds;
    while (fgets(line, sizeof line, stdin))
        if (sscanf(line, "window %ld", &milliseconds) == 1)
            window(milliseconds);
        else if (strncmp(line, "wakes ", 6) == 0)
            wakes(line + 6);
    return 0;
}
