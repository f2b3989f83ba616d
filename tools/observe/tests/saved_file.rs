//! A snapshot saved and read back is the same; what is not such a file is refused with its reason.

use observe::json::{self, file};
use observe::{Figure, Snapshot};
use procfs::{DirRoot, Kib};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

fn fixture() -> Snapshot {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../procfs/tests/fixtures/arm64-16k");
    kept(Snapshot::take(&DirRoot::new(folder), 7).expect("the fixture is whole"))
}

fn own() -> Snapshot {
    let pid = i32::try_from(std::process::id()).expect("the fixture is whole");
    kept(Snapshot::take(&DirRoot::host(), pid).expect("the fixture is whole"))
}

fn text(snapshot: &Snapshot) -> String {
    let mut out = Vec::new();
    json::write(snapshot, &mut out).expect("the fixture is whole");
    String::from_utf8(out).expect("the fixture is whole")
}

fn back(text: &str) -> Result<Snapshot, String> {
    json::read(text.as_bytes()).map_err(|e| e.to_string())
}

/// Without what a saved file does not give back: it follows from files and memory that are not saved.
fn kept(mut snapshot: Snapshot) -> Snapshot {
    (snapshot.images, snapshot.sections) = (Vec::new(), Vec::new());
    (snapshot.heap, snapshot.threads, snapshot.longest_hold) = (None, None, None);
    (snapshot.facts.stack_limit, snapshot.facts.most_maps) = (None, None);
    snapshot
}

#[test]
fn what_is_written_is_read_back_whole() {
    for snapshot in [fixture(), own()] {
        assert!(snapshot.regions.as_ref().expect("the fixture is whole").len() > 10);
        assert_eq!(back(&text(&snapshot)).expect("the fixture is whole"), snapshot);
    }
}

#[test]
fn wide_and_unknown_figures_and_odd_bytes_come_back() {
    let mut snapshot = fixture();
    let regions = snapshot.regions.as_mut().expect("the fixture is whole");
    regions[0].figures.set(Figure::Rss, Some(Kib(1 << 40)));
    regions[1].figures.set(Figure::Pss, None);
    regions[2].flags = None;
    regions[3].protection_key = Some(3);
    regions[4].object = std::sync::Arc::new(observe::Object {
        name: b"/tmp/\xff\x1b[2J \"x\"".to_vec(),
        shown: observe::printable(b"/tmp/\xff\x1b[2J \"x\""),
        inode: u64::MAX,
        ..observe::Object::default()
    });
    snapshot.facts.virtual_size = None;
    // A figure made unknown keeps its old bits: what is said of it is compared.
    let read = back(&text(&snapshot)).expect("the fixture is whole");
    assert_eq!(text(&read), text(&snapshot));
    let regions = read.regions.expect("the fixture is whole");
    assert_eq!(regions[0].figure(Figure::Rss), Some(Kib(1 << 40)));
    assert_eq!((regions[1].figure(Figure::Pss), &regions[2].flags), (None, &None));
    assert_eq!(
        regions[4].object,
        snapshot.regions.as_ref().expect("the fixture is whole")[4].object
    );
    snapshot.regions = None;
    assert_eq!(back(&text(&snapshot)).expect("the fixture is whole"), snapshot);
}

#[test]
fn unknown_fields_are_passed_over_and_texts_cannot_steer_the_terminal() {
    let snapshot = fixture();
    let more = text(&snapshot)
        .replacen("{\"schema\"", "{\"audit\":[{\"x\":[1,null]}],\"schema\"", 1)
        .replace("\"is_guess\"", "\"novelties\":{\"a\":1.5},\"is_guess\"");
    assert_eq!(back(&more).expect("the fixture is whole"), snapshot);
    let mut named = snapshot;
    named.facts.name = "a\u{1b}[31mb".into();
    assert_eq!(
        back(&text(&named)).expect("the fixture is whole").facts.name,
        "a\u{fffd}[31mb"
    );
}

