//! The regions of the document, written one after the other ([`RegionWriter`]). Neighbour: `region` reads them back.

use super::parts::thread_in;
use super::put::{put_address, put_bool, put_first_key, put_key, put_number, put_some_text, put_text};
use crate::{Figure, Kind, MaxPerms, Region, ShareMode, Snapshot};
use procfs::{Device, Kib, VmFlags};
use std::io::{self, Write};

/// What is gathered before it goes out: less than the writers below hold, so that it is copied once.
const PIECE_BYTES: usize = 16 << 10;

/// Writes regions to their file.
struct RegionWriter<'a> {
    /// Where sections and threads are.
    snapshot: &'a Snapshot,
    /// `,"name":` of each figure.
    figures: Vec<(Figure, String)>,
    text: Vec<u8>,
}

/// `[...]`: all regions of the snapshot, or `null` if they could not be read.
pub(super) fn write_regions(snapshot: &Snapshot, out: &mut dyn Write) -> io::Result<()> {
    let Some(regions) = &snapshot.regions else {
        return out.write_all(b"null");
    };
    let mut writer = RegionWriter {
        snapshot,
        figures: Figure::ALL
            .iter()
            .map(|&figure| (figure, format!(",\"{}\":", figure.name())))
            .collect(),
        text: Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 4),
    };
    for (index, region) in regions.iter().enumerate() {
        writer.text.push(if index == 0 { b'[' } else { b',' });
        writer.put_region(region)?;
        if writer.text.len() >= PIECE_BYTES {
            out.write_all(&writer.text)?;
            writer.text.clear();
        }
    }
    if regions.is_empty() {
        writer.text.push(b'[');
    }
    writer.text.push(b']');
    out.write_all(&writer.text)
}

impl RegionWriter<'_> {
    fn put_region(&mut self, region: &Region) -> io::Result<()> {
        let out = &mut self.text;
        out.push(b'{');
        put_first_key(out, "type");
        put_text(out, region.kind.name());
        put_key(out, "is_guess");
        put_bool(out, region.is_guess);
        put_key(out, "start");
        put_address(out, region.start.0);
        put_key(out, "end");
        put_address(out, region.end.0);
        put_key(out, "size");
        put_number(out, Some(region.len()));
        for (figure, key) in &self.figures {
            out.extend_from_slice(key.as_bytes());
            put_number(out, region.figure(*figure).map(Kib::bytes));
        }
        put_protection(out, region);
        put_object(out, region);
        put_key(out, "vm_flags");
        match &region.flags {
            Some(flags) => put_flags(out, flags),
            None => out.extend_from_slice(b"null"),
        }
        self.put_parts(region)?;
        let out = &mut self.text;
        put_key(out, "mappings");
        put_number(out, Some(region.count.into()));
        put_key(out, "note");
        put_some_text(out, region.note.as_deref());
        put_key(out, "detail");
        put_text(out, region.detail());
        out.push(b'}');
        Ok(())
    }

    /// Sections of an ELF file, and the thread whose stack it is: few regions have any.
    fn put_parts(&mut self, region: &Region) -> io::Result<()> {
        let out = &mut self.text;
        let mut separator = b'[';
        for section in self.snapshot.sections_in(region) {
            if separator == b'[' {
                put_key(out, "sections");
            }
            out.push(separator);
            separator = b',';
            out.push(b'{');
            put_first_key(out, "name");
            put_text(out, &section.name);
            put_key(out, "start");
            put_address(out, section.start.0);
            put_key(out, "end");
            put_address(out, section.end.0);
            put_key(out, "size");
            put_number(out, Some(section.end.bytes_above(section.start)));
            out.push(b'}');
        }
        if separator == b',' {
            out.push(b']');
        }
        let threads = self.snapshot.threads.as_deref().unwrap_or_default();
        if region.kind == Kind::Stack
            && let Some(thread) = thread_in(threads, region.start, region.end)
        {
            put_key(out, "thread");
            serde_json::to_writer(out, &thread)?;
        }
        Ok(())
    }
}

fn put_protection(out: &mut Vec<u8>, region: &Region) {
    put_key(out, "protection");
    put_text(out, region.protection());
    put_key(out, "max_protection");
    put_some_text(out, region.max().map(MaxPerms::letters));
    put_key(out, "shared");
    put_bool(out, region.perms.shared);
    put_key(out, "share_mode");
    put_some_text(out, region.share.map(ShareMode::letters));
    put_key(out, "page_size");
    put_number(out, region.page_size().map(Kib::bytes));
    put_key(out, "protection_key");
    put_number(out, region.protection_key.map(u64::from));
}

fn put_object(out: &mut Vec<u8>, region: &Region) {
    let object = &region.object;
    put_key(out, "offset");
    put_number(out, Some(region.offset));
    put_key(out, "device");
    if object.device == Device::default() {
        out.extend_from_slice(b"\"00:00\"");
    } else {
        let Device { major, minor } = object.device;
        put_text(out, &format!("{major:02x}:{minor:02x}"));
    }
    put_key(out, "inode");
    put_number(out, Some(object.inode));
    put_key(out, "object");
    put_text(out, &String::from_utf8_lossy(&object.name));
    // Linux names are bytes: what is not UTF-8 is told again in full.
    if str::from_utf8(&object.name).is_err() {
        put_key(out, "object_hex");
        let hex: String = object.name.iter().map(|b| format!("{b:02x}")).collect();
        put_text(out, &hex);
    }
}

fn put_flags(out: &mut Vec<u8>, flags: &VmFlags) {
    out.push(b'[');
    for (index, code) in flags.codes().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // Two bytes as two characters, whatever they are.
        match code {
            [a, b] if a.is_ascii_lowercase() && b.is_ascii_lowercase() => {
                out.extend_from_slice(&[b'"', a, b, b'"']);
            }
            odd => put_text(out, &odd.map(char::from).iter().collect::<String>()),
        }
    }
    out.push(b']');
}
