/* Maps what the test knows, starts a thread, and ends as its argument says: "abort", "segv", or "wait" for a debugger.
   It prints what it did: one "KEY VALUE" a line, addresses in hexadecimal. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char data[] = "initialised data of the program";
static volatile int ready;

static void *thread(void *unused)
{
    char local[64] = "on the second thread's stack";
    (void)unused;
    printf("thread_stack %lx\n", (unsigned long)local);
    printf("thread_id %lx\n", (unsigned long)syscall(SYS_gettid));
    fflush(stdout);
    __asm__ volatile("" : : "r"(local) : "memory");
    ready = 1;
    for (;;)
        pause();
}

static char *map(unsigned long at, unsigned long bytes, int protection, int flags, int fd)
{
    char *p = mmap((void *)at, bytes, protection, flags | MAP_FIXED, fd, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(3);
    }
    return p;
}

int main(int argc, char **argv)
{
    pthread_t id;
    char local[64] = "on the main thread's stack";
    if (argc < 3)
        return 2;
    printf("pid %lx\n", (unsigned long)getpid());
    printf("main_stack %lx\n", (unsigned long)local);
    printf("data %lx\n", (unsigned long)data);
    printf("code %lx\n", (unsigned long)main);
    char *heap = malloc(64);
    strcpy(heap, "in the heap");
    printf("heap %lx\n", (unsigned long)heap);
    char *anonymous = map(0x200000000000, 0x10000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    for (int i = 0; i < 0x10000; i++)
        anonymous[i] = (char)(i * 7 + i / 4096);
    map(0x200000010000, 0x4000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    map(0x200000020000, 0x4000, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    FILE *file = fopen(argv[2], "w+");
    if (!file)
        return 3;
    for (int i = 0; i < 0x4000; i++)
        fputc('f', file);
    fflush(file);
    map(0x200000030000, 0x2000, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(file))[0] = 'w';
    char *kept_out = map(0x200000040000, 0x4000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    memset(kept_out, 'k', 0x4000);
    madvise(kept_out, 0x4000, MADV_DONTDUMP);
    fflush(stdout);
    if (pthread_create(&id, NULL, thread, NULL))
        return 3;
    while (!ready)
        usleep(1000);
    __asm__ volatile("" : : "r"(local) : "memory");
    printf("end 0\n");
    fflush(stdout);
    if (!strcmp(argv[1], "abort"))
        abort();
    if (!strcmp(argv[1], "segv"))
        *(volatile char *)0x200000010010 = 1;
    for (;;)
        pause();
}
