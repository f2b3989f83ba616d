//! Checks of `vmmap --html` in a headless Chromium: each page tests itself when its address ends in `#selftest` (rows, sums,
//! sorting, filters, zoom, selecting, contrast, width) and writes the verdict into its document; the console must stay silent.
//! At 1280 and at 390 pixels of width, light and dark. Key type: [`Made`]. Neighbours: [`crate::browser`], [`crate::outcome`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::command::{capture, root};
use crate::outcome::{Check, Verdict};
use crate::trouble::Trouble;

/// How long one page may take to be written.
const LIMIT: Duration = Duration::from_secs(60);

const WIDTHS: [u32; 2] = [1280, 390];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// Every check of the pages that this `vmmap` writes.
pub(crate) fn checks(vmmap: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let mut add = |name: &str, check: fn(&Path) -> Result<(), Trouble>| {
        let path = vmmap.to_path_buf();
        checks.push(Check::new(name, move || verdict(check(&path))));
    };
    add("page of this process in Chromium", own_page);
    add("page with hostile names, a diff and zones", hostile_page);
    add("page of a saved folder without pagemap", saved_page);
    checks
}

/// Without a browser there is nothing to find out.
fn verdict(result: Result<(), Trouble>) -> Verdict {
    match result {
        Ok(()) => Verdict::Passed,
        Err(missing @ Trouble::Missing { .. }) => Verdict::Skipped(missing.to_string()),
        Err(trouble) => Verdict::Failed(trouble.to_string()),
    }
}

/// A page in a temporary folder that is removed with it.
struct Made {
    folder: PathBuf,
}

impl Made {
    /// An empty folder for a page.
    fn folder() -> Result<Made, Trouble> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("pagewalk-page-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Trouble::file(&folder))?;
        Ok(Made { folder })
    }

    fn file(&self) -> PathBuf {
        self.folder.join("page.html")
    }

    /// `vmmap --html` of the process that these words name.
    fn write(&self, vmmap: &Path, words: &[&str]) -> Result<(), Trouble> {
        let mut command = Command::new(vmmap);
        command.arg("--html").arg(self.file()).args(words);
        let done = capture(&mut command, b"", LIMIT)?;
        if done.status == 0 && !done.late {
            return Ok(());
        }
        Err(Trouble::Failed(format!(
            "{command:?}: status {}, {}",
            done.status,
            done.stderr.trim()
        )))
    }

    fn text(&self) -> Result<String, Trouble> {
        fs::read_to_string(self.file()).map_err(Trouble::file(self.file()))
    }

