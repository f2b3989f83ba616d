//! One region of the document, read field by field ([`RegionIn`]). Neighbour: `regions` writes them.
//!
//! Its keys are few and known, the figures by [`Figure::name`]; a key is compared where it lies, without a copy. Numbers that no region can
//! have (an end that is not above the start, a protection of other letters) are errors that name the field.

use crate::{Figure, Kind, Region, Section, ShareMode};
use procfs::printable;
use procfs::{Addr, Device, Kib, MapsLine, Perms, VmFlags};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A section as read.
#[derive(serde::Deserialize)]
struct SectionIn {
    name: String,
    start: Worded<Addr>,
    end: Worded<Addr>,
}

impl From<SectionIn> for Section {
    fn from(section: SectionIn) -> Self {
        Self {
            name: printable(section.name.as_bytes()),
            start: section.start.0,
            end: section.end.0.max(section.start.0),
        }
    }
}

pub(super) fn bytes(kib: Option<Kib>) -> Option<u64> {
    kib.map(Kib::bytes)
}

pub(super) fn hex(addr: Addr) -> String {
    format!("{:#x}", addr.0)
}

fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    (digits.len().is_multiple_of(2))
        .then(|| digits.chunks_exact(2).map(byte).collect())
        .flatten()
}

/// A region as read: its mapping, and the rest in a [`Region`] without the object.
pub(super) struct RegionIn {
    pub(super) map: MapsLine,
    pub(super) region: Region,
    pub(super) sections: Vec<Section>,
}

/// The keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Kind,
    IsGuess,
    Start,
    End,
    Protection,
    Shared,
    ShareMode,
    PageSize,
    Pkey,
    Offset,
    Device,
    Inode,
    Object,
    ObjectHex,
    VmFlags,
    Sections,
    Mappings,
    Note,
    Figure(Figure),
    /// One of another version, or one that follows from others.
    Other,
}

impl Key {
    fn of(word: &str) -> Self {
        let figure = || Figure::ALL.iter().find(|f| f.name() == word);
        match word {
            "type" => Self::Kind,
            "is_guess" => Self::IsGuess,
            "start" => Self::Start,
            "end" => Self::End,
            "protection" => Self::Protection,
            "shared" => Self::Shared,
            "share_mode" => Self::ShareMode,
            "page_size" => Self::PageSize,
            "protection_key" => Self::Pkey,
            "offset" => Self::Offset,
            "device" => Self::Device,
            "inode" => Self::Inode,
            "object" => Self::Object,
            "object_hex" => Self::ObjectHex,
            "vm_flags" => Self::VmFlags,
            "sections" => Self::Sections,
            "mappings" => Self::Mappings,
            "note" => Self::Note,
            _ => figure().map_or(Self::Other, |&figure| Self::Figure(figure)),
        }
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Key, E> {
        Ok(Key::of(word))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// A value that is written as a word.
pub(super) trait Word: Sized {
    const WHAT: &'static str;

    fn of(word: &str) -> Option<Self>;
}

/// A [`Word`] where it stands in the document.
pub(super) struct Worded<T>(pub(super) T);

impl<'de, T: Word> Deserialize<'de> for Worded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // No copy unless the word holds an escape.
        #[derive(serde::Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
        let Borrowed(word) = Borrowed::deserialize(deserializer)?;
        T::of(&word).map(Self).ok_or_else(|| {
            let word: String = printable(word.as_bytes()).chars().take(40).collect();
            D::Error::custom(format!("\"{word}\" is no {}", T::WHAT))
        })
    }
}

impl Word for Addr {
    const WHAT: &'static str = "address (hexadecimal after 0x)";

    fn of(word: &str) -> Option<Self> {
        u64::from_str_radix(word.strip_prefix("0x")?, 16).ok().map(Self)
    }
}

impl Word for Kind {
    const WHAT: &'static str = "region type that this version knows";

    fn of(word: &str) -> Option<Self> {
        Self::from_name(word)
    }
}

impl Word for ShareMode {
    const WHAT: &'static str = "share mode";

    fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mode| mode.letters() == word)
    }
}

impl Word for Perms {
    const WHAT: &'static str = "protection, such as r-x";

    fn of(word: &str) -> Option<Self> {
        let &[r, w, x] = word.as_bytes() else {
            return None;
        };
        let is_set = |byte, letter| match byte {
            b'-' => Some(false),
            _ => (byte == letter).then_some(true),
        };
        Some(Self {
            read: is_set(r, b'r')?,
            write: is_set(w, b'w')?,
            exec: is_set(x, b'x')?,
            shared: false,
        })
    }
}

impl Word for Device {
    const WHAT: &'static str = "device, such as fe:00";

