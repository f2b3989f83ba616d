//! The initial stack of a program, as bytes: arguments, environment, auxiliary vector.
//!
//! ```text
//!  top (page)  8 zero bytes
//!              the program's path
//!              environment strings, first lowest
//!              argument strings, first lowest          <- arg_start
//!              0 to 1 page of random displacement
//!              "aarch64\0", 16 random bytes
//!              auxv pairs, NULL, envp..., NULL, argv..., argc   <- sp, a multiple of 16
//! ```
//! Source: `fs/exec.c` (`copy_strings`) and `fs/binfmt_elf.c` (`create_elf_tables`). Key types: [`Request`],
//! [`Stack`]. Pure: nothing is mapped here.

use abi::process::auxv;
use arch::{Bytes, Granule};

use super::error::ExecError;

/// The longest single string, in pages (`MAX_ARG_STRLEN`).
const STRING_PAGES: u64 = 32;
/// What arguments and environment may take at most, whatever the stack limit (`_STK_LIM / 4 * 3`).
const TOTAL_LIMIT: u64 = 6 << 20;
const PLATFORM: &[u8] = b"aarch64\0";

/// What goes onto the stack.
pub(crate) struct Request<'a> {
    /// The end of the stack, page aligned.
    pub(crate) top: u64,
    /// The page size.
    pub(crate) granule: Granule,
    /// The stack limit in bytes.
    pub(crate) limit: u64,
    /// The program's path, as `execve` was given it.
    pub(crate) path: &'a [u8],
    /// Arguments.
    pub(crate) args: &'a [Vec<u8>],
    /// Environment.
    pub(crate) env: &'a [Vec<u8>],
    /// Displacement below the strings, less than a page.
    pub(crate) displacement: u64,
    /// `AT_RANDOM`.
    pub(crate) random: [u8; 16],
    /// The vector without `RANDOM`, `EXECFN`, `PLATFORM` and `NULL`, which are made here.
    pub(crate) auxv: &'a [(u64, u64)],
}

/// A stack ready to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stack {
    /// The initial stack pointer: the first byte's address.
    pub(crate) sp: u64,
    /// From `sp` to the top.
    pub(crate) bytes: Vec<u8>,
    /// The first argument's first byte.
    pub(crate) arg_start: u64,
    /// After the last argument's zero; the environment begins here.
    pub(crate) arg_end: u64,
    /// After the last environment string's zero.
    pub(crate) env_end: u64,
    /// The auxiliary vector, as `/proc/PID/auxv` shows it.
    pub(crate) auxv: Vec<(u64, u64)>,
}

/// Lays out the stack.
pub(crate) fn build(request: &Request<'_>) -> Result<Stack, ExecError> {
    check_size(request)?;
    let strings = Strings::place(request);
    let mut low = (strings.start - request.displacement) & !15;
    low -= PLATFORM.len() as u64;
    let platform = low;
    low -= 16;
    let random = low;

    let mut vector = request.auxv.to_vec();
    vector.extend([
        (auxv::RANDOM, random),
        (auxv::EXECFN, strings.path),
        (auxv::PLATFORM, platform),
        (auxv::NULL, 0),
    ]);
    let words = 1 + strings.args.len() + 1 + strings.env.len() + 1 + 2 * vector.len();
    let sp = (low - 8 * words as u64) & !15;

    let mut image = Writer {
        sp,
        bytes: vec![0; (request.top - sp) as usize],
    };
    image.pointers(sp, &strings, &vector);
    image.put(random, &request.random);
    image.put(platform, PLATFORM);
    for (at, text) in strings.args.iter().zip(request.args) {
        image.put(*at, text);
    }
    for (at, text) in strings.env.iter().zip(request.env) {
        image.put(*at, text);
    }
    image.put(strings.path, request.path);
    Ok(Stack {
        sp,
        bytes: image.bytes,
        arg_start: strings.start,
        arg_end: strings.arg_end,
        env_end: strings.path,
        auxv: vector,
    })
}

fn check_size(request: &Request<'_>) -> Result<(), ExecError> {
    let string_limit = STRING_PAGES * request.granule.bytes();
    let mut total = request.path.len() as u64 + 1;
    for text in request.args.iter().chain(request.env) {
        let size = text.len() as u64 + 1;
        if size > string_limit {
            return Err(ExecError::TooBig {
                size: Bytes::new(size),
                limit: Bytes::new(string_limit),
            });
        }
        // The pointers are charged too.
        total += size + 8;
    }
    // Linux leaves at least 128 KiB (ARG_MAX), however small the stack.
    let limit = (request.limit / 4).clamp(128 << 10, TOTAL_LIMIT);
    if total > limit {
        return Err(ExecError::TooBig {
            size: Bytes::new(total),
            limit: Bytes::new(limit),
        });
    }
    Ok(())
}

/// Where each string lies.
struct Strings {
    start: u64,
    arg_end: u64,
    args: Vec<u64>,
    env: Vec<u64>,
    path: u64,
}

