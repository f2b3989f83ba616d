//! Pairs of instructions that are hot in real programs (counted over busybox's sh, awk and sha256sum): the
//! first one's handler goes on to the second's without a jump that the host must predict. Nothing else is
//! different: each half counts, traps and is cut off by the budget by itself.

use super::branch::{BEq, BHi, BNe, Bl, Cbnz32, Cbz32, Cbz64, Ret, Tbnz};
use super::memory::{
    Ld8, Ld8Post, Ld8Reg, Ld32, Ld32Reg, Ld64, Ld64Reg, LdpX, LdpXPost, St32, St64, StpX, StpXPre,
};
use super::plain::{
    AddImm32, AddImm64, AddReg32, AddReg64, Adrp, AndReg32, BicReg32, EorReg32, EorRor32, Extr, LogicShifted,
    Lsr64, MovImm, MovReg32, MovReg64, SubsImm32, SubsImm64, SubsReg32, SubsReg64,
};
use super::step::{Handler, Step, To};
use crate::insn::Insn;

macro_rules! pairs {
    ($($first:ty, $second:ty;)*) => {
        /// The handler of the first of two instructions, if they are a hot pair.
        pub(super) fn handler(first: &Insn, second: &Insn) -> Option<Handler> {
            $(if <$first>::fits(first) && <$second>::fits(second) {
                return Some(<$first>::run::<To<$second>>);
            })*
            None
        }
    };
}

pairs! {
    AddImm32, Ld32<false>;
    AddImm64, AddImm64;
    AddImm64, AddReg32;
    AddImm64, Adrp;
    AddImm64, Extr;
    AddImm64, Ld64<false>;
    AddImm64, Ld8<false>;
    AddImm64, MovReg64;
    AddImm64, Ret;
    AddImm64, St64<false>;
    AddImm64, StpX<true>;
    AddReg32, AddReg32;
    AddReg32, AndReg32;
    AddReg32, BicReg32;
    AddReg32, EorReg32;
    AddReg32, Extr;
    AddReg32, Ld32<false>;
    AddReg32, MovReg32;
    AddReg32, St32<false>;
    Adrp, AddImm64;
    Adrp, Ld64<false>;
    AndReg32, AddReg32;
    AndReg32, EorReg32;
    AndReg32, EorRor32;
    BEq, AddReg64;
    BNe, AddImm64;
    BNe, AddReg32;
    BNe, LdpX<true>;
    BNe, MovReg64;
    BicReg32, EorReg32;
    Cbnz32, AddImm32;
    Cbnz32, AddImm64;
    Cbnz32, Ld8<false>;
    Cbz64, StpXPre<true>;
    EorReg32, EorRor32;
    EorReg32, Ld32Reg<false>;
    EorRor32, AddReg32;
    EorRor32, AndReg32;
    EorRor32, LogicShifted;
    EorRor32, Lsr64;
    Extr, AddReg32;
    Extr, EorRor32;
    Ld32<false>, AddImm32;
    Ld32<false>, AddImm64;
    Ld32<false>, AddReg32;
    Ld32<false>, MovImm;
    Ld32<false>, Tbnz;
    Ld32Reg<false>, AddImm64;
    Ld64<false>, AddImm64;
    Ld64<false>, Bl;
    Ld64<false>, Cbz64;
    Ld64<false>, Ld64<false>;
    Ld64<false>, LdpXPost<true>;
    Ld64<false>, St64<false>;
    Ld64<false>, StpX<true>;
    Ld64<false>, SubsReg64;
    Ld64Reg<false>, Extr;
    Ld8<false>, Cbnz32;
    Ld8<false>, Cbz32;
    Ld8<false>, St64<false>;
    Ld8<false>, SubsReg32;
    Ld8Post<false>, Cbnz32;
    Ld8Reg<false>, Ld8Reg<false>;
    Ld8Reg<false>, SubsReg32;
    LdpX<true>, AddImm64;
    LdpX<true>, Ld64<false>;
    LdpX<true>, LdpX<true>;
    LdpX<true>, MovReg64;
    LdpXPost<true>, Ret;
    LogicShifted, Extr;
    LogicShifted, Ld32<false>;
    Lsr64, AddReg32;
    MovImm, BNe;
    MovImm, Bl;
    MovImm, St64<false>;
    MovReg32, AddReg32;
    MovReg32, MovReg32;
    MovReg32, SubsImm64;
    MovReg64, Bl;
    MovReg64, Ld8<false>;
    MovReg64, LdpX<true>;
    MovReg64, MovImm;
    MovReg64, MovReg64;
    MovReg64, StpX<true>;
    St32<false>, SubsImm32;
    St64<false>, Ld64<false>;
    St64<false>, MovImm;
    StpX<true>, Adrp;
    StpX<true>, MovReg64;
    StpX<true>, St64<false>;
    StpX<true>, StpX<true>;
    StpXPre<true>, AddImm64;
    StpXPre<true>, MovReg64;
    SubsImm32, BEq;
    SubsImm32, BHi;
    SubsImm32, BNe;
    SubsImm64, BNe;
    SubsReg32, BEq;
    SubsReg32, BNe;
    SubsReg64, MovImm;
}
