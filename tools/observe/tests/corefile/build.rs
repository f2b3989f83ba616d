//! A core file written by hand ([`Made`]), for both processors: what a kernel would write, and what none ever would.

#![allow(clippy::expect_used, reason = "a test stops at what it cannot do")]

/// A segment: address, size in memory, contents that were dumped, flags.
pub(crate) struct Part {
    pub(crate) start: u64,
    pub(crate) size: u64,
    pub(crate) contents: Vec<u8>,
    pub(crate) flags: u32,
}

/// What goes into the file.
pub(crate) struct Made {
    pub(crate) machine: u16,
    pub(crate) parts: Vec<Part>,
    /// Start, end, offset in pages, name.
    pub(crate) files: Vec<(u64, u64, u64, &'static str)>,
    /// Thread id, stack pointer, program counter.
    pub(crate) threads: Vec<(u32, u64, u64)>,
    pub(crate) auxv: Vec<(u64, u64)>,
    /// PN_XNUM even if there are few segments.
    pub(crate) with_section: bool,
}

pub(crate) const X86_64: u16 = 62;
pub(crate) const AARCH64: u16 = 183;

fn put(out: &mut Vec<u8>, words: &[u64]) {
    words.iter().for_each(|w| out.extend(w.to_le_bytes()));
}

fn note(out: &mut Vec<u8>, kind: u32, desc: &[u8]) {
    for word in [5, u32::try_from(desc.len()).expect("small"), kind] {
        out.extend(word.to_le_bytes());
    }
    out.extend(b"CORE\0\0\0\0");
    out.extend(desc);
    out.resize(out.len().next_multiple_of(4), 0);
}

impl Made {
    /// A program with a heap, a file, two threads' stacks and a page that was not dumped.
    pub(crate) fn small(machine: u16) -> Self {
        let part = |start, size, contents: &[u8], flags| Part {
            start,
            size,
            contents: contents.to_vec(),
            flags,
        };
        let mut heap = vec![0; 0x2000];
        heap[8..16].copy_from_slice(&0x291_u64.to_le_bytes());
        heap[0x298..0x2a0].copy_from_slice(&(0x2000_u64 - 0x290 + 1).to_le_bytes());
        let mut stack = vec![0; 0x3000];
        stack[0x2f00..0x2f09].copy_from_slice(b"/bin/made");
        Self {
            machine,
            parts: vec![
                part(0x40_0000, 0x2000, &[], 5),
                part(0x40_2000, 0x1000, &[b'd'; 0x1000], 6),
                part(0x41_0000, 0x2000, &heap, 6),
                part(0x7000_0000, 0x1000, &[], 0),
                part(0x7000_1000, 0x8000, &[b's'; 0x8000], 6),
                part(0x7fff_0000, 0x3000, &stack, 6),
            ],
            files: vec![
                (0x40_2000, 0x40_3000, 2, "/bin/made"),
                (0x40_0000, 0x40_2000, 0, "/bin/made"),
            ],
            threads: vec![(43, 0x7000_8000, 0x40_0100), (42, 0x7fff_2000, 0x40_0200)],
            auxv: vec![(6, 4096), (9, 0x40_0080), (31, 0x7fff_2f00), (0, 0)],
            with_section: false,
        }
    }

    fn prstatus(&self, (tid, sp, pc): (u32, u64, u64)) -> Vec<u8> {
        let (registers, at_sp, at_pc) = if self.machine == X86_64 {
            (27, 19, 16)
        } else {
            (34, 31, 32)
        };
        let mut out = vec![0; 112 + 8 * registers + 8];
        out[12] = 11;
        out[32..36].copy_from_slice(&tid.to_le_bytes());
        for (register, value) in [(at_sp, sp), (at_pc, pc)] {
            let at = 112 + 8 * register;
            out[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        out
    }

    fn notes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut info = vec![0; 136];
        info[1] = b'R';
        info[24] = 42;
        info[28] = 7;
        info[40..44].copy_from_slice(b"made");
        info[56..67].copy_from_slice(b"made --fast");
        for (index, thread) in self.threads.iter().enumerate() {
            note(&mut out, 1, &self.prstatus(*thread));
            if index == 0 {
                note(&mut out, 3, &info);
                let mut signal = vec![0; 128];
                signal[0] = 11;
                signal[8] = 1;
                signal[16] = 0x10;
                note(&mut out, 0x5349_4749, &signal);
                let mut auxv = Vec::new();
                self.auxv.iter().for_each(|&(k, v)| put(&mut auxv, &[k, v]));
                note(&mut out, 6, &auxv);
                let mut files = Vec::new();
                put(&mut files, &[self.files.len() as u64, 4096]);
                self.files
                    .iter()
                    .for_each(|&(from, to, page, _)| put(&mut files, &[from, to, page]));
                for (.., name) in &self.files {
                    files.extend(name.as_bytes());
                    files.push(0);
                }
                note(&mut out, 0x4649_4c45, &files);
            }
        }
        out
    }

    /// The file's bytes: header, program headers, notes, memory, and the section if there is one.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let notes = self.notes();
        let headers = self.parts.len() as u64 + 1;
        let notes_at = 64 + 56 * headers;
        let mut memory_at = (notes_at + notes.len() as u64).next_multiple_of(4096);
        let memory: u64 = self.parts.iter().map(|p| p.contents.len() as u64).sum();
        let section_at = if self.with_section { memory_at + memory } else { 0 };
        let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        out.extend(4_u16.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        put(&mut out, &[0, 64, section_at]);
        out.extend(0_u32.to_le_bytes());
        let count = if self.with_section {
            0xffff
        } else {
            u16::try_from(headers).expect("few segments without a section")
        };
        for half in [64, 56, count, 64, u16::from(self.with_section), 0] {
            out.extend(half.to_le_bytes());
        }
        let mut header = |kind: u32, flags: u32, words: [u64; 6]| {
            out.extend(kind.to_le_bytes());
            out.extend(flags.to_le_bytes());
            put(&mut out, &words);
        };
        header(4, 0, [notes_at, 0, 0, notes.len() as u64, 0, 4]);
        for part in &self.parts {
            let dumped = part.contents.len() as u64;
            header(1, part.flags, [memory_at, part.start, 0, dumped, part.size, 4096]);
            memory_at += dumped;
        }
        out.extend(&notes);
        out.resize(out.len().next_multiple_of(4096), 0);
        self.parts.iter().for_each(|part| out.extend(&part.contents));
        if self.with_section {
            out.extend([0; 44]);
            out.extend(u32::try_from(headers).expect("fits").to_le_bytes());
            out.extend([0; 16]);
        }
        out
    }
}
