// The vDSO: a one-page shared object that the kernel half maps into every process. Its time functions only make
// the real system call (a guest's clock is the machine's, and a call here is cheap); its signal trampoline is where
// a handler without SA_RESTORER returns to. Names and version are Linux's: arch/arm64/kernel/vdso, vdso(7).

        .macro  syscall_function name, number
        .globl  \name
        .type   \name, %function
        .balign 16
\name:  .cfi_startproc
        mov     x8, #\number
        svc     #0
        ret
        .cfi_endproc
        .size   \name, . - \name
        .endm

        .text
        syscall_function __kernel_clock_gettime, 113
        syscall_function __kernel_clock_getres, 114
        syscall_function __kernel_gettimeofday, 169

// Unwinders recognise a signal frame by the "S" augmentation and find the interrupted registers through x29, which
// the kernel points at the frame record that it puts above the sigcontext. The nop before the symbol is needed
// because an unwinder looks up "return address - 1".
        .balign 16
        .cfi_startproc
        .cfi_signal_frame
        .cfi_def_cfa    x29, 0
        .cfi_offset     x29, 0
        .cfi_offset     x30, 8
        nop
        .globl  __kernel_rt_sigreturn
        .type   __kernel_rt_sigreturn, %function
__kernel_rt_sigreturn:
        mov     x8, #139
        svc     #0
        .cfi_endproc
        .size   __kernel_rt_sigreturn, . - __kernel_rt_sigreturn
