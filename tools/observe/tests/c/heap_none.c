/* No libc at all: stops itself by system calls. */
#if defined(__x86_64__)
static long call(long n, long a, long b, long c) {
    long r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}
enum { WRITE = 1, GETPID = 39, KILL = 62 };
#elif defined(__aarch64__)
static long call(long n, long a, long b, long c) {
    register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
enum { WRITE = 64, GETPID = 172, KILL = 129 };
#endif

static long data[1000] = {1};

void _start(void) {
    data[7] = (long)"ready\n";
    call(WRITE, 1, data[7], 6);
    for (;;)
        call(KILL, call(GETPID, 0, 0, 0), 19, 0);
}
