//! `generate_library_contents`: writes a `library_contents` file for every library of a `device.conf`.

use crate::device_conf::generate;
use crate::getopt::Options;
use crate::{Invocation, ToolError, ToolResult};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use vtl::config::mhvtl::{DeviceKind, DeviceSummary, device_summaries, directory};

const MIDDLE: &str = "
Picker 1:

MAP 1:
MAP 2:
MAP 3:
MAP 4:

# Slot N: [barcode]
# The last two characters of a barcode select the medium: L1 to L9 LTO, LT to LZ LTO WORM, TA and TB T10000, JA, JB
# and JK 3592, and others. The prefix CLN selects a cleaning cartridge, the prefix W a WORM cartridge.
";

pub(crate) fn usage(name: &str) -> String {
    format!(
        "Usage: {name}: [OPTIONS] -- generate library_contents.* files from device.conf
where OPTIONS are from:
  [-h|--help]            -- print this message and exit
  [-C|--config-dir DIR]  -- directory of device.conf [default /etc/mhvtl]
  [-D|--dest-dir DIR]    -- destination dir [default .]
  [-f|--force]           -- overwrite existing files
"
    )
}

pub(crate) fn run(call: &Invocation<'_>, out: &mut dyn Write) -> ToolResult {
    let long = &[("help", 'h'), ("config-dir", 'C'), ("dest-dir", 'D'), ("force", 'f')];
    let parsed = Options { short: "hC:D:f", long }.parse(call)?;
    if parsed.has('h') {
        return Ok(write!(out, "{}", usage(call.name))?);
    }
    parsed.reject_operands()?;
    let etc = parsed.value('C').map_or_else(|| directory(&call.etc), |etc| Ok(PathBuf::from(etc)))?;
    if !etc.is_dir() {
        return Err(ToolError::usage(format!("error: mhvtl config path not present: {}", etc.display())));
    }
    let units = device_summaries(&etc)?;
    for library in units.iter().filter(|unit| matches!(unit.kind, DeviceKind::Library { .. })) {
        let path = Path::new(parsed.value('D').unwrap_or(".")).join(format!("library_contents.{}", library.id));
        generate(&path, &text(library.id, drives_of(library.id, &units)), parsed.has('f'), out)?;
    }
    Ok(())
}

fn drives_of(id: u32, units: &[DeviceSummary]) -> usize {
    units.iter().filter(|unit| unit.kind == DeviceKind::Drive { library: Some(id) }).count()
}

fn text(id: u32, drives: usize) -> String {
    let mut text = "VERSION: 2\n\n".to_owned();
    (1..=drives).for_each(|drive| text.push_str(&format!("Drive {drive}:\n")));
    text.push_str(MIDDLE);
    for slot in 1..=slots(id) {
        let _ = writeln!(text, "{}", format!("Slot {slot}: {}", label(id, slot)).trim_end());
    }
    text
}

const fn slots(id: u32) -> u32 {
    if id == 30 { 40 } else { 39 }
}

/// The barcode that mhvtl puts into a slot. In other libraries than its two default ones, mhvtl uses barcodes without a
/// media suffix; here they are LTO-8.
fn label(id: u32, slot: u32) -> String {
    match (id, slot) {
        (10, 1..=20) => format!("E0{id:02}{slot:02}L8"),
        (10, 22) => format!("CLN{id:02}1L8"),
        (10, 23) => format!("CLN{id:02}2L6"),
        (10, 30..=39) => format!("F0{id:02}{slot:02}L6"),
        (10, _) => String::new(),
        (30, 1..=39) => format!("G0{id:02}{slot:02}TA"),
        (30, _) => format!("CLN{id:02}3TA"),
        _ => format!("M0{id:02}{slot:02}L8"),
    }
}