impl Strings {
    fn place(request: &Request<'_>) -> Self {
        let size = |texts: &[Vec<u8>]| texts.iter().map(|t| t.len() as u64 + 1).sum::<u64>();
        let path = request.top - 8 - (request.path.len() as u64 + 1);
        let arg_end = path - size(request.env);
        let start = arg_end - size(request.args);
        let each = |mut at: u64, texts: &[Vec<u8>]| {
            let next = |text: &Vec<u8>| {
                let here = at;
                at += text.len() as u64 + 1;
                here
            };
            texts.iter().map(next).collect::<Vec<_>>()
        };
        Self {
            start,
            arg_end,
            args: each(start, request.args),
            env: each(arg_end, request.env),
            path,
        }
    }
}

struct Writer {
    sp: u64,
    bytes: Vec<u8>,
}

impl Writer {
    fn put(&mut self, address: u64, bytes: &[u8]) {
        let at = (address - self.sp) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn pointers(&mut self, mut at: u64, strings: &Strings, vector: &[(u64, u64)]) {
        let words = [strings.args.len() as u64]
            .into_iter()
            .chain(strings.args.iter().copied())
            .chain([0])
            .chain(strings.env.iter().copied())
            .chain([0])
            .chain(vector.iter().flat_map(|(key, value)| [*key, *value]));
        for word in words.collect::<Vec<_>>() {
            self.put(at, &word.to_le_bytes());
            at += 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = 0x7fff_0000;

    fn request<'a>(args: &'a [Vec<u8>], env: &'a [Vec<u8>], auxv: &'a [(u64, u64)]) -> Request<'a> {
        Request {
            top: TOP,
            granule: Granule::K4,
            limit: 8 << 20,
            path: b"/bin/x",
            args,
            env,
            displacement: 0,
            random: *b"0123456789abcdef",
            auxv,
        }
    }

    /// Every byte of a small stack, laid out by hand after `create_elf_tables`.
    #[test]
    fn every_byte_lies_where_linux_puts_it() {
        let args = [b"x".to_vec(), b"yz".to_vec()];
        let env = [b"A=1".to_vec()];
        let stack = build(&request(&args, &env, &[(auxv::PAGESZ, 4096)])).expect("small");
        // top: 8 zeros, "/bin/x\0", "A=1\0", "x\0yz\0"
        let path = TOP - 8 - 7;
        let arg_end = path - 4;
        let arg_start = arg_end - 5;
        assert_eq!(
            (stack.arg_start, stack.arg_end, stack.env_end),
            (arg_start, arg_end, path)
        );
        let platform = (arg_start & !15) - 8;
        let random = platform - 16;
        // argc, 2 args, NULL, 1 env, NULL, 5 pairs = 16 words
        let sp = (random - 16 * 8) & !15;
        assert_eq!(stack.sp, sp);
        let words: Vec<u64> = stack.bytes[..128]
            .chunks(8)
            .map(|c| u64::from_le_bytes(c.try_into().expect("8")))
            .collect();
        assert_eq!(
            words,
            [
                2,
                arg_start,
                arg_start + 2,
                0,
                arg_end,
                0,
                auxv::PAGESZ,
                4096,
                auxv::RANDOM,
                random,
                auxv::EXECFN,
                path,
                auxv::PLATFORM,
                platform,
                auxv::NULL,
                0,
            ]
        );
        let at = |address: u64| (address - sp) as usize;
        assert_eq!(&stack.bytes[at(random)..at(random) + 16], b"0123456789abcdef");
        assert_eq!(&stack.bytes[at(platform)..at(platform) + 8], b"aarch64\0");
        assert_eq!(
            &stack.bytes[at(arg_start)..],
            b"x\0yz\0A=1\0/bin/x\0\0\0\0\0\0\0\0\0"
        );
    }

    #[test]
    fn the_stack_pointer_is_a_multiple_of_16() {
        for n in 0..5 {
            let args = vec![b"abc".to_vec(); n];
            for displacement in [0, 1, 17, 4095] {
                let stack = build(&Request {
                    displacement,
                    ..request(&args, &[], &[])
                })
                .expect("small");
                assert_eq!(stack.sp % 16, 0);
                assert_eq!(stack.sp + stack.bytes.len() as u64, TOP);
            }
        }
    }

    /// execve(2): one string of more than 32 pages, and more than a quarter of the stack limit.
    #[test]
    fn too_much_is_refused() {
        let long = [vec![b'a'; 32 * 4096]];
        assert!(matches!(
            build(&request(&long, &[], &[])),
            Err(ExecError::TooBig { .. })
        ));
        let fits = [vec![b'a'; 32 * 4096 - 1]];
        assert!(build(&request(&fits, &[], &[])).is_ok());
        let many = vec![vec![b'a'; 100_000]; 21];
        assert!(matches!(
            build(&request(&many, &[], &[])),
            Err(ExecError::TooBig { .. })
        ));
    }
}