    /// Let the page test itself at every width, light and dark; then `also` may ask the browser more.
    fn test(&self, also: impl Fn(&Browser) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let browser = Browser::start()?;
        let address = format!("file://{}#selftest", self.file().display());
        for width in WIDTHS {
            for scheme in SCHEMES {
                let told = |what: String| Trouble::Failed(format!("{width} px, {scheme}: {what}"));
                browser.set_screen(width, scheme)?;
                // The same address with another fragment would not be loaded again.
                browser.open("about:blank")?;
                browser.open(&address)?;
                let said =
                    browser.wait_for("return document.getElementById('verdict')?.textContent ?? null")?;
                let said = said.as_str().unwrap_or_default();
                if !said.starts_with("passed: ") {
                    return Err(told(format!("the page finds\n{said}")));
                }
                let console = browser.console()?;
                if !console.is_empty() {
                    return Err(told(format!("the console says\n{}", console.join("\n"))));
                }
                expect(&browser, "return innerWidth", &json!(width))?;
                let is_dark = "return matchMedia('(prefers-color-scheme: dark)').matches";
                expect(&browser, is_dark, &json!(scheme == "dark"))?;
            }
        }
        also(&browser)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // A temporary folder of ours: nothing is lost if it stays.
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn expect(browser: &Browser, script: &str, expected: &Value) -> Result<(), Trouble> {
    let came = browser.evaluate(script)?;
    if came == *expected {
        return Ok(());
    }
    Err(Trouble::Failed(format!(
        "`{script}`: expected {expected}, came {came}"
    )))
}

fn own_page(vmmap: &Path) -> Result<(), Trouble> {
    let made = Made::folder()?;
    made.write(vmmap, &[&std::process::id().to_string()])?;
    made.test(|browser| {
        let name = "return document.getElementById('name').textContent.split(' ')[0]";
        expect(browser, name, &json!("xtask"))?;
        expect(
            browser,
            "return document.getElementById('diff-card').hidden",
            &json!(true),
        )?;
        // Other checks run beside this one in the same process, so that its map may change: that is no fault of the page.
        let lacks = "return [...document.querySelectorAll('#notices p')].map((p) => p.textContent) \
            .filter((text) => !text.startsWith('The address space changed'))";
        expect(browser, lacks, &json!([]))
    })
}

/// A process whose program has a name that would be markup, if it were ever taken for it.
const HOSTILE: &str = "<!--<script>alert(1)'\"&amp;\u{2028}.bin";

/// A child that sleeps under the hostile name; ended when dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start(folder: &Path) -> Result<Sleeper, Trouble> {
        let program = folder.join(HOSTILE);
        fs::copy("/bin/sleep", &program).map_err(Trouble::file(&program))?;
        let child = Command::new(&program)
            .arg("600")
            .stdin(Stdio::null())
            .spawn()
            .map_err(Trouble::file(&program))?;
        Ok(Sleeper(child))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // Our own child: if it is gone already, that is what was wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What later parts of vmmap add to the data: zones with a figure that is not known, and a diff.
fn with_zones_and_diff(page: &str) -> Result<String, Trouble> {
    let zones = r#""malloc_zones":[{"name":"main arena","virtual":1048576,"resident":524288,"bytes_allocated":null}],"types":["#;
    let side =
        |size: u64| json!({"start": "0x1000", "size": size, "resident": size, "dirty": 0, "swap": null});
    let delta = |by: i64| json!({"size": by, "resident": by, "dirty": 0, "swap": null});
    let change = |identity: &str, change: &str, before: Value, after: Value, by: i64| {
        json!({"identity": identity, "change": change, "type": "MALLOC", "detail": "[heap]",
            "before": before, "after": after, "delta": delta(by)})
    };
    let changes = [
        change("a", "changed", side(4096), side(12288), 8192),
        change("b", "new", Value::Null, side(4096), 4096),
        change("c", "gone", side(65536), Value::Null, -65536),
    ];
    let diff = json!({"schema": "pagewalk.diff/1", "before": "one", "after": "two", "changes": changes});
    let block = format!(
        "<script type=\"application/json\" id=\"data-diff\" data-form=\"text\">{diff}</script>\n<script>\n"
    );
    let changed = page
        .replacen("\"types\":[", zones, 1)
        .replacen("<script>\n", &block, 1);
    if changed.contains(zones) && changed.contains(&block) {
        return Ok(changed);
    }
    Err(Trouble::Failed(
        "the page has no place for zones or a diff".into(),
    ))
}

fn hostile_page(vmmap: &Path) -> Result<(), Trouble> {
    let made = Made::folder()?;
    let sleeper = Sleeper::start(&made.folder)?;
    // Until exec(2) is through, the child has our own map.
    let exe = format!("/proc/{}/exe", sleeper.0.id());
    while !fs::read_link(&exe).is_ok_and(|path| path.ends_with(HOSTILE)) {
        std::thread::sleep(Duration::from_millis(10));
    }
    made.write(vmmap, &[&sleeper.0.id().to_string()])?;
    let page = with_zones_and_diff(&made.text()?)?;
    fs::write(made.file(), page).map_err(Trouble::file(made.file()))?;
    made.test(|browser| {
        let is_shown = format!(
            "return document.getElementById('path').textContent.endsWith({})",
            // A separator of lines is not shown as it is.
            json!(HOSTILE.replace('\u{2028}', "\u{fffd}"))
        );
        expect(browser, &is_shown, &json!(true))?;
        let zone =
            "return [...document.querySelectorAll('#zones tbody tr > *')].map((cell) => cell.textContent)";
        expect(browser, zone, &json!(["main arena", "1 M", "512 K", "?"]))?;
        let sums = "return [...document.querySelectorAll('#diff-sums b')].map((sum) => sum.textContent)";
        expect(browser, sums, &json!(["\u{2212}52 K", "\u{2212}52 K", "0", "?"]))
    })
}

fn saved_page(vmmap: &Path) -> Result<(), Trouble> {
    let made = Made::folder()?;
    let folder = root().join("tools/procfs/tests/fixtures/arm64-16k");
    made.write(vmmap, &["--root", &folder.display().to_string(), "7"])?;
    made.test(|browser| {
        let notices = "return document.getElementById('notices').textContent.includes('pagemap')";
        expect(browser, notices, &json!(true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_browser_is_no_failure_but_a_bad_page_is() {
        let missing = Trouble::Missing {
            tool: "it".into(),
            why: "gone".into(),
        };
        assert!(matches!(verdict(Err(missing)), Verdict::Skipped(_)));
        assert!(matches!(
            verdict(Err(Trouble::Failed("no".into()))),
            Verdict::Failed(_)
        ));
        assert!(with_zones_and_diff("<p>").is_err());
    }
}
