//! Guest instructions per second of the interpreter, on small loops: `cargo run --release -p cpu --example mips`.
//!
//! The words were assembled with aarch64-linux-gnu-as; the source of each is in its comment. X0 counts down,
//! X1 points to data. Each loop runs three times; the best is printed.

use std::time::Instant;

use arch::{Granule, Trap};

#[path = "../tests/common/mod.rs"]
mod common;
use common::{DATA, Machine};

struct Loop {
    name: &'static str,
    words: &'static [u32],
}

const LOOPS: &[Loop] = &[
    // 1: add x2, x2, x0; eor x3, x3, x2; subs x0, x0, #1; b.ne 1b
    Loop {
        name: "sum",
        words: &[0x8b000042, 0xca020063, 0xf1000400, 0x54ffffa1, 0xd4000001],
    },
    // 1: and x3, x0, #0xff8; str x2, [x1, x3]; add x2, x2, #3; subs x0, x0, #1; b.ne 1b
    Loop {
        name: "store",
        words: &[
            0x927d2003, 0xf8236822, 0x91000c42, 0xf1000400, 0x54ffff81, 0xd4000001,
        ],
    },
    // 1: and x3, x0, #0xff8; ldr x4, [x1, x3]; ldr w5, [x1, #16]; add x2, x2, x4; sub x0, x0, #1; cbnz x0, 1b
    Loop {
        name: "load",
        words: &[
            0x927d2003, 0xf8636824, 0xb9401025, 0x8b040042, 0xd1000400, 0xb5ffff60, 0xd4000001,
        ],
    },
    // 1: ror w5, w2, #6; eor w5, w5, w2, ror #11; eor w5, w5, w2, ror #25; and w6, w2, w3; bic w7, w4, w2;
    // eor w6, w6, w7; add w5, w5, w6; add w5, w5, w0; mov w4, w3; mov w3, w2; add w2, w5, w4; lsl w8, w5, #3;
    // subs w0, w0, #1; b.ne 1b
    Loop {
        name: "alu",
        words: &[
            0x13821845, 0x4ac22ca5, 0x4ac264a5, 0x0a030046, 0x0a220087, 0x4a0700c6, 0x0b0600a5, 0x0b0000a5,
            0x2a0303e4, 0x2a0203e3, 0x0b0400a2, 0x531d70a8, 0x71000400, 0x54fffe61, 0xd4000001,
        ],
    },
    // 1: bl 2f; subs x0, x0, #1; b.ne 1b; svc #0
    // 2: stp x29, x30, [sp, #-16]!; mov x29, sp; add x2, x2, #1; ldp x29, x30, [sp], #16; ret
    Loop {
        name: "call",
        words: &[
            0x94000004, 0xf1000400, 0x54ffffc1, 0xd4000001, 0xa9bf7bfd, 0x910003fd, 0x91000442, 0xa8c17bfd,
            0xd65f03c0,
        ],
    },
    // 1: mov x3, #0
    // 2: ldr w4, [x1, x3, lsl #2]; add x5, x1, x3, lsl #2; ldr w6, [x5, #4]; cmp w4, w6; b.le 3f;
    //    str w6, [x1, x3, lsl #2]; str w4, [x5, #4]
    // 3: add x3, x3, #1; cmp x3, #255; b.lt 2b; subs x0, x0, #1; b.ne 1b
    Loop {
        name: "sort",
        words: &[
            0xd2800003, 0xb8637824, 0x8b030825, 0xb94004a6, 0x6b06009f, 0x5400006d, 0xb8237826, 0xb90004a4,
            0x91000463, 0xf103fc7f, 0x54fffeeb, 0xf1000400, 0x54fffe81, 0xd4000001,
        ],
    },
    // 1: ldrb w3, [x1], #1; strb w3, [x1, #256]; and x1, x1, #~0x400; subs x0, x0, #1; b.ne 1b
    Loop {
        name: "bytes",
        words: &[
            0x38401423, 0x39040023, 0x9275f821, 0xf1000400, 0x54ffff81, 0xd4000001,
        ],
    },
];

fn main() {
    let only = std::env::args().nth(1);
    for case in LOOPS
        .iter()
        .filter(|case| only.as_deref().is_none_or(|name| name == case.name))
    {
        let best = (0..3).map(|_| measure(case)).fold(0.0, f64::max);
        println!(
            "{:6} {best:7.1} MIPS  {:5.2} ns an instruction",
            case.name,
            1e3 / best
        );
    }
}

/// Millions of instructions per second.
fn measure(case: &Loop) -> f64 {
    const BUDGET: u64 = 100_000_000;
    let mut machine = Machine::with_code(Granule::K16, case.words);
    machine.regs.set_x(0, u64::MAX >> 1);
    machine.regs.set_x(1, DATA);
    let start = Instant::now();
    let trap = machine.run(BUDGET);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((trap, machine.cpu.retired()), (Trap::Budget, BUDGET));
    BUDGET as f64 / seconds / 1e6
}
