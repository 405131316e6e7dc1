//! The documentation of the file, from its tables.

use super::tables::{TABLES, Table};
use std::fmt::Write;

const INTRODUCTION: &str = "# Configuration

One TOML file, given to the daemon with `--config`; every key is optional unless it says that it is needed, and so is the
file. It owns the *shape* of a site: libraries, drives, elements, pools. The data directory owns what is in it:
cartridges, where they are, serial numbers, the target's name. This page is made from the code: `ferric config reference`
prints it.

- `ferric config check FILE` resolves a file as the daemon does that finds a new data directory, and reports the first fault
  with line and key: also what only shows beside the rest, such as more cartridges than slots, LUNs that overlap, or a
  directory of cartridges that does not exist, or where no cartridge can be created (it creates a directory there, and
  removes it).
- `ferric config init` writes a file with every key and its meaning, as comments.
- `ferric-iscsid --config FILE --print-config` shows what is in effect.
- `ferric reload`, or SIGHUP, has a running daemon read its file again. Libraries, drives, slots and cartridges that are new
  appear, and hosts hear of it (UNIT ATTENTION 3Fh/0Eh, 28h/00h); running commands are not disturbed. Pools, policies, and who may log
  in, are from then on as the file has them. What would take away or change a library, a drive or a slot, or move the
  cartridges, is refused, and nothing is changed: it takes a restart.
- At a restart a slot or drive that the file no longer has, and that holds a cartridge, is an error that names both.
- The end of the file system counts as the end of the tape, with early warning 256 MiB before.

```toml
[[library]]
model = \"STK L700\"
slots = 40

[[library.drive]]
model = \"ULT3580-TD8\"
count = 2

[[library.cartridges]]
pattern = \"CLN###L8\"
count = 2

[[pool]]
name = \"scratch\"
pattern = \"S#####L8\"
size = \"100GB\"
scratch = 10

[iscsi]
bind = \"0.0.0.0:3260\"
```
";

/// The page that documents the configuration, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for Table { header, about, keys } in TABLES {
        let about: String = about.concat();
        let _ = write!(page, "\n## `{header}`\n\n{}\n\n| key | takes | meaning |\n|---|---|---|\n", about.trim());
        for key in keys.iter().filter(|key| !key.takes.is_empty()) {
            let _ = writeln!(page, "| `{}` | {} | {} |", key.name, key.takes, key.about.concat().trim());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    /// If it is not, print it: `cargo run -p ferric -- config reference > docs/configuration.md`.
    #[test]
    fn configuration_page_is_current() {
        assert!(
            include_str!("../../../../docs/configuration.md") == super::reference(),
            "docs/configuration.md is old"
        );
    }
}
