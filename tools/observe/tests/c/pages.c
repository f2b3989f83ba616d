/* Maps memory whose pages it knows, one by one, prints "NAME ADDRESS" (hexadecimal) for each area, then "ready", and stops.
   A child that shares memory with it since fork lives until the parent is killed. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define HUGE (2ul << 20)
#define TERA (1ul << 40)
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static long page;

static char *map(unsigned long at, unsigned long bytes, int flags)
{
    char *p = mmap((void *)at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(3);
    }
    return p;
}

int main(void)
{
    volatile char sum = 0;
    page = sysconf(_SC_PAGESIZE);
    /* Sixteen pages: all read, the sixth and seventh written. */
    char *zero = map(0x200000000000, 16 * page, 0);
    madvise(zero, 16 * page, MADV_NOHUGEPAGE);
    for (int i = 0; i < 16; i++)
        sum += zero[i * page];
    memset(zero + 5 * page, 1, 2 * page);
    /* Two huge pages, the second without its first small page; and a huge page that was only read. */
    char *huge = map(0x200040000000, 2 * HUGE, 0);
    madvise(huge, 2 * HUGE, MADV_HUGEPAGE);
    memset(huge, 1, 2 * HUGE);
    /* What is huge stays so, and khugepaged brings nothing together again. */
    madvise(huge, 2 * HUGE, MADV_NOHUGEPAGE);
    madvise(huge + HUGE, page, MADV_DONTNEED);
    char *huge_zero = map(0x200080000000, HUGE, 0);
    madvise(huge_zero, HUGE, MADV_HUGEPAGE);
    sum += huge_zero[0];
    /* Eight pages with a guard of two in the middle. */
    char *guard = map(0x2000c0000000, 8 * page, 0);
    memset(guard, 1, 8 * page);
    int has_guard = madvise(guard + 3 * page, 2 * page, MADV_GUARD_INSTALL) == 0;
    /* A reservation of a terabyte with three pages in it. */
    char *tera = map(0x210000000000, TERA, MAP_NORESERVE);
    madvise(tera, TERA, MADV_NOHUGEPAGE);
    tera[0] = tera[TERA / 2] = tera[TERA - page] = 1;
    /* Eight pages shared with a child, the first three written since. */
    char *forked = map(0x220000000000, 8 * page, 0);
    madvise(forked, 8 * page, MADV_NOHUGEPAGE);
    memset(forked, 1, 8 * page);
    char *own[] = {zero, huge, huge_zero, guard, tera};
    unsigned long bytes[] = {16 * page, 2 * HUGE, HUGE, 8 * page, TERA};
    for (int i = 0; i < 5; i++)
        madvise(own[i], bytes[i], MADV_DONTFORK);
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    memset(forked, 2, 3 * page);
    printf("zero %lx\nhuge %lx\nhuge_zero %lx\ntera %lx\nforked %lx\n", (long)zero, (long)huge, (long)huge_zero,
           (long)tera, (long)forked);
    if (has_guard)
        printf("guard %lx\n", (long)guard);
    printf("ready\n");
    fflush(stdout);
    raise(SIGSTOP);
    return 0;
}
