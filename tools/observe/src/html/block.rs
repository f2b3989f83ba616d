//! A JSON document inside a page ([`write()`]): as text while it is small, deflated and in base64 when it is large.
//!
//! Text is made inert: `<`, `>`, `&` and the two line separators that JSON allows raw are written as `\u` escapes. JSON has them only
//! inside strings, so the document stays the same document, and no name can end the element that holds it. A map of 60,000
//! regions is 25 MB of text but 2 MB packed; a browser unpacks it with `DecompressionStream`.

use super::Json;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{self, BufWriter, IntoInnerError, Write};

/// Longer documents are packed. Up to here a page can be read, searched and mended with any editor.
const LONGEST_TEXT: usize = 1 << 20;

/// Write `json` as a `script` element of type `application/json` with this id; `data-form` says `text` or `deflate`.
pub(super) fn write(id: &str, json: Json<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut block = Block::Text(Vec::new());
    json(&mut block)?;
    let (form, finished) = block.finish()?;
    write!(
        out,
        "<script type=\"application/json\" id=\"{id}\" data-form=\"{form}\">"
    )?;
    match form {
        "text" => write_inert(&finished, out)?,
        _ => out.write_all(&finished)?,
    }
    writeln!(out, "</script>")
}

/// Buffered, because serde writes a few bytes at a time and each write has its price in the packer.
type Packer = BufWriter<DeflateEncoder<EncoderWriter<'static, GeneralPurpose, Vec<u8>>>>;

/// What was written so far.
enum Block {
    Text(Vec<u8>),
    Packed(Box<Packer>),
}

impl Block {
    fn finish(self) -> io::Result<(&'static str, Vec<u8>)> {
        match self {
            Self::Text(text) => Ok(("text", text)),
            Self::Packed(packer) => {
                let packer = packer.into_inner().map_err(IntoInnerError::into_error)?;
                Ok(("deflate", packer.finish()?.finish()?))
            }
        }
    }
}

impl Write for Block {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Text(text) => {
                text.extend_from_slice(bytes);
                if text.len() > LONGEST_TEXT {
                    let base64 = EncoderWriter::new(Vec::new(), &STANDARD);
                    let mut packer = Packer::new(DeflateEncoder::new(base64, Compression::new(6)));
                    packer.write_all(text)?;
                    *self = Self::Packed(Box::new(packer));
                }
            }
            Self::Packed(packer) => packer.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text with everything escaped that HTML or an old JavaScript could take for its own.
fn write_inert(text: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut rest = text;
    while let Some((at, length, escape)) = next_active(rest) {
        let (before, from) = rest.split_at(at);
        out.write_all(before)?;
        out.write_all(escape)?;
        rest = from.get(length..).unwrap_or_default();
    }
    out.write_all(rest)
}

/// The first sequence that must be escaped: where, how long, and what stands for it.
fn next_active(text: &[u8]) -> Option<(usize, usize, &'static [u8])> {
    text.iter().enumerate().find_map(|(at, byte)| match byte {
        b'<' => Some((at, 1, br"\u003c".as_slice())),
        b'>' => Some((at, 1, br"\u003e".as_slice())),
        b'&' => Some((at, 1, br"\u0026".as_slice())),
        0xe2 if text.get(at..)?.starts_with("\u{2028}".as_bytes()) => Some((at, 3, br"\u2028".as_slice())),
        0xe2 if text.get(at..)?.starts_with("\u{2029}".as_bytes()) => Some((at, 3, br"\u2029".as_slice())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inert(text: &str) -> String {
        let mut out = Vec::new();
        write_inert(text.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_active_is_left_and_the_value_is_the_same() {
        let odd = "</script><script>alert(1)</script><!-- & \u{2028}\u{2029} \u{20ac} \"'`";
        let json = serde_json::to_string(odd).unwrap();
        let text = inert(&json);
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), odd);
        assert_eq!(inert("\"plain \u{20ac}\""), "\"plain \u{20ac}\"");
        assert_eq!(inert(""), "");
    }

    #[test]
    fn a_long_document_is_packed_whatever_the_pieces() {
        let json = format!("[{}1]", "1234567890,".repeat(LONGEST_TEXT / 5));
        let mut out = Vec::new();
        write(
            "x",
            &mut |to| json.as_bytes().chunks(70_001).try_for_each(|c| to.write_all(c)),
            &mut out,
        )
        .unwrap();
        let page = String::from_utf8(out).unwrap();
        let start = "<script type=\"application/json\" id=\"x\" data-form=\"deflate\">";
        let packed = page
            .strip_prefix(start)
            .unwrap()
            .strip_suffix("</script>\n")
            .unwrap();
        assert!(
            packed.len() < json.len() / 20,
            "{} of {}",
            packed.len(),
            json.len()
        );
        let packed = base64::Engine::decode(&STANDARD, packed).unwrap();
        let mut back = String::new();
        io::Read::read_to_string(&mut flate2::read::DeflateDecoder::new(&packed[..]), &mut back).unwrap();
        assert!(back == json);
    }
}
