//! Completion scripts and man pages, as shells and formatters read them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn ferric(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ferric")).args(arguments).output().unwrap()
}

/// Writes the script of a shell into a file, and returns its text.
fn write_script(shell: &str, path: &Path) -> String {
    let output = ferric(&["completions", shell]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    fs::write(path, &output.stdout).unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The words that bash offers for a command line, whose last word is incomplete.
fn offered(script: &Path, words: &[&str]) -> Vec<String> {
    let line = format!(
        "source {}; COMP_WORDS=({}); COMP_CWORD={}; \"$(complete -p ferric | grep -o '[^ ]* ferric$' | cut -d' ' -f1)\" \
         ferric '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
        words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let output = Command::new("bash").args(["--norc", "-c", &line]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("ferric.bash");
    write_script("bash", &script);
    let checked = Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    assert_eq!(offered(&script, &["ferric", "loa"]), ["load"]);
    assert_eq!(offered(&script, &["ferric", "tape", "ver"]), ["verify"]);
    assert_eq!(offered(&script, &["ferric", "tape", "create", "x", "--ki"]), ["--kind"]);
    assert_eq!(offered(&script, &["ferric", "tape", "create", "--format", "m"]), ["mhvtl"]);
    assert_eq!(offered(&script, &["ferric", "--js"]), ["--json"]);
    assert_eq!(offered(&script, &["ferric", "status", "--lib"]), ["--library"]);
    assert!(offered(&script, &["ferric", "tape", "show", "--soc"]).is_empty());
}

#[test]
fn other_shells_parse_their_scripts() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["zsh", "fish"] {
        let script = dir.path().join(shell);
        let text = write_script(shell, &script);
        assert!(text.contains("image-format") && text.contains("Load a cartridge into a drive"), "{shell}");
        // Not every machine has these shells.
        if let Ok(checked) = Command::new(shell).arg("-n").arg(&script).output() {
            assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
        }
    }
}

#[test]
fn former_words_are_not_completed() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let text = write_script(shell, &dir.path().join(shell));
        for former in ["--make", "--level", "'fail", " fail "] {
            assert!(!text.contains(former), "{shell} completes {former}");
        }
    }
}

#[test]
fn man_pages_are_formatted_without_warnings() {
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man");
    let output = ferric(&["man", pages.to_str().unwrap(), "--json"]);
    let written: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let written = written["pages"].as_array().unwrap();
    assert!(written.len() > 35, "{written:?}");
    assert!(pages.join("ferric.1").exists() && pages.join("ferric-tape-show.1").exists());
    assert!(!pages.join("ferric-fail.1").exists());
    for page in ["ferric-serve-iscsi.1", "ferric-iscsid.8", "ferric-mhvtld.8", "vtltape.8", "vtllibrary.8"] {
        assert!(pages.join(page).exists(), "{page}");
    }
    let page = fs::read_to_string(pages.join("ferric-load.1")).unwrap();
    assert!(page.contains("\n\\&ferric load V00001L8"), "{page}");
    // Not every machine has groff.
    for page in written {
        let page = page.as_str().unwrap();
        let Ok(output) = Command::new("groff").args(["-man", "-ww", "-Tutf8", "-z", page]).output() else { return };
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn page_that_cannot_be_written_is_named() {
    let output = ferric(&["man", "/dev/null/man"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr, "ferric: /dev/null/man: Not a directory (os error 20)\n");
}
