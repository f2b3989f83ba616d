/* Descriptors by their names: opening /proc/self/fd/N anew, AT_EMPTY_PATH, running an open program, a pipe read into
   several buffers; and calls on groups: niceness, a circle of record locks, PR_SET_NO_NEW_PRIVS. */
#include "calls.h"

#if defined(__aarch64__)
enum { NR_readv = 65, NR_linkat = 37, NR_fchownat = 54, NR_newfstatat = 79, NR_execveat = 281, NR_prctl = 167,
       NR_setpriority = 140, NR_getpriority = 141, NR_setpgid = 154, NR_mkdirat = 34, NR_chdir = 49 };
enum { DIRECTORY = 040000, NOFOLLOW = 0100000 };
#else
enum { NR_readv = 19, NR_linkat = 265, NR_fchownat = 260, NR_newfstatat = 262, NR_execveat = 322, NR_prctl = 157,
       NR_setpriority = 141, NR_getpriority = 140, NR_setpgid = 109, NR_mkdirat = 258, NR_chdir = 80 };
enum { DIRECTORY = 0200000, NOFOLLOW = 0400000 };
#endif
enum { HERE = -100, RDONLY = 0, WRONLY = 1, RDWR = 2, CREAT = 0100, TRUNC = 01000, EXCL = 0200, EMPTY_PATH = 0x1000,
       SYMLINK_FOLLOW = 0x400, SYMLINK_NOFOLLOW = 0x100, REMOVEDIR = 0x200 };
enum { F_GETFL = 3, F_SETLKW = 7, F_SETLK = 6, F_WRLCK = 1, F_UNLCK = 2 };

static char name[32];

/* A folder of this process alone, left again at the end. */
static char folder_name[] = "/tmp/pagewalk-guest-................";
static void enter(void)
{
    u64 id = (u64)S0(getpid);
    for (u64 at = sizeof folder_name - 2; folder_name[at] == '.'; at--, id >>= 4)
        folder_name[at] = "0123456789abcdef"[id & 15];
    S3(unlinkat, HERE, folder_name, REMOVEDIR);
    if (S3(mkdirat, HERE, folder_name, 0700) || S1(chdir, folder_name)) quit(3);
}

/* /proc/self/fd/FD */
static const char *by_name(int fd)
{
    const char *start = "/proc/self/fd/";
    int at = 0;
    for (; start[at]; at++) name[at] = start[at];
    if (fd >= 10) name[at++] = (char)('0' + fd / 10);
    name[at++] = (char)('0' + fd % 10);
    name[at] = 0;
    return name;
}

static i64 again(int fd, int flags) { return S4(openat, HERE, by_name(fd), flags, 0); }

static i64 close_if(i64 fd)
{
    if (fd < 0) return fd;
    S1(close, fd);
    return 0;
}

static void files(void)
{
    char bytes[8] = {0};
    int file = (int)S4(openat, HERE, "reopened", RDWR | CREAT | TRUNC, 0600);
    SHOW(S3(write, file, "abcdef", 6));
    int other = (int)again(file, RDONLY);
    SHOW(S3(lseek, other, 0, 1));
    SHOW(S3(read, other, bytes, 3));
    SHOW(S3(lseek, file, 0, 1));
    SHOW(S3(write, other, "x", 1));
    SHOW(S3(unlinkat, HERE, "reopened", 0));
    int gone = (int)again(other, WRONLY);
    SHOW(S3(write, gone, "X", 1));
    SHOW(S3(lseek, other, 0, 0));
    SHOW(S3(read, other, bytes, 1));
    report("is now", bytes[0]);
    SHOW(again(file, RDONLY | CREAT | EXCL));
    SHOW(again(file, RDONLY | NOFOLLOW));
    SHOW(again(file, RDONLY | DIRECTORY));
    SHOW(again(99, RDONLY));
    SHOW(close_if(again(file, RDWR | TRUNC)));
    SHOW(S3(lseek, file, 0, 2));
    int folder = (int)S4(openat, HERE, ".", RDONLY | DIRECTORY, 0);
    SHOW(close_if(again(folder, RDONLY | DIRECTORY)));
    SHOW(again(folder, WRONLY));
    int counter = (int)S2(eventfd2, 0, 0);
    SHOW(again(counter, RDONLY));
    int pair[2];
    S4(socketpair, 1, 1, 0, pair);
    SHOW(again(pair[0], RDWR));
    int memory = (int)S2(memfd_create, "m", 0);
    SHOW(S3(write, memory, "12", 2));
    int view = (int)again(memory, RDONLY);
    SHOW(S3(read, view, bytes, 8));
    SHOW(S3(write, view, "3", 1));
    SHOW(close_if(again(memory, RDWR | TRUNC)));
    SHOW(S3(lseek, memory, 0, 2));
}

