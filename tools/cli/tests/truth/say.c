/* See say.h. */
#include "say.h"
#include <fcntl.h>
#include <signal.h>

size_t page;
const char *folder, *shm_folder;

static void put_line(const char *text, size_t size)
{
    if (write(1, text, size) != (ssize_t)size) _exit(4);
}

static void say_with(const char *head, const char *expect, va_list arguments)
{
    char text[2048];
    int used = snprintf(text, sizeof text, "%s", head);
    used += vsnprintf(text + used, sizeof text - (size_t)used, expect, arguments);
    used += snprintf(text + used, sizeof text - (size_t)used, "%s\n", *head ? "}}" : "");
    if ((size_t)used >= sizeof text) _exit(4);
    put_line(text, (size_t)used);
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say_with("", format, arguments);
    va_end(arguments);
}

void region(const char *name, const void *start, size_t size, const char *expect, ...)
{
    char head[256];
    snprintf(head, sizeof head, "{\"region\":\"%s\",\"pid\":%d,\"start\":\"%#lx\",\"end\":\"%#lx\",\"expect\":{", name,
             getpid(), (unsigned long)start, (unsigned long)start + size);
    va_list arguments;
    va_start(arguments, expect);
    say_with(head, expect, arguments);
    va_end(arguments);
}

void inside(const char *name, const void *at, const char *expect, ...)
{
    char head[256];
    snprintf(head, sizeof head, "{\"inside\":\"%s\",\"pid\":%d,\"at\":\"%#lx\",\"expect\":{", name, getpid(),
             (unsigned long)at);
    va_list arguments;
    va_start(arguments, expect);
    say_with(head, expect, arguments);
    va_end(arguments);
}

void lacks(const char *name, int error)
{
    say("{\"lacks\":\"%s\",\"why\":\"%s\"}", name, strerror(error));
}

void must(int holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    _exit(3);
}

void *place(void)
{
    static uintptr_t next = 0x200000000000;
    return (void *)(next += 1UL << 30);
}

char *anonymous(size_t size, int protection)
{
    /* Not at a round address, which would make it look like an arena of some allocator. */
    char *want = (char *)place() + 35 * page;
    char *at = mmap(want, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    must(at == want, "mmap at a place of its own");
    return at;
}

void touch(char *at, size_t pages)
{
    for (size_t i = 0; i < pages; i++) ((volatile char *)at)[i * page] = 1;
}

void look_at(const char *at, size_t pages)
{
    for (size_t i = 0; i < pages; i++) (void)((const volatile char *)at)[i * page];
}

int new_file(const char *path, size_t pages)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    must(fd >= 0, path);
    static char full[65536];
    memset(full, 1, sizeof full);
    for (size_t i = 0; i < pages; i++) must(write(fd, full, page) == (ssize_t)page, path);
    return fd;
}

void stand_still(void)
{
    for (;;) raise(SIGSTOP);
}
