/* write-text: a write to the program's own code is SIGSEGV with SEGV_ACCERR. */
#include "guest.h"

int main(void)
{
    u8 *code = (u8 *)(u64)main;
    check("its own code can be read", (load(code) | load(code + 1) | load(code + 2) | load(code + 3)) != 0);
    put("writing to it\n");
    store(code, 0);
    put("that should have ended the program\n");
    return 1;
}
