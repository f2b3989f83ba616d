//! The macros that make a [`Step`](super::step::Step) of each arm `Instruction { fields } => body`, and the
//! function `handler` that picks one. The names in the parentheses at the head are those that bodies use.

/// Bodies that cannot fault; the block goes on.
macro_rules! handlers {
    (($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        $(
            pub(super) struct $insn;

            impl Step for $insn {
                fn fits(insn: &Insn) -> bool {
                    matches!(insn, Insn::$insn { .. })
                }

                fn run<T: Then>(
                    $op: &Op,
                    $rest: &[Op],
                    $regs: &mut Regs,
                    $mmu: &mut Mmu,
                    $local: &mut Local,
                ) -> Exit {
                    let Insn::$insn { $($fields)* } = $op.insn else {
                        return wrong($op, $rest, $regs, $mmu, $local);
                    };
                    $body;
                    T::go($rest, $regs, $mmu, $local)
                }
            }
        )*

        /// The handler of an instruction of this table.
        pub(super) fn handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(Insn::$insn { .. } => $insn::run::<Any>,)*
                _ => return None,
            })
        }
    };
}

/// Bodies over `P`, the [`Path`](super::step::Path) to memory; the block goes on. `$rn` is the field that names
/// the base register.
macro_rules! accesses {
    (($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident, $rn:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        access_forms! { ($op, $rest, $regs, $mmu, $local, $rn)
            $($insn = $insn [] { $($fields)* } => $body)*
        }
    };
}

/// The same of forms of instructions that share a variant: `Form = Variant [fields that it has] { other fields } => body`.
macro_rules! access_forms {
    (($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident, $rn:ident)
     $($form:ident = $insn:ident [$($fixed:tt)*] { $($fields:tt)* } => $body:block)*) => {
        $(
            /// `SP`: with the stack pointer as its base.
            pub(super) struct $form<const SP: bool>;

            impl<const SP: bool> $form<SP> {
                #[inline(always)]
                fn body<P: Path>(
                    $op: &Op,
                    $regs: &mut Regs,
                    $mmu: &mut Mmu,
                    $local: &mut Local,
                ) -> Option<()> {
                    let Insn::$insn { $($fixed)* $($fields)* } = $op.insn else { return None };
                    $body;
                    Some(())
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
                    if !Self::fits(&$op.insn) {
                        return wrong($op, $rest, $regs, $mmu, $local);
                    }
                    match Self::body::<Slow>($op, $regs, $mmu, $local) {
                        Some(()) => Any::go($rest, $regs, $mmu, $local),
                        None => stopped($rest, $local),
                    }
                }
            }

            impl<const SP: bool> Step for $form<SP> {
                fn fits(insn: &Insn) -> bool {
                    matches!(insn, Insn::$insn { $($fixed)* $rn, .. } if (*$rn == Reg::Sp) == SP)
                }

                fn run<T: Then>(
                    $op: &Op,
                    $rest: &[Op],
                    $regs: &mut Regs,
                    $mmu: &mut Mmu,
                    $local: &mut Local,
                ) -> Exit {
                    match Self::body::<Fast<SP>>($op, $regs, $mmu, $local) {
                        Some(()) => T::go($rest, $regs, $mmu, $local),
                        None => Self::slow($op, $rest, $regs, $mmu, $local),
                    }
                }
            }
        )*

        /// The handler of an instruction of this table.
        pub(super) fn handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(
                    Insn::$insn { $($fixed)* $rn: Reg::Sp, .. } => $form::<true>::run::<Any>,
                    Insn::$insn { $($fixed)* .. } => $form::<false>::run::<Any>,
                )*
                _ => return None,
            })
        }
    };
}

/// Bodies that say where to go on: they end the block.
macro_rules! branches {
    ($handler:ident ($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        $(
            pub(super) struct $insn;

            impl Step for $insn {
                fn fits(insn: &Insn) -> bool {
                    matches!(insn, Insn::$insn { .. })
                }

                fn run<T: Then>(
                    $op: &Op,
                    $rest: &[Op],
                    $regs: &mut Regs,
                    $mmu: &mut Mmu,
                    $local: &mut Local,
                ) -> Exit {
                    let Insn::$insn { $($fields)* } = $op.insn else {
                        return wrong($op, $rest, $regs, $mmu, $local);
                    };
                    // Not every branch reads both.
                    let _ = (&$regs, &$local);
                    Exit { pc: $body, stopped: false }
                }
            }
        )*

        /// The handler of an instruction of this table.
        fn $handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(Insn::$insn { .. } => $insn::run::<Any>,)*
                _ => return None,
            })
        }
    };
}

/// Bodies that say whether to branch, and by how much; if not, the block goes on.
macro_rules! conditional_branches {
    ($handler:ident ($op:ident, $rest:ident, $regs:ident, $mmu:ident, $local:ident)
     $($insn:ident { $($fields:tt)* } => $body:block)*) => {
        $(
            pub(super) struct $insn;

            impl Step for $insn {
                fn fits(insn: &Insn) -> bool {
                    matches!(insn, Insn::$insn { .. })
                }

                fn run<T: Then>(
                    $op: &Op,
                    $rest: &[Op],
                    $regs: &mut Regs,
                    $mmu: &mut Mmu,
                    $local: &mut Local,
                ) -> Exit {
                    let Insn::$insn { $($fields)* } = $op.insn else {
                        return wrong($op, $rest, $regs, $mmu, $local);
                    };
                    let (holds, offset) = $body;
                    if holds {
                        taken(offset, $rest, $local)
                    } else {
                        T::go($rest, $regs, $mmu, $local)
                    }
                }
            }
        )*

        /// The handler of an instruction of this table.
        fn $handler(insn: &Insn) -> Option<Handler> {
            Some(match insn {
                $(Insn::$insn { .. } => $insn::run::<Any>,)*
                _ => return None,
            })
        }
    };
}
