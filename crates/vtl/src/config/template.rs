//! Generates a configuration file that lists every key with its description, as comments; it is the default library.

use super::tables::{TABLES, Table};
use std::fmt::Write;

/// Maximum length of a line of the file.
const LINE_WIDTH: usize = 100;

const INTRODUCTION: &str = "# Configuration of Ferric. Unchanged, it is the default library: every key is a comment.
# To set a key, remove the # before it, and the # before the header of its table.
# \"ferric config check FILE\" checks the file; docs/configuration.md has the same descriptions.
";

/// Tables whose headers are not comments: without keys they have no effect.
const UNCOMMENTED_TABLES: [&str; 4] = ["[[library]]", "[storage]", "[iscsi]", "[http]"];

/// A value for each key: its default where there is one.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("[[library]]", "name", "\"main\""),
    ("[[library]]", "model", "\"STK L700\""),
    ("[[library]]", "serial", "\"FERRIC0001\""),
    ("[[library]]", "exact_serial", "false"),
    ("[[library]]", "naa", "\"3000000000000001\""),
    ("[[library]]", "vendor", "\"STK\""),
    ("[[library]]", "product", "\"L700\""),
    ("[[library]]", "revision", "\"0310\""),
    ("[[library]]", "slots", "24"),
    ("[[library]]", "import_export", "4"),
    ("[[library]]", "shelf", "\"main\""),
    ("[[library]]", "target", "\"tapes\""),
    ("[[library]]", "lun", "0"),
    ("[[library]]", "export", "\"manual\""),
    ("[[library]]", "import", "\"manual\""),
    ("[[library]]", "move_command", "[\"/usr/local/bin/on-move\"]"),
    ("[[library]]", "move_command_timeout", "20"),
    ("[[library]]", "time", "\"off\""),
    ("[library.first]", "robot", "0"),
    ("[library.first]", "slots", "1000"),
    ("[library.first]", "import_export", "10"),
    ("[library.first]", "drives", "500"),
    ("[library.partition]", "chassis", "\"rack1\""),
    ("[library.partition]", "number", "1"),
    ("[library.partition]", "slots", "1"),
    ("[library.partition]", "import_export", "1"),
    ("[library.partition]", "drives", "1"),
    ("[[library.drive]]", "model", "\"ULT3580-TD8\""),
    ("[[library.drive]]", "count", "1"),
    ("[[library.drive]]", "compression", "\"zstd:1\""),
    ("[[library.drive]]", "serial", "\"FERRIC0002\""),
    ("[[library.drive]]", "naa", "\"3000000000000002\""),
    ("[[library.drive]]", "vendor", "\"IBM\""),
    ("[[library.drive]]", "product", "\"ULT3580-TD8\""),
    ("[[library.drive]]", "revision", "\"MA21\""),
    ("[[library.drive]]", "time", "\"off\""),
    ("[[library.drive]]", "daemon", "\"tape2\""),
    ("[[library.drive.page]]", "kind", "\"mode\""),
    ("[[library.drive.page]]", "code", "0x0a"),
    ("[[library.drive.page]]", "subpage", "0"),
    ("[[library.drive.page]]", "values", "\"all\""),
    ("[[library.drive.page]]", "offset", "8"),
    ("[[library.drive.page]]", "bytes", "\"00 3c\""),
    ("[[library.drive.page]]", "absent", "false"),
    ("[[library.cartridges]]", "pattern", "\"V#####L8\""),
    ("[[library.cartridges]]", "medium", "\"LTO-8\""),
    ("[[library.cartridges]]", "kind", "\"data\""),
    ("[[library.cartridges]]", "label", "\"missing\""),
    ("[[library.cartridges]]", "count", "19"),
    ("[[library.cartridges]]", "first", "1"),
    ("[[library.cartridges]]", "size", "\"12TB\""),
    ("[[library.cartridges]]", "format", "\"native\""),
    ("[[library.cartridges]]", "at", "\"slot1\""),
    ("[[chassis]]", "name", "\"rack1\""),
    ("[[chassis]]", "model", "\"STK L700\""),
    ("[[chassis]]", "serial", "\"FERRIC0003\""),
    ("[[chassis]]", "slots", "24"),
    ("[[chassis]]", "import_export", "4"),
    ("[[chassis]]", "drives", "2"),
    ("[[chassis]]", "io_station", "\"divided\""),
    ("[[pool]]", "name", "\"scratch\""),
    ("[[pool]]", "pattern", "\"S#####L8\""),
    ("[[pool]]", "first", "1"),
    ("[[pool]]", "size", "\"12TB\""),
    ("[[pool]]", "format", "\"native\""),
    ("[[pool]]", "library", "\"main\""),
    ("[[pool]]", "scratch", "10"),
    ("[[pool]]", "replica", "\"second\""),
    ("[storage]", "cartridges", "[\"/srv/tapes\"]"),
    ("[storage]", "create", "false"),
    ("[storage]", "group", "\"tape\""),
    ("[storage]", "shared", "false"),
    ("[storage]", "new_cartridges", "\"archive\""),
    ("[[shelf]]", "name", "\"archive\""),
    ("[[shelf]]", "url", "\"s3://tapes/shelf\""),
    ("[[shelf]]", "durability", "\"remote\""),
    ("[[shelf]]", "unload", "\"wait\""),
    ("[[shelf]]", "cache", "\"10GB\""),
    ("[[shelf]]", "encrypt", "\"file:/etc/ferric/shelf.key\""),
    ("[[shelf]]", "former_keys", "[\"file:/etc/ferric/former.key\"]"),
    ("[[shelf]]", "object_lock", "true"),
    ("[[shelf]]", "class", "\"GLACIER_IR\""),
    ("[[shelf]]", "thaw_tier", "\"bulk\""),
    ("[[shelf]]", "thaw_days", "14"),
    ("[[shelf]]", "replica", "\"second\""),
    ("[iscsi]", "bind", "\"127.0.0.1:3260\""),
    ("[iscsi]", "iqn", "\"iqn.2026-01.com.example:tapes\""),
    ("[iscsi]", "advertise", "\"tape.example.com:3260\""),
    ("[iscsi]", "initiators", "[\"iqn.2026-01.com.example:host\"]"),
    ("[iscsi]", "networks", "[\"10.0.0.0/8\", \"::1\"]"),
    ("[iscsi]", "buffer_memory", "\"2GiB\""),
    ("[iscsi]", "max_connections_per_address", "512"),
    ("[iscsi]", "max_unauthenticated_per_address", "32"),
    ("[[iscsi.user]]", "name", "\"host\""),
    ("[[iscsi.user]]", "secret", "\"change this secret\""),
    ("[[notify]]", "name", "\"operators\""),
    ("[[notify]]", "events", "[\"warn\", \"started\"]"),
    ("[[notify]]", "libraries", "[\"main\"]"),
    ("[[notify]]", "retry_seconds", "43200"),
    ("[[notify]]", "url", "\"https://alerts.example.com/tapes\""),
    ("[[notify]]", "secret", "\"change this secret too\""),
    ("[[notify]]", "secret_file", "\"/etc/ferric/webhook-secret\""),
    ("[[notify]]", "ca_file", "\"/etc/ssl/certs/example.pem\""),
    ("[[notify]]", "smtp", "\"mail.example.com:587\""),
    ("[[notify]]", "smtp_security", "\"starttls\""),
    ("[[notify]]", "smtp_user", "\"tapes\""),
    ("[[notify]]", "smtp_password_file", "\"/etc/ferric/smtp-password\""),
    ("[[notify]]", "mail_from", "\"tapes@example.com\""),
    ("[[notify]]", "mail_to", "[\"operators@example.com\"]"),
    ("[[notify]]", "digest_seconds", "60"),
    ("[[notify]]", "command", "[\"/usr/local/bin/on-event\", \"--verbose\"]"),
    ("[[notify]]", "timeout_seconds", "10"),
    ("[iscsi.mutual]", "name", "\"target\""),
    ("[iscsi.mutual]", "secret", "\"and change this one\""),
    ("[http]", "listen", "\"127.0.0.1:8080\""),
    ("[http]", "loopback", "\"open\""),
    ("[http]", "certificate", "\"/etc/ferric/certificate.pem\""),
    ("[http]", "key", "\"/etc/ferric/key.pem\""),
    ("[http]", "client_ca", "\"/etc/ferric/clients.pem\""),
    ("[http]", "client_role", "\"read\""),
    ("[http]", "insecure", "false"),
    ("[http]", "hosts", "[\"tape.example.com\"]"),
];

