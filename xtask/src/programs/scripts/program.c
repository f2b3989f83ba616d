#include "library.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int total;
static jmp_buf back;
static void *work(void *argument) {
    int n = *(int *)argument;
    for (int i = 0; i < n; i++) atomic_fetch_add(&total, 1);
    return NULL;
}
static void caught(int signal) { siglongjmp(back, signal); }
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

int main(void) {
    printf("%.9f %.9f %.9f\n", shared_part(1000), shared_part(10), static_part(500));
    pthread_t threads[4];
    int counts[4] = {100, 200, 300, 400};
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, work, &counts[i]);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    printf("total %d\n", atomic_load(&total));
    signal(SIGSEGV, caught);
    int came = sigsetjmp(back, 1);
    if (!came) *(volatile int *)16 = 1;
    printf("signal %d\n", came);
    int numbers[1000];
    for (int i = 0; i < 1000; i++) numbers[i] = i * 7919 % 1009;
    qsort(numbers, 1000, sizeof *numbers, compare);
    printf("%d %d %d\n", numbers[0], numbers[500], numbers[999]);
    fflush(stdout);
    if (fork() == 0) _exit(9);
    int status;
    wait(&status);
    printf("child %d\n", WEXITSTATUS(status));
    return 0;
}
