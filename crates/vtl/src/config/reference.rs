//! Generates docs/configuration.md from the tables of the file.

use super::tables::{TABLES, Table};
use std::fmt::Write;

const INTRODUCTION: &str = "# Configuration

This page lists every table and key of the configuration file of a daemon. It is generated from the code: `ferric config
reference` prints it.

The configuration is one TOML file, given to the daemon with `--config`. Every key is optional unless its description says
that it is required, and so is the file. The file describes the *shape* of a site: libraries, drives, elements, pools. The
data directory stores the contents: cartridges, their locations, serial numbers, the target name.

- `ferric config check FILE` checks a file as a daemon with a new data directory would, and reports the first error with line
  and key. This includes errors that depend on other keys or on the machine: more cartridges than slots, overlapping LUNs, a
  missing directory of cartridges, or a directory where no cartridge can be created (the check creates a directory there and
  removes it).
- `ferric config init` writes a file with every key and its description, as comments.
- `ferric-iscsid --config FILE --print-config` prints the configuration in effect.
- `ferric reload`, or SIGHUP, makes a running daemon read its file again. New libraries, drives, slots and cartridges appear,
  and UNIT ATTENTION 3Fh/0Eh or 28h/00h is raised for every I_T nexus; running commands continue. Pools, policies and access
  rules change to those of the file. A change that removes or modifies a library, drive, slot or shelf, or moves the
  cartridges, is refused as a whole: it requires a restart.
- At a restart, a slot or drive that holds a cartridge but is no longer in the file is an error that names both.
- The end of the file system counts as the end of the tape, with early warning 256 MiB before it.

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

Two keys at the top of the file, before all tables, concern the whole site: `time` is the default of `time` in `[[library]]`, and
`faults` is the file of a script of faults that the site has from its start ([faults.md](faults.md)). Tables `[[fault]]` have the
keys of the tables of a script, for faults without a separate file. If a reload finds other
faults, it clears all of these and adds the new ones.

This release still accepts these former words, with a warning in the log and from `ferric config check`; the next one does not:

| former | now |
|---|---|
| key `level` in `[[library.cartridges]]` and `[[pool]]` | `format` |
| the value `ferric` of that key | `native` |
| `export` and `import` = `\"operator\"` or `\"at once\"` | `\"manual\"` or `\"auto\"` |
| `at = \"port1\"` | `at = \"io1\"` |
";

/// The page that documents the configuration, as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(INTRODUCTION);
    for Table { header, doc, keys } in TABLES {
        let doc: String = doc.concat();
        let _ = write!(page, "\n## `{header}`\n\n{}\n\n| key | type | meaning |\n|---|---|---|\n", doc.trim());
        for key in keys.iter().filter(|key| !key.value_type.is_empty()) {
            let _ = writeln!(page, "| `{}` | {} | {} |", key.name, key.value_type, key.doc.concat().trim());
        }
    }
    page
}

#[cfg(test)]
mod tests {
    /// If this fails, regenerate the page: `cargo run -p ferric -- config reference > docs/configuration.md`.
    #[test]
    fn configuration_page_is_current() {
        assert!(
            include_str!("../../../../docs/configuration.md") == super::reference(),
            "docs/configuration.md is out of date"
        );
    }
}