static void pipes(void)
{
    char a[4], b[4], c[4];
    struct { char *at; u64 length; } to[3] = {{a, 2}, {b, 3}, {c, 4}};
    int ends[2];
    S2(pipe2, ends, NONBLOCK);
    SHOW(S3(write, ends[1], "1234567", 7));
    SHOW(S3(readv, ends[0], to, 3));
    report("second starts with", b[0]);
    report("third starts with", c[0]);
    int writer = (int)again(ends[0], WRONLY | NONBLOCK);
    SHOW(S2(fcntl, writer, F_GETFL) & 3);
    SHOW(S3(write, writer, "8", 1));
    SHOW(S3(read, ends[0], a, 4));
    S1(close, ends[1]);
    SHOW(S3(read, ends[0], a, 4));
    S1(close, writer);
    SHOW(S3(read, ends[0], a, 4));
}

static void empty_paths(void)
{
    struct { u64 words[24]; } stat;
    int file = (int)S4(openat, HERE, "named", RDWR | CREAT, 0600);
    SHOW(S5(linkat, file, "", HERE, "linked", EMPTY_PATH));
    SHOW(S5(linkat, HERE, by_name(file), HERE, "again", SYMLINK_FOLLOW));
    SHOW(S5(linkat, file, "", HERE, "no", 0));
    SHOW(S5(linkat, file, "", HERE, "no", 1));
    SHOW(S5(linkat, 99, "", HERE, "no", EMPTY_PATH));
    SHOW(S4(newfstatat, file, "", &stat, EMPTY_PATH));
    SHOW(S5(fchownat, file, "", -1, -1, EMPTY_PATH));
    SHOW(S5(fchownat, file, "", -1, -1, 0));
    SHOW(S5(fchownat, HERE, "", -1, -1, EMPTY_PATH));
    SHOW(S5(fchownat, file, "", -1, -1, 0x10));
    SHOW(S3(unlinkat, HERE, "named", 0));
    SHOW(S3(unlinkat, HERE, "linked", 0));
    SHOW(S3(unlinkat, HERE, "again", 0));
}

static i64 ended(i64 child)
{
    int status = 0;
    S4(wait4, child, &status, 0, 0);
    return status;
}

/* Runs an open program, this one, which then ends with the number of its arguments. */
static void programs(void)
{
    static char *const args[] = {"reopen", "one", "two", 0};
    static char *const none[] = {0};
    int self = (int)S4(openat, HERE, "/proc/self/exe", RDONLY | CLOEXEC, 0);
    SHOW(SYS(execveat, self, "", args, none, 0, 0));
    SHOW(SYS(execveat, self, "/", args, none, 1, 0));
    SHOW(SYS(execveat, 99, "", args, none, EMPTY_PATH, 0));
    SHOW(SYS(execveat, self, "x", args, none, 0, 0));
    SHOW(SYS(execveat, HERE, "/no/such", args, none, 0, 0));
    SHOW(SYS(execveat, HERE, "/proc/self/exe", args, none, SYMLINK_NOFOLLOW, 0));
    i64 child = S5(clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        SYS(execveat, self, "", args, none, EMPTY_PATH, 0);
        S1(exit_group, 99);
    }
    report("execveat", ended(child) >> 8);
    child = S5(clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        S3(execve, by_name(self), args, none);
        S1(exit_group, 99);
    }
    report("execve by its name", ended(child) >> 8);
    int script = (int)S4(openat, HERE, "script", RDWR | CREAT, 0700);
    S3(write, script, "#!/proc/self/exe\n", 17);
    S1(close, script);
    script = (int)S4(openat, HERE, "script", RDONLY | CLOEXEC, 0);
    SHOW(SYS(execveat, script, "", args, none, EMPTY_PATH, 0));
    SHOW(S3(unlinkat, HERE, "script", 0));
}

