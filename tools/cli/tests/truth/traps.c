/* traps TRAP FOLDER: memory of which smaps tells something that is easily misread. It says what it did, and stops (but for `growing`,
   which runs on). The numbers of the traps are those of the tests. */
#include "say.h"
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define FIGURES "\"share_mode\":\"%s\",\"resident\":%zu,\"dirty\":%zu,\"swap\":0"

static const size_t nothing = 0;

static int file_in_folder(const char *name, size_t pages)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return new_file(path, pages);
}

/* 1: pages of the page cache that are dirty are not this process's. */
static void fresh_file(void)
{
    int fd = file_in_folder("fresh", 6);
    char *at = mmap(place(), 6 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
    must(at != MAP_FAILED, "mmap");
    look_at(at, 6);
    region("fresh file", at, 6 * page, FIGURES, "COW", 6 * page, nothing);
}

/* 2: mapped at least twice is not the same as shared with another process, and a forked page is both sides'. */
static void twice_and_forked(void)
{
    int fd = memfd_create("twice", 0);
    must(fd >= 0 && ftruncate(fd, (off_t)(6 * page)) == 0, "memfd_create");
    char *twice[2];
    for (int i = 0; i < 2; i++) {
        twice[i] = mmap(place(), 6 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
        must(twice[i] != MAP_FAILED && madvise(twice[i], 6 * page, MADV_DONTFORK) == 0, "mmap");
        touch(twice[i], 6);
        region("twice", twice[i], 6 * page, FIGURES ",\"pss\":%zu", "ALI", 6 * page, 6 * page, 3 * page);
    }
    char *forked = anonymous(6 * page, PROT_READ | PROT_WRITE);
    touch(forked, 6);
    pid_t parent = getpid(), child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(1);
    } else {
        int status;
        must(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "the child stops");
    }
    region("forked", forked, 6 * page, FIGURES ",\"pss\":%zu,\"uss\":0", "COW", 6 * page, 6 * page, 3 * page);
    if (child == 0) stand_still();
}

/* 3: a guard sets the bit of swapped pages in pagemap. */
static void guards(void)
{
    char *at = anonymous(8 * page, PROT_READ | PROT_WRITE);
    touch(at, 8);
    if (madvise(at, 2 * page, GUARD_INSTALL) != 0) {
        lacks("guards", errno);
        return;
    }
    region("guards", at, 8 * page, FIGURES, "PRV", 6 * page, 6 * page);
    char *only = anonymous(8 * page, PROT_READ | PROT_WRITE);
    must(madvise(only, 8 * page, GUARD_INSTALL) == 0, "MADV_GUARD_INSTALL");
    region("only guards", only, 8 * page, FIGURES, "NUL", nothing, nothing);
}

/* 4: the page of zeros is present and not resident. */
static void zeros(void)
{
    char *at = anonymous(8 * page, PROT_READ | PROT_WRITE);
    look_at(at, 8);
    region("zeros", at, 8 * page, FIGURES ",\"pss\":0,\"uss\":0", "ZER", nothing, nothing);
    char *few = anonymous(64 * page, PROT_READ | PROT_WRITE);
    look_at(few + 63 * page, 1);
    region("one zero at the end", few, 64 * page, FIGURES, "ZER", nothing, nothing);
    char *none = anonymous(8 * page, PROT_READ | PROT_WRITE);
    region("none", none, 8 * page, FIGURES, "NUL", nothing, nothing);
    char *mixed = anonymous(8 * page, PROT_READ | PROT_WRITE);
    look_at(mixed, 8);
    touch(mixed, 2);
    region("mixed", mixed, 8 * page, FIGURES, "PRV", 2 * page, 2 * page);
}

/* 4, too: a page of zeros at the far end of more memory than anybody would look through page by page. */
static void far_zero(void)
{
    size_t size = 768 << 20;
    char *at = anonymous(size, PROT_READ | PROT_WRITE);
    look_at(at + size - page, 1);
    region("far zero", at, size, FIGURES, "ZER", nothing, nothing);
}

static size_t huge_page_size(void)
{
    char line[128];
    size_t kib = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    must(file != NULL, "/proc/meminfo");
    while (fgets(line, sizeof line, file) && sscanf(line, "Hugepagesize: %zu kB", &kib) != 1) {}
    fclose(file);
    return kib * 1024;
}

/* 4, too: pages of hugetlb, which Rss leaves out. */
static void hugetlb(void)
{
    size_t size = huge_page_size();
    int sort[] = {MAP_PRIVATE, MAP_SHARED};
    for (int i = 0; i < 2; i++) {
        char *at = size ? mmap(place(), size, PROT_READ | PROT_WRITE,
                               sort[i] | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED_NOREPLACE, -1, 0)
                        : MAP_FAILED;
        if (at == MAP_FAILED) {
            lacks("hugetlb", errno);
            return;
        }
        touch(at, size / page);
        region(i ? "hugetlb, shared" : "hugetlb, private", at, size, "\"type\":\"%s\",\"uss\":%zu," FIGURES,
               i ? "shared memory" : "VM_ALLOCATE", size, i ? "SHM" : "PRV", size, size);
    }
}

/* Pages with the same content, for KSM to merge. */
static void same_pages(void)
{
    char *at = anonymous(64 * page, PROT_READ | PROT_WRITE);
    memset(at, 0x5a, 64 * page);
    if (madvise(at, 64 * page, MADV_MERGEABLE) != 0) {
        lacks("KSM", errno);
        return;
    }
    region("same pages", at, 64 * page, "\"share_mode\":\"COW\",\"resident\":%zu,\"swap\":0", 64 * page);
}

/* 5: neighbours that are alike are one mapping. */
static void merged(void)
{
    char *at = place();
    for (int i = 0; i < 3; i++) {
        char *got = mmap(at + (size_t)i * 4 * page, 4 * page, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        must(got == at + (size_t)i * 4 * page, "mmap");
        touch(got, (size_t)i + 1);
    }
    region("three in one", at, 12 * page, FIGURES, "PRV", 6 * page, 6 * page);
    /* malloc: blocks of their own mapping, each with its header at its start. */
    char *one = malloc(1 << 20), *two = malloc(1 << 20);
    must(one && two, "malloc");
    one[0] = two[0] = 1;
    say("{\"blocks\":[\"%p\",\"%p\"]}", (void *)one, (void *)two);
}

/* 6: LazyFree is told late. */
static void lazy(void)
{
    char *few = anonymous(8 * page, PROT_READ | PROT_WRITE), *many = anonymous(2048 * page, PROT_READ | PROT_WRITE);
    touch(few, 8);
    touch(many, 2048);
    must(madvise(few, 3 * page, MADV_FREE) == 0 && madvise(many, 2048 * page, MADV_FREE) == 0, "MADV_FREE");
    region("few freed", few, 8 * page, FIGURES ",\"volatile\":%zu", "PRV", 8 * page, 5 * page, 3 * page);
    region("all freed", many, 2048 * page, FIGURES ",\"volatile\":%zu", "PRV", 2048 * page, nothing, 2048 * page);
}

/* 7: a map that changes while it is read. Never more than half of what max_map_count allows by default. */
static void growing(void)
{
    say("{\"ready\":%d}", getpid());
    for (;;) {
        char *base = place();
        for (size_t i = 0; i < 30000; i++)
            /* Every other page, so that none merge. */
            mmap(base + 2 * i * page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        munmap(base, 60000 * page);
    }
}

/* 8: locked memory is told by its share. */
static void locked(void)
{
    int fd = memfd_create("locked", 0);
    must(fd >= 0 && ftruncate(fd, (off_t)(6 * page)) == 0, "memfd_create");
    for (int i = 0; i < 2; i++) {
        char *at = mmap(place(), 6 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
        must(at != MAP_FAILED, "mmap");
        touch(at, 6);
        if (mlock(at, 6 * page) != 0) {
            lacks("mlock", errno);
            return;
        }
        region("locked twice", at, 6 * page, FIGURES ",\"locked\":%zu,\"pss\":%zu", "ALI", 6 * page, 6 * page, 3 * page,
               3 * page);
    }
}

/* 9: names are not what they seem. */
static void names(void)
{
    const char *files[] = {"two words", "new\nline", "kept (deleted)", "tab\there", "[heap]"};
    for (int i = 0; i < 5; i++) {
        int fd = file_in_folder(files[i], 1);
        char *at = mmap(place(), page, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0);
        must(at != MAP_FAILED, files[i]);
        look_at(at, 1);
        region(i == 1 ? "new line" : i == 3 ? "tab" : files[i], at, page, "\"type\":\"mapped file\"," FIGURES, "COW", page,
               nothing);
        close(fd);
    }
    /* The break, of which malloc knows nothing, in three mappings. */
    char *heap = sbrk(0);
    heap += (page - (uintptr_t)heap % page) % page;
    must(brk(heap + 9 * page) == 0, "brk");
    touch(heap, 9);
    must(mprotect(heap + 3 * page, 3 * page, PROT_READ) == 0, "mprotect");
    region("break, lower", heap, 3 * page, "\"detail_has\":\"[heap]\",\"protection\":\"rw-\"," FIGURES, "PRV", 3 * page,
           3 * page);
    region("break, middle", heap + 3 * page, 3 * page, "\"detail_has\":\"[heap]\",\"protection\":\"r--\"," FIGURES, "PRV",
           3 * page, 3 * page);
    region("break, upper", heap + 6 * page, 3 * page, "\"detail_has\":\"[heap]\",\"protection\":\"rw-\"," FIGURES, "PRV",
           3 * page, 3 * page);
}

/* Not a trap: much memory that nobody touched, for a report must leave it so. */
static void untouched(void)
{
    size_t size = 64 << 20;
    char *lent = anonymous(size, PROT_READ | PROT_WRITE);
    char *heap = sbrk((intptr_t)size);
    must(heap != (char *)-1, "sbrk");
    char *block = malloc(size);
    must(block != NULL, "malloc");
    char *small = malloc(1000);
    must(small != NULL, "malloc");
    region("untouched", lent, size, FIGURES, "NUL", nothing, nothing);
}

int main(int count, char **words)
{
    must(count == 3, "usage: traps TRAP FOLDER");
    page = (size_t)sysconf(_SC_PAGESIZE);
    folder = words[2];
    static const struct {
        const char *name;
        void (*make)(void);
    } traps[] = {{"fresh-file", fresh_file}, {"twice-and-forked", twice_and_forked}, {"guards", guards}, {"zeros", zeros},
                 {"merged", merged}, {"lazy", lazy}, {"growing", growing}, {"locked", locked}, {"names", names},
                 {"untouched", untouched}, {"far-zero", far_zero},
                 {"hugetlb", hugetlb}, {"same-pages", same_pages}};
    bool is_known = false;
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++)
        if (strcmp(words[1], traps[i].name) == 0) is_known = true, traps[i].make();
    must(is_known, "a known trap");
    say("{\"ready\":%d}", getpid());
    stand_still();
}
