//! Encryption and authentication of pages: AES-256-GCM under the machine's key.
//!
//! The nonce is the slot and the number of the write, which never repeats while the key lives: what GCM asks for. The
//! cipher is ring's because its assembly seals and opens three times as fast as the one in Rust. The tag stays in RAM, so
//! a page on the device is as long as a page, and bytes that are not those of the last write to that very slot do not
//! open. The key lies in this process only and dies with it.

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::SlotNum;

/// What opens a sealed page: the number of its write, and the tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seal {
    write: u64,
    tag: [u8; 16],
}

pub(super) struct Sealer {
    cipher: LessSafeKey,
    writes: u64,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Sealer")
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}

fn nonce(slot: SlotNum, write: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[..4].copy_from_slice(&slot.get().to_le_bytes());
    bytes[4..].copy_from_slice(&write.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl Sealer {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has 256 bits");
        Self {
            cipher: LessSafeKey::new(key),
            writes: 0,
        }
    }

    /// Encrypts a page in place for a slot.
    pub(super) fn seal(&mut self, slot: SlotNum, page: &mut [u8]) -> Seal {
        self.writes += 1;
        let nonce = nonce(slot, self.writes);
        let sealed = self.cipher.seal_in_place_separate_tag(nonce, Aad::empty(), page);
        let tag = sealed.expect("a page is far below the cipher's limit of 64 GiB");
        let mut bytes = [0; 16];
        bytes.copy_from_slice(tag.as_ref());
        Seal {
            write: self.writes,
            tag: bytes,
        }
    }

    /// Decrypts a page in place; false if it is not what was sealed. Its bytes are then not to be used.
    pub(super) fn open(&self, slot: SlotNum, seal: &Seal, page: &mut [u8]) -> bool {
        let tag = Tag::from(seal.tag);
        let nonce = nonce(slot, seal.write);
        let opened = self
            .cipher
            .open_in_place_separate_tag(nonce, Aad::empty(), tag, page, 0..);
        opened.is_ok()
    }
}