static void niceness(void)
{
    int ready[2], go[2];
    char byte;
    S2(pipe2, ready, 0);
    S2(pipe2, go, 0);
    i64 child = S5(clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        S2(setpgid, 0, 0);
        S3(setpriority, 0, 0, 3);
        S3(write, ready[1], "x", 1);
        S3(read, go[0], &byte, 1);
        S1(exit_group, (int)S2(getpriority, 0, 0));
    }
    S3(read, ready[0], &byte, 1);
    i64 own = S2(getpriority, 0, 0);
    SHOW(own - S2(getpriority, 1, child));
    SHOW(S2(getpriority, 1, 0) - own);
    SHOW(S2(getpriority, 1, 0x7ffffff0));
    SHOW(S2(getpriority, 2, 0x7ffffff0));
    SHOW(S2(getpriority, 2, 0) >= own);
    SHOW(S2(getpriority, 3, 0));
    SHOW(S3(setpriority, 1, child, 5));
    SHOW(S3(setpriority, 1, 0x7ffffff0, 5));
    SHOW(S3(setpriority, 3, 0, 5));
    S3(write, go[1], "x", 1);
    report("child", ended(child) >> 8);
}

static i64 lock(int file, int how, int kind, i64 at)
{
    struct { short kind, whence; i64 start, length; int pid; } lock = {(short)kind, 0, at, 1, 0};
    return S3(fcntl, file, how, &lock);
}

static void locks(void)
{
    int ready[2];
    char byte;
    S2(pipe2, ready, 0);
    int file = (int)S4(openat, HERE, "locked", RDWR | CREAT, 0600);
    SHOW(lock(file, F_SETLK, F_WRLCK, 0));
    i64 child = S5(clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        lock(file, F_SETLK, F_WRLCK, 1);
        S3(write, ready[1], "x", 1);
        S1(exit_group, lock(file, F_SETLKW, F_WRLCK, 0) == 0 ? 7 : 8);
    }
    S3(read, ready[0], &byte, 1);
    i64 pause[2] = {0, 100000000};
    S5(ppoll, 0, 0, pause, 0, 8);
    SHOW(lock(file, F_SETLKW, F_WRLCK, 1));
    SHOW(lock(file, F_SETLK, F_UNLCK, 0));
    report("child", ended(child) >> 8);
    SHOW(lock(file, F_SETLKW, F_WRLCK, 1));
    S3(unlinkat, HERE, "locked", 0);
}

static void privileges(void)
{
    enum { SET = 38, GET = 39 };
    SHOW(S5(prctl, GET, 0, 0, 0, 0));
    SHOW(S5(prctl, GET, 1, 0, 0, 0));
    SHOW(S5(prctl, SET, 0, 0, 0, 0));
    SHOW(S5(prctl, SET, 1, 1, 0, 0));
    SHOW(S5(prctl, SET, 1, 0, 0, 0));
    SHOW(S5(prctl, GET, 0, 0, 0, 0));
}

int main(int argc, char **argv)
{
    if (argc == 3) return argv[1][0] == 'o' && argv[2][0] == 't' ? 42 : 43;
    enter();
    files();
    pipes();
    empty_paths();
    programs();
    niceness();
    locks();
    privileges();
    report("left", S1(chdir, "/") + S3(unlinkat, HERE, folder_name, REMOVEDIR));
    return 0;
}
