//! The dependencies in docs/embedding.md, in the Cargo.toml of a test: they resolve and do not include those of the
//! daemon.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn a_test_that_embeds_the_portal_does_not_build_the_daemon() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let guide = fs::read_to_string(root.join("docs/embedding.md")).unwrap();
    let dependencies = guide.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(dependencies.contains("\"../ferric/crates/vtl\"") && dependencies.contains("default-features = false"));
    let dir = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"mine\"\nedition = \"2024\"\n[workspace]\n{}",
        dependencies.replace("../ferric", &root.display().to_string())
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    fs::write(dir.path().join("src/lib.rs"), "").unwrap();
    fs::copy(root.join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--edges", "normal,dev", "--prefix", "none"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let (text, error) = (String::from_utf8(tree.stdout).unwrap(), String::from_utf8(tree.stderr).unwrap());
    assert!(tree.status.success(), "{error}");
    let crates: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(crates.contains(&"vtl") && crates.contains(&"iscsid"), "{text}");
    for program in ["clap", "clap_builder", "tracing-subscriber", "signal-hook", "sd-notify", "indicatif"] {
        assert!(!crates.contains(&program), "{program} is in the dependencies of a test:\n{text}");
    }
}
