/* Seals of a memfd, and what each of them forbids: the kernel's own answers. */
#include "calls.h"

#if defined(__aarch64__)
enum { NR_fchmod = 52, NR_fallocate = 47 };
#else
enum { NR_fchmod = 91, NR_fallocate = 285 };
#endif
enum { SEALING = 2, NOEXEC = 8, EXEC = 16, ADD_SEALS = 1033, GET_SEALS = 1034 };
enum { SEAL = 1, SHRINK = 2, GROW = 4, WRITE = 8, FUTURE = 16, SEAL_EXEC = 32 };

static char bytes[200];

static int file(u64 flags) { return (int)S2(memfd_create, "sealed", flags); }
static i64 seal(int fd, int seals) { return S3(fcntl, fd, ADD_SEALS, seals); }
static i64 seals_of(int fd) { return S2(fcntl, fd, GET_SEALS); }

/* An address as 1, or the errno. */
static i64 mapped(int fd, int prot, int flags)
{
    i64 got = SYS(mmap, 0, page, prot, flags, fd, 0);
    return got < 0 && got > -4096 ? got : 1;
}

static void first_seals(void)
{
    SHOW(seals_of(file(0)));
    SHOW(seal(file(0), GROW));
    SHOW(seals_of(file(SEALING)));
    SHOW(seals_of(file(NOEXEC)));
    SHOW(seals_of(file(NOEXEC | SEALING)));
    SHOW(S2(memfd_create, "x", NOEXEC | EXEC));
    SHOW(S2(memfd_create, "x", 0x800));
    int ends[2], fd = file(SEALING);
    S2(pipe2, ends, 0);
    SHOW(seals_of(ends[1]));
    SHOW(seal(ends[1], GROW));
    SHOW(seal(ends[0], GROW));
    SHOW(seal(fd, 64));
    SHOW(seal(fd, SEAL));
    SHOW(seal(fd, 0));
    SHOW(seal(99, 0));
}

static void sizes(void)
{
    int fd = file(SEALING);
    S2(ftruncate, fd, page + 100);
    SHOW(seal(fd, GROW));
    SHOW(S2(ftruncate, fd, page + 101));
    SHOW(S2(ftruncate, fd, page + 100));
    SHOW(S4(fallocate, fd, 0, 0, page + 101));
    SHOW(S4(fallocate, fd, 1, 0, page + 101));
    SHOW(S4(fallocate, fd, 0, 0, page));
    SHOW(S4(pwrite64, fd, bytes, 101, page));
    SHOW(S4(pwrite64, fd, bytes, 100, page));
    SHOW(S4(pwrite64, fd, bytes, 200, page - 50));
    SHOW(S4(pwrite64, fd, bytes, 1, page + 100));
    SHOW(S4(pwrite64, fd, bytes, 0, page + 200));
    SHOW(S2(ftruncate, fd, 50));
    SHOW(seal(fd, SHRINK));
    SHOW(S2(ftruncate, fd, 49));
    SHOW(S2(ftruncate, fd, 51));
    SHOW(seals_of(fd));
}

static void writes(void)
{
    int fd = file(SEALING);
    S2(ftruncate, fd, page);
    u8 *shared = map(0, page, RW, MAP_SHARED, fd, 0);
    SHOW(seal(fd, WRITE));
    SHOW(seal(fd, WRITE | GROW));
    SHOW(seals_of(fd));
    SHOW(seal(fd, FUTURE));
    shared[3] = 7;
    SHOW(S3(write, fd, bytes, 1));
    SHOW(mapped(fd, RW, MAP_SHARED));
    SHOW(mapped(fd, RW, MAP_PRIVATE));
    SHOW(mapped(fd, PROT_READ, MAP_SHARED));
    S2(munmap, shared, page);
    SHOW(seal(fd, WRITE));
    SHOW(S4(pread64, fd, bytes, 1, 3));
    report("what the mapping wrote", bytes[0]);
    SHOW(S3(write, fd, bytes, 0));
    u8 *seen = map(0, page, PROT_READ, MAP_SHARED, fd, 0);
    report("seen", seen[3]);
    SHOW(S3(mprotect, seen, page, RW));
    SHOW(S2(ftruncate, fd, 2 * page));
    SHOW(S4(fallocate, fd, 0, 0, 3 * page));
    SHOW(seal(fd, SEAL));
    SHOW(seals_of(fd));
}

/* A mapping that is read only now may be written to later; one of another process counts, too. */
static void busy(void)
{
    int fd = file(SEALING), ends[2];
    S2(ftruncate, fd, page);
    u8 *shared = map(0, page, PROT_READ, MAP_SHARED, fd, 0);
    SHOW(seal(fd, WRITE));
    S2(pipe2, ends, 0);
    i64 child = S5(clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        S3(read, ends[0], bytes, 1);
        quit(0);
    }
    S2(munmap, shared, page);
    SHOW(seal(fd, WRITE));
    S3(write, ends[1], bytes, 1);
    S4(wait4, child, 0, 0, 0);
    SHOW(seal(fd, WRITE));
}

static void modes(void)
{
    int fd = file(NOEXEC);
    SHOW(S2(fchmod, fd, 0600));
    SHOW(S2(fchmod, fd, 0700));
    fd = file(SEALING);
    SHOW(seal(fd, SEAL_EXEC));
    SHOW(seals_of(fd));
    SHOW(S2(fchmod, fd, 0644));
    fd = file(SEALING);
    SHOW(S2(fchmod, fd, 0644));
    SHOW(seal(fd, SEAL_EXEC));
    SHOW(seals_of(fd));
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    first_seals();
    sizes();
    writes();
    busy();
    modes();
    return 0;
}
