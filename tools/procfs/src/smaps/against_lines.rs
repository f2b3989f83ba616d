//! The learned parser against the line parser, on texts that are damaged in every way that we can think of.

use super::line::opens_header;
use super::shape::{Fit, Shape};
use super::*;
use crate::{Device, Perms};
use proptest::prelude::*;
use std::io::BufReader;

/// A record as 6.18 prints it on x86-64.
const RECORD: &str = "\
7f10a0000000-7f10a0021000 rw-p 0001a000 fe:00 247030                     /usr/lib/libz.so.1
Size:                132 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                1860 kB
Pss:                  12 kB
Pss_Dirty:             0 kB
Shared_Clean:       1848 kB
Shared_Dirty:          0 kB
Private_Clean:         0 kB
Private_Dirty:        12 kB
Referenced:         1860 kB
Anonymous:            12 kB
KSM:                   0 kB
LazyFree:              0 kB
AnonHugePages:         0 kB
ShmemPmdMapped:        0 kB
FilePmdMapped:         0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                  0 kB
SwapPss:               0 kB
Locked:                0 kB
THPeligible:           0
ProtectionKey:         0
VmFlags: rd wr mr mw me ac 
";

/// All of the text by the line parser alone.
fn by_lines(text: &[u8]) -> (Vec<SmapsEntry>, Option<ParseError>) {
    let mut records: Vec<(usize, Vec<u8>)> = Vec::new();
    for (number, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
        match records.last_mut() {
            Some((_, record)) if !opens_header(line[0]) => record.extend_from_slice(line),
            _ => records.push((number + 1, line.to_vec())),
        }
    }
    let mut entries = Vec::new();
    for (first, record) in records {
        let mut entry = SmapsEntry::default();
        match entry.parse_record(&record, first) {
            Ok(_) => entries.push(entry),
            Err(e) => return (entries, Some(e)),
        }
    }
    (entries, None)
}

