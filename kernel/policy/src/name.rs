//! The policies by name, as the command line has them.

use std::fmt;
use std::str::FromStr;

use crate::{Arc, Clock, Fifo, Lru, Mglru, Policy, Random, S3Fifo, Sieve, TwoQ};

/// Which policy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Name {
    /// First in, first out.
    Fifo,
    /// Any, by a seeded generator.
    Random,
    /// Second chance.
    #[default]
    Clock,
    /// Linux's active and inactive lists with refault distance.
    Lru,
    /// Generations, after Linux's MGLRU.
    Mglru,
    /// 2Q, full version.
    TwoQ,
    /// Adaptive replacement cache.
    Arc,
    /// SIEVE.
    Sieve,
    /// S3-FIFO.
    S3Fifo,
}

impl Name {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Fifo,
        Self::Random,
        Self::Clock,
        Self::Lru,
        Self::Mglru,
        Self::TwoQ,
        Self::Arc,
        Self::Sieve,
        Self::S3Fifo,
    ];

    /// What it is called on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fifo => "fifo",
            Self::Random => "random",
            Self::Clock => "clock",
            Self::Lru => "lru",
            Self::Mglru => "mglru",
            Self::TwoQ => "2q",
            Self::Arc => "arc",
            Self::Sieve => "sieve",
            Self::S3Fifo => "s3-fifo",
        }
    }

    /// A policy without frames. Only `random` uses the seed.
    pub fn make(self, seed: u64) -> Box<dyn Policy> {
        match self {
            Self::Fifo => Box::new(Fifo::new()),
            Self::Random => Box::new(Random::new(seed)),
            Self::Clock => Box::new(Clock::new()),
            Self::Lru => Box::new(Lru::new()),
            Self::Mglru => Box::new(Mglru::new()),
            Self::TwoQ => Box::new(TwoQ::new()),
            Self::Arc => Box::new(Arc::new()),
            Self::Sieve => Box::new(Sieve::new()),
            Self::S3Fifo => Box::new(S3Fifo::new()),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that no policy has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownPolicy(String);

impl fmt::Display for UnknownPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is no policy: choose one of", self.0)?;
        Name::ALL.iter().try_for_each(|name| write!(f, " {name}"))
    }
}

impl std::error::Error for UnknownPolicy {}

impl FromStr for Name {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let found = Self::ALL.into_iter().find(|name| name.as_str() == text);
        found.ok_or_else(|| UnknownPolicy(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_printed() {
        for name in Name::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
            assert_eq!(name.make(1).name(), name);
        }
        assert!("opt".parse::<Name>().is_err());
    }
}
