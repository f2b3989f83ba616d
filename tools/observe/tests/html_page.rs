//! The page of HTML as a text: it fetches nothing, its documents come out as they went in, and no name is ever markup.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use base64::Engine;
use observe::html::{self, PageKind, Pages, RegionPages};
use observe::{Snapshot, json};
use procfs::{Addr, DirRoot};
use serde_json::Value;
use std::io::Read;

const ODD: &str = "</script><script>alert(1)</script><!-- \"'`&amp; \u{2028}\u{2029}";

fn page(document: &[u8], pages: Option<&Pages>, diff: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    let document: html::Json<'_> = &mut |to| to.write_all(document);
    match diff {
        Some(diff) => html::write(document, pages, Some(&mut |to| to.write_all(diff)), &mut out).unwrap(),
        None => html::write(document, pages, None, &mut out).unwrap(),
    }
    String::from_utf8(out).unwrap()
}

/// The text of the element with this id, and its form.
fn block<'a>(page: &'a str, id: &str) -> Option<(&'a str, &'a str)> {
    let start = format!("<script type=\"application/json\" id=\"{id}\" data-form=\"");
    let (_, rest) = page.split_once(&start)?;
    let (form, rest) = rest.split_once("\">")?;
    Some((form, rest.split_once("</script>")?.0))
}

fn json_of(page: &str, id: &str) -> Value {
    let (form, text) = block(page, id).unwrap();
    match form {
        "text" => serde_json::from_str(text).unwrap(),
        "deflate" => {
            let packed = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
            let mut json = String::new();
            flate2::read::DeflateDecoder::new(&packed[..])
                .read_to_string(&mut json)
                .unwrap();
            serde_json::from_str(&json).unwrap()
        }
        other => panic!("form {other}"),
    }
}

/// The page without its data.
fn program_of(page: &str) -> String {
    page.lines()
        .filter(|line| !line.starts_with("<script type=\"application/json\""))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn nothing_is_fetched() {
    let program = program_of(&page(b"{}", None, None));
    let outside = [
        "http:",
        "https:",
        "src=",
        "url(",
        "@import",
        "<link",
        "<iframe",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "WebSocket",
    ];
    for word in outside {
        assert!(!program.contains(word), "the page says {word}");
    }
    assert!(program.contains("default-src 'none'"));
    // Text only ever becomes text.
    for word in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
    ] {
        assert!(!program.contains(word), "the program uses {word}");
    }
    for mark in ["<!-- style -->", "<!-- data -->", "<!-- program -->"] {
        assert!(!program.contains(mark), "{mark} is still there");
    }
    assert_eq!(program.matches("<script>").count(), 1);
    assert_eq!(program.matches("</script>").count(), 1);
}

#[test]
fn a_snapshot_comes_out_as_it_went_in() {
    let root = DirRoot::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../procfs/tests/fixtures/arm64-16k"
    ));
    let snapshot = Snapshot::take(&root, 7).unwrap();
    let mut plain = Vec::new();
    json::write(&snapshot, &mut plain).unwrap();
    let mut out = Vec::new();
    html::write(&mut |to| json::write(&snapshot, to), None, None, &mut out).unwrap();
    let page = String::from_utf8(out).unwrap();
    assert_eq!(
        json_of(&page, "data-vmmap"),
        serde_json::from_slice::<Value>(&plain).unwrap()
    );
    assert!(block(&page, "data-pages").is_none());
    assert!(block(&page, "data-diff").is_none());
}

#[test]
fn a_large_document_comes_out_as_it_went_in() {
    let regions: Vec<Value> = (0..60_000)
        .map(|n| serde_json::json!({"start": format!("{n:#x}"), "detail": ODD}))
        .collect();
    let document = serde_json::json!({ "regions": regions });
    let text = document.to_string();
    let page = page(text.as_bytes(), None, None);
    assert!(page.len() < text.len() / 4, "{} of {}", page.len(), text.len());
    assert_eq!(json_of(&page, "data-vmmap"), document);
}

#[test]
fn odd_names_are_inert_wherever_they_stand() {
    let document = serde_json::json!({"process": {"name": ODD, "path": ODD}, "regions": [{"detail": ODD}]});
    let change = serde_json::json!({"identity": ODD, "change": "new", "type": ODD, "detail": ODD});
    let diff =
        serde_json::json!({"schema": "pagewalk.diff/1", "before": ODD, "after": ODD, "changes": [change]});
    let mut pages = Pages::new(4096, 1, Vec::new());
    pages.not_read = Some(ODD.into());
    let plain = page(b"{}", Some(&Pages::new(4096, 1, Vec::new())), Some(b"{}"));
    let odd = page(
        document.to_string().as_bytes(),
        Some(&pages),
        Some(diff.to_string().as_bytes()),
    );
    for mark in ["<script", "</script", "<!--"] {
        assert_eq!(odd.matches(mark).count(), plain.matches(mark).count(), "{mark}");
    }
    assert!(!odd.contains(['\u{2028}', '\u{2029}']));
    assert_eq!(json_of(&odd, "data-vmmap"), document);
    assert_eq!(json_of(&odd, "data-pages")["not_read"], ODD);
    assert_eq!(json_of(&odd, "data-diff"), diff);
}

#[test]
fn runs_are_written_as_counts_and_letters() {
    let mut region = RegionPages::new(Addr(0x7f00_0000_1000));
    region.push(2, PageKind::PRESENT | PageKind::EXCLUSIVE | PageKind::DIRTY);
    region.push(1, PageKind::PRESENT | PageKind::EXCLUSIVE | PageKind::DIRTY);
    region.push(0, PageKind::GUARD);
    region.push(12, PageKind::ABSENT);
    region.push(1, PageKind::GUARD);
    region.push(5, PageKind::PRESENT | PageKind::FILE | PageKind::HUGE);
    region.push(1, PageKind::PRESENT | PageKind::ZERO);
    region.push(4, PageKind::SWAPPED);
    let page = page(b"{}", Some(&Pages::new(4096, 100, vec![region])), None);
    let expected = serde_json::json!({
        "schema": "pagewalk.pages/1", "page_bytes": 4096, "limit": 100, "looked_at": 26, "not_looked_at": 0, "beyond_limit": 0, "not_read": null,
        "regions": [{"start": "0x7f0000001000", "runs": "3pxd12-1g5pfh1pz4s"}],
    });
    assert_eq!(json_of(&page, "data-pages"), expected);
}
