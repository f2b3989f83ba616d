/* read-null: a read of address 0 is SIGSEGV with SEGV_MAPERR. */
#include "guest.h"

int main(void)
{
    u8 *nothing = 0;
    __asm__("" : "+r"(nothing));
    put("reading address 0\n");
    report("that should have ended the program", load(nothing));
    return 1;
}
