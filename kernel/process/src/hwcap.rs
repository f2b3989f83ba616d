//! `AT_HWCAP`: what the kernel tells programs of the processor's optional parts, by bits and by the names of
//! `/proc/cpuinfo`'s line "Features" (Linux `arch/arm64/include/uapi/asm/hwcap.h`, `arch/arm64/kernel/cpuinfo.c`).

use arch::{Feature, Features};

/// FP and ASIMD: every processor has them.
const ALWAYS: u64 = 0x3;

/// A bit of `AT_HWCAP`, its name, and the feature that it tells.
struct Capability {
    bit: u32,
    name: &'static str,
    feature: Feature,
}

const fn capability(bit: u32, name: &'static str, feature: Feature) -> Capability {
    Capability { bit, name, feature }
}

/// In the order of the bits.
const CAPABILITIES: &[Capability] = &[
    capability(3, "aes", Feature::Aes),
    capability(4, "pmull", Feature::Pmull),
    capability(5, "sha1", Feature::Sha1),
    capability(6, "sha2", Feature::Sha256),
    capability(7, "crc32", Feature::Crc32),
    capability(8, "atomics", Feature::Lse),
    capability(9, "fphp", Feature::Fp16),
    capability(10, "asimdhp", Feature::Fp16),
    capability(11, "cpuid", Feature::Identification),
    capability(12, "asimdrdm", Feature::Rdm),
    capability(15, "lrcpc", Feature::Lrcpc),
    capability(16, "dcpop", Feature::Dpb),
    capability(20, "asimddp", Feature::DotProd),
    capability(26, "ilrcpc", Feature::Lrcpc2),
];

/// `AT_HWCAP` of a processor.
pub fn bits(features: Features) -> u64 {
    let present = CAPABILITIES.iter().filter(|one| features.has(one.feature));
    present.fold(ALWAYS, |bits, one| bits | 1 << one.bit)
}

/// The names of a processor's parts, as `/proc/cpuinfo` lists them.
pub fn names(features: Features) -> Vec<&'static str> {
    let present = CAPABILITIES.iter().filter(|one| features.has(one.feature));
    ["fp", "asimd"]
        .into_iter()
        .chain(present.map(|one| one.name))
        .collect()
}

/// A list of names with commas; `fp` and `asimd` may be in it and are there in any case. `fphp` and `asimdhp` are one part,
/// and LRCPC2 is nothing without LRCPC.
///
/// # Errors
/// A name that is none, with those that are.
pub fn parse(list: &str) -> Result<Features, String> {
    let mut features = Features::NONE;
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name == "fp" || name == "asimd" {
            continue;
        }
        let Some(one) = CAPABILITIES.iter().find(|one| one.name == name) else {
            let known = names(Features::ALL).join(",");
            return Err(format!(
                "'{name}' is nothing that the processor has; it has {known}"
            ));
        };
        features = features.with(one.feature);
    }
    if features.has(Feature::Pmull) && !features.has(Feature::Aes) {
        return Err("pmull needs aes".to_owned());
    }
    if features.has(Feature::Lrcpc2) && !features.has(Feature::Lrcpc) {
        return Err("ilrcpc needs lrcpc".to_owned());
    }
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bits_are_linux_s() {
        // A Neoverse N1 under Linux without evtstrm and ssbs.
        assert_eq!(bits(Features::USUAL), 0x0011_9ffb);
        assert_eq!(
            names(Features::USUAL).join(" "),
            "fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
        );
        assert_eq!(bits(Features::NONE), 3);
    }

    #[test]
    fn lists_are_read() {
        assert_eq!(parse("fp,asimd"), Ok(Features::NONE));
        assert_eq!(parse(""), Ok(Features::NONE));
        assert_eq!(parse("crc32, atomics").map(bits), Ok(0x183));
        assert_eq!(parse(&names(Features::ALL).join(",")), Ok(Features::ALL));
        assert!(parse("sve").is_err_and(|why| why.contains("'sve'")));
        assert!(parse("pmull").is_err());
    }
}