#[test]
fn what_no_process_can_have_is_an_error_that_says_so() {
    let good = text(&fixture());
    let first = &fixture().regions.expect("the fixture is whole")[0];
    let start = format!("\"start\":\"{:#x}\"", first.start.0);
    let wrong = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        back(&good.replacen(from, to, 1)).unwrap_err()
    };
    let says = |error: String, part: &str| assert!(error.contains(part), "{error}");
    says(
        wrong("vmmap/1", "vmmap/2"),
        "another version of pagewalk wrote it",
    );
    says(wrong("pagewalk.vmmap/1", "other/1"), "it is no saved snapshot");
    says(
        wrong(&start, "\"start\":\"0xffffffffffff\""),
        "is not above its start",
    );
    says(wrong(&start, "\"start\":\"12\""), "is no address");
    says(
        wrong("\"type\":\"text\"", "\"type\":\"teapot\""),
        "\"teapot\" is no region type",
    );
    says(
        wrong("\"page_size\":16384", "\"page_size\":16383"),
        "is no size of a page",
    );
    says(wrong("\"pid\":7", "\"pid\":70000000000"), "invalid value");
    says(wrong("\"rss\":", "\"rss\":-1,\"x\":"), "invalid value");
    says(
        wrong("\"protection\":\"r-x\"", "\"protection\":\"rwxs\""),
        "is no protection",
    );
    let regions = good.find("\"regions\":[").expect("the fixture is whole");
    let (head, tail) = good.split_at(regions + "\"regions\":[".len());
    let one = &tail[..=tail.find("},{").expect("the fixture is whole")];
    says(
        back(&format!("{head}{one},{tail}")).unwrap_err(),
        "regions must ascend",
    );
    for cut in [0, 1, 40, good.len() / 2, good.len() - 3] {
        assert_eq!(back(&good[..cut]).unwrap_err(), "it is cut short", "{cut}");
    }
    says(back(&format!("{good}x")).unwrap_err(), "and no JSON");
    says(back("[1]").unwrap_err(), "invalid");
}

fn saved(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("a.vmmap");
    file::save(&fixture(), &path, false).expect("the fixture is whole");
    let bytes = std::fs::read(&path).expect("the fixture is whole");
    (path, bytes)
}

#[test]
fn a_file_is_compressed_whole_and_alone() {
    let folder = tempfile::tempdir().expect("the fixture is whole");
    let (path, bytes) = saved(folder.path());
    assert!(bytes.len() * 3 < text(&fixture()).len(), "{}", bytes.len());
    assert_eq!(file::open(&path).expect("the fixture is whole"), fixture());
    // Again over itself, and nothing else is left in the folder.
    file::save(&fixture(), &path, false).expect("the fixture is whole");
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the fixture is whole")
            .count(),
        1
    );
    // Any gzip will do: it is the public format.
    let mut plain = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut plain)
        .expect("the fixture is whole");
    let plain_path = folder.path().join("plain.json");
    std::fs::write(&plain_path, &plain).expect("the fixture is whole");
    assert_eq!(file::open(&plain_path).expect("the fixture is whole"), fixture());
    assert!(file::is_saved(&path) && file::is_saved(&plain_path));
}

#[test]
fn other_files_are_not_overwritten() {
    let folder = tempfile::tempdir().expect("the fixture is whole");
    let path = folder.path().join("precious.txt");
    std::fs::write(&path, "precious").expect("the fixture is whole");
    let error = file::save(&fixture(), &path, false).unwrap_err().to_string();
    assert!(error.contains("--force") && !error.contains('\n'), "{error}");
    assert_eq!(std::fs::read(&path).expect("the fixture is whole"), b"precious");
    assert!(file::save(&fixture(), folder.path(), true).is_err());
    assert!(file::save(&fixture(), &folder.path().join("no/such"), false).is_err());
    file::save(&fixture(), &path, true).expect("the fixture is whole");
    assert_eq!(file::open(&path).expect("the fixture is whole"), fixture());
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the fixture is whole")
            .count(),
        1
    );
}