    fn of(word: &str) -> Option<Self> {
        let (major, minor) = word.split_once(':')?;
        Some(Self {
            major: u32::from_str_radix(major, 16).ok()?,
            minor: u32::from_str_radix(minor, 16).ok()?,
        })
    }
}

/// One code of VmFlags.
struct Flag([u8; 2]);

impl Word for Flag {
    const WHAT: &'static str = "flag of two letters";

    fn of(word: &str) -> Option<Self> {
        let mut letters = word.chars().map(|c| u8::try_from(c).ok());
        match (letters.next(), letters.next(), letters.next()) {
            (Some(Some(a)), Some(Some(b)), None) => Some(Self([a, b])),
            _ => None,
        }
    }
}

/// A name in hexadecimal.
struct Hex(Vec<u8>);

impl Word for Hex {
    const WHAT: &'static str = "name in hexadecimal";

    fn of(word: &str) -> Option<Self> {
        of_hex(word).map(Self)
    }
}

impl<'de> Deserialize<'de> for RegionIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = RegionIn;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a region")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<RegionIn, A::Error> {
        let nothing = MapsLine::default();
        let mut region = Region::of_map(&nothing, Default::default());
        let (mut map, mut is_shared) = (nothing, false);
        let mut sections = Vec::new();
        let (mut start, mut end, mut kind, mut perms) = (None, None, None, None);
        while let Some(key) = fields.next_key::<Key>()? {
            match key {
                Key::Kind => kind = Some(fields.next_value::<Worded<Kind>>()?.0),
                Key::IsGuess => region.is_guess = fields.next_value()?,
                Key::Start => start = Some(fields.next_value::<Worded<Addr>>()?.0),
                Key::End => end = Some(fields.next_value::<Worded<Addr>>()?.0),
                Key::Protection => perms = Some(fields.next_value::<Worded<Perms>>()?.0),
                Key::Shared => is_shared = fields.next_value()?,
                Key::ShareMode => {
                    region.share = fields.next_value::<Option<Worded<ShareMode>>>()?.map(|w| w.0)
                }
                Key::PageSize => region.page_kib = page_kib(fields.next_value()?)?,
                Key::Pkey => region.protection_key = fields.next_value()?,
                Key::Offset => map.offset = fields.next_value()?,
                Key::Device => map.device = fields.next_value::<Worded<Device>>()?.0,
                Key::Inode => map.inode = fields.next_value()?,
                // `object_hex` comes after it, and says it better.
                Key::Object => map.name = fields.next_value::<String>()?.into_bytes(),
                Key::ObjectHex => map.name = fields.next_value::<Worded<Hex>>()?.0.0,
                Key::VmFlags => region.flags = flags(fields.next_value()?),
                Key::Sections => {
                    let read: Vec<SectionIn> = fields.next_value()?;
                    sections = read.into_iter().map(Section::from).collect();
                }
                Key::Mappings => region.count = fields.next_value::<u32>()?.max(1),
                Key::Note => region.note = note(fields.next_value()?),
                Key::Figure(figure) => {
                    let bytes: Option<u64> = fields.next_value()?;
                    region.figures.set(figure, bytes.map(Kib::from_bytes));
                }
                Key::Other => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        let missing = A::Error::missing_field;
        region.kind = kind.ok_or_else(|| missing("type"))?;
        map.perms = Perms {
            shared: is_shared,
            ..perms.ok_or_else(|| missing("protection"))?
        };
        map.start = start.ok_or_else(|| missing("start"))?;
        map.end = end.ok_or_else(|| missing("end"))?;
        if map.end <= map.start {
            let (start, end) = (hex(map.start), hex(map.end));
            return Err(A::Error::custom(format!(
                "a region's end {end} is not above its start {start}"
            )));
        }
        (region.start, region.end) = (map.start, map.end);
        (region.perms, region.offset) = (map.perms, map.offset);
        Ok(RegionIn {
            map,
            region,
            sections,
        })
    }
}

fn page_kib<E: Error>(bytes: Option<u64>) -> Result<u32, E> {
    let Some(bytes) = bytes else { return Ok(0) };
    u32::try_from(bytes >> 10).map_err(|_| E::custom(format!("{bytes} is no size of a page")))
}

fn flags(codes: Option<Vec<Worded<Flag>>>) -> Option<VmFlags> {
    codes.map(|codes| VmFlags::from_codes(codes.into_iter().map(|Worded(Flag(code))| code)))
}

/// A note comes from a file: it may not steer the terminal.
fn note(text: Option<String>) -> Option<Box<str>> {
    text.map(|text| printable(text.as_bytes()).into_boxed_str())
}
