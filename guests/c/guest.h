/* Everything a guest needs instead of a C library: the entry point, system calls, and printing. One header, so that
   each guest is one file. It compiles for arm64 (the guests) and for x86-64 (the same program as a native one, which
   is how the expected outputs are recorded on a real Linux kernel). Numbers: the kernel's asm-generic/unistd.h for
   arm64, syscall_64.tbl for x86-64. */
#ifndef GUEST_H
#define GUEST_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#if defined(__aarch64__)
enum {
    NR_openat = 56, NR_close = 57, NR_lseek = 62, NR_read = 63, NR_write = 64, NR_pread64 = 67, NR_pwrite64 = 68,
    NR_ftruncate = 46, NR_exit = 93, NR_exit_group = 94, NR_clock_gettime = 113, NR_sigaltstack = 132,
    NR_rt_sigaction = 134, NR_rt_sigprocmask = 135, NR_getpid = 172, NR_brk = 214, NR_munmap = 215,
    NR_mremap = 216, NR_clone = 220, NR_mmap = 222, NR_mprotect = 226, NR_madvise = 233, NR_wait4 = 260,
    NR_prlimit64 = 261, NR_memfd_create = 279, NR_unlinkat = 35, NR_getppid = 173,
};
__asm__(".text\n.globl _start\n.type _start, %function\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n"
        "\tand sp, x0, #-16\n\tb start_c\n");
static inline i64 sys6(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
    register i64 x8 __asm__("x8") = n;
    register i64 x0 __asm__("x0") = a;
    register i64 x1 __asm__("x1") = b;
    register i64 x2 __asm__("x2") = c;
    register i64 x3 __asm__("x3") = d;
    register i64 x4 __asm__("x4") = e;
    register i64 x5 __asm__("x5") = f;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory", "cc");
    return x0;
}
#elif defined(__x86_64__)
enum {
    NR_openat = 257, NR_close = 3, NR_lseek = 8, NR_read = 0, NR_write = 1, NR_pread64 = 17, NR_pwrite64 = 18,
    NR_ftruncate = 77, NR_exit = 60, NR_exit_group = 231, NR_clock_gettime = 228, NR_sigaltstack = 131,
    NR_rt_sigaction = 13, NR_rt_sigprocmask = 14, NR_getpid = 39, NR_brk = 12, NR_munmap = 11, NR_mremap = 25,
    NR_clone = 56, NR_mmap = 9, NR_mprotect = 10, NR_madvise = 28, NR_wait4 = 61, NR_prlimit64 = 302,
    NR_memfd_create = 319, NR_unlinkat = 263, NR_getppid = 110,
};
__asm__(".text\n.globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start_c\n");
static inline i64 sys6(i64 n, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
    register i64 r10 __asm__("r10") = d;
    register i64 r8 __asm__("r8") = e;
    register i64 r9 __asm__("r9") = f;
    i64 ret;
    __asm__ volatile("syscall" : "=a"(ret) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory", "cc");
    return ret;
}
#else
#error "guests are built for arm64 and, to record their expected outputs, for x86-64"
#endif

#define SYS(n, a, b, c, d, e, f) sys6(NR_##n, (i64)(a), (i64)(b), (i64)(c), (i64)(d), (i64)(e), (i64)(f))

enum { PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4, RW = 3 };
enum { MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANON = 0x20, ANON = 0x22 };
enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, MADV_DONTNEED = 4 };
enum { ENOMEM = 12, EINVAL = 22, SIGBUS = 7, SIGSEGV = 11, SIGCHLD = 17, RLIMIT_STACK = 3 };
enum { SEEK_SET = 0, AT_FDCWD = -100, O_RDWR = 2, O_CREAT = 0100, O_EXCL = 0200, AT_PAGESZ = 6 };

/* The page size that the kernel said it has (AT_PAGESZ). */
static u64 page;

/* The compiler may call these even in a free-standing program. */
__attribute__((used, weak)) void *memcpy(void *to, const void *from, u64 n)
{
    u8 *t = to;
    const u8 *f = from;
    while (n--) *t++ = *f++;
    return to;
}
__attribute__((used, weak)) void *memset(void *to, int byte, u64 n)
{
    u8 *t = to;
    while (n--) *t++ = (u8)byte;
    return to;
}

