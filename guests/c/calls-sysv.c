/* calls-sysv: shmget(2), shmat(2), shmdt(2), shmctl(2), a line a rule of the checklist. */
#include "memory.h"

enum {
    IPC_PRIVATE = 0, IPC_CREAT = 01000, IPC_EXCL = 02000, IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3,
    SHM_LOCK = 11, SHM_UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_RDONLY = 010000, SHM_RND = 020000,
    SHM_REMAP = 040000, SHM_DEST = 01000, SHM_LOCKED = 02000,
};
/* struct shmid64_ds of 64-bit machines (asm-generic/shmbuf.h, ipcbuf.h). */
struct segment {
    int key;
    u32 uid, gid, cuid, cgid, mode;
    unsigned short seq, pad1;
    u64 unused1, unused2;
    u64 size;
    i64 attached_at, detached_at, changed_at;
    int creator, last;
    u64 attachments, unused3, unused4;
};

static i64 get(i64 key, u64 bytes, i64 flags) { return SYS(shmget, key, bytes, flags, 0, 0, 0); }
static i64 at(i64 id, const u8 *where, i64 flags) { return SYS(shmat, id, where, flags, 0, 0, 0); }
static i64 dt(const u8 *where) { return SYS(shmdt, where, 0, 0, 0, 0, 0); }
static i64 ctl(i64 id, i64 command, void *to) { return SYS(shmctl, id, command, to, 0, 0, 0); }
static i64 attachments(i64 id)
{
    struct segment segment;
    i64 answer = ctl(id, IPC_STAT, &segment);
    return answer < 0 ? answer : (i64)segment.attachments;
}
static i64 free_key(void)
{
    i64 key = 0x50570000 + SYS(getpid, 0, 0, 0, 0, 0, 0);
    while (get(key, 0, 0) >= 0) key++;
    return key;
}

static void getting(void)
{
    i64 key = free_key();
    row("size 0", get(IPC_PRIVATE, 0, IPC_CREAT | 0600));
    row("size too large", get(IPC_PRIVATE, ~0ul, IPC_CREAT | 0600));
    row("missing key", get(key, page, 0));
    i64 id = row_at("create", get(key, page + 1, IPC_CREAT | 0600));
    row("the same key again", get(key, page, 0) == id);
    row("any size", get(key, 0, 0) == id);
    row("a larger size", get(key, 2 * page + 1, 0));
    row("CREAT EXCL", get(key, page, IPC_CREAT | IPC_EXCL | 0600));
    i64 private = get(IPC_PRIVATE, page, 0600);
    row("private is another", private != id);
    ctl(private, IPC_RMID, 0);
    row("remove", ctl(id, IPC_RMID, 0));
    row("the key is gone", get(key, page, 0));
    row("the segment, too", attachments(id));
    row_at("attach it", at(id, 0, 0));
    row("a bad number", at(-1, 0, 0));
    row("ask of a bad number", ctl(-1, IPC_STAT, &key));
}

static void attaching(void)
{
    i64 id = get(IPC_PRIVATE, 2 * page, IPC_CREAT | 0600);
    u8 *one = (u8 *)row_at("attach", at(id, 0, 0)), *two = (u8 *)at(id, 0, 0);
    row_load("reads as zeros", one + page);
    store(one + page, 42);
    row_load("both see it", two + page);
    row("attached twice", attachments(id));
    u8 *area = room(8);
    row_at("unaligned", at(id, area + 1, 0));
    row_at("onto a mapping", at(id, area, 0));
    row("REMAP", at(id, area, SHM_REMAP) == (i64)area);
    row_load("shows it", area + page);
    row_at("REMAP to no address", at(id, 0, SHM_REMAP));
    u8 *hole = area + 4 * page;
    unmap(hole, 4 * page);
    row("RND", at(id, hole + page + 5, SHM_RND) == (i64)(hole + page));
    u8 *readonly = (u8 *)row_at("RDONLY", at(id, 0, SHM_RDONLY));
    row_load("can be read", readonly + page);
    row_store("cannot be written", readonly);
    row("nor made writable", protect(readonly, page, RW));
    row("attached", attachments(id));
    row("detach", dt(one));
    row("again", dt(one));
    row("detach unaligned", dt(two + 1));
    row("detach what is no segment", dt(map_anon(1)));
    row("munmap of a part", unmap(two + page, page));
    row("is not a detach", attachments(id));
    row("detach the rest", dt(two));
    row("attached", attachments(id));
    IN_CHILD({
        row("a child inherits", attachments(id));
        row_load("and sees it", area + page);
        store(area + page, 43);
    });
    row("its end detaches", attachments(id));
    row_load("what it wrote stays", area + page);
    row("remove", ctl(id, IPC_RMID, 0));
}

