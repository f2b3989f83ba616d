//! Mnemonics of words, from GNU objdump.

use std::process::Command;

const OBJDUMP: &str = "aarch64-linux-gnu-objdump";

/// The mnemonic of each word, without aliases.
pub(crate) fn mnemonics(words: &[u32]) -> Result<Vec<String>, String> {
    let file = std::env::temp_dir().join(format!("pagewalk-names-{}", std::process::id()));
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(&file, bytes).map_err(|error| format!("{}: {error}", file.display()))?;
    let output = Command::new(OBJDUMP)
        .args(["-D", "-z", "-b", "binary", "-m", "aarch64", "-M", "no-aliases"])
        .arg(&file)
        .output();
    // It was written above; if it stays, it stays in the folder for such files.
    let _ = std::fs::remove_file(&file);
    let output = output
        .map_err(|error| format!("{OBJDUMP}: {error}; on Debian: apt install binutils-aarch64-linux-gnu"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<String> = text.lines().filter_map(mnemonic).collect();
    if names.len() != words.len() {
        return Err(format!(
            "{OBJDUMP} named {} of {} words",
            names.len(),
            words.len()
        ));
    }
    Ok(names)
}

/// Of a line of address, word, mnemonic and operands, with tabs between.
fn mnemonic(line: &str) -> Option<String> {
    let mut fields = line.split('\t');
    let address = fields.next()?.trim().strip_suffix(':')?;
    u64::from_str_radix(address, 16).ok()?;
    fields.next()?;
    Some(fields.next()?.trim().to_owned())
}