#[test]
fn damage_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().expect("the fixture is whole");
    let (path, bytes) = saved(folder.path());
    let with = |bytes: &[u8]| {
        std::fs::File::create(&path)
            .expect("the fixture is whole")
            .write_all(bytes)
            .expect("the fixture is whole");
        file::open(&path)
    };
    for cut in [0, 1, 2, 9, 11, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
        let error = with(&bytes[..cut]).unwrap_err();
        assert!(error.what.contains("cut short") || cut == 1, "{cut}: {error}");
    }
    // A turned bit anywhere but in the header's free fields (flags of no effect, time, system) is found; or it was one of
    // the bits that fill the last byte before the checksum, and changes nothing.
    let mut unseen = 0;
    for at in (10..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match with(&damaged) {
            Ok(snapshot) => {
                assert_eq!(snapshot, fixture(), "{at} of {}", bytes.len());
                unseen += 1;
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
    assert!(unseen <= 1, "{unseen} turned bits were not found");
    assert!(with(b"hello").unwrap_err().what.contains("no JSON"));
    assert!(
        file::open(folder.path())
            .unwrap_err()
            .what
            .contains("cannot read")
    );
    assert!(
        file::open(&folder.path().join("none"))
            .unwrap_err()
            .what
            .contains("No such file")
    );
}

/// Everything that is done with a snapshot, which must not panic whatever it says.
fn use_it(snapshot: &Snapshot, other: &Snapshot) {
    let mut out = Vec::new();
    let options = observe::render::Options {
        verbose: true,
        ..observe::render::Options::default()
    };
    observe::render::report(snapshot, &options, &mut out).expect("memory takes it");
    for (a, b) in [(snapshot, other), (other, snapshot), (snapshot, snapshot)] {
        let diff = observe::diff::Diff::between(a, b);
        observe::diff::report(&diff, &options, &mut out).expect("memory takes it");
        observe::diff::write_json(&diff, &mut out).expect("memory takes it");
    }
    let second = std::time::Duration::from_secs(1);
    observe::wss::report(snapshot, second, second, &options, &mut out).expect("memory takes it");
    assert!(
        observe::wss::Prediction::of(snapshot)
            .to_string()
            .contains("may stall")
    );
    json::write(snapshot, &mut out).expect("memory takes it");
}

#[test]
fn absurd_numbers_are_errors_or_are_shown() {
    let (good, plain) = (text(&fixture()), fixture());
    let numbers = [
        "0",
        "1",
        "-1",
        "1.5",
        "4294967296",
        "18446744073709551615",
        "99999999999999999999",
        "null",
        "\"x\"",
    ];
    let keys = good.match_indices("\":").map(|(at, _)| at + 2);
    let values: Vec<usize> = keys
        .filter(|&at| good[at..].starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert!(values.len() > 500);
    let mut shown = 0;
    // One at a time through the head and the first region, then every 37th.
    for (nth, &at) in values
        .iter()
        .enumerate()
        .filter(|(nth, _)| *nth < 60 || nth % 37 == 0)
    {
        let len = good[at..].find(|c: char| !c.is_ascii_digit()).unwrap();
        for number in numbers {
            let odd = format!("{}{number}{}", &good[..at], &good[at + len..]);
            match back(&odd) {
                Ok(snapshot) => {
                    use_it(&snapshot, &plain);
                    shown += 1;
                }
                Err(error) => assert!(!error.is_empty() && !error.contains('\n'), "{nth}: {error}"),
            }
        }
    }
    assert!(shown > 100);
    // And all at once, where any number is allowed.
    let mut huge = plain.clone();
    for region in huge.regions.iter_mut().flatten() {
        for &figure in Figure::ALL {
            region.figures.set(figure, Some(Kib(u64::MAX)));
        }
        region.count = u32::MAX;
    }
    use_it(&huge, &plain);
    use_it(&back(&text(&huge)).unwrap(), &plain);
}