/// Returns the text of the file.
#[must_use]
pub fn template() -> String {
    let mut file = String::from(INTRODUCTION);
    for Table { header, doc, keys } in TABLES {
        table(&mut file, header, &doc.concat(), keys.iter().map(|key| (key.name, key.doc.concat())));
    }
    // The table `[iscsi.user]` documents the keys of both.
    table(
        &mut file,
        "[iscsi.mutual]",
        "Name and secret with which the target authenticates itself (mutual CHAP).",
        ["name", "secret"].map(|key| (key, String::new())),
    );
    file
}

fn table(file: &mut String, header: &str, doc: &str, keys: impl IntoIterator<Item = (&'static str, String)>) {
    file.push('\n');
    comment(file, doc.trim());
    let open = UNCOMMENTED_TABLES.contains(&header);
    let _ = writeln!(file, "{}{header}", if open { "" } else { "#" });
    for (name, doc) in keys {
        let Some((.., example)) = EXAMPLES.iter().find(|(table, key, _)| (*table, *key) == (header, name)) else {
            continue;
        };
        comment(file, doc.trim());
        let _ = writeln!(file, "#{name} = {example}");
    }
}

/// Writes text as comment lines of at most `WIDTH` characters.
fn comment(file: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > LINE_WIDTH {
            let _ = writeln!(file, "{line}");
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    if line.len() > 1 {
        let _ = writeln!(file, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, check, parse};

    #[test]
    fn template_is_the_default_library() {
        let config = parse("f", &template()).unwrap();
        check(&config).unwrap();
        assert_eq!(config.to_string(), Config::default().to_string());
        assert!(template().lines().all(|line| line.len() <= LINE_WIDTH));
    }

    /// The file has every key, with a value that is valid for it.
    #[test]
    fn every_key_can_be_set() {
        let set = |line: &str| line.strip_prefix('#').filter(|key| !key.starts_with(' ')).unwrap_or(line).to_owned();
        // A target has one kind of delivery and one secret.
        let webhook = ["url", "ca_file"];
        let mail =
            ["smtp", "smtp_security", "smtp_user", "smtp_password_file", "mail_from", "mail_to", "digest_seconds"];
        let (secret, secret_file) =
            ([webhook.as_slice(), &["secret"]].concat(), [&webhook[..], &["secret_file"]].concat());
        let variants = [secret, secret_file, mail.to_vec(), vec!["command"]];
        let all: Vec<&str> = variants.concat();
        for variant in &variants {
            let is_set = |key: &str| !all.contains(&key) || variant.contains(&key);
            let mut table = "";
            let mut text = String::new();
            for line in template().lines() {
                let line = set(line);
                if line.starts_with('[') {
                    table = if line == "[[notify]]" { "notify" } else { "" };
                }
                let key = line.split(" = ").next().unwrap_or_default();
                if table.is_empty() || is_set(key) {
                    text += &format!("{line}\n");
                }
            }
            // The replica of the shelf.
            text += "[[shelf]]\nname = \"second\"\nurl = \"s3://tapes/second\"\n";
            parse("f", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        }
        for Table { header, keys, .. } in TABLES {
            for key in keys.iter().filter(|key| !key.value_type.is_empty()) {
                let has = EXAMPLES.iter().any(|(table, name, _)| (*table, *name) == (*header, key.name));
                assert!(has, "{header} {}: no example", key.name);
            }
        }
    }
}
