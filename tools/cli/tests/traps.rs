//! What `smaps` tells and is easily misread, one test a trap (`tests/truth/traps.c`): each with a real process, in JSON and in
//! the text report, and where it can be had with the kernel's own figure that misleads.

#[path = "truth/harness.rs"]
mod harness;

use harness::{Row, Subject, in_kib, json_of, kernel_says, number, report, vmmap};
use procfs::{DirRoot, PAGEMAP_ENTRY_BYTES, PagemapEntry, Root, SmapsRollup};
use serde_json::Value;

/// Everything that the program said of its regions is reported, in both forms.
fn is_right(subject: &Subject) {
    let json = subject.wrong(|_| true);
    let text = subject.wrong_in_text(|_| true);
    assert!(
        json.is_empty() && text.is_empty(),
        "JSON:\n{}\ntext:\n{}",
        json.join("\n"),
        text.join("\n")
    );
}

fn pagemap_entry(pid: i32, addr: u64) -> PagemapEntry {
    let mut word = [0; 8];
    let number = addr / rustix::param::page_size() as u64;
    let read = DirRoot::host().read_at(&format!("{pid}/pagemap"), number * PAGEMAP_ENTRY_BYTES, &mut word);
    assert_eq!(read.expect("the subject lives"), 8);
    PagemapEntry(u64::from_le_bytes(word))
}

/// `vmmap PID ADDRESS`: what it says of the page.
fn page_in_words(pid: i32, addr: u64) -> String {
    let text = report(&[&pid.to_string(), &format!("{addr:x}")]);
    let line = text.lines().find(|line| line.starts_with("Its page at"));
    line.unwrap_or_else(|| panic!("nothing of the page in\n{text}"))
        .to_owned()
}

#[test]
fn trap_1_a_dirty_page_cache_is_not_dirty_memory() {
    let subject = Subject::trap("fresh-file");
    let (start, end) = subject.range("fresh file").expect("the program made it");
    // The kernel may have written it back by itself already; as a rule it has not.
    let kernel = kernel_says(subject.pid(), start, "Private_Dirty");
    println!("the kernel's Private_Dirty: {kernel:?} of {}", end - start);
    is_right(&subject);
    let file = std::fs::File::open(subject.folder().join("fresh")).expect("the program made it");
    file.sync_all().expect("it can be written back");
    is_right(&subject);
}

#[test]
fn trap_2_mapped_twice_is_not_shared_and_forked_is_both_sides() {
    let subject = Subject::trap("twice-and-forked");
    for (name, kind) in [("twice", "the same process"), ("forked", "parent and child")] {
        let (start, end) = subject.range(name).expect("the program made it");
        let kernel = kernel_says(subject.pid(), start, "Shared_Dirty");
        assert_eq!(
            kernel,
            Some(end - start),
            "mapped by {kind}, the kernel calls it shared"
        );
    }
    is_right(&subject);
}

#[test]
fn trap_3_a_guard_is_not_swapped() {
    let subject = Subject::trap("guards");
    let Some((start, _)) = subject.range("guards") else {
        return;
    };
    let entry = pagemap_entry(subject.pid(), start);
    assert!(
        entry.has(PagemapEntry::SWAPPED) && entry.has(PagemapEntry::GUARD),
        "{entry:?}"
    );
    is_right(&subject);
    let words = page_in_words(subject.pid(), start);
    assert!(words.contains("guard") && !words.contains("swap"), "{words}");
    assert_eq!(json_of(subject.pid())["total"]["swap"], 0);
}

#[test]
fn trap_4_present_is_not_resident() {
    let subject = Subject::trap("zeros");
    let (start, _) = subject.range("zeros").expect("the program made it");
    assert!(pagemap_entry(subject.pid(), start).has(PagemapEntry::PRESENT));
    assert_eq!(kernel_says(subject.pid(), start, "Rss"), Some(0));
    is_right(&subject);
    let words = page_in_words(subject.pid(), start);
    assert!(
        words.contains("present") && !words.contains("not present"),
        "{words}"
    );
    // Device and kernel pages without struct page: present too, and in no counter.
    let report = json_of(subject.pid());
    let regions = report["regions"].as_array().expect("the report has regions");
    let vvar = regions.iter().find(|r| r["detail"] == "[vvar]");
    if let Some(vvar) = vvar {
        assert_eq!(
            (&vvar["share_mode"], &vvar["resident"]),
            (&"DEV".into(), &0.into()),
            "{vvar}"
        );
    }
}

