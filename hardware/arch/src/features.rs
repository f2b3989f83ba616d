//! [`Features`]: which optional parts of the architecture a processor has. Its identification registers say so, and the
//! kernel tells programs by `AT_HWCAP`. Floating point and Advanced SIMD are always there.

/// One optional part (Arm ARM A2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Feature {
    /// FEAT_AES: AESE, AESD, AESMC, AESIMC.
    Aes,
    /// FEAT_PMULL: PMULL of doublewords.
    Pmull,
    /// FEAT_SHA1.
    Sha1,
    /// FEAT_SHA256.
    Sha256,
    /// FEAT_CRC32.
    Crc32,
    /// FEAT_LSE: atomic memory operations, CAS, SWP.
    Lse,
    /// FEAT_RDM: SQRDMLAH, SQRDMLSH.
    Rdm,
    /// FEAT_FP16: arithmetic on half precision, scalar and vector.
    Fp16,
    /// FEAT_DotProd: SDOT, UDOT.
    DotProd,
    /// FEAT_DPB: DC CVAP.
    Dpb,
    /// FEAT_LRCPC: LDAPR.
    Lrcpc,
    /// FEAT_LRCPC2: LDAPUR, STLUR.
    Lrcpc2,
    /// The identification registers can be read at EL0, as the kernel's emulation allows.
    Identification,
}

/// A set of [`Feature`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features(u32);

impl Features {
    /// Armv8.0-A without options.
    pub const NONE: Self = Self(0);
    /// Everything that the decoder knows.
    pub const ALL: Self = Self((2 << Feature::Identification as u32) - 1);
    /// What a processor has if nobody says otherwise: a Neoverse N1's, of Armv8.2-A.
    pub const USUAL: Self = Self(Self::ALL.0 & !(1 << Feature::Lrcpc2 as u32));

    /// The set with one more.
    #[must_use]
    pub const fn with(self, feature: Feature) -> Self {
        Self(self.0 | 1 << feature as u32)
    }

    /// Whether it is in the set.
    pub const fn has(self, feature: Feature) -> bool {
        self.0 >> feature as u32 & 1 != 0
    }
}