/// All of the text in pieces of these sizes, which repeat, with one entry that is used again and was dirty before.
fn in_pieces(text: &[u8], sizes: &[usize]) -> (Vec<SmapsEntry>, Option<ParseError>) {
    let mut parser = SmapsParser::new();
    let mut entry = parse_smaps(RECORD.replace("Pss:", "Odd:").replace("ac ", "?! ").as_bytes())
        .unwrap()
        .remove(0);
    let (mut entries, mut rest, mut sizes) = (Vec::new(), text, sizes.iter().cycle());
    loop {
        match parser.next_into(&mut entry) {
            Ok(Step::Entry) => entries.push(entry.clone()),
            Ok(Step::End) => return (entries, None),
            Ok(Step::NeedsBytes) if rest.is_empty() => parser.finish(),
            Ok(Step::NeedsBytes) => {
                let (piece, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                parser.feed(piece);
                rest = after;
            }
            Err(e) => {
                assert_eq!(parser.next_into(&mut entry), Ok(Step::End));
                return (entries, Some(e));
            }
        }
    }
}

fn assert_same(text: &[u8], sizes: &[usize]) {
    let expected = by_lines(text);
    assert_eq!(in_pieces(text, sizes), expected, "{}", text.escape_ascii());
    let reader = SmapsReader::new(BufReader::with_capacity(sizes[0], text));
    let (read, failed): (Vec<_>, Vec<_>) = reader.partition(Result::is_ok);
    let read: Vec<_> = read.into_iter().map(Result::unwrap).collect();
    assert_eq!(read, expected.0);
    let messages: Vec<_> = failed.into_iter().map(|e| e.unwrap_err().to_string()).collect();
    assert_eq!(messages, expected.1.map(|e| e.to_string()).as_slice());
}

/// One kind of damage to one line.
#[derive(Clone, Debug)]
enum Damage {
    Remove,
    Double,
    Insert(String),
    Replace(String),
    Value(u64),
    /// Value without padding.
    Narrow,
    Name(String),
    Byte(usize, u8),
    SwapWithNext,
    NoNewline,
    Cut(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let line = prop_oneof![
        Just(String::new()),
        "[A-Z][a-z_]{2,9}: {1,12}[0-9]{1,12} kB",
        "(Rss|Size|Swap|THPeligible|ProtectionKey|KernelPageSize|VmFlags):[ \\t]{0,9}[0-9a-z]{1,9}( kB)?",
        "VmFlags:( [a-z]{2}){0,9} ",
        "[0-9a-f]{1,17}-[0-9a-f]{1,17} [-rwxsp]{4} [0-9a-f]{1,9} 0:0 [0-9]{1,20}[ \\t]{0,3}[a-c]{0,3}",
    ];
    let values = prop_oneof![
        Just(99_999_999),
        Just(100_000_000),
        Just(u64::MAX),
        any::<u64>(),
        0..2000_u64
    ];
    prop_oneof![
        Just(Damage::Remove),
        Just(Damage::Double),
        line.clone().prop_map(Damage::Insert),
        line.prop_map(Damage::Replace),
        values.prop_map(Damage::Value),
        Just(Damage::Narrow),
        "[ -~]{0,40}|/a b\\\\012c \\(deleted\\)|\\[anon:x y\\]| \\t/x ".prop_map(Damage::Name),
        (
            0..80_usize,
            prop_oneof![any::<u8>(), Just(b'\n'), Just(b' '), Just(b'9')]
        )
            .prop_map(|(at, b)| Damage::Byte(at, b)),
        Just(Damage::SwapWithNext),
        Just(Damage::NoNewline),
        (0..80_usize).prop_map(Damage::Cut),
    ]
}

fn apply(lines: &mut Vec<Vec<u8>>, at: usize, damage: &Damage) {
    let Some(line) = lines.get_mut(at) else { return };
    let colon = line.iter().position(|&b| b == b':');
    match damage {
        Damage::Remove => drop(lines.remove(at)),
        Damage::Double => lines.insert(at, lines[at].clone()),
        Damage::Insert(text) => lines.insert(at, format!("{text}\n").into_bytes()),
        Damage::Replace(text) => *line = format!("{text}\n").into_bytes(),
        Damage::Value(value) if line.ends_with(b" kB\n") => {
            line.truncate(colon.unwrap_or(0) + 1);
            line.resize(16, b' ');
            line.extend(format!("{value:8} kB\n").bytes());
        }
        Damage::Value(_) => {}
        Damage::Narrow => {
            let (head, tail) = line.split_at(colon.map_or(0, |c| c + 1));
            *line = [head, b"    ", tail.trim_ascii_start()].concat();
        }
        Damage::Name(name) if opens_header(line[0]) => {
            line.truncate(73);
            line.extend(format!("{name}\n").bytes());
        }
        Damage::Name(_) => {}
        Damage::Byte(column, byte) => {
            let len = line.len();
            line[column % len] = *byte;
        }
        Damage::SwapWithNext => {
            let next = (at + 1).min(lines.len() - 1);
            lines.swap(at, next);
        }
        Damage::NoNewline => drop(line.pop()),
        Damage::Cut(keep) => {
            line.truncate(*keep);
            lines.truncate(at + 1);
        }
    }
    lines.retain(|line| !line.is_empty());
}

/// Records as kernels print them, of one layout, with addresses and names that differ.
fn text(count: usize, edit: impl Fn(String) -> String) -> Vec<u8> {
    let record = |n: usize| {
        let (range, name) = (
            format!("7f10a0{:03x}000-7f10a0{:03x}000", n, n + 1),
            format!("/lib/{}", "x".repeat(n % 9)),
        );
        let record = edit(
            RECORD
                .replace("7f10a0000000-7f10a0021000", &range)
                .replace("/usr/lib/libz.so.1", &name),
        );
        record.replace("1860", &format!("{:4}", n * 37))
    };
    (0..count).map(record).collect::<String>().into_bytes()
}

fn old_layout(record: String) -> String {
    let narrow = record.replace("THPeligible:           0", "THPeligible:    0");
    narrow
        .replace("KSM:                   0 kB\n", "")
        .replace("ProtectionKey:         0\n", "")
}

fn oldest_layout(record: String) -> String {
    let tabs = record.replace("THPeligible:           ", "THPeligible:\t\t");
    tabs.replace("FilePmdMapped:  ", "FilePmdMapped: ")
}

fn new_field(record: String) -> String {
    record.replace("LazyFree:", "Novelty:     one: two\nLazyFree:")
}

proptest! {
    #[test]
    fn damaged_texts_give_what_the_line_parser_gives(
        layout in 0..4_usize,
        damages in prop::collection::vec((0..160_usize, damage()), 0..6),
        sizes in prop::collection::vec(1..5000_usize, 1..4),
    ) {
        let text = text(6, [|r| r, old_layout, oldest_layout, new_field][layout]);
        let mut lines: Vec<Vec<u8>> = text.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
        for (at, damage) in &damages {
            apply(&mut lines, *at, damage);
        }
        let text = lines.concat();
        assert_same(&text, &sizes);
        // What is printed is what Linux could print: it comes back as it is.
        let printed = by_lines(&text).0.print();
        prop_assert_eq!(parse_smaps(&printed).unwrap().print(), printed);
    }
}

#[test]
fn every_cut_and_every_small_piece() {
    let text = text(3, |r| r);
    for end in 0..text.len() {
        assert_same(&text[..end], &[4096]);
    }
    for size in (1..40).chain([511, 512, 700, 3072, 5000]) {
        assert_same(&text, &[size]);
    }
}

#[test]
fn records_of_one_layout_are_read_from_their_columns() {
    for edit in [|r| r, old_layout, oldest_layout, new_field] {
        let text = text(4, edit);
        let entries = parse_smaps(&text).unwrap();
        assert_eq!(
            entries.print().escape_ascii().to_string(),
            text.escape_ascii().to_string()
        );
        let record = entries[0..1].to_vec().print();
        let body = &record[record.iter().position(|&b| b == b'\n').unwrap() + 1..];
        let shape = Shape::learn(body, &entries[0]).unwrap();
        let mut entry = entries[0].clone();
        entry.map.name.reserve(100);
        let name = entry.map.name.as_ptr();
        let mut rest = &text[..];
        for (number, expected) in entries.iter().enumerate() {
            let is_last = number == 3;
            let Fit::Read(len) = shape.read(rest, is_last, &mut entry) else {
                panic!("record {number} was not read");
            };
            assert_eq!(&entry, expected);
            rest = &rest[len..];
        }
        assert!(rest.is_empty());
        assert_eq!(
            name,
            entry.map.name.as_ptr(),
            "the name's memory was not used again"
        );
    }
}

#[test]
fn a_wide_value_does_not_lose_the_shape() {
    let mut parser = SmapsParser::new();
    parser.feed(&text(1, |r| r));
    parser.feed(text(1, |r| r.replace("     132 kB", "137438953472 kB")).as_slice());
    parser.feed(&text(1, |r| r));
    parser.finish();
    let mut entry = SmapsEntry::default();
    let mut sizes = Vec::new();
    while parser.next_into(&mut entry) == Ok(Step::Entry) {
        sizes.push(entry.size.unwrap().0);
        assert!(parser.has_shape());
    }
    assert_eq!(sizes, [132, 137_438_953_472, 132]);
}

#[test]
fn a_text_that_is_no_smaps_is_refused_before_its_end() {
    let mut parser = SmapsParser::new();
    parser.feed(&text(1, |r| r));
    let mut entry = SmapsEntry::default();
    let garbage = "Nonsense\n".repeat(10_000);
    for _ in 0..2 {
        parser.feed(garbage.as_bytes());
    }
    let error = parser.next_into(&mut entry).unwrap_err();
    assert_eq!((error.line, error.found.as_str()), (27, "Nonsense"));
    assert_eq!(parser.next_into(&mut entry), Ok(Step::End));
}

#[test]
fn headers_of_both_ways_are_the_same() {
    let perms = Perms {
        read: true,
        write: false,
        exec: true,
        shared: true,
    };
    let line = MapsLine {
        start: crate::Addr(1),
        end: crate::Addr(u64::MAX),
        perms,
        offset: 7,
        device: Device { major: 8, minor: 1 },
        inode: 9,
        name: b"/x y".to_vec(),
    };
    let mut printed = Vec::new();
    line.print_line(&mut printed);
    let text = [&printed, RECORD.split_once('\n').unwrap().1.as_bytes()].concat();
    let both = [text.as_slice(), &text].concat();
    assert_same(&both, &[100]);
    assert_eq!(by_lines(&both).0[1].map, line);
}