/// A memory of zeros too large to be read page by page at little cost: it must not be called empty.
#[test]
#[ignore = "regions of more than 64 Ki pages are called empty unseen"]
fn trap_4_a_zero_in_a_large_region_is_seen() {
    let subject = Subject::trap("far-zero");
    is_right(&subject);
}

/// A setting of the kernel's that a test changes, if this user may and it is not so already, and puts back.
struct Setting {
    path: &'static str,
    before: String,
}

impl Setting {
    fn changed(path: &'static str, to: &str) -> Option<Self> {
        let before = std::fs::read_to_string(path).ok()?.trim().to_owned();
        std::fs::write(path, to).ok()?;
        Some(Self { path, before })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = std::fs::write(self.path, &self.before);
    }
}

#[test]
#[ignore = "/anon_hugepage is told as a mapped file"]
fn trap_4_hugetlb_is_resident_though_rss_leaves_it_out() {
    let _pool = Setting::changed("/proc/sys/vm/nr_hugepages", "4");
    let subject = Subject::trap("hugetlb");
    let Some((start, end)) = subject.range("hugetlb, private") else {
        println!("this kernel has no huge pages to give: nothing was checked");
        return;
    };
    assert_eq!(kernel_says(subject.pid(), start, "Rss"), Some(0));
    assert_eq!(
        kernel_says(subject.pid(), start, "Private_Hugetlb"),
        Some(end - start)
    );
    is_right(&subject);
}

/// Pages that KSM merged are shared, with whomever, until they are written.
#[test]
fn pages_that_ksm_merged_are_copy_on_write() {
    let _ksm = Setting::changed("/sys/kernel/mm/ksm/run", "1");
    let subject = Subject::trap("same-pages");
    let Some((start, end)) = subject.range("same pages") else {
        return;
    };
    let merged = || kernel_says(subject.pid(), start, "KSM");
    let is_all = (0..400).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        merged() == Some(end - start)
    });
    if !is_all {
        println!(
            "KSM does not merge here (it has {:?}): nothing was checked",
            merged()
        );
        return;
    }
    is_right(&subject);
    // The kernel's own counters do not say that it is shared: all of it may be called private.
    println!(
        "Shared_Dirty: {:?}",
        kernel_says(subject.pid(), start, "Shared_Dirty")
    );
}

#[test]
fn trap_5_neighbours_are_one_mapping() {
    let subject = Subject::trap("merged");
    is_right(&subject);
    let range = subject.range("three in one").expect("the program made it");
    let row = Row::find(&report(&["-v", &subject.pid().to_string()]), range);
    assert_eq!(row.sizes[0], in_kib(range.1 - range.0));
}

/// Two blocks of malloc's with a mapping of their own merge; both are counted.
#[test]
#[ignore = "no malloc_zones yet"]
fn trap_5_merged_blocks_are_counted() {
    let subject = Subject::trap("merged");
    let report = json_of(subject.pid());
    let zones = report["malloc_zones"]
        .as_array()
        .expect("the report has malloc_zones");
    let size = 2 * ((1 << 20) + rustix::param::page_size());
    let is_both = |zone: &&Value| zone["allocation_count"] == 2 && zone["virtual"] == size;
    assert_eq!(zones.iter().filter(is_both).count(), 1, "{zones:?}");
}

#[test]
fn trap_6_freed_memory_is_volatile_before_the_kernel_counts_it() {
    let subject = Subject::trap("lazy");
    for name in ["few freed", "all freed"] {
        let (start, _) = subject.range(name).expect("the program made it");
        println!(
            "{name}: the kernel's LazyFree is {:?}",
            kernel_says(subject.pid(), start, "LazyFree")
        );
    }
    is_right(&subject);
}

/// The sums are those of `smaps`, not the approximate ones of `status`.
#[test]
fn trap_7_resident_is_exact() {
    let subject = Subject::trap("zeros");
    let root: &dyn Root = &DirRoot::host();
    let rollup: SmapsRollup = root
        .parse(&format!("{}/smaps_rollup", subject.pid()))
        .expect("the subject lives");
    let report = json_of(subject.pid());
    assert_eq!(
        report["total"]["resident"].as_u64(),
        rollup.counts.rss.map(|kib| kib.bytes())
    );
    assert_eq!(report["changed_while_reading"], false);
    let text = harness::report(&[&subject.pid().to_string()]);
    assert!(!text.contains("changed while"), "{text}");
}

