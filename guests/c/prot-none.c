/* prot-none: a page without any permission keeps its content, and an access is SIGSEGV with SEGV_ACCERR. */
#include "guest.h"

int main(void)
{
    u8 *at = map_anon(3);
    store(at + page, 8);
    report("mprotect to nothing", SYS(mprotect, at + page, page, PROT_NONE, 0, 0, 0));
    report("the kernel reading it", readable(at + page));
    report("mprotect back", SYS(mprotect, at + page, page, PROT_READ, 0, 0, 0));
    report("its content", load(at + page));
    SYS(mprotect, at + page, page, PROT_NONE, 0, 0, 0);
    report("the page before", load(at));
    report("the page behind", load(at + 2 * page));
    put("reading it\n");
    return load(at + page);
}
