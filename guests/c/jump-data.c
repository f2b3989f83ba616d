/* jump-data: a jump into data, which may not be executed, is SIGSEGV with SEGV_ACCERR. */
#include "guest.h"

static u32 code[16] = {0xd65f03c0}; /* ret */

int main(void)
{
    void (*target)(void) = (void (*)(void))(u64)code;
    __asm__("" : "+r"(target));
    put("jumping into data\n");
    target();
    put("that should have ended the program\n");
    return 1;
}