/// A process that maps and unmaps all the time: regions never repeat nor overlap, and the report says that it changed.
#[test]
fn trap_7_what_changed_while_it_was_read_is_said() {
    let subject = Subject::running_trap("growing");
    let pid = subject.pid();
    let (mut is_said_in_json, mut is_said_in_text) = (false, false);
    for _ in 0..40 {
        let report = json_of(pid);
        let regions = report["regions"].as_array().expect("the report has regions");
        let ends = regions.iter().map(|r| number(&r["end"]));
        let starts = regions.iter().map(|r| number(&r["start"]));
        assert!(
            ends.zip(starts.skip(1)).all(|(end, next)| end <= next),
            "regions overlap"
        );
        is_said_in_json |= report["changed_while_reading"] == true;
        is_said_in_text |= harness::report(&["-summary", &pid.to_string()]).contains("changed while");
        if is_said_in_json && is_said_in_text {
            return;
        }
    }
    panic!("in JSON: {is_said_in_json}, in text: {is_said_in_text}");
}

#[test]
fn trap_8_locked_is_told_by_share() {
    let subject = Subject::trap("locked");
    if subject.line("locked twice").is_none() {
        return;
    }
    is_right(&subject);
    // Twice the half is the whole once.
    let (start, end) = subject.range("locked twice").expect("the program made it");
    assert_eq!(json_of(subject.pid())["total"]["locked"], end - start);
    assert_eq!(
        kernel_says(subject.pid(), start, "Locked"),
        Some((end - start) / 2)
    );
}

#[test]
fn trap_8_the_vsyscall_page_can_only_be_executed() {
    let subject = Subject::trap("zeros");
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", subject.pid())).expect("the subject lives");
    let Some(line) = maps.lines().find(|line| line.ends_with("[vsyscall]")) else {
        println!("this host has no vsyscall page");
        return;
    };
    let report = json_of(subject.pid());
    let regions = report["regions"].as_array().expect("the report has regions");
    let region = regions
        .iter()
        .find(|r| r["type"] == "vsyscall")
        .expect("it is reported");
    let kernel = line.split_whitespace().nth(1).expect("maps has protections");
    assert_eq!(region["protection"].as_str(), kernel.get(..3));
    assert_eq!(
        (&region["resident"], &region["shared"]),
        (&0.into(), &false.into())
    );
}

#[test]
fn trap_9_names_are_not_what_they_seem() {
    let subject = Subject::trap("names");
    is_right(&subject);
    let pid = subject.pid();
    let report = json_of(pid);
    let detail_of = |name: &str| {
        let (start, _) = subject.range(name).expect("the program made it");
        let mut regions = report["regions"]
            .as_array()
            .expect("the report has regions")
            .iter();
        let region = regions
            .find(|r| number(&r["start"]) == start)
            .expect("it is reported");
        region["detail"].as_str().expect("a detail is text").to_owned()
    };
    let path = |name: &str| subject.folder().join(name).display().to_string();
    for name in ["two words", "kept (deleted)", "[heap]"] {
        assert_eq!(detail_of(name), path(name));
    }
    // Nothing of a name can end a line or steer a terminal.
    for name in ["new line", "tab"] {
        let detail = detail_of(name);
        assert!(!detail.contains(char::is_control), "{detail:?}");
    }
    let text = vmmap(&["-v", &pid.to_string()]).stdout;
    let rows = String::from_utf8(text).expect("a report is UTF-8");
    assert!(rows.lines().any(|line| line.contains("/new\\012line")), "{rows}");
    assert!(rows.lines().all(|line| !line.starts_with("line")), "{rows}");
}

/// Of a file whose name only looks deleted, the audit says nothing; of a break that malloc has no part in, the report does not say
/// that malloc has.
#[test]
#[ignore = "no audit yet"]
fn trap_9_a_name_does_not_make_a_deleted_file() {
    let subject = Subject::trap("names");
    let report = json_of(subject.pid());
    let audit = report["audit"].as_array().expect("the report has an audit");
    assert!(
        !audit
            .iter()
            .any(|line| line.to_string().contains("kept (deleted)")),
        "{audit:?}"
    );
}
