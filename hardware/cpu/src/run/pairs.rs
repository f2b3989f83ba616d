//! Pairs of instructions that are hot in real programs (counted over busybox's sh, awk and sha256sum): the
//! first one's handler goes on to the second's without a jump that the host must predict. Nothing else is
//! different: each half counts, traps and is cut off by the budget by itself.

use super::branch::{
    BCond, BEq, BHi, BHs, BLo, BLs, BNe, Bl, Br, Cbnz32, Cbnz64, Cbz32, Cbz64, Ret, Tbnz, Tbz,
};
use super::memory::{
    IntReg, Ld8, Ld8Post, Ld8Reg, Ld32, Ld32Reg, Ld64, Ld64Reg, LdVec64, LdpX, LdpXPost, St32, St64, StpX,
    StpXPre,
};
use super::plain::{
    AddExtended, AddImm32, AddImm64, AddReg32, AddReg64, Adr, Adrp, AndImm, AndReg32, AndsImm64, BicReg32,
    CcmpImm, EorReg32, EorRor32, Extr, LogicShifted, Lsr64, MovImm, MovReg32, MovReg64, Movk, Mrs, OrrImm32,
    SubReg64, SubsImm32, SubsImm64, SubsReg32, SubsReg64, Ubfm,
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
    AddExtended, Br;
    AddImm32, AndImm;
    AddImm32, Ld32<false>;
    AddImm32, Ld64<false>;
    AddImm32, St32<false>;
    AddImm32, SubsImm32;
    AddImm64, AddImm64;
    AddImm64, AddReg32;
    AddImm64, Adrp;
    AddImm64, AndImm;
    AddImm64, Bl;
    AddImm64, Br;
    AddImm64, Cbz32;
    AddImm64, Extr;
    AddImm64, IntReg<false>;
    AddImm64, Ld64<false>;
    AddImm64, Ld8<false>;
    AddImm64, MovReg64;
    AddImm64, Ret;
    AddImm64, St64<false>;
    AddImm64, StpX<true>;
    AddImm64, SubsImm32;
    AddImm64, SubsImm64;
    AddReg32, AddReg32;
    AddReg32, AndReg32;
    AddReg32, BicReg32;
    AddReg32, EorReg32;
    AddReg32, Extr;
    AddReg32, Ld32<false>;
    AddReg32, MovReg32;
    AddReg32, St32<false>;
    AddReg64, Ld8Post<false>;
    AddReg64, SubsImm64;
    Adr, AddExtended;
    Adrp, AddImm64;
    Adrp, Ld64<false>;
    Adrp, StpX<true>;
    AndImm, AddImm32;
    AndImm, St32<false>;
    AndImm, SubReg64;
    AndImm, SubsImm32;
    AndImm, SubsImm64;
    AndImm, Tbnz;
    AndReg32, AddReg32;
    AndReg32, EorReg32;
    AndReg32, EorRor32;
    AndReg32, OrrImm32;
    AndReg32, SubsImm32;
    AndsImm64, BNe;
    BCond, LdpX<true>;
    BEq, AddReg64;
    BEq, Bl;
    BEq, SubsImm32;
    BHi, Adrp;
    BHi, Ld64<false>;
    BHs, MovImm;
    BLo, AddReg64;
    BLs, Ld64<false>;
    BNe, AddImm64;
    BNe, AddReg32;
    BNe, Ld64<false>;
    BNe, LdpX<true>;
    BNe, MovReg64;
    BNe, SubsImm64;
    BicReg32, EorReg32;
    Cbnz32, AddImm32;
    Cbnz32, AddImm64;
    Cbnz32, Ld64<false>;
    Cbnz32, Ld8<false>;
    Cbnz32, MovImm;
    Cbnz32, Tbz;
    Cbnz64, Adrp;
    Cbz32, AddImm64;
    Cbz32, Ld64<false>;
    Cbz32, Ld8Reg<false>;
    Cbz32, Tbnz;
    Cbz64, AddImm64;
    Cbz64, Adrp;
    Cbz64, StpXPre<true>;
    CcmpImm, BEq;
    EorReg32, EorRor32;
    EorReg32, Ld32Reg<false>;
    EorRor32, AddReg32;
    EorRor32, AndReg32;
    EorRor32, LogicShifted;
    EorRor32, Lsr64;
    Extr, AddReg32;
    Extr, EorRor32;
    IntReg<false>, Adr;
    IntReg<false>, Cbnz32;
    Ld32<false>, AddImm32;
    Ld32<false>, AddImm64;
    Ld32<false>, AddReg32;
    Ld32<false>, AndReg32;
    Ld32<false>, MovImm;
    Ld32<false>, Tbnz;
    Ld32Reg<false>, AddImm64;
    Ld64<false>, AddImm64;
    Ld64<false>, Adrp;
    Ld64<false>, Bl;
    Ld64<false>, Cbz64;
    Ld64<false>, Ld32<false>;
    Ld64<false>, Ld64<false>;
    Ld64<false>, Ld8<false>;
    Ld64<false>, LdVec64<false>;
    Ld64<false>, LdpXPost<true>;
    Ld64<false>, Lsr64;
    Ld64<false>, MovImm;
    Ld64<false>, MovReg64;
    Ld64<false>, St64<false>;
    Ld64<false>, StpX<true>;
    Ld64<false>, SubReg64;
    Ld64<false>, SubsReg64;
    Ld64Reg<false>, Extr;
    Ld8<false>, Cbnz32;
    Ld8<false>, Cbz32;
    Ld8<false>, MovImm;
    Ld8<false>, St64<false>;
    Ld8<false>, SubsReg32;
    Ld8Post<false>, Cbnz32;
    Ld8Post<false>, IntReg<false>;
    Ld8Reg<false>, Cbnz32;
    Ld8Reg<false>, Ld8Reg<false>;
    Ld8Reg<false>, SubsReg32;
    LdpX<true>, AddImm64;
    LdpX<true>, Ld64<false>;
    LdpX<true>, LdpX<true>;
    LdpX<true>, LdpXPost<true>;
    LdpX<true>, MovReg64;
    LdpXPost<true>, Ret;
    LogicShifted, Extr;
    LogicShifted, Ld32<false>;
    Lsr64, AddReg32;
    MovImm, BEq;
    MovImm, BNe;
    MovImm, Bl;
    MovImm, Ld32<false>;
    MovImm, Ld64<false>;
    MovImm, Ld8Reg<false>;
    MovImm, MovImm;
    MovImm, Movk;
    MovImm, St64<false>;
    MovImm, StpX<true>;
    MovReg32, AddImm64;
    MovReg32, AddReg32;
    MovReg32, MovReg32;
    MovReg32, MovReg64;
    MovReg32, SubsImm64;
    MovReg64, AddImm64;
    MovReg64, Adrp;
    MovReg64, Bl;
    MovReg64, Ld32<false>;
    MovReg64, Ld64<false>;
    MovReg64, Ld8<false>;
    MovReg64, LdpX<true>;
    MovReg64, LdpXPost<true>;
    MovReg64, MovImm;
    MovReg64, MovReg64;
    MovReg64, St64<false>;
    MovReg64, StpX<true>;
    Mrs, AddImm64;
    OrrImm32, St32<false>;
    St32<false>, AndImm;
    St32<false>, LdpXPost<true>;
    St32<false>, SubsImm32;
    St64<false>, AddImm64;
    St64<false>, Adrp;
    St64<false>, AndReg32;
    St64<false>, Bl;
    St64<false>, Cbnz32;
    St64<false>, Ld64<false>;
    St64<false>, MovImm;
    St64<false>, MovReg64;
    St64<false>, St32<false>;
    St64<false>, St64<false>;
    StpX<true>, AddImm64;
    StpX<true>, Adrp;
    StpX<true>, Ld64<false>;
    StpX<true>, MovReg32;
    StpX<true>, MovReg64;
    StpX<true>, Mrs;
    StpX<true>, St64<false>;
    StpX<true>, StpX<true>;
    StpXPre<true>, AddImm64;
    StpXPre<true>, MovReg32;
    StpXPre<true>, MovReg64;
    SubReg64, Ld64<false>;
    SubsImm32, BCond;
    SubsImm32, BEq;
    SubsImm32, BHi;
    SubsImm32, BLs;
    SubsImm32, BNe;
    SubsImm64, BHi;
    SubsImm64, BHs;
    SubsImm64, BLo;
    SubsImm64, BNe;
    SubsReg32, BEq;
    SubsReg32, BNe;
    SubsReg64, BEq;
    SubsReg64, BHs;
    SubsReg64, BLo;
    SubsReg64, BLs;
    SubsReg64, BNe;
    SubsReg64, MovImm;
    Tbnz, AddImm64;
    Tbnz, Cbnz32;
    Tbnz, Ld64<false>;
    Tbnz, MovReg64;
    Tbz, Adrp;
    Ubfm, AndImm;
}
