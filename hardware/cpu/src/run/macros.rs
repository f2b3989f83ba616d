//! The macros that make a handler of each arm `Instruction { fields } => body`, and the function `handler`
//! that picks one. The names in the parentheses at the head are those that bodies use.

/// Bodies that cannot fault; the block goes on.
macro_rules! handlers {
    (($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        /// The handler of an instruction of this table.
        pub(super) fn handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(Insn::$insn { .. } => {
                    #[expect(non_snake_case, reason = "named after its instruction, for profiles")]
                    fn $insn(
                        $op: &Op,
                        $rest: &[Op],
                        $regs: &mut Regs,
                        $mmu: &mut Mmu,
                        $local: &mut Local,
                    ) -> Exit {
                        let Insn::$insn { $($fields)* } = $op.insn else { wrong($op) };
                        $body;
                        next($rest, $regs, $mmu, $local)
                    }
                    $insn
                })*
                _ => return None,
            })
        }
    };
}

/// Bodies over `P`, the [`Path`](super::step::Path) to memory; the block goes on.
macro_rules! accesses {
    (($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident, $rn:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        /// The handler of an instruction of this table.
        pub(super) fn handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(Insn::$insn { $rn, .. } => {
                    #[inline(always)]
                    fn body<P: Path>(
                        $op: &Op,
                        $regs: &mut Regs,
                        $mmu: &mut Mmu,
                        $local: &mut Local,
                    ) -> Option<()> {
                        let Insn::$insn { $($fields)* } = $op.insn else { wrong($op) };
                        $body;
                        Some(())
                    }
                    #[expect(non_snake_case, reason = "named after its instruction, for profiles")]
                    fn $insn<const SP: bool>(
                        $op: &Op,
                        $rest: &[Op],
                        $regs: &mut Regs,
                        $mmu: &mut Mmu,
                        $local: &mut Local,
                    ) -> Exit {
                        match body::<Fast<SP>>($op, $regs, $mmu, $local) {
                            Some(()) => next($rest, $regs, $mmu, $local),
                            None => slow($op, $rest, $regs, $mmu, $local),
                        }
                    }
                    #[cold]
                    #[inline(never)]
                    fn slow(
                        $op: &Op,
                        $rest: &[Op],
                        $regs: &mut Regs,
                        $mmu: &mut Mmu,
                        $local: &mut Local,
                    ) -> Exit {
                        match body::<Slow>($op, $regs, $mmu, $local) {
                            Some(()) => next($rest, $regs, $mmu, $local),
                            None => stopped($rest, $local),
                        }
                    }
                    if *$rn == Reg::Sp { $insn::<true> } else { $insn::<false> }
                })*
                _ => return None,
            })
        }
    };
}

/// Bodies that say where to go on: they end the block.
macro_rules! branches {
    ($handler:ident ($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        /// The handler of an instruction of this table.
        fn $handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(Insn::$insn { .. } => {
                    #[expect(non_snake_case, reason = "named after its instruction, for profiles")]
                    fn $insn(
                        $op: &Op,
                        _: &[Op],
                        $regs: &mut Regs,
                        _: &mut Mmu,
                        $local: &mut Local,
                    ) -> Exit {
                        let Insn::$insn { $($fields)* } = $op.insn else { wrong($op) };
                        // Not every branch reads both.
                        let _ = (&$regs, &$local);
                        Exit { pc: $body, stopped: false }
                    }
                    $insn
                })*
                _ => return None,
            })
        }
    };
}

/// Bodies that say whether to branch, and by how much; if not, the block goes on.
macro_rules! conditional_branches {
    ($handler:ident ($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        /// The handler of an instruction of this table.
        fn $handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(Insn::$insn { .. } => {
                    #[expect(non_snake_case, reason = "named after its instruction, for profiles")]
                    fn $insn(
                        $op: &Op,
                        $rest: &[Op],
                        $regs: &mut Regs,
                        $mmu: &mut Mmu,
                        $local: &mut Local,
                    ) -> Exit {
                        let Insn::$insn { $($fields)* } = $op.insn else { wrong($op) };
                        let (holds, offset) = $body;
                        if holds {
                            taken(offset, $rest, $local)
                        } else {
                            next($rest, $regs, $mmu, $local)
                        }
                    }
                    $insn
                })*
                _ => return None,
            })
        }
    };
}