static void removing(void)
{
    struct segment segment;
    i64 key = free_key(), id = get(key, page, IPC_CREAT | 0600);
    u8 *where = (u8 *)at(id, 0, 0);
    store(where, 7);
    row("remove while attached", ctl(id, IPC_RMID, 0));
    row("the key is gone", get(key, page, 0));
    row("it can be asked about", ctl(id, IPC_STAT, &segment));
    row("its mode says so", segment.mode == (SHM_DEST | 0600));
    row("its key is private", segment.key);
    u8 *again = (u8 *)row_at("it can be attached still", at(id, 0, 0));
    row_load("with its content", again);
    dt(where);
    row("the last detach", dt(again));
    row("frees it", attachments(id));
}

static void asking(void)
{
    struct segment segment;
    u64 info[14];
    i64 key = free_key(), id = get(key, 3 * page - 5, IPC_CREAT | 0640);
    row("STAT", ctl(id, IPC_STAT, &segment));
    row("key", segment.key == key);
    row("mode is 0640", segment.mode == 0640);
    row("size as asked for", segment.size == 3 * page - 5);
    row("creator", segment.creator == SYS(getpid, 0, 0, 0, 0, 0, 0));
    row("nobody used it", segment.last);
    row("not attached", segment.attached_at);
    row("STAT bad address", ctl(id, IPC_STAT, (void *)8));
    row("unknown command", ctl(id, 99, &segment));
    segment.mode = 0600;
    row("SET", ctl(id, IPC_SET, &segment));
    ctl(id, IPC_STAT, &segment);
    row("mode is 0600", segment.mode == 0600);
    row("LOCK", ctl(id, SHM_LOCK, 0));
    ctl(id, IPC_STAT, &segment);
    row("mode says so", segment.mode == (SHM_LOCKED | 0600));
    row("UNLOCK", ctl(id, SHM_UNLOCK, 0));
    row("IPC_INFO", ctl(0, IPC_INFO, info) >= 0);
    row("SHMMAX", info[0] == 18446744073692774399ul);
    row("SHMMIN", (i64)info[1]);
    row("SHMMNI", (i64)info[2]);
    row("SHM_INFO", ctl(0, SHM_INFO, info) >= 0);
    row("segments", (info[0] & 0xffffffff) >= 1);
    row("past the end", at(id, (u8 *)BEYOND, 0));
    u8 *where = (u8 *)at(id, 0, 0);
    row_store("its last page", where + 3 * page - 1);
    ctl(id, IPC_STAT, &segment);
    row("last used by", segment.last == SYS(getpid, 0, 0, 0, 0, 0, 0));
    row("attached since", segment.attached_at != 0);
    row("a line of /proc/sysvipc/shm", figure("/proc/sysvipc/shm", "       key      shmid perms"));
    i64 before = figure("/proc/meminfo", "Shmem");
    row("Shmem", before > 0);
    ctl(id, IPC_RMID, 0);
    dt(where);
}

static void strangers(void)
{
    struct segment segment;
    i64 key = free_key(), id = get(key, page, IPC_CREAT | 0600);
    IN_CHILD({
        if (SYS(geteuid, 0, 0, 0, 0, 0, 0) != 0) {
            /* Only root can be two users; the answers are those of the kernel all the same. */
            put("a stranger's get: EACCES\na stranger's attach: EACCES\na stranger's STAT: EACCES\n");
            put("a stranger's remove: EPERM\na stranger's SET: EPERM\n");
            quit(0);
        }
        become_nobody();
        row("a stranger's get", get(key, page, 0600));
        row_at("a stranger's attach", at(id, 0, 0));
        row("a stranger's STAT", ctl(id, IPC_STAT, &segment));
        row("a stranger's remove", ctl(id, IPC_RMID, 0));
        row("a stranger's SET", ctl(id, IPC_SET, &segment));
    });
    ctl(id, IPC_RMID, 0);
    id = get(IPC_PRIVATE, page, IPC_CREAT | 0600);
    at(id, 0, 0);
    IN_CHILD({
        i64 own = get(IPC_PRIVATE, page, IPC_CREAT | 0600);
        at(own, 0, 0);
        ctl(own, IPC_RMID, 0);
        row("in the child", attachments(id));
    });
    row("after it", attachments(id));
    ctl(id, IPC_RMID, 0);
}

/* Every number there is, and no more. */
static void too_many(void)
{
    static i64 ids[5000];
    u64 made = 0;
    while (made < 5000 && (ids[made] = get(IPC_PRIVATE, 1, 0600)) >= 0) made++;
    row("one segment too many", made < 5000 ? ids[made] : 0);
    while (made > 0) ctl(ids[--made], IPC_RMID, 0);
    row_at("and again", ids[0] = get(IPC_PRIVATE, 1, 0600));
    ctl(ids[0], IPC_RMID, 0);
}

int main(void)
{
    catch_faults();
    too_many();
    getting();
    attaching();
    removing();
    asking();
    strangers();
    return 0;
}
