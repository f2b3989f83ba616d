/* One region of each sort. The figures are what this program did to the pages, not what it read of them. */
#include "truth.h"
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define ANON "\"type\":\"VM_ALLOCATE\",\"is_guess\":false,\"shared\":false,\"protection\":\"rw-\",\"max_protection\":\"rwx\","
#define SHARED "\"type\":\"shared memory\",\"is_guess\":false,\"shared\":true,\"protection\":\"rw-\","
#define CLEAN "\"swap\":0,\"volatile\":0"
#define FIGURES "\"share_mode\":\"%s\",\"resident\":%zu,\"dirty\":%zu,"

/* A folder on a file system without execution takes PROT_EXEC from what a mapping may become. */
static const char *most(const char *path, const char *with, const char *without)
{
    struct statvfs where;
    return statvfs(path, &where) == 0 && (where.f_flag & ST_NOEXEC) ? without : with;
}

static char *shared_at_place(int fd, size_t size, int protection)
{
    char *at = mmap(place(), size, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    must(at != MAP_FAILED, "mmap MAP_SHARED");
    return at;
}

static int memfd(const char *name, size_t size)
{
    int fd = memfd_create(name, 0);
    must(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "memfd_create");
    return fd;
}

static struct {
    char *all, *part, *pair, *twice[2], *anon;
} common;

/* What parent and child have together; made before the fork. */
void make_common(void)
{
    common.all = anonymous(16 * page, PROT_READ | PROT_WRITE);
    touch(common.all, 16);
    common.part = anonymous(16 * page, PROT_READ | PROT_WRITE);
    touch(common.part, 16);
    int pair = memfd("pair", 8 * page), triple = memfd("triple", 8 * page);
    common.pair = shared_at_place(pair, 8 * page, PROT_READ | PROT_WRITE);
    common.twice[0] = shared_at_place(triple, 8 * page, PROT_READ | PROT_WRITE);
    common.twice[1] = shared_at_place(triple, 8 * page, PROT_READ | PROT_WRITE);
    common.anon = mmap(place(), 8 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    must(common.anon != MAP_FAILED, "mmap of shared anonymous memory");
    close(pair);
    close(triple);
}

/* What both sides do, and what only the child does. */
void use_common(int is_child)
{
    touch(common.pair, 8);
    touch(common.anon, 5);
    touch(common.twice[0], 8);
    if (is_child) {
        touch(common.part, 4);
        munmap(common.twice[1], 8 * page);
    } else {
        touch(common.twice[1], 8);
    }
}

void say_common(int is_child)
{
    size_t all = 16 * page;
    region("dirtied, then forked", common.all, all, ANON CLEAN "," FIGURES "\"uss\":0,\"pss\":%zu", "COW", all, all, all / 2);
    /* The four pages that the child wrote are each side's own now. */
    region("dirtied, forked, partly written by the child", common.part, all,
           ANON CLEAN "," FIGURES "\"uss\":%zu,\"pss\":%zu", "COW", all, all, 4 * page, 10 * page);
    region("a memfd of two processes", common.pair, 8 * page,
           SHARED "\"detail_has\":\"/memfd:pair\"," CLEAN "," FIGURES "\"uss\":0,\"pss\":%zu", "SHM", 8 * page, 8 * page,
           4 * page);
    region("shared anonymous memory of two processes", common.anon, 8 * page, SHARED CLEAN "," FIGURES "\"uss\":0", "SHM",
           5 * page, 5 * page);
    const char *mode = is_child ? "SHM" : "S/A";
    region("a memfd twice, and in another process", common.twice[0], 8 * page,
           SHARED "\"detail_has\":\"/memfd:triple\"," CLEAN "," FIGURES "\"uss\":0", mode, 8 * page, 8 * page);
    if (!is_child)
        region("a memfd twice, and in another process: again", common.twice[1], 8 * page,
               SHARED "\"detail_has\":\"/memfd:triple\"," CLEAN "," FIGURES "\"uss\":0", mode, 8 * page, 8 * page);
}

static void anonymous_memory(void)
{
    region("untouched", anonymous(8 * page, PROT_READ | PROT_WRITE), 8 * page, ANON CLEAN "," FIGURES "\"pss\":0,\"uss\":0",
           "NUL", (size_t)0, (size_t)0);
    char *zeros = anonymous(8 * page, PROT_READ | PROT_WRITE);
    look_at(zeros, 5);
    region("zeros, only read", zeros, 8 * page, ANON CLEAN "," FIGURES "\"pss\":0,\"uss\":0", "ZER", (size_t)0, (size_t)0);
    char *half = anonymous(8 * page, PROT_READ | PROT_WRITE);
    touch(half, 3);
    look_at(half + 4 * page, 2);
    region("written in part", half, 8 * page, ANON CLEAN "," FIGURES "\"pss\":%zu,\"uss\":%zu", "PRV", 3 * page, 3 * page,
           3 * page, 3 * page);
    region("reserve", anonymous(64 * page, PROT_NONE), 64 * page,
           "\"type\":\"VM_ALLOCATE (reserved)\",\"protection\":\"---\",\"max_protection\":\"rwx\"," CLEAN "," FIGURES
           "\"shared\":false",
           "NUL", (size_t)0, (size_t)0);
    char *locked = anonymous(8 * page, PROT_READ | PROT_WRITE);
    if (mlock(locked, 8 * page) == 0)
        region("locked", locked, 8 * page, ANON CLEAN "," FIGURES "\"locked\":%zu,\"flags_have\":\"lo\"", "PRV", 8 * page,
               8 * page, 8 * page);
    else
        lacks("locked", errno);
    char *code = mmap(place(), 4 * page, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (code != MAP_FAILED) {
        touch(code, 1);
        region("writable code", code, 4 * page,
               "\"type\":\"JIT\",\"protection\":\"rwx\",\"max_protection\":\"rwx\"," CLEAN "," FIGURES "\"shared\":false", "PRV",
               page, page);
    } else {
        lacks("writable code", errno);
    }
}

/* MADV_FREE, huge pages, paging out, guards: what madvise(2) does to pages. */
static void advised_memory(void)
{
    char *freed = anonymous(32 * page, PROT_READ | PROT_WRITE);
    touch(freed, 32);
    must(madvise(freed + 4 * page, 12 * page, MADV_FREE) == 0, "MADV_FREE");
    region("given back by MADV_FREE", freed, 32 * page, ANON FIGURES "\"swap\":0,\"volatile\":%zu", "PRV", 32 * page,
           20 * page, 12 * page);

    size_t huge = 2 << 20;
    char *large = mmap(place(), 2 * huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    must(large != MAP_FAILED, "mmap of huge pages");
    if (madvise(large, 2 * huge, MADV_HUGEPAGE) == 0) {
        touch(large, huge / page);
        region("huge pages", large, 2 * huge, ANON CLEAN "," FIGURES "\"flags_have\":\"hg\"", "PRV", huge, huge);
    } else {
        lacks("huge pages", errno);
    }

    char *guarded = anonymous(12 * page, PROT_READ | PROT_WRITE);
    touch(guarded, 12);
    if (madvise(guarded, 2 * page, GUARD_INSTALL) == 0 && madvise(guarded + 7 * page, page, GUARD_INSTALL) == 0)
        region("guards inside a mapping", guarded, 12 * page, ANON CLEAN "," FIGURES "\"uss\":%zu", "PRV", 9 * page, 9 * page,
               9 * page);
    else
        lacks("guards inside a mapping", errno);
}

/* How many pages of the range have this bit in /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst). */
static size_t pages_with(int bit, const char *at, size_t pages)
{
    size_t count = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY);
    for (size_t i = 0; i < pages; i++) {
        uint64_t word = 0;
        must(pread(fd, &word, 8, (off_t)(((uintptr_t)at / page + i) * 8)) == 8, "pagemap");
        count += word >> bit & 1;
    }
    close(fd);
    return count;
}

/* Where there is no swap the kernel keeps the pages; where there is some, it may keep some of them. */
static void swapped_memory(void)
{
    char *out = anonymous(16 * page, PROT_READ | PROT_WRITE);
    touch(out, 16);
    madvise(out, 16 * page, PAGEOUT);
    size_t swapped = pages_with(62, out, 16), present = pages_with(63, out, 16);
    if (swapped == 0) lacks("swap", ENOSYS);
    region("paged out", out, 16 * page, ANON "\"share_mode\":\"PRV\",\"resident\":%zu,\"swap\":%zu", present * page,
           swapped * page);
}

/* Kinds of memory that only newer kernels or some processors have. */
static void rare_memory(void)
{
    char *sealed = anonymous(4 * page, PROT_READ | PROT_WRITE);
    touch(sealed, 4);
    if (syscall(NR_MSEAL, sealed, 4 * page, 0L) == 0)
        region("sealed", sealed, 4 * page, ANON CLEAN "," FIGURES "\"flags_have\":\"sl\"", "PRV", 4 * page, 4 * page);
    else
        lacks("sealed", errno);

    char *dropped = mmap(place(), 8 * page, PROT_READ | PROT_WRITE, DROPPABLE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (dropped != MAP_FAILED) {
        touch(dropped, 4);
        region("droppable", dropped, 8 * page, "\"swap\":0,\"flags_have\":\"dp\"," FIGURES "\"volatile\":%zu", "PRV", 4 * page,
               (size_t)0, 4 * page);
    } else {
        lacks("droppable", errno);
    }

    int key = pkey_alloc(0, PKEY_DISABLE_WRITE);
    if (key > 0) {
        char *keyed = anonymous(4 * page, PROT_READ | PROT_WRITE);
        touch(keyed, 4);
        must(pkey_mprotect(keyed, 4 * page, PROT_READ | PROT_WRITE, key) == 0, "pkey_mprotect");
        region("protection key", keyed, 4 * page, ANON CLEAN "," FIGURES "\"protection_key\":%d", "PRV", 4 * page, 4 * page,
               key);
    } else {
        lacks("protection key", errno);
    }
}

static void shared_memory(void)
{
    int fd = memfd("alias", 8 * page);
    char *one = shared_at_place(fd, 8 * page, PROT_READ | PROT_WRITE);
    char *two = shared_at_place(fd, 8 * page, PROT_READ | PROT_WRITE);
    touch(one, 6);
    look_at(two, 6);
    for (int i = 0; i < 2; i++)
        region(i ? "a memfd twice: again" : "a memfd twice", i ? two : one, 8 * page,
               SHARED "\"max_protection\":\"rwx\",\"detail_has\":\"/memfd:alias\"," CLEAN "," FIGURES "\"pss\":%zu", "ALI",
               6 * page, 6 * page, 3 * page);
    close(fd);

    int id = shmget(IPC_PRIVATE, 4 * page, IPC_CREAT | 0600);
    if (id >= 0) {
        char *at = shmat(id, place(), 0);
        must(at != (char *)-1, "shmat");
        shmctl(id, IPC_RMID, NULL);
        touch(at, 3);
        region("System V", at, 4 * page, SHARED "\"detail_has\":\"/SYSV00000000\"," CLEAN "," FIGURES "\"uss\":%zu", "SHM",
               3 * page, 3 * page, 3 * page);
    } else {
        lacks("System V", errno);
    }

    if (shm_folder) {
        char path[512];
        snprintf(path, sizeof path, "%s/on-tmpfs", shm_folder);
        fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
        must(fd >= 0 && ftruncate(fd, (off_t)(4 * page)) == 0, path);
        char *at = shared_at_place(fd, 4 * page, PROT_READ | PROT_WRITE);
        touch(at, 3);
        region("on tmpfs", at, 4 * page, SHARED "\"detail\":\"%s\"," CLEAN "," FIGURES "\"uss\":%zu", path, "SHM", 3 * page,
               3 * page, 3 * page);
        close(fd);
    } else {
        lacks("on tmpfs", ENOENT);
    }
}

static void files(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/read-privately", folder);
    int fd = new_file(path, 6);
    char *at = mmap(place(), 6 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
    must(at != MAP_FAILED, path);
    look_at(at, 6);
    region("a file read privately", at, 6 * page,
           "\"type\":\"mapped file\",\"protection\":\"r--\",\"max_protection\":\"%s\",\"detail\":\"%s\"," CLEAN "," FIGURES
           "\"anonymous\":0",
           most(folder, "rwx", "rw-"), path, "COW", 6 * page, (size_t)0);
    close(fd);

    snprintf(path, sizeof path, "%s/written-privately", folder);
    fd = new_file(path, 6);
    at = mmap(place(), 6 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
    must(at != MAP_FAILED, path);
    look_at(at, 6);
    touch(at + page, 2);
    region("a file written privately", at, 6 * page,
           "\"type\":\"mapped file\",\"protection\":\"rw-\",\"max_protection\":\"%s\",\"detail\":\"%s\"," CLEAN "," FIGURES
           "\"anonymous\":%zu",
           most(folder, "rwx", "rw-"), path, "COW", 6 * page, 2 * page, 2 * page);
    close(fd);

    snprintf(path, sizeof path, "%s/written-shared", folder);
    fd = new_file(path, 6);
    at = shared_at_place(fd, 6 * page, PROT_READ | PROT_WRITE);
    touch(at, 6);
    /* The kernel may have written it back meanwhile. */
    region("a file written by all", at, 6 * page,
           "\"type\":\"mapped file\",\"shared\":true,\"max_protection\":\"%s\",\"detail\":\"%s\"," CLEAN
           ",\"share_mode\":\"SHM\",\"resident\":%zu,\"dirty_at_most\":%zu,\"uss\":%zu",
           most(folder, "rwx", "rw-"), path, 6 * page, 6 * page, 6 * page);
    close(fd);

    snprintf(path, sizeof path, "%s/read-shared", folder);
    close(new_file(path, 2));
    fd = open(path, O_RDONLY);
    must(fd >= 0, path);
    at = shared_at_place(fd, 2 * page, PROT_READ);
    look_at(at, 2);
    region("a file opened for reading, shared", at, 2 * page,
           "\"type\":\"mapped file\",\"protection\":\"r--\",\"max_protection\":\"%s\",\"resident\":%zu,"
           "\"share_mode\":\"SHM\",\"uss\":%zu",
           most(folder, "r-x", "r--"), 2 * page, 2 * page);
    close(fd);

    snprintf(path, sizeof path, "%s/ (deleted)", folder);
    fd = new_file(path, 1);
    at = shared_at_place(fd, page, PROT_READ);
    region("a file whose name ends so", at, page, "\"detail\":\"%s\",\"share_mode\":\"NUL\"," CLEAN, path);
    close(fd);

    snprintf(path, sizeof path, "%s/gone", folder);
    fd = new_file(path, 1);
    at = shared_at_place(fd, page, PROT_READ);
    look_at(at, 1);
    unlink(path);
    region("a deleted file", at, page, "\"type\":\"mapped file\",\"detail_has\":\"%s (deleted)\"," CLEAN, path);
    close(fd);
}

void make_regions(void)
{
    anonymous_memory();
    advised_memory();
    swapped_memory();
    rare_memory();
    shared_memory();
    files();
}