static inline u64 length(const char *s)
{
    u64 n = 0;
    while (s[n]) n++;
    return n;
}
static inline int equal(const char *a, const char *b)
{
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

__attribute__((noreturn)) static inline void quit(int status)
{
    for (;;) SYS(exit_group, status, 0, 0, 0, 0, 0);
}

/* Output is collected to a line's end, so that a line is one write even when the program is about to die. */
static char out_line[512];
static u64 out_used;

static inline void flush_to(int fd)
{
    SYS(write, fd, out_line, out_used, 0, 0, 0);
    out_used = 0;
}
static inline void put(const char *s)
{
    for (; *s; s++) {
        out_line[out_used++] = *s;
        if (*s == '\n' || out_used == sizeof out_line) flush_to(1);
    }
}
static inline void put_number(i64 value)
{
    char digits[24];
    u64 at = sizeof digits - 1, rest = value < 0 ? -(u64)value : (u64)value;
    digits[at] = 0;
    do digits[--at] = (char)('0' + rest % 10); while (rest /= 10);
    if (value < 0) digits[--at] = '-';
    put(digits + at);
}
static inline void put_hex(u64 value)
{
    char digits[20];
    u64 at = sizeof digits - 1;
    digits[at] = 0;
    do digits[--at] = "0123456789abcdef"[value & 15]; while (value >>= 4);
    put("0x");
    put(digits + at);
}
/* "what: value" */
static inline void report(const char *what, i64 value)
{
    put(what);
    put(": ");
    put_number(value);
    put("\n");
}
/* "what: yes" or "what: NO" */
static inline int check(const char *what, int holds)
{
    put(what);
    put(holds ? ": yes\n" : ": NO\n");
    return holds;
}
/* A message to standard error and an exit. */
__attribute__((noreturn)) static inline void die(int status, const char *who, const char *what)
{
    const char *parts[] = {who, ": ", what, "\n"};
    for (int i = 0; i < 4; i++) SYS(write, 2, parts[i], length(parts[i]), 0, 0, 0);
    quit(status);
}

/* A mapping, or the end of the program: for those that a guest takes for granted. */
static inline u8 *map(void *at, u64 bytes, int prot, int flags, int fd, u64 offset)
{
    i64 got = SYS(mmap, at, bytes, prot, flags, fd, offset);
    if (got < 0 && got > -4096) {
        report("mmap failed", got);
        quit(3);
    }
    return (u8 *)got;
}
static inline u8 *map_anon(u64 pages)
{
    return map(0, pages * page, RW, ANON, -1, 0);
}
/* An empty file without a name: in memory, or where the kernel has no memfd_create(2), unlinked in /tmp. */
static inline int unnamed_file(void)
{
    static char path[] = "/tmp/pagewalk-guest-................";
    int fd = (int)SYS(memfd_create, "guest-file", 0, 0, 0, 0, 0);
    if (fd >= 0) return fd;
    u64 id = (u64)SYS(getpid, 0, 0, 0, 0, 0, 0);
    for (u64 at = sizeof path - 2; path[at] == '.'; at--, id >>= 4) path[at] = "0123456789abcdef"[id & 15];
    fd = (int)SYS(openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600, 0, 0);
    if (fd < 0) {
        report("no file to map", fd);
        quit(3);
    }
    SYS(unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
    return fd;
}
/* An unnamed file of this many pages; each page begins with its own number plus one. */
static inline int numbered_file(u64 pages)
{
    int fd = unnamed_file();
    SYS(ftruncate, fd, pages * page, 0, 0, 0, 0);
    for (u64 i = 0; i < pages; i++) {
        u8 number = (u8)(i + 1);
        SYS(pwrite64, fd, &number, 1, i * page, 0, 0);
    }
    return fd;
}
/* The byte at this offset as read(2) sees it, or the negative errno. */
static inline i64 file_byte(int fd, u64 offset)
{
    u8 byte = 0;
    i64 got = SYS(pread64, fd, &byte, 1, offset, 0, 0);
    return got == 1 ? byte : got < 0 ? got : -1;
}
/* Each access to memory under test goes through these, so that the compiler can assume nothing about it. */
static inline u8 load(const u8 *at) { return *(const volatile u8 *)at; }
static inline void store(u8 *at, u8 value) { *(volatile u8 *)at = value; }

static inline i64 fork_process(void) { return SYS(clone, SIGCHLD, 0, 0, 0, 0, 0); }
/* The status word of a child, as wait4(2) gives it. */
static inline int wait_for(i64 pid)
{
    int status = -1;
    SYS(wait4, pid, &status, 0, 0, 0, 0);
    return status;
}

/* Whether the kernel can read a byte here: 1, or -14 (EFAULT) where nothing is mapped. Raises no signal. */
static inline i64 readable(const u8 *at)
{
    static int sink = -1;
    if (sink < 0) sink = unnamed_file();
    return SYS(pwrite64, sink, at, 1, 0, 0, 0);
}

/* How many lines of /proc/self/maps lie inside [from, to). */
static inline u64 map_lines(u64 from, u64 to)
{
    static char text[16384];
    u64 used = 0, lines = 0;
    int fd = (int)SYS(openat, AT_FDCWD, "/proc/self/maps", 0, 0, 0, 0);
    if (fd < 0) die(3, "maps", "cannot open /proc/self/maps");
    for (;;) {
        i64 got = SYS(read, fd, text + used, sizeof text - used, 0, 0, 0);
        if (got <= 0) break;
        used += (u64)got;
    }
    SYS(close, fd, 0, 0, 0, 0, 0);
    for (u64 at = 0; at < used;) {
        u64 start = 0, end = 0, *into = &start;
        for (; at < used && text[at] != ' '; at++) {
            if (text[at] == '-') into = &end;
            else *into = *into * 16 + (u64)(text[at] <= '9' ? text[at] - '0' : text[at] - 'a' + 10);
        }
        lines += start >= from && end <= to;
        while (at < used && text[at++] != '\n') {}
    }
    return lines;
}

int main(); /* with (argc, argv) or without */

__attribute__((used, noreturn)) void start_c(u64 *stack)
{
    u64 argc = stack[0], *at = stack + 1 + argc + 1;
    while (*at) at++;
    for (at++; *at; at += 2)
        if (*at == AT_PAGESZ) page = at[1];
    quit(main((int)argc, (char **)(stack + 1)));
}

#endif
