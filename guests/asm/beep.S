// beep: rings the terminal's bell once, then spins for ever. The smallest process whose map can be looked at:
// one page of text, one of data, some zero-filled memory and a stack.

        .text
        .globl  _start
_start: adrp    x19, bell               // x19 = the data segment
        add     x19, x19, :lo12:bell
        adrp    x20, counter            // x20 = the far end of .bss
        add     x20, x20, :lo12:counter
        str     x19, [sp, #-16]!        // one word on the stack, as any program would keep
        mov     x0, #1                  // write(1, &bell, 1)
        mov     x1, x19
        mov     x2, #1
        mov     x8, #64
        svc     #0
1:      add     x21, x21, #1            // count the turns for ever: the page with the counter is dirty
        str     x21, [x20]
        b       1b

        .data
bell:   .word   7                       // BEL

        .bss
buffer: .skip   65536                   // never touched: zero-fill pages that stay absent
        .balign 8
counter: .skip  8
