//! Encryption and authentication of pages: AES-256-GCM-SIV under the machine's key.
//!
//! The nonce is the slot and the number of the write, which never repeats while the key lives. The tag stays in RAM, so a
//! page on the device is as long as a page, and bytes that are not those of the last write to that very slot do
//! not open. The key lies in this process only and dies with it.

use std::fmt;

use aes_gcm_siv::aead::{AeadInOut, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Nonce, Tag};

use super::SlotNum;

/// What opens a sealed page: the number of its write, and the tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seal {
    write: u64,
    tag: [u8; 16],
}

pub(super) struct Sealer {
    cipher: Aes256GcmSiv,
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
    Nonce::from(bytes)
}

impl Sealer {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self {
            cipher: Aes256GcmSiv::new(key.into()),
            writes: 0,
        }
    }

    /// Encrypts a page in place for a slot.
    pub(super) fn seal(&mut self, slot: SlotNum, page: &mut [u8]) -> Seal {
        self.writes += 1;
        let sealed = self
            .cipher
            .encrypt_inout_detached(&nonce(slot, self.writes), b"", page.into());
        let tag = sealed.expect("a page is far below the cipher's limit of 64 GiB");
        Seal {
            write: self.writes,
            tag: tag.into(),
        }
    }

    /// Decrypts a page in place; false if it is not what was sealed. Its bytes are then not to be used.
    pub(super) fn open(&self, slot: SlotNum, seal: &Seal, page: &mut [u8]) -> bool {
        let tag = Tag::from(seal.tag);
        self.cipher
            .decrypt_inout_detached(&nonce(slot, seal.write), b"", page.into(), &tag)
            .is_ok()
    }
}
