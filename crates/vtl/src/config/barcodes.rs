//! Barcode patterns: a run of `#` stands for a number.

use tape_store::cartridge::Barcode;

/// The barcodes of a pattern such as `V####1L8`… with `#` counted up from `first`.
///
/// # Errors
/// What is wrong with the pattern, as text.
pub(super) fn expand(pattern: &str, first: u32, count: u32) -> Result<Vec<Barcode>, String> {
    let start = pattern.find('#');
    let width = pattern.bytes().filter(|byte| *byte == b'#').count();
    let run = "#".repeat(width);
    if width > 0 && !pattern.contains(&run) {
        return Err(format!("{pattern:?} has more than one run of #; write one, as in \"V#####L8\""));
    }
    let last = u64::from(first) + u64::from(count.saturating_sub(1));
    if start.is_none() && count != 1 {
        return Err(format!("{pattern:?} has no # to count {count} cartridges with, as in \"V#####L8\""));
    }
    if start.is_some() && last.to_string().len() > width {
        return Err(format!("{pattern:?} has {width} digits, but the last number is {last}"));
    }
    let name =
        |number: u64| if width > 0 { pattern.replacen(&run, &format!("{number:0width$}"), 1) } else { pattern.into() };
    (0..u64::from(count))
        .map(|step| {
            let text = name(u64::from(first) + step);
            Barcode::new(&text).ok_or_else(|| format!("{text:?} is no barcode: 1 to 16 of A-Z, 0-9, - and _"))
        })
        .collect()
}
