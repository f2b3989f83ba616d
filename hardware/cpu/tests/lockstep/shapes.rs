//! The classes of words under test: fixed bits of the manual's encoding tables (C4.1.96), the others at random.

use super::random::Random;

/// Words with the bits of `mask` as in `value`.
pub(crate) struct Class {
    pub(crate) name: &'static str,
    mask: u32,
    value: u32,
    /// Whether fields may name a general register: X29 and X30 belong to the guest program.
    general: bool,
}

impl Class {
    /// A word of the class.
    pub(crate) fn word(&self, random: &mut Random) -> u32 {
        let mut word = random.bits() as u32 & !self.mask | self.value;
        if self.general {
            for at in [0, 5, 16] {
                let field = word >> at & 31;
                if (field == 29 || field == 30) && self.mask >> at & 31 == 0 {
                    word ^= 16 << at;
                }
            }
        }
        word
    }
}

const fn vector(name: &'static str, mask: u32, value: u32) -> Class {
    Class {
        name,
        mask,
        value,
        general: false,
    }
}

const fn general(name: &'static str, mask: u32, value: u32) -> Class {
    Class {
        name,
        mask,
        value,
        general: true,
    }
}

/// Every class; a few that hold much floating point are there twice.
pub(crate) const CLASSES: &[Class] = &[
    vector("float 1 source", 0xff20_7c00, 0x1e20_4000),
    vector("float 1 source, allocated", 0xffa1_fc00, 0x1e20_4000),
    vector("float round, allocated", 0xffa4_7c00, 0x1e24_4000),
    vector("float precision", 0xff3e_7c00, 0x1e22_4000),
    vector("float 2 source", 0xffa0_0c00, 0x1e20_0800),
    vector("float 2 source, arithmetic", 0xffa0_cc00, 0x1e20_0800),
    vector("float 3 source", 0xff80_0000, 0x1f00_0000),
    vector("float 3 source, any type", 0xff00_0000, 0x1f00_0000),
    vector("float compare", 0xffa0_fc07, 0x1e20_2000),
    vector("float compare, any type", 0xff20_3c00, 0x1e20_2000),
    vector("float conditional compare", 0xffa0_0c00, 0x1e20_0400),
    vector("float select", 0xffa0_0c00, 0x1e20_0c00),
    vector("float immediate", 0xffa0_1fe0, 0x1e20_1000),
    general("float integer", 0x7f20_fc00, 0x1e20_0000),
    general("float integer, allocated", 0x7fa4_fc00, 0x1e20_0000),
    general("float integer, from", 0x7fbe_fc00, 0x1e22_0000),
    general("float fixed, to", 0x7fbe_0000, 0x1e18_0000),
    general("float fixed, from", 0x7fbe_0000, 0x1e02_0000),
    general("float fixed", 0x7f20_0000, 0x1e00_0000),
    general("copy", 0x9fe0_8400, 0x0e00_0400),
    general("copy, double", 0xdfe0_8400, 0x4e00_0400),
    general("scalar copy", 0xdfe0_8400, 0x5e00_0400),
    vector("table", 0xbfe0_8c00, 0x0e00_0000),
    vector("interleave", 0xbf20_8c00, 0x0e00_0800),
    vector("extract", 0xbfe0_8400, 0x2e00_0000),
    vector("immediate", 0x9ff8_0c00, 0x0f00_0400),
    vector("three same", 0x9f20_0400, 0x0e20_0400),
    vector("three same, quad", 0xdf20_0400, 0x4e20_0400),
    vector("three same, float", 0x9f20_c400, 0x0e20_c400),
    vector("three same, float quad", 0xdf20_c400, 0x4e20_c400),
    vector("scalar three same", 0xdf20_0400, 0x5e20_0400),
    vector("scalar three same, double", 0xdfe0_0400, 0x5ee0_0400),
    vector("scalar three same, float", 0xdf20_c400, 0x5e20_c400),
    vector("three different", 0x9f20_0c00, 0x0e20_0000),
    vector("scalar three different", 0xff20_0c00, 0x5e20_0000),
    vector("two register", 0x9f3e_0c00, 0x0e20_0800),
    vector("two register, quad", 0xdf3e_0c00, 0x4e20_0800),
    vector("two register, float", 0xdf3f_0c00, 0x4e21_0800),
    vector("scalar two register", 0xdf3e_0c00, 0x5e20_0800),
    vector("scalar two register, float", 0xdf3f_0c00, 0x5e21_0800),
    vector("across", 0x9f3e_0c00, 0x0e30_0800),
    vector("scalar pairwise", 0xdf3e_0c00, 0x5e30_0800),
    vector("aes", 0xffff_cc00, 0x4e28_4800),
    vector("sha, three registers", 0xffe0_8c00, 0x5e00_0000),
    vector("sha, two registers", 0xffff_cc00, 0x5e28_0800),
    vector("polynomial", 0xbf20_fc00, 0x0e20_e000),
    vector("by element", 0x9f00_0400, 0x0f00_0000),
    vector("by element, quad", 0xdf00_0400, 0x4f00_0000),
    vector("scalar by element", 0xdf00_0400, 0x5f00_0000),
    vector("shift", 0x9f80_0400, 0x0f00_0400),
    vector("shift, quad", 0xdf80_0400, 0x4f00_0400),
    vector("scalar shift", 0xdf80_0400, 0x5f00_0400),
    vector("shift, fixed point", 0x9f80_e400, 0x0f00_e400),
    vector("scalar shift, fixed point", 0xdf80_e400, 0x5f00_e400),
    general("anything vector", 0x9e00_0000, 0x0e00_0000),
    general("anything float", 0x7e00_0000, 0x1e00_0000),
    general("anything", 0x0e00_0000, 0x0e00_0000),
];
