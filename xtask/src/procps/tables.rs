//! The tables that ps, top and pmap print, taken apart. Key types: [`Pmap`], [`Row`].

use serde_json::Value;

use crate::trouble::Trouble;

/// Columns of `pmap -XX`, each with the field of `vmmap --json` that means the same.
pub(super) const PMAP_COLUMNS: [(&str, &str); 14] = [
    ("Size", "size"),
    ("Rss", "rss"),
    ("Pss", "pss"),
    ("Pss_Dirty", "pss_dirty"),
    ("Shared_Clean", "shared_clean"),
    ("Shared_Dirty", "shared_dirty"),
    ("Private_Clean", "private_clean"),
    ("Private_Dirty", "private_dirty"),
    ("Referenced", "referenced"),
    ("Anonymous", "anonymous"),
    ("LazyFree", "lazy_free"),
    ("Swap", "swap"),
    ("SwapPss", "swap_pss"),
    ("Locked", "locked"),
];

/// `pmap -XX` of one process.
pub(super) struct Pmap {
    columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    totals: Vec<u64>,
}

/// One mapping.
pub(super) struct Row {
    pub(super) start: u64,
    /// The one mapping whose pages all processes of the machine share, those that ask too.
    pub(super) is_vdso: bool,
    words: Vec<String>,
}

impl Pmap {
    pub(super) fn parse(text: &str) -> Result<Pmap, Trouble> {
        let wrong = || Trouble::Failed(format!("no table of pmap -XX:\n{text}"));
        let mut lines = text.lines().skip(1);
        // From VmFlags on, a column has several words.
        let header = lines.next().ok_or_else(wrong)?.split_whitespace();
        let columns: Vec<String> = header
            .take_while(|word| *word != "VmFlags")
            .map(str::to_owned)
            .collect();
        let mut rows = Vec::new();
        for line in lines
            .by_ref()
            .take_while(|line| !line.trim_start().starts_with("=="))
        {
            let words: Vec<String> = line
                .split_whitespace()
                .take(columns.len())
                .map(str::to_owned)
                .collect();
            let start = u64::from_str_radix(words.first().ok_or_else(wrong)?, 16).map_err(|_| wrong())?;
            let is_vdso = line.trim_end().ends_with("[vdso]");
            rows.push(Row {
                start,
                is_vdso,
                words,
            });
        }
        let totals = lines.next().map(numbers).ok_or_else(wrong)?;
        Ok(Pmap {
            columns,
            rows,
            totals,
        })
    }

    fn place(&self, column: &str) -> Result<usize, Trouble> {
        let found = self.columns.iter().position(|name| name == column);
        found.ok_or_else(|| Trouble::Failed(format!("pmap -XX has no column {column}")))
    }

    /// The figure under the line: there is one for each column from Size on.
    pub(super) fn total(&self, column: &str) -> Result<u64, Trouble> {
        let at = self.place(column)? - self.place("Size")?;
        let total = self.totals.get(at).copied();
        total.ok_or_else(|| Trouble::Failed(format!("pmap -XX has no total of {column}")))
    }
}

impl Row {
    pub(super) fn kib(&self, of: &Pmap, column: &str) -> Result<u64, Trouble> {
        let word = self.words.get(of.place(column)?);
        let value = word.and_then(|word| word.parse().ok());
        value.ok_or_else(|| Trouble::Failed(format!("pmap -XX: {column} of {:x} is {word:?}", self.start)))
    }
}

/// The lines whose first word is one of these numbers, in their order, as words.
pub(super) fn rows(table: &str, pids: &[&str]) -> Result<Vec<Vec<String>>, Trouble> {
    let row = |pid: &&str| {
        let mut lines = table
            .lines()
            .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let found = lines.find(|words| words.first().is_some_and(|word| word == pid));
        found.ok_or_else(|| Trouble::Failed(format!("no line of process {pid} in\n{table}")))
    };
    pids.iter().map(row).collect()
}

/// Whole seconds of `[H:]M:SS.hh`.
pub(super) fn seconds(time: &str) -> Option<String> {
    let whole = time.split('.').next()?;
    let parts = whole.split(':').map(|part| part.parse::<u64>().ok());
    let sum = parts
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .fold(0, |sum, part| sum * 60 + part);
    Some(sum.to_string())
}

/// An address of `vmmap --json`.
pub(super) fn address(value: &Value) -> Option<u64> {
    u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
}

/// All whole numbers of a line; what stands after a decimal point is left out.
pub(super) fn numbers(line: &str) -> Vec<u64> {
    let words = line
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty());
    words
        .filter_map(|word| word.split('.').next()?.parse().ok())
        .collect()
}
