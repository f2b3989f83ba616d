/* Several threads that allocate and free all the time, until killed. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *work(void *arg) {
    static __thread void *slots[512];
    unsigned seed = (unsigned)(size_t)arg;
    for (;;) {
        seed = seed * 1664525u + 1013904223u;
        unsigned slot = seed >> 23;
        free(slots[slot]);
        slots[slot] = malloc(16 + (seed >> 8) % 3000);
        memset(slots[slot], 1, 16);
    }
    return NULL;
}

int main(void) {
    pthread_t id;
    for (size_t i = 1; i <= 3; i++)
        pthread_create(&id, NULL, work, (void *)i);
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
